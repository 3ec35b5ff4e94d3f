/**
 * Keys that came lately, in their order.
 *
 * @module
 */

import {
  placeOf,
  runCharsMax,
  runKeysMax,
  type SortedKeys,
  sortedRun,
  SortedRuns,
  sortKeys,
  weightOf,
} from "./sorted_runs.ts";

/** Full runs that may wait: a million keys. With more, a walk takes too long to begin. */
const runsMax = 256;

/** Fewer full runs are not worth taking over: each leaf of a large tree would get too few keys. */
const settledRuns = 16;

/** Removed keys that may be among the others: a walk has to pass them. */
const removedMax = 256;

/** Fewer keys than these are put among the sorted ones one by one. */
const fewKeys = 64;

/**
 * Keys that came lately, sorted in runs of some thousand.
 *
 * Sorting them costs little. Putting them into a large tree costs more, and less for each if many come at
 * once in their order. Until then they are found here.
 */
export class RecentKeys {
  /** Keys that are not sorted yet. */
  #waiting: string[] = [];
  /** Sorted keys. Invariant: less than a full run, together with those that wait. */
  #young: string[] = [];
  /** The UTF-16 units of these and those that wait. */
  #chars = 0;
  /** Full runs. */
  #runs: SortedKeys[] = [];
  /** Keys that are being taken over. */
  #leaving = new SortedRuns();
  /** Keys that were removed, but are still in one of the lists. */
  readonly #removed = new Set<string>();

  /** Whether keys should be taken over, by {@linkcode takeSome}. */
  get full(): boolean {
    return !this.#leaving.empty || this.#runs.length >= runsMax ||
      this.#removed.size >= removedMax;
  }

  /** There is time: the runs may be taken over now. */
  settle(): void {
    if (this.#leaving.empty && this.#runs.length >= settledRuns) this.#beginTaking();
  }

  /** Adds a key that is not there. */
  add(key: string): void {
    if (this.#removed.size > 0 && this.#removed.delete(key)) return;
    this.#waiting.push(key);
    this.#chars += key.length;
    const count = this.#waiting.length + this.#young.length;
    if (count === runKeysMax || this.#chars >= runCharsMax) this.#close();
  }

  /** Removes a key that is there. */
  delete(key: string): void {
    this.#removed.add(key);
  }

  /** Removes all keys. */
  clear(): void {
    this.#waiting = [];
    this.#young = [];
    this.#chars = 0;
    this.#runs = [];
    this.#leaving = new SortedRuns();
    this.#removed.clear();
  }

  /** Takes over some keys, in their order: they are removed from here. Long ones count as more. */
  takeSome(count: number): string[] {
    const taken: string[] = [];
    if (this.#leaving.empty) this.#beginTaking();
    for (let left = count; left > 0;) {
      const key = this.#leaving.take();
      if (key === undefined) break;
      left -= weightOf(key);
      if (this.#removed.size === 0 || !this.#removed.delete(key)) taken.push(key);
    }
    return taken;
  }

  /** The keys from `first` on. They must not change during the walk. */
  *from(first: string): Generator<string, undefined> {
    this.#sort();
    const merged = new SortedRuns();
    const add = (sorted: SortedKeys, taken = 0) =>
      merged.add(sorted, placeOf(first, sorted.keys, taken));
    for (const { sorted, taken } of this.#leaving.runs) add(sorted, taken);
    for (const sorted of this.#runs) add(sorted);
    add({ keys: this.#young, common: "" });
    for (let key = merged.take(); key !== undefined; key = merged.take()) {
      if (this.#removed.size === 0 || !this.#removed.has(key)) yield key;
    }
  }

  #beginTaking(): void {
    if (this.#removed.size >= removedMax) this.#close();
    for (const run of this.#runs) this.#leaving.add(run);
    this.#runs = [];
  }

  /** Makes a run of the keys that are no part of one. */
  #close(): void {
    this.#runs.push(sortedRun([...this.#young, ...this.#waiting]));
    this.#young = [];
    this.#waiting = [];
    this.#chars = 0;
  }

  #sort(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length >= fewKeys) this.#young = sortKeys([...this.#young, ...waiting]);
    else for (const key of waiting) this.#young.splice(placeOf(key, this.#young), 0, key);
  }
}
