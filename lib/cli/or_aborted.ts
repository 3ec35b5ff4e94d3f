/**
 * A wait that a signal ends.
 *
 * @module
 */

import { onAbort } from "../client/on_abort.ts";

/**
 * Waits for a promise, at the longest until the signal is aborted. Resolves with `undefined` then.
 * Unlike `Promise.race` it leaves nothing behind in a signal that outlives many waits.
 */
export async function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  if (signal === undefined) return await promise;
  if (signal.aborted) {
    promise.catch(() => {}); // its outcome does not matter any more
    return undefined;
  }
  const either = Promise.withResolvers<T | undefined>();
  const stop = onAbort(signal, () => either.resolve(undefined));
  promise.then(either.resolve, either.reject);
  try {
    return await either.promise;
  } finally {
    stop();
  }
}
