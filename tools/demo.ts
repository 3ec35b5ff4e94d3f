/**
 * Tells a story step by step on three servers, such as why a GET is answered with
 * TRY_OTHER_SERVER_OR_LATER.
 *
 * The servers are real. A FAULT makes the leader hold the REPLICATIONs to one follower for a while.
 * Everything else is the usual protocol.
 *
 * @module
 */

import { play } from "../dashboard/stories/play.ts";
import { failureText, stories, storyDefault, storyOf } from "../dashboard/stories/stories.js";
import type { Lang, Story } from "../dashboard/stories/story.ts";
import { WrongStep } from "../dashboard/stories/wrong_step.ts";
import { escapeControls } from "../lib/cli/escape.ts";
import { exitCode } from "../lib/cli/exit_codes.ts";
import { parseFlags, UsageError } from "../lib/cli/flags.ts";
import { StartError } from "../lib/cli/serving.ts";
import { processTerminal, type Terminal } from "../lib/cli/terminal.ts";
import { UnavailableError, UnknownOutcomeError } from "../lib/client/errors.ts";
import { DemoStage, portOf } from "./demo_stage.ts";
import { demoTexts } from "./demo_texts.ts";

const usage = `Tells a story of replication, step by step, on three real servers.

deno task demo [FLAGS]

  --story=NAME  the story (${storyDefault.id})
  --lang=pt|en  language of the narration (pt)
  --list        the names of the stories
  --help        this text

On a terminal each step waits for Enter. The exit code is 1 if a step does not give what the
narration says.

  deno task demo --lang=en < /dev/null
`;

/** Tells a story. `find` gives the story with a name. Returns the exit code. */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  find: (id: string) => Story | undefined = storyOf,
): Promise<number> {
  const { values, switches } = parseFlags(args, ["lang", "story"], ["help", "list"]);
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const lang = values.lang ?? "pt";
  if (lang !== "pt" && lang !== "en") {
    throw new UsageError(`--lang must be pt or en, not ${JSON.stringify(lang)}`);
  }
  if (switches.list) {
    terminal.out(list(lang));
    return 0;
  }
  const story = find(values.story ?? storyDefault.id);
  if (story === undefined) {
    const names = stories.map(({ id }) => id).join(", ");
    throw new UsageError(`--story must be one of ${names}, not ${JSON.stringify(values.story)}`);
  }
  const error = await tell(story, lang, terminal);
  if (error === undefined) return 0;
  terminal.err(`${escapeControls(errorText(error, lang))}\n`);
  return 1;
}

/** Plays a story. Returns why it failed; `undefined` if it did not. */
async function tell(story: Story, lang: Lang, terminal: Terminal): Promise<Error | undefined> {
  try {
    await using stage = await DemoStage.open(terminal, lang);
    const { leader, near, far } = stage.servers;
    const [first, second, third] = [leader, near, far].map(portOf) as [string, string, string];
    terminal.out(`${demoTexts[lang].servers(first, second, third)}\n`);
    return await play(story, stage);
  } catch (error) {
    if (error instanceof StartError) return error;
    throw error;
  }
}

/** Why a story failed. Throws an error of the program itself. */
function errorText(error: Error, lang: Lang): string {
  if (error instanceof WrongStep) return failureText(error, lang);
  const expected = error instanceof UnavailableError || error instanceof UnknownOutcomeError ||
    error instanceof StartError;
  if (expected) return error.message;
  throw error;
}

/** The names of the stories, and what each shows. */
function list(lang: Lang): string {
  const width = Math.max(...stories.map(({ id }) => id.length));
  return stories.map(({ id, about }) => `${id.padEnd(width)}  ${about[lang]}\n`).join("");
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
