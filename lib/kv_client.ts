/**
 * The client: it knows the servers, but not which one leads.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";
import { Secret } from "./auth.ts";
import type { Tls } from "./connection.ts";
import { ClusterResetError, UnavailableError } from "./errors.ts";
import { checkKey, checkValue, Get, Put, Status } from "./mensagem.ts";
import { requestTimeoutMs } from "./limits.ts";
import { ServerConnection } from "./server_connection.ts";
import { type ReplyTo, Session } from "./session.ts";

/** What a client may set. */
export interface KvClientOptions {
  /** How long a request may take, the connecting included. */
  readonly timeoutMs?: number;
  /** A number from 0 up to, not including, 1: draws the servers. */
  readonly random?: () => number;
  /** What clients must prove to know. It is never sent. */
  readonly password?: string;
  /**
   * Where it is given, everything is encrypted, and the servers' certificates must be signed by its
   * CA.
   */
  readonly tls?: Tls;
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
  /**
   * The value; `null` where the key does not exist; `undefined` where the server is behind this
   * client.
   */
  readonly value: string | null | undefined;
  /** The server's timestamp for the key, 0 where it has none. */
  readonly timestamp: number;
  /** The timestamp that this client had for the key when it asked. */
  readonly seen: number;
}

/**
 * A connection, and whether its server belongs to the cluster that the client knows: requests wait
 * for that.
 */
interface CheckedConnection {
  readonly connection: ServerConnection;
  readonly checked: Promise<void>;
}

/**
 * A client of the cluster.
 *
 * - It never returns a value older than one that it returned before, whichever server answers.
 * - Each request goes to a server drawn at random (enunciado 4.b, 4.c), once: nothing is repeated
 *   silently.
 * - One connection for each server, made when first needed, carries any number of requests at once.
 *
 * ```ts
 * import { KvClient } from "./kv_client.ts";
 *
 * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
 * await client.put("cor", "azul");
 * console.log((await client.get("cor")).value); // azul
 * ```
 */
export class KvClient implements AsyncDisposable {
  readonly #servers: readonly Address[];
  readonly #timeoutMs: number;
  readonly #random: () => number;
  readonly #password: Promise<Secret | undefined>;
  readonly #tls: Tls | undefined;
  /** By server: the connection in use. */
  readonly #connections = new Map<Address, CheckedConnection>();
  /** Connections that broke, or were closed, and are not quite gone. */
  readonly #ending = new Set<Promise<void>>();
  #closed = false;
  readonly #session = new Session();

  /**
   * A client with fresh timestamps. It connects when it first asks.
   *
   * @throws {TypeError} where there is no server.
   */
  constructor(servers: readonly Address[], options: KvClientOptions = {}) {
    if (servers.length === 0) throw new TypeError("Cannot make a client without a server");
    this.#servers = [...servers];
    this.#timeoutMs = options.timeoutMs ?? requestTimeoutMs;
    this.#random = options.random ?? Math.random;
    this.#tls = options.tls;
    const { password } = options;
    this.#password = password === undefined ? Promise.resolve(undefined) : Secret.from(password);
  }

  /**
   * Writes a value. Resolves when every in-sync server holds it.
   *
   * @throws {MensagemError} where key or value break a limit.
   * @throws {UnavailableError} where it was not written and will not be.
   * @throws {UnknownOutcomeError} where nobody can tell.
   */
  async put(key: string, value: string): Promise<PutResult> {
    checkKey(key);
    checkValue(value);
    const server = this.#draw();
    const reply = await this.#request(server, (id) => new Put(id, key, value));
    return { server: formatAddress(server), timestamp: reply.timestamp };
  }

  /**
   * Reads a value.
   *
   * @throws {MensagemError} where the key breaks a limit.
   * @throws {UnavailableError} where the server gave no answer.
   */
  async get(key: string): Promise<GetResult> {
    checkKey(key);
    const server = this.#draw();
    const seen = this.#session.timestamp(key);
    const reply = await this.#request(server, (id) => new Get(id, key, seen));
    const value = reply.type === "GET_OK" ? reply.value : undefined;
    return { server: formatAddress(server), value, timestamp: reply.timestamp, seen };
  }

  /** Ends all connections. Requests without an answer fail. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { connection } of this.#connections.values()) {
      this.#ending.add(connection.close());
    }
    await Promise.all(this.#ending);
  }

  /** The same as {@linkcode KvClient.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Asks one server, and sees to it that what this client remembers is of the same cluster. */
  async #request<R extends Put | Get>(
    server: Address,
    make: (id: number) => R,
  ): Promise<ReplyTo<R>> {
    const deadline = performance.now() + this.#timeoutMs;
    const { connection, checked } = this.#connected(server, await this.#password, deadline);
    await checked;
    const reply = await connection.request(make, deadline);
    // A server that never catches up may belong to another cluster.
    if (reply.type === "TRY_OTHER_SERVER_OR_LATER") await this.#checkCluster(connection, deadline);
    this.#session.learn(reply);
    return reply;
  }

  #connected(server: Address, password: Secret | undefined, deadline: number): CheckedConnection {
    if (this.#closed) throw new UnavailableError(formatAddress(server), "the client was closed");
    const present = this.#connections.get(server);
    if (present?.connection.open) return present;
    if (present !== undefined) {
      const ended = present.connection.close().finally(() => this.#ending.delete(ended));
      this.#ending.add(ended);
    }
    const connection = new ServerConnection(server, this.#timeoutMs, password, this.#tls);
    const checked = this.#checkCluster(connection, deadline);
    const fresh = { connection, checked };
    this.#connections.set(server, fresh);
    return fresh;
  }

  /** Sees to it that a server belongs to the cluster that this client knows. */
  async #checkCluster(connection: ServerConnection, deadline: number): Promise<void> {
    try {
      const { cluster } = await connection.request((id) => new Status(id), deadline);
      if (!this.#session.belongsTo(cluster)) throw new ClusterResetError(connection.server);
    } catch (error) {
      // A server that does not know this question has no cluster id either.
      if (!(error instanceof UnavailableError) || !connection.open) throw error;
    }
  }

  #draw(): Address {
    return this.#servers[Math.floor(this.#random() * this.#servers.length)]!;
  }
}
