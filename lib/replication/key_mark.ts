/**
 * Numbers that have the order of keys.
 *
 * @module
 */

import { place, placeMax } from "../wire/key_order.ts";

/** The number of the last unit of ASCII. */
const asciiLast = 127;

/** A digit of a mark: 0 where the key has ended, then the units of ASCII, and one for all others. */
export const markBase: number = asciiLast + 3;

/**
 * The mark of a key: the number that its UTF-16 units from `at` on make, `firstDigit` the weight of the
 * first one. It ends at the first one beyond ASCII: that takes all digits that are left. So keys that are
 * equal up to `at` may have equal marks, but none has a lower one than a key before it.
 *
 * @param firstDigit A power of {@linkcode markBase}.
 */
export function markOf(key: string, at: number, firstDigit: number): number {
  let mark = 0;
  let digit = firstDigit;
  for (let next = at; next < key.length && digit >= 1; next++) {
    const unit = key.charCodeAt(next);
    if (unit > asciiLast) {
      const share = Math.floor(place(unit) / (placeMax + 1) * digit);
      return mark + (markBase - 1) * digit + share;
    }
    mark += (unit + 1) * digit;
    digit /= markBase;
  }
  return mark;
}
