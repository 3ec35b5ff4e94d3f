/**
 * A process that a benchmark or a test starts and stops.
 *
 * @module
 */

import { eventually, listens } from "./waiting.ts";

const project = new URL("../", import.meta.url);
/** How long a process may take to start, or to write what is expected of it. */
const processMsMax = 20_000;
/** How long a process may take to end after it was asked to. */
const stopMsMax = 20_000;
const windows = Deno.build.os === "windows";

/** How a process is started. */
export interface ProcessOptions {
  /** The working directory (the project's). */
  readonly cwd?: string | URL;
  /** Variables besides `NO_COLOR`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it takes the input of {@linkcode Process.type}. Otherwise its input is empty. */
  readonly keyboard?: boolean;
  /** What happens to standard output: kept as `screen`, discarded (the default), or appended to a file. */
  readonly out?: "keep" | "discard" | { readonly file: string };
  /** What happens to standard error: kept as `errors` (the default) or discarded. */
  readonly err?: "keep" | "discard";
  /** Is called with each line of standard error, in place of keeping it. */
  readonly errorLine?: (line: string) => void;
  /** Whether it gets a process group of its own. Ctrl-C then reaches only this program, which stops it. */
  readonly group?: boolean;
  /** The user and group that it runs as. */
  readonly user?: number;
}

/** A running process with its input and everything that it wrote. */
export class Process implements AsyncDisposable {
  /** The process id. */
  readonly pid: number;
  /** Standard output so far. */
  screen = "";
  /** Standard error so far. */
  errors = "";
  /** Resolves with the exit code when the process has ended and all of its output is read. */
  readonly code: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #ended = false;

  /** Starts a program. */
  constructor(program: string, args: readonly string[], options: ProcessOptions = {}) {
    const { cwd = project, env = {}, keyboard = false, out = "discard", err = "keep" } = options;
    // Deno cannot make a file the output of a child. So a shell opens it and becomes the program.
    const [command, all] = typeof out === "string"
      ? [program, [...args]]
      : ["sh", ["-c", 'exec "$@" >>"$0"', out.file, program, ...args]];
    const child = this.#child = new Deno.Command(command, {
      args: all,
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: keyboard ? "piped" : "null",
      stdout: out === "keep" ? "piped" : "null",
      stderr: err === "keep" ? "piped" : "null",
      detached: options.group === true && !windows,
      ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
    }).spawn();
    this.pid = child.pid;
    this.#keyboard = keyboard ? child.stdin.getWriter() : undefined;
    this.code = this.#end([
      out === "keep" ? read(child.stdout, (text) => this.screen += text) : undefined,
      err === "keep" ? read(child.stderr, this.#errorReader(options.errorLine)) : undefined,
    ]);
  }

  /** Starts Deno. */
  static deno(args: readonly string[], options: ProcessOptions = {}): Process {
    return new Process(Deno.execPath(), args, options);
  }

  /** Whether the process has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Types a text, or bytes, on its keyboard. */
  async type(text: string | Uint8Array): Promise<void> {
    await this.#keyboard!.write(typeof text === "string" ? new TextEncoder().encode(text) : text);
  }

  /** Ends its input. */
  async endInput(): Promise<void> {
    await this.#keyboard!.close().catch(() => {}); // the process may have ended
  }

  /** Resolves when standard output contains a text, at or after the position `from`. */
  async shows(text: string, from = 0): Promise<void> {
    await this.#waitFor(
      `${JSON.stringify(text)} on its screen`,
      () => this.screen.includes(text, from),
    );
  }

  /** Resolves when standard error contains a text, at or after the position `from`. */
  async reports(text: string, from = 0): Promise<void> {
    await this.#waitFor(
      `the report ${JSON.stringify(text)}`,
      () => this.errors.includes(text, from),
    );
  }

  /** Resolves when the process listens on a port of 127.0.0.1. */
  async listensOn(port: number): Promise<void> {
    const address = { hostname: "127.0.0.1", port };
    await this.#waitFor(`a socket on port ${port}`, () => listens(address));
  }

  /** Sends a signal, if the process has not ended. */
  signal(signal: Deno.Signal): void {
    if (this.#ended) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has just ended
    }
  }

  /**
   * Waits for the end. Resolves with the exit code.
   *
   * @throws {Error} with all of its output, if that takes too long.
   */
  async end(): Promise<number> {
    await this.#waitFor("its end", () => this.#ended);
    return await this.code;
  }

  /** Kills the process, without a chance to finish its work. Resolves when it has ended. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.code;
  }

  /** Asks the process to end. Kills it and its children if it does not. Resolves with the exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.signal(signal);
    let killing: Promise<void> | undefined;
    const timer = setTimeout(() => killing = this.#killAll(), stopMsMax);
    try {
      return await this.code;
    } finally {
      clearTimeout(timer);
      await killing;
    }
  }

  /** Its resident memory (RSS) in bytes, as `ps` reports it. */
  async residentBytes(): Promise<number> {
    // Deno reads below /proc only with all permissions.
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${this.pid}`] })
      .output();
    const kibibytes = parseInt(new TextDecoder().decode(stdout));
    if (Number.isNaN(kibibytes)) throw new Error(`ps knows no process ${this.pid}`);
    return kibibytes * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Waits for something from the process.
   *
   * @throws {Error} with all of its output, if it ends before that or takes too long.
   */
  async #waitFor(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    try {
      await eventually(what, async () => {
        if (await condition()) return true;
        if (!this.#ended) return false;
        await this.code; // all of its output is read
        if (await condition()) return true;
        throw new Error("it has ended");
      }, processMsMax);
    } catch (cause) {
      throw new Error(
        `waited for ${what} of process ${this.pid}, which wrote:\n${this.screen}\n${this.errors}`,
        { cause },
      );
    }
  }

  async #end(outputs: readonly (Promise<void> | undefined)[]): Promise<number> {
    const { code } = await this.#child.status;
    this.#ended = true;
    await Promise.all(outputs);
    await this.#keyboard?.abort().catch(() => {});
    return code;
  }

  /** Kills the process and its children: `deno task` runs the program as a child. */
  async #killAll(): Promise<void> {
    try {
      // Deno.kill() needs the permission to run any program, this one only itself.
      await new Deno.Command("pkill", { args: ["-KILL", "-P", `${this.pid}`] }).output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // a system without pkill
    }
    this.signal("SIGKILL");
  }

  #errorReader(line: ((line: string) => void) | undefined): (text: string) => void {
    if (line === undefined) return (text) => this.errors += text;
    let rest = "";
    return (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      lines.forEach(line);
    };
  }
}

async function read(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (text: string) => void,
): Promise<void> {
  for await (
    const text of stream.pipeThrough(new TextDecoderStream("utf-8", { ignoreBOM: true }))
  ) {
    take(text);
  }
}

/** Whether a program is in PATH. */
export async function installed(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" })
      .output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
