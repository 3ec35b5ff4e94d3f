/**
 * The servers of a cluster in this process, each of which can be stopped and started again.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { listenAt, StartError } from "../../lib/cli/serving.ts";
import type { KvServer } from "../../lib/server/kv_server.ts";
import { type Address, formatAddress } from "../../lib/wire/address.ts";

/** How often a server tries to listen where it has listened before. */
const attemptsMax = 20;

/** Pause between two attempts. */
const attemptMs = 100;

/** Starts a server at an address. The leader has no `leader`. */
export type StartServer = (listen: Address, leader: Address | undefined) => KvServer;

/** Stops servers and starts them again. They are given as "ip:port". */
export interface ServerControl {
  /** Stops a server. */
  stop(server: string): Promise<void>;
  /** Starts a server at the address where it was, with an empty memory. Does nothing if it runs. */
  start(server: string): Promise<void>;
}

/**
 * The servers of a cluster.
 *
 * - The first one that is added is the leader.
 * - Disposal stops all that run.
 */
export class LocalServers implements ServerControl, AsyncDisposable {
  readonly #startServer: StartServer;
  readonly #addresses: Address[] = [];
  readonly #running = new Map<string, KvServer>();

  /** No servers yet. */
  constructor(startServer: StartServer) {
    this.#startServer = startServer;
  }

  /** The addresses of the servers, the leader's first. */
  get addresses(): readonly Address[] {
    return this.#addresses;
  }

  /**
   * Adds a server, and starts it. Port 0 takes a free one.
   *
   * @throws {StartError} if the address cannot be listened on. `portFlag` is named in it.
   */
  add(listen: Address, portFlag?: string): KvServer {
    const server = this.#listen(listen, this.#addresses[0], portFlag);
    this.#addresses.push(server.address);
    return server;
  }

  /** The server at "ip:port"; `undefined` if it does not run. */
  running(server: string): KvServer | undefined {
    return this.#running.get(server);
  }

  async stop(server: string): Promise<void> {
    const running = this.#running.get(server);
    this.#running.delete(server);
    await running?.close();
  }

  /**
   * @throws {RangeError} if there is no such server.
   * @throws {StartError} if another program has taken its port.
   */
  async start(server: string): Promise<void> {
    if (this.#running.has(server)) return;
    const index = this.#addresses.findIndex((one) => formatAddress(one) === server);
    if (index < 0) throw new RangeError(`there is no server ${server}`);
    const leader = index === 0 ? undefined : this.#addresses[0];
    for (let attempt = 1;; attempt++) {
      try {
        return void this.#listen(this.#addresses[index]!, leader);
      } catch (error) {
        // A connection of another program may have the port for a moment.
        if (!(error instanceof StartError) || attempt === attemptsMax) throw error;
        await delay(attemptMs);
      }
    }
  }

  /** Stops all servers at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    const servers = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(servers.map((server) => server.close()));
  }

  #listen(listen: Address, leader: Address | undefined, portFlag?: string): KvServer {
    const server = listenAt(listen, () => this.#startServer(listen, leader), portFlag);
    this.#running.set(formatAddress(server.address), server);
    return server;
  }
}
