/**
 * The words after a role's name.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";

/** The arguments or the input are wrong: exit code 2. */
export class UsageError extends Error {
  /** Says what is wrong. */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** The flags of a role, all of them text, and its switches. */
export interface Flags<Name extends string, Switch extends string> {
  /** `undefined` where the flag is not given. */
  readonly values: Readonly<Record<Name, string | undefined>>;
  /** True where the switch is given. */
  readonly switches: Readonly<Record<Switch, boolean>>;
}

/** Flags, and the words among and after them. */
export interface CommandLine<Name extends string, Switch extends string>
  extends Flags<Name, Switch> {
  /** What belongs to no flag, in its order. */
  readonly operands: readonly string[];
  /** How many of the operands, the last ones, came after `--`. */
  readonly afterDashes: number;
}

/**
 * Reads `--name=value`, `--name value` and `--switch`.
 *
 * @throws {UsageError} where there is anything else.
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
 * The same, with operands: words that do not begin with a dash, `-` alone, and everything that
 * comes after `--`.
 *
 * @throws {UsageError} where there is a flag that is not known.
 */
export function parseCommandLine<Name extends string, Switch extends string>(
  args: readonly string[],
  names: readonly Name[],
  switches: readonly Switch[],
): CommandLine<Name, Switch> {
  const dashes = args.indexOf("--");
  const before = dashes < 0 ? args : args.slice(0, dashes);
  const after = dashes < 0 ? [] : args.slice(dashes + 1);
  // parseArgs would take a "true" or "false" after a switch for its value.
  const given = new Set<string>(
    before.filter((arg) => switches.some((name) => arg === `--${name}`)),
  );
  const operands: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(before.filter((arg) => !given.has(arg)), {
    string: [...names] as string[],
    unknown: (arg, key) => {
      if (key !== undefined) refuse(arg);
      operands.push(arg); // not by parseArgs, which makes numbers of them
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

/**
 * A number from a flag.
 *
 * @throws {UsageError} where it is none, or not within the limits.
 */
export function numberFlag(
  name: string,
  text: string | undefined,
  preset: number,
  { min, max, whole }: { min: number; max: number; whole: boolean },
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
