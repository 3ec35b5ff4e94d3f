/**
 * One server with a data directory, as a process.
 *
 * @module
 */

import type { Address } from "../../../lib/wire/address.ts";
import { assertEquals } from "@std/assert";
import { eventually, freePorts, within } from "../../support/helpers.ts";

const project = new URL("../../../", import.meta.url);
/** A process starts slowly where many do. */
const processMs = 20_000;

/** A folder for one test. */
export class Scratch implements Disposable {
  readonly path: string = Deno.makeTempDirSync();

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** What differs from a server that may use its directory and serves. */
export interface ServerOptions {
  /** It is expected to end by itself. */
  readonly serves?: false;
  readonly port?: number;
  /** What it may read and write, where that is not its directory. */
  readonly permitted?: string;
  /** It runs as a user who owns nothing, with its cache in this folder. */
  readonly nobody?: Scratch;
  /** No file of it may be larger. */
  readonly fileKibibytesMax?: number;
  /** The task whose command is run, in the place of one with the directory's name. */
  readonly task?: string;
}

/** Starts a server. Resolves when it serves, or at once where it is not to. */
export async function startServer(
  dir: string,
  flags: readonly string[],
  options: ServerOptions = {},
): Promise<Server> {
  const port = options.port ?? freePorts(1)[0]!;
  const server = new Server(port, await argsOf(dir, options), flags, options);
  if (options.serves === false) return server;
  try {
    await server.reported("serving on");
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

async function argsOf(dir: string, { permitted = dir, task }: ServerOptions): Promise<string[]> {
  if (task === undefined) {
    const permissions = ["--allow-net", `--allow-read=${permitted}`, `--allow-write=${permitted}`];
    return ["run", "--no-prompt", ...permissions, "server.ts", `--data-dir=${dir}`];
  }
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", project)));
  const words = (tasks[task].command as string).split(" ");
  return words.slice(words.indexOf("deno") + 1);
}

/** A process of a server. */
export class Server implements AsyncDisposable {
  readonly address: Address;
  /** What it has written to standard error. */
  errors = "";
  /** Its exit code, once it has ended and all of its output is read. */
  readonly code: Promise<number>;
  readonly #child: Deno.ChildProcess;
  #ended = false;

  constructor(
    port: number,
    args: readonly string[],
    flags: readonly string[],
    { nobody, fileKibibytesMax }: ServerOptions,
  ) {
    this.address = { hostname: "127.0.0.1", port };
    const leader = flags.some((flag) => flag.startsWith("--leader-port"))
      ? []
      : [`--leader-port=${port}`];
    const all = [
      ...args,
      "--ip=127.0.0.1",
      `--port=${port}`,
      "--leader-ip=127.0.0.1",
      ...leader,
      ...flags,
    ];
    // A process that ignores the signal for it is told that a file is too large, as by a full disk.
    const limited = `trap '' XFSZ; ulimit -f ${(fileKibibytesMax ?? 0) * 2}; exec "$0" "$@"`;
    const [command, argv] = fileKibibytesMax === undefined
      ? [Deno.execPath(), all]
      : ["sh", ["-c", limited, Deno.execPath(), ...all]];
    this.#child = new Deno.Command(command, {
      args: argv,
      cwd: project,
      env: {
        NO_COLOR: "1",
        ...(nobody === undefined ? {} : { DENO_DIR: `${nobody.path}/cache`, HOME: nobody.path }),
      },
      ...(nobody === undefined ? {} : { uid: 65_534, gid: 65_534 }),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    if (nobody !== undefined) Deno.chmodSync(nobody.path, 0o777);
    this.code = this.#watch();
  }

  /** Resolves when it has reported something. */
  async reported(text: string): Promise<void> {
    await eventually(`${this.address.port} reports "${text}"; it said: ${this.errors}`, () => {
      if (this.#ended && !this.errors.includes(text)) {
        throw new Error(`it has ended, and never said "${text}", but: ${this.errors}`);
      }
      return this.errors.includes(text);
    }, processMs);
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    await this.#signal("SIGKILL");
  }

  /** Ends it as an operator does. */
  async stop(): Promise<void> {
    await this.#signal("SIGTERM");
    assertEquals(await this.code, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #signal(signal: Deno.Signal): Promise<void> {
    if (!this.#ended) this.#child.kill(signal);
    await within("the server ends", this.code, processMs);
  }

  async #watch(): Promise<number> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.errors += text;
    }
    const { code } = await this.#child.status;
    this.#ended = true;
    return code;
  }
}
