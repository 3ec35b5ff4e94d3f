/**
 * The grader: judges implementations of the assignment, in any language, by their consoles.
 *
 * @module
 */

import { escapeControls } from "../../lib/cli/escape.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { parseCommandLine, UsageError } from "../../lib/cli/flags.ts";
import { chooseLanguage } from "../../lib/cli/language.ts";
import { processTerminal, type Terminal } from "../../lib/cli/terminal.ts";
import { CannotRunError, grade } from "./grade.ts";
import { newProfile } from "./new_profile.ts";
import { parseProfile, ProfileError } from "./profile.ts";
import { htmlReport } from "./report/html.ts";
import { jsonReport, jsonReports } from "./report/json.ts";
import { htmlTable, type TableRow, terminalTable } from "./report/table.ts";
import { terminalReport } from "./report/terminal.ts";
import type { Subject } from "./trial.ts";
import { type Report, type TrialId, trialIds } from "./types.ts";

const usage = `Judges any implementation of the assignment by what its consoles print.

deno task grade PROFILE.json… [FLAGS]
deno task grade FOLDER [FLAGS]       all profiles of a folder, and a table of them
deno task grade --new=PROFILE.json   makes a profile by asking and by a first dialogue

  --lang=pt|en      language of the report (that of the system)
  --html=FILE       the report as one HTML file
  --json=FILE       the report as JSON
  --only=TRIAL,…    these trials only: ${trialIds.slice(0, 6).join(", ")},
                    ${trialIds.slice(6).join(", ")}
  --help            this text

It runs the programs that a profile names, with your rights. Run only programs that you trust, or
run it in a container or a virtual machine.

Exit code 0: judged. 2: a bad profile or argument. 3: a program could not be run, or the profile of
--new does not work yet.
docs/grading.md describes profiles, trials and verdicts.
`;

const warning = "These profiles run other people's programs with your rights";
const couldNotRun = 3;
const profilesMax = 200;

/** Judges the named profiles. Returns the exit code. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, switches, operands } = parseCommandLine(
    args,
    ["lang", "html", "json", "only", "new"],
    ["help"],
  );
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const language = chooseLanguage(values.lang);
  if (values.new !== undefined) {
    if (operands.length > 0) throw new UsageError(`--new takes no other profile: ${operands[0]}`);
    return await newProfile(values.new, terminal) ? 0 : couldNotRun;
  }
  if (operands.length === 0) throw new UsageError("no profile is given: see --help");
  const only = parseTrials(values.only);
  const subjects = await readSubjects(operands);
  const progress = (text: string) => {
    for (const line of text.split("\n")) terminal.err(`${escapeControls(line)}\n`);
  };
  progress(`${warning}: ${subjects.map(({ profile }) => profile.name).join(", ")}`);

  const rows: TableRow[] = [];
  for (const subject of subjects) {
    try {
      rows.push(await grade(subject, only, progress));
    } catch (error) {
      if (!(error instanceof CannotRunError)) throw error;
      rows.push({ profile: subject.profile.name, problem: error.message });
      progress(`${subject.profile.name}: cannot be run: ${error.message}`);
    }
  }
  const reports = rows.filter((row): row is Report => "clauses" in row);
  for (const report of reports) terminal.out(terminalReport(report, language));
  if (rows.length > 1) terminal.out(terminalTable(rows, language));
  const [single] = reports;
  const alone = rows.length === 1 && single !== undefined;
  if (values.html !== undefined) {
    const html = alone ? htmlReport(single, language) : htmlTable(rows, language);
    await write(values.html, html, "--html");
    // beside a table, a page for each program
    for (const [i, report] of alone ? [] : reports.entries()) {
      const file = `${values.html.replace(/\.html?$/i, "")}-${i + 1}.html`;
      await write(file, htmlReport(report, language), "--html");
    }
  }
  if (values.json !== undefined) {
    await write(values.json, alone ? jsonReport(single) : jsonReports(rows), "--json");
  }
  return reports.length === rows.length ? 0 : couldNotRun;
}

function parseTrials(text: string | undefined): TrialId[] | undefined {
  return text?.split(",").map((word) => {
    const id = trialIds.find((one) => one === word.trim());
    if (id !== undefined) return id;
    throw new UsageError(
      `--only must name trials (${trialIds.join(", ")}), not ${JSON.stringify(word)}`,
    );
  });
}

/** Reads and validates all profiles before the first program is started. */
async function readSubjects(operands: readonly string[]): Promise<Subject[]> {
  const files: string[] = [];
  for (const operand of operands) files.push(...await profileFiles(operand));
  if (files.length > profilesMax) {
    throw new UsageError(`${files.length} profiles: at most ${profilesMax} can be judged at once`);
  }
  return await Promise.all(files.map(readSubject));
}

async function profileFiles(operand: string): Promise<string[]> {
  try {
    if (!(await Deno.stat(operand)).isDirectory) return [operand];
    const files: string[] = [];
    for await (const entry of Deno.readDir(operand)) {
      if (entry.isFile && entry.name.endsWith(".json")) files.push(`${operand}/${entry.name}`);
    }
    if (files.length === 0) throw new UsageError(`${operand} has no profile: no file *.json`);
    return files.sort();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`cannot read ${operand}: ${(error as Error).message}`);
  }
}

async function readSubject(file: string): Promise<Subject> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  const [, folder = ".", name = file] = /^(?:(.*)\/)?([^/]*?)(?:\.json)?$/.exec(file) ?? [];
  try {
    return {
      profile: parseProfile(text, name),
      folder: folder === "" ? "/" : folder,
      argument: file,
    };
  } catch (error) {
    if (error instanceof ProfileError) throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}

async function write(file: string, text: string, flag: string): Promise<void> {
  try {
    await Deno.writeTextFile(file, text);
  } catch (error) {
    throw new UsageError(`${flag}: cannot write ${file}: ${(error as Error).message}`);
  }
}

if (import.meta.main) {
  const terminal = processTerminal();
  // the keeper of a running trial ends its programs when the grader is gone
  for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) {
    Deno.addSignalListener(signal, () => Deno.exit(128 + number));
  }
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
