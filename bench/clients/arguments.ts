/**
 * The command line of `deno task bench:clients`.
 *
 * @module
 */

import { numberFlag, parseFlags, UsageError } from "../../lib/cli/flags.ts";
import type { Kind } from "./library.ts";

/** The text of `--help`. */
export const usage =
  `Compares this project's client library with ioredis, in turns, one process for each.

deno task bench:clients [FLAGS]

  --rounds=N         rounds of measurements; a figure is the median of the rounds (5)
  --seconds=N        seconds of each measurement (1)
  --in-flight=N,N,…  calls in flight, one column for each (1,16,256,5000,50000)
  --only=KIND        only GET or only PUT (both)
  --beside=FOLDER    also the library of another working copy of this project
  --json             JSON instead of tables
  --help             this text

It needs redis-server, and gets ioredis from npm. It starts three servers and a Redis with two
replicas, without a disk. PUT is beside SET and WAIT 2. Every answer is checked.
`;

/** The most calls in flight. Each takes some 3 KiB of memory. */
const inFlightMax = 1_000_000;

/** What to measure. */
export interface Arguments {
  /** The number of rounds. */
  readonly rounds: number;
  /** The time of each measurement, in milliseconds. */
  readonly ms: number;
  /** The calls in flight, one for each column. */
  readonly inFlight: readonly number[];
  /** What the calls do. */
  readonly kinds: readonly Kind[];
  /** The folder of another working copy; `undefined` if there is none. */
  readonly beside: string | undefined;
  /** Whether to write JSON. */
  readonly json: boolean;
  /** Whether to write the usage and nothing else. */
  readonly help: boolean;
}

/**
 * Reads the command line.
 *
 * @throws {UsageError} if it is wrong.
 */
export function argumentsOf(args: readonly string[]): Arguments {
  const { values, switches } = parseFlags(
    args,
    ["rounds", "seconds", "in-flight", "only", "beside"],
    ["json", "help"],
  );
  const { only } = values;
  if (only !== undefined && only !== "GET" && only !== "PUT") {
    throw new UsageError(`--only must be GET or PUT, not ${JSON.stringify(only)}`);
  }
  const seconds = numberFlag("seconds", values.seconds, 1, { min: 0.1, max: 60, whole: false });
  return {
    rounds: numberFlag("rounds", values.rounds, 5, { min: 1, max: 1_000, whole: true }),
    ms: seconds * 1000,
    inFlight: (values["in-flight"] ?? "1,16,256,5000,50000").split(",").map((text) =>
      numberFlag("in-flight", text, 0, { min: 1, max: inFlightMax, whole: true })
    ),
    kinds: only === undefined ? ["GET", "PUT"] : [only],
    beside: values.beside,
    json: switches.json,
    help: switches.help,
  };
}
