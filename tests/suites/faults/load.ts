/**
 * Many clients that send requests without a pause while servers and links fail.
 *
 * @module
 */

import { assert } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Table } from "../../simulation/observation.ts";
import { eventually, within } from "../../support/waiting.ts";
import type { Random } from "../../support/random.ts";
import { LibraryClient, type ServerUnderLoad, Values, Witness } from "./client.ts";
import type { History } from "./history.ts";

/** The servers under load. */
export interface Target {
  readonly servers: readonly ServerUnderLoad[];
  /** Notes what happens now, for the report of a failed test. */
  note(text: string): void;
}

/** The number of clients and what they do. */
export interface LoadOptions {
  /** Clients with a connection to each server. */
  readonly witnesses: number;
  /** The requests that a witness has in flight at each server. */
  readonly workersPerServer: number;
  /** Clients of the library, which choose a server at random for each request. */
  readonly libraryClients: number;
  /** The requests that a client of the library has in flight. */
  readonly workersPerLibraryClient: number;
  /** Keys that all clients write repeatedly. */
  readonly sharedKeys: number;
  /** Keys that one client writes once and reads more often than others do. */
  readonly ownKeysMax: number;
  /** Length of a value in UTF-16 units, without the number that makes it unique. */
  readonly valueChars: number;
}

/** 24 × 3 × 4 + 6 × 4 = 312 requests in flight. */
const loadDefault: LoadOptions = {
  witnesses: 24,
  workersPerServer: 4,
  libraryClients: 6,
  workersPerLibraryClient: 4,
  sharedKeys: 24,
  ownKeysMax: 3_000,
  valueChars: 0,
};

/** The least load before the first fault. With less load a test fails, because it would show nothing. */
export const loadFloorPerSecond = 200;
/** How long the load is measured before the first fault. */
const warmUpMs = 1_000;
const putShare = 0.4;
const ownKeyShare = 0.15;
/** The requests after which every second witness becomes a new client. */
const requestsPerLife = 30;
/** The pause after a failed request. */
const retryMs = 100;
const sweepMs = 250;
/** How long a number of requests may take on a busy machine. It only ends a test that hangs. */
const workMsMax = 60_000;
/** How long each step of the end may take: all answers, equal tables, a last write and read of each client. */
const settleMs = 15_000;

/** A load from its start to its end. */
export class Load implements AsyncDisposable {
  /** Requests per second before the first fault. */
  rate = 0;
  /** When the load ended. */
  endMs = 0;
  readonly #options: LoadOptions;
  readonly #cluster: Target;
  readonly #history: History;
  readonly #random: Random;
  readonly #witnesses: Witness[];
  readonly #library: LibraryClient[];
  readonly #workers: Promise<void>[] = [];
  readonly #sweeper: ReturnType<typeof setInterval>;
  readonly #keys = new Set<string>();
  /** The keys of single clients, the newest last. */
  readonly #ownKeys: string[] = [];
  #stopping = false;

  private constructor(
    cluster: Target,
    history: History,
    random: Random,
    options: Partial<LoadOptions>,
  ) {
    this.#cluster = cluster;
    this.#history = history;
    this.#random = random;
    this.#options = { ...loadDefault, ...options };
    const { witnesses, libraryClients, valueChars } = this.#options;
    const values = new Values(valueChars);
    const { servers } = cluster;
    this.#witnesses = Array.from(
      { length: witnesses },
      (_, i) => new Witness(`witness ${i}`, servers, history, values),
    );
    this.#library = Array.from(
      { length: libraryClients },
      (_, i) =>
        new LibraryClient(`library ${i}`, servers, history, values, () => this.#random.next()),
    );
    this.#sweeper = setInterval(() => {
      for (const witness of this.#witnesses) witness.sweep(performance.now());
    }, sweepMs);
    this.#start();
  }

  /** Starts the load, and measures it before the first fault. */
  static async start(
    cluster: Target,
    history: History,
    random: Random,
    options: Partial<LoadOptions> = {},
  ): Promise<Load> {
    const load = new Load(cluster, history, random, options);
    try {
      await within("the first PUT", history.nextPut(0));
      const before = history.puts + history.gets;
      const sinceMs = performance.now();
      await delay(warmUpMs);
      const seconds = (performance.now() - sinceMs) / 1000;
      load.rate = Math.round((history.puts + history.gets - before) / seconds);
      assert(
        load.rate >= loadFloorPerSecond,
        `only ${load.rate} requests per second before the first fault, not ${loadFloorPerSecond}`,
      );
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
    return load;
  }

  /** The number of clients that write and read at the end. */
  get clients(): number {
    return this.#witnesses.length;
  }

  /**
   * Waits for the first acknowledged PUT that was sent after an event. Returns the milliseconds since the event, and
   * fails if they are more than `withinMs`.
   */
  async resumes(what: string, eventMs: number, withinMs: number): Promise<number> {
    const atMs = await within(`a PUT ${what}`, this.#history.nextPut(eventMs), 10 * withinMs);
    const tookMs = Math.round(atMs - eventMs);
    this.#cluster.note(`the first PUT ${what} took ${tookMs} ms`);
    assert(tookMs <= withinMs, `PUTs resumed ${tookMs} ms ${what}, not within ${withinMs} ms`);
    return tookMs;
  }

  /** Waits until `count` more PUTs are acknowledged. */
  async puts(count: number): Promise<void> {
    const target = this.#history.puts + count;
    await eventually(`${count} more PUTs`, () => this.#history.puts >= target, workMsMax);
  }

  /** Waits until `count` more GETs are answered. */
  async gets(count: number): Promise<void> {
    const target = this.#history.gets + count;
    await eventually(`${count} more GETs`, () => this.#history.gets >= target, workMsMax);
  }

  /** Waits until a server has refused `count` more GETs. */
  async refusals(server: string, count: number): Promise<void> {
    const refused = () => this.#history.refusals.get(server) ?? 0;
    const target = refused() + count;
    await eventually(`${server} refuses GETs`, () => refused() >= target, settleMs);
  }

  /** Sends one PUT to a server. Returns whether it was acknowledged. */
  async put(server: number): Promise<boolean> {
    return await this.#witnesses[0]!.put(server, this.#sharedKey());
  }

  /** Turns every second witness into a new client that has seen nothing. */
  renew(): void {
    for (const [number, witness] of this.#witnesses.entries()) {
      if (number % 2 === 1) witness.renew();
    }
  }

  /** Closes the connections of all witnesses, in the middle of requests. */
  breakConnections(): void {
    this.#cluster.note("clients close their connections");
    for (const witness of this.#witnesses) witness.break();
  }

  /** Sends no more requests, and waits until all are answered. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.endMs === 0) this.endMs = performance.now();
    await within("all requests are answered", Promise.all(this.#workers), settleMs);
  }

  /** Reads all keys from all servers, until the tables are equal or time is up. */
  async readTables(): Promise<Table[]> {
    const untilMs = performance.now() + settleMs;
    while (true) {
      const tables = await Promise.all(this.#cluster.servers.map(async ({ name }, index) => {
        const witness = this.#witnesses[index % this.#witnesses.length]!;
        const store = await witness.readTable(index, this.#keys);
        return { server: name, readable: store !== undefined, store: store ?? new Map() };
      }));
      if (performance.now() > untilMs || same(tables)) return tables;
    }
  }

  /** Lets every witness write and read once more. Returns how many could, each within a time limit. */
  async lastRequests(): Promise<{ lastPuts: number; lastGets: number }> {
    const untilMs = performance.now() + settleMs;
    const insist = async (request: () => Promise<boolean>) => {
      while (!await request()) {
        if (performance.now() > untilMs) return false;
        await delay(retryMs);
      }
      return true;
    };
    const count = this.#cluster.servers.length;
    const done = await Promise.all(this.#witnesses.map(async (witness, i) => [
      await insist(() => witness.put(i % count, this.#sharedKey())),
      await insist(() => witness.get((i + 1) % count, this.#sharedKey())),
    ]));
    return {
      lastPuts: done.filter(([put]) => put).length,
      lastGets: done.filter(([, got]) => got).length,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#sweeper);
    await Promise.all(
      [...this.#witnesses, ...this.#library].map((client) => client[Symbol.asyncDispose]()),
    );
    await Promise.all(this.#workers);
  }

  #start(): void {
    const { workersPerServer, workersPerLibraryClient } = this.#options;
    for (const [number, witness] of this.#witnesses.entries()) {
      const renews = number % 2 === 1;
      const own = { name: `own ${number}`, newest: this.#sharedKey() };
      for (const server of this.#cluster.servers.keys()) {
        for (let i = 0; i < workersPerServer; i++) {
          this.#workers.push(this.#witness(witness, server, own, renews));
        }
      }
    }
    for (const client of this.#library) {
      for (let i = 0; i < workersPerLibraryClient; i++) {
        this.#workers.push(this.#useLibrary(client));
      }
    }
  }

  async #witness(
    witness: Witness,
    server: number,
    own: { readonly name: string; newest: string },
    renews: boolean,
  ): Promise<void> {
    for (let asked = 1; !this.#stopping; asked++) {
      if (renews && asked % requestsPerLife === 0) witness.renew();
      let done: boolean;
      if (this.#random.chance(putShare)) {
        const key = this.#keyToWrite(own.name);
        done = await witness.put(server, key);
        if (done && key.startsWith("own ")) own.newest = key;
      } else {
        done = await witness.get(
          server,
          this.#random.chance(ownKeyShare) ? own.newest : this.#keyToRead(),
        );
      }
      if (!done) await delay(retryMs);
    }
  }

  async #useLibrary(client: LibraryClient): Promise<void> {
    while (!this.#stopping) {
      const done = this.#random.chance(putShare)
        ? await client.put(this.#sharedKey())
        : await client.get(this.#keyToRead());
      if (!done) await delay(retryMs);
    }
  }

  #keyToWrite(owner: string): string {
    if (this.#ownKeys.length >= this.#options.ownKeysMax || !this.#random.chance(ownKeyShare)) {
      return this.#sharedKey();
    }
    const key = `${owner}, ${this.#ownKeys.length}`;
    this.#ownKeys.push(key);
    this.#keys.add(key);
    return key;
  }

  #keyToRead(): string {
    const newest = this.#ownKeys.at(-1 - this.#random.below(64));
    return newest === undefined || this.#random.chance(0.7) ? this.#sharedKey() : newest;
  }

  #sharedKey(): string {
    const key = `chave ${this.#random.below(this.#options.sharedKeys)}`;
    this.#keys.add(key);
    return key;
  }
}

function same(tables: Table[]): boolean {
  const [first] = tables.map(({ store }) => new Map(store.entries()));
  return tables.every(({ readable, store }) => {
    const entries = [...store.entries()];
    return readable && entries.length === first!.size && entries.every(([key, entry]) => {
      const other = first!.get(key);
      return other?.timestamp === entry.timestamp && other.value === entry.value;
    });
  });
}
