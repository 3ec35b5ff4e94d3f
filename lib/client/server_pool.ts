/**
 * The servers that a client knows: connections to them, and which of them to leave alone for now.
 *
 * @module
 */

import { type Address, formatAddress } from "../wire/address.ts";
import type { ServerConnection } from "./server_connection.ts";

/** A server that failed is not drawn for this time. It doubles with each failure. */
export const avoidFirstMs = 100;

/** Longest time for which a server that failed is not drawn. */
export const avoidLongestMs = 1_000;

/** One server of the pool. */
export interface PooledServer {
  /** Where it listens. */
  readonly address: Address;
  /** "ip:port" */
  readonly name: string;
}

interface Entry extends PooledServer {
  /** The connection that takes requests, where there is one. */
  connection: ServerConnection | undefined;
  /** How often it has failed in a row. */
  failures: number;
  /** On the clock of `performance.now()`: not to be drawn before. */
  avoidUntil: number;
  /** One caller tries whether it is back. */
  probing: boolean;
}

/**
 * Servers and their connections.
 *
 * - At most one connection to a server takes requests; it is made when first needed.
 * - A server that failed is not drawn for a moment, longer each time, and then by one caller first.
 */
export class ServerPool {
  readonly #servers: readonly Entry[];
  readonly #connect: (address: Address) => ServerConnection;
  readonly #random: () => number;
  /** Those that are not gone yet, also the ones that take no more requests. */
  readonly #connections = new Set<ServerConnection>();

  /** Servers that `connect` connects to. `random` draws from 0 up to, not including, 1. */
  constructor(
    addresses: readonly Address[],
    connect: (address: Address) => ServerConnection,
    random: () => number,
  ) {
    this.#servers = addresses.map((address) => ({
      address,
      name: formatAddress(address),
      connection: undefined,
      failures: 0,
      avoidUntil: 0,
      probing: false,
    }));
    this.#connect = connect;
    this.#random = random;
  }

  /** All of them, in the order given. */
  get servers(): readonly PooledServer[] {
    return this.#servers;
  }

  /** Any server (enunciado 4.b, 4.c: "escolhido de forma aleatória"). */
  drawAny(): PooledServer {
    return this.#pick(this.#servers);
  }

  /** A server that is not `tried` and has not just failed, `undefined` where there is none. */
  draw(tried: ReadonlySet<PooledServer>): PooledServer | undefined {
    const now = performance.now();
    const left = this.#servers.filter((entry) => now >= entry.avoidUntil && !tried.has(entry));
    if (left.length === 0) return undefined;
    const drawn = this.#pick(left);
    // Whoever comes after this one waits until it is known whether the server is back.
    if (drawn.failures > 0) {
      drawn.probing = true;
      this.#avoid(drawn, now);
    }
    return drawn;
  }

  /** A connection that takes requests. */
  connection(server: PooledServer): ServerConnection {
    const entry = server as Entry;
    if (entry.connection?.usable) return entry.connection;
    const connection = this.#connect(entry.address);
    entry.connection = connection;
    this.#connections.add(connection);
    connection.ended.then(() => this.#connections.delete(connection));
    return connection;
  }

  /** Takes note that a server answers. */
  answered(server: PooledServer): void {
    const entry = server as Entry;
    entry.failures = 0;
    entry.avoidUntil = 0;
    entry.probing = false;
  }

  /** Takes note that a server does not answer. Requests that fail together count once. */
  failed(server: PooledServer): void {
    const entry = server as Entry;
    const now = performance.now();
    if (now < entry.avoidUntil && !entry.probing) return;
    entry.probing = false;
    entry.failures++;
    this.#avoid(entry, now);
  }

  /** Ends all connections; resolves when they are gone. */
  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await Promise.all(Array.from(this.#connections, ({ ended }) => ended));
  }

  #avoid(entry: Entry, now: number): void {
    const ms = Math.min(avoidFirstMs * 2 ** (entry.failures - 1), avoidLongestMs);
    entry.avoidUntil = now + jittered(ms, this.#random);
  }

  #pick(entries: readonly Entry[]): Entry {
    return entries[Math.floor(this.#random() * entries.length)]!;
  }
}

/** Between half of a time and all of it, so that clients that wait do not come back together. */
export function jittered(ms: number, random: () => number): number {
  return ms * (0.5 + random() / 2);
}
