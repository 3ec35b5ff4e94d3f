/**
 * Keys and values that can be recognised without keeping them in memory.
 *
 * @module
 */

/** The shortest value, in bytes. */
export const valueBytesMin = 32;

/** The most keys: the history takes memory for each. */
export const keysMax = 10_000_000;

const keyDigits = 12;

/**
 * The keys of a run, and for each the values with numbers 1, 2, 3, …
 *
 * A value contains its run, key and number and is filled up to its length. So a value of another run
 * or key, or with one byte changed, is not recognised.
 */
export class Values {
  /** The number of keys. */
  readonly keys: number;
  readonly #run: string;
  readonly #filling: string;

  /** `run` distinguishes the values from those of other runs; `valueBytes` is the length of each. */
  constructor(run: number, keys: number, valueBytes: number) {
    this.keys = keys;
    this.#run = run.toString(36);
    this.#filling = "x".repeat(valueBytes);
  }

  /** The text of a key, 16 bytes. */
  key(index: number): string {
    return `key:${index.toString().padStart(keyDigits, "0")}`;
  }

  /** The value with this number of a key. */
  value(key: number, number: number): string {
    const start = `${this.#start(key)}${number.toString(36)}.`;
    return start + this.#filling.slice(start.length);
  }

  /** The number of a value of this key; `undefined` if the text is not one of its values. */
  numberOf(key: number, text: string): number | undefined {
    const start = this.#start(key);
    const number = parseInt(text.slice(start.length, text.indexOf(".", start.length)), 36);
    return text === this.value(key, number) ? number : undefined;
  }

  #start(key: number): string {
    return `${this.#run}.${key.toString(36)}.`;
  }
}
