/**
 * Rules about GET: its value, NULL, and that it is answered while a PUT waits.
 *
 * @module
 */

import type { Request } from "../run.ts";
import type { ClauseResult, Reason } from "../types.ts";
import type { Line } from "./lines.ts";
import { printedDuring } from "./stops.ts";
import {
  inconclusive,
  isEnough,
  linesDuring,
  linesOf,
  type Place,
  placesOf,
  result,
  type Transcript,
  type Transcripts,
} from "./transcripts.ts";

/** The results of the clauses about what a GET returns, and when. */
export function getResults(transcripts: Transcripts): ClauseResult[] {
  return [
    getValue(transcripts),
    getNull(transcripts),
    getDuringPut(transcripts),
    twoClients(transcripts),
  ];
}

function getValue(transcripts: Transcripts): ClauseResult {
  const clause = "get-value";
  const working = transcripts.working("basics", "choice");
  if (working.length === 0) return inconclusive(clause, transcripts.problem("basics")!);
  const good = new Map<string, { transcript: Transcript; line: Line }>();
  for (const transcript of working) {
    const bad: Line[] = [];
    let why: Reason | undefined;
    const { requests } = transcript.run;
    for (const get of requests.filter(({ op }) => op === "GET")) {
      const put = requests.findLast(({ op, key, from }) =>
        op === "PUT" && key === get.key && from < get.from
      );
      if (put === undefined || put.waited) continue;
      for (const line of linesDuring(transcript, get, "client-get")) {
        if (line.value === put.value) {
          const [server] = linesDuring(transcript, get, "server-get");
          good.set(server?.console ?? "S1", { transcript, line });
        } else if (line.absent && line.exact) {
          bad.push(line);
          why ??= {
            reason: "wrong-value",
            args: { key: get.key, expected: put.value!, printed: line.value! },
          };
        }
      }
    }
    if (why !== undefined && bad.length >= 2) {
      return result(clause, "not-met", placesOf(transcript, bad.slice(0, 4)), why);
    }
  }
  if (good.size > 0) {
    const places = [...good.values()].flatMap(({ transcript, line }) =>
      placesOf(transcript, [line])
    );
    return result(clause, "met", places);
  }
  return inconclusive(clause, { reason: "depends-on", args: { clause: "client-get-line" } });
}

function getNull(transcripts: Transcripts): ClauseResult {
  const clause = "get-null";
  const [basics] = transcripts.working("basics");
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  const { requests } = basics.run;
  const absent = requests.filter(({ op, key }) =>
    op === "GET" && !requests.some((other) => other.op === "PUT" && other.key === key)
  );
  const lines = absent.flatMap((get) => linesDuring(basics, get, "client-get"));
  const [first] = lines;
  if (first === undefined) {
    return inconclusive(clause, { reason: "depends-on", args: { clause: "client-get-line" } });
  }
  const places = placesOf(basics, lines);
  if (lines.every(({ value }) => value === "NULL")) return result(clause, "met", places);
  const why = (printed: string): Reason => ({
    reason: "wrong-value",
    args: { key: first.key, expected: "NULL", printed },
  });
  const refused = lines.filter((line) => line.refused);
  if (refused.length > 0 && isEnough(refused)) {
    return result(clause, "not-met", places, why(refused[0]!.text));
  }
  const others = lines.filter(({ exact, absent }) => exact && !absent);
  if (others.length > 0) return result(clause, "not-met", places, why(others[0]!.value!));
  if (lines.every((line) => line.absent)) {
    return result(clause, "met-in-other-words", places, {
      reason: "other-words",
      args: { expected: "NULL", printed: first.text },
    });
  }
  return inconclusive(clause, { reason: "not-understood", args: { printed: first.text } }, places);
}

function getDuringPut(transcripts: Transcripts): ClauseResult {
  const clause = "get-during-put";
  const answered: Place[] = [];
  const waiting: Place[] = [];
  let waitingGets = 0;
  const working = transcripts.working("stop-s2", "stop-s3");
  for (const transcript of working) {
    const { run } = transcript;
    const [stop] = run.stops;
    if (stop === undefined || printedDuring(run, stop)) continue;
    const isDuring = ({ typed }: Request) => typed > stop.from && typed <= stop.to;
    const put = run.requests.filter(({ op }) => op === "PUT").filter(isDuring)
      .flatMap(({ key }) => linesOf(transcript, "server-put", key))
      .find(({ console, event }) => console === "S1" && event < stop.to);
    if (put === undefined) continue;
    const acknowledged = linesOf(transcript, "client-put-ok", put.key)[0]?.event ?? stop.to;
    const end = Math.min(stop.to, acknowledged);
    for (const get of run.requests.filter(({ op }) => op === "GET").filter(isDuring)) {
      if (get.typed <= put.event) continue; // it may have been there before the PUT
      const answer = linesOf(transcript, "client-get", get.key)
        .find(({ event, console }) => console === get.client && event >= get.typed);
      // only the leader has a PUT that waits
      const server = linesOf(transcript, "server-get", get.key)
        .find(({ event, console }) => console === "S1" && event >= get.typed);
      if (server === undefined || answer === undefined) continue;
      if (server.event < end && answer.event < end) {
        answered.push(...placesOf(transcript, [put, server, answer]));
        continue;
      }
      // that it was not answered tells something once all programs had come to rest
      if (!stop.rested || acknowledged < stop.to || server.event < stop.to) continue;
      waitingGets++;
      waiting.push(
        ...[get.typed - 1, stop.to, server.event, answer.event]
          .map((event) => ({ trial: transcript.id, event })),
      );
    }
  }
  if (working.length === 0) return inconclusive(clause, transcripts.problem("stop-s2")!);
  const textOf = ({ trial, event }: Place) => transcripts.get(trial)!.run.events[event]!.text;
  if (waitingGets > 0 && answered.length > 0) {
    const args = { first: textOf(answered[1]!), second: textOf(waiting[2]!) };
    return inconclusive(clause, { reason: "contradictory", args }, [...answered, ...waiting]);
  }
  if (answered.length > 0) return result(clause, "met", answered.slice(0, 3));
  if (waitingGets >= 2) {
    const key = textOf(waiting[0]!);
    return result(clause, "not-met", waiting, { reason: "get-waits", args: { key, seconds: "1" } });
  }
  const args = { seen: `${waitingGets}`, needed: "2" };
  return inconclusive(clause, { reason: "too-few", args });
}

function twoClients(transcripts: Transcripts): ClauseResult {
  const clause = "two-clients";
  const [basics] = transcripts.working("basics");
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  const { requests } = basics.run;
  const foreign = requests.filter(({ op, client, key }) =>
    op === "GET" && requests.some((put) => put.op === "PUT" && put.key === key) &&
    !requests.some((put) => put.op === "PUT" && put.key === key && put.client === client)
  );
  const lines = foreign.flatMap((get) => linesDuring(basics, get, "client-get"))
    .filter(({ value, key }) =>
      value !== undefined && requests.some((put) => put.key === key && put.value === value)
    );
  if (lines.length > 0) return result(clause, "met", placesOf(basics, lines.slice(0, 3)));
  return inconclusive(clause, { reason: "depends-on", args: { clause: "get-value" } });
}
