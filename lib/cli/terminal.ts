/**
 * The streams of a process: lines from the keyboard or a pipe, text to the screen.
 *
 * @module
 */

import { escapeControls } from "./escape.ts";
import { UsageError } from "./flags.ts";

/** Writes all of a text at once. */
export type Write = (text: string) => void;

/** The input ended before a question was answered. */
export class EndOfInput extends Error {
  /** Creates the error. */
  constructor(message: string) {
    super(message);
    this.name = "EndOfInput";
  }
}

/** The standard streams of a program. */
export interface Terminal {
  /** Lines from the keyboard or a pipe. */
  readonly keyboard: Keyboard;
  /** Standard output. */
  readonly out: Write;
  /** Standard error. */
  readonly err: Write;
  /** Why standard output failed; `undefined` if it works, or if its reader closed it. */
  readonly outFailure?: Error | undefined;
}

/** The standard streams, and what is known about standard output. */
export interface Screen extends Terminal {
  /** Whether standard output is a terminal. */
  readonly outIsTerminal: boolean;
  /** Whether standard output is a terminal that takes colours. */
  readonly colors: boolean;
  /** Whether nothing more can be written to standard output. */
  readonly outClosed: boolean;
}

/** Longest line of the input, in UTF-16 units. */
const lineCharsMax = 8 * 1024 * 1024;

/**
 * Questions and their answers, line by line.
 *
 * An answer from a pipe is shown after its question. So the output reads like that of a terminal,
 * and each console line of the assignment has a line of its own.
 */
export class Keyboard {
  /** Whether a person types: then a wrong answer can be asked for again. */
  readonly interactive: boolean;
  readonly #bytes: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #write: Write;
  /** `undefined` until the first line is read. */
  #reader: ReadableStreamDefaultReader<string> | undefined;
  /** Text after the last line that was returned. */
  #text = "";

  /** Reads lines of UTF-8 from `bytes`. Questions are written with `write`. */
  constructor(bytes: ReadableStream<Uint8Array<ArrayBuffer>>, write: Write, interactive: boolean) {
    this.#bytes = bytes;
    this.#write = write;
    this.interactive = interactive;
  }

  /**
   * Writes a question and reads its answer: one line, without its line end.
   *
   * @param options A `hidden` answer is not shown. `write` replaces the writer of the constructor.
   * @throws {EndOfInput} if the input has no more lines.
   * @throws {UsageError} if the line is too long.
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
   * Reads the whole input, line ends included. Must be called before the first question.
   *
   * @throws {UsageError} if the input is longer than `bytesMax`, or not UTF-8.
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

  /** Stops reading. */
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
      if (searched > lineCharsMax) {
        throw new UsageError(`a line of the input is longer than ${lineCharsMax} characters`);
      }
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

/** Returns the streams of this process. */
export function processTerminal(): Screen {
  const err = new Output(Deno.stderr);
  // Reported when it happens, because a server runs on without its output.
  const failed = ({ message }: Error) => err.write(`the output cannot be written: ${message}\n`);
  const out = new Output(Deno.stdout, failed);
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

/** Size of the buffer through which text is written, in bytes. */
const writeBufferBytes = 128 * 1024;

const encoder = new TextEncoder();

/**
 * Encodes text as `TextEncoder.encodeInto` does, faster for the lines of a server.
 *
 * Those lines are ASCII, except the "é" in each line of a GET. V8 takes 680 ns for a line with a
 * letter outside ASCII; this function takes 220 ns.
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

/** One output stream of the process. */
class Output {
  /** Whether nothing more can be written. */
  closed = false;
  /** Why writing failed; `undefined` if it did not, or if the reader closed the pipe. */
  failure: Error | undefined;
  readonly #stream: { writeSync(bytes: Uint8Array): number };
  readonly #buffer = new Uint8Array(writeBufferBytes);
  readonly #onFailure: ((error: Error) => void) | undefined;

  constructor(
    stream: { writeSync(bytes: Uint8Array): number },
    onFailure?: (error: Error) => void,
  ) {
    this.#stream = stream;
    this.#onFailure = onFailure;
  }

  /** Writes all of a text. After a failure every text is dropped, and the program runs on. */
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
      if (error instanceof Deno.errors.BrokenPipe) return; // as with `| head`
      this.failure = error as Error;
      this.#onFailure?.(this.failure);
    }
  };
}
