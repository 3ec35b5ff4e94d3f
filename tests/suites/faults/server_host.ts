/**
 * The host of one server. It keeps its address while its processes are killed, stopped and started again.
 *
 * @module
 */

import { ServerProcess } from "../../../bench/server_process.ts";
import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import { eventually, within } from "../../support/waiting.ts";

/** How long a process may take to start or end. It starts slowly if many start at once. */
const processMsMax = 20_000;
const startsMax = 3;

/** A line on a server's standard error. */
export interface Report {
  readonly atMs: number;
  /** The number of the process that reported it, counted from 1. */
  readonly life: number;
  readonly line: string;
}

/** A host with at most one server process at a time. */
export class ServerHost implements AsyncDisposable {
  readonly address: Address;
  /** "ip:port" */
  readonly name: string;
  /** Everything that its processes have reported. */
  readonly reports: Report[] = [];
  /** Processes that ended without being killed. */
  readonly crashes: string[] = [];
  /** For each key, the highest timestamp that was acknowledged when the newest process began. */
  startFloors: ReadonlyMap<string, number> = new Map();
  readonly #leader: Address;
  readonly #dataDir: string | undefined;
  #life = 0;
  /** Whether the newest process was killed by the test. */
  #killed = false;
  #process: ServerProcess | undefined;
  /** Resolves when the process has ended and all of its reports are read. */
  #ended: Promise<void> = Promise.resolve();
  #stoppedAtMs: number | undefined;
  #stoppedMs = 0;

  /** A host without a process. Its servers dial their leader at `leader`, and keep a journal if `dataDir` is given. */
  constructor(address: Address, leader: Address, dataDir?: string) {
    this.#dataDir = dataDir;
    this.address = address;
    this.name = formatAddress(address);
    this.#leader = leader;
  }

  /** Whether there is a process, stopped or not. */
  get alive(): boolean {
    return this.#process !== undefined;
  }

  /** Whether the process is stopped (SIGSTOP). */
  get stopped(): boolean {
    return this.#stoppedAtMs !== undefined;
  }

  /** The name of the newest process. */
  get process(): string {
    return `${this.name}, process ${this.#life}`;
  }

  /** The reports of the newest process. */
  get news(): Report[] {
    return this.reports.filter(({ life }) => life === this.#life);
  }

  /** A clock in milliseconds that stands still while the process is stopped. */
  get ownMs(): number {
    return (this.#stoppedAtMs ?? performance.now()) - this.#stoppedMs;
  }

  /** Starts a process. Resolves with the time at which it serves. */
  async start(startFloors: ReadonlyMap<string, number>): Promise<number> {
    this.startFloors = startFloors;
    for (let attempt = 1;; attempt++) {
      this.#spawn();
      const serving = await eventually(
        `${this.name} serves or ends`,
        () => this.#process === undefined ? "ended" : this.said("serving on"),
        processMsMax,
      );
      if (serving !== "ended") return serving.atMs;
      const why = this.news.map(({ line }) => line).join("\n");
      // The system may have given the port to an outgoing connection for a moment.
      if (attempt === startsMax || !why.includes("in use")) {
        throw new Error(`${this.name} does not start: ${why}`);
      }
      this.crashes.pop();
    }
  }

  /** The last report of the newest process that contains this text. */
  said(text: string): Report | undefined {
    return this.news.findLast(({ line }) => line.includes(text));
  }

  /** Resolves with the first report that contains this text and came at `sinceMs` or later. */
  async reported(text: string, sinceMs: number): Promise<Report> {
    return await eventually(
      `${this.name} reports "${text}"`,
      () => this.reports.find(({ atMs, line }) => atMs >= sinceMs && line.includes(text)),
      processMsMax,
    );
  }

  /** Ends the process as a power failure would. Resolves when all of its reports are read. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#process?.signal("SIGKILL");
    await within(`${this.name} dies`, this.#ended, processMsMax);
  }

  /** Stops the process (SIGSTOP). */
  stop(): void {
    this.#process!.signal("SIGSTOP");
    this.#stoppedAtMs = performance.now();
  }

  /** Continues the process (SIGCONT). */
  continue(): void {
    this.#process!.signal("SIGCONT");
    this.#moveOn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #moveOn(): void {
    if (this.#stoppedAtMs === undefined) return;
    this.#stoppedMs += performance.now() - this.#stoppedAtMs;
    this.#stoppedAtMs = undefined;
  }

  #spawn(): void {
    const life = ++this.#life;
    this.#killed = false;
    this.#process = new ServerProcess({
      port: this.address.port,
      leaderPort: this.#leader.port,
      dataDir: this.#dataDir,
      errorLine: (line) => this.reports.push({ atMs: performance.now(), life, line }),
    });
    this.#ended = this.#watch(this.#process);
  }

  async #watch(process: ServerProcess): Promise<void> {
    const code = await process.code;
    this.#moveOn();
    this.#process = undefined;
    if (!this.#killed) this.crashes.push(`${this.name} ended by itself with code ${code}`);
  }
}
