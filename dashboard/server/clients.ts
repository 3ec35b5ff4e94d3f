/**
 * The clients of the dashboard, each with a session of its own.
 *
 * @module
 */

import { within } from "../../lib/client/deadlines.ts";
import { UnavailableError } from "../../lib/client/errors.ts";
import type { Access } from "../../lib/client/access.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { ServerPool } from "../../lib/client/server_pool.ts";
import { Session } from "../../lib/client/session.ts";
import { dialTimeoutMs, requestTimeoutMs } from "../../lib/limits.ts";
import { checkKey, checkValue, Get, Put, WriteRequest } from "../../lib/mensagem.ts";
import type { Address } from "../../lib/wire/address.ts";
import { keysSeenMax } from "../page/limits.js";
import type { ConditionalWrite } from "../stories/stage.ts";
import type { Item } from "./item.ts";

/** The number of clients. */
export const dashboardClients = 4;

/** The answer to a request of one of the clients. */
export interface Answer {
  /** "ip:port" of the server that was asked. */
  readonly server: string;
  /** The server's timestamp for the key. */
  readonly timestamp: number;
  /** The timestamp that the client had for the key when it asked. */
  readonly seen: number;
  /**
   * The value, `null` if the key does not exist. Left out in the answer to a write, and if the server
   * is behind what the client has seen.
   */
  readonly value?: string | null;
  /** Whether a write was not made, because its condition did not hold. Then there is a value. */
  readonly conflict?: true;
}

/**
 * Several clients in one process.
 *
 * - Each request goes once, to the server that was named or to one drawn at random.
 * - Each client has its own connection to each server, so that the servers tell the clients apart.
 */
export class Clients implements AsyncDisposable {
  readonly #access: Access;
  readonly #take: (item: Item) => void;
  /** The connections of each client. */
  readonly #pools: readonly ServerPool[];
  /** The timestamps that each client has seen in the cluster `#cluster`, and of how many keys. */
  #sessions: readonly { readonly session: Session; keys: number }[] = newSessions();
  /** The id of the cluster, "" until one is known. */
  #cluster = "";
  #closed = false;

  /**
   * Clients 1 to {@linkcode dashboardClients}. `take` gets their addresses and the timestamps that
   * they see. `random` returns numbers from 0 up to, but not including, 1.
   */
  constructor(
    servers: readonly Address[],
    access: Access,
    take: (item: Item) => void,
    random: () => number = Math.random,
  ) {
    this.#access = access;
    this.#take = take;
    this.#pools = Array.from({ length: dashboardClients }, (_, index) => {
      const connect = (address: Address) => this.#connect(index + 1, address);
      return new ServerPool(servers, connect, random);
    });
  }

  /**
   * Writes a value as one of the clients.
   *
   * @throws {MensagemError} if the key or the value breaks a limit.
   * @throws {RangeError} if there is no such client or server, or the client has seen too many keys.
   * @throws {UnavailableError|AccessError} if the write was not applied and never will be.
   * @throws {UnknownOutcomeError} if the write may or may not be applied.
   */
  async put(client: number, key: string, value: string, server?: string): Promise<Answer> {
    checkKey(key);
    checkValue(value);
    return await this.#ask(client, key, server, (id) => new Put(id, key, value), value);
  }

  /**
   * Reads a value as one of the clients.
   *
   * @throws {MensagemError} if the key breaks a limit.
   * @throws {RangeError} if there is no such client or server, or the client has seen too many keys.
   * @throws {UnavailableError|AccessError} if the server does not answer.
   */
  async get(client: number, key: string, server?: string): Promise<Answer> {
    checkKey(key);
    return await this.#ask(client, key, server, (id, seen) => new Get(id, key, seen));
  }

  /**
   * Writes under a condition as one of the clients.
   *
   * @throws what {@linkcode Clients.put} throws.
   */
  async write(
    client: number,
    key: string,
    { value, expected, ttlMs }: ConditionalWrite,
    server: string,
  ): Promise<Answer> {
    const make = (id: number) => new WriteRequest(id, key, value, expected, ttlMs);
    return await this.#ask(client, key, server, make, value);
  }

  /** The timestamp that a client has seen for a key. */
  seen(client: number, key: string): number {
    return this.#sessions[client - 1]?.session.timestamp(key) ?? 0;
  }

  /**
   * Takes the id of the cluster that a server belongs to, "" if it has none yet. If it is not the
   * same cluster as before, the clients forget all timestamps: they mean nothing in another cluster.
   */
  belongsTo(cluster: string): void {
    if (cluster === "" || cluster === this.#cluster) return;
    const before = this.#cluster;
    this.#cluster = cluster;
    if (before === "") return;
    this.#sessions = newSessions();
    this.#take({ kind: "forgotten", at: Date.now() });
  }

  /** Closes all connections. Requests without an answer fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#pools.map((pool) => pool.close()));
  }

  async #ask(
    client: number,
    key: string,
    server: string | undefined,
    make: (id: number, seen: number) => Put | Get | WriteRequest,
    written: string | null = null,
  ): Promise<Answer> {
    const connection = this.#connection(client, server);
    // The first answer of a server may tell the clients to forget what they have seen.
    await connection.opened;
    const known = this.#sessions[client - 1]!;
    const { session } = known;
    const seen = session.timestamp(key);
    if (seen === 0 && known.keys >= keysSeenMax) {
      // To forget a key would let the client read an older value.
      throw new RangeError(
        `client ${client} has seen ${keysSeenMax} keys, which is the limit: restart the dashboard`,
      );
    }
    const reply = await connection.request((id) => make(id, seen), within(requestTimeoutMs), seen);
    const answer = { server: connection.server, timestamp: reply.timestamp, seen };
    if (reply.type === "TRY_OTHER_SERVER_OR_LATER") return answer;
    const before = session.timestamp(key);
    session.learn(reply);
    const timestamp = session.timestamp(key);
    if (before === 0 && timestamp > 0) known.keys++;
    const conflict = reply.type === "CONFLICT";
    const shown = conflict || reply.type === "GET_OK" ? { value: reply.value } : {};
    const { value } = { value: written, ...shown };
    // An older copy, such as of a PUT that another write has overtaken, is no news.
    if (reply.timestamp === timestamp) {
      this.#take({ kind: "seen", at: Date.now(), client, key, value, timestamp });
    }
    return { ...answer, ...shown, ...(conflict ? { conflict } : {}) };
  }

  /** The connection of a client to the named server, or to one drawn at random. */
  #connection(client: number, server: string | undefined): ServerConnection {
    const pool = this.#pools[client - 1];
    if (pool === undefined) {
      throw new RangeError(`there is no client ${client}: they are 1 to ${dashboardClients}`);
    }
    const asked = server === undefined
      ? pool.drawAny()
      : pool.servers.find(({ name }) => name === server);
    if (asked === undefined) {
      const names = pool.servers.map(({ name }) => name).join(", ");
      throw new RangeError(`there is no server ${server}: --servers names ${names}`);
    }
    if (this.#closed) throw new UnavailableError(asked.name, "the dashboard was closed");
    return pool.connection(asked);
  }

  #connect(client: number, address: Address): ServerConnection {
    const connection = new ServerConnection(address, {
      ...this.#access,
      connectTimeoutMs: dialTimeoutMs,
      belongs: (cluster) => {
        this.belongsTo(cluster);
        return true;
      },
    });
    void connection.opened.then(() => {
      if (!connection.alive) return;
      this.#take({ kind: "client", at: Date.now(), client, address: connection.local! });
    });
    return connection;
  }
}

function newSessions(): { readonly session: Session; keys: number }[] {
  return Array.from({ length: dashboardClients }, () => ({ session: new Session(), keys: 0 }));
}
