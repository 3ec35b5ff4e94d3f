/**
 * Rules about PUT: forwarding, the client's address, REPLICATION, and when PUT_OK may be sent.
 *
 * @module
 */

import type { Stop } from "../run.ts";
import type { ClauseResult, Reason } from "../types.ts";
import type { Line } from "./lines.ts";
import { printedDuring } from "./stops.ts";
import {
  acknowledgedPuts,
  inconclusive,
  linesDuring,
  linesOf,
  type Place,
  placesOf,
  result,
  type Transcript,
  type Transcripts,
} from "./transcripts.ts";

/** Longer stops can run into an implementation's own limits. */
const stopMsMax = 1_300;

/** The results of the clauses about the way of a PUT. */
export function putResults(transcripts: Transcripts): ClauseResult[] {
  return [
    forwarded(transcripts),
    originalClient(transcripts),
    replicatedToBoth(transcripts),
    putOkAfterBoth(transcripts),
  ];
}

function forwarded(transcripts: Transcripts): ClauseResult {
  const clause = "put-forwarded";
  const [basics] = transcripts.working("basics");
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  const lost: Line[] = [];
  let done: Line[] = [];
  for (const put of basics.run.requests.filter(({ op }) => op === "PUT")) {
    const sent = linesDuring(basics, put, "server-forward").filter(isFirstOfConsole);
    const received = linesOf(basics, "server-put", put.key);
    const atLeader = received.filter(({ console }) => console === "S1");
    // a follower that executes the PUT itself
    if (atLeader.length === 0) lost.push(...received);
    if (sent.length === 0) continue;
    const acknowledged = linesOf(basics, "client-put-ok", put.key);
    if (acknowledged.length > 0 && atLeader.length > 0) {
      done = [...sent, ...atLeader, ...acknowledged];
    } else if (put.waited && atLeader.length === 0) lost.push(...sent);
  }
  if (lost.length >= 2) {
    const [line] = lost;
    return result(clause, "not-met", placesOf(basics, lost), {
      reason: "not-forwarded",
      args: { key: line!.key, console: line!.console },
    });
  }
  if (done.length > 0) return result(clause, "met", placesOf(basics, done));
  return inconclusive(clause, notReached(basics));
}

function isFirstOfConsole(line: Line, i: number, lines: readonly Line[]): boolean {
  return lines.findIndex(({ console }) => console === line.console) === i;
}

function notReached(transcript: Transcript): Reason {
  const args = { server: "S2, S3", requests: `${transcript.run.requests.length}` };
  return { reason: "server-not-reached", args };
}

function originalClient(transcripts: Transcripts): ClauseResult {
  const clause = "original-client";
  const [basics] = transcripts.working("basics");
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  const { connections, otherListeners, servers } = basics.run;
  const right: Place[] = [];
  const wrong: { line: Line; actual: string }[] = [];
  let unknown: Line | undefined;
  for (const put of basics.run.requests.filter(({ op }) => op === "PUT")) {
    const [sent] = linesDuring(basics, put, "server-forward");
    const line = linesDuring(basics, put, "server-put").find(({ console }) => console === "S1");
    if (sent === undefined || line?.address === undefined) continue;
    const follower = servers.find(({ name }) => name === sent.console)!;
    const { port } = line.address;
    const at = connections.get(port);
    const actual = [...connections].filter(([, to]) => to.has(follower.port)).map(([own]) => own);
    if (at?.has(follower.port) || otherListeners.has(port)) {
      right.push(...placesOf(basics, [sent, line]));
    } else if (
      actual.length > 0 && (at !== undefined || servers.some((one) => one.port === port))
    ) {
      wrong.push({ line, actual: actual.slice(0, 3).map((own) => `127.0.0.1:${own}`).join(", ") });
    } else unknown = line;
  }
  if (wrong.length >= 2 && right.length === 0) {
    const [{ line, actual }] = wrong as [{ line: Line; actual: string }];
    const printed = `${line.address!.host}:${line.address!.port}`;
    return result(clause, "not-met", placesOf(basics, wrong.map((one) => one.line)), {
      reason: "wrong-client",
      args: { printed, actual },
    });
  }
  if (right.length > 0 && wrong.length === 0) return result(clause, "met", right.slice(0, 4));
  if (Deno.build.os !== "linux") {
    return inconclusive(clause, { reason: "needs-linux", args: { what: "/proc/net/tcp" } });
  }
  if (wrong.length > 0) {
    const args = { first: `${right.length / 2}`, second: `${wrong.length}` };
    return inconclusive(clause, { reason: "contradictory", args });
  }
  if (unknown === undefined) return inconclusive(clause, notReached(basics));
  return inconclusive(clause, { reason: "not-understood", args: { printed: unknown.text } });
}

function replicatedToBoth(transcripts: Transcripts): ClauseResult {
  const clause = "replicated-to-both";
  const [basics] = transcripts.working("basics");
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  const puts = acknowledgedPuts(basics);
  const followers = basics.run.servers.slice(1).map(({ name }) => name);
  const missing = new Map<string, string[]>();
  const done: Line[] = [];
  for (const { key } of puts) {
    const lines = linesOf(basics, "server-replication", key);
    for (const name of followers) {
      if (lines.some(({ console }) => console === name)) continue;
      missing.set(name, [...missing.get(name) ?? [], key]);
    }
    done.push(...lines);
  }
  if (done.length === 0) {
    return inconclusive(clause, {
      reason: "depends-on",
      args: { clause: "server-replication-line" },
    });
  }
  if (missing.size === 0) return result(clause, "met", placesOf(basics, done.slice(0, 2)));
  const [console, keys] = [...missing][0]!;
  const key = keys[0]!;
  // a single line may have run together with another one
  const atAll = linesOf(basics, "server-replication").some((line) => line.console === console);
  if (keys.length < 2 || (!atAll && answeredWithValue(basics, console))) {
    const args = { first: `${puts.length - keys.length}`, second: `${keys.length}` };
    return inconclusive(clause, { reason: "contradictory", args });
  }
  const shown = basics.lines.filter((line) =>
    line.key === key && line.kind !== "server-get" && line.kind !== "client-get"
  );
  return result(clause, "not-met", placesOf(basics, shown), {
    reason: "not-replicated",
    args: { key, console },
  });
}

/** Whether a server gave a stored value to a client: then something has replicated it. */
function answeredWithValue(transcript: Transcript, console: string): boolean {
  return linesOf(transcript, "server-get").some((line) =>
    line.console === console && line.value !== undefined && !line.absent && !line.refused
  );
}

function putOkAfterBoth(transcripts: Transcripts): ClauseResult {
  const clause = "put-ok-after-both";
  const good: Place[] = [];
  let problem: Reason | undefined;
  for (const id of ["stop-s2", "stop-s3"] as const) {
    const [transcript] = transcripts.working(id);
    if (transcript === undefined) {
      problem ??= transcripts.problem(id);
      continue;
    }
    const found = duringStop(transcript);
    if (found === undefined) {
      const args = { server: "S1", requests: `${transcript.run.requests.length}` };
      problem ??= { reason: "server-not-reached", args };
      continue;
    }
    const { stop, early, key, later } = found;
    if (early.length > 0) {
      const places = [stop.from, ...early.map(({ event }) => event), stop.to]
        .map((event) => ({ trial: id, event }));
      return result(clause, "not-met", places, {
        reason: "early-put-ok",
        args: { key, stopped: stop.server },
      });
    }
    const seconds = `${transcripts.profile.putTimeoutS}`;
    if (later.length === 0) {
      problem ??= { reason: "put-not-acknowledged", args: { key, seconds } };
    } else if (stop.durationMs > stopMsMax * 3) {
      problem ??= { reason: "too-few", args: { seen: "0", needed: "1" } };
    } else {
      const [line] = later;
      good.push(...[stop.to, line!.event].map((event) => ({ trial: id, event })));
    }
  }
  if (problem === undefined) return result(clause, "met", good);
  return inconclusive(clause, problem, good);
}

/** What happened to the PUT that the leader received while a follower was stopped. */
function duringStop(transcript: Transcript):
  | { stop: Stop; key: string; early: Line[]; later: Line[] }
  | undefined {
  const { run } = transcript;
  const [stop] = run.stops;
  if (stop === undefined || printedDuring(run, stop)) return undefined;
  const stopped = run.events[stop.from]!.atMs;
  const put = run.requests.find(({ op, key, typed }) =>
    op === "PUT" && typed > stop.from && typed <= stop.to &&
    run.events.slice(stop.from, stop.to).some((event) =>
      event.console === "S1" && event.kind === "out" && event.text.includes(key)
    )
  );
  if (put === undefined) return undefined;
  const lines = [
    ...linesOf(transcript, "client-put-ok", put.key),
    ...linesOf(transcript, "server-put-ok", put.key),
  ];
  const early = lines.filter(({ event }) =>
    event < stop.to && run.events[event]!.atMs - stopped <= stopMsMax
  );
  return { stop, key: put.key, early, later: lines.filter(({ event }) => event > stop.to) };
}
