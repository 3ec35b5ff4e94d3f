/**
 * What the assignment excludes: told, but never called not met.
 *
 * @module
 */

import type { ClauseResult } from "../types.ts";
import type { Line } from "./lines.ts";
import { sameTimestamp } from "./timestamps.ts";
import { inconclusive, linesOf, placesOf, result, type Transcripts } from "./transcripts.ts";

/** The results for PUTs at the same time and for a dead follower. */
export function outsideResults(transcripts: Transcripts): ClauseResult[] {
  return [concurrentPuts(transcripts), deadFollower(transcripts)];
}

function concurrentPuts(transcripts: Transcripts): ClauseResult {
  const clause = "concurrent-puts";
  const [transcript] = transcripts.working("concurrent");
  if (transcript === undefined) return inconclusive(clause, transcripts.problem("concurrent")!);
  const { run } = transcript;
  const after = run.requests.findLast(({ op }) => op === "PUT")!.to;
  const last = new Map<string, Line>();
  for (const line of linesOf(transcript, "server-get")) {
    if (line.event >= after && line.value !== undefined) last.set(line.console, line);
  }
  const lines = [...last.values()];
  const places = placesOf(transcript, lines);
  if (lines.length < run.servers.length) {
    const args = { seen: `${lines.length}`, needed: `${run.servers.length}` };
    return inconclusive(clause, { reason: "too-few", args }, places);
  }
  const [first] = lines;
  const equal = lines.every((line) =>
    line.value === first!.value &&
    (line.own === undefined || first!.own === undefined || sameTimestamp(line.own, first!.own))
  );
  if (equal) return result(clause, "met", places);
  return inconclusive(clause, { reason: "tables-differ", args: { key: first!.key } }, places);
}

function deadFollower(transcripts: Transcripts): ClauseResult {
  const clause = "dead-follower";
  const [transcript] = transcripts.working("dead-follower");
  if (transcript === undefined) return inconclusive(clause, transcripts.problem("dead-follower")!);
  const put = transcript.run.requests.findLast(({ op }) => op === "PUT")!;
  const [line] = linesOf(transcript, "client-put-ok", put.key);
  if (line !== undefined) return result(clause, "met", placesOf(transcript, [line]));
  const typed = { trial: transcript.id, event: put.typed - 1 };
  const answer = transcript.run.events.findIndex((event, i) =>
    i >= put.typed && event.console === put.client && event.kind === "out"
  );
  const outcome = answer < 0 ? "—" : transcript.run.events[answer]!.text;
  const places = answer < 0 ? [typed] : [typed, { trial: transcript.id, event: answer }];
  return inconclusive(clause, { reason: "put-while-dead", args: { outcome } }, places);
}
