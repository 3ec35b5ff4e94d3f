/**
 * Rules about the client: its choice of a server, and the timestamp that it sends.
 *
 * @module
 */

import type { ClauseResult, Reason } from "../types.ts";
import type { Line } from "./lines.ts";
import { forEachGet } from "./seen.ts";
import { compareTimestamps, isZero, sameTimestamp } from "./timestamps.ts";
import {
  inconclusive,
  linesDuring,
  linesOf,
  placesOf,
  result,
  type Transcript,
  type Transcripts,
  undisturbed,
} from "./transcripts.ts";

/** The results of the clauses about the client's own part. */
export function clientResults(transcripts: Transcripts): ClauseResult[] {
  return [randomServer(transcripts), timestampSent(transcripts)];
}

function randomServer(transcripts: Transcripts): ClauseResult {
  const clause = "client-random-server";
  const [choice] = transcripts.working("choice");
  if (choice === undefined) return inconclusive(clause, transcripts.problem("choice")!);
  const { servers } = choice.run;
  const byServer = new Map<string, Line[]>(servers.map(({ name }) => [name, []]));
  let requests = 0;
  for (const get of choice.run.requests.filter(({ op }) => op === "GET")) {
    const printed = linesDuring(choice, get, "server-get");
    const told = linesDuring(choice, get, "client-get");
    if (printed.length + told.length === 0) continue;
    requests++;
    for (const line of printed) byServer.get(line.console)!.push(line);
    for (const line of told) {
      const server = servers.find(({ port }) => port === line.address?.port);
      if (server !== undefined) byServer.get(server.name)!.push(line);
    }
  }
  const never = [...byServer].filter(([, lines]) => lines.length === 0).map(([name]) => name);
  const shown = [...byServer.values()].flatMap((lines) => lines.slice(0, 3));
  const places = placesOf(choice, shown);
  if (never.length === 0) return result(clause, "met", places);
  if (requests < 25 || never.length === servers.length) {
    const args = { seen: `${requests}`, needed: "25" };
    return inconclusive(clause, { reason: "too-few", args }, places);
  }
  const always = [...byServer].find(([, lines]) => lines.length > 0)![0];
  const why: Reason = never.length === 1
    ? { reason: "server-never-chosen", args: { server: never[0]!, requests: `${requests}` } }
    : { reason: "always-one-server", args: { server: always, requests: `${requests}` } };
  return result(clause, "not-met", places, why);
}

function timestampSent(transcripts: Transcripts): ClauseResult {
  const clause = "client-timestamp-sent";
  const working = transcripts.working(...undisturbed);
  if (working.length === 0) return inconclusive(clause, transcripts.problem("basics")!);
  const good: { transcript: Transcript; line: Line }[] = [];
  const bad: { transcript: Transcript; line: Line; seen: string }[] = [];
  const untrue: { transcript: Transcript; line: Line; seen: string }[] = [];
  let other: Line | undefined;
  for (const transcript of working) {
    forEachGet(transcript, (get, seen) => {
      const largest = seen.largest(get.key);
      if (largest === undefined || isZero(largest)) return;
      const [told] = linesDuring(transcript, get, "client-get");
      for (const line of linesDuring(transcript, get, "server-get")) {
        if (line.timestamp === undefined) continue;
        if (told !== undefined && isUntrue(told, line)) {
          untrue.push({ transcript, line: told, seen: told.timestamp! });
        }
        if (sameTimestamp(line.timestamp, largest)) good.push({ transcript, line });
        else if (isZero(line.timestamp)) bad.push({ transcript, line, seen: largest });
        else if (!seen.has(line.timestamp)) other = line;
      }
    });
  }
  const show = (some: typeof good) =>
    some.slice(0, 3).flatMap(({ transcript, line }) => placesOf(transcript, [line]));
  if (bad.length >= 2) {
    const [{ line, seen }] = bad as [typeof bad[number]];
    // timestamps that are sent for some keys only, such as those of GETs, are a fault as well
    return result(clause, "not-met", show(bad), {
      reason: "timestamp-not-sent",
      args: { seen, sent: line.timestamp! },
    });
  }
  if (untrue.length >= 2) {
    const [{ line, seen }] = untrue as [typeof untrue[number]];
    const sent = linesOf(untrue[0]!.transcript, "server-get", line.key)[0]?.timestamp ?? "";
    return result(clause, "not-met", show(untrue), {
      reason: "timestamp-not-sent",
      args: { seen, sent },
    });
  }
  if (good.length > 0 && bad.length === 0 && other === undefined) {
    return result(clause, "met", show(good));
  }
  if (other !== undefined) {
    return inconclusive(clause, { reason: "not-understood", args: { printed: other.text } });
  }
  return inconclusive(clause, { reason: "depends-on", args: { clause: "server-get-line" } });
}

/**
 * Whether a client prints as its own another timestamp than the one that it sent. A client that
 * has taken over the server's before it prints is right too.
 */
function isUntrue(told: Line, received: Line): boolean {
  if (!told.exact || told.timestamp === undefined || told.own === undefined) return false;
  const differs = (other: string) => {
    const order = compareTimestamps(told.timestamp!, other);
    return order !== undefined && order !== 0;
  };
  return differs(received.timestamp!) && differs(told.own);
}
