/**
 * The servers that a client knows, and its connections to them.
 *
 * @module
 */

import { type Address, formatAddress } from "../wire/address.ts";
import type { ServerConnection } from "./server_connection.ts";

/** How long a server that has failed is not drawn. The time doubles with each failure in a row. */
const avoidFirstMs = 100;

/** The longest time for which a server that has failed is not drawn. */
const avoidMsMax = 1_000;

/** One server of a pool. */
export interface PooledServer {
  /** Its address. */
  readonly address: Address;
  /** "ip:port" */
  readonly name: string;
}

interface ServerState extends PooledServer {
  /** The connection that takes requests, `undefined` before the first. */
  connection: ServerConnection | undefined;
  /** The number of failures in a row. */
  failures: number;
  /** When it may be drawn again, on the clock of `performance.now()`. */
  avoidUntil: number;
  /** Whether one caller is trying it after a failure. */
  probing: boolean;
}

/**
 * Servers and the connections to them.
 *
 * - At most one connection to a server takes requests. It is made when first needed.
 * - A server that has failed is not drawn for a time that grows with each failure in a row. Then one
 *   caller tries it, and the others avoid it until that caller knows the result.
 */
export class ServerPool {
  readonly #servers: readonly ServerState[];
  readonly #connect: (address: Address) => ServerConnection;
  readonly #random: () => number;
  /** All connections that have not ended, also those that take no more requests. */
  readonly #connections = new Set<ServerConnection>();

  /** A pool of servers, without connections. `random` gives numbers from 0 to 1, 1 excluded. */
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

  /** All servers, in the order in which they were given. */
  get servers(): readonly PooledServer[] {
    return this.#servers;
  }

  /** Draws one of all servers (enunciado 4.b, 4.c: "escolhido de forma aleatória"). */
  drawAny(): PooledServer {
    return this.#pick(this.#servers);
  }

  /**
   * Draws one of the servers that are not in `asked` and are not avoided after a failure.
   * `undefined` if there is none.
   */
  draw(asked: ReadonlySet<PooledServer>): PooledServer | undefined {
    const now = performance.now();
    const left = this.#servers.filter((server) => now >= server.avoidUntil && !asked.has(server));
    if (left.length === 0) return undefined;
    const drawn = this.#pick(left);
    if (drawn.failures > 0) {
      drawn.probing = true;
      this.#avoid(drawn, now);
    }
    return drawn;
  }

  /** The connection that takes requests for a server. It is made if there is none. */
  connection(server: PooledServer): ServerConnection {
    const state = server as ServerState;
    if (state.connection?.usable) return state.connection;
    const connection = this.#connect(state.address);
    state.connection = connection;
    this.#connections.add(connection);
    connection.ended.then(() => this.#connections.delete(connection));
    return connection;
  }

  /** Notes that a server has answered. */
  answered(server: PooledServer): void {
    const state = server as ServerState;
    state.failures = 0;
    state.avoidUntil = 0;
    state.probing = false;
  }

  /** Notes that a server has not answered. Requests that fail together count as one failure. */
  failed(server: PooledServer): void {
    const state = server as ServerState;
    const now = performance.now();
    if (now < state.avoidUntil && !state.probing) return;
    state.probing = false;
    state.failures++;
    this.#avoid(state, now);
  }

  /** Closes all connections. Resolves when they have ended. */
  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await Promise.all(Array.from(this.#connections, ({ ended }) => ended));
  }

  #avoid(state: ServerState, now: number): void {
    const ms = Math.min(avoidFirstMs * 2 ** (state.failures - 1), avoidMsMax);
    state.avoidUntil = now + jittered(ms, this.#random);
  }

  #pick(servers: readonly ServerState[]): ServerState {
    return servers[Math.floor(this.#random() * servers.length)]!;
  }
}

/** A random time from half of `ms` to `ms`, so that clients that failed together spread out. */
export function jittered(ms: number, random: () => number): number {
  return ms * (0.5 + random() / 2);
}
