/**
 * Waits and abort signals.
 *
 * @module
 */

/**
 * An abort controller that also aborts when one of its parents does. Disposing of it detaches it from
 * the parents, which may live much longer.
 */
export class LinkedAbort implements Disposable {
  readonly #controller = new AbortController();
  readonly #parents: readonly AbortSignal[];
  readonly #onAbort = (event: Event) => this.abort((event.target as AbortSignal).reason);

  /** Aborts at once if a parent is aborted already. */
  constructor(parents: readonly AbortSignal[]) {
    this.#parents = parents;
    for (const parent of parents) {
      if (parent.aborted) this.abort(parent.reason);
      parent.addEventListener("abort", this.#onAbort);
    }
  }

  /** The signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts the signal, but not the parents. */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Detaches from the parents. */
  [Symbol.dispose](): void {
    for (const parent of this.#parents) parent.removeEventListener("abort", this.#onAbort);
  }
}

/** Waits until the time is over or the signal is aborted. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  const timer = setTimeout(end, ms);
  signal.addEventListener("abort", end);
  await promise;
  signal.removeEventListener("abort", end);
  clearTimeout(timer);
}
