/**
 * What a server writes down so that it outlives its process: the messages of the wire, one after
 * the other, in the order in which they took effect.
 *
 * This file is what the protocol core knows of it. How a record looks is in `journal_record.ts`, and
 * when it is on the disk is decided by `file_journal.ts`.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import {
  type AnyMensagem,
  type Heartbeat,
  type Join,
  JoinOk,
  type Replication,
  Snapshot,
  type SnapshotEntry,
  Sync,
} from "../mensagem.ts";
import { Store } from "./store.ts";

/**
 * What a journal may hold.
 *
 * - `REPLICATION`: a write. `SNAPSHOT`: entries of a table, in any order; with `replace`, all that
 *   came before is forgotten.
 * - `SYNC`: the table is complete up to `timestamp`. Where this server leads, `latest` is where it
 *   goes on: no write has a timestamp between the two.
 * - `JOIN`: from here on this server follows. `JOIN_OK`: from here on it leads.
 * - `HEARTBEAT`: when this was written, everything before it was on the disk.
 */
export type JournalMessage = Replication | Snapshot | Sync | Join | JoinOk | Heartbeat;

/** Where a server writes down what must outlive it. */
export interface Journal {
  /**
   * Adds a message behind all before. Later, and never from inside this call, the server is told how
   * many messages are on the disk.
   */
  append(message: JournalMessage): void;
}

/** Who is told what became of the messages of a journal. */
export interface JournalOwner {
  /** The first `count` messages that were appended are on the disk. */
  durable(count: number): void;
  /** Nothing more will ever be on the disk. */
  failed(error: Error): void;
}

/** A journal with what it held when it was opened. */
export interface OpenJournal extends Journal {
  /** What a server finds when it starts. From then on the table is the server's. */
  readonly saved: Saved;
  /** Begins to write. Until then messages wait. */
  begin(owner: JournalOwner): void;
}

/**
 * Counts what was appended, and keeps what may happen only once that is on the disk. Without a
 * journal everything happens at once.
 */
export class Ledger {
  readonly #journal: Journal | undefined;
  /** The counts never fall. */
  readonly #waiting = new Fifo<{ readonly count: number; readonly run: () => void }>();
  #appended = 0;
  /** Never above #appended. */
  #durable = 0;

  /** Nothing is appended yet. */
  constructor(journal: Journal | undefined) {
    this.#journal = journal;
  }

  /** True where there is a journal. */
  get kept(): boolean {
    return this.#journal !== undefined;
  }

  /** Appends a message, where there is a journal. */
  append(message: JournalMessage): void {
    if (this.#journal === undefined) return;
    this.#appended++;
    this.#journal.append(message);
  }

  /** Runs something once everything that was appended is on the disk; at once where it is. */
  whenDurable(run: () => void): void {
    if (this.#durable === this.#appended) run();
    else this.#waiting.push({ count: this.#appended, run });
  }

  /** The first `count` messages are on the disk: what waited for them happens now, in its order. */
  durable(count: number): void {
    this.#durable = count;
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      if (next.count > count) return;
      this.#waiting.shift();
      next.run();
    }
  }
}

/** Timestamps that no write has: those between the two. */
export type Gap = readonly [from: number, to: number];

/** Where the messages of a journal leave a server, its table left out. */
export class Standing {
  /** The cluster that the table belongs to; "" where it was never complete. */
  cluster = "";
  /** Everything up to here is in the table. */
  timestamp = 0;
  /** The last server to write here led: then nobody ever had a write that is not here. */
  led = false;
  /** Where a leader skipped ahead. They rise. */
  gaps: Gap[] = [];

  /** One that goes its own way from here. */
  copy(): Standing {
    return Object.assign(new Standing(), this, { gaps: [...this.gaps] });
  }

  /** Takes the next message. */
  note(message: JournalMessage): void {
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

  /** Messages that lead to the same, but for the table. `follows` is the JOIN of a follower. */
  messages(follows: Join): JournalMessage[] {
    const { cluster, timestamp, led, gaps } = this;
    if (cluster === "") return [];
    return [
      new JoinOk(), // gaps are a leader's
      ...gaps.map(([from, to]) => new Sync(cluster, from, to)),
      ...(led ? [] : [follows]),
      new Sync(cluster, timestamp, timestamp),
    ];
  }
}

/** What a journal holds, message by message: what its server held when it ended. */
export class Saved {
  /** The table. */
  readonly store: Store = new Store();
  /** All but the table. */
  readonly standing: Standing = new Standing();
  #highest = 0;

  /** The cluster that the table belongs to; "" where it was never complete, and counts for nothing. */
  get cluster(): string {
    return this.standing.cluster;
  }

  /** Everything up to here is in the table. */
  get timestamp(): number {
    return this.standing.timestamp;
  }

  /** No write in the table is newer. Above the timestamp where a catch-up was not finished. */
  get highest(): number {
    return Math.max(this.#highest, this.standing.timestamp);
  }

  /** The server led: nobody ever had a write that is not here. */
  get led(): boolean {
    return this.standing.led;
  }

  /** Where a leader skipped ahead. */
  get gaps(): readonly Gap[] {
    return this.standing.gaps;
  }

  /** Takes the next message. Returns false where no journal holds such a one. */
  take(message: AnyMensagem): boolean {
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
    this.standing.note(message);
    return true;
  }

  #put(key: string, value: string, timestamp: number): void {
    this.store.put(key, value, timestamp);
    if (timestamp > this.#highest) this.#highest = timestamp;
  }
}

/** "Forget everything before this." */
export function forgetting(): Snapshot {
  return new Snapshot([], false, true);
}

/** Some entries of a table. The last ones say so. */
export function entriesOf(entries: readonly SnapshotEntry[], last: boolean): Snapshot {
  return new Snapshot(entries, last);
}
