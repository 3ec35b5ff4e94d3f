/**
 * The leader's recent writes, so that a follower that was away for a moment needs no snapshot.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";

/** Memory, and how many batches are in it. */
interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  batches: number;
}

/** Writes with consecutive timestamps that left together: the frames that carry them, in UTF-8. */
interface Batch {
  readonly first: number;
  readonly last: number;
  readonly chunk: Chunk;
  readonly start: number;
  readonly end: number;
}

/** Batches share memory of this size; a longer text than a quarter of it has its own. */
const chunkBytes = 256 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A bounded queue of encoded writes: the oldest batches are forgotten first.
 *
 * They are kept as bytes, in memory that is used again and again: text that is kept for a while
 * grows old in the heap before it is garbage, and a leader's heap would be larger by a fifth.
 */
export class WriteLog {
  readonly #bytesMax: number;
  /** Their timestamps rise. */
  readonly #batches = new Fifo<Batch>();
  #bytes = 0;
  /** Every write after this timestamp is in #batches. */
  #start: number;
  /** Where the next batch goes. */
  #chunk: Chunk = { bytes: new Uint8Array(0), batches: 0 };
  #used = 0;
  /** The bytes that were encoded last. */
  #written = 0;
  /** Chunks that no batch is in any more. */
  readonly #spare: Chunk[] = [];

  /**
   * An empty log that begins right after the timestamp `start` and holds at most `bytesMax` of
   * frames.
   */
  constructor(start: number, bytesMax: number) {
    this.#start = start;
    this.#bytesMax = bytesMax;
  }

  /** The newest write of the log, or the timestamp at which it began. */
  get end(): number {
    return this.#batches.at(this.#batches.length - 1)?.last ?? this.#start;
  }

  /** True where the log holds every write after `timestamp`. */
  reaches(timestamp: number): boolean {
    return timestamp >= this.#start;
  }

  /** Adds the newest writes, from timestamp `first` to `last`, as one frame for each. */
  append(first: number, last: number, frames: string): void {
    const batch = this.#encode(first, last, frames);
    this.#batches.push(batch);
    this.#bytes += batch.end - batch.start;
    while (this.#bytes > this.#bytesMax) this.#forgetOldest();
  }

  /**
   * The frames of all writes after `timestamp`, oldest first, those that left together in one text.
   * The log must {@linkcode WriteLog.reaches} it, and nothing may be appended during the walk.
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
      const { first, chunk, start, end } = this.#batches.at(low)!;
      const frames = decoder.decode(chunk.bytes.subarray(start, end));
      yield first > timestamp ? frames : withoutFrames(frames, timestamp - first + 1);
    }
  }

  #encode(first: number, last: number, frames: string): Batch {
    if (frames.length > chunkBytes / 4) {
      const bytes = encoder.encode(frames);
      return { first, last, chunk: { bytes, batches: 1 }, start: 0, end: bytes.length };
    }
    if (!this.#fits(frames)) {
      this.#chunk = this.#spare.pop() ?? { bytes: new Uint8Array(chunkBytes), batches: 0 };
      this.#used = 0;
      this.#fits(frames); // a UTF-16 unit is at most three bytes of UTF-8
    }
    this.#chunk.batches++;
    return { first, last, chunk: this.#chunk, start: this.#used, end: this.#used += this.#written };
  }

  /** Encodes a text behind what is used of the chunk. */
  #fits(frames: string): boolean {
    const { read, written } = encoder.encodeInto(frames, this.#chunk.bytes.subarray(this.#used));
    this.#written = written;
    return read === frames.length;
  }

  #forgetOldest(): void {
    const { last, chunk, start, end } = this.#batches.shift()!;
    this.#bytes -= end - start;
    this.#start = last;
    chunk.batches--;
    const reusable = chunk.batches === 0 && chunk !== this.#chunk;
    if (reusable && chunk.bytes.length === chunkBytes) this.#spare.push(chunk);
  }
}

/** All frames of a text but the first ones. */
function withoutFrames(frames: string, count: number): string {
  let start = 0;
  for (; count > 0; count--) start = frames.indexOf("\n", start) + 1;
  return frames.slice(start);
}
