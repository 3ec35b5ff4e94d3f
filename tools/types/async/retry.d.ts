/** Types for `@std/async/retry`, used only where `vendor/` was filled from npm (see setup.ts). */

/** Every attempt failed; `cause` is the last failure. */
export class RetryError extends Error {
  constructor(cause: unknown, attempts: number);
}

/** Options of {@linkcode retry}; the times are in milliseconds. */
export interface RetryOptions {
  /** Growth of the pause from one attempt to the next. Default 2. */
  multiplier?: number;
  /** The longest pause. Default 60,000. */
  maxTimeout?: number;
  /** Attempts in all, the first one included. Default 5. */
  maxAttempts?: number;
  /** The first pause. Default 1,000. */
  minTimeout?: number;
  /** 0: the full pause; 1, the default: anything from none to the full pause. */
  jitter?: number;
  /** Which failures are worth another attempt. Default: all of them. */
  isRetriable?: (err: unknown) => boolean;
  /** Ends pauses and further attempts. */
  signal?: AbortSignal;
}

/** Calls `fn` until it succeeds, and resolves with its result. */
export function retry<T>(
  fn: (() => Promise<T>) | (() => T),
  options?: RetryOptions,
): Promise<T>;
