/**
 * What the servers cost as their work grows.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { Status } from "../../lib/mensagem.ts";
import { within } from "../../lib/client/deadlines.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { drawCurve } from "../drawing.ts";
import { History } from "../history.ts";
import { fill, load, ratePerSecond } from "../load.ts";
import { listens, OwnServers, statusOf, waitUntil } from "../servers.ts";
import { Values } from "../values.ts";
import type { Finding } from "./finding.ts";

const project = new URL("../../", import.meta.url);
const connections = 64;
const keyBytes = 16;
const valueBytes = 100;
const MB = 1_000_000;
const warmUpMs = 500;
const starts = 5;
const rounds = 3;
const largeBytes = 1024 * 1024;
const largeKeys = 16;
const probeMs = 1;
const probeTimeoutMs = 10_000;
/** V8 gives memory back some seconds after its process has nothing more to do. */
const restMs = 15_000;
/** A snapshot that takes longer has failed. */
const snapshotMsMax = 120_000;

/** Ends it early. */
export interface Bounds {
  /** Is aborted where the program is asked to stop. */
  readonly signal: AbortSignal;
  /** How long each load takes, in seconds. */
  readonly seconds: number;
}

/** Servers and the client that has written their keys. */
export interface Filled {
  /** Where the keys are. */
  readonly servers: OwnServers;
  /** Who wrote them. */
  readonly history: History;
}

/** Three servers with so many keys. They end with `stack`. */
export async function filled(
  stack: AsyncDisposableStack,
  keys: number,
  { signal }: Bounds,
  bytes = valueBytes,
): Promise<Filled> {
  const servers = stack.use(await OwnServers.start());
  const history = new History(new Values(Date.now(), keys, bytes));
  await fill(servers.addresses[0]!, history, signal);
  signal.throwIfAborted();
  return { servers, history };
}

/** From the command to the first connection that is accepted. */
export async function measureStart({ signal }: Bounds): Promise<Finding[]> {
  await using servers = await OwnServers.start();
  const times: number[] = [];
  while (times.length < starts) {
    signal.throwIfAborted();
    await servers.processes[2]!.stop();
    servers.restart(2);
    times.push(await waitUntil("the server listens", () => listens(servers.addresses[2]!)));
    await servers.open();
  }
  const median = times.toSorted((a, b) => a - b)[times.length >> 1]!;
  return [{ what: `start, median of ${starts}`, figure: median, unit: "ms", atMost: 150 }];
}

/**
 * What a server holds in memory, and what its keys and values are worth: right after they were
 * written, and when the engine has had time to collect what is garbage.
 */
export async function measureMemory(
  { servers, history }: Filled,
  { signal }: Bounds,
): Promise<Finding[]> {
  const { keys } = history.values;
  const findings: Finding[] = [];
  for (const when of ["right after they were written", `after ${restMs / 1000} s of rest`]) {
    if (findings.length > 0) await delay(restMs, { signal });
    for (const [index, process] of servers.processes.entries()) {
      const bytes = await process.residentBytes();
      const who = index === 0 ? "the leader" : `follower ${index}`;
      findings.push(...memoryOf(`${who}, ${when}`, bytes, keys));
    }
  }
  return findings;
}

/** Rates with many keys and with few, in turns. */
export async function measureRates(
  many: Filled,
  few: Filled,
  { signal, seconds }: Bounds,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [kind, putRatio] of [["GET", 0], ["PUT", 1]] as const) {
    const rates = [0, 0];
    for (let round = 0; round < rounds; round++) {
      for (const [index, { servers, history }] of [few, many].entries()) {
        const result = await load(history, {
          connections: toLeader(servers),
          inFlight: 1,
          putRatio,
          seed: round,
          warmUpMs,
          durationMs: seconds * 1000,
          signal,
        });
        signal.throwIfAborted();
        if (result.violation !== undefined) throw new Error(result.violation);
        rates[index]! += ratePerSecond(result) / rounds;
      }
    }
    const [fewRate, manyRate] = rates as [number, number];
    findings.push(
      { what: `${kind}, ${few.history.values.keys} keys`, figure: fewRate, unit: "requests/s" },
      { what: `${kind}, ${many.history.values.keys} keys`, figure: manyRate, unit: "requests/s" },
      { what: "  ratio", figure: manyRate / fewRate, unit: "", atLeast: 0.8 },
    );
  }
  return findings;
}

/** How fast large values come back. */
export async function measureLarge(bounds: Bounds): Promise<Finding[]> {
  await using stack = new AsyncDisposableStack();
  const { servers, history } = await filled(stack, largeKeys, bounds, largeBytes);
  const result = await load(history, {
    connections: Array.from({ length: 8 }, () => servers.addresses[0]!),
    inFlight: 1,
    putRatio: 0,
    seed: 1,
    warmUpMs,
    durationMs: bounds.seconds * 1000,
    signal: bounds.signal,
  });
  if (result.violation !== undefined) throw new Error(result.violation);
  const figure = ratePerSecond(result) * largeBytes / MB;
  return [{ what: "GET of values of 1 MiB", figure, unit: "MB/s", atLeast: 150 }];
}

/**
 * A follower begins anew and gets everything, while PUTs go on. Other programs write the keys of
 * `servers`, so whoever filled them would not recognise their values afterwards.
 */
export async function measureSnapshot(
  { servers, history }: Filled,
  { signal, seconds }: Bounds,
): Promise<Finding[]> {
  const leader = servers.addresses[0]!;
  const usual = await underLoad(leader, signal, () => delay(seconds * 1000, { signal }));

  await servers.processes[2]!.stop();
  await waitUntil("the leader misses it", async () => (await statusOf(leader)).inSync.length === 2);
  let snapshotMs = 0;
  let memory: Finding[] = [];
  const during = await underLoad(leader, signal, async () => {
    const process = servers.restart(2);
    snapshotMs = await servers.open(snapshotMsMax);
    memory = memoryOf("the new follower", await process.residentBytes(), history.values.keys);
  });
  const pause = "longest wait of a request to the leader every ms";
  return [
    {
      what: `snapshot of ${history.values.keys} keys under load, from command to in sync`,
      figure: snapshotMs / 1000,
      unit: "s",
      atMost: 15,
    },
    { what: "PUT before it", figure: usual.rate, unit: "requests/s" },
    { what: "PUT during it", figure: during.rate, unit: "requests/s" },
    { what: "  ratio", figure: during.rate / usual.rate, unit: "", atLeast: 0.5 },
    { what: `${pause}, before`, figure: usual.pauseMs, unit: "ms" },
    { what: `${pause}, during`, figure: during.pauseMs, unit: "ms", atMost: 50 },
    ...memory,
  ];
}

/**
 * The memory of all servers under a load on constant data. Each look at it is told to `report`.
 */
export async function measureSoak(
  minutes: number,
  intervalSeconds: number,
  { signal }: Bounds,
  report: (line: string) => void,
): Promise<Finding[]> {
  await using stack = new AsyncDisposableStack();
  const { servers, history } = await filled(stack, 10_000, { signal, seconds: 0 });
  const over = new AbortController();
  const running = load(history, {
    connections: toLeader(servers),
    inFlight: 1,
    putRatio: 0.5,
    seed: 1,
    warmUpMs: 0,
    durationMs: minutes * 60_000,
    signal: AbortSignal.any([signal, over.signal]),
  }).finally(() => over.abort());
  const curves: number[][] = servers.processes.map(() => []);
  const from = performance.now();
  while (!over.signal.aborted) {
    for (const [index, process] of servers.processes.entries()) {
      curves[index]!.push(await process.residentBytes() / MB);
    }
    const seconds = Math.round((performance.now() - from) / 1000);
    report(`${seconds} s: ${curves.map((curve) => `${curve.at(-1)!.toFixed(1)} MB`).join(", ")}\n`);
    await delay(intervalSeconds * 1000, { signal: over.signal }).catch(() => {});
  }
  const result = await running;
  if (result.violation !== undefined) throw new Error(result.violation);
  const findings: Finding[] = [
    { what: "soak, rate", figure: ratePerSecond(result), unit: "requests/s" },
  ];
  for (const [index, curve] of curves.entries()) {
    report(`${formatAddress(servers.addresses[index]!)} ${drawCurve(curve)}\n`);
    findings.push({
      what: `memory of server ${index + 1}, last fifth to second fifth`,
      figure: fifth(curve, 4) / fifth(curve, 1),
      unit: "",
      atMost: 1.1,
    });
  }
  return findings;
}

function memoryOf(who: string, bytes: number, keys: number): Finding[] {
  const atMost = keys * (2.5 * (keyBytes + valueBytes) + 200) / MB;
  return [
    { what: `memory of ${who}`, figure: bytes / MB, unit: "MB", atMost },
    { what: "  for each key", figure: bytes / keys, unit: "bytes" },
  ];
}

/** The mean of one fifth of a curve, counted from 0. */
function fifth(curve: readonly number[], which: number): number {
  const from = Math.floor(curve.length * which / 5);
  const part = curve.slice(from, Math.max(from + 1, Math.floor(curve.length * (which + 1) / 5)));
  return part.reduce((sum, one) => sum + one, 0) / part.length;
}

function toLeader(servers: OwnServers): Address[] {
  return Array.from({ length: connections }, () => servers.addresses[0]!);
}

/** PUTs from a process of their own while `work` runs, and how long the leader let a request wait. */
async function underLoad(
  leader: Address,
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<{ rate: number; pauseMs: number }> {
  const before = (await statusOf(leader)).timestamp;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net",
      "bench/main.ts",
      `--servers=${formatAddress(leader)}`,
    ]
      .concat(["--put-ratio=1", `--connections=${connections}`, "--keys=1000", "--json"])
      .concat(["--warm-up=0", "--duration=3600"]),
    cwd: project,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    detached: true,
  }).spawn();
  const output = child.output();
  const done = new AbortController();
  let pauseMs = 0;
  try {
    // 1,000 of them fill its table.
    await waitUntil("PUTs come", async () => (await statusOf(leader)).timestamp > before + 2_000);
    signal.throwIfAborted();
    const probing = probe(leader, done.signal);
    try {
      await work();
    } finally {
      done.abort();
      pauseMs = await probing;
    }
  } finally {
    child.kill("SIGTERM");
    await output;
  }
  const { violation, rate } = JSON.parse(new TextDecoder().decode((await output).stdout));
  if (violation !== null) throw new Error(violation);
  return { rate, pauseMs };
}

/** Asks again and again until the signal; returns the longest that an answer took, in milliseconds. */
async function probe(server: Address, signal: AbortSignal): Promise<number> {
  const connection = new ServerConnection(server);
  let longest = 0;
  try {
    while (!signal.aborted) {
      const from = performance.now();
      await connection.request((id) => new Status(id), within(probeTimeoutMs));
      longest = Math.max(longest, performance.now() - from);
      await delay(probeMs);
    }
  } finally {
    connection.close();
    await connection.ended;
  }
  return longest;
}
