/**
 * One of the servers that are stopped, replaced and started again, one at a time.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import { eventually } from "../../support/waiting.ts";
import type { ServerUnderLoad } from "../faults/client.ts";

/** How long a process may take to start on a busy machine. */
const startMsMax = 30_000;
/** The environment of the server tasks. */
const env = { DENO_TOKIO_MAX_IO_EVENTS_PER_TICK: "64" };

/** How a process of the server is started. */
export interface Start {
  /** The folder of the program (this checkout). */
  readonly program?: string | undefined;
  /** The IP address on which it listens. */
  readonly ip: string;
  /** The data directory. Without it the table is in memory alone. */
  readonly dataDir?: string | undefined;
  /** The secret of the servers. Without it they have none. */
  readonly secret?: string | undefined;
}

/** A server with one address for its clients, and at most one process at a time. */
export class RollingServer implements ServerUnderLoad, AsyncDisposable {
  readonly address: Address;
  /** "host:port", by which others know it. */
  readonly name: string;
  startFloors: ReadonlyMap<string, number> = new Map();
  /** What all of its processes have reported. */
  readonly reports: { readonly atMs: number; readonly line: string }[] = [];
  readonly #leader: Address;
  #life = 0;
  #process: Process | undefined;

  /** A server without a process. */
  constructor(address: Address, leader: Address) {
    this.address = address;
    this.name = formatAddress(address);
    this.#leader = leader;
  }

  /** The name of the newest process. */
  get process(): string {
    return `${this.name}, process ${this.#life}`;
  }

  /** Servers of this suite are never stopped by a signal that they could continue after. */
  get ownMs(): number {
    return performance.now();
  }

  /** Starts a process. `startFloors` are the timestamps that were acknowledged before. Resolves when it listens. */
  async start(start: Start, startFloors: ReadonlyMap<string, number>): Promise<void> {
    const process = this.#spawn(start, startFloors);
    const since = this.reports.length;
    await eventually(
      `${this.name} serves or ends`,
      () =>
        process.ended || this.reports.some(({ line }, i) => i >= since && /^serving on/.test(line)),
      startMsMax,
    );
    if (process.ended) throw new Error(`${this.name} does not start`);
  }

  /** Starts a process that cannot start. Resolves with what it reports, and its exit code. */
  async fails(start: Start): Promise<{ code: number; said: string }> {
    const since = this.reports.length;
    const code = await this.#spawn(start, this.startFloors).end();
    return { code, said: this.reports.slice(since).map(({ line }) => line).join("\n") };
  }

  /** Asks the process to end, as an operator does, and waits until it has. */
  async stop(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process !== undefined) {
      assertEquals(await process.stop(), 0, `the exit code of ${this.name}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.kill();
  }

  #spawn(start: Start, startFloors: ReadonlyMap<string, number>): Process {
    const { program, ip, dataDir, secret } = start;
    this.#life++;
    this.startFloors = startFloors;
    const files = dataDir === undefined
      ? []
      : [`--allow-read=${dataDir}`, `--allow-write=${dataDir}`];
    const flags = [
      ...(dataDir === undefined ? [] : [`--data-dir=${dataDir}`]),
      `--ip=${ip}`,
      `--port=${this.address.port}`,
      `--advertise=${this.name}`,
      `--leader-ip=${this.#leader.hostname}`,
      `--leader-port=${this.#leader.port}`,
    ];
    const variables = secret === undefined ? [] : ["--allow-env=KV_SECRET,KV_PASSWORD"];
    const allowed = ["--allow-net", ...files, ...variables];
    const args = ["run", "--no-prompt", ...allowed, "server.ts", ...flags];
    const errorLine = (line: string) => this.reports.push({ atMs: performance.now(), line });
    this.#process = Process.deno(args, {
      env: { ...env, ...(secret === undefined ? {} : { KV_SECRET: secret }) },
      errorLine,
      ...(program === undefined ? {} : { cwd: program }),
    });
    return this.#process;
  }
}
