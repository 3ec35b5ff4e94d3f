/**
 * The distribution of latencies.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a part of the runtime
import { createHistogram } from "node:perf_hooks";

/** The longest latency that is recorded, in microseconds (12 days). Longer ones count as this. */
const latencyUsMax = 2 ** 40;
/** Significant digits: a percentile is at most 1 % too high. */
const figures = 2;

/** A row of a drawing: how many latencies are in a range. */
export interface Row {
  /** The lower bound, in microseconds. */
  readonly fromUs: number;
  /** The upper bound, in microseconds, which is not part of the range. */
  readonly toUs: number;
  /** The number of latencies. */
  readonly count: number;
}

/** A histogram of latencies: the platform's own, with an exact maximum and counts for a drawing. */
export class Histogram {
  readonly #recorded = createHistogram({ lowest: 1, highest: latencyUsMax, figures });
  #maxUs = 0;

  /** The number of recorded latencies. */
  get count(): number {
    return this.#recorded.count;
  }

  /** The longest latency, in microseconds; 0 if there is none. */
  get maxUs(): number {
    return this.#maxUs;
  }

  /** Records a latency in microseconds. One below 1 counts as 1. */
  record(us: number): void {
    const whole = us < 1 ? 1 : us < latencyUsMax ? Math.floor(us) : latencyUsMax;
    this.#recorded.record(whole);
    if (us > this.#maxUs) this.#maxUs = us;
  }

  /** A percentile in microseconds: this share (0 to 1) of all latencies is not above it. 0 if empty. */
  percentileUs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count));
    return this.count === 0 ? 0 : Math.min(this.#atRank(rank), this.#maxUs);
  }

  /** The counts by range, from the first range that is not empty to the last. */
  rows(): Row[] {
    const rows: Row[] = [];
    let below = 0;
    let fromUs = 0;
    while (below < this.count) {
      const toUs = boundAfter(fromUs);
      const count = this.#countBelow(toUs) - below;
      if (count > 0 || rows.length > 0) rows.push({ fromUs, toUs, count });
      below += count;
      fromUs = toUs;
    }
    return rows;
  }

  /** The latency with this rank, counted from 1 for the shortest. */
  #atRank(rank: number): number {
    // In the middle of the rank, so that rounding does not reach the next one.
    return this.#recorded.percentile(Math.max(Number.MIN_VALUE, (rank - 0.5) / this.count * 100));
  }

  /** The number of latencies below a bound: a search by rank, as the platform gives no counts. */
  #countBelow(us: number): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#atRank(middle) < us) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** The next bound of a range after this one: 0, 2, 3, 4, 6, 8, 12, 16, … */
function boundAfter(us: number): number {
  if (us === 0) return 2;
  const power = 2 ** Math.floor(Math.log2(us));
  return us === power ? power * 1.5 : power * 2;
}
