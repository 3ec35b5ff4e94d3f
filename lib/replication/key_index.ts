/**
 * The keys of a table in their order, for LIST and for watches of a prefix.
 *
 * @module
 */

import { leafKeysMax, OrderedKeys } from "./ordered_keys.ts";
import { SortedRuns } from "./sorted_runs.ts";
import type { Store } from "./store.ts";

/** Keys that one slice of work takes into the index at least. It takes 1 or 2 ms. */
export const indexSliceKeys = 1_024;

/** A slice takes in this many times as many keys as came since the last one: so the index catches up. */
const catchUpFactor = 2;

/** At its beginning the index takes the keys in faster: it sorts this many in a slice of 1 or 2 ms. */
const sortedSliceKeys = 2_048;
/** And merges this many. */
const mergedSliceKeys = 1_024;

/** Keys that may have come or gone without being taken in. With more, it is faster to begin again. */
export const touchedMax = 262_144;

/**
 * The keys of a table, in the order of their bytes in UTF-8.
 *
 * - It is made when it is first needed. Before, it costs nothing.
 * - After that it only notes which keys came or went, until it is needed again or the server has nothing
 *   else to do. So new keys cost a PUT almost nothing.
 * - Work is done in slices, so that neither a large table nor a snapshot holds up anything else. While
 *   a slice is due, the index is not complete.
 * - Once it is needed, it is _wanted_ until it is complete: then slices have to follow each other.
 */
export class KeyIndex {
  readonly #store: Pick<Store, "get" | "entries" | "size">;
  readonly #keys = new OrderedKeys();
  /** The walk over the keys that were there at first; `undefined` before and after it. */
  #walk: Iterator<[string, unknown]> | undefined;
  /** Steps of the walk that are left at most: keys that come meanwhile are noted, and not waited for. */
  #walkLeft = 0;
  /** Those keys, until they are in order; `undefined` before and after that. */
  #runs: SortedRuns | undefined;
  #needed = false;
  #wanted = false;
  /** Keys that came or went since the last slice, while the index is wanted. */
  #came = 0;
  /** Keys that came or went, and are not taken in yet, from #taken on. */
  #touched: string[] = [];
  #taken = 0;

  /** The index of a table. Nothing is done before it is needed. */
  constructor(store: Pick<Store, "get" | "entries" | "size">) {
    this.#store = store;
  }

  /** Whether the index has every key. */
  get complete(): boolean {
    return this.made && this.due === 0;
  }

  /** Whether the keys that were there at first are still being taken in. */
  get beginning(): boolean {
    return this.#runs !== undefined;
  }

  /** Keys that came or went and are not taken in yet. Those that were there at first are not counted. */
  get due(): number {
    return this.#touched.length - this.#taken;
  }

  /** Whether the index is made. It may lack the keys that are due. */
  get made(): boolean {
    return this.#needed && !this.beginning;
  }

  /** Whether the index was needed and is not complete yet. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Asks for the complete index: begins to make it, if it is not made yet. */
  need(): void {
    this.#wanted = !this.complete;
    if (this.#needed) return;
    this.#needed = true;
    this.#walk = this.#store.entries();
    this.#walkLeft = this.#store.size;
    this.#runs = new SortedRuns();
  }

  /** A key came into the table, or was removed from it. */
  touched(key: string): void {
    if (!this.#needed) return;
    this.#touched.push(key);
    if (this.#wanted) this.#came++;
    if (this.due > touchedMax && !this.#wanted) this.#forget();
  }

  /** The table is empty. */
  clear(): void {
    const needed = this.#needed;
    this.#forget();
    this.#needed = needed; // an empty index is complete
  }

  /** Takes in a slice of what is due. */
  step(): void {
    if (this.#walk !== undefined) this.#sort(this.#walk);
    else if (this.#runs !== undefined) this.#merge(this.#runs);
    else this.#takeIn(Math.max(indexSliceKeys, catchUpFactor * this.#came));
    this.#came = 0;
    if (this.complete) this.#wanted = false;
  }

  /** The keys from `first` on, see {@linkcode OrderedKeys.from}. */
  from(first: string, after = false): Generator<string, undefined> {
    return this.#keys.from(first, after);
  }

  #sort(walk: Iterator<[string, unknown]>): void {
    const keys: string[] = [];
    while (keys.length < sortedSliceKeys) {
      const next = this.#walkLeft-- > 0 ? walk.next() : undefined;
      if (next === undefined || next.done) {
        this.#walk = undefined;
        break;
      }
      keys.push(next.value[0]);
    }
    this.#runs!.add(keys);
  }

  #merge(runs: SortedRuns): void {
    for (let left = mergedSliceKeys; left > 0; left -= leafKeysMax) {
      const keys: string[] = [];
      while (keys.length < leafKeysMax) {
        const key = runs.take();
        if (key === undefined) break;
        if (key !== keys.at(-1)) keys.push(key); // removed and added again during the walk
      }
      if (keys.length === 0) {
        this.#runs = undefined;
        return;
      }
      this.#keys.append(keys);
    }
  }

  #takeIn(keysMax: number): void {
    const end = Math.min(this.#touched.length, this.#taken + keysMax);
    while (this.#taken < end) {
      const key = this.#touched[this.#taken++]!;
      if (this.#store.get(key) === undefined) this.#keys.delete(key);
      else this.#keys.add(key);
    }
    if (this.due > 0) return;
    this.#touched = [];
    this.#taken = 0;
  }

  #forget(): void {
    this.#keys.clear();
    this.#walk = this.#runs = undefined;
    this.#needed = this.#wanted = false;
    this.#touched = [];
    this.#taken = this.#came = 0;
  }
}
