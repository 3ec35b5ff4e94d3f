/**
 * Cuts a stream of bytes into frames, one line each.
 *
 * @module
 */

import { FrameError, tlsUnexpected } from "./errors.ts";
import { frameBytesMax } from "../limits.ts";

const LF = 10;
/** The first byte of a TLS record that opens or refuses a connection. */
const tlsHandshake = 22;
const tlsAlert = 21;
/** The second byte of every TLS record. */
const tlsMajorVersion = 3;
/** The first size of the buffer: most connections carry small frames, one at a time. */
const bufferBytesFirst = 256;
/**
 * The size to which the buffer of a busy connection grows and that it keeps. It cannot be given back
 * while the connection is idle, because a read into it is pending. A longer buffer is given back after
 * its frame.
 */
export const bufferBytesKept = 16 * 1024;
/** The most bytes of one read. They bound how many lines come at once, also after a long one. */
const readBytesMax = 64 * 1024;

// A byte order mark is kept, so that a line does not depend on where the chunks were split. A decoder
// that throws takes four times as long as one that replaces invalid UTF-8 by U+FFFD.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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
  /** Invariant: bytes [0, #length) are an incomplete frame and hold no LF. */
  #length = 0;
  #failure: FrameError | undefined;
  /** Whether the first two bytes were checked. TLS may hold no LF, so its sender would wait in vain. */
  #begun = false;

  /** A reader at the start of a stream. */
  constructor(bytesMax: number = frameBytesMax) {
    this.bytesMax = bytesMax;
  }

  /** The bytes of an incomplete frame; 0 if there is none. */
  get partialBytes(): number {
    return this.#length;
  }

  /** The memory that the buffer takes, in bytes. Of a long one only the part in use takes memory. */
  get heldBytes(): number {
    return this.#bytes.length > this.bytesKept ? this.#length : this.#bytes.length;
  }

  /** Why the stream cannot go on: a frame over the limit, not UTF-8, or TLS. `undefined` if it can. */
  get failure(): FrameError | undefined {
    return this.#failure;
  }

  /** The room for the next bytes. Never empty; valid until the next call. */
  get space(): Uint8Array<ArrayBuffer> {
    if (this.#length === this.#bytes.length) this.#resize(this.#bytes.length * 2);
    return this.#length === 0 && this.#bytes.length <= readBytesMax
      ? this.#bytes
      : this.#bytes.subarray(this.#length, this.#length + readBytesMax);
  }

  /**
   * The lines that `count` new bytes in {@linkcode FrameReader.space} complete. Check
   * {@linkcode FrameReader.failure} after each call: complete lines before a failure are returned.
   */
  push(count: number): string[] {
    if (this.#failure !== undefined) return [];
    const end = this.#length + count;
    if (!this.#begun && end > 1) {
      this.#begun = true;
      if (isTlsRecord(this.#bytes)) {
        this.#failure = new FrameError("BAD_MESSAGE", tlsUnexpected);
        return [];
      }
    }
    const full = end === this.#bytes.length;
    // Only the new bytes can hold an LF.
    const lastLf = this.#length + this.#bytes.subarray(this.#length, end).lastIndexOf(LF);
    if (lastLf < this.#length) {
      this.#length = end;
      if (end >= this.bytesMax) {
        this.#failure = new FrameError(
          "TOO_LARGE",
          `the frame is longer than ${this.bytesMax} bytes`,
        );
      }
      return [];
    }
    const lines = this.#decode(lastLf);
    if (lastLf + 1 < end) this.#bytes.copyWithin(0, lastLf + 1, end);
    this.#length = end - lastLf - 1;
    if (this.#bytes.length > this.bytesKept) this.#shrink();
    // A full buffer means that there was more to read.
    else if (full && this.#bytes.length < this.bytesKept) this.#resize(this.#bytes.length * 2);
    return lines;
  }

  /** Discards an incomplete frame. */
  clear(): void {
    this.#length = 0;
    this.#shrink();
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

  /** Gives back the memory that a long frame needed. */
  #shrink(): void {
    let bytes = bufferBytesFirst;
    while (bytes <= this.#length) bytes *= 2;
    if (bytes < this.#bytes.length) this.#resize(bytes);
  }

  #resize(bytes: number): void {
    const resized = new Uint8Array(Math.min(bytes, this.bytesMax));
    resized.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = resized;
  }
}

function isTlsRecord(bytes: Uint8Array): boolean {
  return (bytes[0] === tlsHandshake || bytes[0] === tlsAlert) && bytes[1] === tlsMajorVersion;
}
