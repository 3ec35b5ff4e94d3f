/**
 * Keys and values of which any that comes back can be recognised, without keeping a single one.
 *
 * @module
 */

/** The shortest value that has room for what it has to say, in bytes. */
export const valueBytesMin = 32;

/** How many keys there may be: what is remembered of each costs memory. */
export const keysMax = 10_000_000;

const keyDigits = 12;

/**
 * The keys of a run, and for each the values with numbers 1, 2, 3, …
 *
 * A value says which run, key and number it belongs to, and is filled up to its length, so a value of
 * another run, of another key, or with one byte changed is not taken for one of these.
 */
export class Values {
  /** How many keys there are: 0 up to, not including, this. */
  readonly keys: number;
  readonly #run: string;
  readonly #filling: string;

  /** `run` distinguishes this run's values from others'; `valueBytes` is the length of each. */
  constructor(run: number, keys: number, valueBytes: number) {
    this.keys = keys;
    this.#run = run.toString(36);
    this.#filling = "x".repeat(valueBytes);
  }

  /** The key's text: 16 bytes. */
  key(index: number): string {
    return `key:${index.toString().padStart(keyDigits, "0")}`;
  }

  /** The value with this number of a key. */
  value(key: number, number: number): string {
    const start = `${this.#start(key)}${number.toString(36)}.`;
    return start + this.#filling.slice(start.length);
  }

  /** The number of a value of this key, `undefined` where the text is no such value. */
  numberOf(key: number, text: string): number | undefined {
    const start = this.#start(key);
    const number = parseInt(text.slice(start.length, text.indexOf(".", start.length)), 36);
    return text === this.value(key, number) ? number : undefined;
  }

  #start(key: number): string {
    return `${this.#run}.${key.toString(36)}.`;
  }
}
