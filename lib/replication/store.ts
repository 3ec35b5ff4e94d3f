/**
 * The table of one server: key to value and timestamp, and the rule for answering a GET.
 *
 * @module
 */

import { Write } from "../wire/encoded_write.ts";

/** What a server holds for a key. Good until the next write: look, but do not keep it. */
export type Entry = Pick<Write, "value" | "timestamp">;

/** The answer of a table to a GET. */
export type Reading =
  /**
   * The value may be shown: `null` where the key does not exist. With it comes the text of the
   * entry, where there is one.
   */
  | {
    readonly fresh: true;
    readonly value: string | null;
    readonly timestamp: number;
    readonly text?: string;
  }
  /** The client has seen a newer value than this server has. */
  | { readonly fresh: false; readonly timestamp: number };

/**
 * A hash table (enunciado 5.c.1) in which no key's timestamp ever falls.
 *
 * Keys are ordinary text: `__proto__` and `constructor` mean nothing here.
 */
export class Store {
  /**
   * Of the writes that were ever put for a key, the one with the highest timestamp. The objects are
   * the table's own: a newer write moves into the one that is there.
   */
  readonly #table = new Map<string, Write>();

  #chars = 0;

  /** Text of all keys and values in JSON, in UTF-16 units. */
  get chars(): number {
    return this.#chars;
  }

  /** The number of keys. */
  get size(): number {
    return this.#table.size;
  }

  /** What the table holds for the key, `undefined` where it does not exist. */
  get(key: string): Entry | undefined {
    return this.#table.get(key);
  }

  /** Makes a write of its parts and stores it, see {@linkcode Store.keep}. */
  put(key: string, value: string, timestamp: number): boolean {
    return this.keep(key, Write.of(key, value, timestamp));
  }

  /**
   * Stores a write. Returns false, and changes nothing, where the table already holds a newer one.
   */
  keep(key: string, write: Write): boolean {
    const newest = this.#table.get(key);
    if (newest === undefined) {
      // A key may be part of a longer text, which would stay in memory with it.
      this.#table.set(JSON.parse(JSON.stringify(key)), write.copy());
      this.#chars += write.chars;
      return true;
    }
    if (write.timestamp < newest.timestamp) return false;
    this.#chars += write.chars - newest.chars;
    newest.become(write);
    return true;
  }

  /**
   * Answers a GET of a client that has already seen `seen` for the key, 0 where it has seen
   * nothing.
   *
   * enunciado 5.f: a value with a timestamp equal or higher, else TRY_OTHER_SERVER_OR_LATER. A key
   * that does not exist stands at timestamp 0: it is NULL only to a client that never saw it,
   * because the client must NEVER get an earlier state than it has seen (5.f.1).
   */
  read(key: string, seen: number): Reading {
    const entry = this.#table.get(key);
    if (entry === undefined) {
      return seen > 0 ? { fresh: false, timestamp: 0 } : { fresh: true, value: null, timestamp: 0 };
    }
    const { timestamp, value, text } = entry;
    return timestamp < seen ? { fresh: false, timestamp } : { fresh: true, value, timestamp, text };
  }

  /**
   * All keys, in the order of their first write. Writing goes on during the walk: a key that
   * existed at its start is visited once, with the value that it has at that moment.
   */
  entries(): IterableIterator<[key: string, entry: Entry]> {
    return this.#table.entries();
  }

  /** Forgets everything. */
  clear(): void {
    this.#chars = 0;
    this.#table.clear();
  }
}
