/**
 * The table of one server: key to value and timestamp, and the rule for answering a GET.
 *
 * @module
 */

/** What a server holds for a key. */
export interface Entry {
  /** The value. */
  readonly value: string;
  /**
   * The timestamp that the leader gave to the write. One (key, timestamp) means one value for ever.
   */
  readonly timestamp: number;
}

/** The answer of a table to a GET. */
export type Reading =
  /** The value may be shown: `null` where the key does not exist. */
  | { readonly fresh: true; readonly value: string | null; readonly timestamp: number }
  /** The client has seen a newer value than this server has. */
  | { readonly fresh: false; readonly timestamp: number };

/**
 * A hash table (enunciado 5.c.1) in which no key's timestamp ever falls.
 *
 * Keys are ordinary text: `__proto__` and `constructor` mean nothing here.
 */
export class Store {
  /** Each entry has the highest timestamp that was ever put for its key. */
  readonly #table = new Map<string, { value: string; timestamp: number }>();

  #chars = 0;

  /** Text of all keys and values, in UTF-16 units. */
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

  /**
   * Stores a write. Returns false, and changes nothing, where the table already holds a newer one.
   */
  put(key: string, value: string, timestamp: number): boolean {
    const entry = this.#table.get(key);
    if (entry === undefined) {
      this.#table.set(key, { value, timestamp });
      this.#chars += key.length + value.length;
      return true;
    }
    if (timestamp < entry.timestamp) return false;
    this.#chars += value.length - entry.value.length;
    entry.value = value;
    entry.timestamp = timestamp;
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
    const timestamp = entry === undefined ? 0 : entry.timestamp;
    if (timestamp < seen) return { fresh: false, timestamp };
    return { fresh: true, value: entry === undefined ? null : entry.value, timestamp };
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
