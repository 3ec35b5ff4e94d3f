/**
 * The PUTs that a leader has not answered yet.
 *
 * @module
 */

import { ErrorReply, Mensagem, type Put, PutOk } from "../mensagem.ts";
import { Fifo } from "../fifo.ts";
import type { Host, Link } from "./environment.ts";
import { assert } from "./invariant.ts";
import type { Tuning } from "./tuning.ts";

/** A PUT on its way through the leader. */
export interface PendingPut {
  /** Where the answer goes. */
  readonly link: Link;
  /** The id of the request. */
  readonly id: number;
  /** The request, `undefined` once it is stamped. */
  put: Put | undefined;
  /** The key once the request is stamped, in memory of its own; "" before. */
  key: string;
  /** The timestamp once the request is stamped; 0 before. */
  timestamp: number;
  /** "ip:port" of the original client, which may have asked a follower. */
  readonly client: string;
  /** The time by which it must be answered. */
  readonly deadline: number;
}

/**
 * Two queues: PUTs that wait for their timestamp, and stamped PUTs that wait for their commit.
 *
 * Both are first in, first out, because timestamps, commits and deadlines all rise. So a request
 * needs no map, no promise and no timer.
 */
export class PendingPuts {
  readonly #host: Pick<Host, "prints">;
  /** Not stamped, so certainly not applied. */
  readonly #waiting = new Fifo<PendingPut>();
  /** Invariant: the text of all #waiting, in UTF-16 units. */
  #waitingChars = 0;
  /** This many PUTs at the front of #waiting no longer share memory with the text that was read. */
  #detached = 0;
  /** Stamped and not committed. Invariant: their timestamps rise. */
  readonly #stamped = new Fifo<PendingPut>();
  /** This many PUTs at the front of #stamped were answered UNKNOWN_OUTCOME at their deadline. */
  #expired = 0;

  /** Empty queues, whose answers are printed by the host. */
  constructor(host: Pick<Host, "prints">) {
    this.#host = host;
  }

  /** PUTs in both queues. */
  get length(): number {
    return this.#waiting.length + this.#stamped.length;
  }

  /** PUTs without any answer. */
  get unanswered(): number {
    return this.length - this.#expired;
  }

  /** PUTs that wait for their timestamp. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The text of the PUTs that wait for their timestamp, in UTF-16 units. */
  get waitingChars(): number {
    return this.#waitingChars;
  }

  /** Why no further PUT is taken, `undefined` if one is. */
  whyFull(
    { outstandingPutsMax, waitingCharsMax }: Pick<Tuning, "outstandingPutsMax" | "waitingCharsMax">,
  ): string | undefined {
    if (this.length < outstandingPutsMax && this.#waitingChars < waitingCharsMax) return undefined;
    return `${this.length} PUTs are waiting already, try again later`;
  }

  /** Queues a PUT that cannot be stamped yet. */
  wait(pending: PendingPut): void {
    this.#waiting.push(pending);
    this.#waitingChars += chars(pending);
  }

  /** Takes the first PUT that waits for its timestamp. */
  nextWaiting(): PendingPut | undefined {
    const pending = this.#waiting.shift();
    if (pending === undefined) return undefined;
    this.#waitingChars -= chars(pending);
    if (this.#detached > 0) this.#detached--;
    return pending;
  }

  /** Queues a PUT that was just stamped. Its timestamp is higher than all before. */
  stamped(pending: PendingPut): void {
    this.#stamped.push(pending);
  }

  /** enunciado 5.e: answers every stamped PUT up to `timestamp`, which every in-sync server holds. */
  commit(timestamp: number): void {
    for (let first = this.#stamped.at(0); first !== undefined; first = this.#stamped.at(0)) {
      if (first.timestamp > timestamp) return;
      this.#stamped.shift();
      if (this.#expired > 0) {
        this.#expired--;
        continue;
      }
      const { link, id, key, client } = first;
      this.#host.prints.putOk(client, key, first.timestamp);
      link.send(new PutOk(id, key, first.timestamp).encode());
    }
  }

  /**
   * Answers the PUTs whose deadline has come, for the reason given. Stamped ones stay queued: they may
   * still be committed. PUTs that go on waiting may wait long, so they get memory of their own.
   */
  expire(now: number, reason: string): void {
    for (let late = this.#waiting.at(0); late !== undefined; late = this.#waiting.at(0)) {
      if (late.deadline > now) break;
      this.nextWaiting();
      late.link.send(new ErrorReply("UNAVAILABLE", `not applied: ${reason}`, late.id).encode());
    }
    for (let next = this.#waiting.at(this.#detached); next !== undefined;) {
      next.put = detached(next.put!);
      next = this.#waiting.at(++this.#detached);
    }
    for (let late = this.#stamped.at(this.#expired); late !== undefined;) {
      if (late.deadline > now) break;
      late.link.send(
        new ErrorReply("UNKNOWN_OUTCOME", `may be applied later: ${reason}`, late.id).encode(),
      );
      late = this.#stamped.at(++this.#expired);
    }
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken, for a leader at these timestamps.
   */
  checkInvariants(committed: number, stamped: number): void {
    let text = 0;
    for (let i = 0; i < this.#waiting.length; i++) text += chars(this.#waiting.at(i)!);
    assert(this.#waitingChars === text, `${text} characters wait, not ${this.#waitingChars}`);
    assert(this.#detached <= this.#waiting.length, "more PUTs are detached than are waiting");
    assert(this.#expired <= this.#stamped.length, "more PUTs have expired than are stamped");
    let last = committed;
    for (let i = 0; i < this.#stamped.length; i++) {
      const { timestamp } = this.#stamped.at(i)!;
      assert(timestamp > last && timestamp <= stamped, `PUT ${timestamp} comes after ${last}`);
      last = timestamp;
    }
  }
}

/** Why a PUT is late: too few servers have joined, are in sync, or have acknowledged it. */
export function whyLate(
  open: boolean,
  { size, serversInSync }: { readonly size: number; readonly serversInSync: number },
  { clusterSize, minInSync }: Pick<Tuning, "clusterSize" | "minInSync">,
): string {
  if (!open) return `the leader waits for all ${clusterSize} servers, ${1 + size} have joined`;
  return serversInSync >= minInSync
    ? "not every server in sync has acknowledged the writes in time"
    : `${serversInSync} of ${clusterSize} servers are in sync, and ${minInSync} must be`;
}

function chars({ put }: PendingPut): number {
  return put!.key.length + put!.value.length;
}

/** The same request in memory of its own, so that the text that was read can be freed. */
function detached(put: Put): Put {
  return put.sharesChunk() ? Mensagem.decode(put.encode().slice(0, -1)) as Put : put;
}
