/**
 * The grouping of PUTs at a leader with a journal.
 *
 * @module
 */

import type { Host } from "./environment.ts";
import type { PendingRequests } from "./pending_requests.ts";

/** A group of this size waits for no more PUTs. */
export const groupPutsMax = 64;

/** Text of waiting PUTs beyond which a group is stamped at once, in UTF-16 units. */
export const groupCharsMax = 1024 * 1024;

/** The leader as its group commit sees it. */
export interface Stamper {
  /** Whether PUTs are taken and every stamped write is committed. */
  readyForGroup(): boolean;
  /** Stamps every waiting PUT. */
  stampWaiting(): void;
}

/**
 * Decides which PUTs are stamped together.
 *
 * A sync of the disk costs the same for one write as for many. So PUTs are stamped in groups:
 *
 * - A PUT waits until the group before it is committed. Then it waits a moment more, in which the
 *   clients that were just answered send their next PUT.
 * - A complete group does not wait for that commit. It is stamped at the next acknowledgement.
 */
export class GroupCommit {
  readonly #pending: PendingRequests;
  readonly #host: Pick<Host, "waitForPuts">;
  readonly #stamper: Stamper;
  /** Whether a PUT of this turn was stamped when it came. Later PUTs of the turn are too. */
  #stampedThisTurn = false;
  /** A group is complete with this many PUTs: as many as had no answer at the last commit. */
  #expectedPuts = 1;
  /** Ends the wait for further PUTs, `undefined` if there is no wait. */
  #cancelWait: (() => void) | undefined;

  /** A group commit of the waiting PUTs in `pending`. */
  constructor(pending: PendingRequests, host: Pick<Host, "waitForPuts">, stamper: Stamper) {
    this.#pending = pending;
    this.#host = host;
    this.#stamper = stamper;
  }

  /**
   * Whether the leader must stamp a PUT that comes now. If so, the waiting PUTs are stamped first. If
   * not, the PUT has to wait for its group.
   */
  admits(): boolean {
    if (this.#stampedThisTurn) return true;
    const idle = this.#stamper.readyForGroup();
    const complete = idle && this.#pending.waiting + 1 >= this.#expectedPuts;
    if (!complete && this.#pending.waitingChars <= groupCharsMax) {
      if (idle) this.#waitForPuts();
      return false;
    }
    this.#stamp();
    return this.#stampedThisTurn = true;
  }

  /** PUTs are about to be answered. */
  committing(): void {
    this.#expectedPuts = Math.min(this.#pending.length, groupPutsMax);
  }

  /** Writes may have been committed, and PUTs wait: stamps a complete group, or waits for more. */
  stampIfComplete(): void {
    if (this.#pending.waiting >= this.#expectedPuts) this.#stamp();
    else if (this.#stamper.readyForGroup()) this.#waitForPuts();
  }

  /** The messages of this turn are all received. */
  endTurn(): void {
    this.#stampedThisTurn = false;
  }

  #waitForPuts(): void {
    this.#cancelWait ??= this.#host.waitForPuts(() => {
      this.#cancelWait = undefined;
      if (this.#stamper.readyForGroup()) this.#stamp();
    });
  }

  #stamp(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#stamper.stampWaiting();
  }
}
