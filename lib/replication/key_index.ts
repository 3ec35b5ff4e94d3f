/**
 * The keys of a table in their order, for LIST and for watches of a prefix.
 *
 * @module
 */

import { compareKeys } from "../wire/key_order.ts";
import { leafKeysMax, OrderedKeys } from "./ordered_keys.ts";
import { RecentKeys } from "./recent_keys.ts";
import { runCharsMax, sortedRun, SortedRuns, sortKeys, weightOf } from "./sorted_runs.ts";
import type { Store } from "./store.ts";

/** Keys that one slice of work takes into the tree at least, fewer if they are long. */
export const indexSliceKeys = 1_024;

/** A slice takes in this many times as many keys as came since the last one: so the index catches up. */
const catchUpFactor = 2;

/** At its beginning the index takes the keys in faster: it sorts this many in a slice. */
const sortedSliceKeys = 2_048;
/** And merges this many. */
const mergedSliceKeys = 1_024;

/**
 * The keys of a table, in the order of their bytes in UTF-8.
 *
 * - It is made when it is first needed. Before, it costs nothing.
 * - It is made in slices, so that neither a large table nor a snapshot holds up anything else.
 * - Once it is made, it is complete. Keys that come are sorted some thousand at a time, so that they cost
 *   a PUT little. They are taken into the tree when there is time, or when they are a million.
 */
export class KeyIndex {
  readonly #store: Pick<Store, "get" | "entries" | "size">;
  readonly #keys = new OrderedKeys();
  /** Keys that are not in the tree yet. */
  readonly #recent = new RecentKeys();
  /** What is still to be done until the index is made; `undefined` before and after that. */
  #making: Making | undefined;
  #complete = false;

  /** The index of a table. Nothing is done before it is needed. */
  constructor(store: Pick<Store, "get" | "entries" | "size">) {
    this.#store = store;
  }

  /** Whether the index has every key. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Whether there is work to do, by {@linkcode step}. */
  get due(): boolean {
    return this.#making !== undefined || this.#recent.full;
  }

  /** Keys that are to be taken in until the index is complete, or somewhat more. */
  get missing(): number {
    const { touched = [], taken = 0 } = this.#making ?? {};
    return this.#complete ? 0 : this.#store.size + touched.length - taken;
  }

  /** Asks for the complete index: begins to make it, if it is not made yet. */
  need(): void {
    if (this.#complete) return;
    this.#making ??= {
      walk: this.#store.entries(),
      walkLeft: this.#store.size,
      runs: new SortedRuns(),
      ...{ touched: [], taken: 0, came: 0 },
    };
  }

  /** A key came into the table, or was removed from it. */
  touched(key: string, removed: boolean): void {
    if (this.#making !== undefined) {
      this.#making.touched.push(key);
      this.#making.came++;
    } else if (!this.#complete) return;
    else if (!removed) this.#recent.add(key);
    else if (!this.#keys.delete(key)) this.#recent.delete(key);
  }

  /** Nothing has changed for a while: there is time for what can wait. */
  settle(): void {
    this.#recent.settle();
  }

  /** The table is empty. */
  clear(): void {
    this.#complete ||= this.#making !== undefined; // an empty index is complete
    this.#making = undefined;
    this.#keys.clear();
    this.#recent.clear();
  }

  /** Does a slice of the work that is due. */
  step(): void {
    if (this.#making !== undefined) return this.#make(this.#making);
    if (this.#recent.full) this.#keys.addAll(this.#recent.takeSome(indexSliceKeys));
  }

  /**
   * The keys from `first` on, without `first` itself if `after`. The index must be complete, and not
   * change during the walk.
   */
  *from(first: string, after = false): Generator<string, undefined> {
    const [old, recent] = [this.#keys.from(first), this.#recent.from(first)];
    let [one, other] = [old.next().value, recent.next().value];
    while (true) {
      let key: string;
      if (one !== undefined && (other === undefined || compareKeys(one, other) < 0)) {
        key = one;
        one = old.next().value;
      } else if (other !== undefined) {
        key = other;
        other = recent.next().value;
      } else return;
      if (!after || key !== first) yield key;
    }
  }

  #make(making: Making): void {
    if (making.walk !== undefined) this.#sort(making);
    else if (making.runs !== undefined) this.#merge(making);
    else this.#takeIn(making);
    making.came = 0;
  }

  #sort(making: Making): void {
    const keys: string[] = [];
    for (let chars = 0; keys.length < sortedSliceKeys && chars < runCharsMax;) {
      const next = making.walkLeft-- > 0 ? making.walk!.next() : undefined;
      if (next === undefined || next.done) {
        making.walk = undefined;
        break;
      }
      keys.push(next.value[0]);
      chars += next.value[0].length;
    }
    making.runs!.add(sortedRun(keys));
  }

  #merge(making: Making): void {
    for (let left = mergedSliceKeys; left > 0;) {
      const keys: string[] = [];
      while (keys.length < leafKeysMax && left > 0) {
        const key = making.runs!.take();
        if (key === undefined) break;
        left -= weightOf(key);
        if (key !== keys.at(-1)) keys.push(key); // removed and added again during the walk
      }
      if (keys.length === 0) {
        making.runs = undefined;
        return this.#endIfMade(making);
      }
      this.#keys.append(keys);
    }
  }

  #takeIn(making: Making): void {
    const { touched, taken, came } = making;
    making.taken = Math.min(
      touched.length,
      taken + Math.max(indexSliceKeys, catchUpFactor * came),
    );
    const added: string[] = [];
    for (let next = taken; next < making.taken; next++) {
      const key = touched[next]!;
      if (this.#store.get(key) === undefined) this.#keys.delete(key);
      else added.push(key);
    }
    this.#keys.addAll(sortKeys(added));
    this.#endIfMade(making);
  }

  #endIfMade({ runs, touched, taken }: Making): void {
    if (runs !== undefined || taken < touched.length) return;
    this.#making = undefined;
    this.#complete = true;
  }
}

/** The work that makes an index. */
interface Making {
  /** The walk over the keys that were there at first; `undefined` after it. */
  walk: Iterator<[string, unknown]> | undefined;
  /** Steps of the walk that are left at most: keys that come meanwhile are noted, and not waited for. */
  walkLeft: number;
  /** Those keys, until they are in the tree; `undefined` after that. */
  runs: SortedRuns | undefined;
  /** Keys that came or were removed meanwhile, and are not taken in yet from `taken` on. */
  readonly touched: string[];
  taken: number;
  /** Keys that came or were removed since the last slice. */
  came: number;
}
