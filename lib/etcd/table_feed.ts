/**
 * How a table is filled from etcd: by reads of all keys at one revision, then by the watch.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import type { Store } from "../replication/store.ts";
import { Write } from "../wire/encoded_write.ts";
import { sleep } from "./abort.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError } from "./errors.ts";
import type { Page, StoredEntry, WatchEvent } from "./protocol.ts";

/** The keys of the first page. Each later page may have some times as many, or fewer. */
const pageKeysFirst = 1_000;
const pageKeysMax = 100_000;
const pageGrowth = 8;
/** The size that pages should have, in bytes. */
const pageBytesWanted = 4 * 1024 * 1024;
/** A page that does not come within this time is given up. */
const pageMsMax = 10_000;

/** Other requests have a turn after this time of work on pages. */
const sliceMsMax = 5;
/** The pause between two reports of a load, and between two of unreadable values. */
const reportMs = 1_000;

/** Keys with a value that no client can get, which a table remembers. */
export const unreadableMax = 10_000;

/**
 * Fills a table.
 *
 * - Every key's timestamp is the revision of its last write. That of the table is the newest revision
 *   up to which everything has come.
 * - A read of all keys sets the floor to its revision: what was removed before is not known.
 * - The table never goes back, also where it is read once more. Meanwhile it can be read.
 */
export class TableFeed {
  readonly #store: Store;
  readonly #client: EtcdClient;
  readonly #report: (line: string) => void;
  #loaded = false;
  /** The keys whose value is not text or too long. In the table they do not exist. */
  readonly #unreadable = new KeyMap<true>();
  /** No unreadable value is reported before this time. */
  #quietUntilMs = 0;

  /** Fills `store`, which must be empty. */
  constructor(store: Store, client: EtcdClient, report: (line: string) => void) {
    this.#store = store;
    this.#client = client;
    this.#report = report;
  }

  /** The newest revision up to which everything has come, 0 before the table is complete. */
  get revision(): number {
    return this.#store.timestamp;
  }

  /** Whether the table has been complete once. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** The table is of a store that is no longer there. */
  unload(): void {
    this.#loaded = false;
  }

  /** Whether a key has a value that is not text or too long, by the hand of another program. */
  isUnreadable(key: string): boolean {
    return this.#unreadable.size > 0 && this.#unreadable.get(key) === true;
  }

  /**
   * Reads all keys. Throws the signal's reason if it is aborted.
   *
   * @throws {EtcdError} if a page does not come, or the member is behind the table.
   */
  async load(signal: AbortSignal): Promise<void> {
    const store = this.#store;
    const again = this.#loaded;
    if (!again) {
      store.clear();
      this.#unreadable.clear();
    }
    store.unsettle();
    const present = again ? new KeyMap<true>() : undefined;
    const read = { keys: 0, revision: 0 };
    try {
      await this.#read(read, present, new Turns(signal));
    } catch (error) {
      // If the watch goes on after all, the table is whole once it has everything that was read.
      if (again) store.synchronise({ latest: read.revision });
      throw error;
    }
    const { keys, revision } = read;
    store.synchronise({ latest: revision, floor: revision });
    store.advance(revision);
    this.#loaded = true;
    this.#report(`read the store from etcd: ${keys} keys, at revision ${revision}`);
  }

  /**
   * Applies the next events of the watch. If `partial`, more events of the last revision follow.
   * Returns those that are new here: a watch that begins within a revision shows some of it twice.
   */
  apply(events: readonly WatchEvent[], partial: boolean): WatchEvent[] {
    const store = this.#store;
    const fresh: WatchEvent[] = [];
    let newest = 0;
    for (const event of events) {
      newest = event.revision;
      if (event.key !== "") {
        if (this.#has(event)) continue;
        this.#keep(event);
      }
      fresh.push(event);
    }
    if (newest > 0) store.advance(partial ? newest - 1 : newest);
    return fresh;
  }

  /** Everything up to a revision has come. */
  progress(revision: number): void {
    this.#store.advance(revision);
  }

  /** Puts all keys into the table, and removes those that are not `present`. Notes what was `read`. */
  async #read(
    read: { keys: number; revision: number },
    present: KeyMap<true> | undefined,
    turns: Turns,
  ): Promise<void> {
    const { timestamp } = this.#store;
    const pages = new Pages(this.#client);
    let reportedAtMs = performance.now();
    for (let page = await pages.next(); page !== undefined; page = await pages.next()) {
      if (page.revision < timestamp) {
        const reason = `the member is at revision ${page.revision}, this server at ${timestamp}`;
        throw new EtcdError("behind", reason);
      }
      read.revision = page.revision;
      for (const entry of page.entries) {
        if (entry.key === "") continue;
        present?.set(entry.key, true);
        this.#keep(entry);
        read.keys++;
        if (turns.over) await turns.next();
      }
      if (performance.now() - reportedAtMs < reportMs) continue;
      reportedAtMs = performance.now();
      const { keys, revision } = read;
      this.#report(`reading the store from etcd: ${keys} keys so far, at revision ${revision}`);
    }
    if (present !== undefined) await this.#removeAbsent(present, read.revision, turns);
  }

  /** Whether the table has an event, or a later one of its key. */
  #has({ key, revision, deleted }: WatchEvent): boolean {
    const store = this.#store;
    const stored = store.get(key);
    if (stored !== undefined) return revision <= stored.timestamp;
    // A removal in the same revision as this write may have raised the floor to it.
    return deleted ? revision <= store.absentSince(key) : revision < store.absentSince(key);
  }

  /** Puts an entry or a removal into the table. A value that is not text counts as a removal there. */
  #keep({ key, value, revision, deleted = false }: StoredEntry & Partial<WatchEvent>): void {
    const readable = deleted || value !== undefined;
    if (!readable) this.#note(key, revision);
    else if (this.#unreadable.size > 0) this.#unreadable.delete(key);
    this.#store.keep(key, Write.of(key, deleted ? null : value ?? null, revision));
  }

  #note(key: string, revision: number): void {
    const full = this.#unreadable.size >= unreadableMax;
    if (!full) this.#unreadable.set(key, true);
    const now = performance.now();
    if (now < this.#quietUntilMs) return;
    this.#quietUntilMs = now + reportMs;
    this.#report(
      `another program has put a value that is not text or is too long, at revision ${revision}` +
        (full ? `: more than ${unreadableMax} of them, GETs say that the key does not exist` : ""),
    );
  }

  /** Removes the keys that etcd no longer has. When they were removed is not known. */
  async #removeAbsent(present: KeyMap<true>, revision: number, turns: Turns): Promise<void> {
    for (const [key] of this.#unreadable.entries()) {
      if (present.get(key) === undefined) this.#unreadable.delete(key);
    }
    for (const [key] of this.#store.entries()) {
      if (present.get(key) === undefined) this.#store.keep(key, Write.of(key, null, revision));
      if (turns.over) await turns.next();
    }
  }
}

/** Lets other work of this process have a turn during a long task. */
class Turns {
  readonly #signal: AbortSignal;
  #sinceMs = performance.now();

  /** A turn begins now. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether this turn has taken long enough. */
  get over(): boolean {
    return performance.now() - this.#sinceMs >= sliceMsMax;
  }

  /** Waits for the next turn. Throws the signal's reason if it is aborted. */
  async next(): Promise<void> {
    await sleep(0, this.#signal);
    this.#signal.throwIfAborted();
    this.#sinceMs = performance.now();
  }
}

/** Reads all keys page by page, as they were at the revision of the first page. */
class Pages {
  readonly #client: EtcdClient;
  #keysMax = pageKeysFirst;
  /** The page before; `undefined` before the first one. */
  #before: Page | undefined;

  constructor(client: EtcdClient) {
    this.#client = client;
  }

  /** The next page; `undefined` after the last one. */
  async next(): Promise<Page | undefined> {
    const before = this.#before;
    if (before !== undefined && before.last === undefined) return undefined;
    while (true) {
      try {
        const { last, revision = 0 } = before ?? {};
        const page = await this.#client.page(last, revision, this.#keysMax, pageMsMax);
        const wanted = Math.round(page.keys * pageBytesWanted / Math.max(1, page.bytes));
        const most = Math.min(pageKeysMax, this.#keysMax * pageGrowth);
        this.#keysMax = Math.max(1, Math.min(wanted, most));
        // Later answers have the newest revision in their header, not the one that they were read at.
        return this.#before = before === undefined ? page : { ...page, revision };
      } catch (error) {
        const tooLong = error instanceof EtcdError && error.kind === "long answer";
        if (!tooLong || this.#keysMax === 1) throw error;
        this.#keysMax = Math.ceil(this.#keysMax / pageGrowth);
      }
    }
  }
}
