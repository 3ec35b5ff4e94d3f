/**
 * The requests of one connection that have no answer yet.
 *
 * @module
 */

import type { Deadlines } from "./deadlines.ts";
import { type ServerErrorOptions, UnavailableError, UnknownOutcomeError } from "./errors.ts";
import type { Reply, Request } from "./requests.ts";

/** A request without an answer, and the promise of its caller. */
export class PendingRequest {
  /** Whether it has been sent. If it is given up before, the server never sees it. */
  sent = false;
  /** Whether the caller has given it up. Its answer is then dropped when it comes. */
  abandoned = false;
  /** Stops listening to the caller's signal. */
  stopListening: (() => void) | undefined;

  /** A request that is not sent yet. `resolve` and `reject` settle the caller's promise. */
  constructor(
    readonly request: Request,
    readonly deadlines: Deadlines,
    readonly resolve: (reply: Reply) => void,
    readonly reject: (reason: unknown) => void,
  ) {}

  /** Whether a write of this request may be applied although no answer has come. */
  get mayBeApplied(): boolean {
    return this.sent && this.request.type === "PUT";
  }

  /** Fails without an answer: with UnknownOutcomeError if a write may be applied. */
  fail(server: string, reason: string, options?: ServerErrorOptions): void {
    this.reject(
      this.mayBeApplied
        ? new UnknownOutcomeError(server, reason, options)
        : new UnavailableError(server, reason, options),
    );
  }
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

  /** No requests. `onGivenUp` is called after a caller has given one up. */
  constructor(server: string, onGivenUp: () => void) {
    this.#server = server;
    this.#onGivenUp = onGivenUp;
  }

  /** The number of abandoned requests. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** Whether no caller waits for an answer. */
  get idle(): boolean {
    return this.#abandoned === this.#byId.size;
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
    if (signal === undefined) return;
    const abort = () => this.#giveUp(pending, signal.reason);
    signal.addEventListener("abort", abort);
    pending.stopListening = () => signal.removeEventListener("abort", abort);
  }

  /** Removes a request that was answered, or that needs no answer. */
  remove(pending: PendingRequest): void {
    this.#byId.delete(pending.request.id);
    if (pending.abandoned) this.#abandoned--;
    pending.stopListening?.();
  }

  /**
   * Gives up all requests whose deadline is over. `what` names what they have waited for. Returns
   * whether there were any, and the next deadline, `Infinity` if there is none.
   */
  expire(now: number, what: "connection" | "answer"): { late: boolean; next: number } {
    let late = false;
    let next = Infinity;
    for (const pending of [...this.#byId.values()]) {
      if (pending.abandoned) continue;
      const { since, sendBy, answerBy } = pending.deadlines;
      const by = pending.sent ? answerBy : sendBy;
      if (by > now) {
        next = Math.min(next, by);
        continue;
      }
      late = true;
      const reason = `no ${what} within ${Math.round(by - since)} ms`;
      this.#giveUp(pending, new UnavailableError(this.#server, reason));
    }
    return { late, next };
  }

  /** Fails all requests, and removes them. */
  failAll(reason: string, options?: ServerErrorOptions): void {
    const lost = [...this.#byId.values()];
    this.#byId.clear();
    this.#abandoned = 0;
    for (const pending of lost) {
      pending.stopListening?.();
      if (!pending.abandoned) pending.fail(this.#server, reason, options);
    }
  }

  /** Fails a request at its deadline, or by its signal. An answer may still come. */
  #giveUp(pending: PendingRequest, reason: unknown): void {
    if (pending.mayBeApplied) {
      const message = reason instanceof Error ? reason.message : String(reason);
      pending.fail(this.#server, message, { cause: reason });
    } else pending.reject(reason);
    if (pending.sent) {
      pending.stopListening?.();
      pending.abandoned = true;
      this.#abandoned++;
    } else this.remove(pending);
    this.#onGivenUp();
  }
}
