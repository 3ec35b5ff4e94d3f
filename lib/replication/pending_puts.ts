/**
 * The PUTs that a leader has not answered yet.
 *
 * @module
 */

import { ErrorReply, Mensagem, type Put, PutOk } from "../mensagem.ts";
import { Fifo } from "../fifo.ts";
import type { Host, Link } from "./environment.ts";

/** A PUT on its way through the leader. */
export interface PendingPut {
  /** Where the answer goes. */
  readonly link: Link;
  /** The request's. */
  readonly id: number;
  /** The request, while it waits to be applied. */
  put: Put | undefined;
  /** The key, from the time on when it is applied; "" before. It is no part of the chunk that came. */
  key: string;
  /** The timestamp of the write that was made of it; 0 before. */
  timestamp: number;
  /** "ip:port" of the client that asked first, perhaps through a follower. */
  readonly client: string;
  /** The time by which it must be answered. */
  readonly deadline: number;
}

/**
 * Two queues: PUTs that wait to be applied, and PUTs that are applied and wait for
 * acknowledgements.
 *
 * Everything is first in, first out, because timestamps, acknowledgements and deadlines all rise:
 * no map, no promise and no timer per request.
 */
export class PutWindow {
  readonly #host: Pick<Host, "prints">;
  /** Not written: certainly not applied. */
  readonly #waiting = new Fifo<PendingPut>();
  #waitingChars = 0;
  /** So many at the front of #waiting hold no text but their own. */
  #detached = 0;
  /** Applied at the leader, in the order of the timestamps. */
  readonly #applied = new Fifo<PendingPut>();
  /** So many at the front of #applied were told UNKNOWN_OUTCOME when their time ran out. */
  #expired = 0;

  /** An empty window whose answers are printed through the host's prints. */
  constructor(host: Pick<Host, "prints">) {
    this.#host = host;
  }

  /** PUTs in both queues. */
  get length(): number {
    return this.#waiting.length + this.#applied.length;
  }

  /** PUTs that nobody has been told anything about. */
  get unanswered(): number {
    return this.length - this.#expired;
  }

  /** PUTs that wait to be applied. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Text of the PUTs that wait to be applied, in UTF-16 units. */
  get waitingChars(): number {
    return this.#waitingChars;
  }

  /** Queues a PUT that cannot be applied yet. */
  wait(pending: PendingPut): void {
    this.#waiting.push(pending);
    this.#waitingChars += chars(pending);
  }

  /** Takes the first PUT that waits to be applied. */
  nextWaiting(): PendingPut | undefined {
    const pending = this.#waiting.shift();
    if (pending === undefined) return undefined;
    this.#waitingChars -= chars(pending);
    if (this.#detached > 0) this.#detached--;
    return pending;
  }

  /** Queues a PUT that the leader has applied. Its timestamp is higher than all before. */
  applied(pending: PendingPut): void {
    this.#applied.push(pending);
  }

  /** Answers every applied PUT up to `timestamp`: all in-sync servers hold it (enunciado 5.e). */
  commit(timestamp: number): void {
    for (let first = this.#applied.at(0); first !== undefined; first = this.#applied.at(0)) {
      if (first.timestamp > timestamp) return;
      this.#applied.shift();
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
   * Answers the PUTs whose time has run out with `why`. The applied ones stay: they may still be
   * committed. Those that go on waiting may wait long, and no longer keep the chunks that they came in.
   */
  expire(now: number, why: string): void {
    for (let late = this.#waiting.at(0); late !== undefined; late = this.#waiting.at(0)) {
      if (late.deadline > now) break;
      this.nextWaiting();
      late.link.send(new ErrorReply("UNAVAILABLE", `not applied: ${why}`, late.id).encode());
    }
    for (let kept = this.#waiting.at(this.#detached); kept !== undefined;) {
      kept.put = detached(kept.put!);
      kept = this.#waiting.at(++this.#detached);
    }
    for (let late = this.#applied.at(this.#expired); late !== undefined;) {
      if (late.deadline > now) break;
      late.link.send(
        new ErrorReply("UNKNOWN_OUTCOME", `may be applied later: ${why}`, late.id).encode(),
      );
      late = this.#applied.at(++this.#expired);
    }
  }
}

function chars({ put }: PendingPut): number {
  return put!.key.length + put!.value.length;
}

/** The same request in memory of its own, so that it can be kept without the chunk it came in. */
function detached(put: Put): Put {
  return put.sharesChunk() ? Mensagem.decode(put.encode().slice(0, -1)) as Put : put;
}
