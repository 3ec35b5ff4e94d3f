/**
 * The requests of one connection that have no answer yet.
 *
 * @module
 */

import type { Deadlines } from "./deadlines.ts";
import { type KvError, UnavailableError, UnknownOutcomeError } from "./errors.ts";
import { onAbort } from "./on_abort.ts";
import type { Reply, Request } from "./requests.ts";

/** A request without an answer, and the promise of its caller. */
export class PendingRequest {
  /** The length of its key and value, in UTF-16 units. */
  readonly chars: number;
  /** When it was sent, `undefined` before that. If it is given up before, the server never sees it. */
  sentAt: number | undefined;
  /** Whether the caller has given it up. Its answer is then dropped when it comes. */
  abandoned = false;
  /** Stops listening to the caller's signal. */
  stopListening: (() => void) | undefined;

  /**
   * A request that is not sent yet. `resolve` and `reject` settle the caller's promise. `seen` is the
   * timestamp of the key that the caller has seen.
   */
  constructor(
    readonly request: Request,
    readonly deadlines: Deadlines,
    readonly resolve: (reply: Reply) => void,
    readonly reject: (reason: unknown) => void,
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
    return this.sent && this.request.type === "PUT";
  }

  /** Fails without an answer: with UnknownOutcomeError if a write may be applied. */
  fail(server: string, reason: unknown): void {
    if (!this.mayBeApplied) return this.reject(reason);
    const message = reason instanceof Error ? reason.message : String(reason);
    this.reject(new UnknownOutcomeError(server, message, { cause: reason }));
  }
}

/** The length of the key and the value of a request, in UTF-16 units. */
function charsOf(request: Request): number {
  if (request.type === "PUT") return request.key.length + request.value.length;
  return request.type === "GET" ? request.key.length : 0;
}

/**
 * The pending requests of one connection, by id.
 *
 * - A request that is given up before it is sent is gone at once.
 * - One that is given up later stays, abandoned, until its answer comes or the connection ends.
 */
export class PendingRequests {
  readonly #server: string;
  readonly #onGivenUp: () => void;
  readonly #byId = new Map<number, PendingRequest>();
  /** How many of `#byId` are abandoned. */
  #abandoned = 0;
  /** The length of the texts of all of `#byId`. */
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
    return this.#byId.size - this.#abandoned;
  }

  /** The length of the keys and values of all requests, abandoned ones included, in UTF-16 units. */
  get chars(): number {
    return this.#chars;
  }

  /** When the oldest of the sent requests was sent, `undefined` if there is none. */
  get oldestSentAt(): number | undefined {
    for (const { sentAt } of this.#byId.values()) if (sentAt !== undefined) return sentAt;
    return undefined;
  }

  /** The request with this id, `undefined` if there is none. */
  get(id: number): PendingRequest | undefined {
    return this.#byId.get(id);
  }

  /** All requests that are not sent yet, in the order in which they were added. */
  unsent(): PendingRequest[] {
    return [...this.#byId.values()].filter(({ sent }) => !sent);
  }

  /** Adds a request and listens to its signal. */
  add(pending: PendingRequest): void {
    const { request, deadlines: { signal } } = pending;
    this.#byId.set(request.id, pending);
    this.#chars += pending.chars;
    if (signal === undefined) return;
    pending.stopListening = onAbort(signal, () => this.#giveUp(pending, signal.reason));
  }

  /** Removes a request that was answered, or that needs no answer. */
  remove(pending: PendingRequest): void {
    if (!this.#byId.delete(pending.request.id)) return;
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
    for (const pending of [...this.#byId.values()]) {
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
    for (const pending of this.#byId.values()) pending.sentAt = undefined;
  }

  /** Fails all requests, and removes them. */
  failAll(reason: KvError): void {
    const lost = [...this.#byId.values()];
    this.#byId.clear();
    this.#abandoned = 0;
    this.#chars = 0;
    for (const pending of lost) {
      pending.stopListening?.();
      if (!pending.abandoned) pending.fail(this.#server, reason);
    }
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
