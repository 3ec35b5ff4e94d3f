/**
 * The memory of this process during a fuzz test.
 *
 * @module
 */

import { assertLessOrEqual } from "@std/assert";

const MiB = 1024 * 1024;
/** The most that the RSS of servers and test together may grow. */
const grownBytesMax = 256 * MiB;
/** The most that may stay on the heap when all connections are closed, besides the tables. */
const heldBytesMax = 8 * MiB;

/** The garbage collector; `undefined` without `--v8-flags=--expose-gc`. */
const { gc } = globalThis as { gc?: () => void };

/** The growth of memory since the start. */
export class Memory {
  readonly #rssBytesAtStart = Deno.memoryUsage().rss;
  readonly #heldBytesAtStart: number;
  #rssBytesMost = 0;

  private constructor(heldBytesAtStart: number) {
    this.#heldBytesAtStart = heldBytesAtStart;
  }

  /** Measures the memory at the start. */
  static async watch(): Promise<Memory> {
    return new Memory(await heldBytes());
  }

  /** Measures the memory. Call it from time to time. */
  look(): void {
    this.#rssBytesMost = Math.max(this.#rssBytesMost, Deno.memoryUsage().rss);
  }

  /** Asserts the bounds and returns the figures. `keptBytes` is the size of the tables. */
  async judge(keptBytes: number): Promise<string> {
    this.look();
    const grownBytes = this.#rssBytesMost - this.#rssBytesAtStart;
    assertLessOrEqual(grownBytes, grownBytesMax, "the RSS has grown too much");
    const grown = `the process grew by at most ${inMiB(grownBytes)} MiB`;
    if (gc === undefined) return grown;
    const held = await heldBytes() - this.#heldBytesAtStart - keptBytes;
    assertLessOrEqual(held, heldBytesMax, "too many bytes stay on the heap");
    return `${grown}, of which ${inMiB(held)} MiB stayed on the heap`;
  }
}

async function heldBytes(): Promise<number> {
  // Objects that are closed in one turn are released in the next.
  for (let turn = 0; turn < 3; turn++) {
    gc?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function inMiB(bytes: number): string {
  return (bytes / MiB).toFixed(1);
}
