/**
 * Runs one trial from its site to its transcript.
 *
 * @module
 */

import { DialogError } from "./console.ts";
import { CannotCutError } from "./cut.ts";
import type { Profile } from "./profile.ts";
import { PrintsTooMuchError } from "./recording.ts";
import type { Run } from "./run.ts";
import { Site } from "./site.ts";
import { Stage } from "./stage.ts";
import { basics, choice, values } from "./trials/basics.ts";
import { concurrent, deadFollower } from "./trials/outside.ts";
import { cut, hook, restart } from "./trials/refusal.ts";
import { lateFollower, stopFollower } from "./trials/stopped.ts";
import type { Reason, TrialId } from "./types.ts";
import { isTelling } from "./verdicts/stops.ts";

const trials: Readonly<Record<TrialId, (stage: Stage) => Promise<void>>> = {
  basics,
  choice,
  values,
  "stop-s2": (stage) => stopFollower(stage, 1),
  "stop-s3": (stage) => stopFollower(stage, 2),
  cut,
  restart,
  "late-follower": lateFollower,
  hook,
  concurrent,
  "dead-follower": deadFollower,
};

/** A profile, its folder, and the words with which it was named on the command line. */
export interface Subject {
  readonly profile: Profile;
  readonly folder: string;
  readonly argument: string;
}

/** Trials that a client's random choice or a loaded machine can make worthless, and how to tell. */
const isWorth: Partial<Record<TrialId, (run: Run) => boolean>> = {
  "stop-s2": isTelling,
  "stop-s3": isTelling,
};
const attemptsMax = 4;

/** Runs one trial. What goes wrong in it is in the run's `failed`. */
export async function runTrial(subject: Subject, id: TrialId): Promise<Run> {
  for (let attempt = 1;; attempt++) {
    const run = await runOnce(subject, id);
    const worth = isWorth[id]?.(run) ?? true;
    if (worth || run.failed !== undefined || attempt === attemptsMax) return run;
  }
}

async function runOnce(subject: Subject, id: TrialId): Promise<Run> {
  const repeat = `deno task grade ${quoted(subject.argument)} --only=${id}`;
  await using site = await Site.open(true);
  const stage = await Stage.open(subject.profile, subject.folder, site);
  let failed: Reason | undefined;
  try {
    await trials[id](stage);
  } catch (error) {
    failed = toReason(error, id);
  }
  const undisturbed = stage.recording.events.length;
  await site[Symbol.asyncDispose]();
  await stage.drained();
  return finish(stage, id, repeat, undisturbed, failed);
}

function toReason(error: unknown, id: TrialId): Reason {
  if (error instanceof CannotCutError) {
    return Deno.build.os === "linux"
      ? { reason: "needs-permission", args: { what: "unshare, setpriv, ip rule" } }
      : { reason: "needs-linux", args: { what: "unshare, ip rule" } };
  }
  if (error instanceof DialogError || error instanceof PrintsTooMuchError) {
    return { reason: "trial-failed", args: { trial: id, problem: error.message } };
  }
  throw error;
}

function quoted(word: string): string {
  return /^[\w./@:+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The transcript of a stage so far. */
export function finish(
  stage: Stage,
  id: TrialId,
  repeat: string,
  undisturbed: number,
  failed?: Reason,
): Run {
  const { events, errorLines, elapsedMs } = stage.recording;
  const trial = { id, title: `trial-${id}`, events, durationMs: elapsedMs, repeat } as const;
  return {
    ...{ trial, events, errorLines, undisturbed },
    requests: stage.requests,
    servers: stage.servers,
    clients: stage.clients,
    stops: stage.stops,
    connections: stage.connections.byPort,
    otherListeners: stage.connections.otherListeners,
    restarts: stage.restarts,
    ready: stage.requests[0]?.from ?? events.length,
    ...(failed === undefined ? {} : { failed }),
  };
}
