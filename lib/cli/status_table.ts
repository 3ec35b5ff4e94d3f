/**
 * The table that `status` shows.
 *
 * @module
 */

import type { ClusterStatus, ServerDown, ServerUp } from "../client/cluster_status.ts";
import { escapeControls } from "./escape.ts";
import { commandTexts } from "./texts.ts";

const green = 32;
const red = 31;
const yellow = 33;

/** A text, and the ANSI code of its colour. */
type Cell = readonly [text: string, color?: number];

/** Formats a cluster's status: a line of titles, then a line for each server. */
export function statusTable({ servers }: ClusterStatus, colors: boolean): string {
  const rows = servers.map((server) => server.reachable ? rowOf(server) : rowOfDown(server));
  const table: Cell[][] = [commandTexts.columns.map((title): Cell => [title]), ...rows];
  // The row of a server that is down has two cells; its reason may be longer than a column.
  const full = table.filter((row) => row.length === commandTexts.columns.length);
  const widths = commandTexts.columns.map((_, column) =>
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

function rowOf(up: ServerUp): Cell[] {
  const { inSync, lag } = up;
  const synced: Cell = inSync === null
    ? [commandTexts.unknown, yellow]
    : inSync
    ? [commandTexts.yes, green]
    : [commandTexts.no, yellow];
  return [
    [up.server],
    [up.role === "leader" ? commandTexts.leader : commandTexts.follower],
    synced,
    [`${up.timestamp}`],
    lag === null ? [commandTexts.unknown, yellow] : lag === 0 ? ["0"] : [`${lag}`, yellow],
    [`${up.keys}`],
    [`${up.connections}`],
    [commandTexts.duration(up.uptimeMs)],
    [commandTexts.memory(up.memoryBytes)],
  ];
}

function rowOfDown({ server, reason }: ServerDown): Cell[] {
  return [[server], [`${commandTexts.down} (${escapeControls(reason)})`, red]];
}
