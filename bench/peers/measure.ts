/**
 * Starts the systems and measures them in turns.
 *
 * @module
 */

import { installed } from "../process.ts";
import { startEchoes, startReplication, startReplicationWithLines } from "./bare.ts";
import type { Client, Outcome } from "./client.ts";
import { startEtcd } from "./etcd.ts";
import { startRedis } from "./redis.ts";
import type { Shape } from "./shape.ts";
import type { Start, System, Target } from "./system.ts";
import { type Column, type Figures, medianOf } from "./tables.ts";
import { startOurs, startOursDurable, startOursOnEtcd, startOursSilent } from "./these.ts";
import { startZooKeeper, zooKeeperClasses } from "./zookeeper.ts";

/**
 * The most connections to a system that takes one request at a time on each. There more connections
 * replace the requests in flight.
 */
export const connectionsMax = 512;
const warmUpMs = 300;
const fillConnections = 32;
const fillMsMax = 60_000;

/** The systems by the names that `--only` takes. */
export const starts: Readonly<Record<string, { program?: string; file?: string; start: Start }>> = {
  "echoes": { start: startEchoes },
  "replication": { start: startReplication },
  "replication-lines": { start: startReplicationWithLines },
  "redis": { program: "redis-server", start: startRedis },
  "etcd": { program: "etcd", start: startEtcd },
  "zookeeper": { program: "java", file: zooKeeperClasses, start: startZooKeeper },
  "these": { start: startOurs },
  "silent": { start: startOursSilent },
  "durable": { start: startOursDurable },
  "on-etcd": { program: "etcd", start: startOursOnEtcd },
};

/** How the systems are measured. */
export interface Run {
  /** The client. */
  readonly client: Client;
  /** A folder in memory for the files of the systems. */
  readonly folder: string;
  /** The number of rounds. A figure is the median of all. */
  readonly rounds: number;
  /** The duration of a measurement, in seconds. */
  readonly seconds: number;
  /** Ends the run early, with an error. */
  readonly signal: AbortSignal;
  /** Shows what is done now. */
  readonly progress: (line: string) => void;
  /** Takes a system that is not installed. */
  readonly note: (line: string) => void;
}

/** Starts the systems that are installed, and fills their tables. They end with `stack`. */
export async function startAll(
  stack: AsyncDisposableStack,
  names: readonly string[],
  shape: Shape,
  { client, folder, signal, progress, note }: Run,
): Promise<System[]> {
  const systems: System[] = [];
  for (const name of names) {
    const { program, file, start } = starts[name]!;
    const missing = program !== undefined && !await installed(program)
      ? program
      : file !== undefined && !await exists(file)
      ? file
      : undefined;
    if (missing !== undefined) {
      note(`${name} is skipped: ${missing} not found`);
      continue;
    }
    signal.throwIfAborted();
    progress(`starting ${name}`);
    const system = await start(stack, folder, shape);
    if (system.filling !== undefined) {
      await client.measure(system.filling, {
        connections: fillConnections,
        inFlight: 1,
        warmUpMs: 0,
        durationMs: fillMsMax,
        repliesMax: shape.keys * 2, // some connections are faster than others
        signal,
      });
    }
    await system.afterwards?.();
    systems.push(system);
  }
  return systems;
}

/**
 * Measures each figure once in each round, so that a disturbance of the machine affects all systems.
 *
 * A round goes from column to column, and measures all systems in each. Their order is random, because
 * some systems go on working for a moment after their measurement. `columnsOf` says which columns a
 * target has.
 */
export async function measureAll(
  systems: readonly System[],
  columnsOf: (target: Target) => readonly Column[],
  { client, rounds, seconds, signal, progress }: Run,
): Promise<Figures[]> {
  const plan = systems.flatMap((system) =>
    system.targets.flatMap((target) =>
      columnsOf(target).map((column, index) => ({
        system,
        target,
        column,
        place: target.kind === "GET" ? index : 1_000 + index,
        outcomes: [] as Outcome[],
      }))
    )
  );
  for (let round = 0; round < rounds; round++) {
    const turns = plan.map((one) => ({ ...one, order: one.place + Math.random() }))
      .sort((a, b) => a.order - b.order);
    for (const [index, { system, target, column, outcomes }] of turns.entries()) {
      const [connections, inFlight] = column;
      progress(
        `round ${round + 1} of ${rounds}, ${
          index + 1
        } of ${plan.length}: ${target.name}, ${target.kind}, ${connections} × ${inFlight}`,
      );
      if (target.name.startsWith("Redis SET") && inFlight > 1) continue; // WAIT blocks later requests
      const effort = { warmUpMs, durationMs: seconds * 1000, signal };
      const shape = target.pipelines
        ? { connections, inFlight }
        : { connections: Math.min(connections * inFlight, connectionsMax), inFlight: 1 };
      try {
        outcomes.push(await client.measure(target.exchange, { ...effort, ...shape }));
      } catch (cause) {
        signal.throwIfAborted();
        throw new Error(`${target.name}, ${connections} × ${inFlight}`, { cause });
      }
      await system.afterwards?.();
    }
  }
  return plan.filter(({ outcomes }) => outcomes.length > 0).map(({ target, column, outcomes }) => ({
    name: target.name,
    kind: target.kind,
    column,
    rate: medianOf(outcomes.map(({ rate }) => rate)),
    p50Us: medianOf(outcomes.map(({ latencies }) => latencies.percentileUs(0.5))),
    p99Us: medianOf(outcomes.map(({ latencies }) => latencies.percentileUs(0.99))),
  }));
}

async function exists(file: string): Promise<boolean> {
  try {
    return (await Deno.stat(file)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
