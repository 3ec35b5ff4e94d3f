/**
 * A fast decoder for the most frequent messages, by regular expression. It takes at most half the
 * time of JSON.parse and the checks.
 *
 * @module
 */

import { keyBytesMax, ttlMsMax, ttlMsMin, valueBytesMax } from "../limits.ts";
import { detached, Write } from "./encoded_write.ts";
import { LongValue, longValueChars } from "./long_value.ts";
import { Get, Put, PutOk, Replication, ReplicationOk, WriteOk, WriteRequest } from "./messages.ts";
import { address } from "./validate.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

// The spelling that `encode` produces, with plain keys and values. 15 digits fit a safe integer.
const getLine =
  /^\{"type":"GET","id":(0|[1-9]\d{0,14}),"key":"([ !#-[\]-~]+)","timestamp":(0|[1-9]\d{0,14})\}$/;
const getAtLeastLine =
  /^\{"type":"GET","id":(0|[1-9]\d{0,14}),"key":"([ !#-[\]-~]+)","timestamp":(0|[1-9]\d{0,14}),"atLeast":(0|[1-9]\d{0,14})\}$/;
const writeLine =
  /^\{"type":"WRITE","id":(0|[1-9]\d{0,14}),"key":"([ !#-[\]-~]+)","value":"([ !#-[\]-~]*)"(?:,"expected":(0|[1-9]\d{0,14}))?(?:,"ttlMs":([1-9]\d{3,9}))?(?:,"client":"([ !#-[\]-~]*)")?\}$/;
const writeOkLine =
  /^\{"type":"WRITE_OK","id":(0|[1-9]\d{0,14}),"key":"([ !#-[\]-~]+)","timestamp":(0|[1-9]\d{0,14})\}$/;
const putLine =
  /^\{"type":"PUT","id":(0|[1-9]\d{0,14}),"key":"([ !#-[\]-~]+)","value":"([ !#-[\]-~]*)"(?:,"client":"([ !#-[\]-~]*)")?\}$/;
const putOkLine =
  /^\{"type":"PUT_OK","id":(0|[1-9]\d{0,14}),"key":"([ !#-[\]-~]+)","timestamp":(0|[1-9]\d{0,14})\}$/;
const replicationLine =
  /^\{"type":"REPLICATION","key":"([ !#-[\]-~]+)","value":"([ !#-[\]-~]*)","timestamp":(0|[1-9]\d{0,14})\}$/;
const deletionLine =
  /^\{"type":"REPLICATION","key":"([ !#-[\]-~]+)","value":null,"timestamp":(0|[1-9]\d{0,14})\}$/;
const replicationOkLine = /^\{"type":"REPLICATION_OK","timestamp":(0|[1-9]\d{0,14})\}$/;
/** The start of a line with a value, up to that value. */
const longHead =
  /^\{"type":"(?:PUT","id":(0|[1-9]\d{0,14})|REPLICATION"),"key":"([ !#-[\]-~]+)","value":(?=")/;
/** What follows the value, up to the end of the line. */
const longPutTail = /(?<=")(?:,"client":"([ !#-[\]-~]*)")?\}$/;
const longReplicationTail = /(?<="),"timestamp":(0|[1-9]\d{0,14})\}$/;
/** No such tail is longer. */
const longTailCharsMax = 128;
const typeAt = '{"type":"'.length;
const putIdAt = '{"type":"PUT","id":'.length;
const writeIdAt = '{"type":"WRITE","id":'.length;
const writeAt = '{"type":"REPLICATION",'.length;
/** A longer line has a long value, is over a limit, or has more than the usual fields. */
const lineCharsMax = keyBytesMax + longValueChars + 256;
/** The length of the fields of an empty key and an empty value. */
const emptyFieldsChars = '"key":"","value":""'.length;

/**
 * The message in a line; `undefined` if the line is not spelled as `encode` spells it. Then it may
 * still be valid, and the general decoder must decide.
 *
 * @throws {MensagemError} if the client's address in a PUT is wrong.
 */
export function decodeFast(
  line: string,
): Get | Put | PutOk | Replication | ReplicationOk | WriteRequest | WriteOk | undefined {
  if (line.length > lineCharsMax) return undefined;
  if (line.startsWith("G", typeAt)) return decodeGet(line);
  if (line.startsWith("PUT_", typeAt)) return decodePutOk(line);
  if (line.startsWith("P", typeAt)) return decodePut(line);
  if (line.startsWith("R", typeAt)) return decodeReplication(line) ?? decodeReplicationOk(line);
  if (line.startsWith("WRITE", typeAt)) return decodeWrite(line) ?? decodeWriteOk(line);
  return undefined;
}

/**
 * The message in a line with a long value, which keeps the value's JSON as it came; `undefined` if the
 * general decoder must decide. `bytes` is the line in UTF-8, which this function copies from.
 *
 * @throws {MensagemError} if the client's address in a PUT is wrong.
 */
export function decodeLong(
  line: string,
  bytes: Uint8Array<ArrayBuffer>,
): Put | Replication | undefined {
  const head = longHead.exec(line);
  if (head === null || head[2]!.length > keyBytesMax) return undefined;
  const isPut = head[1] !== undefined;
  const tail = (isPut ? longPutTail : longReplicationTail).exec(line.slice(-longTailCharsMax));
  if (tail === null) return undefined;
  // What surrounds the value is ASCII.
  const [start, tailChars] = [head[0].length, tail[0].length];
  const value = longValue(
    line.slice(start, line.length - tailChars),
    bytes.subarray(start, bytes.length - tailChars),
  );
  if (value === undefined) return undefined;
  // The message's own copy of the key. `head[2]` is a slice that would keep the received chunk alive.
  const key = detached(head[2]!);
  if (!isPut) return Replication.of(key, value, Number(tail[1]));
  const id = Number(head[1]);
  const client = tail[1] === undefined ? undefined : address({ id }, "client", tail[1]);
  return new Put(id, key, value, client);
}

/** The value with this JSON; `undefined` if it is not a string, not long, or over a limit. */
function longValue(json: string, bytes: Uint8Array<ArrayBuffer>): LongValue | undefined {
  if (bytes.length - 2 > valueBytesMax) return undefined;
  let text: unknown;
  try {
    text = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof text !== "string" || text.length < longValueChars) return undefined;
  const isAscii = json.length === bytes.length;
  if (isAscii && text.length === json.length - 2) return new LongValue(text); // nothing is escaped
  if (!text.isWellFormed()) return undefined;
  const inner = bytes.subarray(1, -1);
  return LongValue.decoded(isAscii ? decoder.decode(inner) : inner.slice(), text);
}

function decodeGet(line: string): Get | undefined {
  const match = getLine.exec(line);
  if (match === null) return decodeGetAtLeast(line);
  if (match[2]!.length > keyBytesMax) return undefined;
  return new Get(Number(match[1]), match[2]!, Number(match[3]));
}

function decodeGetAtLeast(line: string): Get | undefined {
  const match = getAtLeastLine.exec(line);
  if (match === null || match[2]!.length > keyBytesMax) return undefined;
  return new Get(Number(match[1]), match[2]!, Number(match[3]), Number(match[4]));
}

function decodeWrite(line: string): WriteRequest | undefined {
  const match = writeLine.exec(line);
  if (match === null) return undefined;
  const [, digits, key, value, expected, ttl, client] = match as unknown as [
    string,
    string,
    string,
    string,
    string?,
    string?,
    string?,
  ];
  if (key.length > keyBytesMax || value.length >= longValueChars) return undefined;
  const ttlMs = ttl === undefined ? undefined : Number(ttl);
  if (ttlMs !== undefined && (ttlMs < ttlMsMin || ttlMs > ttlMsMax)) return undefined;
  const id = Number(digits);
  const start = writeIdAt + digits.length + 1;
  const fields = line.slice(start, start + emptyFieldsChars + key.length + value.length);
  const sender = client === undefined ? undefined : address({ id }, "client", client);
  const condition = expected === undefined ? undefined : Number(expected);
  return new WriteRequest(id, key, value, condition, ttlMs, sender, fields);
}

function decodeWriteOk(line: string): WriteOk | undefined {
  const match = writeOkLine.exec(line);
  if (match === null || match[2]!.length > keyBytesMax) return undefined;
  return new WriteOk(Number(match[1]), match[2]!, Number(match[3]));
}

function decodePut(line: string): Put | undefined {
  const match = putLine.exec(line);
  if (match === null) return undefined;
  const [, digits, key, value, client] = match as unknown as [
    string,
    string,
    string,
    string,
    string?,
  ];
  if (key.length > keyBytesMax || value.length >= longValueChars) return undefined;
  const id = Number(digits);
  const start = putIdAt + digits.length + 1;
  const fields = line.slice(start, start + emptyFieldsChars + key.length + value.length);
  const sender = client === undefined ? undefined : address({ id }, "client", client);
  return new Put(id, key, value, sender, fields);
}

function decodePutOk(line: string): PutOk | undefined {
  const match = putOkLine.exec(line);
  if (match === null || match[2]!.length > keyBytesMax) return undefined;
  return new PutOk(Number(match[1]), match[2]!, Number(match[3]));
}

function decodeReplication(line: string): Replication | undefined {
  const match = replicationLine.exec(line);
  if (match === null) return decodeDeletion(line);
  const [, key, value, timestamp] = match as unknown as [string, string, string, string];
  if (key.length > keyBytesMax || value.length >= longValueChars) return undefined;
  const text = `${line.slice(writeAt)}\n`;
  const write = Write.ofText(text, key.length, value.length, Number(timestamp));
  // The write's own copy of the key. `match[1]` is a slice that would keep the chunk alive.
  return new Replication(write.plainKey(), write);
}

function decodeDeletion(line: string): Replication | undefined {
  const match = deletionLine.exec(line);
  if (match === null || match[1]!.length > keyBytesMax) return undefined;
  return Replication.of(detached(match[1]!), null, Number(match[2]));
}

function decodeReplicationOk(line: string): ReplicationOk | undefined {
  const match = replicationOkLine.exec(line);
  return match === null ? undefined : new ReplicationOk(Number(match[1]));
}
