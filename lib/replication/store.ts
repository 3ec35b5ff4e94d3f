/**
 * The table of one server: key to value and timestamp, and the rule for answering a GET.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import { detached, Write } from "../wire/encoded_write.ts";
import type { Value } from "../wire/long_value.ts";

/** The value and timestamp of a key. The object may change with the next write: do not keep it. */
export type Entry = Pick<Write, "value" | "timestamp">;

/** The answer of a table to a GET. */
export type Reading =
  /**
   * The value may be shown. It is `null`, without `entry`, if the key does not exist. The entry may
   * change with the next write.
   */
  | {
    readonly fresh: true;
    readonly value: Value | null;
    readonly timestamp: number;
    readonly entry?: Pick<Write, "frame">;
  }
  /** The client has seen a newer value than this table has. */
  | { readonly fresh: false; readonly timestamp: number };

/**
 * A hash table (enunciado 5.c.1) in which no key's timestamp ever falls.
 *
 * Any text is an ordinary key, `__proto__` and `constructor` included.
 */
export class Store {
  /** The newest write of each key. The objects are the table's own: a newer write is copied in. */
  readonly #table = new KeyMap<Write>();
  /** Invariant: the text of all writes in #table. */
  #chars = 0;

  /** The length of all keys and values in JSON: UTF-16 units, and bytes of long values. */
  get chars(): number {
    return this.#chars;
  }

  /** The number of keys. */
  get size(): number {
    return this.#table.size;
  }

  /** The entry of a key, `undefined` if the key does not exist. */
  get(key: string): Entry | undefined {
    return this.#table.get(key);
  }

  /** Stores a write given by its parts, see {@linkcode Store.keep}. */
  put(key: string, value: Value, timestamp: number): boolean {
    return this.keep(key, Write.of(key, value, timestamp));
  }

  /** Stores a write. Returns `false`, and changes nothing, if the table has a newer one. */
  keep(key: string, write: Write): boolean {
    const newest = this.#table.get(key);
    if (newest === undefined) {
      this.#table.set(detached(key), write.copy());
      this.#chars += write.chars;
      return true;
    }
    if (write.timestamp < newest.timestamp) return false;
    this.#chars += write.chars - newest.chars;
    newest.become(write);
    return true;
  }

  /**
   * Answers a GET of a client that has seen timestamp `seen` for the key, 0 if it has seen none.
   *
   * enunciado 5.f: a value with an equal or higher timestamp, otherwise TRY_OTHER_SERVER_OR_LATER. A
   * key that does not exist counts as timestamp 0. So it is NULL only for a client that never saw
   * it: the client must never get an earlier state than it has seen (5.f.1).
   */
  read(key: string, seen: number): Reading {
    const entry = this.#table.get(key);
    if (entry === undefined) {
      return seen > 0 ? { fresh: false, timestamp: 0 } : { fresh: true, value: null, timestamp: 0 };
    }
    const { timestamp } = entry;
    return timestamp < seen
      ? { fresh: false, timestamp }
      : { fresh: true, value: entry.value, timestamp, entry };
  }

  /**
   * The entries, in the order of their keys' first writes. Writes may go on during the walk: a key
   * that existed at its start is visited once, with its value of that moment.
   */
  entries(): IterableIterator<[key: string, entry: Entry]> {
    return this.#table.entries();
  }

  /** Removes every entry. */
  clear(): void {
    this.#chars = 0;
    this.#table.clear();
  }
}
