/**
 * The keys that changed last, so that a watch that comes back need not look at the whole table.
 *
 * @module
 */

/** Changes that are remembered. They take 16 bytes each, and the text of the key. */
export const recentChangesMax = 16_384;

/** A ring of the keys that changed last, with their timestamps, which rise. */
export class RecentChanges {
  readonly #keys: (string | undefined)[];
  readonly #timestamps: Float64Array;
  /** Changes that were added in all. The last ones are still in the ring. */
  #added = 0;
  /** Every change above this timestamp is in the ring. */
  #after: number;

  /** A ring that will have every change above `after`. */
  constructor(after: number, size = recentChangesMax) {
    this.#after = after;
    this.#keys = new Array(size).fill(undefined);
    this.#timestamps = new Float64Array(size);
  }

  /** Whether the ring has every change above a timestamp. */
  covers(timestamp: number): boolean {
    return timestamp >= this.#after;
  }

  /** Adds a change. */
  add(key: string, timestamp: number): void {
    const at = this.#added % this.#keys.length;
    if (this.#added >= this.#keys.length) this.#after = this.#timestamps[at]!;
    this.#keys[at] = key;
    this.#timestamps[at] = timestamp;
    this.#added++;
  }

  /** Forgets everything up to a timestamp. */
  restart(after: number): void {
    this.#keys.fill(undefined);
    this.#added = 0;
    this.#after = after;
  }

  /** The changes above `after` and up to `upTo`, in their order. Changes may be added meanwhile. */
  *between(after: number, upTo: number): Generator<[key: string, timestamp: number], undefined> {
    const size = this.#keys.length;
    let low = Math.max(0, this.#added - size);
    let high = this.#added;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#timestamps[middle % size]! <= after) low = middle + 1;
      else high = middle;
    }
    for (; low < this.#added && this.#timestamps[low % size]! <= upTo; low++) {
      yield [this.#keys[low % size]!, this.#timestamps[low % size]!];
    }
  }
}
