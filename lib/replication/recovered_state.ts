/**
 * The state of a server, added up from the messages of its journal.
 *
 * @module
 */

import { type AnyMensagem, type Join, JoinOk, Sync } from "../mensagem.ts";
import type { Journal, JournalMessage, JournalOwner } from "./journal.ts";
import type { Value } from "../wire/long_value.ts";
import { Store } from "./store.ts";

/** A journal together with what it held when it was opened. */
export interface OpenJournal extends Journal {
  /** The server's state when its last process ended. Its table becomes the server's own. */
  readonly recovered: RecoveredState;
  /** Begins to write. Messages that were appended before wait until then. */
  begin(owner: JournalOwner): void;
}

/** A range of timestamps that no write has: those between the two. */
export type Gap = readonly [from: number, to: number];

/** What the messages of a journal add up to, except for the table. */
export class JournalSummary {
  /** The id of the table's cluster, "" if the table was never complete. */
  cluster = "";
  /** The table is complete up to this timestamp. */
  timestamp = 0;
  /** Whether the server led last. Then no other server can have a write that is missing here. */
  led = false;
  /** The ranges that leaders have skipped. Invariant: in rising order. */
  gaps: Gap[] = [];

  /** An independent copy. */
  copy(): JournalSummary {
    return Object.assign(new JournalSummary(), this, { gaps: [...this.gaps] });
  }

  /** Adds the next message. */
  add(message: JournalMessage): void {
    switch (message.type) {
      case "REPLICATION":
        if (message.timestamp > this.timestamp) this.timestamp = message.timestamp;
        return;
      case "SNAPSHOT":
        if (message.replace !== true) return;
        this.cluster = "";
        this.timestamp = 0;
        this.led = false;
        this.gaps = [];
        return;
      case "SYNC": {
        const { cluster, timestamp, latest } = message;
        this.cluster = cluster;
        if (this.led && latest > timestamp && latest > (this.gaps.at(-1)?.[1] ?? 0)) {
          this.gaps.push([timestamp, latest]);
        }
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
      ...gaps.map(([from, to]) => new Sync(cluster, from, to)),
      ...(led ? [] : [follows]),
      new Sync(cluster, timestamp, timestamp),
    ];
  }
}

/** A server's state when its last process ended, added up message by message. */
export class RecoveredState {
  /** The table. */
  readonly store: Store = new Store();
  /** Everything except the table. */
  readonly summary: JournalSummary = new JournalSummary();
  #highest = 0;

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
    switch (message.type) {
      case "REPLICATION":
        this.#put(message.key, message.value, message.timestamp);
        break;
      case "SNAPSHOT":
        if (message.replace === true) {
          this.store.clear();
          this.#highest = 0;
        }
        for (const [key, value, timestamp] of message.entries) this.#put(key, value, timestamp);
        break;
      case "SYNC":
      case "JOIN":
      case "JOIN_OK":
      case "HEARTBEAT":
        break;
      default:
        return false;
    }
    this.summary.add(message);
    return true;
  }

  #put(key: string, value: Value, timestamp: number): void {
    this.store.put(key, value, timestamp);
    if (timestamp > this.#highest) this.#highest = timestamp;
  }
}
