/**
 * Checks of what the caller of the library passes. Each wrong argument is an
 * {@linkcode InvalidArgumentError}.
 *
 * @module
 */

import { listEntriesMax, timestampMax, ttlMsMax, ttlMsMin } from "../limits.ts";
import { checkKey, checkValue, type MensagemError, type WatchTarget } from "../mensagem.ts";
import type { Tls } from "../net/dial.ts";
import { type Address, parseAddress, parseHost, whyNoServerAddress } from "../wire/address.ts";
import { quote } from "../wire/validate.ts";
import { serversOfEnvironment, serversVariable } from "./environment.ts";
import { InvalidArgumentError } from "./errors.ts";
import type { ListOptions, WatchOptions, WriteOptions } from "./results.ts";

/** The longest `timeoutMs`: 24.8 days, the most that a timer can count. */
export const requestTimeoutMsMax = 2 ** 31 - 1;

/** The highest port of TCP. */
const portMax = 65_535;

/**
 * Checks a key, and a value if there is one.
 *
 * @throws {InvalidArgumentError} if one of them is no string or breaks a limit.
 */
export function checkEntry(key: unknown, ...values: unknown[]): void {
  for (const text of [key, ...values]) {
    if (typeof text !== "string") refuse(`key and value must be strings, not ${kindOf(text)}`);
  }
  try {
    checkKey(key as string);
    for (const value of values) checkValue(value as string);
  } catch (cause) {
    const { message, code } = cause as MensagemError;
    throw new InvalidArgumentError(
      message,
      code === "TOO_LARGE" ? { cause, code } : { cause },
    );
  }
}

/**
 * Checks the condition and the time to live of a write.
 *
 * @throws {InvalidArgumentError} if one of them is out of range.
 */
export function checkWriteOptions({ ifTimestamp, ttlMs }: WriteOptions): void {
  if (ifTimestamp !== undefined) checkInteger("ifTimestamp", ifTimestamp, 0, timestampMax);
  if (ttlMs !== undefined) checkInteger("ttlMs", ttlMs, ttlMsMin, ttlMsMax);
}

/**
 * Checks the beginning of keys, "" included.
 *
 * @throws {InvalidArgumentError} if it is no string or could begin no key.
 */
export function checkPrefix(prefix: unknown): void {
  if (typeof prefix !== "string") refuse(`the prefix must be a string, not ${kindOf(prefix)}`);
  if (prefix !== "") checkEntry(prefix);
}

/**
 * Checks the options of a list.
 *
 * @throws {InvalidArgumentError} if one is wrong.
 */
export function checkListOptions(options: ListOptions): void {
  checkOptions(options);
  const { after, pageSize, signal, timeoutMs } = options;
  if (pageSize !== undefined) checkInteger("pageSize", pageSize, 1, listEntriesMax);
  if (after !== undefined) checkEntry(after);
  if (timeoutMs !== undefined) checkTimeout(timeoutMs);
  checkSignal(signal);
}

/**
 * Checks the target and the options of a watch. Returns the target as the wire has it.
 *
 * @throws {InvalidArgumentError} if one is wrong.
 */
export function checkWatch(target: unknown, options: WatchOptions): WatchTarget {
  checkOptions(options);
  const { since, initial, signal } = options;
  if (since !== undefined) checkInteger("since", since, 0, timestampMax);
  if (initial !== undefined) checkFlag("initial", initial);
  if (since !== undefined && initial === false) {
    refuse("since and initial: false exclude each other");
  }
  checkSignal(signal);
  if (typeof target !== "object" || target === null) {
    checkEntry(target);
    return { key: target as string };
  }
  const { prefix } = target as { prefix?: unknown };
  checkPrefix(prefix);
  return { prefix: prefix as string };
}

/**
 * Checks the servers of a client, each an address or its text "host:port", or all in one text with
 * commas. Takes those of the environment if there are none. Returns the addresses.
 *
 * @throws {InvalidArgumentError} if there is none, or if one has no address that can be dialled.
 */
export function checkServers(servers: unknown): Address[] {
  if (servers === undefined) {
    const text = serversOfEnvironment();
    try {
      return checkServers(text);
    } catch (cause) {
      const { message } = cause as InvalidArgumentError;
      throw new InvalidArgumentError(`${serversVariable}: ${message}`, { cause });
    }
  }
  if (typeof servers === "string") {
    return checkServers(servers.split(",").map((text) => text.trim()));
  }
  if (!Array.isArray(servers)) {
    return refuse(`the servers must be a text or a list of addresses, not ${quote(servers)}`);
  }
  if (servers.length === 0) {
    refuse("Cannot make a client without a server: the list of servers is empty");
  }
  return servers.map((server: unknown) => {
    if (typeof server !== "string") return checkAddress(server);
    const address = parseAddress(server);
    if (address !== undefined) return checkHost(address);
    return refuse(`a server must be host:port, such as 127.0.0.1:10097, not ${quote(server)}`);
  });
}

function checkAddress(server: unknown): Address {
  if (typeof server !== "object" || server === null) {
    refuse(`a server must be { hostname, port } or host:port, not ${quote(server)}`);
  }
  const { hostname, port } = server as Partial<Address>;
  if (typeof hostname !== "string" || parseHost(hostname) === undefined) {
    return refuse(
      `the hostname of a server must be an IP address or a name, not ${quote(hostname)}`,
    );
  }
  if (port === undefined || !Number.isInteger(port) || port < 1 || port > portMax) {
    const name = `${hostname}, port ${quote(port)}`;
    return refuse(`the port of a server must be a number from 1 to ${portMax}: ${name}`);
  }
  return checkHost({ hostname, port });
}

/** The address, if its host is none that no server can have. */
function checkHost(address: Address): Address {
  const host = parseHost(address.hostname)!;
  const why = whyNoServerAddress(host);
  if (why === undefined) return address;
  return refuse(`a server cannot have the address ${quote(address.hostname)}: ${why}`);
}

/**
 * Checks a time limit, and returns it.
 *
 * @throws {InvalidArgumentError} if it is not above 0, or too long for a timer.
 */
export function checkTimeout(ms: number): number {
  if (typeof ms === "number" && ms > 0 && ms <= requestTimeoutMsMax) return ms;
  return refuse(
    `timeoutMs must be a number above 0 and at most ${requestTimeoutMsMax}, not ${quote(ms)}`,
  );
}

/**
 * Checks an object of options.
 *
 * @throws {InvalidArgumentError} if it is no object.
 */
export function checkOptions(options: unknown): void {
  if (typeof options !== "object" || options === null) {
    refuse(`the options must be an object, not ${quote(options)}`);
  }
}

/**
 * Checks a yes or no.
 *
 * @throws {InvalidArgumentError} if it is neither `true` nor `false`.
 */
export function checkFlag(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  return refuse(`${name} must be true or false, not ${quote(value)}`);
}

/**
 * Checks a function of the caller.
 *
 * @throws {InvalidArgumentError} if it is none.
 */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") refuse(`${name} must be a function`);
}

/**
 * Checks a caller's signal.
 *
 * @throws {InvalidArgumentError} if it is no AbortSignal.
 */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    refuse(`the signal must be an AbortSignal, not ${quote(signal)}`);
  }
}

/**
 * Checks what a client needs if servers ask for a password or TLS.
 *
 * @throws {InvalidArgumentError} if the password is empty or no string, or if the certificates are
 * not in PEM.
 */
export function checkAccess(password: unknown, tls: Tls | undefined): void {
  if (password !== undefined && typeof password !== "string") {
    refuse(`the password must be a string, not ${kindOf(password)}`);
  }
  if (password === "") refuse("the password must have at least one character");
  if (password?.isWellFormed() === false) {
    refuse("the password cannot be written in UTF-8: it has half of a surrogate pair");
  }
  if (tls === undefined) return;
  checkOptions(tls);
  const { ca, cert, key } = tls;
  checkPem("tls.ca", ca, "CERTIFICATE");
  if ((cert === undefined) !== (key === undefined)) refuse("tls.cert and tls.key belong together");
  if (cert !== undefined) checkPem("tls.cert", cert, "CERTIFICATE");
  if (key !== undefined) checkPem("tls.key", key, "PRIVATE KEY");
}

/** Never quotes the text: it may be a private key. */
function checkPem(name: string, text: unknown, kind: string): void {
  if (typeof text === "string" && new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) return;
  const flag = name.replace(".", "-");
  refuse(`${name} (--${flag}) must be a text in PEM with "BEGIN ${kind}"`);
}

function checkInteger(name: string, value: unknown, min: number, max: number): void {
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return;
  refuse(`${name} must be a whole number from ${min} to ${max}, not ${quote(value)}`);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : typeof value;
}

function refuse(message: string): never {
  throw new InvalidArgumentError(message);
}
