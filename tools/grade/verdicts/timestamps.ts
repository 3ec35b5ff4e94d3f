/**
 * Compares timestamps as programs print them: numbers, fractions or dates.
 *
 * @module
 */

/** Below zero if `a` is the smaller one. `undefined` if they cannot be compared. */
export function compareTimestamps(a: string, b: string): number | undefined {
  if (a === b) return 0;
  const [x, y] = [toNumber(a), toNumber(b)];
  if (x !== undefined && y !== undefined) {
    // integers beyond the precision of a number, such as nanoseconds
    if (/^-?\d+$/.test(a) && /^-?\d+$/.test(b)) {
      return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0;
    }
    return x - y;
  }
  return undefined;
}

/** Whether two timestamps are the same, however they are written. */
export function sameTimestamp(a: string, b: string): boolean {
  return compareTimestamps(a, b) === 0;
}

/** Whether a timestamp means that nothing has been seen. */
export function isZero(timestamp: string): boolean {
  return /^(?:NULL|null|None|nil)$/.test(timestamp) || toNumber(timestamp) === 0;
}

function toNumber(timestamp: string): number | undefined {
  if (/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(timestamp)) return Number(timestamp);
  if (/^(?:NULL|null|None|nil)$/.test(timestamp)) return 0;
  // dates of one form compare as texts do, once the order of their parts is year first
  const brazilian = /^(\d\d)\/(\d\d)\/(\d{4}) (.*)$/.exec(timestamp);
  const iso = brazilian === null
    ? timestamp
    : `${brazilian[3]}-${brazilian[2]}-${brazilian[1]}T${brazilian[4]}`;
  const time = Date.parse(iso.replace(",", "."));
  if (Number.isNaN(time)) return undefined;
  const fraction = /[.,]\d{3}(\d+)/.exec(timestamp)?.[1]; // Date.parse stops at milliseconds
  return fraction === undefined ? time : time + Number(`0.${fraction}`);
}
