/**
 * The operands of the client, parsed as a command.
 *
 * @module
 */

import { faultActions } from "../mensagem.ts";
import { formatAddress, parseAddress } from "../wire/address.ts";
import { type Shell, shells } from "./completion.ts";
import { numberFlag, UsageError } from "./flags.ts";
import { didYouMean, nearest } from "./nearest.ts";
import type { FaultCommand } from "./operator_commands.ts";

/** A command and its operands. */
export type Command =
  /** `value` is `undefined` if the whole input is the value. */
  | { readonly name: "put"; readonly key: string; readonly value: string | undefined }
  | { readonly name: "get"; readonly key: string }
  | { readonly name: "status" }
  /** Shows the status `count` times, with a pause in between. */
  | { readonly name: "watch-status"; readonly count: number; readonly pauseMs: number }
  /** Shows `count` events. */
  | { readonly name: "observe"; readonly count: number }
  | { readonly name: "fault" } & FaultCommand
  /** `lines` is `undefined` if they are the lines of the input. */
  | { readonly name: "send"; readonly lines: readonly string[] | undefined }
  | { readonly name: "completion"; readonly shell: Shell };

/** How each command is written, with the number of its operands: the least and the most. */
const usages = {
  put: ["put KEY VALUE", 2, 2],
  get: ["get KEY", 1, 1],
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
 * Parses the operands of the client as a command. The case of a command's name does not matter.
 *
 * @param afterDashes How many operands came after `--`. There `-` is a value, not the input.
 * @param watch The settings of `watch-status` and `observe`.
 * @throws {UsageError} if the command is unknown, or has the wrong number of operands.
 */
export function readCommand(
  operands: readonly string[],
  afterDashes: number,
  watch: { readonly count: number; readonly pauseMs: number },
): Command {
  const [word = "", ...rest] = operands;
  const name = commandNames.find((known) => known === word.toLowerCase());
  if (name === undefined) {
    const hint = didYouMean(nearest(word, commandNames));
    throw new UsageError(`unknown command ${JSON.stringify(word)}${hint || ":"} see --help`);
  }
  const [usage, min, max] = usages[name];
  if (rest.length < min || rest.length > max) {
    throw new UsageError(`the command is "${usage}", but ${rest.length} words follow ${word}`);
  }
  const [first = "", second = "", third] = rest;
  switch (name) {
    case "put": {
      const fromInput = second === "-" && afterDashes === 0;
      return { name, key: first, value: fromInput ? undefined : second };
    }
    case "get":
      return { name, key: first };
    case "status":
      return { name };
    case "watch-status":
      return { name, ...watch };
    case "observe":
      return { name, count: watch.count };
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
