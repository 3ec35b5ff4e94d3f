/**
 * A client's connection to one server.
 *
 * @module
 */

import { deferred } from "../deferred.ts";
import { type Address, formatAddress } from "../wire/address.ts";
import type { Secret } from "../auth/secret.ts";
import type { Connection, Receiver } from "../net/connection.ts";
import { dial, tlsError } from "../net/dial.ts";
import { dialTimeoutMs } from "../limits.ts";
import { type AnyMensagem, Mensagem, Status } from "../mensagem.ts";
import { dialFailure, failureOf, notThisProtocol, refusal } from "./classify.ts";
import { ConnectionEvents } from "./connection_events.ts";
import { ConnectionRoom } from "./connection_room.ts";
import { Introduction } from "./introduction.ts";
import { ConnectionWatches } from "./connection_watches.ts";
import type { Deadlines } from "./deadlines.ts";
import {
  AccessError,
  ClientClosedError,
  ClusterResetError,
  type KvError,
  ProtocolError,
  UnavailableError,
} from "./errors.ts";
import { abandonedMax, silentOpeningMs, silentServerMs } from "./silence.ts";
import { loopClock, type Watcher } from "./loop_clock.ts";
import { type Asker, PendingRequest, PendingRequests } from "./pending_requests.ts";
import type { ServerConnectionOptions } from "./access.ts";
import { answers, type Reply, type ReplyTo, type Request } from "./requests.ts";

/**
 * One connection that carries any number of requests at once.
 *
 * - A request is sent once and never again.
 * - Giving up one request, by its deadline or its signal, does no harm to the others. Its answer is
 *   dropped when it comes.
 * - A connection has room for a bounded number of requests ({@linkcode ConnectionRoom}). A caller
 *   with many requests asks `hasRoom` before each.
 * - A connection that stays silent, or has too many abandoned requests, is retired: it takes no more
 *   requests and ends when no caller waits any longer.
 * - An answer that fits no request breaks the protocol: the connection and all its requests fail.
 * - Before the first PUT or GET leaves, the server has proved that it knows the password, if there
 *   is one, and has said which cluster it belongs to.
 */
export class ServerConnection implements Receiver, Watcher {
  /** "ip:port" of the server. */
  readonly server: string;
  /** Resolves when the connection is open or has ended. Never rejects. */
  readonly opened: Promise<void>;
  /** Resolves with why the connection has ended, once its socket is closed. Never rejects. */
  readonly ended: Promise<KvError>;
  /** The watches on it. They are no requests: they have no deadline and take no room. */
  readonly watches: ConnectionWatches;
  readonly #options: ServerConnectionOptions;
  readonly #ending = new AbortController();
  readonly #opened = deferred<void>();
  #connection: Connection | undefined;
  /**
   * "connecting": only the handshake may be sent. "checking": STATUS and OBSERVE. "open": all requests.
   * "failed": nothing. The state only moves forward.
   */
  #state: "connecting" | "checking" | "open" | "failed" = "connecting";
  /** Why the connection has failed, `undefined` before that. */
  #failure: KvError | undefined;
  /** Whether it takes no more requests but still waits for answers. */
  #retired = false;
  /** Whether the server belongs to another cluster. */
  #foreign = false;
  /** Set until client and server have proved to each other that they know the password. */
  #introduction: Introduction | undefined;
  /** Empty once the connection has failed. */
  readonly #pending: PendingRequests;
  readonly #room: ConnectionRoom;
  /** No deadline of `#pending` is over before this time. `Infinity` if there is none. */
  #nextDeadline = Infinity;
  /** Whether it watches the clock. Invariant: true if a caller waits. */
  #watching = false;
  /** When it must be open. */
  readonly #openBy: number;
  readonly #events: ConnectionEvents;
  /** When something was received last, at first when it began to dial. */
  #heardAt = loopClock.now();

  /** Begins to connect. */
  constructor(address: Address, options: ServerConnectionOptions = {}) {
    this.server = formatAddress(address);
    this.#options = options;
    this.#pending = new PendingRequests(this.server, () => this.#requestGivenUp());
    this.#room = new ConnectionRoom(this.#pending);
    this.#events = new ConnectionEvents(options);
    const send = (text: string) => this.#connection!.send(text);
    this.watches = new ConnectionWatches(this.server, () => this.takeId(), send);
    this.opened = this.#opened.promise;
    this.#openBy = loopClock.now() + (options.connectTimeoutMs ?? dialTimeoutMs);
    this.#watch();
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

  /** Whether it has room for a request whose key and value have this length, in UTF-16 units. */
  hasRoom(chars: number): boolean {
    return this.#room.holds(chars);
  }

  /** The time for which answers were due and nothing came, in milliseconds, at `now`. */
  silentMs(now: number): number {
    const { oldestSentAt } = this.#pending;
    return oldestSentAt === undefined ? 0 : now - Math.max(this.#heardAt, oldestSentAt);
  }

  /** Takes no more requests. Ends when no caller waits any longer. */
  retire(): void {
    this.#retired = true;
    this.#endIfRetired();
  }

  /**
   * Sends a request and resolves with its answer. `make` gets the id of the request. A PUT_OK must
   * have a higher timestamp than `seen`, the highest that the caller has seen for the key.
   *
   * @throws {UnavailableError} if no write was applied, and none will be.
   * @throws {AccessError} if this client cannot use the server. No write was applied.
   * @throws {InvalidArgumentError} if the server does not take such a request. It was not applied.
   * @throws {ClientClosedError} if the connection was closed. No write was applied.
   * @throws {UnknownOutcomeError} if a write was sent and its outcome is unknown. Its `cause` is the
   * reason of the signal if that was aborted.
   * @throws {ClusterResetError} if the server belongs to another cluster.
   * @throws the signal's reason if it is aborted in any other case.
   */
  request<R extends Request>(
    make: (id: number) => R,
    deadlines: Deadlines,
    seen = 0,
  ): Promise<ReplyTo<R>> {
    return new Promise<Reply>((answered, failed) => {
      this.ask(make(this.takeId()), deadlines, { answered, failed }, seen);
    }) as Promise<ReplyTo<R>>; // `answers` has checked the type
  }

  /** The id of the next request. */
  takeId(): number {
    return this.#pending.takeId();
  }

  /**
   * Sends a request with the id of {@linkcode ServerConnection.takeId}. The asker gets the answer or
   * the error in a later turn.
   *
   * @throws what the connection knows at once; then nothing was sent, and the asker hears nothing.
   */
  ask(request: Request, deadlines: Deadlines, asker: Asker, seen = 0): void {
    deadlines.signal?.throwIfAborted();
    if (!this.usable) {
      throw this.#failure ?? new UnavailableError(this.server, "the connection was lost");
    }
    if (this.#foreign && request.type !== "STATUS") throw new ClusterResetError(this.server);
    const pending = new PendingRequest(request, deadlines, asker, seen);
    this.#pending.add(pending);
    if (this.#maySend(request)) this.#send(pending, deadlines.since);
    const by = pending.sent ? deadlines.answerBy : deadlines.sendBy;
    if (by < this.#nextDeadline) this.#nextDeadline = by;
    if (!this.#watching) this.#watch();
  }

  /** Ends the connection. Requests without an answer fail with this reason. */
  close(reason?: string): void {
    this.#fail(new ClientClosedError(reason));
  }

  /** Notes that bytes of the server have arrived. */
  begin(): void {
    this.#heardAt = loopClock.now();
  }

  /** Takes a line of the server. */
  receive(line: string): void | Promise<void> {
    this.#room.received(line.length);
    const startedAt = this.#events.beginLine();
    try {
      const message = Mensagem.decode(line);
      const taken = this.#take(message);
      if (message.type !== "EVENTS" || this.#state === "failed") return taken;
      return this.#events.pace(message, line.length, startedAt);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Tells the owner that there may be room. After a failure a tick does: then the cause is noted. */
  end(): void {
    if (this.#state !== "failed") this.#options.onRoom?.();
  }

  /** Ends the connection, because a line is no message, or neither an answer nor an event. */
  fail(cause: Error): void {
    if (this.#state !== "open") return this.#fail(notThisProtocol(this.server, cause));
    const reason = `the server broke the protocol: ${cause.message}`;
    this.#fail(new UnavailableError(this.server, reason, { cause }));
  }

  /** Gives up the requests whose deadline is over, and the connection if it is not open in time. */
  tick(due: number): boolean {
    const opening = this.#opening;
    const ms = this.#options.connectTimeoutMs ?? dialTimeoutMs;
    if (opening && this.#openBy <= due) this.#unavailable(`no connection within ${ms} ms`);
    if (this.#nextDeadline <= due) this.#expire(due);
    return this.#watching = this.#state !== "failed" && (opening || this.#pending.awaited > 0);
  }

  get #opening(): boolean {
    return this.#state === "connecting" || this.#state === "checking";
  }

  #watch(): void {
    this.#watching = true;
    loopClock.watch(this);
  }

  /** Connects, and receives until the end. Resolves with why it ended. */
  async #run(address: Address): Promise<KvError> {
    const { tls, password } = this.#options;
    try {
      const connection = this.#connection = await dial(address, this.#ending.signal, tls);
      this.#greet(connection, password);
      await connection.run(this);
      this.#unavailable("the connection was lost");
    } catch (cause) {
      // A server may refuse the client's certificate after the handshake.
      const refused = this.#state === "open" ? undefined : tlsError(cause);
      this.#fail(dialFailure(this.server, refused ?? cause));
    }
    return this.#failure!;
  }

  /** Sends the first message of a connection that was just made. */
  #greet(connection: Connection, secret: Secret | undefined): void {
    if (this.#state === "failed") return connection.abort(); // it was closed in the same turn
    // Reading never pauses, as between servers: the server sends no requests that could pile up.
    connection.betweenServers = true;
    // While a caller waits there is a timer, of the clock or of a watch. An observer has none.
    if (this.#options.onEvents === undefined) connection.unref();
    if (secret === undefined) return this.#check(connection);
    this.#introduction = new Introduction(this.server, secret, connection);
  }

  /** Asks which cluster the server belongs to. Until the answer only STATUS and OBSERVE are sent. */
  #check(connection: Connection): void {
    this.#state = "checking";
    const { belongs } = this.#options;
    const answered = (reply: Reply) => {
      this.#foreign = reply.type === "STATUS_OK" && belongs?.(reply.cluster) === false;
      this.#open();
    };
    const failed = (error: unknown) => {
      // A server that does not know STATUS has no cluster id either. One that refuses this client
      // must get no requests.
      const refused = error instanceof AccessError && !(error instanceof ProtocolError);
      if (refused) this.#fail(error);
      else this.#open();
    };
    const request = new Status(0); // no other request has this id
    const since = loopClock.now();
    const deadlines = { since, sendBy: Infinity, answerBy: Infinity };
    const pending = new PendingRequest(request, deadlines, { answered, failed });
    this.#pending.add(pending);
    this.#send(pending, since);
    this.#events.begin(() => this.takeId(), (text) => connection.send(text));
    this.#sendUnsent();
  }

  /** Sends the unsent requests. If the server belongs to another cluster, they fail instead. */
  #open(): void {
    if (this.#state !== "checking") return;
    this.#state = "open";
    this.#options.onOpen?.();
    this.#opened.resolve();
    if (!this.#foreign) {
      this.#sendUnsent();
      return this.watches.open();
    }
    const foreign = new ClusterResetError(this.server);
    for (const pending of this.#pending.unsent()) {
      this.#pending.remove(pending);
      pending.asker.failed(foreign);
    }
    this.watches.fail(foreign);
    this.#endIfRetired();
  }

  #maySend({ type }: Request): boolean {
    return this.#state === "open" || (this.#state === "checking" && type === "STATUS");
  }

  #sendUnsent(): void {
    const now = loopClock.now();
    for (const pending of this.#pending.unsent()) {
      if (this.#maySend(pending.request)) this.#send(pending, now);
    }
  }

  #send(pending: PendingRequest, now: number): void {
    pending.sentAt = now;
    this.#connection!.send(pending.request.encode());
  }

  /** Takes a message. Throws if it is neither an answer, an ERROR nor an event. */
  #take(reply: AnyMensagem): void | Promise<void> {
    if (this.#introduction !== undefined) return this.#introduce(reply, this.#introduction);
    const pending = "id" in reply && reply.id !== undefined
      ? this.#pending.get(reply.id)
      : undefined;
    if (pending === undefined || !pending.sent) return this.#takeUnasked(reply);
    const { request, seen, abandoned, asker } = pending;
    if (!abandoned && reply.type !== "ERROR" && !answers(reply, request, seen)) {
      throw new Error(`${reply.type} does not answer a ${request.type}`);
    }
    this.#pending.remove(pending);
    this.#endIfRetired();
    if (abandoned) return;
    if (reply.type !== "ERROR") asker.answered(reply as Reply);
    else asker.failed(failureOf(this.server, request, reply));
  }

  /** Takes changes, events, or the ERROR with which the server ends the connection. */
  #takeUnasked(reply: AnyMensagem): void {
    if (this.watches.take(reply) || this.#events.take(reply)) return;
    if (reply.type === "ERROR") {
      const { code, message } = reply;
      const reason = `the server ended the connection: ${code}: ${message}`;
      // The server ended an idle connection. It has not read what crossed this ERROR.
      if (code === "UNAVAILABLE") this.#pending.notRead();
      // What a server says later, about no request, does not show that it would refuse all.
      if (this.#state === "open" && !this.#events.isAbout(reply)) this.#unavailable(reason);
      else this.#fail(refusal(this.server, code, reason));
    } else throw new Error(`${reply.type} answers no request`);
  }

  async #introduce(reply: AnyMensagem, introduction: Introduction): Promise<void> {
    const result = await introduction.take(reply);
    if (this.#state === "failed" || result === undefined) return;
    if (result !== "proved") return this.#fail(result);
    this.#introduction = undefined;
    this.#check(this.#connection!);
  }

  #expire(due: number): void {
    const silentMs = this.silentMs(due);
    const what = this.#connection === undefined ? "connection" : "answer";
    const { late, next } = this.#pending.expire(due, what);
    this.#nextDeadline = next;
    const silent = this.#opening
      ? due - this.#heardAt >= silentOpeningMs
      : silentMs >= silentServerMs;
    if (late && silent) this.#retired = true;
    this.#endIfRetired();
  }

  #requestGivenUp(): void {
    this.#retired ||= this.#pending.abandoned >= Math.min(this.#room.awaitedMax, abandonedMax);
    this.#endIfRetired();
  }

  #endIfRetired(): void {
    const own = this.#state === "checking" ? 1 : 0; // the STATUS of `#check`
    if (this.#retired && this.#pending.awaited <= own) this.#unavailable("the server was silent");
  }

  #unavailable(reason: string): void {
    this.#fail(new UnavailableError(this.server, reason));
  }

  #fail(failure: KvError): void {
    if (this.#state === "failed") return;
    this.#options.onFailure?.(failure, this.#state === "open");
    this.#state = "failed";
    this.#failure = failure;
    this.#ending.abort();
    this.#connection?.abort();
    loopClock.unwatch(this);
    this.#opened.resolve();
    this.#pending.failAll(failure);
    this.watches.fail(failure);
  }
}
