/**
 * Servers as processes.
 *
 * @module
 */

import type { Address } from "../lib/wire/address.ts";
import { freePorts } from "./free_ports.ts";
import { Process, type ProcessOptions } from "./process.ts";

/** The environment of the server tasks: Deno handles at most 64 socket events in one turn. */
const runtimeLimits = { DENO_TOKIO_MAX_IO_EVENTS_PER_TICK: "64" };

/** The options of a server process. */
export interface ServerProcessOptions extends ProcessOptions {
  /** The port on 127.0.0.1 (a free one). */
  readonly port?: number;
  /** The leader's port on 127.0.0.1 (its own: it is the leader). `null` if no server leads, as with etcd. */
  readonly leaderPort?: number | null;
  /** The data directory. Without it the table is in memory alone. */
  readonly dataDir?: string | undefined;
  /** The paths that it may read and write (the data directory). */
  readonly permitted?: string;
  /** The arguments of Deno before the flags of the server, in place of the usual ones. */
  readonly deno?: readonly string[];
  /** Further flags of the server. */
  readonly flags?: readonly string[];
  /** A program that starts Deno, and its arguments before Deno's path. */
  readonly wrapper?: readonly [program: string, ...args: string[]];
}

/** The flags of the only server of a cluster. */
export const alone = ["--cluster-size=1", "--min-in-sync=1"] as const;

/** A server as a process. */
export class ServerProcess extends Process {
  /** The address on which it listens. */
  readonly address: Address;
  readonly #quiet: boolean;

  /** Starts the process; {@linkcode ServerProcess.serving} waits for the server. */
  constructor(options: ServerProcessOptions = {}) {
    const { port = freePorts(1)[0]!, leaderPort = port, dataDir, permitted = dataDir } = options;
    const files = permitted === undefined
      ? []
      : [`--allow-read=${permitted}`, `--allow-write=${permitted}`];
    const usual = ["run", "--no-prompt", "--allow-net", ...files, "server.ts"];
    const args = [
      ...options.deno ?? usual,
      ...(dataDir === undefined ? [] : [`--data-dir=${dataDir}`]),
      "--ip=127.0.0.1",
      `--port=${port}`,
      ...(leaderPort === null ? [] : ["--leader-ip=127.0.0.1", `--leader-port=${leaderPort}`]),
      ...options.flags ?? [],
    ];
    const [program, ...rest] = [...options.wrapper ?? [], Deno.execPath(), ...args];
    super(program!, rest, {
      ...options,
      env: { ...runtimeLimits, ...options.env },
    });
    this.address = { hostname: "127.0.0.1", port };
    this.#quiet = options.flags?.includes("--quiet") === true || options.err === "discard";
  }

  /** Starts a server. Resolves when it listens. */
  static async start(options: ServerProcessOptions = {}): Promise<ServerProcess> {
    const server = new ServerProcess(options);
    try {
      await server.serving();
      return server;
    } catch (error) {
      await server.kill();
      throw error;
    }
  }

  /**
   * Resolves when it has loaded its table and listens.
   *
   * @throws {Error} if it ends before that.
   */
  async serving(): Promise<void> {
    if (this.#quiet) await this.listensOn(this.address.port);
    else await this.reports("serving on");
  }
}
