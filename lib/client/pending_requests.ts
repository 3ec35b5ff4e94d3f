/**
 * The requests of one connection that have no answer yet.
 *
 * @module
 */

import type { Deadlines } from "./deadlines.ts";
import { type KvError, UnavailableError, UnknownOutcomeError } from "./errors.ts";
import { onAbort } from "./on_abort.ts";
import { charsOf, isWrite, type Reply, type Request } from "./requests.ts";

/** Waits for the answer to a request. One of its methods is called, once. */
export interface Asker {
  /** Takes the answer. */
  answered(reply: Reply): void;
  /** Takes the error, or the signal's reason. */
  failed(reason: unknown): void;
}

/** A request without an answer, and its asker. */
export class PendingRequest {
  /** The length of its key and value, in UTF-16 units. */
  readonly chars: number;
  /** When it was sent, `undefined` before that. If it is given up before, the server never sees it. */
  sentAt: number | undefined;
  /** Whether the caller has given it up. Its answer is then dropped when it comes. */
  abandoned = false;
  /** Stops listening to the caller's signal. */
  stopListening: (() => void) | undefined;

  /** A request that is not sent yet. `seen` is the timestamp of the key that the caller has seen. */
  constructor(
    readonly request: Request,
    readonly deadlines: Deadlines,
    readonly asker: Asker,
    readonly seen = 0,
  ) {
    this.chars = charsOf(request);
  }

  /** Whether it has been sent. */
  get sent(): boolean {
    return this.sentAt !== undefined;
  }

  /** Whether a write of this request may be applied although no answer has come. */
  get mayBeApplied(): boolean {
    return this.sent && isWrite(this.request);
  }

  /** Fails without an answer: with UnknownOutcomeError if a write may be applied. */
  fail(server: string, reason: unknown): void {
    if (!this.mayBeApplied) return this.asker.failed(reason);
    const message = reason instanceof Error ? reason.message : String(reason);
    this.asker.failed(new UnknownOutcomeError(server, message, { cause: reason }));
  }
}

/** The first number of places. It doubles when they are taken. */
const placesFirst = 64;

/**
 * The pending requests of one connection, by id.
 *
 * - A request that is given up before it is sent is gone at once.
 * - One that is given up later stays, abandoned, until its answer comes or the connection ends.
 *
 * It is no `Map`: one that requests enter and leave makes a new table every few hundred requests, and
 * V8 links each old table to its successor. Once such a table is old, all later ones survive with the
 * requests in them, until all memory is collected.
 */
export class PendingRequests {
  readonly #server: string;
  readonly #onGivenUp: () => void;
  /** Invariant: a request is at its id modulo the length, which is a power of two. */
  #places: (PendingRequest | undefined)[] = new Array(placesFirst).fill(undefined);
  #size = 0;
  #nextId = 1;
  /** How many are abandoned. */
  #abandoned = 0;
  /** The length of the texts of all. */
  #chars = 0;

  /** No requests. `onGivenUp` is called after a caller has given one up. */
  constructor(server: string, onGivenUp: () => void) {
    this.#server = server;
    this.#onGivenUp = onGivenUp;
  }

  /** The number of abandoned requests. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** The number of requests that a caller waits for. */
  get awaited(): number {
    return this.#size - this.#abandoned;
  }

  /** The length of the keys and values of all requests, abandoned ones included, in UTF-16 units. */
  get chars(): number {
    return this.#chars;
  }

  /** When the oldest of the sent requests was sent, `undefined` if there is none. */
  get oldestSentAt(): number | undefined {
    return this.#inOrder().find(({ sent }) => sent)?.sentAt;
  }

  /** An id for the next request, higher than all before, so never 0. Its place is free. */
  takeId(): number {
    if (this.#size === this.#places.length) this.#double();
    const last = this.#places.length - 1;
    while (this.#places[this.#nextId & last] !== undefined) this.#nextId++;
    return this.#nextId++;
  }

  /** The request with this id, `undefined` if there is none. */
  get(id: number): PendingRequest | undefined {
    const pending = this.#places[id & (this.#places.length - 1)];
    return pending?.request.id === id ? pending : undefined;
  }

  /** All requests that are not sent yet, in the order in which they were added. */
  unsent(): PendingRequest[] {
    return this.#inOrder().filter(({ sent }) => !sent);
  }

  /** Adds a request, whose id no other has, and listens to its signal. */
  add(pending: PendingRequest): void {
    const { request, deadlines: { signal } } = pending;
    while (this.#places[request.id & (this.#places.length - 1)] !== undefined) this.#double();
    this.#places[request.id & (this.#places.length - 1)] = pending;
    this.#size++;
    this.#chars += pending.chars;
    if (signal === undefined) return;
    pending.stopListening = onAbort(signal, () => this.#giveUp(pending, signal.reason));
  }

  /** Removes a request that was answered, or that needs no answer. */
  remove(pending: PendingRequest): void {
    if (this.get(pending.request.id) !== pending) return;
    this.#places[pending.request.id & (this.#places.length - 1)] = undefined;
    this.#size--;
    this.#chars -= pending.chars;
    if (pending.abandoned) this.#abandoned--;
    pending.stopListening?.();
  }

  /**
   * Gives up all requests whose deadline is not after `due`. `what` names what they have waited for.
   * Returns whether there were any, and the next deadline, `Infinity` if there is none.
   */
  expire(due: number, what: "connection" | "answer"): { late: boolean; next: number } {
    let late = false;
    let next = Infinity;
    for (const pending of this.#inOrder()) {
      if (pending.abandoned) continue;
      const { since, sendBy, answerBy } = pending.deadlines;
      const by = pending.sent ? answerBy : sendBy;
      if (by > due) {
        next = Math.min(next, by);
        continue;
      }
      late = true;
      const reason = `no ${what} within ${Math.max(Math.round(by - since), 1)} ms`;
      this.#giveUp(pending, new UnavailableError(this.#server, reason));
    }
    return { late, next };
  }

  /** Notes that the server has not read any of the requests, and never will. */
  notRead(): void {
    for (const pending of this.#inOrder()) pending.sentAt = undefined;
  }

  /** Fails all requests, and removes them. */
  failAll(reason: KvError): void {
    const lost = this.#inOrder();
    this.#places.fill(undefined);
    this.#size = 0;
    this.#abandoned = 0;
    this.#chars = 0;
    for (const pending of lost) {
      pending.stopListening?.();
      if (!pending.abandoned) pending.fail(this.#server, reason);
    }
  }

  /** All requests, in the order in which they were added. */
  #inOrder(): PendingRequest[] {
    return this.#places.filter((pending) => pending !== undefined)
      .sort((a, b) => a.request.id - b.request.id);
  }

  #double(): void {
    const all = this.#inOrder();
    this.#places = new Array(this.#places.length * 2).fill(undefined);
    for (const one of all) this.#places[one.request.id & (this.#places.length - 1)] = one;
  }

  /** Fails a request at its deadline, or by its signal. An answer may still come. */
  #giveUp(pending: PendingRequest, reason: unknown): void {
    pending.fail(this.#server, reason);
    if (pending.sent) {
      pending.stopListening?.();
      pending.abandoned = true;
      this.#abandoned++;
    } else this.remove(pending);
    this.#onGivenUp();
  }
}
