/**
 * The pause after a compaction that failed.
 *
 * @module
 */

/** The pause after the first failure. Each further failure doubles it. */
export const pauseMsFirst = 1_000;

/** The longest pause. */
const pauseMsMax = 60_000;

/** Decides when a compaction that failed is tried again, and what is reported. */
export class CompactionPause {
  readonly #path: string;
  readonly #report: (line: string) => void;
  readonly #firstMs: number;
  /** The current pause; 0 if the last compaction succeeded. */
  #pauseMs = 0;
  /** No compaction before this time. */
  #untilMs = 0;
  /** The failure that was reported last, "" if the last compaction succeeded. */
  #reported = "";

  /** No failure yet. `path` is the directory, `report` takes a line for the operator. */
  constructor(path: string, report: (line: string) => void, firstMs = pauseMsFirst) {
    this.#path = path;
    this.#report = report;
    this.#firstMs = firstMs;
  }

  /** Whether the pause is over, or there is none. */
  over(nowMs: number): boolean {
    return nowMs >= this.#untilMs;
  }

  /** Begins a pause. Reports each reason once, however often it comes back. */
  begin({ message }: Error, nowMs: number): void {
    this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2 || this.#firstMs);
    this.#untilMs = nowMs + this.#pauseMs;
    if (message === this.#reported) return;
    this.#reported = message;
    this.#report(
      `cannot compact ${this.#path}: ${message}. No write is lost, but the directory grows until a ` +
        "compaction succeeds; it is tried again at least once a minute while there are writes",
    );
  }

  /** Ends the failures. Reports it if one was reported. */
  end(): void {
    if (this.#reported !== "") this.#report(`compacted ${this.#path} at last`);
    this.#pauseMs = this.#untilMs = 0;
    this.#reported = "";
  }
}
