/**
 * How often which latency was seen.
 *
 * @module
 */

/** Each power of two is cut into this many buckets: what is read off is at most 1/64 too high. */
const stepBits = 6;
const steps = 2 ** stepBits;
/** The last bucket takes whatever is longer: 2 ** 40 µs are 12 days. */
const exponentMax = 40;

/** A row of a drawing: how many latencies were in a range. */
export interface Row {
  /** The lower bound, in microseconds. */
  readonly fromUs: number;
  /** The upper bound, in microseconds; not in the range itself. */
  readonly toUs: number;
  /** How many. */
  readonly count: number;
}

/**
 * Latencies, sorted into buckets whose width grows with the latency.
 *
 * - A record costs no memory, however many there are.
 * - Every percentile is exact up to one part in 64; the maximum is exact.
 * - The platform's own (`createHistogram`) tells percentiles but no counts, so it cannot be drawn.
 */
export class Histogram {
  readonly #counts = new Float64Array(steps * (exponentMax - stepBits + 1));
  #count = 0;
  #maxUs = 0;

  /** How many were recorded. */
  get count(): number {
    return this.#count;
  }

  /** The longest, in microseconds. */
  get maxUs(): number {
    return this.#maxUs;
  }

  /** Takes note of a latency in microseconds. One below zero, from a clock that jumped, counts as zero. */
  record(us: number): void {
    this.#counts[bucketOf(us)]!++;
    this.#count++;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  /** Takes over all that another one has recorded. */
  add(other: Histogram): void {
    for (const [bucket, count] of other.#counts.entries()) this.#counts[bucket]! += count;
    this.#count += other.#count;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
  }

  /**
   * The latency in microseconds that this share (0 to 1) of all did not exceed, rounded up to the
   * end of its bucket; 0 where there is none.
   */
  percentileUs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let below = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      below += count;
      if (below >= rank) return Math.min(endOf(bucket), this.#maxUs);
    }
    return 0;
  }

  /** The counts in ranges of a half of each power of two, from the first to the last that has any. */
  rows(): Row[] {
    const perRow = steps / 2;
    const rows: Row[] = [];
    for (let from = 0; from < this.#counts.length; from += perRow) {
      const counts = this.#counts.subarray(from, from + perRow);
      const count = counts.reduce((sum, one) => sum + one, 0);
      rows.push({ fromUs: startOf(from), toUs: startOf(from + perRow), count });
    }
    const first = rows.findIndex(({ count }) => count > 0);
    return first < 0 ? [] : rows.slice(first, rows.findLastIndex(({ count }) => count > 0) + 1);
  }
}

/** Below the first full power of two a bucket is one microsecond wide. */
function bucketOf(us: number): number {
  const whole = Math.max(0, Math.floor(us));
  if (whole < steps) return whole;
  const exponent = Math.min(Math.floor(Math.log2(whole)), exponentMax - 1);
  const step = Math.min(Math.floor(whole / 2 ** (exponent - stepBits)) - steps, steps - 1);
  return (exponent - stepBits + 1) * steps + step;
}

function startOf(bucket: number): number {
  if (bucket < steps) return bucket;
  const exponent = Math.floor(bucket / steps) - 1;
  return (steps + bucket % steps) * 2 ** exponent;
}

/** The highest whole number of a bucket, and what is less than one above it. */
function endOf(bucket: number): number {
  return startOf(bucket + 1);
}
