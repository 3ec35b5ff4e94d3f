/**
 * PUT and GET: what they ask, and what the answers mean.
 *
 * @module
 */

import { Get, type GetOk, Put, type PutOk, type TryOther } from "../mensagem.ts";
import { LostError } from "./errors.ts";
import type { Call } from "./request_queue.ts";
import type { Reply, Request } from "./requests.ts";
import type { GetResult, PutResult } from "./results.ts";
import type { Session } from "./session.ts";
import { StaleAttempt } from "./stale_attempt.ts";

/** What a call asks, if each of its attempts is one request. */
export interface Operation<T> {
  /** The call. */
  readonly call: Call;
  /** The request of an attempt that begins now. */
  request(id: number): Request;
  /**
   * What the answer of a server to the last request means: the result, or that the server is behind.
   *
   * @throws {LostError} if what this client has seen was lost.
   */
  result(reply: Reply, server: string): T | StaleAttempt;
}

/** A write without a condition. */
export class PutOperation implements Operation<PutResult> {
  readonly #session: Session;
  readonly #key: string;
  readonly #value: string;

  /** Writes a value. */
  constructor(readonly call: Call, session: Session, key: string, value: string) {
    this.#session = session;
    this.#key = key;
    this.#value = value;
  }

  request(id: number): Put {
    return new Put(id, this.#key, this.#value);
  }

  result(reply: Reply, server: string): PutResult {
    const { timestamp } = reply as PutOk;
    this.#session.see(this.#key, timestamp);
    return { server, timestamp };
  }
}

/** A read at any server that has all that the session has seen of the key. */
export class GetOperation implements Operation<GetResult> {
  readonly #session: Session;
  readonly #key: string;
  /** The timestamp that the last request has carried. */
  #seen = 0;

  /** Reads a key. */
  constructor(readonly call: Call, session: Session, key: string) {
    this.#session = session;
    this.#key = key;
  }

  request(id: number): Get {
    this.#seen = this.#session.timestamp(this.#key);
    return new Get(id, this.#key, this.#seen, this.#session.atLeast);
  }

  result(reply: Reply, server: string): GetResult | StaleAttempt {
    const key = this.#key;
    const session = this.#session;
    const { timestamp } = reply as GetOk | TryOther;
    // Another request of this client may have seen something newer meanwhile.
    const newest = session.timestamp(key);
    if (reply.type === "GET_OK") {
      // Servers differ in their floors. One that says NULL has applied all that the request carried.
      const applied = reply.value === null ? Math.max(timestamp, this.#seen) : timestamp;
      if (applied < newest) return new StaleAttempt(key, newest, { server, timestamp });
      if (timestamp > newest) session.see(key, timestamp);
      return { server, value: reply.value, timestamp, seen: this.#seen };
    }
    if ((reply as TryOther).lost) throw new LostError(server, key, this.#seen);
    const seen = Math.max(newest, session.atLeast ?? 0);
    return new StaleAttempt(key, seen, { server, timestamp });
  }
}
