/** Types for `@std/async/delay`. Used only if `vendor/` was filled from npm (tools/setup.ts). */

/** Options of {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the wait early, with a rejection. */
  signal?: AbortSignal;
  /** Whether the wait keeps the process alive. Default `true`. */
  persistent?: boolean;
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number, options?: DelayOptions): Promise<void>;
