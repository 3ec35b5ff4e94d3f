/**
 * One server as a process of its own, which can be killed, stopped and started anew.
 *
 * @module
 */

import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import { eventually, within } from "../../support/helpers.ts";

const project = new URL("../../../", import.meta.url);
/** A process starts slowly where many do. */
const processMs = 20_000;
const startsMax = 3;

/** A line on a server's standard error. */
export interface Report {
  readonly atMs: number;
  /** The process that said it, counted from 1. */
  readonly life: number;
  readonly line: string;
}

/** A server's host: its address stays, its processes come and go. */
export class ServerProcess implements AsyncDisposable {
  readonly address: Address;
  /** "ip:port" */
  readonly name: string;
  /** Everything that its processes have reported. */
  readonly reports: Report[] = [];
  /** Processes that ended without being killed. */
  readonly crashes: string[] = [];
  /** For each key the highest timestamp that was acknowledged when the newest process began. */
  startFloors: ReadonlyMap<string, number> = new Map();
  readonly #leader: Address;
  /** Where it writes down what it holds, where it does. */
  readonly #dataDir: string | undefined;
  #life = 0;
  /** The process is meant to end. */
  #killed = false;
  #child: Deno.ChildProcess | undefined;
  /** Resolves when the process has ended and everything that it reported has been read. */
  #ended: Promise<void> = Promise.resolve();
  #stoppedAtMs: number | undefined;
  #stoppedMs = 0;

  /** A host on which nothing runs yet. The server will look for its leader at `leader`. */
  constructor(address: Address, leader: Address, dataDir?: string) {
    this.#dataDir = dataDir;
    this.address = address;
    this.name = formatAddress(address);
    this.#leader = leader;
  }

  /** True where there is a process, be it stopped. */
  get alive(): boolean {
    return this.#child !== undefined;
  }

  /** True where the process stands still. */
  get stopped(): boolean {
    return this.#stoppedAtMs !== undefined;
  }

  /** The newest process, with the number that it has among those of this host. */
  get process(): string {
    return `${this.name}, process ${this.#life}`;
  }

  /** What the newest process has reported. */
  get news(): Report[] {
    return this.reports.filter(({ life }) => life === this.#life);
  }

  /** A clock that does not move while the process stands still, in milliseconds. */
  get ownMs(): number {
    return (this.#stoppedAtMs ?? performance.now()) - this.#stoppedMs;
  }

  /** Starts a process. Resolves when it serves, with the time. */
  async start(startFloors: ReadonlyMap<string, number>): Promise<number> {
    this.startFloors = startFloors;
    for (let attempt = 1;; attempt++) {
      this.#spawn();
      const serving = await eventually(
        `${this.name} serves or ends`,
        () => this.#child === undefined ? "ended" : this.said("serving on"),
        processMs,
      );
      if (serving !== "ended") return serving.atMs;
      const why = this.news.map(({ line }) => line).join("\n");
      // The port may be lent to somebody for a moment.
      if (attempt === startsMax || !why.includes("in use")) {
        throw new Error(`${this.name} does not start: ${why}`);
      }
      this.crashes.pop();
    }
  }

  /** The last report of the newest process that begins so, or has this in it. */
  said(text: string): Report | undefined {
    return this.news.findLast(({ line }) => line.includes(text));
  }

  /** Resolves with the first report with this text that came at `sinceMs` or later. */
  async reported(text: string, sinceMs: number): Promise<Report> {
    return await eventually(
      `${this.name} reports "${text}"`,
      () => this.reports.find(({ atMs, line }) => atMs >= sinceMs && line.includes(text)),
      processMs,
    );
  }

  /** Ends the process as a power failure would. Resolves when everything that it reported is known. */
  async kill(): Promise<void> {
    this.#killed = true;
    try {
      this.#child?.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended by itself
    }
    await within(`${this.name} dies`, this.#ended, processMs);
  }

  /** The process stands still. */
  stop(): void {
    this.#child!.kill("SIGSTOP");
    this.#stoppedAtMs = performance.now();
  }

  /** The process goes on. */
  continue(): void {
    this.#child!.kill("SIGCONT");
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
    const { hostname, port } = this.address;
    const dir = this.#dataDir;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--allow-net",
        ...(dir === undefined ? [] : [`--allow-read=${dir}`, `--allow-write=${dir}`]),
        "server.ts",
        ...(dir === undefined ? [] : [`--data-dir=${dir}`]),
        `--ip=${hostname}`,
        `--port=${port}`,
        `--leader-ip=${this.#leader.hostname}`,
        `--leader-port=${this.#leader.port}`,
      ],
      cwd: project,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#killed = false;
    this.#life++;
    this.#ended = this.#watch(child, this.#life);
  }

  async #watch(child: Deno.ChildProcess, life: number): Promise<void> {
    let rest = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.reports.push({ atMs: performance.now(), life, line });
    }
    const { code } = await child.status;
    this.#moveOn();
    this.#child = undefined;
    if (!this.#killed) this.crashes.push(`${this.name} ended by itself with code ${code}`);
  }
}
