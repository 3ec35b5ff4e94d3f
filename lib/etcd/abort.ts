/**
 * Waits and abort signals.
 *
 * @module
 */

/**
 * An abort controller that also aborts when its parent does. Disposing of it detaches it from the
 * parent, which may live much longer.
 */
export class LinkedAbort implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #onAbort = () => this.abort(this.#parent.reason);

  /** Aborts at once if the parent is aborted already. */
  constructor(parent: AbortSignal) {
    this.#parent = parent;
    if (parent.aborted) this.#onAbort();
    parent.addEventListener("abort", this.#onAbort);
  }

  /** The signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts the signal, but not the parent. */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Detaches from the parent. */
  [Symbol.dispose](): void {
    this.#parent.removeEventListener("abort", this.#onAbort);
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
