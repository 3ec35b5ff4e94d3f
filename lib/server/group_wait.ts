/**
 * The wait of a leader with a journal before it closes a group of PUTs.
 *
 * @module
 */

/**
 * How long the leader waits for more PUTs. Clients that were just answered can send their next PUT in
 * this time. A fast disk takes about as long to sync.
 */
export const groupWaitMs = 0.2;

/**
 * Calls back after {@linkcode groupWaitMs}. Returns a function that cancels it.
 *
 * A timer can be late by one or two milliseconds, which is too long. So `setImmediate` is repeated until
 * the time is over, and between two rounds the event loop handles what has arrived. The wait begins
 * after the first round, when the answers that are due have left.
 */
export function waitForGroup(run: () => void): () => void {
  let endMs: number | undefined;
  let cancelled = false;
  const round = () => {
    if (cancelled) return;
    endMs ??= performance.now() + groupWaitMs;
    if (performance.now() < endMs) setImmediate(round);
    else run();
  };
  setImmediate(round);
  return () => cancelled = true;
}
