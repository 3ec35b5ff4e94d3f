/**
 * Questions to the user: addresses, and secrets.
 *
 * @module
 */

import { parseHost, parseIp, parsePort, whyNoServerAddress } from "../wire/address.ts";
import { refuseReplaced, UsageError } from "./flags.ts";
import type { Terminal, Write } from "./terminal.ts";
import { addressTexts, inputTexts } from "./texts.ts";

/**
 * Returns the IP address to listen on from a flag, or asks for one if there is no flag. An empty answer
 * means `preset`.
 *
 * @throws {UsageError} if it is wrong and cannot be asked for again.
 */
export function askIp(
  terminal: Terminal,
  question: string,
  preset: string,
  flag?: string,
): Promise<string> {
  return ask(terminal, question, preset, flag, parseIp, addressTexts.badOwnIp);
}

/**
 * Returns the IP address or name of a server from a flag, or asks for one if there is no flag. An empty
 * answer means `preset`.
 *
 * @throws {UsageError} if it is wrong and cannot be asked for again.
 */
export function askHost(
  terminal: Terminal,
  question: string,
  preset: string,
  flag?: string,
): Promise<string> {
  // What a flag names is checked with all flags, and gets a longer sentence.
  const parse = flag === undefined ? parseServerHost : parseHost;
  return ask(terminal, question, preset, flag, parse, addressTexts.badIp);
}

/** The host, if a server can be dialled there. */
function parseServerHost(text: string): string | undefined {
  const host = parseHost(text);
  return host === undefined || whyNoServerAddress(host) !== undefined ? undefined : host;
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
 * Reads a secret from the input if there is a question, else from the environment. Only a person
 * sees the question.
 *
 * @returns `undefined` if neither has one.
 * @throws {UsageError} if it is empty, or not UTF-8.
 */
export async function askSecret(
  { keyboard, err }: Terminal,
  { question, variable, write }: SecretSources,
): Promise<string | undefined> {
  if (question === undefined) {
    const secret = environmentText(variable);
    if (secret !== "") return secret;
    throw new UsageError(`a secret needs at least one character, and ${variable} is empty`);
  }
  while (true) {
    const secret = await keyboard.ask(question, write ? { hidden: true, write } : { hidden: true });
    if (secret !== "") return secret;
    const { empty } = inputTexts[keyboard.language];
    if (!keyboard.interactive) throw new UsageError(empty);
    err(`${empty}\n`);
  }
}

/**
 * Reads an environment variable. Asks for no permission.
 *
 * @returns `undefined` if it is not set, or if this process may not read it.
 * @throws {UsageError} if it is not UTF-8.
 */
export function environmentText(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  if (state !== "granted") return undefined;
  let text: string | undefined;
  try {
    text = Deno.env.get(variable);
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    throw new UsageError(`${variable} in the environment is not UTF-8`);
  }
  if (text !== undefined) refuseReplaced(`${variable} in the environment`, text);
  return text;
}
