/**
 * Three server processes whose followers reach the leader over links that can be broken.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Address } from "../../../lib/wire/address.ts";
import { eventually } from "../../support/waiting.ts";
import type { History } from "./history.ts";
import { type Direction, Proxy } from "./proxy.ts";
import { ServerHost } from "./server_host.ts";

/**
 * How long it may take until all three servers are in sync after the end of all faults. After each stall
 * of a slow disk a follower has to keep up for seconds.
 */
export const settleMs = 60_000;
/** If no server reports for this long, all have noticed what has happened. */
const quietMs = 300;
/** The time in which the last reports of a stopped process are read. */
const readMs = 100;
const checksMax = 5;

/**
 * Servers listen below the ports that systems give to outgoing connections. Otherwise a client could hold the port
 * of a dead server, or connect to itself.
 */
const portMin = 12_000;
const portMax = 29_999;

/** One of the two followers. */
export type FollowerIndex = 1 | 2;
/** One of the three servers; the leader is 0. */
export type ServerIndex = 0 | FollowerIndex;

/** Servers, the links between them, and what happened to both. Each fault returns the time at which it began. */
export class FaultyCluster implements AsyncDisposable {
  /** The leader first. */
  readonly servers: readonly [ServerHost, ServerHost, ServerHost];
  /** When the first fault began. */
  firstFaultMs = Infinity;
  readonly #links: readonly [Proxy, Proxy];
  readonly #history: History;
  readonly #notes: { readonly atMs: number; readonly text: string }[] = [];
  readonly #startMs = performance.now();

  private constructor(
    history: History,
    [leader, ...followers]: readonly Address[],
    links: readonly [Proxy, Proxy],
    folder: string | undefined,
  ) {
    const dir = (name: string) => folder === undefined ? undefined : `${folder}/${name}`;
    this.#history = history;
    this.#links = links;
    this.servers = [
      new ServerHost(leader!, leader!, dir("leader")),
      new ServerHost(followers[0]!, links[0].address, dir("follower1")),
      new ServerHost(followers[1]!, links[1].address, dir("follower2")),
    ];
  }

  /** Starts three servers, with data directories in `folder` if it is given. Resolves when all are in sync. */
  static async start(history: History, folder?: string): Promise<FaultyCluster> {
    const addresses = freeAddresses(3);
    const links = [await Proxy.start(addresses[0]!), await Proxy.start(addresses[0]!)] as const;
    const cluster = new FaultyCluster(history, addresses, links, folder);
    try {
      await Promise.all(cluster.servers.map((server) => server.start(new Map())));
      await cluster.settled();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** The leader. */
  get leader(): ServerHost {
    return this.servers[0];
  }

  /** Ends processes at the same moment, as a power failure would. */
  async kill(...indices: ServerIndex[]): Promise<number> {
    const atMs = this.#fault(`SIGKILL ${indices.map(nameOf).join(", ")}`);
    await Promise.all(indices.map((index) => this.servers[index].kill()));
    return atMs;
  }

  /** Starts a server, with an empty table or its journal. Resolves with the time at which it serves. */
  async start(index: ServerIndex): Promise<number> {
    this.note(`${nameOf(index)} starts`);
    return await this.servers[index].start(new Map(this.#history.acknowledged));
  }

  /** Stops a process (SIGSTOP). */
  stop(index: ServerIndex): number {
    const atMs = this.#fault(`SIGSTOP ${nameOf(index)}`);
    this.servers[index].stop();
    return atMs;
  }

  /** Continues a process (SIGCONT). Returns the time. */
  continue(index: ServerIndex): number {
    this.note(`SIGCONT ${nameOf(index)}`);
    this.servers[index].continue();
    return performance.now();
  }

  /** Cuts the link between a follower and the leader; "up" is the direction to the leader. */
  cut(index: FollowerIndex, direction: Direction): number {
    const atMs = this.#fault(`link ${index} is cut: ${direction}`);
    this.#link(index).cut(direction);
    return atMs;
  }

  /** Delays everything between a follower and the leader, in each direction. */
  slowDown(index: FollowerIndex, delayMs: number): number {
    const atMs = this.#fault(`link ${index} is delayed by ${delayMs} ms`);
    this.#link(index).slowDown(delayMs);
    return atMs;
  }

  /** Limits the rate between a follower and the leader. */
  throttle(index: FollowerIndex, bytesPerSecond: number): number {
    const atMs = this.#fault(`link ${index} carries ${bytesPerSecond} bytes/s`);
    this.#link(index).throttle(bytesPerSecond);
    return atMs;
  }

  /** Resets the connections between a follower and the leader. Returns how many there were. */
  reset(index: FollowerIndex): number {
    this.#fault(`link ${index} is reset`);
    return this.#link(index).reset();
  }

  /** Closes the connections between a follower and the leader; bytes on their way are lost. */
  drop(index: FollowerIndex): void {
    this.#fault(`link ${index} drops its connections`);
    this.#link(index).drop();
  }

  /** Ends the fault of a link. Returns the time. */
  heal(index: FollowerIndex): number {
    this.note(`link ${index} is healed`);
    this.#link(index).heal();
    return performance.now();
  }

  /** Ends all faults: heals links, continues stopped processes, starts killed ones. */
  async healAll(): Promise<void> {
    for (const index of [1, 2] as const) this.heal(index);
    for (const index of [0, 1, 2] as const) {
      if (this.servers[index].stopped) this.continue(index);
      else if (!this.servers[index].alive) await this.start(index);
    }
  }

  /** Resolves when all three servers are in sync and report nothing more. */
  async settled(): Promise<void> {
    await eventually("all three servers are in sync", () => {
      const newest = Math.max(...this.servers.map(({ reports }) => reports.at(-1)?.atMs ?? 0));
      return this.allInSync && performance.now() - newest >= quietMs;
    }, settleMs);
    this.note("all three are in sync");
  }

  /** Whether all servers report that they are in sync. */
  get allInSync(): boolean {
    const [leader, ...followers] = this.servers;
    return leader.said("open, cluster") !== undefined && this.inSync.length === 3 &&
      followers.every((follower) => {
        const link = follower.news.findLast(({ line }) => /^(joined|lost|cannot)/.test(line));
        return follower.said("synchronised at") !== undefined && link?.line.startsWith("joined");
      });
  }

  /** The servers that the leader reports to be in sync, itself included. */
  get inSync(): ServerIndex[] {
    return ([0, 1, 2] as const).filter((index) => {
      if (index === 0) return this.leader.alive;
      const { name } = this.servers[index];
      const news = this.leader.news.filter(({ line }) => line.startsWith(`${name} `));
      return news.at(-1)?.line.startsWith(`${name} is in sync`);
    });
  }

  /**
   * Kills the leader and one follower at the same moment, while `survivor` is in sync and so holds every acknowledged
   * write (G3). The leader is stopped while that is checked.
   */
  async killAllBut(survivor: FollowerIndex, prepare: () => void = () => {}): Promise<number> {
    for (let attempt = 0; attempt < checksMax; attempt++) {
      if (this.leader.alive && !this.leader.stopped) this.stop(0);
      prepare();
      await delay(readMs);
      const other = survivor === 1 ? 2 : 1;
      if (this.inSync.includes(survivor)) return await this.kill(0, other);
      this.continue(0);
      this.heal(survivor);
      await eventually(
        `${nameOf(survivor)} is in sync`,
        () => this.inSync.includes(survivor),
        settleMs,
      );
    }
    throw new Error(`follower ${survivor} was not in sync at ${checksMax} checks`);
  }

  /** The time until which all servers were in sync. A follower may leave shortly before the leader reports it. */
  get calmUntilMs(): number {
    const left = this.leader.reports.find(({ line }) =>
      / left: | has acknowledged nothing/.test(line)
    );
    return Math.min(this.firstFaultMs, (left?.atMs ?? Infinity) - 1_000);
  }

  /** Notes what happens now, for the report of a failed test. */
  note(text: string): void {
    this.#notes.push({ atMs: performance.now(), text });
  }

  /** All notes and reports in order of time. */
  get story(): string {
    const lines = [
      ...this.#notes.map(({ atMs, text }) => ({ atMs, text: `== ${text}` })),
      ...this.servers.flatMap(({ reports }, index) =>
        reports.map(({ atMs, life, line }) => ({
          atMs,
          text: `${nameOf(index as ServerIndex)}, process ${life}: ${line}`,
        }))
      ),
    ].sort((a, b) => a.atMs - b.atMs);
    return lines.map(({ atMs, text }) => `${Math.round(atMs - this.#startMs)} ms  ${text}`)
      .join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
    await Promise.all(this.#links.map((link) => link[Symbol.asyncDispose]()));
    assertEquals(this.servers.flatMap(({ crashes }) => crashes), []);
  }

  #link(index: FollowerIndex): Proxy {
    return this.#links[index - 1]!;
  }

  #fault(text: string): number {
    this.note(text);
    const atMs = performance.now();
    this.firstFaultMs = Math.min(this.firstFaultMs, atMs);
    return atMs;
  }
}

/** The name of a server in notes. */
export function nameOf(index: ServerIndex): string {
  return index === 0 ? "leader" : `follower ${index}`;
}

function freeAddresses(count: number): Address[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin + 1));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      ports.add(port);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  return [...ports].map((port) => ({ hostname: "127.0.0.1", port }));
}
