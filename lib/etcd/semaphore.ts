/**
 * A bounded FIFO semaphore.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";

interface Waiter {
  readonly grant: (permit: Disposable) => void;
  timedOut: boolean;
}

/**
 * Limits how many tasks run at once.
 *
 * - Permits are granted first come, first served.
 * - A wait has a time limit, and the number of waiters is bounded.
 */
export class Semaphore {
  readonly #permitsMax: number;
  readonly #waitersMax: number;
  /** Permits in use. Invariant: at most #permitsMax. */
  #used = 0;
  /** Invariant: while a permit is free, all waiters in it have timed out. */
  readonly #queue = new Fifo<Waiter>();
  /** The waiters in #queue that have not timed out. */
  #waiting = 0;

  /** Grants `permitsMax` permits at once; at most `waitersMax` tasks wait. */
  constructor(permitsMax: number, waitersMax: number) {
    this.#permitsMax = permitsMax;
    this.#waitersMax = waitersMax;
  }

  /**
   * Waits for a permit, and returns it. Dispose of it to release it. Returns "full" if too many tasks
   * wait, "late" if no permit was free within the time.
   */
  async acquire(withinMs: number): Promise<Disposable | "full" | "late"> {
    if (this.#used < this.#permitsMax) {
      this.#used++;
      return this.#permit();
    }
    if (this.#waiting >= this.#waitersMax || this.#queue.length >= 2 * this.#waitersMax) {
      return "full";
    }
    const { promise, resolve } = Promise.withResolvers<Disposable | "late">();
    const waiter: Waiter = { grant: resolve, timedOut: false };
    this.#queue.push(waiter);
    this.#waiting++;
    const timer = setTimeout(() => {
      waiter.timedOut = true;
      this.#waiting--;
      resolve("late");
    }, Math.max(0, withinMs));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #permit(): Disposable {
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        this.#release();
      },
    };
  }

  /** Passes the permit to the next waiter, or frees it. */
  #release(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (next.timedOut) continue;
      this.#waiting--;
      next.grant(this.#permit());
      return;
    }
    this.#used--;
  }
}
