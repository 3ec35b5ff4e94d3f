/**
 * Clients that increment counters, and watchers and readers of all that is written meanwhile.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { KvError, UnknownOutcomeError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import type { Address } from "../../../lib/wire/address.ts";
import type { Random } from "../../support/random.ts";
import { eventually } from "../../support/waiting.ts";

const clients = 8;
const counters = 10;
const settings = 20;
const timeoutMs = 4_000;
/** The pause after a failed request. */
const againMs = 20;
/** How long watchers may take to see the last state after all faults. */
const lastStateMs = 20_000;
/** How long requests may take to end after all faults. */
const endMs = 20_000;

/** What happened. The last four must be 0. */
export interface CountersFigures {
  /** Increments that succeeded. */
  readonly increments: number;
  /** Increments of which it was unknown for a while whether they were made. */
  readonly unknown: number;
  /** Writes and deletions of watched keys that succeeded. */
  readonly writes: number;
  /** Changes that watchers were told. */
  readonly changes: number;
  /** Times that watchers were cut off. */
  readonly cutOffs: number;
  /** Increments that are not in a sum. */
  readonly lost: number;
  /** Increments that were made twice. */
  readonly doubled: number;
  /** Changes and reads older than what the same client had seen, or that came twice. */
  readonly stale: number;
  /** Last states that a watcher did not see. */
  readonly missed: number;
}

/** A counter. `last` has the number of the last increment of each client, so that none is made twice. */
interface Counter {
  readonly sum: number;
  readonly last: Readonly<Record<string, number>>;
}

/** Increments, writes, watches and reads, until they are stopped. */
export class CountersLoad implements AsyncDisposable {
  readonly #random: Random;
  readonly #clients: KvClient[];
  readonly #watcherClients: KvClient[];
  readonly #watchers: WatcherModel[];
  readonly #watched = new AbortController();
  readonly #tasks: Promise<void>[] = [];
  readonly #watching: Promise<void>[] = [];
  readonly #done = new Map<string, number>();
  #increments = 0;
  #unknown = 0;
  #writes = 0;
  #stale = 0;
  #stopping = false;

  /** Begins at these servers. */
  constructor(servers: readonly Address[], random: Random) {
    this.#random = random;
    const make = () => new KvClient(servers, { timeoutMs });
    this.#clients = Array.from({ length: clients }, make);
    this.#watcherClients = Array.from({ length: 2 }, make);
    const targets = [{ prefix: "" }, { prefix: "setting " }, "setting 3", "counter 3"] as const;
    this.#watchers = this.#watcherClients.flatMap((client) =>
      targets.map((target) => new WatcherModel(client, target))
    );
    for (const watcher of this.#watchers) {
      this.#watching.push(watcher.run(this.#watched.signal));
    }
    for (const [number, client] of this.#clients.entries()) {
      this.#tasks.push(this.#increment(client, `${number}`));
      if (number < 2) this.#tasks.push(this.#set(client));
    }
    for (const client of this.#watcherClients) this.#tasks.push(this.#read(client));
  }

  /** Increments that have succeeded so far. */
  get increments(): number {
    return this.#increments;
  }

  /** Resolves when some more increments have succeeded. */
  async goesOn(count: number): Promise<void> {
    const target = this.#increments + count;
    await eventually(`${count} more increments`, () => this.#increments >= target, endMs);
  }

  /** Ends all requests, and compares what there is with what must be. All servers must be healthy. */
  async judge(): Promise<CountersFigures> {
    this.#stopping = true;
    await Promise.all(this.#tasks);
    let [lost, doubled] = [0, 0];
    for (const [key, done] of this.#done) {
      const { value } = await this.#clients[0]!.get(key, { latest: true });
      const difference = parseCounter(value).sum - done;
      if (difference < 0) lost -= difference;
      else doubled += difference;
    }
    const last = new Map<string, number>();
    for await (const { key, timestamp } of this.#clients[0]!.list()) last.set(key, timestamp);
    const missed = () => this.#watchers.reduce((sum, watcher) => sum + watcher.missing(last), 0);
    await eventually("every watcher has the last state", () => missed() === 0, lastStateMs)
      .catch(() => {}); // the figures tell
    const sum = (of: (watcher: WatcherModel) => number) =>
      this.#watchers.reduce((sum, watcher) => sum + of(watcher), 0);
    return {
      increments: this.#increments,
      unknown: this.#unknown,
      writes: this.#writes,
      changes: sum(({ changes }) => changes),
      cutOffs: sum(({ cutOffs }) => cutOffs),
      lost,
      doubled,
      stale: this.#stale + sum(({ stale }) => stale),
      missed: missed(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#watched.abort();
    await Promise.all([...this.#tasks, ...this.#watching]);
    await Promise.all([...this.#clients, ...this.#watcherClients].map((client) => client.close()));
  }

  async #increment(client: KvClient, name: string): Promise<void> {
    for (let number = 1; !this.#stopping; number++) {
      const key = `counter ${this.#random.below(counters)}`;
      // Until it is certain that this increment is made. The number tells whether it is already.
      while (!await this.#incrementOnce(client, name, key, number)) await delay(againMs);
      this.#increments++;
      this.#done.set(key, (this.#done.get(key) ?? 0) + 1);
    }
  }

  async #incrementOnce(
    client: KvClient,
    name: string,
    key: string,
    number: number,
  ): Promise<boolean> {
    try {
      await client.update(key, (old) => {
        const { sum, last } = parseCounter(old);
        if (last[name] === number) return undefined;
        return JSON.stringify({ sum: sum + 1, last: { ...last, [name]: number } });
      });
      return true;
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      if (error instanceof UnknownOutcomeError) this.#unknown++;
      return false;
    }
  }

  /** Writes and deletes keys that others watch. */
  async #set(client: KvClient): Promise<void> {
    while (!this.#stopping) {
      const key = `setting ${this.#random.below(settings)}`;
      try {
        if (this.#random.chance(0.4)) await client.delete(key);
        else await client.put(key, `${this.#writes}`);
        this.#writes++;
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        await delay(againMs);
      }
    }
  }

  /** Reads what the watchers of the same client have been told: never less. */
  async #read(client: KvClient): Promise<void> {
    const watchers = this.#watchers.filter((watcher) => watcher.client === client);
    while (!this.#stopping) {
      const key = `setting ${this.#random.below(settings)}`;
      const resets = watchers.map((watcher) => watcher.resets).join();
      const seen = Math.max(...watchers.map(({ known }) => known.get(key)?.timestamp ?? 0));
      try {
        const { timestamp } = await client.get(key);
        const reset = watchers.map((watcher) => watcher.resets).join() !== resets;
        if (timestamp < seen && !reset) this.#stale++;
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        if ("key" in error && error.code === "LOST") client.forgetLost(error as never);
        await delay(againMs);
      }
      await delay(1);
    }
  }
}

/** What a watcher was told, and whether that can be right. */
class WatcherModel {
  readonly client: KvClient;
  readonly #target: string | { readonly prefix: string };
  /** The last change of each key. */
  readonly known = new Map<string, { readonly exists: boolean; readonly timestamp: number }>();
  changes = 0;
  cutOffs = 0;
  resets = 0;
  stale = 0;
  /** The timestamp of the last change since the beginning or the last reset. */
  #last = 0;

  constructor(client: KvClient, target: string | { readonly prefix: string }) {
    this.client = client;
    this.#target = target;
  }

  async run(signal: AbortSignal): Promise<void> {
    for await (const event of this.client.watch(this.#target, { signal })) {
      switch (event.type) {
        case "put":
        case "delete":
          this.changes++;
          if (event.timestamp <= this.#last) this.stale++;
          this.#last = event.timestamp;
          this.known.set(event.key, { exists: event.type === "put", timestamp: event.timestamp });
          break;
        case "reset":
          this.resets++;
          this.#last = 0;
          this.known.clear();
          break;
        case "disconnected":
          this.cutOffs++;
      }
    }
  }

  /** How many keys differ from the last state. */
  missing(last: ReadonlyMap<string, number>): number {
    let missing = 0;
    for (const [key, timestamp] of last) {
      if (this.#covers(key) && this.known.get(key)?.timestamp !== timestamp) missing++;
    }
    for (const [key, { exists }] of this.known) if (exists && !last.has(key)) missing++;
    return missing;
  }

  #covers(key: string): boolean {
    const target = this.#target;
    return typeof target === "string" ? key === target : key.startsWith(target.prefix);
  }
}

function parseCounter(text: string | null): Counter {
  return text === null ? { sum: 0, last: {} } : JSON.parse(text);
}
