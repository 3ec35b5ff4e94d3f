/**
 * Measurements of the limits of the servers.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { Status } from "../../lib/mensagem.ts";
import { within } from "../../lib/client/deadlines.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { drawCurve } from "../drawing.ts";
import { type FilledCluster, startFilled } from "../filled_cluster.ts";
import { load, ratePerSecond } from "../load.ts";
import { Process } from "../process.ts";
import { ServerCluster, statusOf } from "../server_cluster.ts";
import type { ServerProcessOptions } from "../server_process.ts";
import { Values } from "../values.ts";
import { eventually } from "../waiting.ts";
import type { Finding } from "./finding.ts";

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
/** The pause before memory is measured again: V8 returns some of it seconds after the last work. */
const restMs = 15_000;
/** The time limit for a snapshot. */
const snapshotMsMax = 120_000;

/** The bounds of a measurement. */
export interface Bounds {
  /** Ends the measurement early. */
  readonly signal: AbortSignal;
  /** The duration of each load, in seconds. */
  readonly seconds: number;
}

/** Starts three servers and writes all keys. */
export async function filled(
  stack: AsyncDisposableStack,
  keys: number,
  { signal }: Bounds,
  bytes: number = valueBytes,
): Promise<FilledCluster> {
  return await startFilled(stack, new Values(Date.now(), keys, bytes), { signal });
}

/** A server process that takes its secret from the environment. */
const withSecret: ServerProcessOptions = {
  deno: ["run", "--no-prompt", "--allow-net", "--allow-env=KV_SECRET", "server.ts"],
  env: { KV_SECRET: "a secret of the benchmark" },
};

/**
 * The time from the command to the first accepted connection, and until the server is in sync. Servers
 * without a secret and with one are started in turns.
 */
export async function measureStart({ signal }: Bounds): Promise<Finding[]> {
  await using plain = await ServerCluster.start();
  await using guarded = await ServerCluster.start({ process: withSecret });
  const kinds = [
    { what: "start", servers: plain, atMost: 150, serving: [] as number[], inSync: [] as number[] },
    { what: "start with a secret", servers: guarded, atMost: 300, serving: [], inSync: [] },
  ];
  for (let round = 0; round < starts; round++) {
    for (const { servers, serving, inSync } of kinds) {
      signal.throwIfAborted();
      await servers.processes[2]!.stop();
      const fromMs = performance.now();
      await servers.restart(2).serving();
      serving.push(performance.now() - fromMs);
      await servers.inSync();
      inSync.push(performance.now() - fromMs);
    }
  }
  return kinds.flatMap(({ what, atMost, serving, inSync }) => [
    { what: `${what}, median of ${starts}`, figure: median(serving), unit: "ms", atMost },
    { what: "  until it is in sync", figure: median(inSync), unit: "ms" },
  ]);
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1]!;
}

/**
 * The memory of each server, in total and for each key. It is measured right after the writes, and
 * again when V8 has had time to collect garbage.
 */
export async function measureMemory(
  { servers, history }: FilledCluster,
  { signal }: Bounds,
): Promise<Finding[]> {
  const { keys } = history.values;
  const findings: Finding[] = [];
  for (const when of ["right after the writes", `after ${restMs / 1000} s of rest`]) {
    if (findings.length > 0) await delay(restMs, { signal });
    for (const [index, process] of servers.processes.entries()) {
      const bytes = await process.residentBytes();
      const who = index === 0 ? "the leader" : `follower ${index}`;
      findings.push(...memoryOf(`${who}, ${when}`, bytes, keys));
    }
  }
  return findings;
}

/** The rates with many keys and with few, in turns. */
export async function measureRates(
  many: FilledCluster,
  few: FilledCluster,
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

/** The rate of GETs of large values. */
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
 * The catch-up of an empty follower during PUTs. Another process sends these PUTs, so `history` is not
 * valid afterwards.
 */
export async function measureSnapshot(
  { servers, history }: FilledCluster,
  { signal, seconds }: Bounds,
): Promise<Finding[]> {
  const leader = servers.addresses[0]!;
  const usual = await underLoad(leader, signal, () => delay(seconds * 1000, { signal }));

  await servers.processes[2]!.stop();
  await eventually(
    "the follower has left",
    async () => (await statusOf(leader)).inSync.length === 2,
  );
  let snapshotMs = 0;
  let memory: Finding[] = [];
  const during = await underLoad(leader, signal, async () => {
    const fromMs = performance.now();
    const process = servers.restart(2);
    await servers.inSync(snapshotMsMax);
    snapshotMs = performance.now() - fromMs;
    memory = memoryOf("the new follower", await process.residentBytes(), history.values.keys);
  });
  const pause = "longest latency of a STATUS at the leader";
  return [
    {
      what: `snapshot of ${history.values.keys} keys under load, from the command to in sync`,
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
 * The memory of all servers during a load on constant data. Each measurement goes to `report`.
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

function toLeader(servers: ServerCluster): Address[] {
  return Array.from({ length: connections }, () => servers.addresses[0]!);
}

/** Runs `work` during PUTs of another process. Returns their rate and the leader's longest pause. */
async function underLoad(
  leader: Address,
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<{ rate: number; pauseMs: number }> {
  const before = (await statusOf(leader)).timestamp;
  const client = Process.deno([
    ...["run", "--no-prompt", "--allow-net", "bench/main.ts", `--servers=${formatAddress(leader)}`],
    ...["--put-ratio=1", `--connections=${connections}`, "--keys=1000", "--json"],
    ...["--warm-up=0", "--duration=3600"],
  ], { group: true, out: "keep" });
  const done = new AbortController();
  let pauseMs = 0;
  try {
    // The load generator first writes its 1,000 keys.
    await eventually(
      "the load has begun",
      async () => (await statusOf(leader)).timestamp > before + 2_000,
    );
    signal.throwIfAborted();
    const probing = probe(leader, done.signal);
    try {
      await work();
    } finally {
      done.abort();
      pauseMs = await probing;
    }
  } finally {
    await client.stop();
  }
  const { violation, rate } = JSON.parse(client.screen);
  if (violation !== null) throw new Error(violation);
  return { rate, pauseMs };
}

/** Sends one request after another until the signal. Returns the longest latency, in milliseconds. */
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
