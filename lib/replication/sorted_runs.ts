/**
 * Many keys, brought into order slice by slice.
 *
 * @module
 */

import { compareKeys } from "../wire/key_order.ts";

/** A sorted list, and how much of it is taken. */
interface Run {
  readonly keys: readonly string[];
  taken: number;
}

/**
 * Keys that are added in any order, some at a time, and taken in the order of their bytes in UTF-8.
 *
 * Each addition is sorted by itself, and all of them are merged as they are taken. That is some times as
 * fast as adding one key after the other to a set: the keys of a run fit into the processor's cache.
 */
export class SortedRuns {
  /** Invariant: a heap, the run with the lowest next key first. No run is taken as a whole. */
  readonly #heap: Run[] = [];

  /** Adds keys. */
  add(keys: string[]): void {
    if (keys.length === 0) return;
    this.#heap.push({ keys: keys.sort(compareKeys), taken: 0 });
    for (let at = this.#heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (this.#isInOrder(parent, at)) break;
      this.#swap(at, parent);
      at = parent;
    }
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

  #isInOrder(one: number, other: number): boolean {
    return compareKeys(this.#next(one), this.#next(other)) <= 0;
  }

  #next(at: number): string {
    const { keys, taken } = this.#heap[at]!;
    return keys[taken]!;
  }

  #swap(one: number, other: number): void {
    [this.#heap[one], this.#heap[other]] = [this.#heap[other]!, this.#heap[one]!];
  }
}
