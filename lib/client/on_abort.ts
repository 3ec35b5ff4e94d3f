/**
 * Any number of listeners on one signal.
 *
 * @module
 */

/**
 * Calls `callback` when a signal is aborted. Returns a function that stops listening.
 *
 * All callbacks of a signal share one listener, because adding and removing a listener takes time in
 * proportion to the listeners that are there.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = callbacksOf.get(signal) ?? new Callbacks(signal);
  callbacks.all.add(callback);
  return () => {
    if (callbacks.all.delete(callback) && callbacks.all.size === 0) callbacks.stop();
  };
}

/** The callbacks of one signal, and their common listener. */
class Callbacks {
  readonly all = new Set<() => void>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    callbacksOf.set(signal, this);
    signal.addEventListener("abort", this.#call);
  }

  stop(): void {
    this.#signal.removeEventListener("abort", this.#call);
    callbacksOf.delete(this.#signal);
  }

  readonly #call = (): void => {
    this.stop();
    for (const call of this.all) call();
  };
}

const callbacksOf = new WeakMap<AbortSignal, Callbacks>();
