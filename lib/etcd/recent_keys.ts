/**
 * The keys written last, for observers.
 *
 * @module
 */

import { eventTextCharsMax } from "../limits.ts";
import { KeyMap } from "../key_map.ts";
import type { Entry } from "../replication/store.ts";

/** Remembers a bounded number of entries, those written last, with their values cut. */
export class RecentKeys {
  readonly #keysMax: number;
  /** Invariant: in the order of their last writes. */
  readonly #entries = new KeyMap<Entry>();

  /** Remembers at most `keysMax` keys. */
  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** The entry of a key; `undefined` if it is not remembered. */
  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** All entries, those written last at the end. */
  entries(): IterableIterator<[string, Entry]> {
    return this.#entries.entries();
  }

  /** Remembers a write. */
  put(key: string, value: string, timestamp: number): void {
    this.#entries.delete(key);
    // One character more than an event holds, so that the event is marked as cut.
    this.#entries.set(key, { value: value.slice(0, eventTextCharsMax + 1), timestamp });
    if (this.#entries.size > this.#keysMax) {
      this.#entries.delete(this.#entries.oldest!);
    }
  }

  /** Forgets a key that was removed. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}
