/**
 * Runs the trials of one implementation, one after the other, and judges them.
 *
 * @module
 */

import { version } from "../../lib/version.ts";
import { PortsTakenError } from "./network.ts";
import type { Run } from "./run.ts";
import { outputOf, runScript } from "./site.ts";
import { runTrial, type Subject } from "./trial.ts";
import { byEyeIds, type ClauseResult, type Report, type TrialId, trialIds } from "./types.ts";
import { judge, type Judgement } from "./verdicts/judge.ts";
import { refusalTrials } from "./verdicts/refusal_rules.ts";

const buildMs = 300_000;

/** The error when an implementation could not be run at all. */
export class CannotRunError extends Error {
  override readonly name = "CannotRunError";
}

/** Runs and judges one implementation. `progress` is told of each trial. */
export async function grade(
  subject: Subject,
  only: readonly TrialId[] | undefined,
  progress: (line: string) => void,
): Promise<Report> {
  const at = new Date().toISOString();
  await build(subject, progress);
  const runs: Run[] = [];
  const wanted = only ?? trialIds;
  for (const id of wanted) {
    if (id === "hook" && subject.profile.hook === undefined) continue;
    if (only === undefined && isRefusalTrial(id) && isRefusalKnown(subject, runs)) continue;
    progress(`${subject.profile.name}: ${id} (${wanted.indexOf(id) + 1}/${wanted.length})`);
    const run = await runTrial(subject, id).catch((error) => {
      if (error instanceof PortsTakenError) throw new CannotRunError(error.message);
      throw error;
    });
    runs.push(run);
    if (run.failed !== undefined) {
      progress(`${subject.profile.name}: ${id}: ${run.failed.args.problem ?? run.failed.reason}`);
    }
    if (runs.length === 1 && run.failed !== undefined && run.requests.length === 0) {
      const problem = run.failed.args.problem ?? run.failed.reason;
      throw new CannotRunError(`${problem}${lastWords(run)}`);
    }
  }
  const { clauses, outside } = judge(subject.profile, runs);
  // with `only`, what the other trials would show is left out
  const isShown = ({ why }: ClauseResult) =>
    only === undefined || why?.reason !== "trial-not-run" ||
    only.some((id) => id === why.args.trial);
  return {
    profile: subject.profile.name,
    ...{ version, at },
    clauses: clauses.filter(isShown),
    outside: outside.filter(isShown),
    system: `${Deno.build.os} ${Deno.build.arch}`,
    byEye: byEyeIds,
    trials: runs.map(({ trial }) => trial),
  };
}

function isRefusalTrial(id: TrialId): boolean {
  return (refusalTrials as readonly TrialId[]).includes(id);
}

/** Whether a trial has already shown what happens when a server is behind. */
function isRefusalKnown({ profile }: Subject, runs: readonly Run[]): boolean {
  const { clauses }: Judgement = judge(profile, runs);
  return clauses.some(({ clause, verdict }) =>
    clause === "try-other" && verdict !== "inconclusive"
  );
}

/**
 * Runs the commands that build an implementation.
 *
 * @throws {CannotRunError} if one fails.
 */
export async function build(
  { profile, folder }: Subject,
  progress: (line: string) => void,
): Promise<void> {
  const cwd = profile.cwd.startsWith("/") ? profile.cwd : `${folder}/${profile.cwd}`;
  const isFolder = await runScript(`cd "$1" && echo yes`, cwd);
  if (isFolder === undefined) throw new CannotRunError(`"cwd" ${cwd} is not a folder`);
  for (const command of profile.build) {
    progress(`${profile.name}: ${command.join(" ")}`);
    const script = ["sh", "-c", `exec "$@"`, "sh", ...command] as const;
    const output = await outputOf(script, { cwd, env: { ...profile.env } }, buildMs);
    if (output.success) continue;
    const words = new TextDecoder().decode(output.stderr).trim().split("\n").slice(-5).join("\n");
    throw new CannotRunError(`"build" ${command.join(" ")} failed: ${words}`);
  }
}

const lastWordsMax = 5;

/** What the programs printed last: most often the reason why they do not run. */
function lastWords(run: Run): string {
  const lines = run.events.filter(({ kind }) => kind === "out").slice(-lastWordsMax);
  return lines.map(({ console, text }) => `\n  ${console}: ${text}`).join("");
}
