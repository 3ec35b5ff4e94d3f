/**
 * A load generator: requests to the servers over the wire, how fast they are answered, and whether
 * the answers keep what is promised.
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
import { type Address, formatAddress, parseAddress } from "../lib/wire/address.ts";
import { inFlightMax, valueBytesMax } from "../lib/limits.ts";
import {
  exitCode,
  numberFlag,
  parseFlags,
  processTerminal,
  type Terminal,
  UsageError,
} from "../lib/cli/terminal.ts";

const numberFlags = {
  connections: { help: "connections", preset: 64, min: 1, max: 10_000, whole: true },
  "in-flight": {
    help: "requests without an answer on each connection",
    preset: 1,
    min: 1,
    max: inFlightMax,
    whole: true,
  },
  duration: { help: "seconds that count", preset: 10, min: 0.1, max: 86_400, whole: false },
  "warm-up": { help: "seconds before them", preset: 1, min: 0, max: 3_600, whole: false },
  "put-ratio": { help: "share of PUTs, 0 to 1", preset: 0.1, min: 0, max: 1, whole: false },
  keys: { help: "keys, all written before", preset: 10_000, min: 1, max: keysMax, whole: true },
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

const usage = `A load on the servers; every answer is checked.

deno task bench [FLAGS]

${
  Object.entries(numberFlags)
    .map(([name, { help, preset }]) => `  ${`--${name}=N`.padEnd(20)}${help} (${preset})\n`)
    .join("")
}  --via=WHERE         where connections go: leader, follower, random (leader)
  --rate=N            requests per second, all together, at fixed times whatever the servers do;
                      latency then counts from those times. Without it each request of a connection
                      waits for an answer
  --servers=A,B,C     servers that run already, as ip:port; nobody else may write their keys
                      key:000000000000, key:000000000001, … meanwhile
  --seed=N            draws the same keys again
  --json              one object in JSON instead of text
  --help              this text

Without --servers it starts three of its own and stops them in the end; their console lines are
written to the null device. The connections are one client: what it saw on one of them, none of the
others may contradict. Ctrl-C ends the load early, with what came of it until then.
Exit code: 0, 1 where an answer broke a promise or none came, 2 where a flag is wrong.
`;

/** What the flags say. */
export interface Settings {
  /** By flag; seconds are seconds. */
  readonly numbers: Readonly<Record<keyof typeof numberFlags, number>>;
  /** Where connections go. */
  readonly via: typeof vias[number];
  /** Requests per second, where they come at fixed times. */
  readonly rate: number | undefined;
  /** Servers that run already. */
  readonly servers: readonly Address[] | undefined;
  /** Draws the keys. */
  readonly seed: number;
  /** JSON instead of text. */
  readonly json: boolean;
}

/**
 * Reads the flags; `undefined` where they ask for help.
 *
 * @throws {UsageError} where one is wrong.
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
    servers: values.servers === undefined ? undefined : readServers(values.servers),
    seed: numberFlag("seed", values.seed, drawn, { min: 0, max: seedMax, whole: true }),
    json: switches.json,
  };
}

function readServers(text: string): Address[] {
  return text.split(",").map((one) => {
    const address = parseAddress(one.trim());
    if (address === undefined) {
      throw new UsageError(`--servers must be ip:port,ip:port,…, not "${text}"`);
    }
    return address;
  });
}

/** Puts a load on servers until it is over or `signal` ends it. Returns the exit code. */
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
    terminal.err(`${error instanceof Violation ? "VIOLATION: " : ""}${(error as Error).message}\n`);
    return 1;
  }
  progress("");
  if (settings.json) {
    const { numbers, via, rate, seed } = settings;
    const flags = { ...numbers, via, rate: rate ?? null, seed };
    terminal.out(`${JSON.stringify({ settings: flags, ...jsonOf(result) })}\n`);
  } else {
    const coloured = Deno.stdout.isTerminal() && !Deno.noColor;
    terminal.out(describeSettings(settings));
    terminal.out(textOf(result, settings.rate !== undefined, coloured ? cyan : plain));
  }
  const answers = result.gets.count + result.puts.count;
  return result.violation === undefined && answers > 0 ? 0 : 1;
}

/** Fills the table, then puts the load on it. */
async function run(
  { numbers, via, rate, seed }: Settings,
  servers: readonly Address[],
  signal: AbortSignal,
  progress: (line: string) => void,
): Promise<LoadResult> {
  const leader = await leaderOf(servers);
  const followers = servers.filter((server) => formatAddress(server) !== formatAddress(leader));
  const targets = via === "leader" ? [leader] : via === "follower" ? followers : servers;
  if (targets.length === 0) throw new Error("there is no follower among --servers");

  // Values of an earlier run with the same seed must not be taken for ones of this.
  const values = new Values(Date.now(), numbers.keys, numbers["value-bytes"]);
  const history = new History(values);
  progress(`writing ${grouped(numbers.keys)} keys`);
  await fill(leader, history, signal);
  const random = randomFrom(seed);
  return await load(history, {
    connections: Array.from({ length: numbers.connections }, (_, index) => {
      // Followers take turns; at random is at random.
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
 * The server that leads by its own account. On another engine than the embedded one the others name
 * no server, and it may be none of those that were given: then any of them takes PUTs.
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

/** Aborted at Ctrl-C or a request to terminate. */
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
