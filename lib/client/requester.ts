/**
 * How the calls of the library reach servers.
 *
 * @module
 */

import type { Secret } from "../auth/secret.ts";
import { List, Status, type StatusOk } from "../mensagem.ts";
import type { Tls } from "../net/dial.ts";
import { type Address, formatAddress } from "../wire/address.ts";
import { checkOptions, checkSignal, checkTimeout } from "./arguments.ts";
import { ConnectionTeller, type Tell } from "./client_events.ts";
import type { Deadlines } from "./deadlines.ts";
import {
  AccessError,
  ClientClosedError,
  ClusterResetError,
  LostError,
  ProtocolError,
  UnavailableError,
  UnknownOutcomeError,
} from "./errors.ts";
import { FirstAttempt } from "./first_attempt.ts";
import { loopClock } from "./loop_clock.ts";
import { type Call, RequestQueue } from "./request_queue.ts";
import type { Operation } from "./operations.ts";
import type { ReplyTo, Request } from "./requests.ts";
import type { RequestOptions } from "./results.ts";
import { type Attempt, RetryLoop } from "./retry.ts";
import { ServerConnection } from "./server_connection.ts";
import { type PooledServer, ServerPool } from "./server_pool.ts";
import { Session } from "./session.ts";
import { StaleAttempt } from "./stale_attempt.ts";
import { StatusRequests } from "./status_requests.ts";

/** For how long a client believes what a server that is behind has said about its cluster. */
const clusterCheckMs = 1_000;

/** The settings of a {@linkcode Requester}, checked. */
export interface RequesterOptions {
  /** How long a request may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether each request goes to one server only, and is never tried again. */
  readonly once: boolean;
  /** The password of clients. */
  readonly password: Secret | undefined;
  /** The certificates for TLS. */
  readonly tls: Tls | undefined;
  /** A source of random numbers from 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Tells the program what goes on, if it wants to know. */
  readonly tell?: Tell | undefined;
}

/** The servers of a client, its session, and the way from a call to an answer. */
export class Requester {
  /** The servers and the connections to them. */
  readonly pool: ServerPool;
  /** Where calls wait for a server with room. */
  readonly queue: RequestQueue;
  /** Goes on with calls whose first attempt has no result. */
  readonly retry: RetryLoop;
  /** What the client has seen. */
  readonly session: Session = new Session();
  /** A source of random numbers from 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Tells the program what goes on, if it wants to know. */
  readonly tell: Tell | undefined;
  readonly #timeoutMs: number;
  readonly #once: boolean;
  readonly #status = new StatusRequests((server, deadlines) =>
    this.ask(server, (id) => new Status(id), deadlines)
  );
  /** Whether servers that were behind belong to another cluster, and until when that is believed. */
  readonly #checks = new Map<PooledServer, { foreign: boolean; until: number }>();
  readonly #closing = new AbortController();

  /** A requester for these servers. It connects when it first asks. */
  constructor(addresses: readonly Address[], options: RequesterOptions) {
    const { timeoutMs, once, password, tls, random, tell } = options;
    this.#timeoutMs = timeoutMs;
    this.#once = once;
    this.random = random;
    this.tell = tell;
    const onRoom = () => this.queue.dispatch();
    const teller = tell === undefined ? undefined : new ConnectionTeller(tell);
    const connect = (address: Address) => {
      const server = formatAddress(address);
      const belongs = (cluster: string) => this.#belongs(cluster, server);
      const access = { belongs, password, tls, onRoom };
      return new ServerConnection(address, { ...access, ...teller?.options(server) });
    };
    this.pool = new ServerPool(addresses, connect, random);
    this.queue = new RequestQueue(this.pool);
    this.retry = new RetryLoop(this.pool, this.queue, this.#closing.signal, random, tell);
  }

  /** Is aborted with a {@linkcode ClientClosedError} when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * A call that begins now. `chars` is the length of its texts, `write` whether it may change something.
   *
   * @throws {InvalidArgumentError} if an option is wrong.
   */
  call(options: RequestOptions, chars = 0, write = false): Call {
    checkOptions(options);
    const { timeoutMs, signal } = options;
    checkSignal(signal);
    const since = loopClock.now();
    const ms = timeoutMs === undefined ? this.#timeoutMs : checkTimeout(timeoutMs);
    return { since, deadline: since + ms, write, chars, signal };
  }

  /** Runs a call whose every attempt is one request. `resolve` and `reject` settle the caller's promise. */
  begin<T>(
    operation: Operation<T>,
    resolve: (result: T | Promise<T>) => void,
    reject: (reason: unknown) => void,
  ): void {
    this.closing.throwIfAborted();
    if (this.#once || this.pool.refusals() !== undefined) {
      resolve(this.try(operation.call, this.attempt(operation)));
    } else this.queue.enter(new FirstAttempt(this, operation, resolve, reject));
  }

  /** The attempts of a call whose every attempt is one request. */
  attempt<T>(operation: Operation<T>): Attempt<T> {
    return async (server, deadlines) => {
      const make = (id: number) => operation.request(id);
      const reply =
        await (operation.call.write
          ? this.askWrite(server, make, deadlines)
          : this.ask(server, make, deadlines));
      const result = operation.result(reply, server.name);
      return result instanceof StaleAttempt
        ? await this.checked(result, server, deadlines)
        : result;
    };
  }

  /** Asks servers until an attempt succeeds, see {@linkcode RetryLoop.run}. */
  async try<T>(call: Call, attempt: Attempt<T>): Promise<T> {
    this.closing.throwIfAborted();
    if (!this.#once) return await this.retry.run(call, attempt);
    // enunciado 4.b, 4.c: the assignment's client asks one server, drawn at random.
    const drawn = this.pool.drawAny();
    const others = new Set(this.pool.servers.filter((server) => server !== drawn));
    const begin = (server: PooledServer) => attempt(server, onlyAttempt(call));
    const result = await (this.queue.begin(call, others, false, begin) ?? begin(drawn));
    if (!(result instanceof StaleAttempt)) return result;
    throw StaleAttempt.error([result], this.pool.servers.length === 1);
  }

  /** Sends a request to one server, and notes whether the server can be used. */
  async ask<R extends Request>(
    server: PooledServer,
    make: (id: number) => R,
    deadlines: Deadlines,
  ): Promise<ReplyTo<R>> {
    this.closing.throwIfAborted();
    const connection = this.pool.connection(server);
    const request = connection.request(make, deadlines);
    const reply = await this.noteFailure(server, connection, request);
    this.pool.noteAnswer(server, reply);
    return reply;
  }

  /** The same request. If it fails, that is noted for later calls. */
  async noteFailure<R>(
    server: PooledServer,
    connection: ServerConnection,
    request: Promise<R>,
  ): Promise<R> {
    try {
      return await request;
    } catch (error) {
      if (error instanceof UnavailableError && error.code !== undefined) {
        this.pool.noteRefused(server, { reason: error.message, code: error.code });
      }
      const failed = error instanceof UnavailableError || error instanceof UnknownOutcomeError ||
        error instanceof AccessError;
      // A ProtocolError on a live connection is about one kind of request, such as STATUS.
      const refused = error instanceof AccessError && !(error instanceof ProtocolError);
      if (failed && (refused || !connection.alive) && !this.#once) {
        this.pool.failed(server, connection, error);
      }
      throw error;
    }
  }

  /** Sends a write, and notes how long it took. */
  async askWrite<R extends Request>(
    server: PooledServer,
    make: (id: number) => R,
    deadlines: Deadlines,
  ): Promise<ReplyTo<R>> {
    const reply = await this.ask(server, make, deadlines);
    this.queue.putAnswered(deadlines.since);
    return reply;
  }

  /** The status of a server, in the time of a call. */
  async status(server: PooledServer, call: Call): Promise<StatusOk> {
    return await this.#status.ask(server, onlyAttempt(call));
  }

  /**
   * The outcome of an attempt at a server that is behind. `key` is what was read, `undefined` for a
   * list; `timestamp` is the server's own, and `seen` the client's.
   *
   * @throws {ClusterResetError} if the server belongs to another cluster.
   */
  behind(
    server: PooledServer,
    key: string | undefined,
    seen: number,
    timestamp: number,
    deadlines: Deadlines,
  ): Promise<StaleAttempt> {
    const stale = new StaleAttempt(key, seen, { server: server.name, timestamp });
    return this.checked(stale, server, deadlines);
  }

  /**
   * The same attempt, once it is certain that the server may catch up.
   *
   * @throws {ClusterResetError} if the server belongs to another cluster: it will never catch up.
   */
  async checked(
    stale: StaleAttempt,
    server: PooledServer,
    deadlines: Deadlines,
  ): Promise<StaleAttempt> {
    const known = this.#checks.get(server);
    let foreign = known !== undefined && loopClock.now() < known.until ? known.foreign : undefined;
    if (foreign === undefined) {
      foreign = await this.#isForeign(server, deadlines);
      this.#checks.set(server, { foreign, until: loopClock.now() + clusterCheckMs });
    }
    if (foreign) throw new ClusterResetError(server.name);
    return stale;
  }

  /**
   * Lets servers confirm what earlier leaders have shown to this client, before a read.
   *
   * @throws {LostError} if that was lost.
   */
  async confirmDoubtful(call: Call, forList: boolean): Promise<void> {
    const { session } = this;
    // Each is confirmed in turn, so there are as many as leaders in a session at most.
    for (let t = session.doubtful(forList); t !== undefined; t = session.doubtful(forList)) {
      const doubtful = t;
      await this.try(call, async (server, deadlines) => {
        const reply = await this.ask(server, (id) => probe(id, doubtful), deadlines);
        const { highest = 0 } = session;
        if (reply.type === "LIST_OK" && reply.timestamp >= highest) {
          return session.confirm(doubtful);
        }
        if ("lost" in reply && reply.lost) throw new LostError(server.name, undefined, doubtful);
        return await this.behind(server, undefined, highest, reply.timestamp, deadlines);
      });
    }
  }

  /** Ends all calls and connections. Resolves when all connections are closed. */
  async close(): Promise<void> {
    this.#closing.abort(new ClientClosedError());
    this.queue.close(this.#closing.signal.reason);
    await this.pool.close();
  }

  /** Whether a server's cluster is that of the session. */
  #belongs(cluster: string, server: string): boolean {
    const belongs = this.session.belongsTo(cluster);
    if (!belongs) this.tell?.({ type: "reset", server });
    return belongs;
  }

  async #isForeign(server: PooledServer, deadlines: Deadlines): Promise<boolean> {
    try {
      const { cluster } = await this.#status.ask(server, deadlines);
      return !this.#belongs(cluster, server.name);
    } catch (error) {
      // Without an answer the cluster stays unknown, and the caller gets the StaleError.
      if (error instanceof UnavailableError || error instanceof AccessError) return false;
      throw error;
    }
  }
}

/** Hardly any key comes after this one. */
const lastKey = "\u{10ffff}";

/** A LIST of nearly nothing: the answer tells whether a server has applied everything up to a timestamp. */
export function probe(id: number, atLeast: number): List {
  return new List(id, "", lastKey, 1, atLeast);
}

/** The deadlines of an attempt that may use all the time of its call. */
function onlyAttempt({ since, deadline, signal }: Call): Deadlines {
  return { since, sendBy: deadline, answerBy: deadline, signal };
}
