/**
 * Rules about the timestamps and values of PUTs: one for each write, and larger for each next one.
 *
 * @module
 */

import type { ClauseResult, Reason } from "../types.ts";
import type { Line } from "./lines.ts";
import { compareTimestamps, sameTimestamp } from "./timestamps.ts";
import {
  acknowledgedPuts,
  inconclusive,
  isEnough,
  linesDuring,
  linesOf,
  placesOf,
  result,
  type Transcript,
  type Transcripts,
} from "./transcripts.ts";

/** The results of the clauses about what a PUT writes. */
export function writeResults(transcripts: Transcripts): ClauseResult[] {
  return [oneTimestamp(transcripts), update(transcripts), timestampsDistinct(transcripts)];
}

function oneTimestamp(transcripts: Transcripts): ClauseResult {
  const clause = "one-timestamp";
  const [basics] = transcripts.working("basics");
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  const differing: Line[] = [];
  let equal: Line[] = [];
  let unclear: Line | undefined;
  for (const { key } of acknowledgedPuts(basics)) {
    const lines = basics.lines.filter((line) =>
      line.key === key && line.timestamp !== undefined &&
      ["server-replication", "server-put-ok", "client-put-ok"].includes(line.kind)
    );
    const [first, ...rest] = lines;
    if (first === undefined || rest.length === 0) continue;
    const orders = rest.map((line) => compareTimestamps(first.timestamp!, line.timestamp!));
    const other = orders.findIndex((order) => order !== undefined && order !== 0);
    if (other >= 0) differing.push(first, rest[other]!);
    else if (orders.includes(undefined)) unclear = rest[orders.indexOf(undefined)];
    else if (lines.length > equal.length) equal = lines;
  }
  if (differing.length >= 4 || (differing.length >= 2 && isExact(differing))) {
    const [first, second] = differing as [Line, Line];
    const args = { key: first.key, first: first.timestamp!, second: second.timestamp! };
    return result(clause, "not-met", placesOf(basics, differing), {
      reason: "timestamps-differ",
      args,
    });
  }
  if (equal.length >= 2 && differing.length === 0) {
    return result(clause, "met", placesOf(basics, equal));
  }
  const printed = (unclear ?? differing[0])?.text;
  if (printed !== undefined) {
    return inconclusive(clause, { reason: "not-understood", args: { printed } });
  }
  const args = { clause: "server-replication-line" };
  return inconclusive(clause, { reason: "depends-on", args });
}

function isExact(lines: readonly Line[]): boolean {
  return lines.every(({ exact }) => exact);
}

/** Acknowledged values of keys that were put more than once, in the order of their PUTs. */
function repeatedPuts(transcript: Transcript): Map<string, Line[]> {
  const byKey = new Map<string, Line[]>();
  for (const line of linesOf(transcript, "client-put-ok")) {
    if (line.value === undefined || line.timestamp === undefined) continue;
    const lines = byKey.get(line.key) ?? byKey.set(line.key, []).get(line.key)!;
    if (!lines.some(({ value }) => value === line.value)) lines.push(line);
  }
  for (const [key, lines] of byKey) if (lines.length < 2) byKey.delete(key);
  return byKey;
}

function update(transcripts: Transcripts): ClauseResult {
  const clause = "update";
  const [basics] = transcripts.working("basics");
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  const smaller: Line[] = [];
  let good: Line[] = [];
  for (const lines of repeatedPuts(basics).values()) {
    for (const [i, line] of lines.entries()) {
      const before = lines[i - 1];
      if (before === undefined) continue;
      const order = compareTimestamps(before.timestamp!, line.timestamp!);
      if (order !== undefined && order > 0) smaller.push(before, line);
      else if (order !== undefined) good = [before, line];
    }
  }
  if (smaller.length >= 4 || (smaller.length >= 2 && isExact(smaller))) {
    const [before, after] = smaller as [Line, Line];
    const args = { key: before.key, before: before.timestamp!, after: after.timestamp! };
    return result(clause, "not-met", placesOf(basics, smaller), {
      reason: "timestamp-smaller",
      args,
    });
  }
  const old = oldAfterUpdate(basics);
  if (old !== undefined && isEnough(old.lines)) {
    return result(clause, "not-met", placesOf(basics, old.lines), old.why);
  }
  if (good.length > 0 && old === undefined) return result(clause, "met", placesOf(basics, good));
  return inconclusive(clause, { reason: "depends-on", args: { clause: "client-put-ok-line" } });
}

/** Answers with a value that an acknowledged PUT has replaced, while nothing else was going on. */
function oldAfterUpdate(transcript: Transcript): { lines: Line[]; why: Reason } | undefined {
  const { requests } = transcript.run;
  const lines: Line[] = [];
  let why: Reason | undefined;
  for (const get of requests.filter(({ op }) => op === "GET")) {
    const puts = requests.filter(({ op, key, to }) =>
      op === "PUT" && key === get.key && to <= get.from
    );
    const last = puts.at(-1);
    if (last === undefined || puts.length < 2 || last.waited) continue;
    for (const line of linesDuring(transcript, get, "client-get")) {
      const isOld = puts.some(({ value }) => value === line.value) && line.value !== last.value;
      if (!isOld) continue;
      lines.push(line);
      why ??= {
        reason: "wrong-value",
        args: { key: get.key, expected: last.value!, printed: line.value! },
      };
    }
  }
  return why === undefined ? undefined : { lines, why };
}

function timestampsDistinct(transcripts: Transcripts): ClauseResult {
  const clause = "timestamps-distinct";
  const working = transcripts.working("basics", "values", "choice");
  if (working.length === 0) return inconclusive(clause, transcripts.problem("basics")!);
  let good: { transcript: Transcript; lines: Line[] } | undefined;
  for (const transcript of working) {
    for (const [key, lines] of repeatedPuts(transcript)) {
      for (const [i, line] of lines.entries()) {
        const same = lines.slice(0, i).find((one) =>
          sameTimestamp(one.timestamp!, line.timestamp!)
        );
        if (same === undefined || !isEnough([same, line])) continue;
        return result(clause, "not-met", placesOf(transcript, [same, line]), {
          reason: "two-values-one-timestamp",
          args: { key, first: same.value!, second: line.value!, timestamp: line.timestamp! },
        });
      }
      good = { transcript, lines };
    }
  }
  if (good !== undefined) {
    return result(clause, "met", placesOf(good.transcript, good.lines.slice(0, 6)));
  }
  return inconclusive(clause, { reason: "depends-on", args: { clause: "client-put-ok-line" } });
}
