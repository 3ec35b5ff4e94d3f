/**
 * Compares the servers with other systems, in turns, in one run on one machine.
 *
 * @module
 */

import { numberFlag, parseFlags, UsageError } from "../../lib/cli/flags.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import { contextOf, runScript, showProgress } from "../script.ts";
import { Client } from "./client.ts";
import { measureAll, type Run, startAll, starts } from "./measure.ts";
import { drawChart } from "./plot.ts";
import { remarks } from "./remarks.ts";
import { Shape } from "./shape.ts";
import {
  type Measured,
  type Sweep,
  sweepCharts,
  sweeps,
  sweepSystems,
  sweepTables,
  takesPart,
} from "./sweeps.ts";
import { type Column, tables } from "./tables.ts";

const usage = `Compares the servers with other systems, in turns, with the same client for all.

deno task bench:peers [FLAGS]

  --rounds=N       rounds of measurements; a figure is the median of the rounds (5)
  --seconds=N      seconds of each measurement (1)
  --only=A,B,…     only these systems: echoes, replication, replication-lines, redis, etcd, zookeeper,
                   these, silent, durable, on-etcd (all)
  --sizes          rates by the size of values, 100 bytes to 1 MiB
  --connections    rates by the number of connections, 1 to 4,000
  --cluster-sizes  rates of PUTs by the number of servers, 3, 5 and 7
  --plot=DIR       charts of these as SVG in a folder: docs/images, or one for temporary files
  --json           JSON instead of tables
  --help           this text

With one of --sizes, --connections and --cluster-sizes it measures those, and only these servers, the
bare programs and Redis. There 3 rounds of 0.5 seconds are the default: 2 to 4 minutes for each.

It needs Linux. redis-server, etcd and ZooKeeper (Debian's package) take part if they are installed.
Data and console lines go to a temporary folder in /dev/shm (memory) if that exists, data directories
to the system's temporary folder (disk). Both folders are removed at the end.
`;

/** The columns of both tables: the connections, and the requests in flight on each. */
const columns: Readonly<Record<"GET" | "PUT", readonly Column[]>> = {
  GET: [[1, 1], [8, 1], [64, 1], [256, 1], [64, 16]],
  PUT: [[1, 1], [8, 1], [64, 1], [256, 1], [8, 16]],
};

/** Returns the exit code. */
async function main(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { values, switches } = parseFlags(
    args,
    ["rounds", "seconds", "only", "plot"],
    ["sizes", "connections", "cluster-sizes", "json", "help"],
  );
  await terminal.keyboard.close();
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  if (Deno.build.os !== "linux") {
    terminal.err('bench:peers needs Linux; "deno task bench" runs everywhere\n');
    return 1;
  }
  const wanted = sweeps.filter(({ name }) => switches[name]);
  const [roundsDefault, secondsDefault] = wanted.length > 0 ? [3, 0.5] : [5, 1];
  const rounds = { min: 1, max: 1_000, whole: true };
  const seconds = { min: 0.1, max: 60, whole: false };
  const known: readonly string[] = wanted.length > 0 ? sweepSystems : Object.keys(starts);
  const chosen = values.only?.split(",") ?? known;
  const unknown = chosen.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--only: no system ${JSON.stringify(unknown)} here; see --help`);
  }
  if (values.plot !== undefined && wanted.length === 0) {
    throw new UsageError("--plot draws nothing without --sizes, --connections or --cluster-sizes");
  }

  await using stack = new AsyncDisposableStack();
  const folder = temporaryFolder();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const notes = new Set<string>();
  const run: Run = {
    client: stack.use(new Client()),
    folder,
    rounds: numberFlag("rounds", values.rounds, roundsDefault, rounds),
    seconds: numberFlag("seconds", values.seconds, secondsDefault, seconds),
    signal,
    progress: (line) => showProgress(terminal, line),
    note: (line) => notes.add(line),
  };
  const { date, machine, command } = contextOf("bench:peers", args);
  const show = (json: Record<string, unknown>, text: string) => {
    showProgress(terminal, "");
    const head =
      `${date}, ${machine}; \`${command}\`. Requests per second: medians of ${run.rounds} ` +
      `rounds of ${run.seconds} s in turns, keys of 16 bytes, loopback, one lean client for all on ` +
      `the same machine.\n\n`;
    const all = { date, machine, command, notes: [...notes], ...json };
    terminal.out(switches.json ? `${JSON.stringify(all)}\n` : head + text);
  };
  if (wanted.length === 0) {
    const systems = await startAll(stack, chosen, new Shape(), run);
    const figures = await measureAll(systems, ({ kind }) => columns[kind], run);
    const texts = [...notes, ...remarks(systems)].map((note) => `- ${note}\n`);
    show({ figures }, tables(figures) + texts.join(""));
    return 0;
  }
  for (const sweep of wanted) {
    const measured = await measureSweep(sweep, chosen, run);
    if (values.plot !== undefined) {
      for (const { file, chart } of sweepCharts(sweep, measured)) {
        await Deno.writeTextFile(`${values.plot}/${file}`, drawChart(chart));
      }
    }
    show({ sweep: sweep.name, measured }, `${sweepTables(sweep, measured)}\n`);
  }
  return 0;
}

/** Measures the systems at each point. They are started once for all points with the same shape. */
async function measureSweep(
  sweep: Sweep,
  names: readonly string[],
  run: Run,
): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const [shape, points] of Map.groupBy(sweep.points, ({ shape }) => shape)) {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ dir: run.folder });
    const systems = await startAll(stack, names, shape, { ...run, folder });
    const columns = points.map(({ column }) => column);
    const figures = await measureAll(
      systems,
      ({ kind, name }) => takesPart(sweep, kind, name) ? columns : [],
      run,
    );
    for (const { x, column } of points) {
      measured.push({ x, figures: figures.filter((one) => one.column === column) });
    }
  }
  return measured;
}

function temporaryFolder(): string {
  try {
    return Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "kv-bench-" });
  } catch {
    return Deno.makeTempDirSync({ prefix: "kv-bench-" });
  }
}

await runScript(main);
