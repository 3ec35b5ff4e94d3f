/**
 * Drawings made of characters, and figures as text.
 *
 * @module
 */

import type { Histogram } from "./histogram.ts";

const barChars = 40;
/** One character of a bar, from empty to full, in eighths. */
const blocks = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"] as const;
const levels = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** Colours a text. */
export type Paint = (text: string) => string;

/** The colour of bars on a terminal. */
export const cyan: Paint = (text: string): string => `\x1b[36m${text}\x1b[39m`;
/** No colour. */
export const plain: Paint = (text: string): string => text;

/** A duration in microseconds as text, in µs, ms or s. */
export function duration(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`;
  return `${(us / 1_000_000).toFixed(2)} s`;
}

/** A whole number with commas between thousands. */
export function grouped(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** A row for each range of latencies, with a bar for the number of requests. */
export function drawHistogram(histogram: Histogram, paint: Paint): string {
  const rows = histogram.rows();
  const most = Math.max(...rows.map(({ count }) => count));
  return rows.map(({ fromUs, toUs, count }) => {
    const range = `${duration(fromUs).padStart(8)} … ${duration(toUs).padEnd(8)}`;
    return `${range} ${paint(bar(count / most).padEnd(barChars))} ${grouped(count)}\n`;
  }).join("");
}

/** A curve: one character for each value, between 0 and the greatest. */
export function drawCurve(values: readonly number[]): string {
  const top = Math.max(...values);
  return values.map((value) =>
    levels[top === 0 ? 0 : Math.min(levels.length - 1, Math.floor(value / top * levels.length))]
  ).join("");
}

/** A bar for a share of 0 to 1. A share above 0 is always visible. */
function bar(share: number): string {
  const eighths = share === 0 ? 0 : Math.max(1, Math.round(share * barChars * 8));
  return "█".repeat(Math.floor(eighths / 8)) + blocks[eighths % 8]!;
}
