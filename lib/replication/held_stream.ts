/**
 * Faults on purpose: the REPLICATIONs to one follower are held or late.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import type { Link } from "./environment.ts";

/** REPLICATIONs that a fault holds for one follower, in UTF-16 units. */
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
  readonly #frames = new Fifo<{ readonly frame: string; readonly at: number }>();
  /** Invariant: the length of all #frames together. */
  #chars = 0;
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
  send(frame: string): void {
    this.#frames.push({ frame, at: this.#now });
    this.#chars += frame.length;
    if (this.#chars > heldCharsMax) this.#overflowed();
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
    for (let first = this.#frames.at(0); first !== undefined; first = this.#frames.at(0)) {
      if (first.at > time) return;
      this.#frames.shift();
      this.#chars -= first.frame.length;
      this.#link.send(first.frame);
    }
  }
}
