/**
 * Compares the servers with other systems, in turns, in one run on one machine.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- it is of the runtime itself
import { cpus } from "node:os";
import { escapeControls } from "../../lib/cli/escape.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { numberFlag, parseFlags, UsageError } from "../../lib/cli/flags.ts";
import { processTerminal, type Terminal } from "../../lib/cli/terminal.ts";
import { grouped } from "../drawing.ts";
import { Client, type Outcome } from "./client.ts";
import {
  keys,
  type Start,
  startEchoes,
  startEtcd,
  startOurs,
  startOursDurable,
  startOursOnEtcd,
  startOursSilent,
  startRedis,
  startReplication,
  startReplicationWithLines,
  type System,
  type Target,
} from "./systems.ts";
import { type Column, type Figures, medianOf, tables } from "./tables.ts";
import { startZooKeeper, zooKeeperClasses } from "./zookeeper.ts";

const usage = `Compares the servers with other systems, in turns, with the same client for all.

deno task bench:peers [FLAGS]

  --rounds=N    rounds of measurements; a figure is the median of the rounds (5)
  --seconds=N   seconds of each measurement (1)
  --only=A,B,…  only these systems: echoes, replication, replication-lines, redis, etcd, zookeeper,
                these, silent, durable, on-etcd (all)
  --json        JSON instead of tables
  --help        this text

It needs Linux. redis-server, etcd and ZooKeeper (Debian's package) take part if they are installed.
Data and console lines go to a temporary folder in /dev/shm (memory) if that exists, data directories
to the system's temporary folder (disk). Both folders are removed at the end.
`;

/** The columns of both tables: the connections, and the requests in flight on each. */
const columns: Readonly<Record<"GET" | "PUT", readonly Column[]>> = {
  GET: [[1, 1], [8, 1], [64, 1], [256, 1], [64, 16]],
  PUT: [[1, 1], [8, 1], [64, 1], [256, 1], [8, 16]],
};

/**
 * The most connections to a system that takes one request at a time on each. There more connections
 * replace the requests in flight.
 */
const connectionsMax = 512;
const warmUpMs = 300;
const fillConnections = 32;
const fillMsMax = 60_000;

/** The systems by the names that `--only` takes. */
const starts: Readonly<Record<string, { program?: string; file?: string; start: Start }>> = {
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

/** Returns the exit code. */
async function main(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { values, switches } = parseFlags(args, ["rounds", "seconds", "only"], ["json", "help"]);
  await terminal.keyboard.close();
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  if (Deno.build.os !== "linux") {
    terminal.err('bench:peers needs Linux; "deno task bench" runs everywhere\n');
    return 1;
  }
  const rounds = numberFlag("rounds", values.rounds, 5, { min: 1, max: 1_000, whole: true });
  const seconds = numberFlag("seconds", values.seconds, 1, { min: 0.1, max: 60, whole: false });
  const chosen = values.only?.split(",") ?? Object.keys(starts);
  const unknown = chosen.find((name) => !(name in starts));
  if (unknown !== undefined) {
    throw new UsageError(`--only: no system ${JSON.stringify(unknown)}; see --help`);
  }

  await using stack = new AsyncDisposableStack();
  const folder = temporaryFolder();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const client = stack.use(new Client());
  const notes: string[] = [];
  const systems: System[] = [];
  for (const name of chosen) {
    const { program, file, start } = starts[name]!;
    const missing = program !== undefined && !await installed(program)
      ? program
      : file !== undefined && !await exists(file)
      ? file
      : undefined;
    if (missing !== undefined) {
      notes.push(`${name} is skipped: ${missing} not found`);
      continue;
    }
    signal.throwIfAborted();
    progress(terminal, `starting ${name}`);
    const system = await start(stack, folder);
    if (system.filling !== undefined) {
      await client.measure(system.filling, {
        connections: fillConnections,
        inFlight: 1,
        warmUpMs: 0,
        durationMs: fillMsMax,
        repliesMax: keys * 2, // some connections are faster than others
        signal,
      });
    }
    await system.afterwards?.();
    systems.push(system);
  }
  const figures = await measureAll(systems, client, rounds, seconds, signal, terminal);
  progress(terminal, "");
  if (switches.json) {
    terminal.out(`${JSON.stringify({ ...context(args), notes, figures })}\n`);
    return 0;
  }
  const { date, machine, command } = context(args);
  terminal.out(
    `${date}, ${machine}; \`${command}\`. Requests per second: medians of ${rounds} rounds of ${seconds} s in turns, ` +
      `key 16 bytes, value 100 bytes, loopback, one lean client for all on the same machine.\n\n`,
  );
  terminal.out(tables(figures));
  for (const note of [...notes, ...remarks(systems)]) terminal.out(`- ${note}\n`);
  return 0;
}

/**
 * Measures each figure once in each round, so that a disturbance of the machine affects all systems.
 *
 * A round goes from column to column, and measures all systems in each. Their order is random, because
 * some systems go on working for a moment after their measurement.
 */
async function measureAll(
  systems: readonly System[],
  client: Client,
  rounds: number,
  seconds: number,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<Figures[]> {
  const plan = systems.flatMap((system) =>
    system.targets.flatMap((target) =>
      columns[target.kind].map((column) => ({
        system,
        target,
        column,
        outcomes: [] as Outcome[],
      }))
    )
  );
  for (let round = 0; round < rounds; round++) {
    const turns = plan.map((one) => ({
      ...one,
      order: order(one.target, one.column) + Math.random(),
    }))
      .sort((a, b) => a.order - b.order);
    for (const [index, { system, target, column, outcomes }] of turns.entries()) {
      const [connections, inFlight] = column;
      progress(
        terminal,
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

/** The position of a column among those of both tables. */
function order({ kind }: Target, column: Column): number {
  return (kind === "GET" ? 0 : columns.GET.length) + columns[kind].indexOf(column);
}

/** The notes below the tables. */
function remarks(systems: readonly System[]): string[] {
  const names = systems.flatMap(({ targets }) => targets.map(({ name }) => name));
  const all = [
    {
      of: "Redis",
      text:
        "Redis is the closest peer: it keeps nothing on disk, and SET + WAIT 2 answers when both " +
        "replicas have confirmed, one request of a connection after the other.",
    },
    {
      of: "etcd",
      text:
        "etcd runs majority consensus with a log (in memory if /dev/shm exists) and elects its " +
        "leaders. The client has no gRPC, so it uses the JSON gateway over HTTP with keep-alive, which " +
        "costs etcd a part of its rate. In place of 16 requests in flight on each connection it has 16 " +
        `times as many connections, but at most ${connectionsMax}.`,
    },
    {
      of: "ZooKeeper",
      text:
        "ZooKeeper runs majority consensus with a log (without syncs, in memory if /dev/shm exists) " +
        "and elects its leaders.",
    },
    {
      of: "durable",
      text: "Durable: these servers with --data-dir. All three sync each write to the disk.",
    },
    {
      of: "these",
      text: "These servers print all lines of the assignment, here to files.",
    },
    {
      of: "bare replication with lines",
      text:
        "With lines: the bare programs print the lines of the assignment too, without escapes. " +
        "Without lines: the servers do not print them.",
    },
    {
      of: "these",
      text:
        "The servers run with DENO_TOKIO_MAX_IO_EVENTS_PER_TICK=64, as in their tasks; the bare " +
        "programs run with Deno's default.",
    },
    {
      of: "on etcd",
      text: "On etcd: these servers with --engine=etcd, each connected to its own member.",
    },
  ];
  return all.filter(({ of }) => names.some((name) => name.startsWith(of))).map(({ text }) => text);
}

function context(args: readonly string[]): { date: string; machine: string; command: string } {
  const processors = cpus();
  const model = processors[0]?.model ?? "unknown processor";
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${grouped(processors.length)} cores of ${
      model.replace(/\s+/g, " ")
    }, Deno ${Deno.version.deno}`,
    command: ["deno task bench:peers", ...args].join(" "),
  };
}

function temporaryFolder(): string {
  try {
    return Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "kv-bench-" });
  } catch {
    return Deno.makeTempDirSync({ prefix: "kv-bench-" });
  }
}

async function installed(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" })
      .output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    return (await Deno.stat(file)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function progress(terminal: Terminal, line: string): void {
  if (Deno.stderr.isTerminal()) terminal.err(`\r\x1b[K${line}`);
}

const terminal = processTerminal();
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
}
try {
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal, stop.signal)));
} catch (error) {
  if (!stop.signal.aborted) throw error;
  terminal.err(`\n${escapeControls((error as Error).message)}\n`);
  await terminal.flushed();
  Deno.exit(1);
}
