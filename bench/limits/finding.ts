/**
 * A figure beside the target that it should meet.
 *
 * @module
 */

import { grouped } from "../drawing.ts";

/** What was measured. */
export interface Finding {
  /** Of what. */
  readonly what: string;
  /** How much. */
  readonly figure: number;
  /** In which unit, "" where it is a ratio. */
  readonly unit: string;
  /** The figure should be at most this. */
  readonly atMost?: number;
  /** The figure should be at least this. */
  readonly atLeast?: number;
}

/** True where the figure is where it should be, and where nothing is asked of it. */
export function meets({ figure, atMost = Infinity, atLeast = -Infinity }: Finding): boolean {
  return figure <= atMost && figure >= atLeast;
}

/** One line for a person. */
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
