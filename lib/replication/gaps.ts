/**
 * Gaps: timestamps that were lost with leaders, or skipped, and that no write has.
 *
 * @module
 */

import type { Gap } from "../wire/replication.ts";

/** The timestamps between two others, as a gap; none if there is none between them. */
export function gapBetween(from: number, to: number): readonly Gap[] {
  return to - from > 1 ? [[from + 1, to - 1]] : [];
}

/**
 * The gaps of a table whose newest ones are `newest`. Of those that were known before, only what is older
 * counts: the rest is of a leader that this table does not come from.
 */
export function joinedGaps(known: readonly Gap[], newest: readonly Gap[] = []): readonly Gap[] {
  const [first] = newest;
  if (first === undefined) return known;
  return [...known.filter(([, last]) => last < first[0]), ...newest];
}

/** Whether a timestamp lies in one of these gaps, which are in rising order. */
export function isInGap(gaps: readonly Gap[], timestamp: number): boolean {
  let low = 0;
  let high = gaps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (gaps[middle]![1] < timestamp) low = middle + 1;
    else high = middle;
  }
  return low < gaps.length && gaps[low]![0] <= timestamp;
}
