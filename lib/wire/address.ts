/**
 * Addresses as "ip:port", as users type them and as the wire carries them.
 *
 * @module
 */

/** The IP address and port of one end of a connection. */
export interface Address {
  /** An IPv4 or IPv6 address, without brackets. */
  readonly hostname: string;
  /** A TCP port, 0 to 65,535. */
  readonly port: number;
}

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * The IP address in its canonical spelling; `undefined` if the text is not an IP address.
 * `localhost` is 127.0.0.1.
 */
export function parseIp(text: string): string | undefined {
  if (text.toLowerCase() === "localhost") return "127.0.0.1";
  if (ipv4.test(text)) return text;
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  // `URL` parses IPv6 but ignores white space, so other characters are refused first.
  if (!bare.includes(":") || !/^[\da-f:.]+$/i.test(bare)) return undefined;
  const url = URL.parse(`http://[${bare}]/`);
  return url === null ? undefined : url.hostname.slice(1, -1);
}

/** The port, 1 to 65,535 in decimal digits; `undefined` if the text is not a port. */
export function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** The address in "ip:port" or "[ipv6]:port"; `undefined` if the text is not an address. */
export function parseAddress(text: string): Address | undefined {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return undefined;
  const host = text.slice(0, colon);
  if (host.includes(":") && !host.startsWith("[")) return undefined;
  const hostname = parseIp(host);
  const port = parsePort(text.slice(colon + 1));
  return hostname === undefined || port === undefined ? undefined : { hostname, port };
}

/** Whether only this machine can reach the address. */
export function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1";
}

/** Whether the address stands for all addresses of the machine. */
export function isWildcard(ip: string): boolean {
  return ip === "0.0.0.0" || ip === "::";
}

/** "ip:port", with brackets around an IPv6 address. */
export function formatAddress({ hostname, port }: Address): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
