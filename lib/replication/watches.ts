/**
 * The watches of one server.
 *
 * @module
 */

import { ErrorReply, TryOther, type Watch } from "../mensagem.ts";
import type { Write } from "../wire/encoded_write.ts";
import { sizeOf } from "../wire/frames.ts";
import { Backlog } from "./backlog.ts";
import type { KeyIndex } from "./key_index.ts";
import { RecentChanges } from "./recent_changes.ts";
import type { Store } from "./store.ts";
import { type WatchLimits, WatchRegistry } from "./watch_registry.ts";
import { searchStallMs, WatchSearches } from "./watch_searches.ts";
import { WatchSender, watchUnsentChars } from "./watch_sender.ts";
import { type PendingChange, Watcher, type WatchLink } from "./watcher.ts";

/** A watcher is sent something this often: an empty CHANGES if nothing has happened. */
export const changesIntervalMs = 1_000;

/** In one tick this share of all watchers is sent an empty CHANGES, so that their times spread. */
const quietShare = 16;

/** In one tick this number of watchers may be sent an empty CHANGES at least. */
const quietMin = 512;

/** What it costs to look at a recent change for a WATCH, in UTF-16 units of costly text. */
const changeChars = 4;

/** Changes that wait for all watchers together: UTF-16 units, and bytes of long values. */
export const pendingCharsMax: number = 64 * 1024 * 1024;

/** How many watches there are, and what they have led to since the start. */
export interface WatchCounts {
  /** Watches that there are. */
  readonly watches: number;
  /** Changes that were sent, counted for each watcher. */
  readonly changes: number;
  /** WATCHes that were refused: of a table that cannot answer, or over a limit. */
  readonly refused: number;
  /** Watches that were ended because the table could not go on with them. */
  readonly interrupted: number;
  /** Times that the waiting changes of a watch were replaced by the newest states. */
  readonly restarted: number;
  /** Watches that were ended because their client read too slowly. */
  readonly overloaded: number;
}

/** What watches need to know of their server. */
export interface Watched {
  /** The table. */
  readonly table: Store;
  /** Whether it may be read. */
  readonly readable: boolean;
}

/**
 * The watches of one server.
 *
 * - A watcher is first told the entries and deletions of its keys that it does not know, in the order of
 *   their timestamps, and then every change as it is applied here (G9).
 * - The text of a change is made once, whatever the number of watchers.
 * - While the table is _mixed_, a copy of different times, nothing is told. When it is whole again, each
 *   watcher is told what it does not know, as at its beginning.
 * - No call takes long: what is due is done in slices, see {@linkcode Watches.run}.
 */
export class Watches {
  readonly #server: Watched;
  readonly #store: Store;
  readonly #limits: WatchLimits;
  readonly #registry: WatchRegistry;
  readonly #searches: WatchSearches;
  readonly #sender: WatchSender;
  /** `undefined` until the first WATCH comes. */
  #recent: RecentChanges | undefined;
  /** The newest write of the table. The table is mixed until it has everything up to it. */
  #newest = 0;
  /** Whether changes were not told because the table was mixed. */
  #resyncDue = false;
  /** The gaps that the watchers' timestamps were compared with. */
  #gaps: Store["gaps"] | undefined;
  /** What watches have led to since the start. */
  readonly #counts = { refused: 0, interrupted: 0, restarted: 0, overloaded: 0 };

  /** No watches. `wake` is called when `run` has something to do. */
  constructor(server: Watched, index: KeyIndex, limits: WatchLimits, wake: () => void) {
    this.#server = server;
    this.#store = server.table;
    this.#limits = limits;
    this.#registry = new WatchRegistry(limits);
    this.#searches = new WatchSearches(server.table, index);
    this.#sender = new WatchSender(server.table, this.#registry, wake);
  }

  /** Watches in all. */
  get size(): number {
    return this.#registry.size;
  }

  /** Whether something may be sent now. */
  get sendingDue(): boolean {
    return this.#sender.due && !this.mixed;
  }

  /** How many watches there are, and what they have led to since the start. */
  get counts(): WatchCounts {
    return { ...this.#counts, watches: this.size, changes: this.#sender.changes };
  }

  /** Whether the table is a copy of different times, of which nothing complete can be told. */
  get mixed(): boolean {
    return this.#store.merging || this.#store.timestamp < this.#newest;
  }

  /** Whether a connection has watches. */
  has(link: WatchLink): boolean {
    return this.#registry.has(link);
  }

  /**
   * Answers a WATCH: with CHANGES from the end of the turn on, or with the reason against it. Returns what
   * that costs now, in UTF-16 units of costly text.
   */
  add(link: WatchLink, watch: Watch): number {
    const { id, key, after } = watch;
    const full = this.#registry.whyFull(link, id);
    if (full !== undefined) return this.#refuseWith(link, full.encode());
    const { timestamp, floor } = this.#store;
    const lost = this.#store.isLost(after);
    if (!this.#server.readable || this.mixed || (after > timestamp && !lost)) {
      return this.#refuseWith(link, new TryOther(id, key, timestamp).encode());
    }
    this.#recent ??= new RecentChanges(timestamp);
    if (this.#resyncDue) this.#resync();
    const reset = lost || (after > 0 && after < floor);
    const watcher = new Watcher(link, watch, reset, this.#sender.nowMs);
    this.#registry.add(watcher);
    return this.#begin(watcher) * changeChars;
  }

  /** Ends a watch as its client wishes. Of one that has ended already nothing is said. */
  remove(link: WatchLink, id: number): void {
    link.needsNoAnswer?.();
    const watcher = this.#registry.get(link, id);
    if (watcher === undefined) return;
    if (!watcher.answered) link.needsNoAnswer?.();
    this.#forget(watcher);
  }

  /** A connection has ended. */
  closed(link: WatchLink): void {
    for (const watcher of this.#registry.of(link)) this.#forget(watcher);
  }

  /** A write has taken effect in the table. */
  changed(key: string, write: Write): void {
    const { timestamp } = write;
    if (timestamp > this.#newest) this.#newest = timestamp;
    if (this.#store.merging) {
      this.#resyncDue = true;
      return;
    }
    if (this.#recent === undefined) return;
    if (this.#resyncDue) this.#resync();
    this.#recent.add(key, timestamp);
    if (this.#registry.size === 0) return;
    let change: PendingChange | undefined;
    this.#registry.visit(key, (watcher) => {
      change ??= { frames: write.element(key), timestamp };
      this.#push(watcher, change);
    });
  }

  /** The table is empty: what watchers know may be gone. */
  cleared(): void {
    this.#newest = 0;
    this.#resyncDue = false;
    this.#recent?.restart(0);
    this.#refuseAll();
  }

  /**
   * Does a slice of the work that is due. Returns whether more is due, for a later turn. To be called at
   * the end of each turn in which `wake` was called.
   */
  run(): boolean {
    if (this.#registry.size === 0) return false;
    this.#lookAtTable();
    this.#searches.step(
      (watcher) => this.#startSearch(watcher),
      (watcher) => this.#found(watcher),
    );
    if (!this.mixed) this.#sender.send((watcher) => this.#told(watcher));
    return this.#searches.due || this.sendingDue;
  }

  /** Time has passed. Watchers that were told nothing for a while are told how far the table is. */
  tick(nowMs: number): void {
    this.#sender.nowMs = nowMs;
    if (this.#registry.size === 0) return;
    this.#lookAtTable();
    this.#sender.unblock();
    for (const watcher of this.#searches.stalled(nowMs)) {
      this.#endSlow(watcher, `nothing was read for ${searchStallMs} ms`);
    }
    let left = Math.max(quietMin, Math.ceil(this.size / quietShare));
    for (const watcher of this.#registry) {
      if (left-- === 0 || nowMs - watcher.sentAtMs < changesIntervalMs) break;
      this.#tellTimestamp(watcher, nowMs);
    }
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if one is broken.
   */
  checkInvariants(): void {
    this.#registry.checkInvariants();
  }

  /** Notes what has happened to the table besides writes. */
  #lookAtTable(): void {
    if (!this.#server.readable) this.#refuseAll();
    if (this.#resyncDue && !this.#store.merging) this.#resync();
    if (this.#store.gaps !== this.#gaps) this.#compareWithGaps();
  }

  #tellTimestamp(watcher: Watcher, nowMs: number): void {
    // One that reads slowly has something to read.
    if (watcher.link.unsentChars > watchUnsentChars) {
      return this.#registry.touch(watcher, nowMs);
    }
    const { pending, expectsBacklog, sentTo } = watcher;
    const hasAll = pending === 0 && !expectsBacklog && !this.mixed;
    // One that has to wait is only shown that this server is there.
    this.#sender.put(watcher, [], hasAll ? this.#store.timestamp : sentTo);
  }

  /**
   * Begins to tell a watcher what it does not know. Changes from now on come after that, and what waits
   * for one that has begun comes before. Returns how many recent changes were looked at.
   */
  #begin(watcher: Watcher): number {
    const { target: { key, prefix } } = watcher;
    this.#searches.delete(watcher);
    watcher.searching = false;
    if (!watcher.begun) this.#drop(watcher);
    this.#expectBacklog(watcher);
    const { backlogAfter: after } = watcher;
    const recent = this.#recent!;
    let looked = 0;
    if (key !== undefined) {
      watcher.backlog = new Backlog();
      this.#find(watcher, key);
    } else if (after > 0 && recent.covers(after)) {
      watcher.backlog = new Backlog();
      for (const [changed, timestamp] of recent.between(after, watcher.backlogUpTo)) {
        looked++;
        if (changed.startsWith(prefix)) this.#find(watcher, changed, timestamp);
      }
    } else this.#searches.add(watcher);
    this.#sender.add(watcher);
    return looked;
  }

  /** Adds the state of a key to the backlog if the watcher does not know it, or if it is of `only`. */
  #find({ backlog, backlogAfter: after, backlogUpTo }: Watcher, key: string, only?: number): void {
    const entry = this.#store.get(key);
    const timestamp = entry?.timestamp ?? this.#store.absentSince(key);
    if (timestamp <= after || timestamp > backlogUpTo) return;
    if (only !== undefined && timestamp !== only) return;
    if (entry === undefined && after === 0) return; // the client never knew the key
    backlog!.add({ key, timestamp, deleted: entry === undefined });
  }

  /** The search for a watcher begins. At its beginning, what came while it waited is in the table. */
  #startSearch(watcher: Watcher): void {
    if (watcher.begun) return;
    this.#mayGoOn(watcher, watcher.sentTo);
    this.#drop(watcher);
    this.#expectBacklog(watcher);
  }

  /** The search for a watcher has ended. Deletions that were forgotten meanwhile may be missing. */
  #found(watcher: Watcher): void {
    const { backlogAfter } = watcher;
    const isComplete = backlogAfter === 0 || backlogAfter >= this.#store.floor;
    if (isComplete) this.#sender.add(watcher);
    else if (this.#mayGoOn(watcher, backlogAfter)) this.#begin(watcher);
  }

  #expectBacklog(watcher: Watcher): void {
    watcher.backlogAfter = Math.max(watcher.sentTo, watcher.last);
    watcher.expectBacklog();
    watcher.again = false;
    watcher.backlogUpTo = this.#store.timestamp;
    watcher.wholeAt = Math.max(this.#newest, this.#store.timestamp);
  }

  /** A watcher was told what was found for its beginning. */
  #told(watcher: Watcher): void {
    this.#searches.delete(watcher);
    if (watcher.again && this.#mayGoOn(watcher, watcher.sentTo)) this.#begin(watcher);
  }

  #push(watcher: Watcher, change: PendingChange): void {
    if (watcher.again) return;
    watcher.push(change);
    this.#registry.pendingChars += sizeOf(change.frames);
    this.#sender.add(watcher);
    if (watcher.pending > this.#limits.unsentChangesMax) this.#overflow(watcher);
    else if (this.#registry.pendingChars > pendingCharsMax) this.#overflow(this.#slowest);
  }

  /** Too much waits for a watcher. At its beginning it may be told less: the last state of each key. */
  #overflow(watcher: Watcher): void {
    if (!watcher.begun) {
      this.#drop(watcher);
      watcher.again = true;
      this.#counts.restarted++;
      return;
    }
    const most = this.#limits.unsentChangesMax;
    const why = watcher.pending > most
      ? `more than ${most} changes wait for this watch (--max-unsent-changes)`
      : `more than ${pendingCharsMax} bytes of changes wait for all watches`;
    this.#endSlow(watcher, why);
  }

  #endSlow(watcher: Watcher, why: string): void {
    this.#counts.overloaded++;
    const text = `the watch is read too slowly: ${why}. Watch again from its last timestamp`;
    this.#end(watcher, new ErrorReply("OVERLOADED", text, watcher.id).encode());
  }

  get #slowest(): Watcher {
    return [...this.#registry].reduce((a, b) => a.pendingChars >= b.pendingChars ? a : b);
  }

  /** The table was mixed, and is about to be whole: each watcher is told what it does not know. */
  #resync(): void {
    this.#resyncDue = false;
    this.#recent!.restart(this.#store.timestamp);
    for (const watcher of [...this.#registry]) {
      const { begun, waitsForBacklog, sentTo, last } = watcher;
      // One that has begun gets every change, so nothing that waits for it may be dropped.
      if (begun && waitsForBacklog) this.#refuse(watcher);
      else if (this.#mayGoOn(watcher, begun ? Math.max(sentTo, last) : sentTo)) {
        this.#begin(watcher);
      }
    }
  }

  #compareWithGaps(): void {
    this.#gaps = this.#store.gaps;
    for (const watcher of [...this.#registry]) {
      const { sentTo } = watcher;
      if (this.#store.isLost(sentTo) && this.#mayGoOn(watcher, sentTo)) this.#begin(watcher);
    }
  }

  /**
   * Whether a watcher that knows everything up to `known` can be told the rest. If not, its client has to
   * begin again.
   */
  #mayGoOn(watcher: Watcher, known: number): boolean {
    const { sentTo, begun } = watcher;
    if (known >= this.#store.floor && !this.#store.isLost(sentTo)) return true;
    if (begun) {
      this.#refuse(watcher);
      return false;
    }
    watcher.reset ||= sentTo > 0;
    watcher.sentTo = 0;
    return true;
  }

  #refuseWith(link: WatchLink, frame: string): number {
    this.#counts.refused++;
    link.send(frame);
    return 0;
  }

  #refuseAll(): void {
    for (const watcher of [...this.#registry]) this.#refuse(watcher);
  }

  /** Ends a watch that this server cannot go on with: another one may, or this one later. */
  #refuse(watcher: Watcher): void {
    this.#counts.interrupted++;
    const { id, target: { key } } = watcher;
    this.#end(watcher, new TryOther(id, key, this.#store.timestamp).encode());
  }

  #end(watcher: Watcher, frame: string): void {
    this.#forget(watcher);
    if (watcher.answered) watcher.link.push(frame);
    else watcher.link.send(frame);
  }

  #forget(watcher: Watcher): void {
    this.#registry.delete(watcher);
    this.#searches.delete(watcher);
    this.#sender.delete(watcher);
    this.#drop(watcher);
  }

  #drop(watcher: Watcher): void {
    this.#registry.pendingChars -= watcher.pendingChars;
    watcher.drop();
  }
}
