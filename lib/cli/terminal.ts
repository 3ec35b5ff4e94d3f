/**
 * What the roles need of the process: lines in, text out, flags.
 *
 * @module
 */

import { parseIp, parsePort } from "../wire/address.ts";
import type { Tls } from "../net/dial.ts";
import { addressTexts, escapeControls, type Write } from "./console.ts";
import { UsageError } from "./flags.ts";

export { numberFlag, parseFlags, UsageError } from "./flags.ts";

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
  /** Why nothing more goes to standard output, where nobody has just stopped reading. */
  readonly outFailure?: Error | undefined;
}

/** The streams, and who reads them. */
export interface Screen extends Terminal {
  /** True where a person looks at standard output. */
  readonly outIsTerminal: boolean;
  /** True where that person wants colours. */
  readonly colors: boolean;
  /** True once whoever read standard output has gone. */
  readonly outClosed: boolean;
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
  readonly #bytes: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Set once a line was asked for. */
  #reader: ReadableStreamDefaultReader<string> | undefined;
  readonly #write: Write;
  /** True where a person answers: a wrong answer can be asked for again. */
  readonly interactive: boolean;
  /** Text that was read and not handed out. */
  #text = "";

  /** Reads lines of UTF-8 from `bytes`. Questions go to `write`. */
  constructor(bytes: ReadableStream<Uint8Array<ArrayBuffer>>, write: Write, interactive: boolean) {
    this.#bytes = bytes;
    this.#write = write;
    this.interactive = interactive;
  }

  /**
   * The answer to a question, without the end of its line. What is `hidden` is not shown again. The
   * question goes to `write` where it is given.
   *
   * @throws {EndOfInput} where there is no line left.
   */
  async ask(question: string, { hidden = false, write = this.#write } = {}): Promise<string> {
    write(question);
    const line = await this.#line();
    const shown = line === undefined || hidden ? "" : line;
    if (!this.interactive || line === undefined) write(`${escapeControls(shown)}\n`);
    if (line === undefined) throw new EndOfInput("the input has ended");
    return line;
  }

  /**
   * All of the input as it is, ends of lines included. To be called before any line is asked for.
   *
   * @throws {UsageError} where it is longer than `bytesMax`, or no UTF-8.
   */
  async all(bytesMax: number): Promise<string> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of this.#bytes) {
      size += chunk.length;
      if (size > bytesMax) throw new UsageError(`the input is longer than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new UsageError("the input is not UTF-8");
    }
  }

  /** Reads no more. */
  async close(): Promise<void> {
    await (this.#reader ?? this.#bytes).cancel();
  }

  async #line(): Promise<string | undefined> {
    this.#reader ??= this.#bytes.pipeThrough(new TextDecoderStream()).getReader();
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
export function processTerminal(): Screen {
  const err = new Output(Deno.stderr);
  // Said at once: a server goes on for long.
  const lost = ({ message }: Error) => err.write(`the output cannot be written: ${message}\n`);
  const out = new Output(Deno.stdout, lost);
  const outIsTerminal = Deno.stdout.isTerminal();
  return {
    keyboard: new Keyboard(Deno.stdin.readable, out.write, Deno.stdin.isTerminal()),
    out: out.write,
    err: err.write,
    outIsTerminal,
    colors: outIsTerminal && !Deno.noColor,
    get outClosed() {
      return out.closed;
    },
    get outFailure() {
      return out.failure;
    },
  };
}

/** Text is written in pieces of at most this many bytes, through one buffer. */
const pieceBytes = 128 * 1024;

const encoder = new TextEncoder();

/**
 * What TextEncoder.encodeInto does, for lines that are ASCII but for the "é" that each GET of a
 * server has: a text with any other letter takes the engine three times as long (680 ns a line, and
 * 220 in this way).
 */
export function encodeLines(
  text: string,
  bytes: Uint8Array<ArrayBuffer>,
): TextEncoderEncodeIntoResult {
  const ascii = text.replaceAll("é", "\0\0"); // as many characters as its UTF-8 has bytes
  if (ascii.length > bytes.length || text.includes("\0")) return encoder.encodeInto(text, bytes);
  const { read, written } = encoder.encodeInto(ascii, bytes);
  if (read !== ascii.length || written !== read) return encoder.encodeInto(text, bytes);
  for (let at = ascii.indexOf("\0"); at >= 0; at = ascii.indexOf("\0", at + 2)) {
    bytes[at] = 0xc3;
    bytes[at + 1] = 0xa9;
  }
  return { read: text.length, written };
}

/** Text to a stream of the process. */
class Output {
  /** Whoever read it has gone (`| head`). The work goes on. */
  closed = false;
  /** Why it could not be written, where that is not because nobody reads. */
  failure: Error | undefined;
  readonly #stream: { writeSync(bytes: Uint8Array): number };
  readonly #buffer = new Uint8Array(pieceBytes);
  readonly #onFailure: ((error: Error) => void) | undefined;

  constructor(
    stream: { writeSync(bytes: Uint8Array): number },
    onFailure?: (error: Error) => void,
  ) {
    this.#stream = stream;
    this.#onFailure = onFailure;
  }

  /** Writes all of a text. Once that has failed the work goes on, without an output. */
  readonly write = (text: string): void => {
    try {
      for (let start = 0; start < text.length && !this.closed;) {
        const rest = start === 0 ? text : text.slice(start);
        const { read, written } = encodeLines(rest, this.#buffer);
        start += read;
        for (let sent = 0; sent < written;) {
          sent += this.#stream.writeSync(this.#buffer.subarray(sent, written));
        }
      }
    } catch (error) {
      this.closed = true;
      if (error instanceof Deno.errors.BrokenPipe) return;
      this.failure = error as Error;
      this.#onFailure?.(this.failure);
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
 * variable, where this process may read that. `undefined` where there is neither. The question goes
 * to `write`, else to standard output.
 *
 * @throws {UsageError} where it is empty.
 */
export async function askSecret(
  { keyboard }: Terminal,
  question: string,
  fromInput: boolean,
  variable: string,
  write?: Write,
): Promise<string | undefined> {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  const secret = fromInput
    ? await keyboard.ask(question, write ? { hidden: true, write } : { hidden: true })
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
  const hint =
    `"deno task ${role}:tls" may read the files in tls/, and --help says how to use others`;
  const pem = (flag: typeof tlsFlags[number]) => readPem(flag, values[flag]!, hint);
  if (cert === undefined) return { ca: pem("tls-ca") };
  return { cert: pem("tls-cert"), key: pem("tls-key"), ca: pem("tls-ca") };
}

/**
 * The text of a file in PEM that a flag names.
 *
 * @throws {UsageError} where there is none, or it may not be read: then `hint` says what to do.
 */
export function readPem(flag: string, path: string, hint: string): string {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
    throw new UsageError(`--${flag}=${path}: no permission to read it; ${hint}`);
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

/** The exit code where what was asked for was done, and could not be written or noted. */
export const notNoted = 6;

/**
 * Runs a role to its exit code: wrong usage is 2, an output that could not be written is {@linkcode
 * notNoted}, what the role itself explains is its own.
 */
export async function exitCode(terminal: Terminal, role: () => Promise<number>): Promise<number> {
  try {
    const code = await role();
    return code === 0 && terminal.outFailure !== undefined ? notNoted : code;
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof EndOfInput)) throw error;
    terminal.err(`${error.message}\n`);
    return 2;
  }
}
