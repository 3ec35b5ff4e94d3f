/**
 * The flags that only commands take, and which commands take each of them.
 *
 * @module
 */

import { timestampMax } from "../limits.ts";
import type { Command } from "./command_line.ts";
import { type Flags, numberFlag, UsageError } from "./flags.ts";

/** The flags with a value that only commands take. */
export const commandFlags = [
  ...["servers", "timeout", "session", "interval", "count", "lang"] as const,
  ...["if-timestamp", "ttl", "prefix", "since", "wait", "after", "from-line"] as const,
] as const;

/** The flags without a value that only commands take. */
export const commandSwitches = ["json", "if-absent", "latest"] as const;

/** A flag that only commands take. */
type CommandFlag = typeof commandFlags[number] | typeof commandSwitches[number];

/** The commands that take a flag. A flag that is not in it belongs to every command. */
const takenBy: Readonly<Partial<Record<CommandFlag, readonly Command["name"][]>>> = {
  interval: ["watch-status"],
  count: ["watch-status", "observe", "watch"],
  "if-absent": ["put", "import"],
  "if-timestamp": ["put", "delete"],
  ttl: ["put", "lock"],
  latest: ["get"],
  prefix: ["watch"],
  since: ["watch"],
  wait: ["lock"],
  after: ["export"],
  "from-line": ["import"],
};

/** Pause of `watch-status` between two tables, without `--interval`, in milliseconds. */
export const watchPauseMsDefault = 2_000;

/** The highest line that an import may begin with. */
const lineMax = 1e15;

/** The shortest and the longest time to live, in seconds. */
const ttlRange = { min: 1, max: 2_147_483, whole: false } as const;

/** The times that `--timeout`, `--interval` and `--wait` take, in seconds. */
const secondsRange = { min: 0.01, max: 3_600, whole: false } as const;

/** The longest wait for a lock: a week, in seconds. */
const waitRange = { min: 0.01, max: 604_800, whole: false } as const;

const msPerSecond = 1_000;

/** What the flags of single commands say. */
export interface CommandOptions {
  /** `watch-status`, `observe` and `watch` end after this number of tables, events or changes. */
  readonly count: number;
  /** The pause between two tables, in milliseconds. */
  readonly pauseMs: number;
  /** The timestamp that the key must have, 0 if it must not exist; `undefined` for any. */
  readonly ifTimestamp: number | undefined;
  /** Whether `import` leaves existing keys as they are. */
  readonly ifAbsent: boolean;
  /** The time to live, in milliseconds; `undefined` if none is given. */
  readonly ttlMs: number | undefined;
  /** Whether `get` asks for the latest value. */
  readonly latest: boolean;
  /** What the watched keys begin with; `undefined` if one key is watched. */
  readonly prefix: string | undefined;
  /** The timestamp after which `watch` begins; `undefined` for what there is now. */
  readonly since: number | undefined;
  /** The longest wait for a lock, in milliseconds; `undefined` if there is no limit. */
  readonly waitMs: number | undefined;
  /** The key after which `export` begins; `undefined` for the first. */
  readonly after: string | undefined;
  /** The line with which `import` begins, counted from 1. */
  readonly fromLine: number;
}

/** The values and switches of a command. */
export type CommandValues = Flags<
  typeof commandFlags[number],
  typeof commandSwitches[number]
>;

/** The first flag that only commands take; `undefined` if there is none. */
export function commandFlagIn({ values, switches }: CommandValues): string | undefined {
  return commandFlags.find((flag) => values[flag] !== undefined) ??
    commandSwitches.find((flag) => switches[flag]);
}

/**
 * Parses the flags of a command.
 *
 * @throws {UsageError} if one of them is wrong, does not belong to the command, or contradicts
 * another.
 */
export function readCommandOptions(name: Command["name"], flags: CommandValues): CommandOptions {
  const { values, switches } = flags;
  for (const [flag, names] of Object.entries(takenBy)) {
    const given = switches[flag as typeof commandSwitches[number]] ||
      values[flag as typeof commandFlags[number]] !== undefined;
    if (given && !names.includes(name)) {
      const [last, ...others] = [...names].reverse();
      const list = others.length === 0 ? last : `${others.reverse().join(", ")} and ${last}`;
      throw new UsageError(`--${flag} belongs to ${list}: see --help`);
    }
  }
  const ifAbsent = switches["if-absent"];
  if (ifAbsent && values["if-timestamp"] !== undefined) {
    throw new UsageError("--if-absent and --if-timestamp contradict each other: use one of them");
  }
  // A deletion of a key that must not exist does nothing.
  const timestamps = { min: name === "delete" ? 1 : 0, max: timestampMax, whole: true };
  const since = { min: 0, max: timestampMax, whole: true };
  return {
    count: numberFlag("count", values.count, Infinity, { min: 1, max: 1e9, whole: true }),
    pauseMs: secondsFlag("interval", values.interval, watchPauseMsDefault),
    ifTimestamp: ifAbsent
      ? 0
      : optionalNumber("if-timestamp", values["if-timestamp"], timestamps, 1),
    ifAbsent,
    ttlMs: optionalNumber("ttl", values.ttl, ttlRange, msPerSecond),
    latest: switches.latest,
    prefix: values.prefix,
    since: optionalNumber("since", values.since, since, 1),
    waitMs: optionalNumber("wait", values.wait, waitRange, msPerSecond),
    after: values.after,
    fromLine: numberFlag("from-line", values["from-line"], 1, {
      ...{ min: 1, max: lineMax, whole: true },
    }),
  };
}

/**
 * Parses a time in seconds.
 *
 * @returns The time in milliseconds; `presetMs` if the flag is not given.
 * @throws {UsageError} if it is not a number within the range.
 */
export function secondsFlag(name: string, text: string | undefined, presetMs: number): number {
  return numberFlag(name, text, presetMs / msPerSecond, secondsRange) * msPerSecond;
}

/** Parses a number, times `factor`, as a whole number. `undefined` if the flag is not given. */
function optionalNumber(
  name: string,
  text: string | undefined,
  range: Parameters<typeof numberFlag>[3],
  factor: number,
): number | undefined {
  return text === undefined
    ? undefined
    : Math.round(numberFlag(name, text, range.min, range) * factor);
}
