/**
 * A client's connection to one server.
 *
 * @module
 */

import { type Address, formatAddress } from "../wire/address.ts";
import { DiallerHandshake } from "../auth/handshake.ts";
import type { Secret } from "../auth/secret.ts";
import type { Connection, Receiver } from "../net/connection.ts";
import { dial, type Tls } from "../net/dial.ts";
import { ClusterResetError, UnavailableError, UnknownOutcomeError } from "./errors.ts";
import type { ErrorCode, FrameError } from "../mensagem.ts";
import { type AnyMensagem, Mensagem, Status } from "../mensagem.ts";
import { answers, type Reply, type ReplyTo, type Request } from "./session.ts";

/** A client gives up on a connection that cannot be used after this time. */
export const connectTimeoutMs = 5_000;

/**
 * A connection on which nothing came for this time, though an answer was due, takes no more
 * requests once one of them has timed out.
 */
export const silentServerMs = 250;

/** Requests of one connection that were given up while their answers may still come. */
export const abandonedMax = 1_024;

/** How long a request may take, and who may give it up. Times are those of `performance.now()`. */
export interface Patience {
  /** When the caller asked. */
  readonly since: number;
  /** When the request must have left. */
  readonly sendBy: number;
  /** When the answer must be there. */
  readonly answerBy: number;
  /** Gives the request up. */
  readonly signal?: AbortSignal | undefined;
}

/** Waits for so many milliseconds from now, and for nothing else. */
export function within(ms: number): Patience {
  const since = performance.now();
  return { since, sendBy: since + ms, answerBy: since + ms };
}

/** A request without an answer. */
class InFlight {
  /** Until it is sent it can be given up without a trace. */
  sent = false;
  /** Nobody waits for the answer any more; it is dropped when it comes. */
  abandoned = false;
  /** Stops listening to the signal. */
  unlisten: (() => void) | undefined;

  constructor(
    readonly request: Request,
    readonly patience: Patience,
    readonly resolve: (reply: Reply) => void,
    readonly reject: (reason: unknown) => void,
  ) {}
}

/**
 * One connection that carries any number of requests at once.
 *
 * - A request is sent once and never again.
 * - Giving up one request, by its deadline or its signal, does no harm to the others: its answer is
 *   dropped when it comes. A connection that stays silent, or has too many such answers to come,
 *   is retired: it takes no more requests and ends with the last one under way.
 * - A server that answers what was not asked is given up: the connection ends, and all requests on
 *   it fail.
 * - Before the first PUT or GET leaves, the server has proved that it knows the password, where
 *   there is one, and has said which cluster it belongs to.
 */
export class ServerConnection implements Receiver {
  /** "ip:port" of the server. */
  readonly server: string;
  /** Resolves when the connection is gone. */
  readonly ended: Promise<void>;

  readonly #belongs: (cluster: string) => boolean;
  readonly #ending = new AbortController();
  #connection: Connection | undefined;
  /**
   * "connecting": nothing is sent but proofs. "checking": only STATUS is. "open": all is. "failed":
   * it is over. It only moves forward.
   */
  #state: "connecting" | "checking" | "open" | "failed" = "connecting";
  #retired = false;
  /** The server belongs to another cluster. */
  #foreign = false;
  /** While the server has not accepted this client's proof. */
  #handshake: DiallerHandshake | undefined;
  /** Requests without an answer, by id, the abandoned ones included. Empty once it has failed. */
  readonly #inFlight = new Map<number, InFlight>();
  #abandoned = 0;
  #nextId = 1;
  /** Since when an answer is due on a connection on which nothing comes, 0 where none is. */
  #silentSince = 0;
  /** One timer, for the earliest deadline of all; `#timerAt` never lies after that. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;

  /**
   * Begins to connect, encrypted where `tls` is given, and to prove that it knows the password
   * where there is one. `belongs` tells whether a cluster is the one that the client knows; any is
   * where it is left out.
   */
  constructor(
    address: Address,
    belongs?: (cluster: string) => boolean,
    password?: Promise<Secret | undefined>,
    tls?: Tls,
  ) {
    this.server = formatAddress(address);
    this.#belongs = belongs ?? (() => true);
    this.ended = this.#run(address, password, tls);
  }

  /** True while it takes requests. */
  get usable(): boolean {
    return this.#state !== "failed" && !this.#retired && (this.#connection?.open ?? true);
  }

  /** True while the server has shown that it is there: it answers, or has not had to yet. */
  get alive(): boolean {
    return this.#state === "open" && this.usable;
  }

  /**
   * Sends the request that `make` makes of an id, and resolves with its answer.
   *
   * @throws {UnavailableError} where it is certain that nothing was written.
   * @throws {UnknownOutcomeError} where that is not certain, also where the signal is aborted after
   * a PUT was sent. `cause` is then what the signal gives as the reason.
   * @throws {ClusterResetError} where the server belongs to another cluster.
   * @throws what the signal gives as the reason, where it is aborted and nothing was written.
   */
  request<R extends Request>(make: (id: number) => R, patience: Patience): Promise<ReplyTo<R>> {
    return new Promise<Reply>((resolve, reject) => {
      const { signal } = patience;
      signal?.throwIfAborted();
      if (!this.usable) throw new UnavailableError(this.server, "the connection was lost");
      const request = make(this.#nextId++);
      if (this.#foreign && request.type !== "STATUS") throw new ClusterResetError(this.server);
      const inFlight = new InFlight(request, patience, resolve, reject);
      if (signal !== undefined) {
        const abandon = () => this.#abandon(inFlight, signal.reason);
        signal.addEventListener("abort", abandon);
        inFlight.unlisten = () => signal.removeEventListener("abort", abandon);
      }
      this.#inFlight.set(request.id, inFlight);
      if (this.#maySend(request)) this.#send(inFlight);
      this.#watch(inFlight.sent ? patience.answerBy : patience.sendBy);
    }) as Promise<ReplyTo<R>>; // `answers` has seen to that
  }

  /** Ends the connection. Requests without an answer fail. */
  close(): void {
    this.#fail("the client was closed");
  }

  /** Nothing to wait for. */
  begin(): void {}

  /** Takes an answer. */
  receive(line: string): void | Promise<void> {
    this.#silentSince = 0;
    try {
      return this.#take(line);
    } catch (error) {
      this.#broken(error as Error);
    }
  }

  /** Nothing to do. */
  end(): void {}

  /** The server sends what is no answer. */
  fail(failure: FrameError): void {
    this.#broken(failure);
  }

  async #run(
    address: Address,
    password: Promise<Secret | undefined> | undefined,
    tls: Tls | undefined,
  ): Promise<void> {
    const giveUp = () => {
      if (this.#state !== "open") this.#fail(`no connection within ${connectTimeoutMs} ms`);
    };
    const timer = setTimeout(giveUp, connectTimeoutMs);
    try {
      const secret = await password;
      const { signal } = this.#ending;
      signal.throwIfAborted();
      this.#connection = await dial(address, signal, tls);
      if (secret === undefined) this.#check(this.#connection);
      else {
        this.#handshake = new DiallerHandshake(secret, "client");
        this.#connection.send(this.#handshake.hello.encode());
      }
      await this.#connection.run(this);
      this.#fail("the connection was lost");
    } catch (cause) {
      this.#fail((cause as Error).message, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks which cluster the server belongs to: until it has answered only STATUS is sent. */
  #check(connection: Connection): void {
    this.#state = "checking";
    const request = new Status(0); // an id that no other request has
    const resolve = (reply: Reply) => {
      this.#foreign = reply.type === "STATUS_OK" && !this.#belongs(reply.cluster);
      this.#open();
    };
    // A server that does not know this question has no cluster id either.
    const reject = () => this.#open();
    const patience = { since: performance.now(), sendBy: Infinity, answerBy: Infinity };
    const inFlight = new InFlight(request, patience, resolve, reject);
    inFlight.sent = true;
    this.#inFlight.set(request.id, inFlight);
    connection.send(request.encode());
    this.#sendWaiting();
  }

  #open(): void {
    if (this.#state !== "checking") return;
    this.#state = "open";
    if (this.#foreign) {
      for (const inFlight of [...this.#inFlight.values()]) {
        if (inFlight.sent) continue;
        this.#settle(inFlight);
        inFlight.reject(new ClusterResetError(this.server));
      }
    }
    this.#sendWaiting();
  }

  #maySend({ type }: Request): boolean {
    return this.#state === "open" || (this.#state === "checking" && type === "STATUS");
  }

  #sendWaiting(): void {
    for (const inFlight of this.#inFlight.values()) {
      if (!inFlight.sent && this.#maySend(inFlight.request)) this.#send(inFlight);
    }
  }

  #send(inFlight: InFlight): void {
    inFlight.sent = true;
    this.#silentSince ||= inFlight.patience.since;
    this.#connection!.send(inFlight.request.encode());
  }

  /** Throws where the line is no answer to anything that was asked. */
  #take(line: string): void | Promise<void> {
    const reply = Mensagem.decode(line);
    if (this.#handshake !== undefined) return this.#takeProof(reply, this.#handshake);
    const inFlight = "id" in reply && reply.id !== undefined
      ? this.#inFlight.get(reply.id)
      : undefined;
    if (inFlight === undefined || !inFlight.sent) {
      throw new Error(reply.type === "ERROR" ? `${reply.code}: ${reply.message}` : reply.type);
    }
    const { request, abandoned, resolve, reject } = inFlight;
    if (!abandoned && reply.type !== "ERROR" && !answers(reply, request)) {
      throw new Error(`${reply.type} to a ${request.type}`);
    }
    this.#settle(inFlight);
    if (abandoned) return;
    if (reply.type !== "ERROR") resolve(reply as Reply);
    else if (reply.code === "UNKNOWN_OUTCOME" && request.type === "PUT") {
      reject(new UnknownOutcomeError(this.server, reply.message));
    } else {
      const { code } = reply;
      reject(new UnavailableError(this.server, `${code}: ${reply.message}`, { code }));
    }
  }

  async #takeProof(reply: AnyMensagem, handshake: DiallerHandshake): Promise<void> {
    const step = await handshake.receive(reply);
    if (step.kind === "send") this.#connection!.send(step.message.encode());
    else if (step.kind === "refused") this.#fail(step.reason, { code: step.code });
    else {
      this.#handshake = undefined;
      this.#check(this.#connection!);
    }
  }

  /** Nothing more is due to this request. */
  #settle(inFlight: InFlight): void {
    this.#inFlight.delete(inFlight.request.id);
    if (inFlight.abandoned) this.#abandoned--;
    inFlight.unlisten?.();
    this.#endRetired();
  }

  /** Tells the caller, who does not wait any longer; an answer may still come. */
  #abandon(inFlight: InFlight, reason: unknown): void {
    const { request, sent, reject, unlisten } = inFlight;
    if (sent && request.type === "PUT") {
      const cause = { cause: reason };
      const message = reason instanceof Error ? reason.message : String(reason);
      reject(new UnknownOutcomeError(this.server, message, cause));
    } else reject(reason);
    if (!sent) return void this.#settle(inFlight);
    unlisten?.();
    inFlight.abandoned = true;
    if (++this.#abandoned >= abandonedMax) this.#retire();
    this.#endRetired();
  }

  /** Sets the timer for a deadline. */
  #watch(by: number): void {
    if (by >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = by;
    this.#timer = setTimeout(() => this.#expire(), Math.max(by - performance.now(), 0));
  }

  /** Gives up what is late. */
  #expire(): void {
    const now = performance.now();
    this.#timerAt = Infinity;
    let next = Infinity;
    let late = false;
    for (const inFlight of [...this.#inFlight.values()]) {
      if (inFlight.abandoned) continue;
      const { since, sendBy, answerBy } = inFlight.patience;
      const by = inFlight.sent ? answerBy : sendBy;
      if (by > now) {
        next = Math.min(next, by);
        continue;
      }
      late = true;
      const what = this.#connection === undefined ? "connection" : "answer";
      const reason = `no ${what} within ${Math.round(by - since)} ms`;
      this.#abandon(inFlight, new UnavailableError(this.server, reason));
    }
    const silent = this.#silentSince !== 0 && now - this.#silentSince >= silentServerMs;
    if (late && silent) this.#retire();
    if (next < Infinity && this.#state !== "failed") this.#watch(next);
  }

  #retire(): void {
    this.#retired = true;
    this.#endRetired();
  }

  #endRetired(): void {
    if (this.#retired && this.#abandoned === this.#inFlight.size) this.#fail("it was silent");
  }

  #broken(error: Error): void {
    this.#fail(`the server broke the protocol: ${error.message}`);
  }

  #fail(reason: string, options?: { code?: ErrorCode; cause?: unknown }): void {
    if (this.#state === "failed") return;
    this.#state = "failed";
    this.#ending.abort();
    this.#connection?.abort();
    clearTimeout(this.#timer);
    const lost = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const { request, sent, abandoned, reject, unlisten } of lost) {
      unlisten?.();
      if (abandoned) continue;
      reject(
        request.type === "PUT" && sent
          ? new UnknownOutcomeError(this.server, reason, options)
          : new UnavailableError(this.server, reason, options),
      );
    }
  }
}
