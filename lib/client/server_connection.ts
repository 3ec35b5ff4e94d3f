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
import {
  type AnyMensagem,
  type Events,
  type FrameError,
  Mensagem,
  Observe,
  Status,
} from "../mensagem.ts";
import { type Deadlines, DeadlineTimer } from "./deadlines.ts";
import { ClusterResetError, type ServerErrorOptions, UnavailableError } from "./errors.ts";
import { PendingRequest, PendingRequests } from "./pending_requests.ts";
import { answers, type Reply, type ReplyTo, type Request } from "./requests.ts";

/** A connection that is not open after this time is given up. */
export const connectTimeoutMs = 5_000;

/**
 * A connection is silent if an answer was due for this time and nothing came. A silent connection
 * takes no more requests once one of them has timed out.
 */
export const silentServerMs = 250;

/** The number of abandoned requests at which a connection takes no more requests. */
export const abandonedMax = 1_024;

/** What a client needs if servers ask for a password or TLS. */
export interface Access {
  /** The password of clients, if the servers ask for one. */
  readonly password?: Secret | Promise<Secret | undefined> | undefined;
  /** The certificates for TLS. Without them the connection is not encrypted. */
  readonly tls?: Tls | undefined;
}

/** How a client connects to a server. */
export interface ServerConnectionOptions extends Access {
  /** How long opening may take, in milliseconds. {@linkcode connectTimeoutMs} by default. */
  readonly connectTimeoutMs?: number;
  /**
   * Returns whether the client may use the cluster with this id, "" if the server has none yet. It
   * is called before the first PUT or GET is sent. Without it the client may use any cluster.
   */
  readonly belongs?: (cluster: string) => boolean;
  /** Receives the events of the server. If given, the connection observes the server. */
  readonly onEvents?: (events: Events) => void;
}

/**
 * One connection that carries any number of requests at once.
 *
 * - A request is sent once and never again.
 * - Giving up one request, by its deadline or its signal, does no harm to the others. Its answer is
 *   dropped when it comes.
 * - A connection that stays silent, or has too many abandoned requests, is retired: it takes no more
 *   requests and ends when no caller waits any longer.
 * - An answer that fits no request breaks the protocol: the connection ends and all its requests
 *   fail.
 * - Before the first PUT or GET leaves, the server has proved that it knows the password, if there
 *   is one, and has said which cluster it belongs to.
 *
 * It has more fields than most classes because it joins the parts that have their own states: the
 * socket, the handshake, the pending requests and the timer.
 */
export class ServerConnection implements Receiver {
  /** "ip:port" of the server. */
  readonly server: string;
  /** Resolves when the connection is open or has ended. Never rejects. */
  readonly opened: Promise<void>;
  /** Resolves with the reason when the connection has ended and its socket is closed. */
  readonly ended: Promise<string>;

  readonly #options: ServerConnectionOptions;
  readonly #ending = new AbortController();
  readonly #opened = Promise.withResolvers<void>();
  #connection: Connection | undefined;
  /**
   * "connecting": only the handshake may be sent. "checking": STATUS and OBSERVE. "open": all requests.
   * "failed": nothing. The state only moves forward.
   */
  #state: "connecting" | "checking" | "open" | "failed" = "connecting";
  /** Why the connection has failed, "" before that. */
  #reason = "";
  /** Whether it takes no more requests but still waits for answers. */
  #retired = false;
  /** Whether the server belongs to another cluster. */
  #foreign = false;
  /** Set until client and server have proved to each other that they know the password. */
  #handshake: DiallerHandshake | undefined;
  /** Empty once the connection has failed. */
  readonly #pending: PendingRequests;
  readonly #timer = new DeadlineTimer(() => this.#expire());
  #nextId = 1;
  /** The id of the OBSERVE, `undefined` if none was sent. */
  #observeId: number | undefined;
  /** When the first request after the last received line was begun, 0 if there is none. */
  #silentSince = 0;

  /** Begins to connect. */
  constructor(address: Address, options: ServerConnectionOptions = {}) {
    this.server = formatAddress(address);
    this.#options = options;
    this.#pending = new PendingRequests(this.server, () => this.#requestGivenUp());
    this.opened = this.#opened.promise;
    this.ended = this.#run(address);
  }

  /** "ip:port" of this end, `undefined` before it is connected. */
  get local(): string | undefined {
    return this.#connection?.local;
  }

  /** Whether it takes requests. They wait while it is not open yet. */
  get usable(): boolean {
    return this.#state !== "failed" && !this.#retired && (this.#connection?.open ?? true);
  }

  /** Whether the server has shown that it is there: the connection is open and not silent. */
  get alive(): boolean {
    return this.#state === "open" && this.usable;
  }

  /**
   * Sends a request and resolves with its answer. `make` gets the id of the request.
   *
   * @throws {UnavailableError} if no write was applied, and none will be.
   * @throws {UnknownOutcomeError} if a PUT was sent and its outcome is unknown. If the signal was
   * aborted, its reason is the `cause`.
   * @throws {ClusterResetError} if the server belongs to another cluster.
   * @throws the signal's reason if it is aborted in any other case.
   */
  request<R extends Request>(make: (id: number) => R, deadlines: Deadlines): Promise<ReplyTo<R>> {
    return new Promise<Reply>((resolve, reject) => {
      deadlines.signal?.throwIfAborted();
      if (!this.usable) {
        throw new UnavailableError(this.server, this.#reason || "the connection was lost");
      }
      const request = make(this.#nextId++);
      if (this.#foreign && request.type !== "STATUS") throw new ClusterResetError(this.server);
      const pending = new PendingRequest(request, deadlines, resolve, reject);
      this.#pending.add(pending);
      if (this.#maySend(request)) this.#send(pending);
      this.#timer.add(pending.sent ? deadlines.answerBy : deadlines.sendBy);
    }) as Promise<ReplyTo<R>>; // `answers` has checked the type
  }

  /** Ends the connection. Requests without an answer fail with this reason. */
  close(reason = "the client was closed"): void {
    this.#fail(reason);
  }

  /** Does nothing: lines need no preparation. */
  begin(): void {}

  /** Takes a line of the server. */
  receive(line: string): void | Promise<void> {
    this.#silentSince = 0;
    try {
      return this.#take(Mensagem.decode(line));
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Does nothing: each answer has been passed on already. */
  end(): void {}

  /** Ends the connection, because a line is no message, or neither an answer nor an event. */
  fail({ message }: FrameError | Error): void {
    this.#fail(`the server broke the protocol: ${message}`);
  }

  /** Connects, and receives until the end. Resolves with the reason of the end. */
  async #run(address: Address): Promise<string> {
    const { tls, password, connectTimeoutMs: timeoutMs = connectTimeoutMs } = this.#options;
    const giveUp = () => {
      if (this.#state !== "open") this.#fail(`no connection within ${timeoutMs} ms`);
    };
    const timer = setTimeout(giveUp, timeoutMs);
    try {
      const secret = await password;
      const { signal } = this.#ending;
      signal.throwIfAborted();
      const connection = this.#connection = await dial(address, signal, tls);
      this.#greet(connection, secret);
      await connection.run(this);
      this.#fail("the connection was lost");
    } catch (cause) {
      this.#fail((cause as Error).message, { cause });
    } finally {
      clearTimeout(timer);
    }
    return this.#reason;
  }

  /** Sends the first message of a connection that was just made. */
  #greet(connection: Connection, secret: Secret | undefined): void {
    if (this.#state === "failed") return connection.abort(); // it was closed in the same turn
    // Reading never pauses, as between servers: the server sends no requests that could pile up.
    connection.betweenServers = true;
    if (secret === undefined) return this.#check(connection);
    this.#handshake = new DiallerHandshake(secret, "client");
    connection.send(this.#handshake.hello.encode());
  }

  /** Asks which cluster the server belongs to. Until the answer only STATUS and OBSERVE are sent. */
  #check(connection: Connection): void {
    this.#state = "checking";
    const { belongs, onEvents } = this.#options;
    const resolve = (reply: Reply) => {
      this.#foreign = reply.type === "STATUS_OK" && belongs?.(reply.cluster) === false;
      this.#open();
    };
    // A server that does not know STATUS has no cluster id either.
    const reject = () => this.#open();
    const request = new Status(0); // no other request has this id
    const deadlines = { since: performance.now(), sendBy: Infinity, answerBy: Infinity };
    const pending = new PendingRequest(request, deadlines, resolve, reject);
    pending.sent = true;
    this.#pending.add(pending);
    connection.send(request.encode());
    if (onEvents !== undefined) {
      this.#observeId = this.#nextId++;
      connection.send(new Observe(this.#observeId).encode());
    }
    this.#sendUnsent();
  }

  /** Sends the unsent requests. If the server belongs to another cluster, they fail instead. */
  #open(): void {
    if (this.#state !== "checking") return;
    this.#state = "open";
    this.#opened.resolve();
    if (this.#foreign) {
      for (const pending of this.#pending.unsent()) {
        this.#pending.remove(pending);
        pending.reject(new ClusterResetError(this.server));
      }
      this.#endIfRetired();
    } else this.#sendUnsent();
  }

  #maySend({ type }: Request): boolean {
    return this.#state === "open" || (this.#state === "checking" && type === "STATUS");
  }

  #sendUnsent(): void {
    for (const pending of this.#pending.unsent()) {
      if (this.#maySend(pending.request)) this.#send(pending);
    }
  }

  #send(pending: PendingRequest): void {
    pending.sent = true;
    this.#silentSince ||= pending.deadlines.since;
    this.#connection!.send(pending.request.encode());
  }

  /** Takes a message. Throws if it is neither an answer, an ERROR nor an event. */
  #take(reply: AnyMensagem): void | Promise<void> {
    if (this.#handshake !== undefined) return this.#shakeHands(reply, this.#handshake);
    const pending = "id" in reply && reply.id !== undefined
      ? this.#pending.get(reply.id)
      : undefined;
    if (pending === undefined || !pending.sent) return this.#takeUnasked(reply);
    const { request, abandoned, resolve, reject } = pending;
    if (!abandoned && reply.type !== "ERROR" && !answers(reply, request)) {
      throw new Error(`${reply.type} does not answer a ${request.type}`);
    }
    this.#pending.remove(pending);
    this.#endIfRetired();
    if (abandoned) return;
    if (reply.type !== "ERROR") resolve(reply as Reply);
    else if (reply.code === "UNKNOWN_OUTCOME" && request.type === "PUT") {
      pending.fail(this.server, reply.message);
    } else {
      const { code } = reply;
      reject(new UnavailableError(this.server, `${code}: ${reply.message}`, { code }));
    }
  }

  /** Takes events, or the ERROR with which the server ends the connection. */
  #takeUnasked(reply: AnyMensagem): void {
    if (reply.type === "EVENTS" && reply.id === this.#observeId) this.#options.onEvents?.(reply);
    else if (reply.type === "ERROR") {
      this.#fail(`the server ended the connection: ${reply.code}: ${reply.message}`);
    } else throw new Error(`${reply.type} answers no request`);
  }

  async #shakeHands(reply: AnyMensagem, handshake: DiallerHandshake): Promise<void> {
    const step = await handshake.receive(reply);
    if (this.#state === "failed") return;
    if (step.kind === "send") this.#connection!.send(step.message.encode());
    else if (step.kind === "refused") this.#fail(step.reason, { code: step.code });
    else {
      this.#handshake = undefined;
      this.#check(this.#connection!);
    }
  }

  /** Gives up the requests whose deadline is over. */
  #expire(): void {
    const now = performance.now();
    const what = this.#connection === undefined ? "connection" : "answer";
    const { late, next } = this.#pending.expire(now, what);
    const silent = this.#silentSince !== 0 && now - this.#silentSince >= silentServerMs;
    if (late && silent) this.#retired = true;
    this.#endIfRetired();
    if (next < Infinity && this.#state !== "failed") this.#timer.add(next);
  }

  #requestGivenUp(): void {
    if (this.#pending.abandoned >= abandonedMax) this.#retired = true;
    this.#endIfRetired();
  }

  #endIfRetired(): void {
    if (this.#retired && this.#pending.idle) this.#fail("the server was silent");
  }

  #fail(reason: string, options?: ServerErrorOptions): void {
    if (this.#state === "failed") return;
    this.#state = "failed";
    this.#reason = reason;
    this.#ending.abort();
    this.#connection?.abort();
    this.#timer.clear();
    this.#opened.resolve();
    this.#pending.failAll(reason, options);
  }
}
