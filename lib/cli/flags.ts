/**
 * Command lines: flags with values, switches, and operands.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { didYouMean, nearest } from "./nearest.ts";

/** The arguments or the input are wrong: exit code 2. */
export class UsageError extends Error {
  /** Creates the error. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
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
  if (args.includes("--")) refuse("--", [], []);
  if (operands[0] !== undefined) refuse(operands[0], [], []);
  return { values, switches: given };
}

/**
 * Parses flags and operands. Operands are arguments without a leading dash, a lone `-`, and all
 * arguments after `--`. `-h`, and the word `help` as the first operand, are the switch `--help`.
 *
 * @param mayBeEmpty The flags that take an empty text: `--name=`.
 * @throws {UsageError} if a flag is unknown, or lacks its value, or an argument is not UTF-8.
 */
export function parseCommandLine<Name extends string, Switch extends string>(
  args: readonly string[],
  names: readonly Name[],
  switches: readonly Switch[],
  mayBeEmpty: readonly Name[] = [],
): CommandLine<Name, Switch> {
  args.forEach((arg, index) => refuseReplaced(`argument ${index + 1}`, arg));
  const dashes = args.indexOf("--");
  const hasHelp = switches.some((name) => name === "help");
  const before = (dashes < 0 ? args : args.slice(0, dashes))
    .map((arg) => hasHelp && arg === "-h" ? "--help" : arg);
  const after = dashes < 0 ? [] : args.slice(dashes + 1);
  // Removed first: parseArgs would read a "true" or "false" after a switch as its value.
  const given = new Set<string>(
    before.filter((arg) => switches.some((name) => arg === `--${name}`)),
  );
  const operands: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(before.filter((arg) => !given.has(arg)), {
    string: [...names] as string[],
    unknown: (arg, key) => {
      if (key !== undefined) refuse(arg, names, switches);
      operands.push(arg); // stored here: parseArgs would turn some into numbers
      return false;
    },
  });
  if (hasHelp && operands[0]?.toLowerCase() === "help") {
    given.add("--help");
    operands.length = 0;
  }
  for (const name of names) {
    const empty = mayBeEmpty.includes(name) && before.includes(`--${name}=`);
    if (parsed[name] === "" && !empty) throw new UsageError(`--${name} needs a value: see --help`);
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

/**
 * Refuses a text in which the runtime has replaced bytes that are not UTF-8. Two different texts
 * could become equal.
 *
 * @throws {UsageError} if it contains the replacement character, U+FFFD.
 */
export function refuseReplaced(what: string, text: string): void {
  if (!text.includes("\ufffd")) return;
  throw new UsageError(
    `${what} is not UTF-8, or has the character U+FFFD: set the terminal to UTF-8, or give the ` +
      "text by the input",
  );
}

/** Refuses an unknown argument. Never repeats the value of a flag: it may be a secret. */
function refuse(arg: string, names: readonly string[], switches: readonly string[]): never {
  const [shown = "", name = ""] = /^-+([^=]*)/.exec(arg) ?? [arg];
  if (arg.startsWith("--") && switches.includes(name)) {
    throw new UsageError(`--${name} takes no value: see --help`);
  }
  const guess = name.length < 2 ? undefined : nearest(name, [...names, ...switches]);
  const hint = didYouMean(guess === undefined ? undefined : `--${guess}`);
  throw new UsageError(`unknown argument ${JSON.stringify(shown)}${hint || ":"} see --help`);
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
