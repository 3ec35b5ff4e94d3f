/**
 * The searches for what watchers of prefixes do not know: some at one time, the others wait.
 *
 * @module
 */

import type { KeyIndex } from "./key_index.ts";
import type { Store } from "./store.ts";
import { WatchScan } from "./watch_scan.ts";
import type { Watcher, WatchLink } from "./watcher.ts";

/**
 * Searches at one time, each for another connection. The result of each takes memory, 16 bytes for an entry
 * of the table at most, until it is sent.
 */
export const searchesMax = 4;

/** With more searches than this the index is made: they then need not look at the whole table. */
const searchesByTableMax = 8;

/** A result of at most this many changes needs no place while it is sent. */
const smallResultMax = 16;

/** A watcher that reads nothing for this time gives its place up to one that waits, in milliseconds. */
export const searchStallMs = 10_000;

/** Keys that all searches visit in one slice of work. It takes less than a millisecond. */
const sliceKeys = 2_048;

/** What a part of a search costs besides the keys that it visits, counted in keys. */
const partKeys = 32;

/**
 * The searches of the watchers of a table. The connections have their turns, so that one with many watches
 * does not hold up the others.
 */
export class WatchSearches {
  readonly #store: Store;
  readonly #index: KeyIndex;
  /**
   * By connection, the one whose turn is next first. The first watcher of each of the first connections
   * has a place. A search that waits is missing. Invariant: no inner map is empty.
   */
  readonly #byLink = new Map<WatchLink, Map<Watcher, WatchScan | undefined>>();

  /** No searches. */
  constructor(store: Store, index: KeyIndex) {
    this.#store = store;
    this.#index = index;
  }

  /** Adds a watcher of a prefix. Its backlog is there once it is no longer `searching`. */
  add(watcher: Watcher): void {
    watcher.backlog = undefined;
    watcher.searching = true;
    const ofLink = this.#byLink.get(watcher.link);
    if (ofLink === undefined) this.#byLink.set(watcher.link, new Map([[watcher, undefined]]));
    else ofLink.set(watcher, undefined);
  }

  /** The search of a watcher, and its result, are no longer needed. */
  delete(watcher: Watcher): void {
    const { link } = watcher;
    const ofLink = this.#byLink.get(link);
    if (ofLink?.has(watcher) !== true) return;
    const hadTurn = ofLink.keys().next().value === watcher;
    ofLink.delete(watcher);
    if (!hadTurn && ofLink.size > 0) return;
    this.#byLink.delete(link);
    if (ofLink.size > 0) this.#byLink.set(link, ofLink);
  }

  /**
   * Does a slice of the searches. Calls `start` with a watcher whose search begins, and `found` with one
   * whose backlog is there.
   */
  step(start: (watcher: Watcher) => void, found: (watcher: Watcher) => void): void {
    for (let left = sliceKeys; left > 0;) {
      // The results of the others are not sent yet.
      const searching = this.#placed.filter((watcher) => watcher.searching);
      if (searching.length === 0) return;
      for (const watcher of searching) {
        const scan = this.#byLink.get(watcher.link)?.get(watcher) ?? this.#start(watcher, start);
        left -= partKeys + scan.step(Math.ceil(sliceKeys / searchesMax));
        if (!scan.done) continue;
        watcher.searching = false;
        watcher.backlog = scan.backlog;
        if (scan.backlog.size <= smallResultMax) this.delete(watcher);
        found(watcher);
      }
    }
  }

  /** Whether another slice is due. */
  get due(): boolean {
    return this.#placed.some((watcher) => watcher.searching);
  }

  /** The watchers that keep others from a place, because they read nothing. */
  stalled(nowMs: number): Watcher[] {
    if (this.#byLink.size <= searchesMax) return [];
    return this.#placed
      .filter(({ searching, toldAtMs }) => !searching && nowMs - toldAtMs >= searchStallMs);
  }

  /** The watchers that have a place. */
  get #placed(): Watcher[] {
    const placed: Watcher[] = [];
    for (const ofLink of this.#byLink.values()) {
      const { value: first } = ofLink.keys().next();
      placed.push(first!);
      if (placed.length === searchesMax) break;
    }
    return placed;
  }

  #start(watcher: Watcher, start: (watcher: Watcher) => void): WatchScan {
    start(watcher);
    const { link, target: { prefix }, backlogAfter: after, backlogUpTo: upTo } = watcher;
    const ofLink = this.#byLink.get(link)!;
    if (prefix !== "" && this.#byLink.size + ofLink.size > searchesByTableMax) this.#index.need();
    const scan = new WatchScan(this.#store, this.#index, { prefix: prefix!, after, upTo });
    ofLink.set(watcher, scan);
    return scan;
  }
}
