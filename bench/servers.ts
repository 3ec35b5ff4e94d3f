/**
 * Three servers as processes of their own, to put a load on.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../lib/wire/address.ts";
import { Status, type StatusOk } from "../lib/mensagem.ts";
import { within } from "../lib/client/deadlines.ts";
import { ServerConnection } from "../lib/client/server_connection.ts";

const project = new URL("../", import.meta.url);
/** What the tasks of servers set too. */
const runtimeLimits = { DENO_TOKIO_MAX_IO_EVENTS_PER_TICK: "64" };

/** A process may take so long to start, and to end after it was asked to. */
const startMsMax = 20_000;
const stopMsMax = 5_000;
/** So long may it take to load many keys. */
const loadMsMax = 120_000;
const pollMs = 2;
const statusMsMax = 2_000;

/** So many free ports of this machine, all different. */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/**
 * How a server is.
 *
 * @throws {UnavailableError} where it cannot be reached.
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

/** Polls until a condition holds, and returns the milliseconds that it took. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  msMax = startMsMax,
): Promise<number> {
  const from = performance.now();
  while (!await condition()) {
    if (performance.now() - from > msMax) throw new Error(`not within ${msMax} ms: ${what}`);
    await delay(pollMs);
  }
  return performance.now() - from;
}

/** True where somebody listens there. */
export async function listens({ hostname, port }: Address): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * A process that is stopped with its owner.
 *
 * It leads a process group of its own, so Ctrl-C reaches this program alone, which then stops it.
 */
export class OwnProcess implements AsyncDisposable {
  /** The process' id. */
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  #ended = false;

  /** Starts a program. Its standard output is appended to the file `output`, or thrown away. */
  constructor(program: string, args: readonly string[], output?: string) {
    // Deno itself cannot give a child a file; the shell becomes the program.
    const [command, all] = output === undefined
      ? [program, [...args]]
      : ["sh", ["-c", 'exec "$@" >>"$0"', output, program, ...args]];
    this.#child = new Deno.Command(command, {
      args: all,
      cwd: project,
      // The second for the servers, as in their tasks; others know nothing of it.
      env: {
        NO_COLOR: "1",
        ...(args.some((arg) => arg.endsWith("server.ts")) ? runtimeLimits : {}),
      },
      stdin: "null",
      stdout: "null",
      stderr: output === undefined ? "inherit" : "null",
      detached: Deno.build.os !== "windows",
    }).spawn();
    this.pid = this.#child.pid;
    this.#child.status.then(() => this.#ended = true);
  }

  /** True once the process has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What it holds in memory (RSS), in bytes, as the system counts it; 0 where nobody can tell. */
  async residentBytes(): Promise<number> {
    // Deno reads nothing below /proc without all permissions.
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${this.pid}`] })
      .output();
    const kibibytes = parseInt(new TextDecoder().decode(stdout));
    if (Number.isNaN(kibibytes)) throw new Error(`ps knows no process ${this.pid}`);
    return kibibytes * 1024;
  }

  /** Ends it, and resolves when it has ended. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    const kill = (signal: Deno.Signal) => {
      if (!this.#ended) this.#child.kill(signal);
    };
    kill(signal);
    const timer = setTimeout(() => kill("SIGKILL"), stopMsMax);
    await this.#child.status;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** The three servers of a cluster of this program's own, the leader first. */
export class OwnServers implements AsyncDisposable {
  /** Where they listen. */
  readonly addresses: readonly Address[];
  readonly #processes: OwnProcess[] = [];
  readonly #folder: string | undefined;
  readonly #dataFolder: string | undefined;

  private constructor(
    folder: string | undefined,
    dataFolder: string | undefined,
    count = 3,
  ) {
    this.#dataFolder = dataFolder;
    this.addresses = freePorts(count).map((port) => ({ hostname: "127.0.0.1", port }));
    this.#folder = folder;
  }

  /**
   * Starts them, and resolves when they take PUTs. Their console lines go to files in `folder`, or,
   * where there is none, are written and thrown away (stdout is the null device). They write down what
   * they hold below `dataFolder`, where there is one.
   */
  static async start(folder?: string, dataFolder?: string): Promise<OwnServers> {
    const servers = new OwnServers(folder, dataFolder);
    try {
      for (const index of servers.addresses.keys()) servers.restart(index);
      await servers.open();
      return servers;
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One server that is the whole cluster, with what it finds in the directory `dir`. */
  static async one(dir: string): Promise<OwnServers> {
    const servers = new OwnServers(undefined, undefined, 1);
    try {
      servers.restart(0, dir);
      await servers.open(loadMsMax);
      return servers;
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Their processes, the leader's first. */
  get processes(): readonly OwnProcess[] {
    return this.#processes;
  }

  /** The file that takes a server's console lines. */
  consoleFile(index: number): string | undefined {
    return this.#folder === undefined ? undefined : `${this.#folder}/server${index}.txt`;
  }

  /** Starts a server, for the first time or after it was stopped. */
  restart(index: number, dataDir?: string): OwnProcess {
    const [leader] = this.addresses;
    const { port } = this.addresses[index]!;
    const dir = dataDir ??
      (this.#dataFolder === undefined ? undefined : `${this.#dataFolder}/${port}`);
    const size = this.addresses.length;
    return this.#processes[index] = new OwnProcess(Deno.execPath(), [
      "run",
      "--no-prompt",
      "--allow-net",
      ...(dir === undefined ? [] : [`--allow-read=${dir}`, `--allow-write=${dir}`]),
      "server.ts",
      ...(dir === undefined ? [] : [`--data-dir=${dir}`]),
      "--ip=127.0.0.1",
      `--port=${port}`,
      "--leader-ip=127.0.0.1",
      `--leader-port=${leader!.port}`,
      `--cluster-size=${size}`,
      `--min-in-sync=${Math.min(2, size)}`,
      "--quiet",
    ], this.consoleFile(index));
  }

  /** Resolves when all three count: each PUT reaches all of them. Returns the milliseconds. */
  async open(msMax = startMsMax): Promise<number> {
    return await waitUntil("all three servers are in sync", async () => {
      const ended = this.#processes.findIndex((process) => process.ended);
      if (ended >= 0) {
        throw new Error(
          `the server on ${formatAddress(this.addresses[ended]!)} has ended by itself`,
        );
      }
      try {
        return (await statusOf(this.addresses[0]!)).inSync.length === this.addresses.length;
      } catch {
        return false; // it does not listen yet
      }
    }, msMax);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
  }
}
