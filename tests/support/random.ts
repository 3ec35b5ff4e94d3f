/**
 * Random numbers from a seed, so that a failed random test can be repeated.
 *
 * @module
 */

/** A pseudo-random generator: the same seed gives the same numbers (mulberry32). */
export class Random {
  /** The seed that it started from. */
  readonly seed: number;
  #state: number;

  /** A generator that starts from `seed`, a whole number from 0 to 2 ** 32 - 1. */
  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** A number from 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** A whole number from `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** `true` with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One element of a list, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A text of `pieces` pieces that are likely to break parsers, escapes and consoles. */
  text(pieces: number): string {
    return Array.from({ length: pieces }, () => this.pick(oddPieces)).join("");
  }
}

// deno-fmt-ignore
const oddPieces = [
  "a", "Z", "0", " ", ".", ":", '"', "'", "`", "\\", "/", "{", "}", "[", "]", ",", "$&",
  "\n", "\r", "\t", "\0", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff",
  "é", "e\u0301", "ß", "€", "日本", "😀", "👩‍👩‍👧", "\\u0000", "null", "__proto__", "constructor",
];

/**
 * The body of a random test. Each run draws a new seed, and a failure names it:
 * `deno test --allow-net FILE -- --seed=N` repeats that run.
 */
export function seeded(run: (random: Random) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);
    try {
      await run(new Random(seed));
    } catch (cause) {
      throw new Error(`Failed with seed ${seed}: repeat it with -- --seed=${seed}`, { cause });
    }
  };
}

/** The number in the argument `--seed=N`, `undefined` if there is no such argument. */
export function givenSeed(args: readonly string[]): number | undefined {
  const flag = args.find((arg) => /^--seed=\d+$/.test(arg));
  return flag === undefined ? undefined : Number(flag.slice("--seed=".length)) >>> 0;
}
