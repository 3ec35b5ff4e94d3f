/**
 * Measurements of the journal.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type FilledCluster, startFilled } from "../filled_cluster.ts";
import { describeErrors, load } from "../load.ts";
import { ServerCluster, statusOf } from "../server_cluster.ts";
import { Values } from "../values.ts";
import { type DiskStore, openJournal } from "./disk_stores.ts";

/** The length of each value. */
export const valueBytes = 100;
/** The length of each key, as in the other benchmarks. */
export const keyBytes = 16;
const fewKeys = 1_000;
const warmUpMs = 500;
const probeMs = 1;
/** The time limit for loading many keys. */
const loadMsMax = 120_000;
/** The number of writes that are made together to fill a table. */
const fillGroup = 10_000;

/** The key and the value with this number. */
function pair(index: number): [key: string, value: string] {
  return [`key:${index.toString().padStart(12, "0")}`, "x".repeat(valueBytes)];
}

/** The result of several clients, each with one write in flight. */
export interface WriteRate {
  /** Writes per second. */
  readonly perSecond: number;
  /** The longest pause of the event loop, in milliseconds. */
  readonly longestPauseMs: number;
}

/** Writes on the disk per second, with `clients` clients in this process. */
export async function measureWrites(
  open: (dir: string) => DiskStore | Promise<DiskStore>,
  dir: string,
  clients: number,
  ms: number,
): Promise<WriteRate> {
  await using disk = await open(dir);
  let timestamp = 0;
  let done = 0;
  let over = false;
  const run = async () => {
    while (!over) {
      await disk.put(...pair(timestamp % fewKeys), ++timestamp);
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

/** Measures pauses of the event loop. */
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

/** Writes this number of keys. */
export async function fillKeys(
  open: (dir: string) => DiskStore | Promise<DiskStore>,
  dir: string,
  keys: number,
): Promise<void> {
  await using disk = await open(dir);
  for (let start = 0; start < keys; start += fillGroup) {
    const group = Math.min(fillGroup, keys - start);
    await Promise.all(
      Array.from({ length: group }, (_, i) => disk.put(...pair(start + i), start + i + 1)),
    );
  }
}

/** The size of all files of a directory, in bytes. */
export function bytesIn(dir: string): number {
  let sum = 0;
  for (const { name } of Deno.readDirSync(dir)) sum += Deno.statSync(`${dir}/${name}`).size;
  return sum;
}

/** The time from opening a directory until its table is in memory, in milliseconds. */
export async function measureLoading(
  open: (dir: string) => DiskStore | Promise<DiskStore>,
  dir: string,
  keys: number,
): Promise<number> {
  const sinceMs = performance.now();
  await using disk = await open(dir);
  const ms = performance.now() - sinceMs;
  if (disk.store.size !== keys) throw new Error(`${disk.store.size} keys of ${keys} came back`);
  return ms;
}

/** The effect of a compaction on writes. */
export interface Compaction {
  /** The time from its first write to the renamed table, in milliseconds. */
  readonly ms: number;
  /** The longest pause of the event loop, in milliseconds. */
  readonly longestPauseMs: number;
  /** The longest time of a write, in milliseconds. */
  readonly slowestWriteMs: number;
  /** The largest size of the directory, in bytes. */
  readonly bytesMax: number;
}

/** Overwrites keys until a compaction begins, then one at a time until it ends. */
export async function measureCompaction(dir: string): Promise<Compaction> {
  await using disk = await openJournal(dir);
  let { timestamp } = disk.journal.recovered;
  const keys = disk.store.size;
  const begun = () => [...Deno.readDirSync(dir)].some(({ name }) => /^table-\d+\.new$/.test(name));
  while (!begun()) {
    await Promise.all(
      Array.from({ length: fillGroup }, (_, i) => disk.put(...pair(i % keys), ++timestamp)),
    );
  }
  const probe = new Probe();
  const sinceMs = performance.now();
  let slowestWriteMs = 0;
  let bytesMax = 0;
  do {
    const from = performance.now();
    await disk.put(...pair(timestamp % keys), ++timestamp);
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

/** The memory of a server for each key, in bytes. The memory of an empty server does not count. */
export async function measureMemory(full: string, empty: string, keys: number): Promise<number> {
  const bytes = async (dir: string) => {
    // The only server of a cluster needs no follower to start.
    await using server = await ServerCluster.start({ size: 1, dataDir: dir, openMsMax: loadMsMax });
    return (await statusOf(server.addresses[0]!)).memoryBytes;
  };
  const without = await bytes(empty);
  return (await bytes(full) - without) / keys;
}

/** Starts three servers, with data directories below `dataFolder` if it is given, and writes their keys. */
export async function startServers(
  stack: AsyncDisposableStack,
  dataFolder?: string,
): Promise<FilledCluster> {
  const values = new Values(Date.now(), fewKeys, valueBytes);
  return await startFilled(stack, values, dataFolder === undefined ? {} : { dataFolder });
}

/** PUTs per second over connections to the leader, each with one PUT at a time. */
export async function measurePuts(
  { servers, history }: FilledCluster,
  connections: number,
  ms: number,
): Promise<number> {
  const leader = servers.addresses[0]!;
  const { puts, elapsedMs, violation, errors } = await load(history, {
    connections: Array.from({ length: connections }, () => leader),
    inFlight: 1,
    putRatio: 1,
    seed: 1,
    warmUpMs,
    durationMs: ms,
  });
  if (violation !== undefined || errors.size > 0) {
    throw new Error(violation ?? describeErrors(errors));
  }
  return puts.count / (elapsedMs / 1000);
}
