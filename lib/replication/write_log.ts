/**
 * The log of the leader's recent writes: a follower that was away briefly needs no snapshot.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import { FrameQueue, type Frames, sizeOf } from "../wire/frames.ts";

/** A piece of memory, and the number of batches in it. */
interface Block {
  readonly bytes: Uint8Array<ArrayBuffer>;
  batches: number;
}

/** Consecutive writes that left together, as frames in UTF-8. */
interface Batch {
  readonly first: number;
  readonly last: number;
  readonly block: Block;
  readonly start: number;
  readonly end: number;
}

/** Batches share memory of this size. One longer than a quarter of it gets memory of its own. */
const blockBytes = 256 * 1024;

const decoder = new TextDecoder();

/**
 * A bounded queue of encoded writes. The oldest batches are dropped first.
 *
 * The writes are bytes in memory that is reused. As strings they would grow old in the heap before
 * they become garbage, and the leader's heap would be a fifth larger.
 */
export class WriteLog {
  readonly #bytesMax: number;
  /** Invariant: their timestamps rise, without a gap. */
  readonly #batches = new Fifo<Batch>();
  /** Invariant: the size of all #batches, at most #bytesMax. */
  #bytes = 0;
  /** Invariant: every write after this timestamp is in #batches. */
  #start: number;
  /** The memory of the next batch, of which #used bytes are taken. */
  #block: Block = { bytes: new Uint8Array(0), batches: 0 };
  #used = 0;
  /** The number of bytes that the last #tryEncode has written. */
  #written = 0;
  /** Invariant: empty between two calls. */
  readonly #queue = new FrameQueue();
  /** Memory without any batch, to be reused. */
  readonly #spare: Block[] = [];

  /** An empty log that begins after the timestamp `start` and holds at most `bytesMax` of frames. */
  constructor(start: number, bytesMax: number) {
    this.#start = start;
    this.#bytesMax = bytesMax;
  }

  /** The newest write of the log, or the timestamp at which it began. */
  get end(): number {
    return this.#batches.at(this.#batches.length - 1)?.last ?? this.#start;
  }

  /** Whether the log has every write after `timestamp`. */
  reaches(timestamp: number): boolean {
    return timestamp >= this.#start;
  }

  /** Adds the newest writes, from timestamp `first` to `last`, as one frame for each. */
  append(first: number, last: number, frames: Frames): void {
    const batch = this.#encode(first, last, frames);
    this.#batches.push(batch);
    this.#bytes += batch.end - batch.start;
    while (this.#bytes > this.#bytesMax) this.#forgetOldest();
  }

  /**
   * The frames of all writes after `timestamp`, oldest first. Those that left together are one text.
   * The log must reach the timestamp, and nothing may be appended during the walk.
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
      const { first, block, start, end } = this.#batches.at(low)!;
      const frames = decoder.decode(block.bytes.subarray(start, end));
      yield first > timestamp ? frames : withoutFrames(frames, timestamp - first + 1);
    }
  }

  #encode(first: number, last: number, frames: Frames): Batch {
    const size = sizeOf(frames);
    if (size > blockBytes / 4) {
      // Long values are ASCII or bytes, so this is the size of most frames in UTF-8.
      const bytes = this.#bytesOf(frames, size) ?? this.#bytesOf(frames, 3 * size)!;
      return { first, last, block: { bytes, batches: 1 }, start: 0, end: bytes.length };
    }
    if (!this.#tryEncode(frames)) {
      this.#block = this.#spare.pop() ?? { bytes: new Uint8Array(blockBytes), batches: 0 };
      this.#used = 0;
      this.#tryEncode(frames); // a UTF-16 unit is at most three bytes of UTF-8
    }
    this.#block.batches++;
    return { first, last, block: this.#block, start: this.#used, end: this.#used += this.#written };
  }

  /** The frames in UTF-8; `undefined` if they have more than `bytesMax` bytes. */
  #bytesOf(frames: Frames, bytesMax: number): Uint8Array<ArrayBuffer> | undefined {
    this.#queue.push(frames);
    const room = new Uint8Array(bytesMax);
    const bytes = this.#queue.fill(room);
    const fits = this.#queue.size === 0;
    this.#queue.clear();
    return !fits ? undefined : bytes === bytesMax ? room : room.slice(0, bytes);
  }

  /** Encodes frames into the rest of the block. Returns `false` if they do not fit. */
  #tryEncode(frames: Frames): boolean {
    this.#queue.push(frames);
    this.#written = this.#queue.fill(this.#block.bytes.subarray(this.#used));
    const fits = this.#queue.size === 0;
    this.#queue.clear();
    return fits;
  }

  #forgetOldest(): void {
    const { last, block, start, end } = this.#batches.shift()!;
    this.#bytes -= end - start;
    this.#start = last;
    block.batches--;
    const reusable = block.batches === 0 && block !== this.#block;
    if (reusable && block.bytes.length === blockBytes) this.#spare.push(block);
  }
}

/** The frames of a text without the first `count`. */
function withoutFrames(frames: string, count: number): string {
  let start = 0;
  for (; count > 0; count--) start = frames.indexOf("\n", start) + 1;
  return frames.slice(start);
}
