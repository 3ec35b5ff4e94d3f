/**
 * The leader's recent writes, so that a follower that was away for a moment needs no snapshot.
 *
 * @module
 */

import { Fifo } from "./fifo.ts";

/** Writes with consecutive timestamps that left together, as the frames that carry them. */
interface Batch {
  readonly first: number;
  readonly last: number;
  readonly frames: string;
}

/** A bounded queue of encoded writes: the oldest batches are forgotten first. */
export class WriteLog {
  readonly #charsMax: number;
  /** Their timestamps follow upon each other. */
  readonly #batches = new Fifo<Batch>();
  #chars = 0;
  /** Every write after this timestamp is in #batches. */
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

  /** Adds the newest writes, from timestamp `first` to `last`, as one frame for each. */
  append(first: number, last: number, frames: string): void {
    this.#batches.push({ first, last, frames });
    this.#chars += frames.length;
    while (this.#chars > this.#charsMax) {
      const oldest = this.#batches.shift()!;
      this.#chars -= oldest.frames.length;
      this.#start = oldest.last;
    }
  }

  /**
   * The frames of all writes after `timestamp`, oldest first, those that left together in one text.
   * The log must {@linkcode WriteLog.reaches} it.
   */
  *after(timestamp: number): IterableIterator<string> {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches.at(middle)!.last <= timestamp) low = middle + 1;
      else high = middle;
    }
    for (; low < this.#batches.length; low++) {
      const { first, frames } = this.#batches.at(low)!;
      yield first > timestamp ? frames : withoutFrames(frames, timestamp - first + 1);
    }
  }
}

/** All frames of a text but the first ones. */
function withoutFrames(frames: string, count: number): string {
  let start = 0;
  for (; count > 0; count--) start = frames.indexOf("\n", start) + 1;
  return frames.slice(start);
}
