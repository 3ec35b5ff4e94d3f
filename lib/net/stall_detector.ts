/**
 * Finds connections that make no progress.
 *
 * @module
 */

import { finishMs } from "../limits.ts";

/** How long a write may make no progress. After that the peer counts as not reading. */
export const stalledWriteMs = 10_000;

/** The rest of a frame must follow its first byte within this time. */
export const halfFrameMs = 30_000;

/** The time in which a peer must prove a secret or password, if it has to. */
export const proofMs = 10_000;

/** How long a client's connection may be idle; 0 for ever. */
export const idleMs = 0;

/** How long a connection may make no progress. */
export interface StallLimits {
  /** How long a write may make no progress. */
  readonly stalledWriteMs: number;
  /** How long a frame may stay unfinished. */
  readonly halfFrameMs: number;
  /** How long a connection that takes no more requests waits for the answers still due. */
  readonly finishMs: number;
  /** How long a peer may take to prove a secret or password. */
  readonly proofMs: number;
  /** How long nothing may be sent in either direction while no answer is due. 0 means for ever. */
  readonly idleMs: number;
}

/** The default limits. */
export const stallLimitsDefault: StallLimits = {
  stalledWriteMs,
  halfFrameMs,
  finishMs,
  proofMs,
  idleMs,
};

/** The state of a connection at one look. */
export interface Progress {
  /** Whether a write is under way. */
  readonly writing: boolean;
  /** How many writes have finished. */
  readonly writes: number;
  /** Whether this end reads, and the peer still has to send the rest of a frame. */
  readonly frameDue: boolean;
  /** How many reads have completed a frame. */
  readonly reads: number;
  /** Whether the connection takes no more requests and waits for answers. */
  readonly finishing: boolean;
  /** Whether the peer still has to prove a secret or password. */
  readonly unproven: boolean;
  /** Whether nothing is due from either end. */
  readonly quiet: boolean;
}

/**
 * What is wrong with a connection. "stalled": the peer does not read, or leaves a frame half sent.
 * "unanswered": the answers still due took too long. "unproven": the proof took too long. "idle":
 * nothing is due, and nothing was sent for too long.
 */
export type Verdict = "stalled" | "unanswered" | "unproven" | "idle";

/**
 * Decides whether one connection has stalled. Its owner calls `look` about once a second.
 *
 * A stall counts from the first look that sees it.
 */
export class StallDetector {
  readonly #limits: StallLimits;
  readonly #write = new Standstill();
  readonly #frame = new Standstill();
  readonly #answers = new Standstill();
  readonly #proof = new Standstill();
  readonly #silence = new Standstill();

  /** A detector that has not looked yet. */
  constructor(limits: StallLimits) {
    this.#limits = limits;
  }

  /** Looks at the connection. Returns `undefined` if all is well. */
  look(now: number, progress: Progress): Verdict | undefined {
    const { writing, writes, frameDue, reads, finishing, unproven, quiet } = progress;
    const writeMs = this.#write.lastedMs(now, writing, writes);
    const frameMs = this.#frame.lastedMs(now, frameDue, reads);
    const answersMs = this.#answers.lastedMs(now, finishing, 0);
    const unprovenMs = this.#proof.lastedMs(now, unproven, 0);
    const quietMs = this.#silence.lastedMs(now, quiet, reads + writes);
    const { stalledWriteMs, halfFrameMs, finishMs, proofMs, idleMs } = this.#limits;
    if (writeMs > stalledWriteMs || frameMs > halfFrameMs) return "stalled";
    if (answersMs > finishMs) return "unanswered";
    if (unprovenMs > proofMs) return "unproven";
    return idleMs > 0 && quietMs > idleMs ? "idle" : undefined;
  }
}

/** Measures how long a count has not changed although a change was due. */
class Standstill {
  #count = -1;
  #since = 0;

  lastedMs(now: number, due: boolean, count: number): number {
    if (!due || count !== this.#count) {
      this.#count = count;
      this.#since = now;
    }
    return now - this.#since;
  }
}
