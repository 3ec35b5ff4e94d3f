/**
 * Everything that the programs of one trial print and that is typed to them, in one order.
 *
 * @module
 */

import type { ConsoleEvent } from "./types.ts";

/** Above it a trial ends: a program prints in a loop. */
const eventsMax = 20_000;
/** Above it the rest of a line is left out. The longest value typed has 20,000 bytes. */
const lineCharsMax = 100_000;

/** The error when programs print more than a trial can hold. */
export class PrintsTooMuchError extends Error {
  override readonly name = "PrintsTooMuchError";
}

/** The events of one trial. An event's index never changes. */
export class Recording {
  readonly events: ConsoleEvent[] = [];
  /** Indexes of lines from standard error: they are shown, but no verdict counts them. */
  readonly errorLines: Set<number> = new Set();
  readonly #startMs = performance.now();

  /** Time since the recording began. */
  get elapsedMs(): number {
    return Math.round(performance.now() - this.#startMs);
  }

  /** Whether the trial has to end because the programs print too much. */
  get full(): boolean {
    return this.events.length >= eventsMax;
  }

  /** Adds an event. Returns its index, or `undefined` if the recording is full. */
  add(console: string, kind: ConsoleEvent["kind"], text: string): number | undefined {
    if (this.full) return undefined;
    this.events.push({ atMs: this.elapsedMs, console, kind, text: text.slice(0, lineCharsMax) });
    return this.events.length - 1;
  }
}
