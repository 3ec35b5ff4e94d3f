/**
 * What LIST costs: its own time, what it keeps others waiting, memory, and processor time of PUTs.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { within } from "../../lib/client/deadlines.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { Get, List, Put } from "../../lib/mensagem.ts";
import { KeyIndex } from "../../lib/replication/key_index.ts";
import { Store } from "../../lib/replication/store.ts";
import { ServerCluster } from "../server_cluster.ts";
import type { ServerProcess } from "../server_process.ts";
import { Values } from "../values.ts";
import { randomFrom } from "../workload.ts";
import type { Finding } from "./finding.ts";
import type { Bounds } from "./measures.ts";

const value = "x".repeat(100);
const requestMsMax = 30_000;
const connections = 8;
const inFlight = 16;
/** A prime: the keys are not written in their order. */
const stride = 7_919;
const pageKeys = 100;
const lists = 500;
/** The pause between two LISTs while PUTs are measured. */
const listMs = 50;
/** New keys of each round. */
const newKeys = 100_000;
const rounds = 6;
/** Until V8 has returned what the writes left behind. */
const restMs = 15_000;

/** How the names of new keys follow each other. */
const orders = ["scattered", "rising"] as const;

/**
 * The cost of LIST at the leader of a cluster with this number of keys. PUTs of new keys are measured in
 * turns: at a cluster that was never asked for a LIST, at this one, and while it is asked for LISTs.
 */
export async function measureLists(keys: number, { signal }: Bounds): Promise<Finding[]> {
  await using quiet = await ServerCluster.start();
  await using listed = await ServerCluster.start();
  const [other, table] = [quiet, listed].map((cluster) => new Table(cluster, keys)) as [
    Table,
    Table,
  ];
  for (const one of [other, table]) await one.fill(signal);
  await delay(restMs, { signal });
  const [leader] = listed.processes;
  const before = await leader!.residentBytes();
  const undisturbed = await table.beside(() => delay(1_000, { signal }));
  const first = await table.beside(() => table.list());
  const later = await table.beside(() => table.listMany(signal));
  await delay(restMs, { signal });
  const after = await leader!.residentBytes();
  const puts = await putsOfNewKeys([other, table], signal);
  return [
    { what: "longest wait of a GET, alone", figure: undisturbed.longestMs, unit: "ms" },
    { what: "first LIST", figure: first.result, unit: "ms" },
    { what: "  longest wait of a GET beside it", figure: first.longestMs, unit: "ms", atMost: 10 },
    ...percentiles(later.result),
    { what: "  longest wait of a GET beside it", figure: later.longestMs, unit: "ms", atMost: 10 },
    {
      what: "resident memory after it, for each key",
      figure: (after - before) / keys,
      unit: "bytes",
    },
    { what: "the index, for each key", figure: indexBytes(keys), unit: "bytes", atMost: 60 },
    ...puts,
  ];
}

/** What the index of a table takes for each key once nothing is left to collect. */
function indexBytes(keys: number): number {
  const store = new Store();
  const values = new Values(0, keys, value.length);
  for (let n = 0; n < keys; n++) store.put(values.key(n * stride % keys), value, n + 1);
  const index = new KeyIndex(store);
  const before = liveBytes();
  index.need();
  while (index.due) index.step();
  return (liveBytes() - before) / keys;
}

/** The memory of this process that is in use. */
function liveBytes(): number {
  (globalThis as typeof globalThis & { readonly gc: () => void }).gc(); // --expose-gc
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function percentiles(took: readonly number[]): Finding[] {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]!;
  const what = `LIST of ${pageKeys} keys`;
  return [
    { what: `${what}, median`, figure: at(0.5), unit: "ms", atMost: 5 },
    { what: `${what}, 99th percentile`, figure: at(0.99), unit: "ms", atMost: 5 },
  ];
}

/** What some PUTs took: time, and processor time of the leader. */
interface Cost {
  ms: number;
  cpuMs: number;
}

/** PUTs of new keys: at a cluster without an index, at one with it, and while that is asked for LISTs. */
async function putsOfNewKeys(
  [other, table]: [Table, Table],
  signal: AbortSignal,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const order of orders) {
    const cost = () => ({ ms: 0, cpuMs: 0 });
    const [without, index, lists] = [cost(), cost(), cost()];
    const put = (table: Table, suffix: string) => table.putNew(suffix, order);
    const turns = [
      async (suffix: string) => add(without, await put(other, suffix)),
      async (suffix: string) => add(index, await put(table, suffix)),
      async (suffix: string) => {
        const over = new AbortController();
        const listing = table.listOften(over.signal);
        add(lists, await put(table, suffix).finally(() => over.abort()));
        await listing;
      },
    ];
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < turns.length; turn++) { // each of them is first as often
        signal.throwIfAborted();
        await turns[(round + turn) % turns.length]!(`${order}${round}.${turn}`);
      }
    }
    const rate = ({ ms }: Cost) => newKeys * rounds / ms * 1_000;
    const cpu = ({ cpuMs }: Cost) => cpuMs * 1_000 / rounds / newKeys;
    findings.push(
      { what: `PUTs of new keys, ${order}`, figure: rate(without), unit: "/s" },
      { what: "  processor time of the leader for each", figure: cpu(without), unit: "µs" },
      { what: "  with an index", figure: rate(index) / rate(without), unit: "", atLeast: 0.95 },
      { what: "  processor time of the leader for each", figure: cpu(index), unit: "µs" },
      { what: "  while LISTs are made", figure: rate(lists) / rate(without), unit: "" },
      { what: "  processor time of the leader for each", figure: cpu(lists), unit: "µs" },
    );
  }
  return findings;
}

function add(sum: Cost, { ms, cpuMs }: Cost): void {
  sum.ms += ms;
  sum.cpuMs += cpuMs;
}

/** A cluster with its table. It is the leader that is asked. */
class Table {
  readonly #leader: ServerProcess;
  readonly #values: Values;
  readonly #random = randomFrom(1);

  constructor({ processes }: ServerCluster, keys: number) {
    this.#leader = processes[0]!;
    this.#values = new Values(0, keys, value.length);
  }

  /** Writes all keys. */
  async fill(signal: AbortSignal): Promise<void> {
    const { keys } = this.#values;
    await this.#put(keys, (n) => {
      signal.throwIfAborted();
      return this.#values.key(n * stride % keys);
    });
  }

  /** Writes new keys. Returns how long that takes, and the processor time of the leader, in milliseconds. */
  async putNew(suffix: string, order: typeof orders[number]): Promise<Cost> {
    const { keys } = this.#values;
    const cpuMs = await cpuMsOf(this.#leader.pid);
    const fromMs = performance.now();
    await this.#put(newKeys, (n) => {
      const at = order === "rising" ? n : Math.floor(this.#random() * keys);
      return `${this.#values.key(at)}:${suffix}.${n}`;
    });
    return {
      ms: performance.now() - fromMs,
      cpuMs: await cpuMsOf(this.#leader.pid) - cpuMs,
    };
  }

  /** Lists a page from somewhere on. Returns the time to its answer, in milliseconds. */
  async list(connection?: ServerConnection): Promise<number> {
    if (connection === undefined) return await this.#connected((own) => this.list(own));
    const after = this.#values.key(Math.floor(this.#random() * (this.#values.keys - 2 * pageKeys)));
    const fromMs = performance.now();
    const answer = await connection.request(
      (id) => new List(id, "key:", after, pageKeys),
      within(requestMsMax),
    );
    if (answer.type !== "LIST_OK" || answer.entries.length !== pageKeys) {
      throw new Error(`wrong answer to a LIST after ${after}: ${answer.type}`);
    }
    return performance.now() - fromMs;
  }

  /** Lists pages one after the other. Returns the time of each. */
  async listMany(signal: AbortSignal): Promise<number[]> {
    return await this.#connected(async (connection) => {
      const took: number[] = [];
      while (took.length < lists) {
        signal.throwIfAborted();
        took.push(await this.list(connection));
      }
      return took;
    });
  }

  /** Lists pages, with pauses, until the signal. */
  async listOften(signal: AbortSignal): Promise<void> {
    await this.#connected(async (connection) => {
      while (!signal.aborted) {
        await this.list(connection);
        await delay(listMs, { signal }).catch(() => {});
      }
    });
  }

  /** Does some work, and sends one GET after the other meanwhile. */
  async beside<T>(work: () => Promise<T>): Promise<{ result: T; longestMs: number }> {
    return await this.#connected(async (connection) => {
      const key = this.#values.key(0);
      let longestMs = 0;
      let over = false;
      const working = work().finally(() => over = true);
      while (!over) {
        const fromMs = performance.now();
        await connection.request((id) => new Get(id, key, 0), within(requestMsMax));
        longestMs = Math.max(longestMs, performance.now() - fromMs);
        await delay(1);
      }
      return { result: await working, longestMs };
    });
  }

  async #put(count: number, key: (n: number) => string): Promise<void> {
    let next = 0;
    await Promise.all(
      Array.from({ length: connections }, () =>
        this.#connected(async (connection) => {
          const one = async () => {
            while (next < count) {
              const written = key(next++);
              await connection.request((id) => new Put(id, written, value), within(requestMsMax));
            }
          };
          await Promise.all(Array.from({ length: inFlight }, one));
        })),
    );
  }

  async #connected<T>(work: (connection: ServerConnection) => Promise<T>): Promise<T> {
    const connection = new ServerConnection(this.#leader.address);
    try {
      return await work(connection);
    } finally {
      connection.close();
      await connection.ended;
    }
  }
}

/** The processor time that a process has used, in steps of 10 ms. */
async function cpuMsOf(pid: number): Promise<number> {
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/stat`] }).output();
  const text = new TextDecoder().decode(stdout);
  const fields = text.slice(text.lastIndexOf(")")).split(" ");
  return (Number(fields[12]) + Number(fields[13])) * 10;
}
