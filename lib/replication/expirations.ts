/**
 * When the keys with a time to live expire.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import { detached, type Write } from "../wire/encoded_write.ts";
import { assert } from "./invariant.ts";
import { KeyedHeap } from "./keyed_heap.ts";
import type { Store } from "./store.ts";

/** Keys that may have a time to live at once, by default. One takes some 70 bytes and its key. */
export const expiringKeysMax = 1_048_576;

/**
 * The times at which a leader deletes keys.
 *
 * The time of a key begins at the first tick after its newest write, because only ticks tell the time.
 * So no key expires early, and the deletion of each is due at most two ticks late.
 */
export class Expirations {
  readonly #keysMax: number;
  /** The time to live of keys that were written since the last tick. */
  readonly #written = new KeyMap<number>();
  /** The time at which each other key expires. Invariant: no key is in #written too. */
  readonly #due = new KeyedHeap();

  /** No key expires yet, and at most `keysMax` may have a time to live. */
  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** The number of keys with a time to live. */
  get size(): number {
    return this.#due.size + this.#written.size;
  }

  /** Why this key cannot have a time to live, `undefined` if it can. */
  whyFull(key: string): string | undefined {
    if (this.size < this.#keysMax || this.#has(key)) return undefined;
    return `${this.size} keys have a time to live already, and the limit is ${this.#keysMax} ` +
      "(--max-expiring-keys). Let some expire, or write without ttlMs";
  }

  /** A table was just taken over at `now`: the times to live of all its keys begin. */
  begin(store: Store, now: number): void {
    this.#written.clear();
    this.#due.clear();
    if (!store.beyondPuts) return;
    for (const [key, { ttlMs }] of store.entries()) {
      if (ttlMs !== undefined) this.#due.set(key, now + ttlMs);
    }
  }

  /** A write was applied: the time to live of its key begins, or ends if the write has none. */
  applied(key: string, { ttlMs }: Pick<Write, "ttlMs">): void {
    if (ttlMs === undefined) {
      if (this.size > 0 && !this.#due.delete(key)) this.#written.delete(key);
      return;
    }
    this.#due.delete(key);
    this.#written.set(detached(key), ttlMs);
  }

  /** Time has passed. */
  tick(now: number): void {
    if (this.#written.size === 0) return;
    for (const [key, ttlMs] of this.#written.entries()) this.#due.set(key, now + ttlMs);
    this.#written.clear();
  }

  /** For how long the time of some key has passed, in milliseconds; below 0 if that of none has. */
  lateMs(now: number): number {
    return now - this.#due.lowest;
  }

  /** Takes the key that expires first if its time has come. */
  next(now: number): string | undefined {
    if (this.lateMs(now) < 0) return undefined;
    const key = this.#due.first!;
    this.#due.delete(key);
    return key;
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken, or if a key of `store` with a time to live is missing and
   * has no write that is not applied yet.
   */
  checkInvariants(store: Store, unapplied: (key: string) => boolean): void {
    if (this.size === 0 && !store.beyondPuts) return; // no key can expire
    this.#due.checkInvariants();
    for (const [key] of this.#written.entries()) {
      assert(this.#due.get(key) === undefined, `"${key}" expires at two times`);
    }
    let expiring = 0;
    for (const [key, { ttlMs }] of store.entries()) {
      if (ttlMs === undefined) continue;
      if (this.#has(key)) expiring++;
      else assert(unapplied(key), `"${key}" has a time to live and never expires`);
    }
    assert(
      expiring === this.size,
      `${this.size} keys are to expire, and ${expiring} of them exist`,
    );
  }

  #has(key: string): boolean {
    return this.#due.get(key) !== undefined || this.#written.get(key) !== undefined;
  }
}
