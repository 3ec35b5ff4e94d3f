/**
 * How much costly text of clients one turn of the event loop may handle.
 *
 * @module
 */

/**
 * Costly text that one turn may handle, in UTF-16 units: of reads of one kind, of all connections
 * together. This much of the most expensive text, a dense frame, takes about 40 ms. A longer line is
 * handled whole. The wait for the next turn takes 1 ms or more, so a much smaller budget would lower
 * the rate of honest clients.
 */
export const turnCharsMax = 256 * 1024;

/**
 * The same for peers that must prove something first, and for connections that are to end. They are all
 * strangers: clients that have proved the password must not wait behind them. 32 lines, about 1 ms.
 */
export const strangerCharsMax = 32 * 1024;

/** What a line of a stranger costs at least: it may begin a handshake, which computes two proofs. */
export const strangerLineChars = 1024;

/** The longest short read, in bytes. A client with one request at a time makes such reads. */
export const shortReadBytesMax = 1024;

/** The cost of handling a line besides its text, in UTF-16 units of text. */
const lineChars = 64;

/**
 * The budget of one kind of reads.
 *
 * - It counts text and reads no clock: a busy machine would make honest text look expensive.
 * - When it is spent, every connection that it counts waits for a later turn. So timers, connections
 *   between servers and the other kind of reads have their turn, whatever clients send.
 * - Connections go on in the order in which they began to wait.
 */
export class TurnBudget {
  readonly #charsMax: number;
  #left: number;
  #next: Promise<void> | undefined;

  /** A whole budget of this many UTF-16 units. */
  constructor(charsMax: number = turnCharsMax) {
    this.#charsMax = charsMax;
    this.#left = charsMax;
  }

  /** Whether the budget of this turn is spent. */
  get spent(): boolean {
    return this.#left <= 0;
  }

  /** Takes a line, or a part of one, out of the budget. */
  spend(chars: number): void {
    this.#left -= chars + lineChars;
  }

  /**
   * Resolves in the next turn. Look at `spent` again then, just before the work: connections that
   * waited longer may have spent the new budget.
   */
  nextTurn(): Promise<void> {
    return this.#next ??= this.#begin();
  }

  async #begin(): Promise<void> {
    // Only a timer makes the runtime look at the sockets before it goes on. A message to itself, or
    // `setImmediate`, does not: other clients would wait for some sixty turns.
    await new Promise((resolve) => setTimeout(resolve));
    this.#next = undefined;
    this.#left = this.#charsMax;
  }
}

/** Connections share the event loop of the process, so they share its budgets. */
const shortReads = new TurnBudget();
const longReads = new TurnBudget();

/** The budget of all strangers together. */
export const strangers: TurnBudget = new TurnBudget(strangerCharsMax);

/**
 * The budget that counts a read of `bytes` bytes. Short reads have their own budget, so that a client
 * that asks little does not wait behind those that send much.
 */
export function budgetFor(bytes: number): TurnBudget {
  return bytes <= shortReadBytesMax ? shortReads : longReads;
}
