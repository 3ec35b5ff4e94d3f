/**
 * The order of keys: that of their bytes in UTF-8.
 *
 * @module
 */

/** The first UTF-16 unit whose place in the order of UTF-8 is another one. */
const surrogateFirst = 0xd800;
const surrogateLast = 0xdfff;

/**
 * Compares two well-formed texts by their bytes in UTF-8: below 0, 0 or above 0 as `a` comes before
 * `b`, is equal, or comes after it.
 *
 * It is the order of code points. The order of `<` is that of UTF-16 units, where a surrogate, which is
 * a part of a character above U+FFFF, comes before U+E000 to U+FFFF.
 *
 * @param from The number of UTF-16 units that they are known to have in common.
 */
export function compareKeys(a: string, b: string, from = 0): number {
  const at = commonChars(a, b, from);
  return at < a.length && at < b.length
    ? place(a.charCodeAt(at)) - place(b.charCodeAt(at))
    : a.length - b.length;
}

/** The number of UTF-16 units that two texts have in common at their start, which is at least `from`. */
export function commonChars(a: string, b: string, from: number): number {
  const length = a.length < b.length ? a.length : b.length;
  let at = from;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}

/** The range of {@linkcode place}. */
export const placeMax: number = surrogateLast + 0x10000;

/** The place of a UTF-16 unit among those that may stand where two texts begin to differ. */
export function place(unit: number): number {
  return unit < surrogateFirst || unit > surrogateLast ? unit : unit + 0x10000;
}
