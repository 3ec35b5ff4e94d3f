/**
 * A figure and its target.
 *
 * @module
 */

import { grouped } from "../drawing.ts";

/** A measured figure. */
export interface Finding {
  /** What was measured. */
  readonly what: string;
  /** The value. */
  readonly figure: number;
  /** The unit; "" for a ratio. */
  readonly unit: string;
  /** The target: at most this. */
  readonly atMost?: number;
  /** The target: at least this. */
  readonly atLeast?: number;
}

/** Whether the figure meets its target, or has none. */
export function meets({ figure, atMost = Infinity, atLeast = -Infinity }: Finding): boolean {
  return figure <= atMost && figure >= atLeast;
}

/** The figure and its target as a line. */
export function lineOf(finding: Finding): string {
  const { what, figure, unit, atMost, atLeast } = finding;
  const show = (n: number) => `${n < 10 ? n.toFixed(2) : grouped(n)}${unit && ` ${unit}`}`;
  const bound = atMost ?? atLeast;
  const target = bound === undefined
    ? ""
    : `target: at ${atMost === undefined ? "least" : "most"} ${show(bound)}${
      meets(finding) ? "" : ", MISSED"
    }`;
  return `${what.padEnd(58)} ${show(figure).padStart(18)}   ${target}`.trimEnd() + "\n";
}
