/**
 * The state of a server, added up from the messages of its journal.
 *
 * @module
 */

import { type AnyMensagem, type Gap, type Join, JoinOk, Sync } from "../mensagem.ts";
import { gapBetween, joinedGaps } from "./gaps.ts";
import type { Journal, JournalMessage, JournalOwner } from "./journal.ts";
import { Store } from "./store.ts";

/** A journal together with what it held when it was opened. */
export interface OpenJournal extends Journal {
  /** The server's state when its last process ended. Its table becomes the server's own. */
  readonly recovered: RecoveredState;
  /** Begins to write. Messages that were appended before wait until then. */
  begin(owner: JournalOwner): void;
}

/** What the messages of a journal add up to, except for the table. */
export class JournalSummary {
  /** The id of the table's cluster, "" if the table was never complete. */
  cluster = "";
  /** The table is complete up to this timestamp. */
  timestamp = 0;
  /** Whether the server led last. Then no other server can have a write that is missing here. */
  led = false;
  /** The ranges that leaders have skipped. Invariant: in rising order; a list is never changed. */
  gaps: readonly Gap[] = [];

  /** An independent copy. */
  copy(): JournalSummary {
    return Object.assign(new JournalSummary(), this);
  }

  /** Adds the next message. */
  add(message: JournalMessage): void {
    switch (message.type) {
      case "REPLICATION":
        if (message.timestamp > this.timestamp) this.timestamp = message.timestamp;
        return;
      case "SNAPSHOT":
        if (message.replace === true) {
          this.cluster = "";
          this.timestamp = 0;
          this.led = false;
          this.gaps = [];
        }
        return;
      case "SYNC": {
        const { cluster, timestamp, latest, gaps } = message;
        this.cluster = cluster;
        this.gaps = joinedGaps(this.gaps, gaps);
        if (this.led) this.gaps = joinedGaps(this.gaps, gapBetween(timestamp, latest));
        this.timestamp = Math.max(this.timestamp, this.led ? latest : timestamp);
        return;
      }
      case "JOIN":
        this.led = false;
        return;
      case "JOIN_OK":
        this.led = true;
    }
  }

  /** Messages that add up to this summary. `follows` is the JOIN to use if this server follows. */
  messages(follows: Join): JournalMessage[] {
    const { cluster, timestamp, led, gaps } = this;
    if (cluster === "") return [];
    return [
      new JoinOk(), // only a leader's SYNC adds a gap
      ...gaps.map(([first, last]) => new Sync(cluster, first - 1, last + 1)),
      ...(led ? [] : [follows]),
      new Sync(cluster, timestamp, timestamp),
    ];
  }
}

/** A server's state when its last process ended, added up message by message. */
export class RecoveredState {
  /** The table. */
  readonly store: Store;
  /** Everything except the table. */
  readonly summary: JournalSummary = new JournalSummary();
  #highest = 0;

  /** The state of an empty journal. Its table remembers this many deletions. */
  constructor(deletionsMax?: number) {
    this.store = new Store(deletionsMax);
  }

  /** The id of the table's cluster, "" if the table was never complete and so counts for nothing. */
  get cluster(): string {
    return this.summary.cluster;
  }

  /** The table is complete up to this timestamp. */
  get timestamp(): number {
    return this.summary.timestamp;
  }

  /** The newest write of the table, above `timestamp` if a catch-up was not finished. */
  get highest(): number {
    return Math.max(this.#highest, this.summary.timestamp);
  }

  /** Whether the server led last. Then no other server can have a write that is missing here. */
  get led(): boolean {
    return this.summary.led;
  }

  /** The ranges that leaders have skipped. */
  get gaps(): readonly Gap[] {
    return this.summary.gaps;
  }

  /** Adds the next message. Returns `false` if no journal can hold a message of this type. */
  add(message: AnyMensagem): boolean {
    const { store, summary } = this;
    switch (message.type) {
      case "REPLICATION":
        summary.add(message);
        store.apply(message.key, message.write);
        this.saw(message.timestamp);
        return true;
      case "SNAPSHOT":
        summary.add(message);
        if (message.replace === true) {
          store.clear();
          this.#highest = 0;
        }
        store.unsettle(message.floor);
        for (const [key, value, timestamp, ttlMs] of message.entries) {
          store.put(key, value, timestamp, ttlMs);
          this.saw(timestamp);
        }
        return true;
      case "SYNC":
        summary.add(message);
        store.synchronise({ ...message, gaps: summary.gaps });
        store.advance(summary.timestamp);
        return true;
      case "JOIN":
      case "JOIN_OK":
      case "HEARTBEAT":
        summary.add(message);
        return true;
      default:
        return false;
    }
  }

  /** The table has an entry with this timestamp. */
  saw(timestamp: number): void {
    if (timestamp > this.#highest) this.#highest = timestamp;
  }
}
