/**
 * Checks of the fields of a received message.
 *
 * All functions throw a {@linkcode MensagemError} if the field is wrong.
 *
 * @module
 */

import { addressCharsMax, formatAddress, parseAddress, parseIpAddress } from "./address.ts";
import { MensagemError } from "./errors.ts";
import { keyBytesMax, ttlMsMax, ttlMsMin, valueBytesMax } from "../limits.ts";

/** Servers in one list of a message. A cluster has at most 99 (`--cluster-size`). */
export const serversMax = 256;

/** An object as JSON.parse returns it. Only fields of the protocol are read from it. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * Checks a key that a user typed or a peer sent.
 *
 * @throws {MensagemError} if it is empty, longer than `bytesMax`, or not Unicode text.
 */
export function checkKey(key: string, id?: number, bytesMax: number = keyBytesMax): void {
  if (key.length === 0) throw new MensagemError("BAD_MESSAGE", `"key" is empty`, id);
  checkText("key", key, bytesMax, id);
}

/**
 * Checks a value that a user typed or a peer sent.
 *
 * @throws {MensagemError} if it is longer than `bytesMax` or not Unicode text.
 */
export function checkValue(value: string, id?: number, bytesMax: number = valueBytesMax): void {
  checkText("value", value, bytesMax, id);
}

function checkText(name: string, text: string, bytesMax: number, id?: number): void {
  // One UTF-16 unit is one to three bytes of UTF-8, so most texts need not be encoded.
  if (text.length > bytesMax || (text.length * 3 > bytesMax && utf8Bytes(text) > bytesMax)) {
    throw new MensagemError("TOO_LARGE", `"${name}" is longer than ${bytesMax} bytes`, id);
  }
  // A lone surrogate has no UTF-8 and would come back as another character.
  if (!text.isWellFormed()) {
    throw new MensagemError("BAD_MESSAGE", `"${name}" is not Unicode text`, id);
  }
}

const encoder = new TextEncoder();

function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}

/** A key. */
export function key(f: Fields, text: unknown): string {
  if (typeof text !== "string") throw bad(f, `"key" must be a string, not ${quote(text)}`);
  checkKey(text, knownId(f));
  return text;
}

/** The start of keys, "" included. */
export function prefix(f: Fields): string {
  const text = string(f, "prefix");
  checkText("prefix", text, keyBytesMax, knownId(f));
  return text;
}

/** A value, or `null`. */
export function valueOrNull(f: Fields, text: unknown): string | null {
  return text === null ? null : value(f, text);
}

/** An integer of a range; `undefined` if the field is missing. Both ends are included. */
export function optionalInRange(
  f: Fields,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const n = optionalInteger(f, name);
  if (n !== undefined && (n < min || n > max)) {
    throw bad(f, `"${name}" must be ${min} to ${max}, not ${n}`);
  }
  return n;
}

/** A time to live of a write with this value, in milliseconds; `undefined` if the field is missing. */
export function ttl(f: Fields, value: string | null): number | undefined {
  const ttlMs = optionalInRange(f, "ttlMs", ttlMsMin, ttlMsMax);
  if (ttlMs !== undefined && value === null) throw bad(f, `a deletion has no "ttlMs"`);
  return ttlMs;
}

/** A value. */
export function value(f: Fields, text: unknown): string {
  if (typeof text !== "string") throw bad(f, `"value" must be a string, not ${quote(text)}`);
  checkValue(text, knownId(f));
  return text;
}

/** A string: the field itself, or an element of its list. */
export function string(f: Fields, name: string, text: unknown = f[name]): string {
  if (typeof text !== "string") throw bad(f, `"${name}" must be a string, not ${quote(text)}`);
  return text;
}

/** A non-negative safe integer; `undefined` if the field is missing. */
export function optionalInteger(f: Fields, name: string): number | undefined {
  return f[name] === undefined ? undefined : integer(f, name);
}

/** A non-negative safe integer. */
export function integer(f: Fields, name: string): number {
  const n = f[name];
  if (typeof n !== "number" || !Number.isSafeInteger(n) || n < 0) {
    throw bad(f, `"${name}" must be a non-negative safe integer, not ${quote(n)}`);
  }
  return n === 0 ? 0 : n; // -0 is valid JSON, but is not encoded as -0
}

/** A non-negative number, decimals allowed. */
export function number(f: Fields, name: string): number {
  const n = f[name];
  if (typeof n !== "number" || !Number.isFinite(n) || n < 0) {
    throw bad(f, `"${name}" must be a non-negative number, not ${quote(n)}`);
  }
  return n === 0 ? 0 : n;
}

/** An object: the field itself, or an element of its list. The message's id is added for errors. */
export function object(f: Fields, name: string, element: unknown): Fields {
  if (typeof element !== "object" || element === null || Array.isArray(element)) {
    throw bad(f, `"${name}" must be an object, not ${quote(element)}`);
  }
  return { ...element, id: f.id };
}

/** A boolean. */
export function boolean(f: Fields, name: string): boolean {
  const b = f[name];
  if (typeof b !== "boolean") throw bad(f, `"${name}" must be true or false, not ${quote(b)}`);
  return b;
}

/** A client's "ip:port" in its canonical spelling. */
export function address(f: Fields, name: string, element: unknown = f[name]): string {
  const text = string(f, name, element);
  const parsed = text.length > 64 ? undefined : parseIpAddress(text);
  if (parsed === undefined) throw bad(f, `"${name}" must be "ip:port", not ${quote(text)}`);
  return formatAddress(parsed);
}

/** A server's "host:port" in its canonical spelling: the field, or an element of its list. */
export function server(f: Fields, name: string, element: unknown = f[name]): string {
  const text = string(f, name, element);
  const parsed = text.length > addressCharsMax ? undefined : parseAddress(text);
  if (parsed === undefined) throw bad(f, `"${name}" must be "host:port", not ${quote(text)}`);
  return formatAddress(parsed);
}

/** A cluster id, which may be empty. */
export function cluster(f: Fields): string {
  const text = string(f, "cluster");
  if (!/^[\w-]{0,64}$/.test(text)) {
    throw bad(f, `"cluster" must be a cluster id, not ${quote(text)}`);
  }
  return text;
}

/** The version of a program. */
export function version(f: Fields): string {
  const text = string(f, "version");
  if (!/^[\w.+-]{1,64}$/.test(text)) {
    throw bad(f, `"version" must be a version, not ${quote(text)}`);
  }
  return text;
}

/** A list with at most `max` elements of any type. */
export function list(f: Fields, name: string, max: number): unknown[] {
  const elements = f[name];
  if (!Array.isArray(elements)) throw bad(f, `"${name}" must be a list, not ${quote(elements)}`);
  if (elements.length > max) {
    const message = `"${name}" has ${elements.length} elements, more than ${max}`;
    throw new MensagemError("TOO_LARGE", message, knownId(f));
  }
  return elements;
}

/** A list of at most {@linkcode serversMax} servers. */
export function servers(f: Fields, name: string): string[] {
  return list(f, name, serversMax).map((element) => server(f, name, element));
}

/** One of the `known` strings. */
export function oneOf<T extends string>(f: Fields, name: string, known: readonly T[]): T {
  const found = known.find((text) => text === f[name]);
  if (found === undefined) throw bad(f, `unknown "${name}" ${quote(f[name])}`);
  return found;
}

/** A string of exactly `digits` lower-case hexadecimal digits. */
export function hex(f: Fields, name: string, digits: number): string {
  const text = string(f, name);
  if (text.length !== digits || !/^[0-9a-f]*$/.test(text)) {
    throw bad(f, `"${name}" must be ${digits} hexadecimal digits`);
  }
  return text;
}

/** The id of a message, for an error; `undefined` if it cannot be read. */
export function knownId(f: Fields): number | undefined {
  return typeof f.id === "number" && Number.isSafeInteger(f.id) && f.id >= 0 ? f.id : undefined;
}

/** The error for a wrong field, with the id of the request if it can be read. */
export function bad(f: Fields, message: string): MensagemError {
  return new MensagemError("BAD_MESSAGE", message, knownId(f));
}

/** The start of a received value, short enough for an error message. */
export function quote(received: unknown): string {
  if (Array.isArray(received)) return "a list";
  if (typeof received === "object" && received !== null) return "an object";
  if (typeof received !== "string") return String(received);
  return JSON.stringify(received.length <= 60 ? received : `${received.slice(0, 57)}…`);
}
