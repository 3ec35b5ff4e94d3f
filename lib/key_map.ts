/**
 * A map by the keys of clients.
 *
 * @module
 */

const zero = 48;
const nine = 57;
const mark = "#";
const markCode = 35;

/** V8 hashes a number of at most this many digits without its seed. */
const digitsMax = 10;

/**
 * A map whose keys come from clients.
 *
 * V8 hashes a text that is a small number by that number alone. So chosen numbers, or multiples of a
 * power of two, share one bucket, and a `Map` of them takes quadratic time. A mark before such a key
 * makes it a text like any other.
 *
 * Invariant: two keys never have the same text in `#map`, because keys that begin with the mark get
 * one too.
 */
export class KeyMap<Value> {
  readonly #map = new Map<string, Value>();

  /** The number of keys. */
  get size(): number {
    return this.#map.size;
  }

  /** The value of a key, `undefined` if there is none. */
  get(key: string): Value | undefined {
    return this.#map.get(marked(key));
  }

  /** Sets the value of a key. The map keeps the memory of the key's text. */
  set(key: string, value: Value): void {
    this.#map.set(marked(key), value);
  }

  /** Removes a key. Returns whether it was there. */
  delete(key: string): boolean {
    return this.#map.delete(marked(key));
  }

  /** Removes all keys. */
  clear(): void {
    this.#map.clear();
  }

  /** The key that was set first of those that are left, `undefined` if there is none. */
  get oldest(): string | undefined {
    const { value } = this.#map.keys().next();
    return value === undefined ? undefined : unmarked(value);
  }

  /** Keys and values in the order in which the keys were first set, as a `Map` walks them. */
  *entries(): Generator<[key: string, value: Value], undefined> {
    for (const [key, value] of this.#map) yield [unmarked(key), value];
  }
}

function marked(key: string): string {
  const first = key.charCodeAt(0);
  const isNumber = first >= zero && first <= nine && key.length <= digitsMax;
  return isNumber || first === markCode ? mark + key : key;
}

function unmarked(key: string): string {
  return key.charCodeAt(0) === markCode ? key.slice(1) : key;
}
