/**
 * What a client remembers so that its reads never go back.
 *
 * @module
 */

import { SessionError } from "./errors.ts";
import { checkKey } from "../wire/validate.ts";
import { timestampMax } from "../limits.ts";
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

/** What a client may ask. */
export type Request = Put | Get | Status | Fault;

/** The answers to requests. */
export type Reply = PutOk | GetOk | TryOther | StatusOk | FaultOk;

/** A session as it may be stored: it goes into JSON and comes back as it was. */
export interface ExportedSession {
  /** The format. */
  readonly version: 1;
  /** The cluster that the timestamps belong to, "" where none is known. */
  readonly cluster: string;
  /** For each key that was seen the highest timestamp. */
  readonly timestamps: readonly (readonly [key: string, timestamp: number])[];
}

/** For each key the highest timestamp that a client has seen (enunciado 4, Observações). */
export class Session {
  /** None of them ever falls. A key that was never seen stands at 0 and is not in here. */
  readonly #seen = new Map<string, number>();
  /** The cluster that the timestamps belong to, "" before one is known. */
  #cluster = "";

  /** What was seen so far. */
  exported(): ExportedSession {
    return { version: 1, cluster: this.#cluster, timestamps: [...this.#seen] };
  }

  /**
   * Takes note of all that another session has seen. Nothing is taken over where something is
   * wrong.
   *
   * @throws {SessionError} where it is no exported session, or one of another cluster.
   */
  takeOver(exported: unknown): void {
    const { cluster, timestamps } = checkSession(exported);
    if (!this.belongsTo(cluster)) {
      throw new SessionError(`the session is of cluster "${cluster}", not of "${this.#cluster}"`);
    }
    for (const [key, timestamp] of timestamps) this.#see(key, timestamp);
  }

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
        this.#see(reply.key, reply.timestamp);
    }
  }

  #see(key: string, timestamp: number): void {
    if (timestamp > this.timestamp(key)) this.#seen.set(key, timestamp);
  }
}

/** Throws where it is none; takes nothing on trust. */
function checkSession(exported: unknown): ExportedSession {
  const refuse = (what: string): never => {
    throw new SessionError(`not an exported session: ${what}`);
  };
  if (typeof exported !== "object" || exported === null) {
    return refuse(`an object is expected, not ${JSON.stringify(exported)}`);
  }
  const { version, cluster, timestamps } = exported as Record<string, unknown>;
  if (version !== 1) return refuse(`"version" must be 1, not ${JSON.stringify(version)}`);
  if (typeof cluster !== "string" || !/^[\w-]{0,64}$/.test(cluster)) {
    return refuse(`"cluster" is no cluster id: ${JSON.stringify(cluster)}`);
  }
  if (!Array.isArray(timestamps)) return refuse(`"timestamps" must be a list`);
  for (const entry of timestamps) {
    const [key, timestamp] = Array.isArray(entry) && entry.length === 2 ? entry : [];
    if (typeof key !== "string" || !Number.isInteger(timestamp)) {
      return refuse(`"timestamps" holds ${JSON.stringify(entry)}, no pair of key and timestamp`);
    }
    if (timestamp < 0 || timestamp > timestampMax) {
      return refuse(`the timestamp of ${JSON.stringify(key)} cannot be ${timestamp}`);
    }
    try {
      checkKey(key);
    } catch (error) {
      return refuse((error as Error).message);
    }
  }
  return { version, cluster, timestamps };
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
