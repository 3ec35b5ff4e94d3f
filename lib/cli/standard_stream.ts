/**
 * Standard output and standard error of this process.
 *
 * @module
 */

import type { ByteSink } from "./output.ts";

/** The first and the longest pause before a write to a full stream is repeated. */
const retryMs: Readonly<Record<"first" | "max", number>> = { first: 1, max: 50 };

/** A pipe takes this number of bytes whole or not at all, on every system. */
const atomicBytes = 4096;

/** Size of the runtime's buffer for standard output. It holds the end of a text without a line end. */
const lineBufferBytes = 1024;

/** After this number of bytes in careful pieces, a stream is taken for a blocking one. */
const carefulBytes = 1024 * 1024;

const LF = 10;
const nothing = new Uint8Array();

/** The part of `Deno.stdout` and `Deno.stderr` that is used here. */
export interface RawStream {
  /** Writes some of the bytes. */
  write(bytes: Uint8Array): Promise<number>;
}

/** What is known about a stream. */
export interface StreamOptions {
  /** Whether the runtime buffers lines, as for standard output. */
  readonly lineBuffered: boolean;
  /**
   * Returns a function that writes some of the bytes before it returns; `undefined` if the stream is
   * no file. Called once, after much text.
   */
  readonly fileWriter?: () => Promise<((bytes: Uint8Array) => number) | undefined>;
}

/**
 * Standard output or standard error, which may be non-blocking.
 *
 * Another process that shares a pipe or terminal can make it non-blocking. A write to a full one
 * then fails with `WouldBlock`, and has to be repeated. Standard output has a line buffer in the
 * runtime, so the error does not tell how much of a text was taken. It is known only for a _careful
 * piece_:
 * - a short piece that ends with a line end: nothing was taken;
 * - a piece without a line end that is longer than the buffer: nothing was taken;
 * - a shorter piece without a line end: all of it was taken.
 *
 * Careful pieces are slow. They are used at first, and for good after the first such error.
 *
 * A file has no reader that could stop, so it is written without another thread. It is looked at only
 * after the careful pieces, because the module that can tell takes long to load.
 */
export class StandardStream implements ByteSink {
  readonly #stream: RawStream;
  readonly #lineBuffered: boolean;
  /** The number of bytes that are still written in careful pieces. */
  #carefulBytes = carefulBytes;
  /** `undefined` once it is called. */
  #fileWriter: StreamOptions["fileWriter"];
  /** Writes all bytes before it returns; `undefined` unless the stream is known to be a file. */
  writeSync: ((bytes: Uint8Array) => void) | undefined;

  /** Writes to a stream. */
  constructor(stream: RawStream, { lineBuffered, fileWriter }: StreamOptions) {
    this.#stream = stream;
    this.#lineBuffered = lineBuffered;
    this.#fileWriter = fileWriter;
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length;) {
      const careful = this.#lineBuffered && this.#carefulBytes > 0;
      const piece = bytes.subarray(at, careful ? pieceEnd(bytes, at) : bytes.length);
      const written = await this.#writeSome(piece, careful);
      if (written === undefined) return false;
      at += written;
      this.#carefulBytes -= written;
    }
    if (this.#carefulBytes <= 0 && this.#fileWriter !== undefined) await this.#lookForFile();
    return true;
  }

  async #lookForFile(): Promise<void> {
    const writer = this.#fileWriter!();
    this.#fileWriter = undefined;
    const writeSome = await writer;
    if (writeSome === undefined) return;
    this.writeSync = (bytes) => {
      for (let at = 0; at < bytes.length;) at += writeSome(bytes.subarray(at));
    };
  }

  /** Writes a part of a piece. Returns its length in bytes; `undefined` if that is not known. */
  async #writeSome(piece: Uint8Array, careful: boolean): Promise<number | undefined> {
    for (let pauseMs = retryMs.first;; pauseMs = Math.min(2 * pauseMs, retryMs.max)) {
      try {
        return await this.#stream.write(piece);
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      }
      this.#carefulBytes = Infinity;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      if (!this.#lineBuffered || piece.length === 0) continue;
      const taken = piece.length < lineBufferBytes && !piece.includes(LF);
      if (careful && !taken) continue;
      await this.#writeSome(nothing, true); // writes what the runtime's buffer holds
      return taken ? piece.length : undefined;
    }
  }
}

/** The end of the piece that begins at `start`: see {@linkcode StandardStream}. */
function pieceEnd(bytes: Uint8Array, start: number): number {
  const limit = Math.min(start + atomicBytes, bytes.length);
  const line = bytes.subarray(start, limit).lastIndexOf(LF);
  if (line >= 0) return start + line + 1;
  const next = bytes.indexOf(LF, limit);
  return next < 0 ? bytes.length : next;
}
