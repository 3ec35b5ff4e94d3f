/**
 * What it costs to keep writes on a disk.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { History } from "../history.ts";
import { fill, load } from "../load.ts";
import { OwnServers, statusOf } from "../servers.ts";
import { Values } from "../values.ts";
import { type Keeper, openJournal, openSqlite } from "./keepers.ts";

/** Of bytes. */
export const valueBytes = 100;
/** As those of the other benchmarks. */
export const keyBytes = 16;
const fewKeys = 1_000;
const warmUpMs = 500;
const probeMs = 1;
/** As many writes at once as there are when a table is filled. */
const fillGroup = 10_000;

/** The key and the value of a number. */
function pair(index: number): [key: string, value: string] {
  return [`key:${index.toString().padStart(12, "0")}`, "x".repeat(valueBytes)];
}

/** What came of some clients that each write again as soon as they may. */
export interface WriteRate {
  /** Writes per second. */
  readonly perSecond: number;
  /** The longest time for which nothing else had its turn, in milliseconds. */
  readonly longestPauseMs: number;
}

/** Writes that are on the disk per second, with so many clients in this process. */
export async function measureWrites(
  open: (dir: string) => Keeper | Promise<Keeper>,
  dir: string,
  clients: number,
  ms: number,
): Promise<WriteRate> {
  await using keeper = await open(dir);
  let timestamp = 0;
  let done = 0;
  let over = false;
  const run = async () => {
    while (!over) {
      await keeper.put(...pair(timestamp % fewKeys), ++timestamp);
      done++;
    }
  };
  const workers = Array.from({ length: clients }, run);
  await delay(warmUpMs);
  const probe = new Probe();
  const [from, sinceMs] = [done, performance.now()];
  await delay(ms);
  const perSecond = (done - from) / ((performance.now() - sinceMs) / 1000);
  const longestPauseMs = probe.end();
  over = true;
  await Promise.all(workers);
  return { perSecond, longestPauseMs };
}

/** Notices how long nothing else had its turn. */
class Probe {
  #lastMs = performance.now();
  #longestMs = 0;
  readonly #timer = setInterval(() => this.#look(), probeMs);

  end(): number {
    this.#look();
    clearInterval(this.#timer);
    return this.#longestMs;
  }

  #look(): void {
    const now = performance.now();
    this.#longestMs = Math.max(this.#longestMs, now - this.#lastMs - probeMs);
    this.#lastMs = now;
  }
}

/** Writes so many keys. Returns bytes on the disk for each. */
export async function fillKeys(
  open: (dir: string) => Keeper | Promise<Keeper>,
  dir: string,
  keys: number,
): Promise<void> {
  await using keeper = await open(dir);
  for (let start = 0; start < keys; start += fillGroup) {
    const group = Math.min(fillGroup, keys - start);
    await Promise.all(
      Array.from({ length: group }, (_, i) => keeper.put(...pair(start + i), start + i + 1)),
    );
  }
}

/** All files of a directory together, in bytes. */
export function bytesIn(dir: string): number {
  let sum = 0;
  for (const { name } of Deno.readDirSync(dir)) sum += Deno.statSync(`${dir}/${name}`).size;
  return sum;
}

/** Milliseconds from opening a directory to a table in memory. */
export async function measureLoading(
  open: (dir: string) => Keeper | Promise<Keeper>,
  dir: string,
  keys: number,
): Promise<number> {
  const sinceMs = performance.now();
  await using keeper = await open(dir);
  const ms = performance.now() - sinceMs;
  if (keeper.store.size !== keys) throw new Error(`${keeper.store.size} keys of ${keys} came back`);
  return ms;
}

/** What a compaction is like for who writes meanwhile. */
export interface Compaction {
  /** From the first write to the new table's name. */
  readonly ms: number;
  /** The longest time for which nothing else had its turn, in milliseconds. */
  readonly longestPauseMs: number;
  /** The longest that a write waited for the disk, in milliseconds. */
  readonly slowestWriteMs: number;
  /** The most that the directory had, in bytes. */
  readonly bytesMax: number;
}

/** Overwrites keys until the journal is compacted, one at a time while that goes on. */
export async function measureCompaction(dir: string): Promise<Compaction> {
  await using keeper = await openJournal(dir);
  let { timestamp } = keeper.journal.recovered;
  const keys = keeper.store.size;
  const begun = () => [...Deno.readDirSync(dir)].some(({ name }) => /^table-\d+\.new$/.test(name));
  while (!begun()) {
    await Promise.all(
      Array.from({ length: fillGroup }, (_, i) => keeper.put(...pair(i % keys), ++timestamp)),
    );
  }
  const probe = new Probe();
  const sinceMs = performance.now();
  let slowestWriteMs = 0;
  let bytesMax = 0;
  do {
    const from = performance.now();
    await keeper.put(...pair(timestamp % keys), ++timestamp);
    slowestWriteMs = Math.max(slowestWriteMs, performance.now() - from);
    bytesMax = Math.max(bytesMax, bytesIn(dir));
  } while (begun());
  return {
    ms: performance.now() - sinceMs,
    longestPauseMs: probe.end(),
    slowestWriteMs,
    bytesMax,
  };
}

/** What a server process holds in memory for each key, beyond one without keys, in bytes. */
export async function measureMemory(full: string, empty: string, keys: number): Promise<number> {
  const bytes = async (dir: string) => {
    // A leader opens alone, so one server is enough to look at.
    await using server = await OwnServers.one(dir);
    return (await statusOf(server.addresses[0]!)).memoryBytes;
  };
  const without = await bytes(empty);
  return (await bytes(full) - without) / keys;
}

/** Three servers and the client that writes to them. */
export class Cluster implements AsyncDisposable {
  readonly #servers: OwnServers;
  readonly #history: History;

  private constructor(servers: OwnServers) {
    this.#servers = servers;
    this.#history = new History(new Values(Date.now(), fewKeys, valueBytes));
  }

  /** In memory, or writing down what they hold below `dir`. */
  static async start(dir?: string): Promise<Cluster> {
    const cluster = new Cluster(await OwnServers.start(undefined, dir));
    await fill(cluster.#servers.addresses[0]!, cluster.#history);
    return cluster;
  }

  /** PUTs per second over so many connections to the leader. */
  async measure(connections: number, ms: number): Promise<number> {
    const leader = this.#servers.addresses[0]!;
    const { puts, elapsedMs, violation, errors } = await load(this.#history, {
      connections: Array.from({ length: connections }, () => leader),
      inFlight: 1,
      putRatio: 1,
      seed: 1,
      warmUpMs,
      durationMs: ms,
    });
    if (violation !== undefined || errors.size > 0) {
      throw new Error(violation ?? [...errors.keys()].join(", "));
    }
    return puts.count / (elapsedMs / 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]();
  }
}

export { openJournal, openSqlite };
