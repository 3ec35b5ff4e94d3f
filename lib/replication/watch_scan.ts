/**
 * The search for what a watcher of a prefix does not know yet.
 *
 * @module
 */

import { Backlog } from "./backlog.ts";
import type { KeyIndex } from "./key_index.ts";
import type { Store } from "./store.ts";

/** What a scan looks for. */
export interface ScanRange {
  /** The start of the keys. */
  readonly prefix: string;
  /** The watcher knows everything up to here. */
  readonly after: number;
  /** Changes above this timestamp are told by other means. */
  readonly upTo: number;
}

/**
 * A walk over the keys of a prefix, in slices, that collects those whose newest write is above `after`
 * and at most `upTo`. Later changes are told by other means.
 */
export class WatchScan {
  /** What was found. */
  readonly backlog = new Backlog();
  readonly #store: Store;
  readonly #index: KeyIndex;
  readonly #prefix: string;
  readonly #after: number;
  readonly #upTo: number;
  /** The walk over all entries, where the index is not there or does not help. */
  #entries: Iterator<[string, { readonly timestamp: number }]> | undefined;
  /** Entries to visit at most: keys that are added during the walk are not part of it. */
  #left: number;
  /** The key that was visited last, in the index. */
  #last: string | undefined;
  #deletions: Iterator<[string, number]> | undefined;
  #done = false;

  /** A walk that has not begun. A watcher that knows nothing (`after` 0) is told of no deletions. */
  constructor(store: Store, index: KeyIndex, { prefix, after, upTo }: ScanRange) {
    this.#store = store;
    this.#index = index;
    this.#prefix = prefix;
    this.#after = after;
    this.#upTo = upTo;
    this.#left = store.size;
    if (prefix === "" || !index.complete) this.#entries = store.entries();
    if (after > 0) this.#deletions = store.deletions();
  }

  /** Whether the walk has ended. */
  get done(): boolean {
    return this.#done;
  }

  /** Visits at most this many keys, and returns how many. */
  step(keysMax: number): number {
    let left = keysMax;
    if (this.#entries !== undefined) left = this.#walk(left);
    else if (this.#left > 0) left = this.#walkIndex(left);
    if (left > 0) left = this.#walkDeletions(left);
    return keysMax - left;
  }

  #walk(keysMax: number): number {
    let left = keysMax;
    for (; left > 0 && this.#left > 0; left--, this.#left--) {
      const next = this.#entries!.next();
      if (next.done) this.#left = 0;
      else if (next.value[0].startsWith(this.#prefix)) {
        this.#look(next.value[0], next.value[1].timestamp, false);
      }
      if (this.#left === 0) break;
    }
    return left;
  }

  #walkIndex(keysMax: number): number {
    let left = keysMax;
    const begun = this.#last !== undefined;
    for (const key of this.#index.from(this.#last ?? this.#prefix, begun)) {
      if (!key.startsWith(this.#prefix)) break;
      this.#last = key;
      const entry = this.#store.get(key);
      if (entry !== undefined) this.#look(key, entry.timestamp, false);
      if (--left === 0) return 0;
    }
    this.#left = 0;
    return left;
  }

  #walkDeletions(keysMax: number): number {
    let left = keysMax;
    for (; left > 0; left--) {
      const next = this.#deletions?.next();
      if (next === undefined || next.done) {
        this.#done = true;
        return left;
      }
      const [key, timestamp] = next.value;
      if (key.startsWith(this.#prefix)) this.#look(key, timestamp, true);
    }
    return left;
  }

  #look(key: string, timestamp: number, deleted: boolean): void {
    if (timestamp > this.#after && timestamp <= this.#upTo) {
      this.backlog.add({ key, timestamp, deleted });
    }
  }
}
