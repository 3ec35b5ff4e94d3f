/**
 * A pause that a signal can end.
 *
 * @module
 */

/**
 * Waits for `ms` milliseconds. Leaves no timer behind, even if the signal ends it.
 *
 * @throws the signal's reason if it is aborted first.
 */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
  });
}
