/**
 * Faults on purpose: the REPLICATIONs towards one follower, held or late.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import type { Link } from "./environment.ts";

/** REPLICATIONs that a fault holds on their way to one follower, in UTF-16 units. */
export const heldCharsMax = 8 * 1024 * 1024;

/**
 * Stands in the place of a link while there is a fault.
 *
 * - Frames leave in the order in which they came, each at the first tick after its time.
 * - What is held is bounded: beyond that, the owner is asked to end the fault.
 */
export class HeldStream implements Pick<Link, "send"> {
  readonly #link: Link;
  readonly #overflowed: () => void;
  /** The times at which they came never fall. */
  readonly #frames = new Fifo<{ readonly frame: string; readonly at: number }>();
  #chars = 0;
  #now: number;
  /** By so much a frame is late, in milliseconds. Infinity holds all of them. */
  delayMs: number;

  /** Nothing is held yet. `overflowed` is called when it is too much. */
  constructor(link: Link, delayMs: number, now: number, overflowed: () => void) {
    this.#link = link;
    this.delayMs = delayMs;
    this.#now = now;
    this.#overflowed = overflowed;
  }

  /** Holds a frame. */
  send(frame: string): void {
    this.#frames.push({ frame, at: this.#now });
    this.#chars += frame.length;
    if (this.#chars > heldCharsMax) this.#overflowed();
  }

  /** Time has passed: sends the frames whose time has come. */
  tick(now: number): void {
    this.#now = now;
    this.#sendUntil(now - this.delayMs);
  }

  /** Sends everything. */
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
