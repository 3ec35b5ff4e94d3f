/**
 * The GETs in which a server was behind what the client had seen: only they show a refusal.
 *
 * @module
 */

import type { Run } from "../run.ts";
import { type Line, readLines } from "./lines.ts";
import { compareTimestamps } from "./timestamps.ts";

/** The lines of servers that answered a GET with a timestamp smaller than the client's. */
export function serversBehind(run: Run, refusalWord = "TRY_OTHER_SERVER_OR_LATER"): Line[] {
  return readLines(run, refusalWord).lines.filter(isBehind);
}

/** Whether a line of a GET shows that the server's timestamp is the smaller one. */
export function isBehind(line: Line): boolean {
  if (line.kind !== "server-get" && line.kind !== "client-get") return false;
  if (line.timestamp === undefined || line.own === undefined) return false;
  const order = compareTimestamps(line.own, line.timestamp);
  return order !== undefined && order < 0;
}
