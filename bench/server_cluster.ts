/**
 * A cluster of servers as processes, and their status.
 *
 * @module
 */

import { within } from "../lib/client/deadlines.ts";
import { ServerConnection } from "../lib/client/server_connection.ts";
import { Status, type StatusOk } from "../lib/mensagem.ts";
import type { Address } from "../lib/wire/address.ts";
import { freePorts } from "./free_ports.ts";
import { ServerProcess, type ServerProcessOptions } from "./server_process.ts";
import { eventually } from "./waiting.ts";

/** How long servers may take to start and to be in sync. */
const openMsMax = 20_000;
const statusMsMax = 2_000;

/**
 * Asks a server for its status.
 *
 * @throws {UnavailableError} if it cannot be reached.
 */
export async function statusOf(server: Address): Promise<StatusOk> {
  const connection = new ServerConnection(server);
  try {
    return await connection.request((id) => new Status(id), within(statusMsMax));
  } finally {
    connection.close();
    await connection.ended;
  }
}

/** The options of a cluster. */
export interface ServerClusterOptions {
  /** The number of servers (3). */
  readonly size?: number;
  /** The folder with a file of console lines for each server. Without it they are discarded. */
  readonly consoleFolder?: string;
  /** The folder of the data directories. Without it the tables are in memory alone. */
  readonly dataFolder?: string;
  /** The data directory of the only server of a cluster of size 1. */
  readonly dataDir?: string;
  /** How long the servers may take until all are in sync, in milliseconds. */
  readonly openMsMax?: number;
  /** How each process is started. */
  readonly process?: ServerProcessOptions;
}

/** Servers as processes, the leader first. They are quiet unless `process.flags` says otherwise. */
export class ServerCluster implements AsyncDisposable {
  /** The addresses on which they listen. */
  readonly addresses: readonly Address[];
  readonly #options: ServerClusterOptions;
  readonly #processes: ServerProcess[] = [];

  private constructor(options: ServerClusterOptions) {
    this.#options = options;
    this.addresses = freePorts(options.size ?? 3).map((port) => ({ hostname: "127.0.0.1", port }));
  }

  /** Starts servers. Resolves when all are in sync. */
  static async start(options: ServerClusterOptions = {}): Promise<ServerCluster> {
    const servers = new ServerCluster(options);
    try {
      for (const index of servers.addresses.keys()) servers.restart(index);
      await servers.inSync();
      return servers;
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The processes, the leader's first. */
  get processes(): readonly ServerProcess[] {
    return this.#processes;
  }

  /** The file with a server's console lines; `undefined` if there is no `consoleFolder`. */
  consoleFile(index: number): string | undefined {
    const { consoleFolder } = this.#options;
    return consoleFolder === undefined ? undefined : `${consoleFolder}/server${index}.txt`;
  }

  /** Starts a server, for the first time or after it was stopped. */
  restart(index: number): ServerProcess {
    const { dataFolder, dataDir, process } = this.#options;
    const { port } = this.addresses[index]!;
    const size = this.addresses.length;
    const file = this.consoleFile(index);
    return this.#processes[index] = new ServerProcess({
      group: true,
      ...(file === undefined ? {} : { out: { file } }),
      port,
      leaderPort: this.addresses[0]!.port,
      dataDir: dataFolder === undefined ? dataDir : `${dataFolder}/${port}`,
      flags: [`--cluster-size=${size}`, `--min-in-sync=${Math.min(2, size)}`, "--quiet"],
      ...process,
    });
  }

  /**
   * Resolves when all servers are in sync.
   *
   * @throws {Error} if one of them ends before that.
   */
  async inSync(msMax: number = this.#options.openMsMax ?? openMsMax): Promise<void> {
    await eventually(`all ${this.addresses.length} servers are in sync`, async () => {
      const ended = this.#processes.find((process) => process.ended);
      if (ended !== undefined) {
        await ended.code;
        throw new Error(`the server on port ${ended.address.port} has ended: ${ended.errors}`);
      }
      try {
        return (await statusOf(this.addresses[0]!)).inSync.length === this.addresses.length;
      } catch {
        return false; // the leader does not listen yet
      }
    }, msMax);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
  }
}
