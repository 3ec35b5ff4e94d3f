/**
 * What conditional writes, watches and times to live cost.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { within } from "../../lib/client/deadlines.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { Get, Put, Watch, WriteRequest } from "../../lib/mensagem.ts";
import { ServerCluster } from "../server_cluster.ts";
import type { Finding } from "./finding.ts";
import type { Bounds } from "./measures.ts";

const value = "x".repeat(100);
const connections = 8;
const inFlight = 8;
const rounds = 5;
const requestMsMax = 30_000;

const watchedConnections = 10;
const watches = 1_000;

const expiringKeys = 100_000;
/** The first key that expires is written this long before. */
const ttlMs = 30_000;
/** Between the end of the writes and the expiry. */
const restMs = 5_000;
/** The longest time within which expired keys are removed in a healthy cluster. */
const expiryMs = 1_000;
/** How many of the expired keys are read afterwards. */
const checkedKeys = 1_000;

/**
 * Rates in turns on one cluster: conditional writes and PUTs, PUTs beside watches of other keys and
 * without; and PUTs while 100,000 keys expire at the same time.
 */
export async function measureCoordination({ seconds, signal }: Bounds): Promise<Finding[]> {
  await using servers = await ServerCluster.start();
  await using load = new Load(servers);
  return [
    ...await measureConditional(load, seconds, signal),
    ...await measureWatched(load, seconds, signal),
    ...await measureExpiry(load, signal),
  ];
}

async function measureConditional(load: Load, seconds: number, signal: AbortSignal) {
  const sums = { put: 0, write: 0 };
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    sums.put += await load.rate(seconds * 1_000, (worker) => worker.put());
    sums.write += await load.rate(seconds * 1_000, (worker) => worker.writeIfUnchanged());
  }
  return findings("PUTs", sums.put / rounds, "conditional writes", sums.write / rounds, 0.9);
}

async function measureWatched(load: Load, seconds: number, signal: AbortSignal) {
  const sums = { without: 0, beside: 0 };
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    sums.without += await load.rate(seconds * 1_000, (worker) => worker.put());
    const end = await load.watchOthers();
    sums.beside += await load.rate(seconds * 1_000, (worker) => worker.put());
    await end();
  }
  const what = `PUTs beside ${watches} watches of other keys`;
  return findings("PUTs", sums.without / rounds, what, sums.beside / rounds, 0.97);
}

function findings(one: string, rate: number, other: string, rateOther: number, atLeast: number) {
  return [
    { what: one, figure: rate, unit: "/s" },
    { what: other, figure: rateOther, unit: "/s" },
    { what: "  ratio", figure: rateOther / rate, unit: "", atLeast },
  ];
}

async function measureExpiry(load: Load, signal: AbortSignal): Promise<Finding[]> {
  const expireAt = performance.now() + ttlMs;
  const left = () => Math.round(expireAt - performance.now());
  await load.writeExpiring(left, signal);
  if (left() < 2 * restMs) throw new Error("writing the keys takes too long");
  await delay(left() - restMs, { signal });
  const put = (worker: Worker) => worker.put();
  const before = await load.rate(left() - expiryMs, put);
  await delay(Math.max(0, left()), { signal });
  const [during, longestMs] = await Promise.all([
    load.rate(expiryMs, put),
    load.longestGetMs(expiryMs),
  ]);
  await delay(expiryMs, { signal }); // a busy machine is late
  const kept = await load.keptExpired();
  return [
    { what: "PUTs before keys expire", figure: before, unit: "/s" },
    { what: `PUTs in the second in which ${expiringKeys} keys expire`, figure: during, unit: "/s" },
    { what: "  ratio", figure: during / before, unit: "", atLeast: 0.5 },
    { what: "  longest wait of a GET meanwhile", figure: longestMs, unit: "ms", atMost: 50 },
    { what: `  keys that are still there, of ${checkedKeys}`, figure: kept, unit: "", atMost: 0 },
  ];
}

/** Clients of a cluster's leader. */
class Load implements AsyncDisposable {
  readonly #servers: ServerCluster;
  readonly #connections: readonly ServerConnection[];
  readonly #workers: readonly Worker[];

  constructor(servers: ServerCluster) {
    this.#servers = servers;
    this.#connections = Array.from({ length: connections }, () => this.#connect());
    this.#workers = this.#connections.flatMap((connection, n) =>
      Array.from({ length: inFlight }, (_, m) => new Worker(connection, `key:${n}.${m}`))
    );
  }

  /** Requests a second, each worker one after the other. */
  async rate(ms: number, request: (worker: Worker) => Promise<void>): Promise<number> {
    const fromMs = performance.now();
    let count = 0;
    await Promise.all(this.#workers.map(async (worker) => {
      while (performance.now() - fromMs < ms) {
        await request(worker);
        count++;
      }
    }));
    return count / (performance.now() - fromMs) * 1_000;
  }

  /** Watches keys that are not written. Returns a function that ends that. */
  async watchOthers(): Promise<() => Promise<void>> {
    const watchers = Array.from({ length: watchedConnections }, () => this.#connect());
    let told = 0;
    const all = Promise.withResolvers<void>();
    for (let n = 0; n < watches; n++) {
      watchers[n % watchedConnections]!.watches.add(
        (id) => new Watch(id, { key: `other:${n}` }, 0),
        {
          changes: () => {
            told++;
            if (told === watches) all.resolve();
          },
          ended: (error) => all.reject(error),
        },
      );
    }
    await all.promise;
    return () => ended(watchers);
  }

  /** Writes the keys that expire, each with the time to live that is left. */
  async writeExpiring(leftMs: () => number, signal: AbortSignal): Promise<void> {
    let next = 0;
    await Promise.all(this.#workers.map(async ({ connection }) => {
      while (next < expiringKeys) {
        signal.throwIfAborted();
        const key = `expiring:${next++}`;
        const answer = await connection.request(
          (id) => new WriteRequest(id, key, value, undefined, leftMs()),
          within(requestMsMax),
        );
        if (answer.type !== "WRITE_OK") throw new Error(`wrong answer to a WRITE: ${answer.type}`);
      }
    }));
  }

  /** The longest time that a GET takes, one after the other. */
  async longestGetMs(ms: number): Promise<number> {
    const fromMs = performance.now();
    const connection = this.#connect();
    let longestMs = 0;
    while (performance.now() - fromMs < ms) {
      const askedMs = performance.now();
      await connection.request((id) => new Get(id, "key:0.0", 0), within(requestMsMax));
      longestMs = Math.max(longestMs, performance.now() - askedMs);
      await delay(1);
    }
    await ended([connection]);
    return longestMs;
  }

  /** How many of some expired keys still have a value. */
  async keptExpired(): Promise<number> {
    let kept = 0;
    for (let n = 0; n < checkedKeys; n++) {
      const key = `expiring:${n * (expiringKeys / checkedKeys)}`;
      const answer = await this.#connections[0]!.request(
        (id) => new Get(id, key, 0),
        within(requestMsMax),
      );
      if (answer.type !== "GET_OK") throw new Error(`wrong answer to a GET: ${answer.type}`);
      if (answer.value !== null) kept++;
    }
    return kept;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await ended(this.#connections);
  }

  #connect(): ServerConnection {
    return new ServerConnection(this.#servers.addresses[0]!);
  }
}

/** A client that writes one key, one request after the other. */
class Worker {
  readonly connection: ServerConnection;
  readonly #key: string;
  /** The timestamp of its last write. */
  #timestamp = 0;

  constructor(connection: ServerConnection, key: string) {
    this.connection = connection;
    this.#key = key;
  }

  async put(): Promise<void> {
    const answer = await this.connection.request(
      (id) => new Put(id, this.#key, value),
      within(requestMsMax),
    );
    if (answer.type !== "PUT_OK") throw new Error(`wrong answer to a PUT: ${answer.type}`);
    this.#timestamp = answer.timestamp;
  }

  async writeIfUnchanged(): Promise<void> {
    const answer = await this.connection.request(
      (id) => new WriteRequest(id, this.#key, value, this.#timestamp),
      within(requestMsMax),
    );
    if (answer.type !== "WRITE_OK") throw new Error(`wrong answer to a WRITE: ${answer.type}`);
    this.#timestamp = answer.timestamp;
  }
}

async function ended(all: readonly ServerConnection[]): Promise<void> {
  for (const connection of all) connection.close();
  await Promise.all(all.map((connection) => connection.ended));
}
