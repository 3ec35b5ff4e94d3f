/**
 * The report for scripts.
 *
 * @module
 */

import type { Report } from "../types.ts";
import type { TableRow } from "./table.ts";

/** The number of the JSON's form. It grows when a field changes its meaning or goes. */
const format = 1;

/** One report as JSON: the fields of {@linkcode Report}, and `format`. */
export function jsonReport(report: Report): string {
  return `${JSON.stringify({ format, ...report }, null, 2)}\n`;
}

/** The reports of several programs as JSON. A program that was not judged has `problem`. */
export function jsonReports(programs: readonly TableRow[]): string {
  return `${JSON.stringify({ format, programs }, null, 2)}\n`;
}
