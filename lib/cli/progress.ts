/**
 * How far a long command is, on standard error.
 *
 * @module
 */

import type { Write } from "./terminal.ts";

/** The time between two reports, in milliseconds. */
const reportMs = 2_000;

/** Reports how far a command is, at most once in a while. */
export class Progress {
  readonly #write: Write;
  readonly #everyMs: number;
  #next: number;

  /** Reports to `write`, not sooner than `everyMs` after the last report. */
  constructor(write: Write, everyMs = reportMs) {
    this.#write = write;
    this.#everyMs = everyMs;
    this.#next = performance.now() + everyMs;
  }

  /** Writes the text if it is time for a report. */
  report(text: () => string): void {
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + this.#everyMs;
    this.#write(`${text()}\n`);
  }
}
