/**
 * When a request must be sent and answered, and the timer that watches over it.
 *
 * @module
 */

/** The deadlines of one attempt at one server. All times are those of `performance.now()`. */
export interface Deadlines {
  /** When the attempt began. */
  readonly since: number;
  /** When the request must have been sent. If it is given up before, the server never sees it. */
  readonly sendBy: number;
  /** When the answer must be there. */
  readonly answerBy: number;
  /** Gives the request up. */
  readonly signal?: AbortSignal | undefined;
}

/** The deadlines of a request that may take `ms` milliseconds from now, everything included. */
export function within(ms: number): Deadlines {
  const since = performance.now();
  return { since, sendBy: since + ms, answerBy: since + ms };
}

/** One timer for any number of deadlines. It calls back at the earliest of them, or before. */
export class DeadlineTimer {
  readonly #expire: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer calls back. Never after the earliest deadline; `Infinity` if none is set. */
  #at = Infinity;

  /** A timer without a deadline. `expire` must add the earliest deadline that is left. */
  constructor(expire: () => void) {
    this.#expire = expire;
  }

  /** Adds a deadline, on the clock of `performance.now()`. */
  add(at: number): void {
    if (at >= this.#at) return;
    clearTimeout(this.#timer);
    this.#at = at;
    this.#timer = setTimeout(() => {
      this.#at = Infinity;
      this.#expire();
    }, Math.max(at - performance.now(), 0));
  }

  /** Forgets all deadlines. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#at = Infinity;
  }
}
