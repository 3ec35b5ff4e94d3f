/** Types for `@std/async/delay`, used only where `vendor/` was filled from npm (see setup.ts). */

/** Options of {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the wait early, with a rejection. */
  signal?: AbortSignal;
  /** `false`: the wait alone does not keep the process alive. Default `true`. */
  persistent?: boolean;
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number, options?: DelayOptions): Promise<void>;
