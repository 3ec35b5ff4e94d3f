/**
 * What a watcher is told at the beginning: changes that are found in any order and leave in theirs.
 *
 * @module
 */

/** Changes that are sorted at once. It takes about a millisecond. */
const runChangesMax = 4_096;

/** A change that is to be told: a key, and the timestamp of its newest write. */
export interface Found {
  /** The key. */
  readonly key: string;
  /** The timestamp of its newest write. */
  readonly timestamp: number;
  /** Whether that write deleted the key. */
  readonly deleted: boolean;
}

/**
 * Changes that are added in any order and taken in the order of their timestamps.
 *
 * They are kept in sorted runs, which are merged as they are taken. So no call takes long, whatever the
 * number of changes. One takes 16 bytes, and shares the text of its key.
 */
export class Backlog {
  /** Runs with something left. Invariant: a heap, the run with the lowest next timestamp first. */
  readonly #heap: Run[] = [];
  #keys: string[] = [];
  /** The timestamps of #keys; those of deletions are negative. */
  #stamps: number[] = [];
  #size = 0;

  /** Changes that are not taken yet. */
  get size(): number {
    return this.#size;
  }

  /** The timestamp of the next change; `Infinity` if there is none. Ends the adding. */
  get next(): number {
    this.#endRun();
    return this.#heap[0]?.next ?? Infinity;
  }

  /** Adds a change. Not to be called after one was taken. */
  add({ key, timestamp, deleted }: Found): void {
    this.#keys.push(key);
    this.#stamps.push(deleted ? -timestamp : timestamp);
    this.#size++;
    if (this.#keys.length === runChangesMax) this.#endRun();
  }

  /** Takes the next change; `undefined` if there is none. */
  take(): Found | undefined {
    this.#endRun();
    const run = this.#heap[0];
    if (run === undefined) return undefined;
    const found = run.take();
    this.#size--;
    if (run.next < Infinity) this.#sink();
    else {
      const last = this.#heap.pop()!;
      if (last !== run) {
        this.#heap[0] = last;
        this.#sink();
      }
    }
    return found;
  }

  #endRun(): void {
    if (this.#keys.length === 0) return;
    this.#heap.push(new Run(this.#keys, this.#stamps));
    this.#keys = [];
    this.#stamps = [];
    for (let at = this.#heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (this.#heap[parent]!.next <= this.#heap[at]!.next) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Moves the first run down to its place. */
  #sink(): void {
    const heap = this.#heap;
    for (let at = 0;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const lower = right < heap.length && heap[right]!.next < heap[left]!.next ? right : left;
      if (heap[at]!.next <= heap[lower]!.next) return;
      this.#swap(at, lower);
      at = lower;
    }
  }

  #swap(one: number, other: number): void {
    [this.#heap[one], this.#heap[other]] = [this.#heap[other]!, this.#heap[one]!];
  }
}

/** Sorted changes. */
class Run {
  readonly #keys: readonly string[];
  readonly #stamps: Float64Array;
  #taken = 0;
  /** The timestamp of the next change; `Infinity` if there is none. */
  next: number;

  constructor(keys: readonly string[], stamps: readonly number[]) {
    const order = Uint16Array.from(keys, (_, at) => at)
      .sort((a, b) => Math.abs(stamps[a]!) - Math.abs(stamps[b]!));
    this.#keys = Array.from(order, (at) => keys[at]!);
    this.#stamps = Float64Array.from(order, (at) => stamps[at]!);
    this.next = Math.abs(this.#stamps[0]!);
  }

  take(): Found {
    const at = this.#taken++;
    const stamp = this.#stamps[at]!;
    this.next = this.#taken === this.#keys.length ? Infinity : Math.abs(this.#stamps[this.#taken]!);
    return { key: this.#keys[at]!, timestamp: Math.abs(stamp), deleted: stamp < 0 };
  }
}
