/**
 * The requests that a follower has forwarded to its leader.
 *
 * @module
 */

import { Conflict, type ErrorCode, ErrorReply, GetOk, PutOk, WriteOk } from "../mensagem.ts";
import type { Link } from "./environment.ts";
import { notApplied, type OrderedRequest } from "./pending_requests.ts";

/** The answer of a leader to a request that was carried out. */
export type Answer = PutOk | WriteOk | Conflict | GetOk;

/** A request on its way to the leader. */
interface ForwardedRequest {
  readonly link: Link;
  /** The id of the client's request. */
  readonly id: number;
  /** Whether the request only reads. */
  readonly reads: boolean;
  readonly deadline: number;
}

/**
 * The forwarded requests without an answer. Each is answered once: by the leader, at its deadline, or
 * when the connection to the leader is lost.
 */
export class ForwardedRequests {
  /** By the id used towards the leader. Invariant: ids and deadlines rise. */
  readonly #forwarded = new Map<number, ForwardedRequest>();
  #nextId = 1;

  /** Requests without an answer. */
  get size(): number {
    return this.#forwarded.size;
  }

  /** Adds a request. Returns the id to use towards the leader, which is never used again. */
  add(link: Link, { id, type }: Pick<OrderedRequest, "id" | "type">, deadline: number): number {
    const leaderId = this.#nextId++;
    this.#forwarded.set(leaderId, { link, id, reads: type === "GET_LATEST", deadline });
    return leaderId;
  }

  /** Passes the leader's answer on, unless the client's request is answered already. */
  answer(answer: Answer): void {
    const forwarded = this.#take(answer.id);
    forwarded?.link.send(withId(answer, forwarded.id).encode());
  }

  /** Passes the leader's refusal on, unless the client's request is answered already. */
  refused(leaderId: number, code: ErrorCode, message: string): void {
    const forwarded = this.#take(leaderId);
    forwarded?.link.send(new ErrorReply(code, message, forwarded.id).encode());
  }

  /** Answers the requests whose deadline has come. */
  expire(now: number): void {
    for (const [leaderId, { deadline }] of this.#forwarded) {
      if (deadline > now) break;
      this.#giveUp(leaderId, "the leader did not answer in time");
    }
  }

  /** The leader has answered all that it has read: no other request was applied. */
  notRead(reason: string): void {
    for (const [leaderId, { link, id }] of this.#forwarded) {
      this.#take(leaderId);
      link.send(notApplied(id, reason));
    }
  }

  /** The leader is lost: answers every request. */
  fail(): void {
    for (const leaderId of this.#forwarded.keys()) {
      this.#giveUp(leaderId, "the connection to the leader was lost");
    }
  }

  #giveUp(leaderId: number, reason: string): void {
    const { link, id, reads } = this.#take(leaderId)!;
    if (reads) return link.send(notApplied(id, reason));
    const message = `may or may not be applied: ${reason}`;
    link.send(new ErrorReply("UNKNOWN_OUTCOME", message, id).encode());
  }

  #take(leaderId: number): ForwardedRequest | undefined {
    const forwarded = this.#forwarded.get(leaderId);
    this.#forwarded.delete(leaderId);
    return forwarded;
  }
}

/** The same answer under the id of the client's request. */
function withId(answer: Answer, id: number): Answer {
  const { key, timestamp } = answer;
  switch (answer.type) {
    case "PUT_OK":
      return new PutOk(id, key, timestamp);
    case "WRITE_OK":
      return new WriteOk(id, key, timestamp);
    case "CONFLICT":
      return new Conflict(id, key, answer.value, timestamp);
    case "GET_OK":
      return new GetOk(id, key, answer.value, timestamp);
  }
}
