/**
 * Cuts a stream of bytes into frames, one line each.
 *
 * @module
 */

import { FrameError, tlsUnexpected } from "./errors.ts";
import { frameBytesMax } from "../limits.ts";
import { longValueChars } from "./long_value.ts";

const LF = 10;
/** The length from which on the bytes of a line are handed out too. */
const longLineChars = longValueChars;
/** The first byte of a TLS record that opens or refuses a connection. */
const tlsHandshake = 22;
const tlsAlert = 21;
/** The second byte of every TLS record. */
const tlsMajorVersion = 3;
/** The first size of the buffer: most connections carry small frames, one at a time. */
const bufferBytesFirst = 256;
/**
 * The size to which the buffer of a busy connection grows and that it keeps. It cannot be given back
 * while the connection is idle, because a read into it is pending. What a longer frame needed beyond
 * that is given back after the frame.
 */
export const bufferBytesKept = 16 * 1024;
/** From this size on a full buffer grows by the factor 4 and not 2: each step copies the frame so far. */
const fastGrowthBytes = 128 * 1024;
/**
 * The most bytes of one read, unless the buffer keeps more. They bound how many lines come at once, also
 * after a long one.
 */
const readBytesMax = 64 * 1024;

// A byte order mark is kept, so that a line does not depend on where the chunks were split. A decoder
// that throws takes four times as long as one that replaces invalid UTF-8 by U+FFFD.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes of the long ones of some lines; `undefined` for a short line, or if all are short. */
export type LongLines = readonly (Uint8Array<ArrayBuffer> | undefined)[] | undefined;

/**
 * Cuts a stream of bytes into lines.
 *
 * - The caller reads bytes straight into {@linkcode FrameReader.space}. Only the start of an
 *   incomplete frame is ever copied.
 * - All complete lines of a chunk are decoded in one call.
 * - A stream that begins as TLS fails at its second byte.
 * - The buffer never exceeds the longest frame: a longer one fails before it is stored.
 * - Lines come without their LF. A CR before it stays; it is white space in JSON.
 */
export class FrameReader {
  /** The longest frame that is accepted, its LF included. May rise, at least 256. */
  bytesMax: number;
  /** The size up to which the buffer grows for many short frames. */
  bytesKept: number = bufferBytesKept;
  #bytes = new Uint8Array(bufferBytesFirst);
  /** Invariant: bytes [#start, #end) are an incomplete frame and hold no LF. */
  #start = 0;
  #end = 0;
  #longLines: LongLines;
  #failure: FrameError | undefined;
  /** Whether the first two bytes were checked. TLS may hold no LF, so its sender would wait in vain. */
  #begun = false;

  /** A reader at the start of a stream. */
  constructor(bytesMax: number = frameBytesMax) {
    this.bytesMax = bytesMax;
  }

  /** The bytes of an incomplete frame; 0 if there is none. */
  get partialBytes(): number {
    return this.#end - this.#start;
  }

  /** The memory that the buffer takes, in bytes. Of a long one only the part in use takes memory. */
  get heldBytes(): number {
    return this.#bytes.length > this.bytesKept ? this.partialBytes : this.#bytes.length;
  }

  /** Why the stream cannot go on: a frame over the limit, not UTF-8, or TLS. `undefined` if it can. */
  get failure(): FrameError | undefined {
    return this.#failure;
  }

  /** The room for the next bytes. Never empty; valid until the next call. */
  get space(): Uint8Array<ArrayBuffer> {
    this.#longLines = undefined;
    if (this.#start > 0) this.#moveToFront();
    if (this.#end === this.#bytes.length) this.#grow();
    const bytesMax = Math.max(readBytesMax, this.bytesKept);
    return this.#end === 0 && this.#bytes.length <= bytesMax
      ? this.#bytes
      : this.#bytes.subarray(this.#end, this.#end + bytesMax);
  }

  /**
   * The bytes of the long lines that the last push has returned. Valid until the next read of
   * {@linkcode FrameReader.space}.
   */
  get longLines(): LongLines {
    return this.#longLines;
  }

  /**
   * The lines that `count` new bytes in {@linkcode FrameReader.space} complete. Check
   * {@linkcode FrameReader.failure} after each call: complete lines before a failure are returned.
   */
  push(count: number): string[] {
    if (this.#failure !== undefined) return [];
    const end = this.#end + count;
    if (!this.#begun && end > 1) {
      this.#begun = true;
      if (isTlsRecord(this.#bytes)) {
        this.#failure = new FrameError("BAD_MESSAGE", tlsUnexpected);
        return [];
      }
    }
    const full = end === this.#bytes.length;
    const lastLf = this.#lastLf(end);
    this.#end = end;
    if (lastLf < 0) {
      if (end >= this.bytesMax) {
        this.#failure = new FrameError(
          "TOO_LARGE",
          `the frame is longer than ${this.bytesMax} bytes`,
        );
      }
      return [];
    }
    const lines = this.#decode(lastLf);
    this.#start = lastLf + 1;
    if (lastLf >= longLineChars) this.#longLines = this.#bytesOfLong(lines, lastLf);
    if (this.#bytes.length > this.bytesKept) this.#shrink();
    // A full buffer means that there was more to read.
    else if (full && this.#bytes.length < this.bytesKept) this.#resize(this.#bytes.length * 2);
    return lines;
  }

  /** Discards an incomplete frame. */
  clear(): void {
    this.#start = this.#end = 0;
    if (this.#bytes.length > bufferBytesFirst) this.#resize(bufferBytesFirst);
  }

  #decode(end: number): string[] {
    const text = decoder.decode(this.#bytes.subarray(0, end));
    return text.includes("\ufffd") ? this.#decodeOneByOne(end) : text.split("\n");
  }

  /** Returns the lines before the first one that is not UTF-8. A received U+FFFD is valid. */
  #decodeOneByOne(end: number): string[] {
    const lines: string[] = [];
    try {
      for (let start = 0; start <= end;) {
        const lf = this.#bytes.indexOf(LF, start);
        lines.push(strictDecoder.decode(this.#bytes.subarray(start, lf)));
        start = lf + 1;
      }
    } catch (cause) {
      this.#failure = new FrameError("BAD_MESSAGE", "the line is not UTF-8", { cause });
    }
    return lines;
  }

  /** The place of the last LF before `end`; -1 if there is none. Only new bytes can hold one. */
  #lastLf(end: number): number {
    if (this.#bytes[end - 1] === LF) return end - 1;
    const at = this.#bytes.subarray(this.#end, end).lastIndexOf(LF);
    return at < 0 ? -1 : this.#end + at;
  }

  #bytesOfLong(lines: readonly string[], lastLf: number): LongLines {
    if (!lines.some(isLong)) return undefined;
    let start = 0;
    const chars = lines.reduce((sum, { length }) => sum + length, lines.length - 1);
    const isAscii = chars === lastLf;
    return lines.map((line) => {
      const end = isAscii ? start + line.length : this.#bytes.indexOf(LF, start);
      const bytes = isLong(line) ? this.#bytes.subarray(start, end) : undefined;
      start = end + 1;
      return bytes;
    });
  }

  /** Gives back the memory that only a long frame needed. */
  #shrink(): void {
    let bytes = this.bytesKept;
    while (bytes <= this.partialBytes) bytes *= 2;
    if (bytes < this.#bytes.length) this.#resize(bytes);
  }

  #moveToFront(): void {
    if (this.#start < this.#end) this.#bytes.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }

  #grow(): void {
    const { length } = this.#bytes;
    this.#resize(length * (length < fastGrowthBytes ? 2 : 4));
  }

  #resize(bytes: number): void {
    const resized = new Uint8Array(Math.min(bytes, this.bytesMax));
    resized.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = resized;
    this.#end -= this.#start;
    this.#start = 0;
  }
}

function isLong(line: string): boolean {
  return line.length >= longLineChars;
}

function isTlsRecord(bytes: Uint8Array): boolean {
  return (bytes[0] === tlsHandshake || bytes[0] === tlsAlert) && bytes[1] === tlsMajorVersion;
}
