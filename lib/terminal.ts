/**
 * What the roles need of the process: lines in, text out, flags.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { parseIp, parsePort } from "./address.ts";
import type { Tls } from "./connection.ts";
import { addressTexts, escapeControls, type Write } from "./console.ts";

/** The arguments or the input are wrong: exit code 2. */
export class UsageError extends Error {
  /** Says what is wrong. */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** The end of the input came where an answer was needed. */
export class EndOfInput extends Error {
  /** Says what is wrong. */
  constructor(message: string) {
    super(message);
    this.name = "EndOfInput";
  }
}

/** The streams of a role. */
export interface Terminal {
  /** Lines from the keyboard or a pipe. */
  readonly keyboard: Keyboard;
  /** Standard output. */
  readonly out: Write;
  /** Standard error. */
  readonly err: Write;
}

/** The longest line that is read from a keyboard or a pipe, in UTF-16 units. */
const lineCharsMax = 8 * 1024 * 1024;

/**
 * Questions and answers, line by line.
 *
 * From a pipe each answer is shown after its question, so that the transcript reads like that of a
 * terminal and every line of the assignment still has a line of its own.
 */
export class Keyboard {
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #write: Write;
  /** True where a person answers: a wrong answer can be asked for again. */
  readonly interactive: boolean;
  /** Text that was read and not handed out. */
  #text = "";

  /** Reads lines of UTF-8 from `bytes`. Questions go to `write`. */
  constructor(bytes: ReadableStream<Uint8Array<ArrayBuffer>>, write: Write, interactive: boolean) {
    this.#reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
    this.#write = write;
    this.interactive = interactive;
  }

  /**
   * The answer to a question, without the end of its line. What is `hidden` is not shown again.
   *
   * @throws {EndOfInput} where there is no line left.
   */
  async ask(question: string, { hidden = false } = {}): Promise<string> {
    this.#write(question);
    const line = await this.#line();
    const shown = line === undefined || hidden ? "" : line;
    if (!this.interactive || line === undefined) this.#write(`${escapeControls(shown)}\n`);
    if (line === undefined) throw new EndOfInput("the input has ended");
    return line;
  }

  /** Reads no more. */
  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  async #line(): Promise<string | undefined> {
    let searched = 0;
    while (true) {
      const lf = this.#text.indexOf("\n", searched);
      if (lf >= 0) {
        const line = this.#text.slice(0, lf);
        this.#text = this.#text.slice(lf + 1);
        return line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      searched = this.#text.length;
      if (searched > lineCharsMax) throw new UsageError("a line of the input is too long");
      const { value, done } = await this.#reader.read();
      if (!done) {
        this.#text += value;
        continue;
      }
      if (this.#text === "") return undefined;
      const line = this.#text;
      this.#text = "";
      return line;
    }
  }
}

/** The terminal, or the pipes, of this process. */
export function processTerminal(): Terminal {
  const out = writer(Deno.stdout);
  const keyboard = new Keyboard(Deno.stdin.readable, out, Deno.stdin.isTerminal());
  return { keyboard, out, err: writer(Deno.stderr) };
}

/** Text is written in pieces of at most this many bytes, through one buffer. */
const pieceBytes = 64 * 1024;

function writer(stream: { writeSync(bytes: Uint8Array): number }): Write {
  const encoder = new TextEncoder();
  const buffer = new Uint8Array(pieceBytes);
  let broken = false;
  return (text) => {
    try {
      for (let start = 0; start < text.length && !broken;) {
        const rest = start === 0 ? text : text.slice(start);
        const { read, written } = encoder.encodeInto(rest, buffer);
        start += read;
        for (let sent = 0; sent < written;) {
          sent += stream.writeSync(buffer.subarray(sent, written));
        }
      }
    } catch (error) {
      // Whoever read it has gone (`| head`): the work goes on.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      broken = true;
    }
  };
}

/**
 * An IP address from a flag, or from the keyboard where the flag is not given.
 *
 * @throws {UsageError} where it is wrong and nobody is there to be asked again.
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
 * A port from a flag, or from the keyboard where the flag is not given.
 *
 * @throws {UsageError} where it is wrong and nobody is there to be asked again.
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

/**
 * A secret from the next line of the input where its switch is given, else from an environment
 * variable, where this process may read that. `undefined` where there is neither.
 *
 * @throws {UsageError} where it is empty.
 */
export async function askSecret(
  { keyboard }: Terminal,
  question: string,
  fromInput: boolean,
  variable: string,
): Promise<string | undefined> {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  const secret = fromInput
    ? await keyboard.ask(question, { hidden: true })
    : state === "granted"
    ? Deno.env.get(variable)
    : undefined;
  if (secret === "") throw new UsageError("a secret must not be empty");
  return secret;
}

/** The flags that name the files for TLS. */
export const tlsFlags = ["tls-cert", "tls-key", "tls-ca"] as const;

/**
 * What is in the files that the flags name, `undefined` where none is given. A `role` that serves
 * needs all three, a client that shows no certificate the CA alone.
 *
 * @throws {UsageError} where one is missing, holds no PEM, or may not be read. Nobody is asked for
 * the permission.
 */
export function readTls<Role extends "server" | "client">(
  role: Role,
  values: Readonly<Record<typeof tlsFlags[number], string | undefined>>,
): (Role extends "server" ? Required<Tls> : Tls) | undefined;
/** The same, for both. */
export function readTls(
  role: "server" | "client",
  values: Readonly<Record<typeof tlsFlags[number], string | undefined>>,
): Tls | undefined {
  const given = tlsFlags.filter((flag) => values[flag] !== undefined);
  if (given.length === 0) return undefined;
  const [cert, key, ca] = tlsFlags.map((flag) => values[flag]);
  if (ca === undefined || (cert === undefined) !== (key === undefined)) {
    throw new UsageError(
      "--tls-cert and --tls-key belong together, and neither is without --tls-ca",
    );
  }
  if (role === "server" && given.length < tlsFlags.length) {
    throw new UsageError("a server with --tls-ca needs --tls-cert and --tls-key too");
  }
  const pem = (flag: typeof tlsFlags[number]) => readPem(role, flag, values[flag]!);
  if (cert === undefined) return { ca: pem("tls-ca") };
  return { cert: pem("tls-cert"), key: pem("tls-key"), ca: pem("tls-ca") };
}

function readPem(role: string, flag: string, path: string): string {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
    throw new UsageError(
      `--${flag}=${path}: no permission to read it; "deno task ${role}:tls" may read the files ` +
        `in tls/, and --help says how to use others`,
    );
  }
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : (error as Error).message;
    throw new UsageError(`--${flag}=${path}: ${reason}`);
  }
  if (!text.includes("-----BEGIN ")) throw new UsageError(`--${flag}=${path}: no PEM in that file`);
  return text;
}

/** The flags of a role, all of them text, and its switches. */
export interface Flags<Name extends string, Switch extends string> {
  /** `undefined` where the flag is not given. */
  readonly values: Readonly<Record<Name, string | undefined>>;
  /** True where the switch is given. */
  readonly switches: Readonly<Record<Switch, boolean>>;
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
  const refuse = (arg: string) => {
    throw new UsageError(`unknown argument ${JSON.stringify(arg)}: see --help`);
  };
  // parseArgs lets the end of flags pass, and takes --switch=false for true.
  for (const arg of args) {
    if (arg === "--" || switches.some((name) => arg.startsWith(`--${name}=`))) refuse(arg);
  }
  const parsed: Record<string, unknown> = parseArgs([...args], {
    string: [...names] as string[],
    boolean: [...switches] as string[],
    unknown: refuse,
  });
  for (const name of names) {
    if (parsed[name] === "") throw new UsageError(`--${name} needs a value: see --help`);
  }
  const pick = <K extends string, V>(keys: readonly K[]) =>
    Object.fromEntries(keys.map((key) => [key, parsed[key]])) as Record<K, V>;
  return { values: pick(names), switches: pick(switches) };
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

/** Runs a role to its exit code: wrong usage is 2, what the role itself explains is its own. */
export async function exitCode(terminal: Terminal, role: () => Promise<number>): Promise<number> {
  try {
    return await role();
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof EndOfInput)) throw error;
    terminal.err(`${error.message}\n`);
    return 2;
  }
}
