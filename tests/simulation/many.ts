/**
 * Many seeds, simulated by as many workers as the machine has processors.
 *
 * @module
 */

import type { Slice, SliceOutcome } from "./worker.ts";

/** Seeds that a worker simulates before it asks for more. */
const sliceSeeds = 50;

/** What many seeds came to. */
export interface ManyOutcome {
  /** Requests done in all seeds. */
  readonly done: number;
  /** The lowest seed that broke a rule or threw; `undefined` if none did. */
  readonly broken: number | undefined;
}

/**
 * Simulates the seeds of a slice. After a seed that breaks a rule only lower ones are simulated.
 * `progress` is told how many are done.
 */
export async function simulateMany(
  all: Slice,
  progress: (seeds: number) => void,
): Promise<ManyOutcome> {
  let next = 0;
  let seeds = 0;
  let done = 0;
  let broken: number | undefined;
  const work = async () => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    try {
      while (next < all.count && broken === undefined) {
        const first = all.first + next;
        const count = Math.min(sliceSeeds, all.count - next);
        next += count;
        const outcome = await asked(worker, { ...all, first, count });
        done += outcome.done;
        seeds += outcome.seeds;
        const last = first + outcome.seeds - 1;
        if (outcome.broken) broken = broken === undefined ? last : Math.min(broken, last);
        progress(seeds);
      }
    } finally {
      worker.terminate();
    }
  };
  const workers = Math.min(navigator.hardwareConcurrency, Math.ceil(all.count / sliceSeeds));
  await Promise.all(Array.from({ length: workers }, work));
  return { done, broken };
}

/** The answer of a worker to a slice. */
function asked(worker: Worker, slice: Slice): Promise<SliceOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<SliceOutcome>();
  worker.onmessage = ({ data }: MessageEvent<SliceOutcome>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  worker.postMessage(slice);
  return promise;
}
