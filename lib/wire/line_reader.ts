/**
 * Byte chunks in, whole lines out.
 *
 * @module
 */

import { FrameError } from "./errors.ts";
import { frameBytesMax } from "../limits.ts";

const LF = 10;
/** Most connections only ever carry small frames, one at a time. */
const bufferBytesFirst = 256;
/**
 * A busy connection keeps a buffer of this size; what one long frame needs beyond it is given back.
 */
const bufferBytesKept = 64 * 1024;

// A byte order mark is kept, so that a line means the same wherever the chunks were split. One that
// throws takes four times as long as one that puts U+FFFD in the place of what is not UTF-8.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Cuts a stream of bytes into lines.
 *
 * - Bytes are read straight into {@linkcode FrameReader.space}; only the start of a frame whose end
 *   has not come yet is ever moved.
 * - All complete lines of a chunk are decoded in one go.
 * - The buffer never grows over the longest frame: a longer one is found before it is stored.
 * - Lines come without their LF; a CR before it stays, and is white space to JSON.
 */
export class FrameReader {
  /** The longest frame that is taken, its LF included, in bytes: no less than 64 KiB. */
  bytesMax: number;
  #bytes = new Uint8Array(bufferBytesFirst);
  /** Bytes [0, #length) belong to a frame whose LF has not come. They hold no LF. */
  #length = 0;
  #failure: FrameError | undefined;

  /** Nothing has been read yet. */
  constructor(bytesMax: number = frameBytesMax) {
    this.bytesMax = bytesMax;
  }

  /** The bytes of a frame that has begun and not ended; 0 where there is none. */
  get partialBytes(): number {
    return this.#length;
  }

  /** Set once the stream is beyond repair: a frame over the limit, or a line that is not UTF-8. */
  get failure(): FrameError | undefined {
    return this.#failure;
  }

  /** Where the next bytes go. Never empty; valid until the next call. */
  get space(): Uint8Array<ArrayBuffer> {
    if (this.#length === this.#bytes.length) this.#resize(this.#bytes.length * 2);
    return this.#length === 0 ? this.#bytes : this.#bytes.subarray(this.#length);
  }

  /**
   * The lines that `count` new bytes in {@linkcode FrameReader.space} complete. After each call
   * look at {@linkcode FrameReader.failure}: the lines that were whole before a failure are still
   * returned.
   */
  push(count: number): string[] {
    if (this.#failure !== undefined) return [];
    const end = this.#length + count;
    const full = end === this.#bytes.length;
    // Only the new bytes are searched: the old ones hold no LF.
    const lastLf = this.#length + this.#bytes.subarray(this.#length, end).lastIndexOf(LF);
    if (lastLf < this.#length) {
      this.#length = end;
      if (end >= this.bytesMax) {
        this.#failure = new FrameError("TOO_LARGE", `a frame longer than ${this.bytesMax} bytes`);
      }
      return [];
    }
    const lines = this.#decode(lastLf);
    if (lastLf + 1 < end) this.#bytes.copyWithin(0, lastLf + 1, end);
    this.#length = end - lastLf - 1;
    if (this.#length === 0 && this.#bytes.length > bufferBytesKept) this.#resize(bufferBytesKept);
    // More had been there to read.
    else if (full && this.#bytes.length < bufferBytesKept) this.#resize(this.#bytes.length * 2);
    return lines;
  }

  /** Throws away what is there of an unfinished frame. */
  clear(): void {
    this.#length = 0;
  }

  #decode(end: number): string[] {
    const text = decoder.decode(this.#bytes.subarray(0, end));
    return text.includes("\ufffd") ? this.#decodeOneByOne(end) : text.split("\n");
  }

  /** Saves the lines before the one that is not UTF-8. U+FFFD itself is. */
  #decodeOneByOne(end: number): string[] {
    const lines: string[] = [];
    try {
      for (let start = 0; start <= end;) {
        const lf = this.#bytes.indexOf(LF, start);
        lines.push(strictDecoder.decode(this.#bytes.subarray(start, lf)));
        start = lf + 1;
      }
    } catch (cause) {
      this.#failure = new FrameError("BAD_MESSAGE", "a line that is not UTF-8", { cause });
    }
    return lines;
  }

  #resize(bytes: number): void {
    const resized = new Uint8Array(Math.min(bytes, this.bytesMax));
    resized.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = resized;
  }
}
