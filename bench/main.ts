/**
 * A load generator: it sends requests to the servers, measures rate and latencies, and checks every
 * answer.
 *
 * @module
 */

import { cyan, grouped, plain } from "./drawing.ts";
import { History, Violation } from "./history.ts";
import { fill, load, type LoadResult } from "./load.ts";
import { jsonOf, progressLine, textOf } from "./report.ts";
import { ServerCluster, statusOf } from "./server_cluster.ts";
import { keysMax, valueBytesMin, Values } from "./values.ts";
import { randomFrom } from "./workload.ts";
import { type Address, formatAddress } from "../lib/wire/address.ts";
import { inFlightMax, valueBytesMax } from "../lib/limits.ts";
import { escapeControls } from "../lib/cli/escape.ts";
import { exitCode } from "../lib/cli/exit_codes.ts";
import { parseServers } from "../lib/cli/addresses.ts";
import { numberFlag, parseFlags, UsageError } from "../lib/cli/flags.ts";
import { processTerminal, type Terminal } from "../lib/cli/terminal.ts";
import { writeJson } from "../lib/cli/write_json.ts";

const numberFlags = {
  connections: { help: "connections", preset: 64, min: 1, max: 10_000, whole: true },
  "in-flight": {
    help: "requests without an answer on each connection",
    preset: 1,
    min: 1,
    max: inFlightMax,
    whole: true,
  },
  duration: { help: "seconds that are measured", preset: 10, min: 0.1, max: 86_400, whole: false },
  "warm-up": { help: "seconds before that", preset: 1, min: 0, max: 3_600, whole: false },
  "put-ratio": { help: "share of PUTs, 0 to 1", preset: 0.1, min: 0, max: 1, whole: false },
  keys: {
    help: "keys, each written once before the load",
    preset: 10_000,
    min: 1,
    max: keysMax,
    whole: true,
  },
  "value-bytes": {
    help: "length of each value",
    preset: 100,
    min: valueBytesMin,
    max: valueBytesMax,
    whole: true,
  },
} as const;

const seedMax = 2 ** 32 - 1;
const rateMax = 10_000_000;
const vias = ["leader", "follower", "random"] as const;

const usage = `Puts a load on servers and checks every answer.

deno task bench [FLAGS]

${
  Object.entries(numberFlags)
    .map(([name, { help, preset }]) => `  ${`--${name}=N`.padEnd(20)}${help} (${preset})\n`)
    .join("")
}  --via=SERVER        server of the connections: leader, follower, random (leader)
  --rate=N            requests per second of all connections, at fixed times (open loop); latency
                      counts from those times. Without it each connection sends its next request
                      after an answer (closed loop)
  --servers=A,B,C     running servers, as ip:port. No other client may write the keys
                      key:000000000000, key:000000000001, … during the load
  --seed=N            the seed of keys and kinds of requests
  --json              JSON instead of text
  --help              this text

Without --servers it starts three servers and stops them at the end; their console lines go to the
null device. All connections are one client: what it saw on one of them counts for all. Ctrl-C ends
the load early and prints the figures so far.
Exit code: 0; 1 after a wrong answer or without any answer; 2 after a wrong flag.
`;

/** The values of the flags. */
export interface Settings {
  /** The numeric flags by name. */
  readonly numbers: Readonly<Record<keyof typeof numberFlags, number>>;
  /** The servers that connections go to. */
  readonly via: typeof vias[number];
  /** Requests per second in an open loop; `undefined` for a closed loop. */
  readonly rate: number | undefined;
  /** Running servers; `undefined` to start some. */
  readonly servers: readonly Address[] | undefined;
  /** The seed of keys and kinds of requests. */
  readonly seed: number;
  /** Whether the result is JSON. */
  readonly json: boolean;
}

/**
 * Reads the flags; `undefined` if they ask for help.
 *
 * @throws {UsageError} if a flag is wrong.
 */
export function readSettings(args: readonly string[]): Settings | undefined {
  const names = Object.keys(numberFlags) as (keyof typeof numberFlags)[];
  const { values, switches } = parseFlags(
    args,
    [...names, "via", "rate", "servers", "seed"],
    ["json", "help"],
  );
  if (switches.help) return undefined;
  const numbers = names.map((name) => {
    const { preset, ...bounds } = numberFlags[name];
    return [name, numberFlag(name, values[name], preset, bounds)];
  });
  const via = vias.find((one) => one === (values.via ?? vias[0]));
  if (via === undefined) {
    throw new UsageError(`--via must be one of ${vias.join(", ")}, not "${values.via}"`);
  }
  const drawn = Math.floor(Math.random() * seedMax);
  return {
    numbers: Object.fromEntries(numbers) as Settings["numbers"],
    via,
    rate: values.rate === undefined
      ? undefined
      : numberFlag("rate", values.rate, 0, { min: 1, max: rateMax, whole: false }),
    servers: values.servers === undefined
      ? undefined
      : parseServers(values.servers, "127.0.0.1:10097,127.0.0.1:10098"),
    seed: numberFlag("seed", values.seed, drawn, { min: 0, max: seedMax, whole: true }),
    json: switches.json,
  };
}

/** Runs the program; `signal` ends the load early. Returns the exit code. */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const settings = readSettings(args);
  await terminal.keyboard.close();
  if (settings === undefined) {
    terminal.out(usage);
    return 0;
  }
  const progress = (line: string) => {
    if (Deno.stderr.isTerminal()) terminal.err(`\r\x1b[K${line}`);
  };
  let result: LoadResult;
  try {
    progress("starting");
    await using own = settings.servers === undefined ? await ServerCluster.start() : undefined;
    result = await run(settings, own?.addresses ?? settings.servers!, signal, progress);
  } catch (error) {
    progress("");
    const kind = error instanceof Violation ? "VIOLATION: " : "";
    terminal.err(`${kind}${escapeControls((error as Error).message)}\n`);
    return 1;
  }
  progress("");
  if (settings.json) {
    const { numbers, via, rate, seed } = settings;
    const flags = { ...numbers, via, rate: rate ?? null, seed };
    writeJson(terminal, { settings: flags, ...jsonOf(result) });
  } else {
    const coloured = Deno.stdout.isTerminal() && !Deno.noColor;
    terminal.out(describeSettings(settings));
    terminal.out(textOf(result, settings.rate !== undefined, coloured ? cyan : plain));
  }
  const answers = result.gets.count + result.puts.count;
  return result.violation === undefined && answers > 0 ? 0 : 1;
}

/** Fills the table, then runs the load. */
async function run(
  { numbers, via, rate, seed }: Settings,
  servers: readonly Address[],
  signal: AbortSignal,
  progress: (line: string) => void,
): Promise<LoadResult> {
  const leader = await leaderOf(servers);
  const followers = servers.filter((server) => formatAddress(server) !== formatAddress(leader));
  const targets = via === "leader" ? [leader] : via === "follower" ? followers : servers;
  if (targets.length === 0) throw new Error("--via=follower needs a follower among --servers");

  // The time, not the seed: values of an earlier run with the same seed must count as wrong.
  const values = new Values(Date.now(), numbers.keys, numbers["value-bytes"]);
  const history = new History(values);
  progress(`writing ${grouped(numbers.keys)} keys`);
  await fill(leader, history, signal);
  const random = randomFrom(seed);
  return await load(history, {
    connections: Array.from({ length: numbers.connections }, (_, index) => {
      // Followers take turns.
      const target = via === "random" ? Math.floor(random() * targets.length) : index;
      return targets[target % targets.length]!;
    }),
    inFlight: numbers["in-flight"],
    putRatio: numbers["put-ratio"],
    seed,
    warmUpMs: numbers["warm-up"] * 1000,
    durationMs: numbers.duration * 1000,
    ...(rate === undefined ? {} : { rate }),
    signal,
    progress: (how) => progress(progressLine(how)),
  });
}

/**
 * The server that reports itself as the leader. If there is none, a server that another one reports as
 * the leader, else the first server: with etcd all servers take PUTs.
 */
async function leaderOf(servers: readonly Address[]): Promise<Address> {
  const all = await Promise.all(servers.map(statusOf));
  const leads = all.findIndex(({ server, leader }) => server === leader);
  if (leads >= 0) return servers[leads]!;
  const named = servers.find((server) =>
    all.some(({ leader }) => leader === formatAddress(server))
  );
  return named ?? servers[0]!;
}

function describeSettings({ numbers, via, rate, seed }: Settings): string {
  const { connections, keys, "in-flight": inFlight, "put-ratio": putRatio } = numbers;
  const pace = rate === undefined ? "" : `, ${grouped(rate)} requests/s wanted`;
  return `${connections} connections × ${inFlight} in flight via ${via}${pace}, ${
    Math.round(putRatio * 100)
  } % PUT, ${grouped(keys)} keys, ${grouped(numbers["value-bytes"])} bytes each, seed ${seed}\n`;
}

/** A signal that is aborted by SIGINT and SIGTERM. */
function abortedBySignals(): AbortSignal {
  const controller = new AbortController();
  // Windows has no SIGTERM to listen for.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, () => controller.abort());
  return controller.signal;
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal, abortedBySignals())));
}
