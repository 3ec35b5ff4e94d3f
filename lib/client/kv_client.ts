/**
 * The client library: reads and writes at a cluster of servers, and reads that never go back.
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

import { delay } from "@std/async/delay";
import type { Address } from "../wire/address.ts";
import { Secret } from "../auth/secret.ts";
import type { Tls } from "../net/dial.ts";
import { ClusterResetError, StaleError, UnavailableError, UnknownOutcomeError } from "./errors.ts";
import type { ErrorCode } from "../mensagem.ts";
import { checkKey, checkValue, Get, Put, type ServerStatus, Status } from "../mensagem.ts";
import { requestTimeoutMs } from "../limits.ts";
import { type Patience, ServerConnection } from "./server_connection.ts";
import { jittered, type PooledServer, ServerPool } from "./server_pool.ts";
import { type ExportedSession, type ReplyTo, type Request, Session } from "./session.ts";

export { type Address, parseAddress } from "../wire/address.ts";
export type { Tls } from "../net/dial.ts";
export {
  ClusterResetError,
  type ServerErrorOptions,
  SessionError,
  type StaleAnswer,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "./errors.ts";
export { type ErrorCode, MensagemError } from "../mensagem.ts";
export type { FollowerStatus, ServerStatus } from "../mensagem.ts";
export type { ExportedSession } from "./session.ts";

/** The longest time that a caller may give to a request: what a timer can count. */
export const requestTimeoutMsMax = 2 ** 31 - 1;

/**
 * How long a client waits for one server before it asks another: at first, doubled in each round,
 * and never more than half of the time that is left.
 */
export const attemptMs = 1_000;

/** The shortest wait for one server. */
export const attemptLeastMs = 20;

/** First pause after a client has asked all servers in vain. It doubles with each round. */
export const retryFirstMs = 20;

/** Longest pause before a client asks all servers again. */
export const retryLongestMs = 500;

/** What a client may set. */
export interface KvClientOptions {
  /** How long a request may take, everything included, in milliseconds: 4,800 by default. */
  readonly timeoutMs?: number | undefined;
  /**
   * Each request goes once, to one server drawn at random of all, and what that server says is the
   * result. By default the client goes on to another server where that is safe.
   */
  readonly once?: boolean;
  /** What another client has seen: an exported session, perhaps read from JSON. */
  readonly session?: unknown;
  /** What clients must prove to know. It is never sent. */
  readonly password?: string;
  /**
   * Where it is given, everything is encrypted, and the servers' certificates must be signed by its
   * CA.
   */
  readonly tls?: Tls;
  /** A number from 0 up to, not including, 1: draws servers and pauses. */
  readonly random?: () => number;
}

/** What a single request may set. */
export interface RequestOptions {
  /** How long it may take, in place of what the client says, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /**
   * Gives the request up. It then fails with what the signal gives as the reason, except a PUT that
   * was sent already: that one fails with {@linkcode UnknownOutcomeError}, because it may be done.
   */
  readonly signal?: AbortSignal | undefined;
}

/** A write that every in-sync server holds. */
export interface PutResult {
  /** "ip:port" of the server that was asked. */
  readonly server: string;
  /** The timestamp of the write. */
  readonly timestamp: number;
}

/** The answer to a GET. */
export interface GetResult {
  /** "ip:port" of the server that was asked. */
  readonly server: string;
  /** The value; `null` where the key does not exist. */
  readonly value: string | null;
  /** The server's timestamp for the key, 0 where it has none. */
  readonly timestamp: number;
  /** The timestamp that this client had for the key when it asked. */
  readonly seen: number;
}

/** A server that has answered. */
export interface ReachableServer {
  /** "ip:port", as this client was told. */
  readonly server: string;
  /** It has answered. */
  readonly reachable: true;
  /** What it says about itself. The addresses in there are those that servers were told. */
  readonly status: ServerStatus;
}

/** A server that has not answered. */
export interface UnreachableServer {
  /** "ip:port", as this client was told. */
  readonly server: string;
  /** It has not answered. */
  readonly reachable: false;
  /** Why not. */
  readonly reason: string;
}

/** How a server is, tagged by `reachable`. */
export type StatusResult = ReachableServer | UnreachableServer;

/** One call of a caller, which may take several attempts. */
interface Call {
  /** When it began, and when it must be over, on the clock of `performance.now()`. */
  readonly since: number;
  readonly deadline: number;
  /** After this no further attempt is made; left out, until the deadline. */
  readonly againBy?: number;
  readonly signal: AbortSignal | undefined;
}

/** With these a server refuses what no server will ever do, or not for this client. */
const finalCodes: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  "BAD_MESSAGE",
  "TOO_LARGE",
  "FORBIDDEN",
]);

/**
 * A client of the cluster.
 *
 * - It never returns a value older than one that it returned before, whichever server answers.
 * - A GET goes on to another server where one does not answer, or is behind this client, round
 *   after round with growing pauses, until its time is over.
 * - A PUT goes on only where it is certain that it was not written and will not be: no connection,
 *   or a server that says so. One whose outcome is unknown is never repeated.
 * - One connection for each server, made when first needed, carries any number of requests at once.
 *   A server that failed is left alone for a moment.
 *
 * Requests that are made without waiting for each other may be carried out in any order.
 */
export class KvClient implements AsyncDisposable, Disposable {
  readonly #timeoutMs: number;
  readonly #once: boolean;
  readonly #random: () => number;
  readonly #pool: ServerPool;
  readonly #session = new Session();
  readonly #closing = new AbortController();

  /**
   * A client that connects when it first asks.
   *
   * @throws {TypeError} where there is no server.
   * @throws {RangeError} where `timeoutMs` is no time.
   * @throws {SessionError} where `session` is no exported session.
   */
  constructor(servers: readonly Address[], options: KvClientOptions = {}) {
    if (servers.length === 0) throw new TypeError("Cannot make a client without a server");
    this.#timeoutMs = checkTimeout(options.timeoutMs ?? requestTimeoutMs);
    this.#once = options.once ?? false;
    this.#random = options.random ?? Math.random;
    const { password, session, tls } = options;
    if (session !== undefined) this.#session.takeOver(session);
    const secret = password === undefined ? Promise.resolve(undefined) : Secret.from(password);
    const belongs = (cluster: string) => this.#session.belongsTo(cluster);
    const connect = (address: Address) => new ServerConnection(address, belongs, secret, tls);
    this.#pool = new ServerPool(servers, connect, this.#random);
  }

  /**
   * Writes a value. Resolves when every in-sync server holds it.
   *
   * @throws {TypeError} where key or value are no strings.
   * @throws {MensagemError} where key or value break a limit.
   * @throws {UnavailableError} where it was not written and will not be.
   * @throws {UnknownOutcomeError} where nobody can tell.
   * @throws {ClusterResetError} where the servers have lost their memory since this client asked.
   */
  async put(key: string, value: string, options: RequestOptions = {}): Promise<PutResult> {
    checkStrings(key, value);
    checkKey(key);
    checkValue(value);
    const call = this.#call(options);
    // Sent late, it could still be on its way when the time is over, and what was certain is lost.
    const againBy = (call.since + call.deadline) / 2;
    return await this.#try({ ...call, againBy }, async (server, attempt, { deadline }) => {
      // Once it is sent, only its own answer tells what became of it.
      const patience = { ...attempt, answerBy: deadline };
      const reply = await this.#ask(server, (id) => new Put(id, key, value), patience);
      this.#session.learn(reply);
      return { server: server.name, timestamp: reply.timestamp };
    });
  }

  /**
   * Reads a value, not older than any that this client has seen.
   *
   * @throws {TypeError} where the key is no string.
   * @throws {MensagemError} where the key breaks a limit.
   * @throws {StaleError} where every server that answered is behind this client.
   * @throws {UnavailableError} where no server answered.
   * @throws {ClusterResetError} where the servers have lost their memory since this client asked.
   */
  async get(key: string, options: RequestOptions = {}): Promise<GetResult> {
    checkStrings(key);
    checkKey(key);
    return await this.#try(this.#call(options), async (server, patience) => {
      const seen = this.#session.timestamp(key);
      const reply = await this.#ask(server, (id) => new Get(id, key, seen), patience);
      const { timestamp } = reply;
      // Something newer may have come meanwhile, to another request.
      const latest = this.#session.timestamp(key);
      if (reply.type === "GET_OK" && timestamp >= latest) {
        this.#session.learn(reply);
        return { server: server.name, value: reply.value, timestamp, seen };
      }
      await this.#checkCluster(server, patience);
      throw new StaleError(key, latest, [{ server: server.name, timestamp }]);
    });
  }

  /**
   * How all servers are, in the order in which they were given. Those that do not answer are listed
   * too; nothing is thrown for them.
   */
  async status(options: RequestOptions = {}): Promise<StatusResult[]> {
    const { since, deadline, signal } = this.#call(options);
    const patience = { since, sendBy: deadline, answerBy: deadline, signal };
    return await Promise.all(this.#pool.servers.map(async (server): Promise<StatusResult> => {
      try {
        const reply = await this.#ask(server, (id) => new Status(id), patience);
        const { type: _type, id: _id, ...status } = reply;
        return { server: server.name, reachable: true, status };
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        return { server: server.name, reachable: false, reason: error.message };
      }
    }));
  }

  /**
   * What this client has seen, to be given to another client as its `session`: that one reads
   * nothing older. It goes into JSON and comes back as it was.
   */
  exportSession(): ExportedSession {
    return this.#session.exported();
  }

  /**
   * Ends all connections. Requests without an answer fail. Resolves when all is gone. A client that
   * is not closed keeps the process alive.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#pool.close();
  }

  /** The same as {@linkcode KvClient.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The same as {@linkcode KvClient.close}, without waiting until all is gone. */
  [Symbol.dispose](): void {
    void this.close(); // which never fails
  }

  #call({ timeoutMs, signal }: RequestOptions): Call {
    const since = performance.now();
    const ms = timeoutMs === undefined ? this.#timeoutMs : checkTimeout(timeoutMs);
    return { since, deadline: since + ms, signal };
  }

  /** Tries servers until one does it, or it is certain that none will in time. */
  async #try<T>(
    call: Call,
    attempt: (server: PooledServer, patience: Patience, call: Call) => Promise<T>,
  ): Promise<T> {
    const { since, deadline, againBy = deadline, signal } = call;
    if (this.#once) {
      const patience = { since, sendBy: deadline, answerBy: deadline, signal };
      return await attempt(this.#pool.drawAny(), patience, call);
    }
    const failures = new Map<PooledServer, UnavailableError | StaleError>();
    const refused = new Set<PooledServer>();
    for (let round = 0;; round++) {
      const tried = new Set(refused);
      for (let server = this.#pool.draw(tried); server !== undefined;) {
        try {
          return await attempt(server, this.#patience(call, round), call);
        } catch (error) {
          const again = error instanceof UnavailableError || error instanceof StaleError;
          if (!again || this.#closing.signal.aborted) throw error;
          failures.delete(server); // the last one stands last
          failures.set(server, error);
          if (error instanceof UnavailableError && finalCodes.has(error.code)) refused.add(server);
          tried.add(server);
        }
        server = performance.now() < againBy ? this.#pool.draw(tried) : undefined;
      }
      const left = againBy - attemptLeastMs - performance.now();
      if (left <= 0 || refused.size === this.#pool.servers.length) {
        throw this.#inVain(failures, Math.round(deadline - since));
      }
      const pause = Math.min(retryFirstMs * 2 ** round, retryLongestMs);
      await this.#pause(Math.min(jittered(pause, this.#random), left), signal);
    }
  }

  /** For one server of several: the others need some time too. */
  #patience({ deadline, signal }: Call, round: number): Patience {
    const since = performance.now();
    const half = Math.min(attemptMs * 2 ** round, (deadline - since) / 2);
    const by = Math.min(since + Math.max(half, attemptLeastMs), deadline);
    return { since, sendBy: by, answerBy: by, signal };
  }

  async #ask<R extends Request>(
    server: PooledServer,
    make: (id: number) => R,
    patience: Patience,
  ): Promise<ReplyTo<R>> {
    if (this.#closing.signal.aborted) throw this.#closed(server);
    const connection = this.#pool.connection(server);
    try {
      const reply = await connection.request(make, patience);
      this.#pool.answered(server);
      return reply;
    } catch (error) {
      const silent = error instanceof UnavailableError || error instanceof UnknownOutcomeError;
      if (silent && !connection.alive && !this.#once) this.#pool.failed(server);
      throw error;
    }
  }

  /** A server that never catches up may belong to another cluster by now. */
  async #checkCluster(server: PooledServer, patience: Patience): Promise<void> {
    try {
      const { cluster } = await this.#ask(server, (id) => new Status(id), patience);
      if (!this.#session.belongsTo(cluster)) throw new ClusterResetError(server.name);
    } catch (error) {
      // What it has answered already is the better answer.
      if (!(error instanceof UnavailableError)) throw error;
    }
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    try {
      await delay(ms, { signal: either });
    } catch (error) {
      throw closing.aborted ? this.#closed(this.#pool.servers[0]!) : error;
    }
  }

  #closed({ name }: PooledServer): UnavailableError {
    return new UnavailableError(name, "the client was closed");
  }

  /** The error for a call whose time is over. */
  #inVain(
    failures: ReadonlyMap<PooledServer, UnavailableError | StaleError>,
    ms: number,
  ): UnavailableError | StaleError {
    const errors = [...failures.values()];
    const stale = errors.filter((error) => error instanceof StaleError);
    const newest = stale.at(-1);
    if (newest !== undefined) {
      return new StaleError(newest.key, newest.seen, stale.flatMap(({ answers }) => answers));
    }
    const unavailable = errors.filter((error) => error instanceof UnavailableError);
    const last = unavailable.at(-1);
    if (unavailable.length === 1) return last!;
    const { name } = this.#pool.servers[0]!;
    if (last === undefined) {
      return new UnavailableError(name, `no server has answered lately, tried for ${ms} ms`);
    }
    const reasons = unavailable.map(({ server, message }) => `${server}: ${message}`);
    const code = unavailable.every((error) => error.code === last.code) ? last.code : undefined;
    return new UnavailableError(last.server, reasons.join("; "), {
      cause: last,
      ...(code === undefined ? {} : { code }),
    });
  }
}

/** Not everybody who calls has a type checker. */
function checkStrings(...texts: unknown[]): void {
  for (const text of texts) {
    if (typeof text !== "string") {
      throw new TypeError(
        `key and value must be strings, not ${text === null ? "null" : typeof text}`,
      );
    }
  }
}

function checkTimeout(ms: number): number {
  if (typeof ms === "number" && ms > 0 && ms <= requestTimeoutMsMax) return ms;
  throw new RangeError(
    `timeoutMs must be a number above 0 and at most ${requestTimeoutMsMax}, not ${String(ms)}`,
  );
}
