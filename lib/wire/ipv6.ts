/**
 * IPv6 addresses as text.
 *
 * @module
 */

/** An address has this many groups of 16 bits. */
const groupsMax = 8;
const colon = 58;
const dot = 46;

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** Whether the text is an IPv4 address: four decimal numbers without leading zeros. */
export function isIpv4(text: string): boolean {
  return ipv4.test(text);
}

/**
 * The canonical spelling of an IPv6 address (RFC 5952); `undefined` if the text is not one. The last
 * two groups may be spelled as an IPv4 address. A zone ("%eth0") is not accepted.
 *
 * `URL` spells it in the same way, but takes longer, and a message may hold many addresses.
 */
export function canonicalIpv6(text: string): string | undefined {
  const groups: number[] = [];
  /** The number of groups before "::"; -1 if there is none. */
  let gap = -1;
  let at = 0;
  if (text.startsWith("::")) {
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    const start = at;
    let group = 0;
    for (let digit; (digit = hexDigit(text.charCodeAt(at))) >= 0; at++) {
      if (at - start === 4) return undefined;
      group = group * 16 + digit;
    }
    if (at === start || groups.length === groupsMax) return undefined;
    if (text.charCodeAt(at) === dot) {
      const tail = text.slice(start);
      if (!isIpv4(tail)) return undefined;
      const [a, b, c, d] = tail.split(".").map(Number) as [number, number, number, number];
      groups.push(a * 256 + b, c * 256 + d);
      break;
    }
    groups.push(group);
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== colon) return undefined;
    if (text.charCodeAt(at) === colon) {
      if (gap >= 0) return undefined;
      gap = groups.length;
      at++;
    } else if (at === text.length) return undefined;
  }
  if (gap < 0) return groups.length === groupsMax ? format(groups) : undefined;
  if (groups.length >= groupsMax) return undefined; // "::" stands for at least one group
  const zeros = groupsMax - groups.length;
  for (let n = groupsMax - 1; n >= gap; n--) groups[n] = n < gap + zeros ? 0 : groups[n - zeros]!;
  return format(groups);
}

/** The value of a hexadecimal digit; -1 if the character is none. */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Joins the groups. The first of the longest runs of two or more zeros becomes "::". */
function format(groups: readonly number[]): string {
  let start = 0;
  let length = 1;
  for (let from = 0; from < groupsMax; from++) {
    let to = from;
    while (groups[to] === 0) to++;
    if (to - from > length) {
      start = from;
      length = to - from;
    }
    if (to > from) from = to; // the group at `to` is no zero
  }
  const end = length > 1 ? start + length : groupsMax;
  let text = length > 1 && start === 0 ? "::" : groups[0]!.toString(16);
  for (let n = length > 1 && start === 0 ? end : 1; n < groupsMax; n++) {
    if (length > 1 && n === start) {
      text += "::";
      n = end - 1;
    } else text += (n === end ? "" : ":") + groups[n]!.toString(16);
  }
  return text;
}
