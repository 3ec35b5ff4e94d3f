/**
 * The wait of a leader with a journal before it closes a group of PUTs.
 *
 * @module
 */

/**
 * How long the leader waits for more PUTs, in milliseconds. Clients that were just answered can send
 * their next PUT in it. It is about as long as a fast disk takes to sync.
 */
export const groupWaitMs = 0.2;

/**
 * Calls back after {@linkcode groupWaitMs}. Returns a function that cancels it.
 *
 * Timers are exact to a millisecond or two, which is too long. So the event loop goes round until the
 * time is over, and handles what arrives meanwhile. The wait begins after the first round, when the
 * answers that are due have left.
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
