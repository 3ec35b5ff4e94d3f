/**
 * The recent losses of a follower, and what follows from them for the leader.
 *
 * @module
 */

import type { Tuning } from "./tuning.ts";

/** The longest probation, in units of the silence limit. */
const probationLongest = 4;
/** The steady time after which one loss is forgotten, in units of the silence limit. */
const steadyPerLoss = 15;
/** More losses make no difference: the probation has its longest time. */
const lossesMax = 4;

/**
 * The recent losses of one server, over all of its connections. A loss is one time that PUTs had to
 * wait for the server, or that it was silent.
 *
 * | losses     | commits wait for it up to | probation after the last one         |
 * | ---------- | ------------------------- | ------------------------------------ |
 * | 0          | the silence limit         |                                      |
 * | 1, 2, 3, 4 | the heartbeat interval    | 1/2, 1, 2, 4 times the silence limit |
 */
export class Standing {
  readonly #tuning: Pick<Tuning, "silenceMs" | "heartbeatMs">;
  /** Invariant: from 0 to lossesMax. */
  #losses = 0;

  /** The standing of a server that was never lost. */
  constructor(tuning: Pick<Tuning, "silenceMs" | "heartbeatMs">) {
    this.#tuning = tuning;
  }

  /** How long commits wait for the server while it acknowledges nothing, in milliseconds. */
  get patienceMs(): number {
    const { silenceMs, heartbeatMs } = this.#tuning;
    return this.#losses === 0 ? silenceMs : heartbeatMs;
  }

  /** How long the server must keep up before commits wait for it again, in milliseconds. */
  get probationMs(): number {
    if (this.#losses === 0) return 0;
    return this.#tuning.silenceMs * Math.min(2 ** (this.#losses - 2), probationLongest);
  }

  /** Notes a loss. */
  lost(): void {
    this.#losses = Math.min(this.#losses + 1, lossesMax);
  }

  /** Forgets a loss if the server has kept up for long enough. Returns whether it has. */
  forget(steadyMs: number): boolean {
    if (this.#losses === 0 || steadyMs < steadyPerLoss * this.#tuning.silenceMs) return false;
    this.#losses--;
    return true;
  }
}
