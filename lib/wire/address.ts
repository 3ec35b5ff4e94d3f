/**
 * Addresses as users type them and as the wire carries them: "ip:port", or "host:port" where a server
 * is dialled.
 *
 * @module
 */

import { canonicalIpv6, isIpv4 } from "./ipv6.ts";

/** Where a server listens or is dialled, or one end of a connection. */
export interface Address {
  /**
   * An IPv4 or IPv6 address, without brackets. Of a server that is dialled it may be a DNS name, which
   * is resolved at each dial.
   */
  readonly hostname: string;
  /** A TCP port, 0 to 65,535. */
  readonly port: number;
}

/** Characters of a DNS name (RFC 1035), without a dot at its end. */
export const nameCharsMax = 253;

/** Characters of a server's address: the longest name, a colon and a port. */
export const addressCharsMax: number = nameCharsMax + 6;

/**
 * The IP address in its canonical spelling; `undefined` if the text is not an IP address.
 * `localhost` is 127.0.0.1.
 */
export function parseIp(text: string): string | undefined {
  if (text.toLowerCase() === "localhost") return "127.0.0.1";
  if (isIpv4(text)) return text;
  return canonicalIpv6(text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text);
}

/**
 * Labels of 1 to 63 letters, digits, `-` and `_`, none with `-` at an end. `_` is in the names of
 * containers. The last label is no number: that would be a mistyped IP address, and some resolvers
 * read it as one.
 */
const dnsName =
  /^(?:[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?\.)*(?!(?:\d+|0x[\da-f]*)$)[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?$/;

/**
 * The IP address or DNS name in its canonical spelling; `undefined` if the text is neither. A name is
 * in lower case, without a dot at its end.
 */
export function parseHost(text: string): string | undefined {
  const ip = parseIp(text);
  if (ip !== undefined) return ip;
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (name.length > nameCharsMax || !dnsName.test(name.toLowerCase())) return undefined;
  return parseIp(name) ?? name.toLowerCase();
}

/** The port, 1 to 65,535 in decimal digits; `undefined` if the text is not a port. */
export function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/**
 * The address in "host:port" or "[ipv6]:port"; `undefined` if the text is not an address. The host is
 * an IP address or a DNS name.
 */
export function parseAddress(text: string): Address | undefined {
  return parsePair(text, parseHost);
}

/** The address in "ip:port" or "[ipv6]:port"; `undefined` if the text is not one. */
export function parseIpAddress(text: string): Address | undefined {
  return parsePair(text, parseIp);
}

function parsePair(
  text: string,
  parse: (host: string) => string | undefined,
): Address | undefined {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return undefined;
  const host = text.slice(0, colon);
  if (host.includes(":") && !host.startsWith("[")) return undefined;
  const hostname = parse(host);
  const port = parsePort(text.slice(colon + 1));
  return hostname === undefined || port === undefined ? undefined : { hostname, port };
}

/**
 * The IPv4 address that an IPv6 address stands for (`::ffff:1.2.3.4`); any other address unchanged. A
 * socket on `::` shows the addresses of its IPv4 peers so.
 */
export function unmapped(ip: string): string {
  const tail = ip.startsWith("::ffff:") ? ip.slice("::ffff:".length) : "";
  if (isIpv4(tail)) return tail;
  const [high, low, more] = tail.split(":");
  if (low === undefined || more !== undefined) return ip;
  const bits = [parseInt(high!, 16), parseInt(low, 16)];
  return bits.flatMap((n) => [n >> 8, n & 255]).join(".");
}

/** Whether only this machine can reach the address. */
export function isLoopback(ip: string): boolean {
  return unmapped(ip).startsWith("127.") || ip === "::1";
}

/** Whether the address stands for all addresses of the machine. */
export function isWildcard(ip: string): boolean {
  return unmapped(ip) === "0.0.0.0" || ip === "::";
}

/**
 * Why a server can neither listen on an address nor be dialled there; `undefined` if it can. DNS names
 * have no such reason.
 */
export function whyNoServerAddress(host: string): string | undefined {
  const ip = unmapped(host);
  if (/^fe[89ab][\da-f]:/.test(ip)) {
    return "a link-local address needs a zone, such as %eth0, and zones are not supported";
  }
  const first = isIpv4(ip) ? Number(ip.split(".", 1)) : 0;
  if (first > 239) return "the address is reserved, or for broadcasts";
  return first > 223 || /^ff[\da-f]{2}:/.test(ip) ? "it is a multicast address" : undefined;
}

/** "host:port", with brackets around an IPv6 address. */
export function formatAddress({ hostname, port }: Address): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
