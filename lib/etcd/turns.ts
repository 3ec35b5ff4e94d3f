/**
 * So many at once, the others in a row.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";

/** Who waits. */
interface Waiting {
  readonly begin: (turn: Disposable) => void;
  /** The wait was given up. */
  late: boolean;
}

/**
 * Turns at something that stands only so many at once.
 *
 * - First come, first served.
 * - Nobody waits longer than it says, and no more than so many wait.
 */
export class Turns {
  readonly #atOnceMax: number;
  readonly #waitingMax: number;
  /** Those that have a turn; never more than #atOnceMax. */
  #taken = 0;
  /** Nobody in here while there are turns left, but for who was late. */
  readonly #row = new Fifo<Waiting>();
  /** Those in the row that were not late. */
  #waiting = 0;

  /** `atOnceMax` have a turn, `waitingMax` wait. */
  constructor(atOnceMax: number, waitingMax: number) {
    this.#atOnceMax = atOnceMax;
    this.#waitingMax = waitingMax;
  }

  /** A turn, which ends when it is disposed of; "full" where too many wait, "late" after the time. */
  async take(withinMs: number): Promise<Disposable | "full" | "late"> {
    if (this.#taken < this.#atOnceMax) {
      this.#taken++;
      return this.#turn();
    }
    if (this.#waiting >= this.#waitingMax || this.#row.length >= 2 * this.#waitingMax) {
      return "full";
    }
    const { promise, resolve } = Promise.withResolvers<Disposable | "late">();
    const waiting: Waiting = { begin: resolve, late: false };
    this.#row.push(waiting);
    this.#waiting++;
    const timer = setTimeout(() => {
      waiting.late = true;
      this.#waiting--;
      resolve("late");
    }, Math.max(0, withinMs));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #turn(): Disposable {
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#next();
      },
    };
  }

  #next(): void {
    for (let next = this.#row.shift(); next !== undefined; next = this.#row.shift()) {
      if (next.late) continue;
      this.#waiting--;
      next.begin(this.#turn());
      return;
    }
    this.#taken--;
  }
}
