/**
 * The pace at which one server is read.
 *
 * @module
 */

import { burstMs, charsPerSecondMax, eventsPerSecondMax, timeShareMax } from "../page/limits.js";

/** Events that an EVENTS costs besides its own: it makes an item itself. */
const eventsPerFrame = 2;

/**
 * Tells how long to wait before more is read from a server.
 *
 * The server pays for events, characters and the time that they take with time. It may be ahead of its time by
 * {@linkcode burstMs}; an honest server never is by more.
 */
export class Pace {
  /** When everything that was read is paid for. */
  #paidAt = -Infinity;
  readonly #now: () => number;

  /** `now` returns milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Takes an EVENTS with this number of events and characters, that took `ms` milliseconds. Returns the
   * milliseconds to wait before the next one is read; 0 if none.
   */
  take({ events, chars, ms }: { events: number; chars: number; ms: number }): number {
    const now = this.#now();
    const seconds = Math.max(
      (events + eventsPerFrame) / eventsPerSecondMax,
      chars / charsPerSecondMax,
      ms / 1_000 / timeShareMax,
    );
    this.#paidAt = Math.max(this.#paidAt, now) + seconds * 1_000;
    return Math.max(0, this.#paidAt - now - burstMs);
  }
}
