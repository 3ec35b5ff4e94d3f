/**
 * How much memory this process takes while it is fuzzed.
 *
 * @module
 */

import { assertLessOrEqual } from "@std/assert";

const MiB = 1024 * 1024;
/** Servers and test together grow no more than this while they work, in bytes of RSS. */
const grownBytesMax = 256 * MiB;
/** What is still held when all connections are gone and garbage is collected, tables not counted, in bytes. */
const heldBytesMax = 8 * MiB;

/** There with `--v8-flags=--expose-gc`. */
const { gc } = globalThis as { gc?: () => void };

/** Growth since it began to watch. */
export class Memory {
  readonly #rssBytesAtStart = Deno.memoryUsage().rss;
  readonly #heldBytesAtStart: number;
  #rssBytesMost = 0;

  private constructor(heldBytesAtStart: number) {
    this.#heldBytesAtStart = heldBytesAtStart;
  }

  /** Begins to watch. */
  static async watch(): Promise<Memory> {
    return new Memory(await heldBytes());
  }

  /** To be called now and then. */
  look(): void {
    this.#rssBytesMost = Math.max(this.#rssBytesMost, Deno.memoryUsage().rss);
  }

  /** Looks whether all is within its bounds, and says how much it was. `keptBytes` was meant to be kept. */
  async judge(keptBytes: number): Promise<string> {
    this.look();
    const grownBytes = this.#rssBytesMost - this.#rssBytesAtStart;
    assertLessOrEqual(grownBytes, grownBytesMax, "RSS has grown by more bytes than it may");
    const grown = `the process grew by ${inMiB(grownBytes)} MiB at most`;
    if (gc === undefined) return grown;
    const held = await heldBytes() - this.#heldBytesAtStart - keptBytes;
    assertLessOrEqual(held, heldBytesMax, "more bytes are held than may be");
    return `${grown}, and in the end by ${inMiB(held)} MiB that are held`;
  }
}

async function heldBytes(): Promise<number> {
  // What is closed in one turn is let go of in the next.
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
