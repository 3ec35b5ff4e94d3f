/**
 * Shows step by step, on three servers, why a GET is answered with TRY_OTHER_SERVER_OR_LATER.
 *
 * The servers are real. A FAULT makes the leader hold the REPLICATIONs to one follower for a while.
 * Everything else is the usual protocol.
 *
 * @module
 */

import { escapeControls } from "../lib/cli/escape.ts";
import { exitCode } from "../lib/cli/exit_codes.ts";
import { parseFlags, UsageError } from "../lib/cli/flags.ts";
import { EndOfInput } from "../lib/cli/keyboard.ts";
import { ServerConsole } from "../lib/cli/server_console.ts";
import { listenAt, StartError } from "../lib/cli/serving.ts";
import { processTerminal, type Terminal } from "../lib/cli/terminal.ts";
import { tryOther } from "../lib/cli/texts.ts";
import { UnavailableError, UnknownOutcomeError } from "../lib/client/errors.ts";
import { ipDefault, requestTimeoutMs } from "../lib/limits.ts";
import { tuningDefault } from "../lib/replication/tuning.ts";
import { KvServer } from "../lib/server/kv_server.ts";
import { DemoClient, demoKey } from "./demo_client.ts";
import { type DemoTexts, demoTexts, type Step } from "./demo_texts.ts";
import { textOf } from "../lib/wire/frames.ts";

const usage = `Shows how TRY_OTHER_SERVER_OR_LATER comes about, on three real servers.

deno task demo [FLAGS]

  --lang=pt|en  language of the narration (pt)
  --help        this text

On a terminal each step waits for Enter. The exit code is 1 if a step does not give what the
narration says.

  deno task demo --lang=en < /dev/null
`;

/** Pause between two looks at a table. */
const pollMs = 5;

/** Time limit of requests on a terminal, where the held PUT waits for the reader's Enter. */
const readingMs = 3_600_000;

/** The text for an answer that has not come yet. */
const noAnswer = "…";

/** A step did not give what the narration says. */
class WrongStep extends Error {
  constructor(readonly expected: string, readonly got: string) {
    super(`expected ${expected}, got ${got}`);
    this.name = "WrongStep";
  }
}

/** Plays the demonstration. Returns the exit code. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, switches } = parseFlags(args, ["lang"], ["help"]);
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const lang = values.lang ?? "pt";
  if (lang !== "pt" && lang !== "en") {
    throw new UsageError(`--lang must be pt or en, not ${JSON.stringify(lang)}`);
  }
  const texts = demoTexts[lang];
  try {
    await play(terminal, texts);
  } catch (error) {
    if (error instanceof WrongStep) {
      terminal.err(`${escapeControls(texts.wrong(error.expected, error.got))}\n`);
    } else if (
      error instanceof UnavailableError || error instanceof UnknownOutcomeError ||
      error instanceof StartError
    ) {
      terminal.err(`${escapeControls(error.message)}\n`);
    } else throw error;
    return 1;
  }
  terminal.out(`\n${texts.end}\n`);
  return 0;
}

async function play(terminal: Terminal, texts: DemoTexts): Promise<void> {
  const { interactive } = terminal.keyboard;
  const putTimeoutMs = interactive ? readingMs : tuningDefault.putTimeoutMs;
  const clientTimeoutMs = interactive ? readingMs : requestTimeoutMs;
  await using open = new AsyncDisposableStack();
  const leader = open.use(start(terminal, putTimeoutMs));
  const quick = open.use(start(terminal, putTimeoutMs, leader));
  const held = open.use(start(terminal, putTimeoutMs, leader));
  await Promise.all([leader, quick, held].map(({ ready }) => ready));
  const [a, b, c] = [..."ABC"].map((letter) =>
    open.use(new DemoClient(letter, terminal, clientTimeoutMs))
  ) as [DemoClient, DemoClient, DemoClient];

  const step = narrator(terminal, texts, texts.steps(quick.address.port, held.address.port));
  terminal.out(
    `${texts.servers(leader.address.port, quick.address.port, held.address.port)}\n`,
  );

  await step("write");
  check("PUT_OK 1", await a.put(leader, "azul"));

  await step("pause");
  await a.fault(leader, held, "pause");

  await step("heldWrite");
  let answer = noAnswer;
  const answered = a.put(leader, "verde").then((ok) => answer = ok, (error) => {
    throw new WrongStep("PUT_OK 2", error.message);
  });
  answered.catch(() => {}); // handled in the step "resume"
  await until(() => timestampAt(quick) === 2);
  check("1", `${timestampAt(held)}`);

  await step("newRead");
  check("verde 2", await b.get(quick));

  await step("refusedRead");
  check(`${tryOther} 1`, await b.get(held));

  await step("firstRead");
  check("azul 1", await c.get(held));
  check(noAnswer, answer);

  await step("resume");
  await a.fault(leader, held, "resume");
  check("PUT_OK 2", await answered);

  await step("lastRead");
  check("verde 2", await b.get(held));
}

/** Starts a server on a free port. Its lines begin with the port. Without `leader` it leads. */
function start(terminal: Terminal, putTimeoutMs: number, leader?: KvServer): KvServer {
  let mark = ""; // not known before the server listens
  const listen = { hostname: ipDefault, port: 0 };
  const server = listenAt(listen, () =>
    KvServer.start({
      listen,
      ...(leader === undefined ? {} : { leader: leader.address }),
      prints: new ServerConsole((lines) =>
        terminal.out(textOf(lines).replaceAll(/^(?=.)/gm, mark))
      ),
      report: () => {},
      allowFaults: leader === undefined,
      tuning: { putTimeoutMs },
    }));
  mark = `[${server.address.port}] `;
  return server;
}

/** Returns a function that announces a step. On a terminal it waits for Enter first. */
function narrator(
  { keyboard, out }: Terminal,
  { next }: DemoTexts,
  narration: Readonly<Record<Step, string>>,
): (step: Step) => Promise<void> {
  let waits = keyboard.interactive;
  let number = 0;
  return async (step) => {
    out("\n");
    if (waits) {
      try {
        await keyboard.ask(next);
      } catch (error) {
        if (!(error instanceof EndOfInput)) throw error;
        waits = false; // the remaining steps follow without a pause
      }
    }
    out(`${++number}. ${narration[step]}\n`);
  };
}

function check(expected: string, got: string): void {
  if (got !== expected) throw new WrongStep(expected, got);
}

/** The timestamp of the key in a server's table. */
function timestampAt(server: KvServer): number {
  return server.table.get(demoKey)?.timestamp ?? 0;
}

/** Waits until the condition is true, at most as long as a PUT may take. */
async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + tuningDefault.putTimeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new WrongStep("REPLICATION", noAnswer);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
