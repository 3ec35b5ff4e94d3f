/**
 * One program of a trial: what it prints goes line by line into the recording, and steps of a
 * dialogue are typed to it.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { fillIn, type Profile, promptPattern, type Step } from "./profile.ts";
import type { Recording } from "./recording.ts";

/** A prompt may have text after the part that the pattern matches. */
const promptQuietMs = 30;
const freshCharsMax = 200_000;

/** The error when a program does not do what its profile says. */
export class DialogError extends Error {
  override readonly name = "DialogError";
}

/** A started program, its output and its input. */
export class ProgramConsole {
  readonly name: string;
  /** Id of the process group. */
  readonly group: number;
  readonly #child: Deno.ChildProcess;
  readonly #recording: Recording;
  readonly #encoding: Profile["encoding"];
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  /** What was printed on standard output since the last line was typed. */
  #fresh = "";
  /** The unfinished last line. */
  #partial = "";
  #lastOutputMs = 0;
  /** The typed line that the program may print again, as a terminal would show it. */
  #echo: string | undefined;
  #ended = false;
  readonly #waiting = new Set<() => void>();
  /** Resolves when both outputs have ended. Never rejects. */
  readonly done: Promise<void>;

  constructor(
    name: string,
    child: Deno.ChildProcess,
    recording: Recording,
    encoding: Profile["encoding"],
  ) {
    this.name = name;
    this.group = child.pid;
    this.#child = child;
    this.#recording = recording;
    this.#encoding = encoding;
    this.#input = child.stdin.getWriter();
    this.#input.closed.catch(() => {}); // a program that ends closes it
    this.done = Promise.all([this.#readOutput(), this.#readErrors()]).then(() => this.#end());
  }

  /** Whether the program's outputs have ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What was printed since the last line was typed. */
  get fresh(): string {
    return this.#fresh;
  }

  /** Types the steps of a dialogue, each after its prompt. Returns what was typed. */
  async follow(
    steps: readonly Step[],
    values: Readonly<Record<string, string>>,
    timeoutMs: number,
    idle: () => Promise<void>,
  ): Promise<void> {
    for (const [prompt, typed] of steps) {
      if (prompt === null) await idle();
      else await this.waitForPrompt(prompt, timeoutMs);
      await this.type(fillIn(typed, values));
    }
  }

  /** Waits until a prompt was printed since the last typed line. */
  async waitForPrompt(prompt: string, timeoutMs: number): Promise<void> {
    const pattern = promptPattern(prompt);
    const seen = await this.waitFor((fresh) => pattern.test(fresh), timeoutMs);
    if (!seen) {
      throw new DialogError(
        `${this.name} ${this.#ended ? "ended" : "did not print"}: ${JSON.stringify(prompt)}`,
      );
    }
    while (true) {
      const leftMs = this.#lastOutputMs + promptQuietMs - performance.now();
      if (leftMs <= 0) return;
      await delay(leftMs);
    }
  }

  /** Waits until `test` holds for what was printed since the last typed line. */
  async waitFor(test: (fresh: string) => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (true) {
      if (test(this.#fresh)) return true;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#ended) return false;
      await this.#output(leftMs);
    }
  }

  /** Resolves at the next output, at the end, or after a time. */
  #output(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }

  /** Types one line. The unfinished line before it, a prompt, becomes a line of its own. */
  async type(line: string): Promise<void> {
    this.#flushPartial();
    this.#fresh = "";
    this.#recording.add(this.name, "in", line);
    this.#echo = line;
    try {
      await this.#input.write(encode(`${line}\n`, this.#encoding));
    } catch {
      throw new DialogError(`${this.name} ended before it read ${JSON.stringify(line)}`);
    }
  }

  async #readOutput(): Promise<void> {
    const decoder = new TextDecoder(this.#encoding);
    try {
      for await (const chunk of this.#child.stdout) {
        this.#accept(decoder.decode(chunk, { stream: true }));
        if (this.#recording.full) break;
      }
    } catch {
      // the output of a killed program may end with an error
    }
    this.#flushPartial();
  }

  #accept(text: string): void {
    this.#lastOutputMs = performance.now();
    this.#fresh = (this.#fresh + text).slice(-freshCharsMax);
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop()!;
    if (this.#partial.length > freshCharsMax) lines.push(this.#partial), this.#partial = "";
    for (const line of lines) this.#add(line);
    this.#wake();
  }

  #flushPartial(): void {
    if (this.#partial !== "") this.#add(this.#partial);
    this.#partial = "";
  }

  #add(line: string): void {
    const text = shownText(line);
    const isEcho = text === this.#echo;
    this.#echo = undefined;
    if (text.trim() !== "" && !isEcho) this.#recording.add(this.name, "out", text);
  }

  async #readErrors(): Promise<void> {
    const decoder = new TextDecoder(this.#encoding);
    let partial = "";
    try {
      for await (const chunk of this.#child.stderr) {
        const lines = (partial + decoder.decode(chunk, { stream: true })).split("\n");
        partial = lines.pop()!.slice(-freshCharsMax);
        for (const line of lines) {
          if (line.trim() === "") continue;
          const index = this.#recording.add(this.name, "out", shownText(line));
          if (index !== undefined) this.#recording.errorLines.add(index);
        }
        if (this.#recording.full) break;
      }
    } catch {
      // as above
    }
  }

  async #end(): Promise<void> {
    this.#ended = true;
    this.#wake();
    await this.#input.close().catch(() => {});
    await this.#child.status;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

/** A line without its end and without the sequences that set colours or clear a terminal. */
export function shownText(line: string): string {
  // deno-lint-ignore no-control-regex
  return line.replace(/\r$/, "").replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, "");
}

function encode(text: string, encoding: Profile["encoding"]): Uint8Array {
  if (encoding === "utf-8") return new TextEncoder().encode(text);
  return Uint8Array.from(text, (char) => char.codePointAt(0)! < 256 ? char.codePointAt(0)! : 63);
}
