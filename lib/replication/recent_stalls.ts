/**
 * The short stalls of a follower, added up over a sliding time.
 *
 * @module
 */

import { assert } from "./invariant.ts";

/** A stall that has ended. */
interface Stall {
  readonly endMs: number;
  readonly lengthMs: number;
}

/** The stalls that ended within the last `recentMs`. */
export class RecentStalls {
  readonly #recentMs: number;
  /** The sum of all ticks. */
  #clockMs = 0;
  /** Invariant: in the order of their ends, and each ended within the last #recentMs. */
  #stalls: Stall[] = [];

  /** No stall has ended. */
  constructor(recentMs: number) {
    this.#recentMs = recentMs;
  }

  /** The length of these stalls together, in milliseconds. */
  get totalMs(): number {
    return this.#stalls.reduce((sum, { lengthMs }) => sum + lengthMs, 0);
  }

  /** A stall has ended. A length of 0 makes no difference. */
  add(lengthMs: number): void {
    if (lengthMs > 0) this.#stalls.push({ endMs: this.#clockMs, lengthMs });
  }

  /** Time has passed. */
  tick(elapsedMs: number): void {
    this.#clockMs += elapsedMs;
    const since = this.#clockMs - this.#recentMs;
    while (this.#stalls.length > 0 && this.#stalls[0]!.endMs < since) this.#stalls.shift();
  }

  /** Forgets all stalls. */
  clear(): void {
    this.#stalls = [];
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    let last = this.#clockMs - this.#recentMs;
    for (const { endMs } of this.#stalls) {
      assert(endMs >= last && endMs <= this.#clockMs, `a stall that ended at ${endMs} counts`);
      last = endMs;
    }
  }
}
