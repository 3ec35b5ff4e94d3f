/**
 * The requests of a client, and which answers fit them.
 *
 * @module
 */

import type {
  AnyMensagem,
  Conflict,
  Fault,
  FaultOk,
  Get,
  GetLatest,
  GetOk,
  List,
  ListOk,
  Put,
  PutOk,
  Status,
  StatusOk,
  TryOther,
  WriteOk,
  WriteRequest,
} from "../mensagem.ts";
import { compareKeys } from "../wire/key_order.ts";

/** A request that a client may send. A WATCH is none: it has more than one answer. */
export type Request = Put | WriteRequest | Get | GetLatest | List | Status | Fault;

/** An answer to a request, other than an `ERROR`. */
export type Reply = PutOk | WriteOk | Conflict | GetOk | TryOther | ListOk | StatusOk | FaultOk;

/** The answers to one kind of request, other than an `ERROR`. */
export type ReplyTo<R extends Request> = R extends Put ? PutOk
  : R extends WriteRequest ? WriteOk | Conflict
  : R extends Get ? GetOk | TryOther
  : R extends GetLatest ? GetOk
  : R extends List ? ListOk | TryOther
  : R extends Fault ? FaultOk
  : StatusOk;

/** Whether the request may change what servers hold. If its outcome is unknown, it is never repeated. */
export function isWrite(request: Request): request is Put | WriteRequest {
  return request.type === "PUT" || request.type === "WRITE";
}

/** The length of the key and the value of a request, in UTF-16 units. */
export function charsOf(request: Request): number {
  switch (request.type) {
    case "PUT":
    case "WRITE":
      return request.key.length + (request.value?.length ?? 0);
    case "GET":
    case "GET_LATEST":
      return request.key.length;
    case "LIST":
      return request.prefix.length + (request.after?.length ?? 0);
    default:
      return 0;
  }
}

/**
 * Whether a correct server could have given this answer to the request. The ids are not compared.
 *
 * - It has the right type and the same key.
 * - A write has a timestamp above 0, and a new one: higher than `seen`, what the caller had seen of
 *   the key before it sent the PUT.
 * - A value is not older than the GET allows. A key that does not exist may stand at less: at the floor
 *   of that server.
 * - A conflict needs a condition that what it shows does not fulfil.
 * - A list is in order, begins after what it was asked for, and has everything that it claims.
 */
export function answers(reply: AnyMensagem, request: Request, seen = 0): reply is Reply {
  if (request.type === "STATUS") return reply.type === "STATUS_OK";
  if (request.type === "FAULT") return reply.type === "FAULT_OK";
  if (request.type === "LIST") {
    if (reply.type === "LIST_OK") return isPage(reply, request);
    return reply.type === "TRY_OTHER_SERVER_OR_LATER";
  }
  if (!("key" in reply) || reply.key !== request.key) return false;
  if (request.type === "PUT") return reply.type === "PUT_OK" && reply.timestamp > seen;
  if (request.type === "WRITE") {
    if (reply.type === "WRITE_OK") {
      // A deletion of a key that does not exist may write nothing.
      return reply.timestamp > seen || request.value === null;
    }
    return reply.type === "CONFLICT" && conflicts(reply, request);
  }
  if (reply.type === "TRY_OTHER_SERVER_OR_LATER") return request.type === "GET";
  if (reply.type !== "GET_OK") return false;
  if (reply.value === null) return true;
  return reply.timestamp > 0 && (request.type !== "GET" || reply.timestamp >= request.timestamp);
}

function conflicts({ value, timestamp }: Conflict, { expected }: WriteRequest): boolean {
  return expected !== undefined && (value === null ? 0 : timestamp) !== expected;
}

function isPage({ entries, more, timestamp }: ListOk, request: List): boolean {
  const { prefix, limit, atLeast = 0 } = request;
  if (timestamp < atLeast || (limit !== undefined && entries.length > limit)) return false;
  let { after } = request;
  for (const [key, , stamp] of entries) {
    if (!key.startsWith(prefix) || stamp > timestamp) return false;
    if (after !== undefined && compareKeys(key, after) <= 0) return false;
    after = key;
  }
  return !more || entries.length > 0;
}
