/**
 * Actions that wait until the journal is on the disk.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import { assert } from "./invariant.ts";
import type { Journal, JournalMessage } from "./journal.ts";

/**
 * A counter of journal messages with a queue of actions that wait for the disk.
 *
 * Without a journal every action runs at once.
 */
export class Ledger {
  readonly #journal: Journal | undefined;
  /** Invariant: the counts never fall, and each is above #durable. */
  readonly #waiting = new Fifo<{ readonly count: number; readonly run: () => void }>();
  #appended = 0;
  /** Invariant: never above #appended. */
  #durable = 0;

  /** An empty ledger of a journal, or of none. */
  constructor(journal: Journal | undefined) {
    this.#journal = journal;
  }

  /** Whether there is a journal. */
  get hasJournal(): boolean {
    return this.#journal !== undefined;
  }

  /** Appends a message if there is a journal. */
  append(message: JournalMessage): void {
    if (this.#journal === undefined) return;
    this.#appended++;
    this.#journal.append(message);
  }

  /** Runs an action once every appended message is on the disk, at once if all are. */
  whenDurable(run: () => void): void {
    if (this.#durable === this.#appended) run();
    else this.#waiting.push({ count: this.#appended, run });
  }

  /** The first `count` messages are on the disk: runs the actions that waited for them, in order. */
  durable(count: number): void {
    this.#durable = count;
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      if (next.count > count) return;
      this.#waiting.shift();
      next.run();
    }
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant of this ledger is broken.
   */
  checkInvariants(): void {
    assert(this.#durable <= this.#appended, `${this.#durable} of ${this.#appended} are durable`);
    const first = this.#waiting.at(0)?.count ?? Infinity;
    assert(first > this.#durable, `an action waits for ${first}, and ${this.#durable} are durable`);
  }
}
