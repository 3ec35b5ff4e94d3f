/**
 * Whether a stopped server was really stopped.
 *
 * @module
 */

import type { Run, Stop } from "../run.ts";

/** Whether a server printed something while it should have been stopped. */
export function printedDuring({ events }: Pick<Run, "events">, stop: Stop): boolean {
  return events.slice(stop.from, stop.to).some(({ console, kind }) =>
    console === stop.server && kind === "out"
  );
}
