/**
 * Addresses of servers on command lines.
 *
 * @module
 */

import {
  type Address,
  isWildcard,
  parseAddress,
  parseHost,
  whyNoServerAddress,
} from "../wire/address.ts";
import { UsageError } from "./flags.ts";

/**
 * Parses a list of servers, each as host:port. For the error, `example` is such a list, and `source`
 * is where the list comes from.
 *
 * @throws {UsageError} if one of them is no address.
 */
export function parseServers(text: string, example: string, source = "--servers"): Address[] {
  return text.split(",").map((one) => {
    const address = parseAddress(one.trim());
    if (address !== undefined) {
      checkDialled(source, address.hostname);
      return address;
    }
    throw new UsageError(
      `${source} must be a list such as ${example}, not ${JSON.stringify(text)}`,
    );
  });
}

/**
 * Parses `--advertise`: a host and a port, or a host alone, which gets `port`.
 *
 * @throws {UsageError} if it is no address, or one that other servers cannot dial.
 */
export function parseAdvertised(text: string, port: number): Address {
  const hostname = parseHost(text);
  const address = hostname === undefined ? parseAddress(text) : { hostname, port };
  if (address !== undefined) {
    checkServerHost("--advertise", address.hostname);
    return address;
  }
  throw new UsageError(
    `--advertise must be a host or host:port, such as kv-0 or 10.0.0.1:10097, not ${
      JSON.stringify(text)
    }`,
  );
}

/**
 * Checks the host of an address by which servers know a server.
 *
 * @param flag The flag that sets it, for the error.
 * @throws {UsageError} if it cannot be dialled, or stands for every address of a machine.
 */
export function checkServerHost(flag: string, host: string): void {
  checkDialled(flag, host);
  if (!isWildcard(host)) return;
  throw new UsageError(
    `${flag} must not be ${host}, which is every address of a machine. The servers need one that ` +
      "they can dial: a host name, or an IP address of that machine",
  );
}

function checkDialled(flag: string, host: string): void {
  const reason = whyNoServerAddress(host);
  if (reason === undefined) return;
  throw new UsageError(
    `${flag}: ${host} cannot be dialled: ${reason}. Use a host name or another IP address`,
  );
}
