/**
 * A histogram of how long PUTs take at the leader.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import { timedPutsMax } from "../limits.ts";
import type { Sample } from "./prometheus.ts";

/** The upper bounds of the buckets, in seconds. The last bucket has none. */
const bucketBoundsS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Measures the time from a PUT to its PUT_OK. */
export class PutLatency {
  /** Writes without a PUT_OK and the arrival times of their PUTs. Invariant: timestamps rise. */
  readonly #pending = new Fifo<{ readonly timestamp: number; readonly arrivedMs: number }>();
  /** The number of PUTs in each bucket, without those in lower buckets. */
  readonly #buckets = new Array<number>(bucketBoundsS.length + 1).fill(0);
  #sumS = 0;

  /** Notes that the leader has stamped a PUT. */
  stamped(timestamp: number, arrivedMs: number): void {
    // PUTs that time out get no PUT_OK. Without a bound they would pile up.
    if (this.#pending.length === timedPutsMax) this.#pending.shift();
    this.#pending.push({ timestamp, arrivedMs });
  }

  /** Counts the PUT with this timestamp, and drops those with lower ones: they have timed out. */
  acknowledged(timestamp: number, nowMs: number): void {
    for (let first = this.#pending.at(0); first !== undefined; first = this.#pending.at(0)) {
      if (first.timestamp > timestamp) return;
      this.#pending.shift();
      if (first.timestamp < timestamp) continue;
      const seconds = (nowMs - first.arrivedMs) / 1_000;
      const bucket = bucketBoundsS.findIndex((bound) => seconds <= bound);
      this.#buckets[bucket < 0 ? bucketBoundsS.length : bucket]!++;
      this.#sumS += seconds;
      return;
    }
  }

  /** The samples of the histogram. */
  samples(): Sample[] {
    let count = 0;
    const buckets = this.#buckets.map((puts, index): Sample => {
      count += puts;
      const le = String(bucketBoundsS[index] ?? "+Inf");
      return { suffix: "_bucket", labels: { le }, value: count };
    });
    return [...buckets, { suffix: "_sum", value: this.#sumS }, { suffix: "_count", value: count }];
  }
}
