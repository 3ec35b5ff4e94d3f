/**
 * The servers that a client knows, and its connections to them.
 *
 * @module
 */

import { type Address, formatAddress } from "../wire/address.ts";
import type { ErrorCode } from "../mensagem.ts";
import { quote } from "../wire/validate.ts";
import { AccessError, InvalidArgumentError, type KvError } from "./errors.ts";
import { loopClock } from "./loop_clock.ts";
import type { Reply } from "./requests.ts";
import type { ServerConnection } from "./server_connection.ts";

/** How long a server that has failed is not drawn. The time doubles with each failure in a row. */
const avoidFirstMs = 100;

/** The longest time for which a server that has failed is not drawn. */
const avoidMsMax = 1_000;

/** A connection without room that was silent for this time takes no more requests. */
const silentFullMs = 1_000;

/**
 * The most calls of one turn that go to the server drawn for the first of them, if its connection is
 * open. Their requests leave in one write: a write costs more than all else that a call does.
 */
export const burstMax = 64;

/** Why a server that answers has not done what it was asked. */
export interface Refused {
  /** What it said. */
  readonly reason: string;
  /** The code of its ERROR, `undefined` if it is behind. */
  readonly code: ErrorCode | undefined;
}

const isBehind: Refused = { reason: "the server is behind", code: undefined };

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
  /** When it may be drawn again, on `loopClock`. */
  avoidUntil: number;
  /** Whether one caller is trying it after a failure. */
  probing: boolean;
  /** Why this client cannot use it, `undefined` if its last failure may have been an outage. */
  refusal: AccessError | undefined;
  /** What it refused last, `undefined` if it has done a PUT or GET since. */
  refused: Refused | undefined;
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
  /** Why the last server that failed has failed. */
  #failure: string | undefined;
  /** The server drawn last in this turn, `undefined` if none was, and the calls that may follow. */
  #burst: ServerState | undefined;
  #burstLeft = 0;
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
      refusal: undefined,
      refused: undefined,
    }));
    this.#connect = connect;
    this.#random = random;
  }

  /** All servers, in the order in which they were given. */
  get servers(): readonly PooledServer[] {
    return this.#servers;
  }

  /**
   * Draws one of all servers (enunciado 4.b, 4.c: "escolhido de forma aleatória").
   *
   * @throws {InvalidArgumentError} if `random` gives another number.
   */
  drawAny(): PooledServer {
    return this.#pick(this.#servers);
  }

  /** Why a server failed last; `undefined` if a server has not failed since its last answer. */
  get failure(): string | undefined {
    return this.#servers.every(({ failures }) => failures > 0) ? this.#failure : undefined;
  }

  /** What the servers have refused since the last PUT or GET that each has done. */
  refused(): Map<PooledServer, Refused> {
    return new Map(
      this.#servers.flatMap((server) => server.refused ? [[server, server.refused]] : []),
    );
  }

  /** Whether any server has room for a small request, avoided servers included. */
  get hasRoom(): boolean {
    return this.#servers.some((server) => hasRoom(server, 0));
  }

  /**
   * Draws a server that is not in `asked`, is not avoided after a failure, and has room for texts of
   * this length. "full" if the only obstacle is the room, "avoided" if no such server is left. Calls of
   * one turn get the same server, up to a limit.
   *
   * @throws {InvalidArgumentError} if `random` gives another number.
   */
  draw(asked: ReadonlySet<PooledServer>, chars: number): PooledServer | "full" | "avoided" {
    const burst = this.#burst;
    if (
      burst?.connection?.alive && this.#burstLeft > 0 && hasRoom(burst, chars) &&
      (asked.size === 0 || !asked.has(burst))
    ) {
      this.#burstLeft--;
      return burst;
    }
    const free: ServerState[] = [];
    let full = false;
    for (const server of this.#servers) {
      if ((asked.size > 0 && asked.has(server)) || isAvoided(server)) continue;
      if (hasRoom(server, chars)) free.push(server);
      else full = true;
    }
    if (free.length === 0) return full ? "full" : "avoided";
    const drawn = this.#pickForUse(free);
    if (drawn.failures === 0) this.#beginBurst(drawn);
    return drawn;
  }

  /**
   * Draws a server that is not in `asked` and is not avoided after a failure, for a watch, which needs
   * no room. `undefined` if no such server is left.
   *
   * @throws {InvalidArgumentError} if `random` gives another number.
   */
  drawForWatch(asked: ReadonlySet<PooledServer>): PooledServer | undefined {
    const free = this.#servers.filter((server) => !asked.has(server) && !isAvoided(server));
    return free.length === 0 ? undefined : this.#pickForUse(free);
  }

  #beginBurst(server: ServerState): void {
    if (this.#burst === undefined) queueMicrotask(this.#endBurst);
    this.#burst = server;
    this.#burstLeft = burstMax - 1;
  }

  readonly #endBurst = (): void => {
    this.#burst = undefined;
  };

  /**
   * The avoided servers that this client cannot use as they are set up, and why; `undefined` if there
   * is none. Servers that are not avoided may be tried again.
   */
  refusals(): Map<PooledServer, AccessError> | undefined {
    let found: Map<PooledServer, AccessError> | undefined;
    for (const server of this.#servers) {
      if (server.refusal === undefined || !isAvoided(server)) continue;
      found ??= new Map();
      found.set(server, server.refusal);
    }
    return found;
  }

  /** Retires the connections that have no room and have been silent for too long at `now`. */
  retireSilent(now: number): void {
    for (const server of this.#servers) {
      const { connection } = server;
      if (hasRoom(server, 0) || !connection?.alive) continue;
      if (connection.silentMs(now) >= silentFullMs) connection.retire();
    }
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
    state.refusal = undefined;
  }

  /** Notes the answer of a server to a request, and whether the server has done what it was asked. */
  noteAnswer(server: PooledServer, { type }: Reply): void {
    this.answered(server);
    const state = server as ServerState;
    if (type === "TRY_OTHER_SERVER_OR_LATER") state.refused = isBehind;
    else if (type !== "STATUS_OK") state.refused = undefined;
  }

  /** Notes what a server has refused. */
  noteRefused(server: PooledServer, refused: Refused): void {
    (server as ServerState).refused = refused;
  }

  /**
   * Notes that a server has not answered on a connection, or that this client cannot use it. Requests
   * that fail together count as one failure. A failure on a connection that was replaced meanwhile
   * does not count.
   */
  failed(server: PooledServer, connection: ServerConnection, error: KvError): void {
    const state = server as ServerState;
    if (state.connection !== connection) return;
    this.#failure = error.message;
    state.refusal = error instanceof AccessError ? error : undefined;
    this.#endBurst();
    const now = loopClock.now();
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

  #pickForUse(servers: readonly ServerState[]): ServerState {
    const drawn = this.#pick(servers);
    if (drawn.failures > 0) {
      drawn.probing = true;
      this.#avoid(drawn, loopClock.now());
    }
    return drawn;
  }

  #pick(servers: readonly ServerState[]): ServerState {
    const number: unknown = this.#random();
    const drawn = servers[Math.floor(Number(number) * servers.length)];
    if (drawn !== undefined) return drawn;
    throw new InvalidArgumentError(
      `random must return numbers from 0 to 1, 1 excluded, not ${quote(number)}`,
    );
  }
}

function isAvoided({ avoidUntil }: ServerState): boolean {
  return avoidUntil > 0 && loopClock.now() < avoidUntil;
}

/** Whether the server's connection, or a new one, has room for a request. */
function hasRoom({ connection }: ServerState, chars: number): boolean {
  return !connection?.usable || connection.hasRoom(chars);
}

/** A random time from half of `ms` to `ms`, so that clients that failed together spread out. */
export function jittered(ms: number, random: () => number): number {
  const number = random();
  return ms * (0.5 + (number >= 0 && number < 1 ? number : 0) / 2);
}
