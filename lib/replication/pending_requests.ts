/**
 * The requests that a leader has not answered yet.
 *
 * @module
 */

import {
  ErrorReply,
  type GetLatest,
  Mensagem,
  type Put,
  PutOk,
  WriteOk,
  type WriteRequest,
} from "../mensagem.ts";
import { Fifo } from "../fifo.ts";
import type { Frames } from "../wire/frames.ts";
import type { Host, Link, ReplicationListener } from "./environment.ts";
import { assert } from "./invariant.ts";
import type { Tuning } from "./tuning.ts";

/** A request that only the leader can answer. */
export type OrderedRequest = Put | WriteRequest | GetLatest;

/** The answer to a request that makes no write. */
export interface Decision {
  /** The answer. */
  readonly frame: Frames;
  /** Tells a listener of the answer to a WRITE when it is sent. Keeps no memory of the request. */
  readonly tell?: (listener: ReplicationListener, client: string) => void;
}

/** A request on its way through the leader. */
export interface PendingRequest {
  /** Where the answer goes. */
  readonly link: Link;
  /** The id of the request. */
  readonly id: number;
  /** Whether it is a PUT, whose answer is printed. */
  readonly isPut: boolean;
  /** The request, `undefined` once it is stamped or decided. */
  request: OrderedRequest | undefined;
  /** The key once the request is stamped, in memory of its own; "" before. */
  key: string;
  /**
   * The timestamp of the write that it waits for: its own once it is stamped, or the newest one before
   * it once it is decided; 0 before.
   */
  timestamp: number;
  /** The answer of a request that makes no write, once it is decided; `undefined` of a write. */
  answer: Decision | undefined;
  /** "ip:port" of the original client, which may have asked a follower. */
  readonly client: string;
  /** The time by which it must be answered. */
  readonly deadline: number;
}

/**
 * Two queues: requests that wait for their place in the order of all writes, and those that have it and
 * wait for a commit.
 *
 * Both are first in, first out, because timestamps, commits and deadlines all rise. So a request
 * needs no map, no promise and no timer.
 */
export class PendingRequests {
  readonly #host: Pick<Host, "prints" | "listener">;
  /** Without a place, so certainly not applied. */
  readonly #waiting = new Fifo<PendingRequest>();
  /** Invariant: the text of all #waiting, in UTF-16 units. */
  #waitingChars = 0;
  /** This many requests at the front of #waiting no longer share memory with the text that was read. */
  #detached = 0;
  /** Not committed. Invariant: their timestamps rise, and those of writes rise strictly. */
  readonly #placed = new Fifo<PendingRequest>();
  /** This many requests at the front of #placed were answered at their deadline. */
  #expired = 0;

  /** Empty queues, whose answers are printed by the host. */
  constructor(host: Pick<Host, "prints" | "listener">) {
    this.#host = host;
  }

  /** Requests in both queues. */
  get length(): number {
    return this.#waiting.length + this.#placed.length;
  }

  /** Requests without any answer. */
  get unanswered(): number {
    return this.length - this.#expired;
  }

  /** Requests that wait for their place. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The text of the requests that wait for their place, in UTF-16 units. */
  get waitingChars(): number {
    return this.#waitingChars;
  }

  /** Why no further request is taken, `undefined` if one is. */
  whyFull(
    { outstandingPutsMax, waitingCharsMax }: Pick<Tuning, "outstandingPutsMax" | "waitingCharsMax">,
  ): string | undefined {
    if (this.length < outstandingPutsMax && this.#waitingChars < waitingCharsMax) return undefined;
    return `${this.length} PUTs are waiting already, try again later`;
  }

  /** Queues a request that cannot have its place yet. */
  wait(pending: PendingRequest): void {
    this.#waiting.push(pending);
    this.#waitingChars += chars(pending);
  }

  /** Takes the first request that waits for its place. */
  nextWaiting(): PendingRequest | undefined {
    const pending = this.#waiting.shift();
    if (pending === undefined) return undefined;
    this.#waitingChars -= chars(pending);
    if (this.#detached > 0) this.#detached--;
    return pending;
  }

  /** Queues a request that was just stamped or decided. No timestamp before it is higher. */
  placed(pending: PendingRequest): void {
    this.#placed.push(pending);
  }

  /** Sends the answer to a request that makes no write. */
  answer({ link, client }: PendingRequest, { frame, tell }: Decision): void {
    if (this.#host.listener !== undefined) tell?.(this.#host.listener, client);
    link.send(frame);
  }

  /** enunciado 5.e: answers every request up to `timestamp`, which every in-sync server holds. */
  commit(timestamp: number): void {
    for (let first = this.#placed.at(0); first !== undefined; first = this.#placed.at(0)) {
      if (first.timestamp > timestamp) return;
      this.#placed.shift();
      if (this.#expired > 0) {
        this.#expired--;
        continue;
      }
      const { link, id, isPut, key, answer, client } = first;
      if (answer !== undefined) this.answer(first, answer);
      else if (isPut) {
        this.#host.prints.putOk(client, key, first.timestamp);
        link.send(new PutOk(id, key, first.timestamp).encode());
      } else {
        this.#host.listener?.writeOk(client, key, first.timestamp, true);
        link.send(new WriteOk(id, key, first.timestamp).encode());
      }
    }
  }

  /**
   * Answers the requests whose deadline has come, for the reason given. Those with a place stay queued:
   * their writes may still be committed. Those that go on waiting may wait long, so they get memory of
   * their own.
   */
  expire(now: number, reason: string): void {
    for (let late = this.#waiting.at(0); late !== undefined; late = this.#waiting.at(0)) {
      if (late.deadline > now) break;
      this.nextWaiting();
      late.link.send(notApplied(late.id, reason));
    }
    for (let next = this.#waiting.at(this.#detached); next !== undefined;) {
      next.request = detached(next.request!);
      next = this.#waiting.at(++this.#detached);
    }
    for (let late = this.#placed.at(this.#expired); late !== undefined;) {
      if (late.deadline > now) break;
      const { id, answer } = late;
      late.link.send(
        answer !== undefined
          ? notApplied(id, reason)
          : new ErrorReply("UNKNOWN_OUTCOME", `may be applied later: ${reason}`, id).encode(),
      );
      late.answer = undefined; // it may be long
      late = this.#placed.at(++this.#expired);
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
    assert(this.#detached <= this.#waiting.length, "more requests are detached than are waiting");
    assert(this.#expired <= this.#placed.length, "more requests have expired than have a place");
    let last = committed;
    for (let i = 0; i < this.#placed.length; i++) {
      const { timestamp, answer, request } = this.#placed.at(i)!;
      const rises = timestamp > last || (timestamp === last && timestamp > committed);
      assert(rises && timestamp <= stamped, `request ${timestamp} comes after ${last}`);
      assert(request === undefined, `request ${timestamp} has its place and is kept`);
      const strictly = timestamp > last || answer !== undefined || i < this.#expired;
      assert(strictly, `two writes have the timestamp ${timestamp}`);
      last = timestamp;
    }
  }
}

/** Why a request is late: too few servers have joined, are in sync, or have acknowledged it. */
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

/** The answer to a request that made and will make no write. */
export function notApplied(id: number, reason: string): string {
  return new ErrorReply("UNAVAILABLE", `not applied: ${reason}`, id).encode();
}

function chars({ request }: PendingRequest): number {
  const { key } = request!;
  return request!.type === "GET_LATEST" ? key.length : key.length + (request!.value?.length ?? 0);
}

/** The same request in memory of its own, so that the text that was read can be freed. */
function detached(request: OrderedRequest): OrderedRequest {
  return request.type !== "GET_LATEST" && request.sharesChunk()
    ? Mensagem.decode(request.encode().slice(0, -1)) as OrderedRequest
    : request;
}
