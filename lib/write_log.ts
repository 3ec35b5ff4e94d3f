/**
 * The leader's recent writes, so that a follower that was away for a moment needs no snapshot.
 *
 * @module
 */

import { Fifo } from "./fifo.ts";

/** A bounded queue of encoded writes: the oldest are forgotten first. */
export class WriteLog {
  readonly #charsMax: number;
  /** Timestamps rise strictly. */
  readonly #writes = new Fifo<{ readonly timestamp: number; readonly frame: string }>();
  #chars = 0;
  /** Every write after this timestamp is in #writes. */
  #start: number;

  /**
   * An empty log that begins right after the timestamp `start` and holds at most `charsMax` of
   * text.
   */
  constructor(start: number, charsMax: number) {
    this.#start = start;
    this.#charsMax = charsMax;
  }

  /** True where the log holds every write after `timestamp`. */
  reaches(timestamp: number): boolean {
    return timestamp >= this.#start;
  }

  /** Adds the newest write, as the frame that carries it. */
  append(timestamp: number, frame: string): void {
    this.#writes.push({ timestamp, frame });
    this.#chars += frame.length;
    while (this.#chars > this.#charsMax) {
      const oldest = this.#writes.shift()!;
      this.#chars -= oldest.frame.length;
      this.#start = oldest.timestamp;
    }
  }

  /**
   * The frames of all writes after `timestamp`, oldest first. The log must {@linkcode
   * WriteLog.reaches} it.
   */
  *after(timestamp: number): IterableIterator<string> {
    let low = 0;
    let high = this.#writes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#writes.at(middle)!.timestamp <= timestamp) low = middle + 1;
      else high = middle;
    }
    for (; low < this.#writes.length; low++) yield this.#writes.at(low)!.frame;
  }
}
