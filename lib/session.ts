/**
 * What a client remembers so that its reads never go back.
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
} from "./mensagem.ts";

/** What a client may ask. */
export type Request = Put | Get | Status | Fault;

/** The answers to requests. */
export type Reply = PutOk | GetOk | TryOther | StatusOk | FaultOk;

/** For each key the highest timestamp that a client has seen (enunciado 4, Observações). */
export class Session {
  /** None of them ever falls. A key that was never seen stands at 0 and is not in here. */
  readonly #seen = new Map<string, number>();
  /** The cluster that the timestamps belong to, "" before one is known. */
  #cluster = "";

  /** The timestamp that a GET of the key must carry. */
  timestamp(key: string): number {
    return this.#seen.get(key) ?? 0;
  }

  /**
   * Takes note of the cluster that a server belongs to, "" where it belongs to none yet. Returns
   * false where that is another one than before: the timestamps mean nothing there.
   */
  belongsTo(cluster: string): boolean {
    if (cluster === "") return true;
    if (this.#cluster === "") this.#cluster = cluster;
    return cluster === this.#cluster;
  }

  /**
   * Takes note of an answer: PUT_OK and GET_OK show a state, TRY_OTHER_SERVER_OR_LATER shows
   * nothing.
   */
  learn(reply: PutOk | GetOk | TryOther): void {
    switch (reply.type) {
      case "PUT_OK":
      case "GET_OK":
        if (reply.timestamp > this.timestamp(reply.key)) {
          this.#seen.set(reply.key, reply.timestamp);
        }
    }
  }
}

/** The answers to one kind of request. */
export type ReplyTo<R extends Request> = R extends Put ? PutOk
  : R extends Get ? GetOk | TryOther
  : R extends Fault ? FaultOk
  : StatusOk;

/** True where a server that keeps its word could have given that answer. */
export function answers(reply: AnyMensagem, request: Request): reply is Reply {
  if (request.type === "STATUS") return reply.type === "STATUS_OK";
  if (request.type === "FAULT") return reply.type === "FAULT_OK";
  if (!("key" in reply) || reply.key !== request.key) return false;
  if (request.type === "PUT") return reply.type === "PUT_OK";
  return reply.type === "TRY_OTHER_SERVER_OR_LATER" ||
    reply.type === "GET_OK" && reply.timestamp >= request.timestamp;
}
