/**
 * The table that `status` shows.
 *
 * @module
 */

import type { ClusterStatus, ServerDown, ServerUp } from "../client/cluster_status.ts";
import { escapeControls } from "./escape.ts";
import { type CommandTexts, durationText, memoryText, unknownText } from "./command_texts.ts";

const green = 32;
const red = 31;
const yellow = 33;

/** A text, and the ANSI code of its colour. */
type Cell = readonly [text: string, color?: number];

/** Formats a cluster's status: a line of titles, then a line for each server. */
export function statusTable(
  { servers }: ClusterStatus,
  texts: CommandTexts,
  colors: boolean,
): string {
  const rows = servers.map((server) =>
    server.reachable ? rowOf(server, texts) : rowOfDown(server, texts)
  );
  const table: Cell[][] = [texts.columns.map((title): Cell => [title]), ...rows];
  // The row of a server that is down has two cells; its reason may be longer than a column.
  const full = table.filter((row) => row.length === texts.columns.length);
  const widths = texts.columns.map((_, column) =>
    Math.max(...full.map((row) => row[column]![0].length))
  );
  widths[0] = Math.max(...table.map((row) => row[0]![0].length));
  const paint = ([text, color]: Cell, width: number, last: boolean) => {
    const padded = last ? text : text.padEnd(width);
    return colors && color !== undefined ? `\x1b[${color}m${padded}\x1b[0m` : padded;
  };
  return table.map((row) =>
    `${row.map((cell, n) => paint(cell, widths[n]!, n === row.length - 1)).join("  ")}\n`
  ).join("");
}

function rowOf(up: ServerUp, texts: CommandTexts): Cell[] {
  const { inSync, lag } = up;
  const synced: Cell = inSync === null
    ? [unknownText, yellow]
    : inSync
    ? [texts.yes, green]
    : [texts.no, yellow];
  return [
    [up.server],
    roleOf(up, texts),
    synced,
    [`${up.timestamp}`],
    lag === null ? [unknownText, yellow] : lag === 0 ? ["0"] : [`${lag}`, yellow],
    [`${up.keys}`],
    [`${up.connections}`],
    [durationText(up.uptimeMs)],
    [memoryText(up.memoryBytes)],
  ];
}

/** The role, and since when the server is cut off from its leader. */
function roleOf({ role, cutOffMs }: ServerUp, texts: CommandTexts): Cell {
  const name = role === "leader" ? texts.leader : texts.follower;
  return cutOffMs === null
    ? [name]
    : [`${name}, ${texts.cutOff} ${durationText(cutOffMs)}`, yellow];
}

function rowOfDown({ server, reason, code }: ServerDown, texts: CommandTexts): Cell[] {
  const what = (code && texts.mistakes[code]) ?? texts.down;
  const why = escapeControls(texts.reason(reason, code ?? "UNAVAILABLE"));
  return [[server], [`${what} (${why})`, red]];
}
