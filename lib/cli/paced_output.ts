/**
 * Much text for standard output, written no faster than it is read.
 *
 * @module
 */

import { orAborted } from "./or_aborted.ts";
import type { Screen } from "./terminal.ts";

/**
 * Text that is written before its reader is waited for, in UTF-16 units. One more line of the
 * longest value, each character as an escape, still fits into the queue of the output.
 */
const unreadCharsMax = 1024 * 1024;

/**
 * Standard output for a command that writes as long as there is something to write.
 *
 * Memory: at most {@linkcode unreadCharsMax} and the last text wait for the reader.
 */
export class PacedOutput {
  readonly #screen: Screen;
  readonly #signal: AbortSignal | undefined;
  #unread = 0;

  /** Writes to the standard output of `screen` until `signal` is aborted. */
  constructor(screen: Screen, signal: AbortSignal | undefined) {
    this.#screen = screen;
    this.#signal = signal;
  }

  /** Whether nothing more is to be written: the output is closed, or the signal is aborted. */
  get ended(): boolean {
    return this.#screen.outClosed || this.#signal?.aborted === true;
  }

  /** Writes a text. Waits for the reader if much is not read. */
  async write(text: string): Promise<void> {
    if (this.ended) return;
    this.#screen.out(text);
    this.#unread += text.length;
    if (this.#unread < unreadCharsMax) return;
    await orAborted(this.#screen.flushed(), this.#signal);
    this.#unread = 0;
  }
}
