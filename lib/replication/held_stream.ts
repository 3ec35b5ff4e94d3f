/**
 * Faults on purpose: the REPLICATIONs to one follower are held or late.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import { type Frames, sizeOf } from "../wire/frames.ts";
import type { Link } from "./environment.ts";

/** REPLICATIONs that a fault holds for one follower: UTF-16 units, and bytes of long values. */
export const heldCharsMax = 8 * 1024 * 1024;

/**
 * The stream of REPLICATIONs to a follower during a fault.
 *
 * - Frames leave in the order in which they came, each at the first tick after its time.
 * - The held text is bounded: beyond {@linkcode heldCharsMax} the owner is asked to end the fault.
 */
export class HeldStream implements Pick<Link, "send"> {
  readonly #link: Link;
  readonly #overflowed: () => void;
  /** Invariant: their times never fall. */
  readonly #held = new Fifo<{ readonly frames: Frames; readonly at: number }>();
  /** Invariant: the size of all #held together. */
  #size = 0;
  #now: number;
  /** The delay of each frame. Infinity holds all of them. */
  delayMs: number;

  /** An empty stream. `overflowed` is called when it holds too much. */
  constructor(link: Link, delayMs: number, now: number, overflowed: () => void) {
    this.#link = link;
    this.delayMs = delayMs;
    this.#now = now;
    this.#overflowed = overflowed;
  }

  /** Holds frames. */
  send(frames: Frames): void {
    this.#held.push({ frames, at: this.#now });
    this.#size += sizeOf(frames);
    if (this.#size > heldCharsMax) this.#overflowed();
  }

  /** Time has passed: sends the frames that are due. */
  tick(now: number): void {
    this.#now = now;
    this.#sendUntil(now - this.delayMs);
  }

  /** Sends every held frame. */
  release(): void {
    this.#sendUntil(Infinity);
  }

  #sendUntil(time: number): void {
    for (let first = this.#held.at(0); first !== undefined; first = this.#held.at(0)) {
      if (first.at > time) return;
      this.#held.shift();
      this.#size -= sizeOf(first.frames);
      this.#link.send(first.frames);
    }
  }
}
