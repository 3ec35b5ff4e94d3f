/**
 * A client library as the benchmark sees it, and the load on it.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a part of the runtime
import process from "node:process";

/** The number of keys. */
const keys = 10_000;

/** The value of each write. */
const value = "x".repeat(100);

/** Reads go over the keys in steps of this prime, so that they reach all of them. */
const stride = 7_919;

/** The most calls of one measurement. */
const callsMax = 50_000_000;

/** Reads, or writes that all three servers hold. */
export type Kind = "GET" | "PUT";

/**
 * A client library with a connection to its servers.
 *
 * Calls return the library's own promises, so that the benchmark adds none.
 */
export interface Library {
  /** Reads a key. */
  get(key: string): Promise<unknown>;
  /** Writes a value. Resolves when all three servers hold it. */
  put(key: string, value: string): Promise<unknown>;
  /** Whether the answer to a read shows this value. */
  read(answer: unknown, value: string): boolean;
  /** Whether the answer to a write says that all three servers hold it. */
  written(answer: unknown): boolean;
}

/** One measurement. */
export interface Load {
  /** What the calls do. */
  readonly kind: Kind;
  /** The number of calls in flight. */
  readonly inFlight: number;
  /** The time in which calls are made, in milliseconds. */
  readonly ms: number;
}

/** The result of one measurement. */
export interface Outcome {
  /** The number of calls. Each answer was right. */
  readonly calls: number;
  /** The time from the first call to the last answer, in milliseconds. */
  readonly ms: number;
  /** The processor time of the client's process meanwhile, in microseconds. */
  readonly cpuUs: number;
}

/** Writes each key once. */
export async function fill(library: Library): Promise<void> {
  const inFlight = 100;
  for (let first = 0; first < keys; first += inFlight) {
    const calls = Array.from({ length: inFlight }, (_, n) => library.put(keyOf(first + n), value));
    for (const answer of await Promise.all(calls)) check(library.written(answer), "PUT", answer);
  }
}

/**
 * Keeps a number of calls in flight for a time, and waits for all answers.
 *
 * @throws {Error} if an answer is wrong, or a call fails.
 */
export async function measure(library: Library, load: Load): Promise<Outcome> {
  const { kind, inFlight, ms } = load;
  let calls = 0;
  let over = false;
  let next = 0;
  const one = async () => {
    while (!over && calls < callsMax) {
      next = (next + stride) % keys;
      const key = keyOf(next);
      const answer = await (kind === "GET" ? library.get(key) : library.put(key, value));
      check(kind === "GET" ? library.read(answer, value) : library.written(answer), kind, answer);
      calls++;
    }
  };
  const timer = setTimeout(() => over = true, ms);
  const from = performance.now();
  const used = process.cpuUsage();
  try {
    await Promise.all(Array.from({ length: inFlight }, one));
  } finally {
    over = true;
    clearTimeout(timer);
  }
  const { user, system } = process.cpuUsage(used);
  return { calls, ms: performance.now() - from, cpuUs: user + system };
}

function keyOf(n: number): string {
  return `key:${`${n}`.padStart(12, "0")}`;
}

function check(right: boolean, kind: Kind, answer: unknown): void {
  if (!right) throw new Error(`wrong answer to a ${kind}: ${JSON.stringify(answer)}`);
}
