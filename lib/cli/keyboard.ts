/**
 * Questions and their answers, line by line, from a person or a pipe.
 *
 * @module
 */

import { escapeControls } from "./escape.ts";
import { UsageError } from "./flags.ts";
import type { Language } from "./language.ts";
import type { Write } from "./terminal.ts";
import { inputTexts } from "./texts.ts";
import { decodeUtf8, isUtf16, textOf } from "./utf8.ts";

/** The input ended before a question was answered. */
export class EndOfInput extends Error {
  /** Creates the error. */
  constructor(message: string) {
    super(message);
    this.name = "EndOfInput";
  }
}

/** A signal or Ctrl-C ended the question for a secret. */
export class Interrupted extends Error {
  /** The exit code of a program that ends by that signal. */
  readonly code: number;

  /** Creates the error. */
  constructor(code: number) {
    super(`ended by a signal, exit code ${code}`);
    this.name = "Interrupted";
    this.code = code;
  }
}

/** Longest line of the input, in bytes. */
const lineBytesMax = 8 * 1024 * 1024;

/** Length at which a terminal cuts a typed line, in bytes. Windows is not known to cut. */
const typedBytesMax: Readonly<Partial<Record<typeof Deno.build.os, number>>> = {
  linux: 4_095,
  android: 4_095,
  darwin: 1_023,
};

const LF = 10;
const CR = 13;
const ctrlC = 3;
const ctrlD = 4;
const ctrlU = 21;
const backspaces: readonly number[] = [8, 127];
/** The exit code of a program that ends by Ctrl-C. */
const ctrlCCode = 130;
// deno-lint-ignore no-control-regex
const controlKeys = /[\u0000-\u001f\u007f]/;
const none = new Uint8Array();

/** Where a keyboard writes, and what its terminal can do. */
export interface KeyboardOptions {
  /** Writes questions. */
  readonly write: Write;
  /** Writes what is wrong with a typed line. */
  readonly complain: Write;
  /** Whether a person types. Then a wrong answer is asked for again. */
  readonly interactive: boolean;
  /** Resolves when everything is written, so that a pipe is not read faster than its output. */
  readonly flushed: () => Promise<void>;
  /**
   * Hides what is typed, and returns a function that shows it again. Meanwhile `onSignal` gets the
   * exit code for each signal that would end the program.
   */
  readonly hideTyping: (onSignal: (code: number) => void) => () => void;
}

/**
 * Questions and their answers, line by line.
 *
 * - Every answer is UTF-8 as it was sent, or an error: nothing is replaced or cut silently. A byte
 *   order mark of UTF-8 at the start of the input is skipped.
 * - A person is asked again after such an error; from a pipe it is thrown.
 * - An answer from a pipe is shown after its question. So the output reads like that of a
 *   terminal, and each console line of the assignment has a line of its own.
 * - A secret from a pipe is not shown, and its question is not asked.
 */
export class Keyboard {
  /** Whether a person types: then a wrong answer can be asked for again. */
  readonly interactive: boolean;
  /** The language of complaints about what was typed. */
  language: Language = "pt";
  readonly #bytes: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #options: KeyboardOptions;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  /** Bytes after the last line that was returned. */
  #rest: Uint8Array = none;
  /** The number of the last line. */
  #line = 0;
  /** Ends the hiding of what is typed; `undefined` if nothing is hidden. */
  #showTyping: (() => void) | undefined;

  /** Reads lines of UTF-8 from `bytes`. */
  constructor(bytes: ReadableStream<Uint8Array<ArrayBuffer>>, options: KeyboardOptions) {
    this.#bytes = bytes;
    this.#options = options;
    this.interactive = options.interactive;
  }

  /**
   * Writes a question and reads its answer: one line, without its line end.
   *
   * @param options A `hidden` answer is not shown. `write` replaces the writer of the constructor.
   * @throws {EndOfInput} if the input has no more lines.
   * @throws {UsageError} if the line of a pipe is too long, is not UTF-8 or has a NUL.
   * @throws {Interrupted} if a signal comes while a person types a hidden answer.
   */
  async ask(
    question: string,
    { hidden = false, write = this.#options.write } = {},
  ): Promise<string> {
    while (true) {
      let bytes: Uint8Array | undefined;
      if (!hidden) bytes = await this.#shown(question, write);
      else if (this.interactive) bytes = await this.#secret(question, write);
      else bytes = await this.#bytesOfLine();
      const answer = bytes && this.#answer(bytes, hidden);
      if (!hidden && !this.interactive) write(`${escapeControls(answer?.text ?? "")}\n`);
      if (answer === undefined) throw new EndOfInput(inputTexts[this.language].ended);
      if (answer.text !== undefined) return answer.text;
      if (!this.interactive) throw new UsageError(answer.complaint);
      this.#options.complain(`${answer.complaint}\n`);
    }
  }

  /** The number of the last line, counted from 1. */
  get line(): number {
    return this.#line;
  }

  /**
   * Reads a line of the input without a question, also after one. It is not shown.
   *
   * @param options A line to `drop` is not checked, and "" is returned for it.
   * @returns `undefined` at the end of the input.
   * @throws {UsageError} if the line is too long, is not UTF-8 or has a NUL.
   */
  async next({ drop = false } = {}): Promise<string | undefined> {
    while (true) {
      const bytes = await this.#bytesOfLine();
      if (bytes === undefined) return undefined;
      if (drop) {
        this.#line++;
        return "";
      }
      const { text, complaint } = this.#answer(bytes, false);
      if (text !== undefined) return text;
      if (!this.interactive) throw new UsageError(complaint);
      this.#options.complain(`${complaint}\n`);
    }
  }

  /** Reads a line of a pipe and drops it. Does nothing if a person types, who was not asked. */
  async skip(): Promise<void> {
    if (!this.interactive) await this.#bytesOfLine();
  }

  /**
   * Reads the whole input as it is, line ends and a byte order mark of UTF-8 included. Must be
   * called before the first question.
   *
   * @throws {UsageError} if it is longer than `bytesMax`, is not UTF-8, or was cut by a terminal.
   */
  async all(bytesMax: number): Promise<string> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.#bytes) {
      size += chunk.length;
      if (size > bytesMax) throw new UsageError(`the input is longer than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    const bytes = joined(chunks, size);
    for (let start = 0; start < size;) {
      const lf = bytes.indexOf(LF, start);
      const end = lf < 0 ? size : lf;
      if (this.#isCut(end - start)) {
        throw new UsageError(inputTexts[this.language].cut(end - start));
      }
      start = end + 1;
    }
    return textOf(bytes, "the input");
  }

  /** Stops reading, and ends the hiding of what is typed. */
  async close(): Promise<void> {
    this.#showTyping?.();
    await (this.#reader ?? this.#bytes).cancel();
  }

  /** The text of a line, or what is wrong with it. */
  #answer(
    bytes: Uint8Array,
    hidden: boolean,
  ): { text: string; complaint?: never } | { text?: never; complaint: string } {
    this.#line++;
    const line = this.interactive ? undefined : this.#line;
    if (this.#isCut(bytes.length) && !hidden) {
      return { complaint: inputTexts[this.language].cut(bytes.length) };
    }
    if (line === 1 && isUtf16(bytes)) return { complaint: inputTexts[this.language].utf16 };
    const decoded = decodeUtf8(bytes);
    if (decoded === undefined) return { complaint: inputTexts[this.language].notUtf8(line) };
    const text = line === 1 && decoded.startsWith("\ufeff") ? decoded.slice(1) : decoded;
    if (text.includes("\0")) return { complaint: inputTexts[this.language].nul(line) };
    if (hidden && this.interactive && controlKeys.test(text)) {
      return { complaint: inputTexts[this.language].controls };
    }
    return { text };
  }

  #isCut(bytes: number): boolean {
    return this.interactive && bytes >= (typedBytesMax[Deno.build.os] ?? Infinity);
  }

  /** Reads one line without its end. Returns `undefined` at the end of the input. */
  async #bytesOfLine(): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let size = 0;
    while (true) {
      const lf = this.#rest.indexOf(LF);
      const part = lf < 0 ? this.#rest : this.#rest.subarray(0, lf);
      parts.push(part);
      size += part.length;
      if (size > lineBytesMax) {
        const line = this.interactive ? undefined : this.#line + 1;
        throw new UsageError(inputTexts[this.language].tooLong(line, lineBytesMax));
      }
      if (lf >= 0) {
        this.#rest = this.#rest.subarray(lf + 1);
        const bytes = joined(parts, size);
        return bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes;
      }
      const bytes = await this.#read();
      this.#rest = bytes ?? none;
      if (bytes === undefined) return size === 0 ? undefined : joined(parts, size);
    }
  }

  /** Asks for a line that the terminal shows as it is typed. */
  async #shown(question: string, write: Write): Promise<Uint8Array | undefined> {
    write(question);
    await this.#options.flushed();
    const bytes = await this.#bytesOfLine();
    if (bytes === undefined && this.interactive) write("\n");
    return bytes;
  }

  /** Asks for what is typed up to Enter, without showing it. `undefined` at the end of the input. */
  async #secret(question: string, write: Write): Promise<Uint8Array | undefined> {
    const signalled = Promise.withResolvers<never>();
    signalled.promise.catch(() => {}); // also if it comes between two reads
    const show = this.#options.hideTyping((code) => signalled.reject(new Interrupted(code)));
    this.#showTyping = () => {
      this.#showTyping = undefined;
      show();
    };
    write(question);
    try {
      await Promise.race([this.#options.flushed(), signalled.promise]);
      const typed: number[] = [];
      while (true) {
        for (const [index, byte] of this.#rest.entries()) {
          if (byte === ctrlC) throw new Interrupted(ctrlCCode); // where it makes no signal
          if (byte === ctrlD && typed.length === 0) return undefined;
          if (byte === LF || byte === CR) {
            const next = this.#rest[index + 1] === LF && byte === CR ? 2 : 1;
            this.#rest = this.#rest.subarray(index + next);
            return new Uint8Array(typed);
          }
          if (backspaces.includes(byte)) eraseLast(typed);
          else if (byte === ctrlU) typed.length = 0;
          else if (byte !== ctrlD) typed.push(byte);
        }
        if (typed.length > lineBytesMax) {
          throw new UsageError(inputTexts[this.language].tooLong(undefined, lineBytesMax));
        }
        const bytes = await Promise.race([this.#read(), signalled.promise]);
        this.#rest = bytes ?? none;
        if (bytes === undefined) return undefined;
      }
    } finally {
      this.#showTyping?.();
      write("\n"); // the terminal did not show the Enter
    }
  }

  /** Reads some bytes; `undefined` at the end of the input. */
  async #read(): Promise<Uint8Array | undefined> {
    this.#reader ??= this.#bytes.getReader();
    return (await this.#reader.read()).value;
  }
}

/** Removes the last character of UTF-8. */
function eraseLast(typed: number[]): void {
  while (typed.length > 0 && (typed.pop()! & 0xc0) === 0x80);
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
