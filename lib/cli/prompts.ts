/**
 * Questions to the user: addresses, and secrets.
 *
 * @module
 */

import { parseIp, parsePort } from "../wire/address.ts";
import { UsageError } from "./flags.ts";
import type { Terminal, Write } from "./terminal.ts";
import { addressTexts } from "./texts.ts";

/**
 * Returns the IP address of a flag, or asks for one if there is no flag. An empty answer means
 * `preset`.
 *
 * @throws {UsageError} if it is wrong and cannot be asked for again.
 */
export function askIp(
  terminal: Terminal,
  question: string,
  preset: string,
  flag?: string,
): Promise<string> {
  return ask(terminal, question, preset, flag, parseIp, addressTexts.badIp);
}

/**
 * Returns the port of a flag, or asks for one if there is no flag. An empty answer means `preset`.
 *
 * @throws {UsageError} if it is wrong and cannot be asked for again.
 */
export function askPort(
  terminal: Terminal,
  question: string,
  preset: number,
  flag?: string,
): Promise<number> {
  return ask(terminal, question, preset, flag, parsePort, addressTexts.badPort);
}

async function ask<T>(
  { keyboard, err }: Terminal,
  question: string,
  preset: T,
  flag: string | undefined,
  parse: (text: string) => T | undefined,
  complaint: (text: string) => string,
): Promise<T> {
  while (true) {
    const text = flag ?? (await keyboard.ask(question)).trim();
    const answer = text === "" && flag === undefined ? preset : parse(text);
    if (answer !== undefined) return answer;
    if (flag !== undefined || !keyboard.interactive) throw new UsageError(complaint(text));
    err(`${complaint(text)}\n`);
  }
}

/** Where a secret may come from. */
export interface SecretSources {
  /** The question for the next line of the input; `undefined` if it is not to be asked. */
  readonly question: string | undefined;
  /** The environment variable, read only if this process has the permission for it. */
  readonly variable: string;
  /** Writes the question in place of standard output. */
  readonly write?: Write | undefined;
}

/**
 * Reads a secret from the input if there is a question, else from the environment.
 *
 * @returns `undefined` if neither has one.
 * @throws {UsageError} if it is empty.
 */
export async function askSecret(
  { keyboard }: Terminal,
  { question, variable, write }: SecretSources,
): Promise<string | undefined> {
  const secret = question === undefined
    ? environment(variable)
    : await keyboard.ask(question, write ? { hidden: true, write } : { hidden: true });
  if (secret !== "") return secret;
  const source = question === undefined ? variable : "the line of the input for it";
  throw new UsageError(`a secret needs at least one character, and ${source} is empty`);
}

/** Never prompts for the permission. */
function environment(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}
