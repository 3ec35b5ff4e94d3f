/**
 * Rules about TRY_OTHER_SERVER_OR_LATER: a client never gets a value older than one it has seen.
 *
 * @module
 */

import type { ClauseResult, Reason } from "../types.ts";
import { isBehind } from "./behind.ts";
import type { Line } from "./lines.ts";
import { forEachGet } from "./seen.ts";
import { compareTimestamps } from "./timestamps.ts";
import {
  inconclusive,
  isEnough,
  linesDuring,
  linesOf,
  placesOf,
  result,
  type Transcript,
  type Transcripts,
  undisturbed,
} from "./transcripts.ts";

/** Trials in which a server can be behind a client, in the order in which they are run. */
export const refusalTrials = ["cut", "restart", "late-follower", "hook"] as const;

/** The results of both clauses. */
export function refusalResults(transcripts: Transcripts): ClauseResult[] {
  const refusal = tryOther(transcripts);
  return [neverOlder(transcripts, refusal), refusal];
}

function neverOlder(transcripts: Transcripts, refusal: ClauseResult): ClauseResult {
  const clause = "get-never-older";
  const working = transcripts.working(...undisturbed, ...refusalTrials);
  if (working.length === 0) return inconclusive(clause, transcripts.problem("basics")!);
  for (const transcript of working) {
    const older: Line[] = [];
    let why: Reason | undefined;
    forEachGet(transcript, (get, seen) => {
      const largest = seen.largest(get.key);
      if (largest === undefined) return;
      for (const line of linesDuring(transcript, get, "client-get")) {
        if (line.console !== get.client || line.refused || line.absent) continue;
        if (line.value === undefined || line.own === undefined) continue;
        const order = compareTimestamps(line.own, largest);
        if (order === undefined || order >= 0) continue;
        older.push(line);
        const server = transcript.run.servers.find(({ port }) => port === line.address?.port);
        why ??= {
          reason: "older-value",
          args: { key: get.key, seen: largest, server: server?.name ?? "" },
        };
      }
    });
    if (why !== undefined && isEnough(older)) {
      return result(clause, "not-met", placesOf(transcript, older), why);
    }
  }
  if (refusal.verdict === "met" || refusal.verdict === "met-in-other-words") {
    return { ...refusal, clause, verdict: "met" };
  }
  return inconclusive(clause, { reason: "depends-on", args: { clause: "try-other" } });
}

function tryOther(transcripts: Transcripts): ClauseResult {
  const clause = "try-other";
  const groundless = refusedWithoutCause(transcripts);
  if (groundless !== undefined) return groundless;
  const exactWord = transcripts.profile.refusalWord === "TRY_OTHER_SERVER_OR_LATER";
  for (const transcript of transcripts.working(...refusalTrials)) {
    const behind = transcript.lines.filter(isBehind);
    const refused = behind.filter((line) => line.refused);
    const given = behind.filter((line) =>
      !line.refused && !line.absent && line.value !== undefined &&
      !behind.some((other) => other.refused && isSameGet(transcript, line, other))
    );
    if (given.length > 0 && isEnough(given) && refused.length === 0) {
      const [line] = given;
      const server = transcript.run.servers.find(({ port }) => port === line!.address?.port);
      return result(clause, "not-met", placesOf(transcript, given.slice(0, 4)), {
        reason: "no-refusal",
        args: {
          key: line!.key,
          seen: line!.timestamp!,
          server: line!.kind === "server-get" ? line!.console : server?.name ?? "",
        },
      });
    }
    if (refused.length > 0 && given.length === 0) {
      const places = placesOf(transcript, refused.slice(0, 4));
      if (exactWord) return result(clause, "met", places);
      const args = { expected: "TRY_OTHER_SERVER_OR_LATER", printed: refused[0]!.text };
      return result(clause, "met-in-other-words", places, { reason: "other-words", args });
    }
    if (refused.length > 0) {
      const args = { first: refused[0]!.text, second: given[0]!.text };
      return inconclusive(clause, { reason: "contradictory", args });
    }
  }
  const ran = refusalTrials.some((id) => transcripts.get(id) !== undefined);
  if (!ran) return inconclusive(clause, { reason: "trial-not-run", args: { trial: "cut" } });
  const failed = transcripts.get("cut")?.run.failed;
  if (failed?.reason === "needs-permission" || failed?.reason === "needs-linux") {
    return inconclusive(clause, failed);
  }
  return inconclusive(clause, { reason: "no-way-to-force", args: {} });
}

function isSameGet(transcript: Transcript, a: Line, b: Line): boolean {
  return transcript.run.requests.some(({ key, from, to }) =>
    [a, b].every((line) => line.key === key && line.event >= from && line.event < to)
  );
}

/** Refusals by servers that were not behind, while nothing disturbed them. */
function refusedWithoutCause(transcripts: Transcripts): ClauseResult | undefined {
  for (const transcript of transcripts.working(...undisturbed)) {
    const refused = linesOf(transcript, "server-get").filter((line) => {
      if (!line.refused || line.timestamp === undefined || line.own === undefined) return false;
      const order = compareTimestamps(line.own, line.timestamp);
      return order !== undefined && order >= 0;
    });
    if (refused.length < 2) continue;
    const [line] = refused;
    return result("try-other", "not-met", placesOf(transcript, refused.slice(0, 4)), {
      reason: "refused-without-cause",
      args: { key: line!.key, seen: line!.timestamp!, server: line!.console },
    });
  }
  return undefined;
}
