/**
 * The requests of a client, and which answers fit them.
 *
 * @module
 */

import type {
  AnyMensagem,
  Fault,
  FaultOk,
  Get,
  GetOk,
  Put,
  PutOk,
  Status,
  StatusOk,
  TryOther,
} from "../mensagem.ts";

/** A request that a client may send. */
export type Request = Put | Get | Status | Fault;

/** An answer to a request, other than an `ERROR`. */
export type Reply = PutOk | GetOk | TryOther | StatusOk | FaultOk;

/** The answers to one kind of request, other than an `ERROR`. */
export type ReplyTo<R extends Request> = R extends Put ? PutOk
  : R extends Get ? GetOk | TryOther
  : R extends Fault ? FaultOk
  : StatusOk;

/**
 * Whether a correct server could have given this answer to the request. The ids are not compared.
 *
 * - It has the right type and the same key.
 * - A write has a timestamp above 0, and a new one: higher than `seen`, what the caller had seen of
 *   the key before it sent the PUT.
 * - A value is not older than the GET allows.
 */
export function answers(reply: AnyMensagem, request: Request, seen = 0): reply is Reply {
  if (request.type === "STATUS") return reply.type === "STATUS_OK";
  if (request.type === "FAULT") return reply.type === "FAULT_OK";
  if (!("key" in reply) || reply.key !== request.key) return false;
  if (request.type === "PUT") return reply.type === "PUT_OK" && reply.timestamp > seen;
  if (reply.type === "TRY_OTHER_SERVER_OR_LATER") return true;
  if (reply.type !== "GET_OK" || reply.timestamp < request.timestamp) return false;
  return reply.timestamp > 0 || reply.value === null;
}
