/**
 * Many clients that ask without a pause while servers and links break.
 *
 * @module
 */

import { assert } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Table } from "../../simulation/checkers.ts";
import { eventually, within } from "../../support/waiting.ts";
import type { Random } from "../../support/random.ts";
import { LibraryClient, type ServerUnderLoad, Values, Witness } from "./client.ts";
import type { History } from "./history.ts";

/** The servers that the load is put on. */
export interface Target {
  readonly servers: readonly ServerUnderLoad[];
  /** Writes down what happens now, for the case that the test fails. */
  note(text: string): void;
}

/** What clients do. */
export interface LoadOptions {
  /** Clients with a connection and some workers for each server. */
  readonly witnesses: number;
  /** The requests that one of them has in flight at one server. */
  readonly workersPerServer: number;
  /** Clients of the library, each of which draws a server for each request. */
  readonly libraryClients: number;
  /** The requests that one of them has in flight. */
  readonly workersPerLibraryClient: number;
  /** Keys that are written again and again. */
  readonly sharedKeys: number;
  /** Keys that are written once, by one client, and read above all by that one. */
  readonly ownKeysMax: number;
  /** Length of a value, in UTF-16 units; the number that makes it unique comes on top. */
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

/** A test whose load before the first fault is below this fails: it would show nothing. */
export const loadFloorPerSecond = 200;
/** For so long the load is measured before the first fault. */
const warmUpMs = 1_000;
const putShare = 0.4;
const ownKeyShare = 0.15;
/** Every second witness becomes a new client after so many requests. */
const requestsPerLife = 30;
/** After a request that failed. */
const retryMs = 100;
const sweepMs = 250;
/** The end: everything is answered, all tables are the same, every client writes and reads. */
const settleMs = 15_000;

/** The load, from its start to its end. */
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
  /** Keys of single clients, the newest last. */
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

  /** Starts the load, and measures it while nothing is wrong. */
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

  /** The number of clients that are told to write and read at the end. */
  get clients(): number {
    return this.#witnesses.length;
  }

  /**
   * Waits for the first PUT that is asked after an event and acknowledged. Returns how long that took, in
   * milliseconds from the event, and fails where it was longer than `withinMs`.
   */
  async resumes(what: string, eventMs: number, withinMs: number): Promise<number> {
    const atMs = await within(`a PUT ${what}`, this.#history.nextPut(eventMs), 10 * withinMs);
    const tookMs = Math.round(atMs - eventMs);
    this.#cluster.note(`the first PUT ${what} took ${tookMs} ms`);
    assert(tookMs <= withinMs, `PUTs resumed ${tookMs} ms ${what}, not within ${withinMs} ms`);
    return tookMs;
  }

  /** Waits until so many more PUTs are acknowledged. */
  async puts(count: number): Promise<void> {
    const target = this.#history.puts + count;
    await eventually(`${count} more PUTs`, () => this.#history.puts >= target, settleMs);
  }

  /** Waits until so many more GETs are answered. */
  async gets(count: number): Promise<void> {
    const target = this.#history.gets + count;
    await eventually(`${count} more GETs`, () => this.#history.gets >= target, settleMs);
  }

  /** Waits until a server has refused so many more GETs. */
  async refusals(server: string, count: number): Promise<void> {
    const refused = () => this.#history.refusals.get(server) ?? 0;
    const target = refused() + count;
    await eventually(`${server} refuses GETs`, () => refused() >= target, settleMs);
  }

  /** One PUT to a certain server. Returns true where it was acknowledged. */
  async put(server: number): Promise<boolean> {
    return await this.#witnesses[0]!.put(server, this.#sharedKey());
  }

  /** Every second witness becomes a new client, who has seen nothing. */
  renew(): void {
    for (const [number, witness] of this.#witnesses.entries()) {
      if (number % 2 === 1) witness.renew();
    }
  }

  /** Cuts the connections of all witnesses, wherever they are. */
  breakConnections(): void {
    this.#cluster.note("clients cut their connections");
    for (const witness of this.#witnesses) witness.break();
  }

  /** Asks nothing more, and waits until everything is answered. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.endMs === 0) this.endMs = performance.now();
    await within("all requests are answered", Promise.all(this.#workers), settleMs);
  }

  /** Reads all keys from all servers, until they agree or time is up. */
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

  /** Every witness writes and reads once more. Returns how many could, each within a bounded time. */
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
