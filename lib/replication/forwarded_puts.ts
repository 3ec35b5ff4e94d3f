/**
 * The PUTs that a follower has forwarded to its leader.
 *
 * @module
 */

import { ErrorReply, type PutOk } from "../mensagem.ts";
import type { Link } from "./environment.ts";

/** A PUT on its way to the leader. */
interface ForwardedPut {
  readonly link: Link;
  /** The id of the client's request. */
  readonly id: number;
  readonly deadline: number;
}

/**
 * The forwarded PUTs without an answer. Each is answered once: by the leader, at its deadline, or when
 * the connection to the leader is lost.
 */
export class ForwardedPuts {
  /** By the id used towards the leader. Invariant: ids and deadlines rise. */
  readonly #forwarded = new Map<number, ForwardedPut>();
  #nextId = 1;

  /** PUTs without an answer. */
  get size(): number {
    return this.#forwarded.size;
  }

  /** Adds a PUT. Returns the id to use towards the leader, which is never used again. */
  add(link: Link, id: number, deadline: number): number {
    const leaderId = this.#nextId++;
    this.#forwarded.set(leaderId, { link, id, deadline });
    return leaderId;
  }

  /** Answers the client's PUT that was forwarded under this id, unless it is answered already. */
  answer(leaderId: number, reply: (id: number) => PutOk | ErrorReply): void {
    const forwarded = this.#forwarded.get(leaderId);
    if (forwarded === undefined) return;
    this.#forwarded.delete(leaderId);
    forwarded.link.send(reply(forwarded.id).encode());
  }

  /** Answers the PUTs whose deadline has come. */
  expire(now: number): void {
    for (const [leaderId, { deadline }] of this.#forwarded) {
      if (deadline > now) break;
      this.answer(leaderId, (id) => unknownOutcome("the leader did not answer in time", id));
    }
  }

  /** The leader is lost: answers every PUT. */
  fail(): void {
    for (const leaderId of this.#forwarded.keys()) {
      this.answer(leaderId, (id) => unknownOutcome("the connection to the leader was lost", id));
    }
  }
}

function unknownOutcome(reason: string, id: number): ErrorReply {
  return new ErrorReply("UNKNOWN_OUTCOME", `may or may not be applied: ${reason}`, id);
}
