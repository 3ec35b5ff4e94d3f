/**
 * Makes a profile by asking a person and watching a first dialogue, and tries it.
 *
 * @module
 */

import { escapeControls } from "../../lib/cli/escape.ts";
import { UsageError } from "../../lib/cli/flags.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import { DialogError } from "./console.ts";
import { DerivationError } from "./derived_steps.ts";
import { watchFirstDialog } from "./first_dialog.ts";
import { build, CannotRunError, grade } from "./grade.ts";
import { PortsTakenError } from "./network.ts";
import { parseProfile, ProfileError } from "./profile.ts";
import { type Asker, type Fields, Questions, withoutSteps } from "./questions.ts";
import { PrintsTooMuchError } from "./recording.ts";
import type { Subject } from "./trial.ts";
import type { Report } from "./types.ts";

const eventsShown = 60;

/**
 * Asks for a profile by questions and a first dialogue, writes it to a file that does not exist yet, and
 * tries it with one trial. Returns whether PUT and GET work with it.
 */
export async function newProfile(file: string, terminal: Terminal): Promise<boolean> {
  const told = (text: string) => {
    for (const line of text.split("\n")) terminal.err(`${escapeControls(line)}\n`);
  };
  if (await exists(file)) throw new UsageError(`${file} exists: --new does not overwrite a file`);
  terminal.keyboard.language = "en"; // as all of these questions
  const asker: Asker = {
    ask: (question) => terminal.keyboard.ask(question),
    tell: terminal.out,
  };
  const subject = (fields: Fields) => {
    const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) || "/" : ".";
    return { profile: parseProfile(JSON.stringify(fields), file), folder, argument: file };
  };
  try {
    const fields = await askForFields(asker, subject, told);
    const made = subject(fields); // a profile that cannot be used is not written
    await write(file, `${JSON.stringify(fields, null, 2)}\n`);
    terminal.out(`${file} is written. Now one trial with it, up to two minutes\n`);
    const report = await grade(made, ["basics"], told);
    if (works(report)) {
      terminal.out(`${file}: PUT and GET work\n`);
      return true;
    }
    for (const { console, kind, text } of report.trials[0]!.events.slice(0, eventsShown)) {
      told(`${console} ${kind === "in" ? ">" : " "} ${text}`);
    }
    told("no GET returned what a PUT had written");
    terminal.out(`${file}: not yet right, change its commands or steps\n`);
  } catch (error) {
    if (!problems.some((kind) => error instanceof kind)) throw error;
    told((error as Error).message);
    terminal.out("--new has ended without a profile that works\n");
  }
  return false;
}

/** Errors of the programs, not of the grader. */
const problems = [
  CannotRunError,
  DerivationError,
  DialogError,
  PortsTakenError,
  PrintsTooMuchError,
  ProfileError,
] as const;

async function askForFields(
  asker: Asker,
  subject: (fields: Fields) => Subject,
  told: (text: string) => void,
): Promise<Fields> {
  const questions = new Questions(asker);
  const commands = await questions.commands();
  const first = subject({ ...commands, ...withoutSteps });
  await build(first, told);
  return { ...commands, ...await watchFirstDialog(first, asker, questions) };
}

async function write(file: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(file, text, { createNew: true });
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${(error as Error).message}`);
  }
}

function works({ clauses }: Report): boolean {
  return clauses.some(({ clause, verdict }) => clause === "get-value" && verdict === "met");
}

async function exists(file: string): Promise<boolean> {
  try {
    await Deno.stat(file);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new UsageError(`cannot look for ${file}: ${(error as Error).message}`);
  }
}
