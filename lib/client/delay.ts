/**
 * A pause that signals can end.
 *
 * @module
 */

import { onAbort } from "./on_abort.ts";

/**
 * Waits for `ms` milliseconds. Leaves no timer behind, even if a signal ends it.
 *
 * @throws the reason of a signal that is aborted first.
 */
export function delay(ms: number, ...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve, reject) => {
    for (const signal of signals) signal.throwIfAborted();
    const stopListening = signals.map((signal) =>
      onAbort(signal, () => {
        end();
        reject(signal.reason);
      })
    );
    const end = () => {
      clearTimeout(timer);
      for (const stop of stopListening) stop();
    };
    const timer = setTimeout(() => {
      end();
      resolve();
    }, ms);
  });
}
