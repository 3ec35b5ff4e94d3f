/**
 * The wait until programs have come to rest.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { ProgramConsole } from "./console.ts";
import { readActivity } from "./network.ts";
import type { Recording } from "./recording.ts";

/** Between two looks at the threads. */
export const restMs = 120;
const restMsMax = 4_000;
/** A wait for rest is this short once programs have shown that they never rest. */
const restlessMs = 600;
const restlessMax = 3;

/** Waits for rest, shorter ones once the programs of a trial have shown that they never rest. */
export class Rest {
  readonly #recording: Recording;
  /** Full waits in a row that ended without rest. */
  #restless = 0;

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  /**
   * Waits until every thread sleeps, uses no time and nothing is printed. Returns whether that
   * came true in time.
   */
  async of(
    programs: Iterable<ProgramConsole>,
    msMax = this.#restless >= restlessMax ? restlessMs : restMsMax,
  ): Promise<boolean> {
    const groups = new Set([...programs].filter((one) => !one.ended).map((one) => one.group));
    const started = performance.now();
    let before = "";
    while (performance.now() - started < msMax) {
      const activity = await readActivity(groups);
      const now = `${activity?.ticks} ${activity?.threads} ${this.#recording.events.length}`;
      if (activity?.idle !== false && now === before) {
        // without /proc only the output tells: wait for longer
        if (activity !== undefined || performance.now() - started > restlessMs) {
          this.#restless = 0;
          return true;
        }
      }
      before = now;
      await delay(restMs);
    }
    if (msMax === restMsMax) this.#restless++;
    return false;
  }
}
