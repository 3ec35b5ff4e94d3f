/**
 * Makes a profile by asking a person, and checks it with a first dialogue.
 *
 * @module
 */

import { escapeControls } from "../../lib/cli/escape.ts";
import { UsageError } from "../../lib/cli/flags.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import { CannotRunError, grade } from "./grade.ts";
import { parseProfile } from "./profile.ts";
import { askForProfile } from "./questions.ts";
import type { Report } from "./types.ts";

const eventsShown = 60;

/**
 * Asks for a profile, writes it to a file that does not exist yet, and tries it with one trial.
 * Returns whether PUT and GET work with it.
 */
export async function newProfile(file: string, terminal: Terminal): Promise<boolean> {
  const told = (text: string) => terminal.err(`${escapeControls(text)}\n`);
  if (await exists(file)) throw new UsageError(`${file} exists: --new does not overwrite a file`);
  const fields = await askForProfile({
    ask: (question) => terminal.keyboard.ask(question),
    tell: terminal.out,
  });
  const text = `${JSON.stringify(fields, null, 2)}\n`;
  try {
    await Deno.writeTextFile(file, text, { createNew: true });
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${(error as Error).message}`);
  }
  told("A first dialogue: one trial, up to two minutes");
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) || "/" : ".";
  const subject = { profile: parseProfile(text, file), folder, argument: file };
  let problem = "no GET returned what a PUT had written";
  try {
    const report = await grade(subject, ["basics"], told);
    for (const { console, kind, text } of report.trials[0]!.events.slice(0, eventsShown)) {
      told(`${console} ${kind === "in" ? ">" : " "} ${text}`);
    }
    if (works(report)) {
      terminal.out(`${file}: PUT and GET work\n`);
      return true;
    }
  } catch (error) {
    if (!(error instanceof CannotRunError)) throw error;
    problem = error.message;
  }
  for (const line of problem.split("\n")) told(line);
  terminal.out(`${file}: not yet right, change its commands or steps\n`);
  return false;
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
