/**
 * "ip:port" as people type it and as the wire carries it.
 *
 * @module
 */

/** Where a server listens or a client calls from. */
export interface Address {
  /** An IPv4 or IPv6 address, without brackets. */
  readonly hostname: string;
  /** A TCP port, 0 to 65,535. */
  readonly port: number;
}

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * The IP address in its usual spelling (`localhost` becomes 127.0.0.1), or `undefined` where it is
 * none.
 */
export function parseIp(text: string): string | undefined {
  if (text.toLowerCase() === "localhost") return "127.0.0.1";
  if (ipv4.test(text)) return text;
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  // URL knows IPv6, but drops white space: only what can be part of an address gets there.
  if (!bare.includes(":") || !/^[\da-f:.]+$/i.test(bare)) return undefined;
  const url = URL.parse(`http://[${bare}]/`);
  return url === null ? undefined : url.hostname.slice(1, -1);
}

/** The port, 1 to 65,535 in decimal digits, or `undefined` where it is none. */
export function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** The address in "ip:port" or "[ipv6]:port", or `undefined` where it is none. */
export function parseAddress(text: string): Address | undefined {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return undefined;
  const host = text.slice(0, colon);
  if (host.includes(":") && !host.startsWith("[")) return undefined;
  const hostname = parseIp(host);
  const port = parsePort(text.slice(colon + 1));
  return hostname === undefined || port === undefined ? undefined : { hostname, port };
}

/** True for the addresses that only this machine reaches. */
export function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1";
}

/** True for the addresses that stand for all of a machine's own. */
export function isWildcard(ip: string): boolean {
  return ip === "0.0.0.0" || ip === "::";
}

/** "ip:port", with brackets around an IPv6 address. */
export function formatAddress({ hostname, port }: Address): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
