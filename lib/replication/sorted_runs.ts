/**
 * Many keys, brought into order some at a time.
 *
 * @module
 */

import { commonChars, compareKeys } from "../wire/key_order.ts";
import { markBase, markOf } from "./key_mark.ts";

/** Keys that are sorted at once at most. That takes some 1 ms if they are short. */
export const runKeysMax = 4_096;

/** UTF-16 units of keys that are sorted at once, or one key more: that bounds the time for long keys. */
export const runCharsMax: number = 128 * 1024;

/** What a key costs where texts are compared, in keys of few units. */
export function weightOf(key: string): number {
  return 1 + (key.length >> 5);
}

/** With fewer keys, comparing them takes no longer than to make marks. */
const fewKeys = 32;
/** UTF-16 units in a mark. That many digits and the number of a key fit into a double. */
const markChars = 5;
const firstDigit = markBase ** (markChars - 1);

/** Room for marks. A mark has the number of its key behind it: so numbers alone are sorted. */
const numbered = new Float64Array(runKeysMax);

/** Keys in the order of their bytes in UTF-8. */
export interface SortedKeys {
  /** The keys. */
  readonly keys: readonly string[];
  /** A mark for each key, of the units after what all the keys have in common; not of few keys. */
  readonly marks?: Float64Array;
  /** What all of them have in common. */
  readonly common: string;
}

/** How often keys with equal marks are sorted by further marks, before their texts are compared. */
const nestedMax = 3;

/** The same keys in the order of their bytes in UTF-8. */
export function sortKeys(keys: readonly string[]): string[] {
  return sortedRun(keys).keys;
}

/**
 * Sorts keys. Up to {@linkcode runKeysMax} are sorted as numbers, by the first units that they do not all
 * have in common. That is many times as fast as comparing texts. Those with equal numbers are sorted in
 * the same way by themselves.
 */
export function sortedRun(keys: readonly string[]): SortedKeys & { keys: string[] } {
  return sortAfter(keys, 0, 0);
}

/** Sorts keys that have `known` units in common. */
function sortAfter(
  keys: readonly string[],
  known: number,
  nested: number,
): SortedKeys & { keys: string[] } {
  const { length } = keys;
  if (length < fewKeys || length > runKeysMax || nested > nestedMax) {
    return { keys: keys.toSorted((a, b) => compareKeys(a, b, known)), common: "" };
  }
  const first = keys[0]!;
  let common = first.length;
  for (const key of keys) common = Math.min(common, commonChars(first, key, known));
  for (let n = 0; n < length; n++) {
    numbered[n] = markOf(keys[n]!, common, firstDigit) * runKeysMax + n;
  }
  const marks = numbered.slice(0, length).sort();
  const inOrder = new Array<string>(length);
  for (let n = 0; n < length; n++) {
    inOrder[n] = keys[marks[n]! % runKeysMax]!;
    marks[n] = Math.floor(marks[n]! / runKeysMax);
  }
  let to: number;
  for (let from = 0; from < length; from = to) {
    for (to = from + 1; to < length && marks[to] === marks[from];) to++;
    if (to - from === 1) continue;
    const part = sortAfter(inOrder.slice(from, to), common, nested + 1);
    for (const [n, key] of part.keys.entries()) inOrder[from + n] = key;
  }
  return { keys: inOrder, marks, common: first.slice(0, common) };
}

/** The place of the first key that is not before `key`, among those from `low` on and before `high`. */
export function placeOf(
  key: string,
  keys: readonly string[],
  low = 0,
  high: number = keys.length,
): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(keys[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sorted keys, and how much of them is taken. */
export interface Run {
  /** The keys. */
  readonly sorted: SortedKeys;
  /** How many of them are taken. */
  readonly taken: number;
}

/** A run in a heap. */
interface HeapRun {
  readonly sorted: SortedKeys;
  readonly keys: readonly string[];
  /** Marks that may be compared with those of the other runs. */
  readonly marks: Float64Array | undefined;
  taken: number;
}

/** Sorted lists of keys, whose keys are taken in the order of their bytes in UTF-8. */
export class SortedRuns {
  /** Invariant: a heap, the run with the lowest next key first. No run is taken as a whole. */
  readonly #heap: HeapRun[] = [];
  /** What the marks that are compared stand behind. */
  #common: string | undefined;

  /** Adds sorted keys, from one of them on. */
  add(sorted: SortedKeys, taken = 0): void {
    const { keys, marks, common } = sorted;
    if (taken >= keys.length) return;
    if (marks !== undefined) this.#common ??= common;
    this.#heap.push({ sorted, keys, marks: common === this.#common ? marks : undefined, taken });
    for (let at = this.#heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (this.#isInOrder(parent, at)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Whether all keys are taken. */
  get empty(): boolean {
    return this.#heap.length === 0;
  }

  /** The lists whose keys are not all taken. */
  get runs(): Iterable<Run> {
    return this.#heap;
  }

  /** Takes the next key; `undefined` if there is none. */
  take(): string | undefined {
    const run = this.#heap[0];
    if (run === undefined) return undefined;
    const key = run.keys[run.taken++]!;
    if (run.taken === run.keys.length) {
      const last = this.#heap.pop()!;
      if (last !== run) this.#heap[0] = last;
    }
    this.#sink();
    return key;
  }

  /** Moves the first run down to its place. */
  #sink(): void {
    for (let at = 0;;) {
      const left = 2 * at + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const lower = right < this.#heap.length && this.#isInOrder(right, left) ? right : left;
      if (this.#isInOrder(at, lower)) return;
      this.#swap(at, lower);
      at = lower;
    }
  }

  #isInOrder(at: number, otherAt: number): boolean {
    const one = this.#heap[at]!;
    const other = this.#heap[otherAt]!;
    if (one.marks !== undefined && other.marks !== undefined) {
      const order = one.marks[one.taken]! - other.marks[other.taken]!;
      if (order !== 0) return order < 0;
    }
    return compareKeys(one.keys[one.taken]!, other.keys[other.taken]!) <= 0;
  }

  #swap(one: number, other: number): void {
    [this.#heap[one], this.#heap[other]] = [this.#heap[other]!, this.#heap[one]!];
  }
}
