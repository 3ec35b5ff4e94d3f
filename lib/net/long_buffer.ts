/**
 * Which connections of clients keep a long read buffer: those that send long values.
 *
 * @module
 */

import { bufferBytesKept } from "../wire/line_reader.ts";

/** The size of a long read buffer, in bytes. */
export const longBufferBytes = 128 * 1024;

/** The number of long buffers that all connections of the process keep together: 8 MiB. */
export const longBuffersMax = 64;

/** The number of short reads in a row after which a long buffer is given back. */
export const shortReadsMax = 64;

/** The long buffers that are kept now. Connections share the memory of the process. */
let kept = 0;

/**
 * The claim of one connection to a long buffer.
 *
 * Without one the buffer grows for each long frame, and shrinks after it. Both copy the frame.
 */
export class LongBuffer {
  #kept = false;
  #shortReads = 0;

  /** The size up to which the connection keeps its buffer, in bytes. */
  get bytesKept(): number {
    return this.#kept ? longBufferBytes : bufferBytesKept;
  }

  /**
   * Notes how many bytes the buffer had after a read. Without a claim it has more than the usual size
   * only for a long frame.
   */
  noteRead(bytes: number): void {
    if (bytes <= bufferBytesKept) {
      if (this.#kept && ++this.#shortReads === shortReadsMax) this.release();
      return;
    }
    this.#shortReads = 0;
    if (this.#kept || kept === longBuffersMax) return;
    this.#kept = true;
    kept++;
  }

  /** Gives up the claim. The connection has ended, or its reads are short. */
  release(): void {
    if (!this.#kept) return;
    this.#kept = false;
    this.#shortReads = 0;
    kept--;
  }
}
