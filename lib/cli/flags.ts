/**
 * Command lines: flags with values, switches, and operands.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";

/** The arguments or the input are wrong: exit code 2. */
export class UsageError extends Error {
  /** Creates the error. */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** The flags and switches of a program. */
export interface Flags<Name extends string, Switch extends string> {
  /** The texts of the flags; `undefined` if a flag is not given. */
  readonly values: Readonly<Record<Name, string | undefined>>;
  /** Whether each switch is given. */
  readonly switches: Readonly<Record<Switch, boolean>>;
}

/** Flags, switches and operands. */
export interface CommandLine<Name extends string, Switch extends string>
  extends Flags<Name, Switch> {
  /** The arguments that belong to no flag, in their order. */
  readonly operands: readonly string[];
  /** How many of the operands came after `--`. They are the last ones. */
  readonly afterDashes: number;
}

/**
 * Parses `--name=value`, `--name value` and `--switch`.
 *
 * @throws {UsageError} if there is any other argument.
 */
export function parseFlags<Name extends string, Switch extends string>(
  args: readonly string[],
  names: readonly Name[],
  switches: readonly Switch[],
): Flags<Name, Switch> {
  const { values, switches: given, operands } = parseCommandLine(args, names, switches);
  if (args.includes("--")) refuse("--");
  if (operands[0] !== undefined) refuse(operands[0]);
  return { values, switches: given };
}

/**
 * Parses flags and operands. Operands are arguments without a leading dash, a lone `-`, and all
 * arguments after `--`.
 *
 * @throws {UsageError} if a flag is unknown, or lacks its value.
 */
export function parseCommandLine<Name extends string, Switch extends string>(
  args: readonly string[],
  names: readonly Name[],
  switches: readonly Switch[],
): CommandLine<Name, Switch> {
  const dashes = args.indexOf("--");
  const before = dashes < 0 ? args : args.slice(0, dashes);
  const after = dashes < 0 ? [] : args.slice(dashes + 1);
  // Removed first: parseArgs would read a "true" or "false" after a switch as its value.
  const given = new Set<string>(
    before.filter((arg) => switches.some((name) => arg === `--${name}`)),
  );
  const operands: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(before.filter((arg) => !given.has(arg)), {
    string: [...names] as string[],
    unknown: (arg, key) => {
      if (key !== undefined) refuse(arg);
      operands.push(arg); // stored here: parseArgs would turn some into numbers
      return false;
    },
  });
  for (const name of names) {
    if (parsed[name] === "") throw new UsageError(`--${name} needs a value: see --help`);
  }
  const pick = <K extends string, V>(keys: readonly K[], value: (key: K) => V) =>
    Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>;
  return {
    values: pick(names, (name) => parsed[name] as string | undefined),
    switches: pick(switches, (name) => given.has(`--${name}`)),
    operands: [...operands, ...after],
    afterDashes: after.length,
  };
}

function refuse(arg: string): never {
  throw new UsageError(`unknown argument ${JSON.stringify(arg)}: see --help`);
}

/** Which numbers a flag takes. */
export interface NumberRange {
  /** Smallest value. */
  readonly min: number;
  /** Largest value. */
  readonly max: number;
  /** Whether it must be a whole number. */
  readonly whole: boolean;
}

/**
 * Parses the number of a flag.
 *
 * @returns `preset` if the flag is not given.
 * @throws {UsageError} if it is not a number within the range.
 */
export function numberFlag(
  name: string,
  text: string | undefined,
  preset: number,
  { min, max, whole }: NumberRange,
): number {
  if (text === undefined) return preset;
  const n = text.trim() === "" ? NaN : Number(text);
  if (!(n >= min && n <= max) || (whole && !Number.isInteger(n))) {
    const kind = whole ? "a whole number" : "a number";
    throw new UsageError(
      `--${name} must be ${kind} from ${min} to ${max}, not ${JSON.stringify(text)}`,
    );
  }
  return n;
}
