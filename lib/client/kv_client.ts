/**
 * The client library: reads and writes at a cluster of servers. Its reads are monotonic, and it reads
 * its own writes.
 *
 * ```ts
 * import { KvClient } from "./kv_client.ts";
 *
 * await using client = new KvClient([
 *   { hostname: "127.0.0.1", port: 10097 },
 *   { hostname: "127.0.0.1", port: 10098 },
 *   { hostname: "127.0.0.1", port: 10099 },
 * ]);
 * await client.put("cor", "azul");
 * console.log((await client.get("cor")).value); // azul
 * ```
 *
 * @module
 */

import { Secret } from "../auth/secret.ts";
import { requestTimeoutMs } from "../limits.ts";
import { Get, Put, Status } from "../mensagem.ts";
import type { Tls } from "../net/dial.ts";
import type { Address } from "../wire/address.ts";
import {
  checkAccess,
  checkEntry,
  checkFlag,
  checkOptions,
  checkServers,
  checkSignal,
  checkTimeout,
} from "./arguments.ts";
import type { Deadlines } from "./deadlines.ts";
import {
  AccessError,
  ClientClosedError,
  ClusterResetError,
  InvalidArgumentError,
  KvError,
  ProtocolError,
  UnavailableError,
  UnknownOutcomeError,
} from "./errors.ts";
import { loopClock } from "./loop_clock.ts";
import { type Call, RequestQueue } from "./request_queue.ts";
import type { ReplyTo, Request } from "./requests.ts";
import type { GetResult, PutResult, RequestOptions, StatusResult } from "./results.ts";
import { type Attempt, RetryLoop } from "./retry.ts";
import { ServerConnection } from "./server_connection.ts";
import { type PooledServer, ServerPool } from "./server_pool.ts";
import { type ExportedSession, Session } from "./session.ts";
import { StaleAttempt } from "./stale_attempt.ts";
import { StatusRequests } from "./status_requests.ts";

export type { ErrorCode, FollowerStatus, ServerStatus } from "../mensagem.ts";
export type { Tls } from "../net/dial.ts";
export { type Address, parseAddress } from "../wire/address.ts";
export { requestTimeoutMsMax } from "./arguments.ts";
export * from "./errors.ts";
export type {
  GetResult,
  PutResult,
  ReachableServer,
  RequestOptions,
  StatusResult,
  UnreachableServer,
} from "./results.ts";
export type { ExportedSession } from "./session.ts";

/** For how long a client believes what a server that is behind has said about its cluster. */
const clusterCheckMs = 1_000;

/** The options of a client. */
export interface KvClientOptions {
  /**
   * How long a request may take, with all its attempts, in milliseconds. 4,800 by default, at most
   * {@linkcode requestTimeoutMsMax}.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether each request goes to one server only, drawn at random of all, and is never tried again.
   * `false` by default: the client asks another server if that is safe.
   */
  readonly once?: boolean;
  /**
   * What another client has seen: the result of {@linkcode KvClient.exportSession}, perhaps read from
   * JSON. This client then reads nothing older.
   */
  readonly session?: unknown;
  /**
   * The password of clients, if the servers ask for one. Client and servers prove to each other that
   * they know it; it is never sent.
   */
  readonly password?: string;
  /**
   * The certificates for TLS. If given, all connections are encrypted, and the servers' certificates
   * must be signed by its CA.
   */
  readonly tls?: Tls;
  /**
   * A source of random numbers from 0 to 1, 1 excluded. The client uses it to choose servers and the
   * length of pauses. `Math.random` by default.
   */
  readonly random?: () => number;
}

/**
 * A client of the cluster.
 *
 * - Monotonic reads: it never returns a value older than one that it has returned for that key.
 * - Read your writes: once a PUT is acknowledged, it never returns an older value of that key.
 * - A GET is tried at other servers until its deadline, with growing pauses between the rounds.
 * - A PUT is tried again only if it is certain that it was not applied. A PUT whose outcome is
 *   unknown is never repeated.
 * - It keeps one connection to each server, made when first needed, for any number of requests at
 *   once. For a short time it sends nothing to a server that has failed.
 *
 * Requests that are made without waiting for each other may be carried out in any order.
 */
export class KvClient implements AsyncDisposable, Disposable {
  readonly #timeoutMs: number;
  readonly #once: boolean;
  readonly #pool: ServerPool;
  readonly #queue: RequestQueue;
  readonly #retry: RetryLoop;
  readonly #session = new Session();
  readonly #status = new StatusRequests((server, deadlines) =>
    this.#ask(server, (id) => new Status(id), deadlines)
  );
  /** Whether servers that were behind belong to another cluster, and until when that is believed. */
  readonly #checks = new Map<PooledServer, { foreign: boolean; until: number }>();
  readonly #closing = new AbortController();

  /**
   * A client of these servers, each an address or its text "host:port". A name is resolved at each
   * dial. It connects when it first asks.
   *
   * @throws {InvalidArgumentError} if `servers` is empty, an address cannot be dialled, or an option
   * is wrong.
   * @throws {SessionError} if `session` is no exported session.
   */
  constructor(servers: readonly (Address | string)[], options: KvClientOptions = {}) {
    const addresses = checkServers(servers);
    checkOptions(options);
    const { timeoutMs = requestTimeoutMs, once = false, session, tls, random = Math.random } =
      options;
    this.#timeoutMs = checkTimeout(timeoutMs);
    this.#once = checkFlag("once", once);
    checkAccess(options.password, tls);
    if (typeof random !== "function") throw new InvalidArgumentError("random must be a function");
    if (session !== undefined) this.#session.takeOver(session);
    const belongs = (cluster: string) => this.#session.belongsTo(cluster);
    const password = options.password === undefined ? undefined : Secret.from(options.password);
    const onRoom = () => this.#queue.dispatch();
    const connect = (address: Address) =>
      new ServerConnection(address, { belongs, password, tls, onRoom });
    this.#pool = new ServerPool(addresses, connect, random);
    this.#queue = new RequestQueue(this.#pool);
    this.#retry = new RetryLoop(this.#pool, this.#queue, this.#closing.signal, random);
  }

  /**
   * Writes a value. Resolves when every in-sync server holds the write.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
   * const { timestamp } = await client.put("cor", "azul", { timeoutMs: 2_000 });
   * console.log(timestamp); // 1
   * ```
   *
   * @throws {InvalidArgumentError} if the key is empty or over 1,024 bytes, the value is over 1 MiB,
   * one of them is no string or cannot be written in UTF-8, or an option is wrong.
   * @throws {UnavailableError} if it was not applied and never will be.
   * @throws {AccessError} if no server can be used. It was not applied.
   * @throws {ClientClosedError} if the client was closed. It was not applied.
   * @throws {UnknownOutcomeError} if it may or may not be applied, now or later.
   * @throws {ClusterResetError} if a server belongs to another cluster than before.
   * @throws the signal's reason if it is aborted before the PUT was sent.
   */
  async put(key: string, value: string, options: RequestOptions = {}): Promise<PutResult> {
    checkEntry(key, value);
    const call = this.#call(options, key.length + value.length, true);
    return await this.#try(call, async (server, deadlines) => {
      // Only the answer to this PUT tells its outcome, so the answer has until the deadline.
      const patient = { ...deadlines, answerBy: call.deadline };
      const reply = await this.#ask(server, (id) => new Put(id, key, value), patient);
      this.#queue.putAnswered(deadlines.since);
      this.#session.learn(reply);
      return { server: server.name, timestamp: reply.timestamp };
    });
  }

  /**
   * Reads a value, not older than any that this client has seen for the key.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
   * console.log((await client.get("nada")).value); // null
   * ```
   *
   * @throws {InvalidArgumentError} if the key is no string, is empty, is over 1,024 bytes, or cannot
   * be written in UTF-8, or if an option is wrong.
   * @throws {StaleError} if every server that answered is behind what this client has seen.
   * @throws {UnavailableError} if no server could answer it.
   * @throws {AccessError} if no server can be used.
   * @throws {ClientClosedError} if the client was closed.
   * @throws {ClusterResetError} if a server belongs to another cluster than before.
   * @throws the signal's reason if it is aborted.
   */
  async get(key: string, options: RequestOptions = {}): Promise<GetResult> {
    checkEntry(key);
    return await this.#try(this.#call(options, key.length), async (server, deadlines) => {
      const seen = this.#session.timestamp(key);
      const reply = await this.#ask(server, (id) => new Get(id, key, seen), deadlines);
      const { timestamp } = reply;
      // Another request of this client may have seen something newer meanwhile.
      const newest = this.#session.timestamp(key);
      if (reply.type === "GET_OK" && timestamp >= newest) {
        this.#session.learn(reply);
        return { server: server.name, value: reply.value, timestamp, seen };
      }
      await this.#checkCluster(server, deadlines);
      return new StaleAttempt(key, newest, { server: server.name, timestamp });
    });
  }

  /**
   * The state of all servers, in the order in which they were given. A server that does not answer
   * is listed as unreachable; nothing is thrown for it.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
   * for (const server of await client.status()) {
   *   if (server.reachable) console.log(server.status.keys); // 0
   *   else console.error(`${server.server} does not answer: ${server.reason}`);
   * }
   * ```
   *
   * @throws {InvalidArgumentError} if an option is wrong.
   * @throws {ClientClosedError} if the client was closed.
   * @throws the signal's reason if it is aborted.
   */
  async status(options: RequestOptions = {}): Promise<StatusResult[]> {
    const deadlines = onlyAttempt(this.#call(options));
    return await Promise.all(this.#pool.servers.map(async (server): Promise<StatusResult> => {
      try {
        const reply = await this.#status.ask(server, deadlines);
        const { type: _type, id: _id, ...status } = reply;
        return { server: server.name, reachable: true, status };
      } catch (error) {
        if (!(error instanceof KvError) || error instanceof ClientClosedError) throw error;
        const { message: reason, code } = error;
        return { server: server.name, reachable: false, reason, code };
      }
    }));
  }

  /**
   * What this client has seen, as plain data: `JSON.stringify` and `JSON.parse` keep all of it. A
   * client that gets it as its `session` reads nothing older.
   */
  exportSession(): ExportedSession {
    return this.#session.exported();
  }

  /**
   * Closes the client. Requests without an answer fail: with {@linkcode UnknownOutcomeError} if a
   * PUT was sent, everything else with {@linkcode ClientClosedError}. Resolves when all connections
   * are closed. A client that is not closed keeps the process alive.
   */
  async close(): Promise<void> {
    this.#closing.abort(new ClientClosedError());
    this.#queue.close(this.#closing.signal.reason);
    await this.#pool.close();
  }

  /** The same as {@linkcode KvClient.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The same as {@linkcode KvClient.close}, but does not wait until the connections are closed. */
  [Symbol.dispose](): void {
    void this.close(); // it never fails
  }

  #call(options: RequestOptions, chars = 0, write = false): Call {
    checkOptions(options);
    const { timeoutMs, signal } = options;
    checkSignal(signal);
    const since = loopClock.now();
    const ms = timeoutMs === undefined ? this.#timeoutMs : checkTimeout(timeoutMs);
    return { since, deadline: since + ms, write, chars, signal };
  }

  async #try<T>(call: Call, attempt: Attempt<T>): Promise<T> {
    this.#closing.signal.throwIfAborted();
    if (!this.#once) return await this.#retry.run(call, attempt);
    // enunciado 4.b, 4.c: the assignment's client asks one server, drawn at random.
    const drawn = this.#pool.drawAny();
    const others = new Set(this.#pool.servers.filter((server) => server !== drawn));
    const begin = (server: PooledServer) => attempt(server, onlyAttempt(call));
    const result = await (this.#queue.begin(call, others, false, begin) ?? begin(drawn));
    if (!(result instanceof StaleAttempt)) return result;
    throw StaleAttempt.error([result], this.#pool.servers.length === 1);
  }

  async #ask<R extends Request>(
    server: PooledServer,
    make: (id: number) => R,
    deadlines: Deadlines,
  ): Promise<ReplyTo<R>> {
    this.#closing.signal.throwIfAborted();
    const connection = this.#pool.connection(server);
    try {
      const reply = await connection.request(make, deadlines);
      this.#pool.answered(server);
      if (reply.type === "TRY_OTHER_SERVER_OR_LATER") {
        this.#pool.noteRefused(server, { reason: "the server is behind", code: undefined });
      } else if (reply.type !== "STATUS_OK") this.#pool.noteRefused(server, undefined);
      return reply;
    } catch (error) {
      if (error instanceof UnavailableError && error.code !== undefined) {
        this.#pool.noteRefused(server, { reason: error.message, code: error.code });
      }
      const failed = error instanceof UnavailableError || error instanceof UnknownOutcomeError ||
        error instanceof AccessError;
      // A ProtocolError on a live connection is about one kind of request, such as STATUS.
      const refused = error instanceof AccessError && !(error instanceof ProtocolError);
      if (failed && (refused || !connection.alive) && !this.#once) {
        this.#pool.failed(server, connection, error);
      }
      throw error;
    }
  }

  /** Throws if a server that is behind belongs to another cluster: it will never catch up. */
  async #checkCluster(server: PooledServer, deadlines: Deadlines): Promise<void> {
    const known = this.#checks.get(server);
    let foreign = known !== undefined && loopClock.now() < known.until ? known.foreign : undefined;
    if (foreign === undefined) {
      foreign = await this.#isForeign(server, deadlines);
      this.#checks.set(server, { foreign, until: loopClock.now() + clusterCheckMs });
    }
    if (foreign) throw new ClusterResetError(server.name);
  }

  async #isForeign(server: PooledServer, deadlines: Deadlines): Promise<boolean> {
    try {
      const { cluster } = await this.#status.ask(server, deadlines);
      return !this.#session.belongsTo(cluster);
    } catch (error) {
      // Without an answer the cluster stays unknown, and the caller gets the StaleError.
      if (error instanceof UnavailableError || error instanceof AccessError) return false;
      throw error;
    }
  }
}

/** The deadlines of an attempt that may use all the time of its call. */
function onlyAttempt({ since, deadline, signal }: Call): Deadlines {
  return { since, sendBy: deadline, answerBy: deadline, signal };
}
