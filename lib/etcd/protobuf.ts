/**
 * Protocol buffers: the part of the encoding that etcd's messages need.
 *
 * @module
 */

import { unexpected } from "./errors.ts";

const encoder = new TextEncoder();
const none = new Uint8Array(0);

/** The wire types: how long a field is. */
const varint = 0;
const eightBytes = 1;
const lengthFirst = 2;
const fourBytes = 5;

/** The longest varint: 64 bits. */
const varintBytesMax = 10;
/** A varint of this many bytes is below 2^49, so a number holds it. */
const smallVarintBytes = 7;

/** A message of these fields. */
export function message(...fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const field of fields) length += field.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const field of fields) {
    bytes.set(field, at);
    at += field.length;
  }
  return bytes;
}

/** A field with a non-negative safe integer or a Boolean. As etcd does, it leaves out what is 0. */
export function int(field: number, value: number | boolean): Uint8Array {
  if (Number(value) === 0) return none;
  const bytes = [field << 3 | varint];
  pushVarint(bytes, Number(value));
  return Uint8Array.from(bytes);
}

/** A field with an id of 64 bits. */
export function id(field: number, value: bigint): Uint8Array {
  const bytes = [field << 3 | varint];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A field with a text, with bytes, or with a message. */
export function bytes(field: number, value: string | Uint8Array): Uint8Array {
  const content = typeof value === "string" ? encoder.encode(value) : value;
  const head = [field << 3 | lengthFirst];
  pushVarint(head, content.length);
  return message(Uint8Array.from(head), content);
}

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push(rest % 128 | 128);
  bytes.push(rest);
}

/**
 * A received message. Its bytes are read when a field is asked for, so nothing is stored for them.
 *
 * A field that is left out is 0, or has no bytes. Every method throws an {@linkcode EtcdError} if the
 * bytes are not a message, or the field has another type.
 */
export class Message {
  readonly #bytes: Uint8Array;
  /** The field that was read last: its number and its type, and where its content is. */
  #field = 0;
  #type = 0;
  #start = 0;
  #end = 0;

  /** A message of these bytes, which must not change. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether a field is there. */
  has(field: number): boolean {
    return this.#find(field);
  }

  /** A field that must be a non-negative safe integer. */
  int(field: number): number {
    if (!this.#find(field, varint)) return 0;
    const [start, end] = [this.#start, this.#end];
    if (end - start > smallVarintBytes) {
      const value = this.#big(start, end);
      if (value > Number.MAX_SAFE_INTEGER) throw unexpected("a number that is no safe integer");
      return Number(value);
    }
    let value = 0;
    for (let at = end - 1; at >= start; at--) value = value * 128 + (this.#bytes[at]! & 127);
    return value;
  }

  /** A field with an id of 64 bits. */
  id(field: number): bigint {
    return this.#find(field, varint) ? this.#big(this.#start, this.#end) : 0n;
  }

  /** A field with bytes, which are part of the message's. */
  bytes(field: number): Uint8Array {
    return this.#find(field, lengthFirst) ? this.#bytes.subarray(this.#start, this.#end) : none;
  }

  /** A field with a message. */
  message(field: number): Message {
    return new Message(this.bytes(field));
  }

  /** The messages in a field that is repeated. */
  *messages(field: number): Generator<Message> {
    for (const content of this.all(field)) yield new Message(content);
  }

  /** The bytes in a field that is repeated. */
  *all(field: number): Generator<Uint8Array> {
    for (let at = 0; at < this.#bytes.length;) {
      at = this.#read(at);
      if (this.#field !== field) continue;
      if (this.#type !== lengthFirst) throw unexpected("a field of another type");
      yield this.#bytes.subarray(this.#start, this.#end);
    }
  }

  #find(field: number, type?: number): boolean {
    for (let at = 0; at < this.#bytes.length;) {
      at = this.#read(at);
      if (this.#field !== field) continue;
      if (type !== undefined && this.#type !== type) throw unexpected("a field of another type");
      return true;
    }
    return false;
  }

  /** Reads the head of the field at a position. Returns the position after the field. */
  #read(at: number): number {
    const start = this.#afterVarint(at);
    const tag = this.#smallVarint(at, start);
    this.#field = Math.floor(tag / 8);
    this.#type = tag % 8;
    this.#start = start;
    switch (this.#type) {
      case varint:
        this.#end = this.#afterVarint(start);
        break;
      case eightBytes:
        this.#end = start + 8;
        break;
      case lengthFirst:
        this.#start = this.#afterVarint(start);
        this.#end = this.#start + this.#smallVarint(start, this.#start);
        break;
      case fourBytes:
        this.#end = start + 4;
        break;
      default:
        throw unexpected("a field of an unknown type");
    }
    if (this.#end > this.#bytes.length) throw unexpected("a field that is cut off");
    return this.#end;
  }

  #afterVarint(start: number): number {
    let at = start;
    while (this.#bytes[at]! > 127) at++;
    if (at >= this.#bytes.length || at - start >= varintBytesMax) {
      throw unexpected("a number that is cut off or too long");
    }
    return at + 1;
  }

  #smallVarint(start: number, end: number): number {
    if (end - start > smallVarintBytes) throw unexpected("a length that is too high");
    let value = 0;
    for (let at = end - 1; at >= start; at--) value = value * 128 + (this.#bytes[at]! & 127);
    return value;
  }

  #big(start: number, end: number): bigint {
    let value = 0n;
    for (let at = end - 1; at >= start; at--) value = value << 7n | BigInt(this.#bytes[at]! & 127);
    return BigInt.asUintN(64, value);
  }
}
