/**
 * The time of the ticks, and the heartbeats that are due by it.
 *
 * @module
 */

import type { Tuning } from "./tuning.ts";

/** A clock that moves only by ticks. */
export class TickClock {
  readonly #tuning: Pick<Tuning, "heartbeatMs" | "silenceMs">;
  /** Invariant: never falls. */
  #now: number;
  #stoodStill = false;
  #elapsedMs = 0;
  #heartbeatAt = 0;

  /** A clock at `now`. A heartbeat is due at once. */
  constructor(now: number, tuning: Pick<Tuning, "heartbeatMs" | "silenceMs">) {
    this.#now = now;
    this.#tuning = tuning;
  }

  /** The time of the last tick, in milliseconds. */
  get now(): number {
    return this.#now;
  }

  /**
   * Whether this process stood still before the last tick. Then its peers do not count as silent:
   * what they sent is not read yet.
   */
  get stoodStill(): boolean {
    return this.#stoodStill;
  }

  /**
   * The time since the tick before, as far as it counts against peers. A tick that comes late says
   * that this process was busy, and what the peers sent meanwhile is not read yet.
   */
  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  /** Time has passed. */
  tick(now: number): void {
    const { silenceMs, heartbeatMs } = this.#tuning;
    const elapsedMs = now - this.#now;
    this.#stoodStill = elapsedMs > silenceMs / 2;
    this.#elapsedMs = this.#stoodStill ? 0 : Math.min(elapsedMs, heartbeatMs / 4);
    this.#now = now;
  }

  /** Whether a heartbeat is due now. Then the next one is due after the whole interval. */
  takeHeartbeat(): boolean {
    if (this.#now < this.#heartbeatAt) return false;
    this.restartHeartbeats();
    return true;
  }

  /** The next heartbeat is due after the whole interval. */
  restartHeartbeats(): void {
    this.#heartbeatAt = this.#now + this.#tuning.heartbeatMs;
  }
}
