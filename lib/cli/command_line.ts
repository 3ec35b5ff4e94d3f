/**
 * The operands of the client, parsed as a command.
 *
 * @module
 */

import { faultActions } from "../mensagem.ts";
import { formatAddress, parseAddress } from "../wire/address.ts";
import type { CommandOptions } from "./command_flags.ts";
import { type Shell, shells } from "./completion.ts";
import { numberFlag, UsageError } from "./flags.ts";
import { didYouMean, nearest } from "./nearest.ts";
import type { FaultCommand } from "./operator_commands.ts";

/** A command and its operands. */
export type Command =
  /** `value` is `undefined` if the whole input is the value. */
  | { readonly name: "put"; readonly key: string; readonly value: string | undefined }
    & Pick<CommandOptions, "ifTimestamp" | "ttlMs">
  | { readonly name: "get"; readonly key: string } & Pick<CommandOptions, "latest">
  | { readonly name: "delete"; readonly key: string } & Pick<CommandOptions, "ifTimestamp">
  /** Lists the keys that begin with `prefix`, with their values or without. */
  | { readonly name: "list" | "keys"; readonly prefix: string }
  /** Shows `count` changes of a key, or of the keys with a prefix. */
  | { readonly name: "watch"; readonly target: string | { readonly prefix: string } }
    & Pick<
      CommandOptions,
      "since" | "count"
    >
  | { readonly name: "lock" } & LockCommand
  /** `after` is `undefined` for the first key, and "-" if the input has an exported line. */
  | { readonly name: "export"; readonly prefix: string } & Pick<CommandOptions, "after">
  | { readonly name: "import" } & Pick<CommandOptions, "ifAbsent" | "fromLine">
  | { readonly name: "status" }
  /** Shows the status `count` times, with a pause in between. */
  | { readonly name: "watch-status" } & Pick<CommandOptions, "count" | "pauseMs">
  /** Shows `count` events. */
  | { readonly name: "observe" } & Pick<CommandOptions, "count">
  | { readonly name: "fault" } & FaultCommand
  /** `lines` is `undefined` if they are the lines of the input. */
  | { readonly name: "send"; readonly lines: readonly string[] | undefined }
  | { readonly name: "completion"; readonly shell: Shell };

/** What `lock` holds, and what runs meanwhile. */
export interface LockCommand extends Pick<CommandOptions, "ttlMs" | "waitMs"> {
  /** The name of the lock. */
  readonly lock: string;
  /** The program and its arguments; empty if the lock is held until a signal. */
  readonly command: readonly string[];
}

/** How each command is written, with the number of its operands: the least and the most. */
const usages = {
  put: ["put KEY VALUE", 2, 2],
  get: ["get KEY", 1, 1],
  delete: ["delete KEY", 1, 1],
  list: ["list [PREFIX]", 0, 1],
  keys: ["keys [PREFIX]", 0, 1],
  watch: ["watch KEY|--prefix=P", 0, 1],
  lock: ["lock NAME [-- COMMAND…]", 1, Infinity],
  export: ["export [PREFIX]", 0, 1],
  import: ["import", 0, 0],
  status: ["status", 0, 0],
  "watch-status": ["watch-status", 0, 0],
  observe: ["observe", 0, 0],
  fault: ["fault pause|delay|resume FOLLOWER [MS]", 2, 3],
  send: ["send LINE…|-", 1, Infinity],
  completion: [`completion ${shells.join("|")}`, 1, 1],
} as const satisfies Readonly<Record<Command["name"], readonly [string, number, number]>>;

/** The names of all commands. */
export const commandNames = Object.keys(usages) as readonly Command["name"][];

/** The largest delay that a FAULT may ask for, in milliseconds. The leader checks its own limit. */
const delayMsMax = 2 ** 31;

/**
 * The name of the command that the operands begin with. The case does not matter.
 *
 * @throws {UsageError} if there is no such command.
 */
export function commandName([word = ""]: readonly string[]): Command["name"] {
  const name = commandNames.find((known) => known === word.toLowerCase());
  if (name !== undefined) return name;
  const hint = didYouMean(nearest(word, commandNames));
  throw new UsageError(`unknown command ${JSON.stringify(word)}${hint || ":"} see --help`);
}

/**
 * Parses the operands of the client as a command.
 *
 * @param name The name that {@linkcode commandName} has found.
 * @param afterDashes How many operands came after `--`. There `-` is a value, not the input.
 * @param options What the flags say. They belong to the command.
 * @throws {UsageError} if the command has the wrong number of operands.
 */
export function readCommand(
  name: Command["name"],
  operands: readonly string[],
  afterDashes: number,
  options: CommandOptions,
): Command {
  const [word = "", ...rest] = operands;
  const [usage, min, max] = usages[name];
  if (rest.length < min || rest.length > max) {
    throw new UsageError(`the command is "${usage}", but ${rest.length} words follow ${word}`);
  }
  const { count, pauseMs, ifTimestamp, ifAbsent, ttlMs } = options;
  const [first = "", second = "", third] = rest;
  switch (name) {
    case "put": {
      const fromInput = second === "-" && afterDashes === 0;
      return { name, key: first, value: fromInput ? undefined : second, ifTimestamp, ttlMs };
    }
    case "get":
      return { name, key: first, latest: options.latest };
    case "delete":
      return { name, key: first, ifTimestamp };
    case "list":
    case "keys":
      return { name, prefix: first };
    case "watch":
      return { name, target: watchTarget(rest[0], options.prefix), since: options.since, count };
    case "lock":
      return { name, ...readLock(rest, afterDashes), ttlMs, waitMs: options.waitMs };
    case "export":
      return { name, prefix: first, after: options.after };
    case "import":
      return { name, ifAbsent, fromLine: options.fromLine };
    case "status":
      return { name };
    case "watch-status":
      return { name, count, pauseMs };
    case "observe":
      return { name, count };
    case "fault":
      return { name, ...readFault(usage, first, second, third) };
    case "send":
      return {
        name,
        lines: first === "-" && rest.length === 1 && afterDashes === 0 ? undefined : rest,
      };
    case "completion":
      return { name, shell: oneOf("shell", shells, first) };
  }
}

/** What to watch: a key, or the keys with a prefix. */
function watchTarget(key: string | undefined, prefix: string | undefined): string | {
  readonly prefix: string;
} {
  if (key !== undefined && prefix === undefined) return key;
  if (key === undefined && prefix !== undefined) return { prefix };
  throw new UsageError(`the command is "${usages.watch[0]}": a key, or a prefix, and not both`);
}

/** Splits "NAME -- COMMAND…". A name that begins with a dash comes after a `--` of its own. */
function readLock(
  words: readonly string[],
  afterDashes: number,
): Pick<LockCommand, "lock" | "command"> {
  const [lock = "", ...rest] = words;
  const before = words.length - afterDashes;
  if (before === 1) return { lock, command: rest };
  if (before === 0 && (rest.length === 0 || rest[0] === "--")) {
    return { lock, command: rest.slice(1) };
  }
  throw new UsageError(`the command is "${usages.lock[0]}": put -- before the program to run`);
}

function readFault(
  usage: string,
  word: string,
  follower: string,
  delay: string | undefined,
): FaultCommand {
  const action = oneOf("action", faultActions, word);
  if ((action === "delay") !== (delay !== undefined)) {
    throw new UsageError(`the command is "${usage}", with MS for "delay" alone`);
  }
  const address = parseAddress(follower);
  if (address === undefined) {
    throw new UsageError(`FOLLOWER must be host:port, not ${JSON.stringify(follower)}`);
  }
  const range = { min: 0, max: delayMsMax, whole: true };
  const delayMs = delay === undefined ? undefined : numberFlag("MS", delay, 0, range);
  return { action, follower: formatAddress(address), delayMs };
}

function oneOf<T extends string>(what: string, known: readonly T[], word: string): T {
  const found = known.find((one) => one === word.toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(`unknown ${what} ${JSON.stringify(word)}: ${known.join(", ")}`);
}
