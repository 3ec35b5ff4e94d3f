/**
 * The transcripts of all trials with their lines, and the questions that several rules ask.
 *
 * @module
 */

import type { Profile } from "../profile.ts";
import type { Request, Run } from "../run.ts";
import type { ClauseId, ClauseResult, Evidence, Reason, TrialId, Verdict } from "../types.ts";
import { type Line, type LineKind, type ReadLines, readLines } from "./lines.ts";

/** Trials in which the grader only types. */
export const undisturbed = ["basics", "choice", "values"] as const;

/** One run and its lines. */
export interface Transcript extends ReadLines {
  readonly run: Run;
  readonly id: TrialId;
  /** Whether a PUT of it was acknowledged: the programs work and print. */
  readonly works: boolean;
}

/** An event of a trial. */
export interface Place {
  readonly trial: TrialId;
  readonly event: number;
}

/** All trials of one implementation. */
export class Transcripts {
  readonly profile: Profile;
  readonly #byId = new Map<TrialId, Transcript>();

  constructor(profile: Profile, runs: Iterable<Run>) {
    this.profile = profile;
    for (const run of runs) {
      const read = readLines(run, profile.refusalWord);
      const works = read.lines.some(({ kind }) => kind.endsWith("put-ok"));
      this.#byId.set(run.trial.id, { ...read, run, id: run.trial.id, works });
    }
  }

  /** A trial that was run, whether it failed or not. */
  get(id: TrialId): Transcript | undefined {
    return this.#byId.get(id);
  }

  /** The given trials that were run and in which a PUT was acknowledged. */
  working(...ids: readonly TrialId[]): Transcript[] {
    return ids.map((id) => this.get(id)).filter((one) =>
      one !== undefined && one.works
    ) as Transcript[];
  }

  /** Why a clause cannot be judged that needs a trial. `undefined` if the trial works. */
  problem(id: TrialId): Reason | undefined {
    const transcript = this.get(id);
    if (transcript === undefined) return { reason: "trial-not-run", args: { trial: id } };
    if (transcript.run.failed !== undefined && !transcript.works) return transcript.run.failed;
    if (!transcript.works) return { reason: "no-control-put", args: { trial: id } };
    return undefined;
  }
}

/** The lines of a kind. */
export function linesOf(transcript: Transcript, kind: LineKind, key?: string): Line[] {
  return transcript.lines.filter((line) =>
    line.kind === kind && (key === undefined || line.key === key)
  );
}

/** The lines that a request led to, on any console. */
export function linesDuring(transcript: Transcript, request: Request, kind: LineKind): Line[] {
  return linesOf(transcript, kind, request.key).filter(({ event }) =>
    event >= request.from && event < request.to
  );
}

/** PUTs whose key was typed once only, and which the client or the leader acknowledged. */
export function acknowledgedPuts(transcript: Transcript): Request[] {
  const { requests } = transcript.run;
  const puts = requests.filter(({ op }) => op === "PUT");
  return puts.filter((put) =>
    puts.filter(({ key }) => key === put.key).length === 1 &&
    transcript.lines.some(({ kind, key }) => key === put.key && kind.endsWith("put-ok"))
  );
}

/** Whether lines are enough to call a clause not met: one exact line, or two in other words. */
export function isEnough(lines: readonly Line[]): boolean {
  return lines.length > 0 && (lines.every(({ exact }) => exact) || lines.length >= 2);
}

/** Places of lines in a trial. */
export function placesOf(transcript: Transcript, lines: readonly Line[]): Place[] {
  return lines.map(({ event }) => ({ trial: transcript.id, event }));
}

const evidenceMax = 12;

/** Evidence from places, grouped by trial and in the order of time. */
export function toEvidence(places: readonly Place[]): Evidence[] {
  const byTrial = new Map<TrialId, Set<number>>();
  for (const { trial, event } of places.slice(0, evidenceMax)) {
    const events = byTrial.get(trial);
    if (events === undefined) byTrial.set(trial, new Set([event]));
    else events.add(event);
  }
  return [...byTrial].map(([trial, events]) => ({
    trial,
    events: [...events].sort((a, b) => a - b),
  }));
}

/**
 * A clause's result. A `not-met` without a place to show becomes `inconclusive`: the grader never
 * says so without evidence.
 */
export function result(
  clause: ClauseId,
  verdict: Verdict,
  places: readonly Place[],
  why?: Reason,
): ClauseResult {
  const shown = verdict === "not-met" && places.length === 0 ? "inconclusive" : verdict;
  return {
    clause,
    verdict: shown,
    evidence: toEvidence(places),
    ...(why === undefined ? {} : { why }),
  };
}

/** A result without a verdict. */
export function inconclusive(
  clause: ClauseId,
  why: Reason,
  places: readonly Place[] = [],
): ClauseResult {
  return result(clause, "inconclusive", places, why);
}
