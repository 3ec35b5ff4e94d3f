/**
 * Three server processes, the followers behind links that can be made bad.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Address } from "../../../lib/wire/address.ts";
import { eventually } from "../../support/helpers.ts";
import type { History } from "./history.ts";
import { type Direction, Proxy } from "./proxy.ts";
import { ServerProcess } from "./server_process.ts";

/** All three are in sync again this soon after everything is healed. */
export const settleMs = 20_000;
/** Nobody has anything to report for so long: what was noticed late has been noticed. */
const quietMs = 300;
/** What a process that was just stopped has reported is read by then. */
const readMs = 100;
const freezesMax = 5;

/**
 * Servers listen below the ports that systems lend to outgoing connections: a client could hold the port of a dead
 * server, or even connect to itself.
 */
const portMin = 12_000;
const portMax = 29_999;

/** One of the two followers. */
export type FollowerIndex = 1 | 2;
/** Any of the servers; the leader is 0. */
export type ServerIndex = 0 | FollowerIndex;

/** Servers, links and what happened to them. Each fault returns the time at which it began. */
export class Cluster implements AsyncDisposable {
  /** The leader first. */
  readonly servers: readonly [ServerProcess, ServerProcess, ServerProcess];
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
      new ServerProcess(leader!, leader!, dir("leader")),
      new ServerProcess(followers[0]!, links[0].address, dir("follower1")),
      new ServerProcess(followers[1]!, links[1].address, dir("follower2")),
    ];
  }

  /** Three servers, all in sync. They write down what they hold in `folder`, where it is given. */
  static async start(history: History, folder?: string): Promise<Cluster> {
    const addresses = freeAddresses(3);
    const links = [await Proxy.start(addresses[0]!), await Proxy.start(addresses[0]!)] as const;
    const cluster = new Cluster(history, addresses, links, folder);
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
  get leader(): ServerProcess {
    return this.servers[0];
  }

  /** Ends processes as a power failure would, all at the same moment. */
  async kill(...indices: ServerIndex[]): Promise<number> {
    const atMs = this.#fault(`SIGKILL ${indices.map(nameOf).join(", ")}`);
    await Promise.all(indices.map((index) => this.servers[index].kill()));
    return atMs;
  }

  /** Starts a server, without memory or with what it wrote down. Resolves with the time at which it served. */
  async start(index: ServerIndex): Promise<number> {
    this.note(`${nameOf(index)} starts`);
    return await this.servers[index].start(new Map(this.#history.acknowledged));
  }

  /** SIGSTOP. */
  stop(index: ServerIndex): number {
    const atMs = this.#fault(`SIGSTOP ${nameOf(index)}`);
    this.servers[index].stop();
    return atMs;
  }

  /** SIGCONT. Returns the time. */
  continue(index: ServerIndex): number {
    this.note(`SIGCONT ${nameOf(index)}`);
    this.servers[index].continue();
    return performance.now();
  }

  /** Lets nothing through between a follower and the leader; "up" is towards the leader. */
  cut(index: FollowerIndex, direction: Direction): number {
    const atMs = this.#fault(`link ${index} is cut: ${direction}`);
    this.#link(index).cut(direction);
    return atMs;
  }

  /** Everything between a follower and the leader is late, in each direction. */
  slowDown(index: FollowerIndex, delayMs: number): number {
    const atMs = this.#fault(`link ${index} is ${delayMs} ms late`);
    this.#link(index).slowDown(delayMs);
    return atMs;
  }

  /** So much gets through between a follower and the leader, and no more. */
  throttle(index: FollowerIndex, bytesPerSecond: number): number {
    const atMs = this.#fault(`link ${index} carries ${bytesPerSecond} bytes/s`);
    this.#link(index).throttle(bytesPerSecond);
    return atMs;
  }

  /** Resets the connection between a follower and the leader. Returns how many there were. */
  reset(index: FollowerIndex): number {
    this.#fault(`link ${index} is reset`);
    return this.#link(index).reset();
  }

  /** What is on its way between a follower and the leader is lost, and so is the connection. */
  drop(index: FollowerIndex): void {
    this.#fault(`link ${index} drops its connections`);
    this.#link(index).drop();
  }

  /** Makes a link good again. Returns the time. */
  heal(index: FollowerIndex): number {
    this.note(`link ${index} is healed`);
    this.#link(index).heal();
    return performance.now();
  }

  /** Ends all faults: links, processes that stand still, processes that are gone. */
  async healAll(): Promise<void> {
    for (const index of [1, 2] as const) this.heal(index);
    for (const index of [0, 1, 2] as const) {
      if (this.servers[index].stopped) this.continue(index);
      else if (!this.servers[index].alive) await this.start(index);
    }
  }

  /** Resolves when all three servers are in sync and nobody has anything more to say. */
  async settled(): Promise<void> {
    await eventually("all three servers are in sync", () => {
      const newest = Math.max(...this.servers.map(({ reports }) => reports.at(-1)?.atMs ?? 0));
      return this.allInSync && performance.now() - newest >= quietMs;
    }, settleMs);
    this.note("all three are in sync");
  }

  /** True where all servers say so. */
  get allInSync(): boolean {
    const [leader, ...followers] = this.servers;
    return leader.said("open, cluster") !== undefined && this.inSync.length === 3 &&
      followers.every((follower) => {
        const link = follower.news.findLast(({ line }) => /^(joined|lost|cannot)/.test(line));
        return follower.said("synchronised at") !== undefined && link?.line.startsWith("joined");
      });
  }

  /** The servers that the leader has reported to be in sync, itself included. */
  get inSync(): ServerIndex[] {
    return ([0, 1, 2] as const).filter((index) => {
      if (index === 0) return this.leader.alive;
      const { name } = this.servers[index];
      const news = this.leader.news.filter(({ line }) => line.startsWith(`${name} `));
      return news.at(-1)?.line.startsWith(`${name} is in sync`);
    });
  }

  /**
   * Kills servers at the same moment, but only when `survivor` is in sync, that is holds every acknowledged write
   * (G3): the leader stands still while this is looked up.
   */
  async killAllBut(survivor: FollowerIndex, prepare: () => void = () => {}): Promise<number> {
    for (let attempt = 0; attempt < freezesMax; attempt++) {
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
    throw new Error(`follower ${survivor} was not in sync at ${freezesMax} looks`);
  }

  /** Until then all servers were in sync. A follower that drops out by itself does so a little before it is told. */
  get calmUntilMs(): number {
    const left = this.leader.reports.find(({ line }) => line.includes(" left: "));
    return Math.min(this.firstFaultMs, (left?.atMs ?? Infinity) - 1_000);
  }

  /** Writes down what happens now, for the case that the test fails. */
  note(text: string): void {
    this.#notes.push({ atMs: performance.now(), text });
  }

  /** Everything that happened and that servers said, in order. */
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

/** A server in words. */
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
