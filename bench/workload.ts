/**
 * The requests of a load, and when they are due.
 *
 * @module
 */

/** A request to make. */
export interface Task {
  /** Whether it is a PUT. */
  readonly put: boolean;
  /** The key's index. */
  readonly key: number;
}

/** Returns the next request, `undefined` if there are no more. */
export type Work = () => Task | undefined;

/** A PUT for each key, once. */
export function eachKeyOnce(keys: number): Work {
  let next = 0;
  return () => next < keys ? { put: true, key: next++ } : undefined;
}

/** An endless mix of PUTs, with this share (0 to 1), and GETs, each with a random key. */
export function mixed(keys: number, putRatio: number, random: () => number): Work {
  return () => ({ put: random() < putRatio, key: Math.floor(random() * keys) });
}

/** A generator of numbers from 0 to 1, 1 excluded: the same numbers for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // A Weyl sequence, and a mixing of its bits (murmur3's finalizer).
    state = (state + 0x9e3779b9) >>> 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** When the next request is due. */
export interface Pace {
  /** Takes the next request if it is due. Returns when it was due, in milliseconds, else `undefined`. */
  take(nowMs: number): number | undefined;
  /** The number of requests that were due until then and not taken. */
  late(nowMs: number): number;
}

/** The next request is due after an answer. */
export const closedLoop: Pace = { take: (nowMs) => nowMs, late: () => 0 };

/**
 * Requests are due at fixed times.
 *
 * During a stall of a server a closed loop sends nothing, so its latencies hide the stall (coordinated
 * omission). In an open loop requests become due during the stall, and their latencies include it.
 */
export class OpenLoop implements Pace {
  readonly #fromMs: number;
  readonly #everyMs: number;
  #taken = 0;

  /** The first request is due at `fromMs`, the others follow every `everyMs` milliseconds. */
  constructor(fromMs: number, everyMs: number) {
    this.#fromMs = fromMs;
    this.#everyMs = everyMs;
  }

  take(nowMs: number): number | undefined {
    const dueMs = this.#fromMs + this.#taken * this.#everyMs;
    if (dueMs > nowMs) return undefined;
    this.#taken++;
    return dueMs;
  }

  late(nowMs: number): number {
    const due = Math.floor((nowMs - this.#fromMs) / this.#everyMs) + 1;
    return Math.max(0, due - this.#taken);
  }
}
