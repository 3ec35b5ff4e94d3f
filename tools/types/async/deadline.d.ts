/** Types for `@std/async/deadline`, used only where `vendor/` was filled from npm (see setup.ts). */

/** Options of {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early. */
  signal?: AbortSignal;
}

/**
 * Waits for `p`, but at most `ms` milliseconds: then rejects with a `DOMException` named
 * `TimeoutError`. What `p` stands for goes on.
 */
export function deadline<T>(p: Promise<T>, ms: number, options?: DeadlineOptions): Promise<T>;
