/**
 * A worker that simulates slices of many seeds.
 *
 * @module
 */

import { makeDurablePlan, makePlan } from "./plan.ts";
import { simulate } from "./world.ts";

/** A slice of seeds, and the kind of their plans. */
export interface Slice {
  readonly first: number;
  readonly count: number;
  readonly durable: boolean;
  readonly coordination: boolean;
}

/** What a slice came to. */
export interface SliceOutcome {
  /** The seeds that were simulated: up to the first one that broke a rule or threw. */
  readonly seeds: number;
  /** Requests done in all of them. */
  readonly done: number;
  /** Whether the last one broke a rule or threw. */
  readonly broken: boolean;
}

function run({ first, count, durable, coordination }: Slice): SliceOutcome {
  const make = durable ? makeDurablePlan : makePlan;
  let done = 0;
  for (let i = 0; i < count; i++) {
    try {
      const outcome = simulate(make(first + i, coordination ? 1 : undefined));
      done += outcome.done;
      if (outcome.violation === undefined) continue;
    } catch {
      // simulated again, it throws again
    }
    return { seeds: i + 1, done, broken: true };
  }
  return { seeds: count, done, broken: false };
}

/** A worker's own end of its channel, which the types of a window lack. */
const channel = self as unknown as Pick<Worker, "addEventListener" | "postMessage">;
channel.addEventListener(
  "message",
  (event) => channel.postMessage(run((event as MessageEvent<Slice>).data)),
);
