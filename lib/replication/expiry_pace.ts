/**
 * How fast a leader deletes keys that have expired.
 *
 * @module
 */

/** Keys that are deleted at once because they have expired. That takes some 2 ms. */
export const expirationsAtOnce = 256;

/** And between two ticks. */
export const expirationsPerTickMax = 5_000;

/** Keys that are deleted at once, however few requests come. */
const sliceMin = 8;

/** After this number of slices without a request between them, the next ones are larger. */
const quietSlicesMin = 8;

/** If keys are later than that, deletions go before requests. */
const lateMsMax = 2_000;

/** Keys that are deleted at once then. That takes some 15 ms. */
const lateSliceMax = 2_048;

/**
 * The number of expired keys in each slice of deletions. The next slice begins when the last one is
 * committed, and requests wait for those before them. So while requests come, there is one deletion for
 * two of them. If that is too few, there are more than requests, each of which may have made a key that
 * expires: so deletions catch up.
 */
export class ExpiryPace {
  #slice = expirationsAtOnce;
  /** Deletions that are left until the next tick. */
  #left = 0;
  /** Requests since the last slice. */
  #requests = 0;
  /** Slices since the last one before which there were some. */
  #quietSlices = 0;

  /** A request came. */
  requested(): void {
    this.#requests++;
  }

  /** A tick has passed. */
  tick(): void {
    this.#left = expirationsPerTickMax;
  }

  /** The number of keys in the next slice. The time of the first one has passed for `lateMs`. */
  next(lateMs: number): number {
    const slice = Math.min(this.#next(lateMs), this.#left);
    this.#left -= slice;
    this.#requests = 0;
    return slice;
  }

  #next(lateMs: number): number {
    if (this.#requests === 0) {
      this.#quietSlices++;
      if (this.#quietSlices < quietSlicesMin) return this.#slice;
      this.#slice = Math.min(2 * this.#slice, expirationsAtOnce);
      return this.#slice;
    }
    this.#quietSlices = 0;
    this.#slice = Math.min(sliceMin + (this.#requests >> 1), expirationsAtOnce);
    return lateMs > lateMsMax ? Math.min(sliceMin + this.#requests, lateSliceMax) : this.#slice;
  }
}
