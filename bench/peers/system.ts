/**
 * What all compared systems have in common.
 *
 * @module
 */

import { Get, Put } from "../../lib/mensagem.ts";
import { Process, type ProcessOptions } from "../process.ts";
import type { Exchange } from "./client.ts";
import { LineReplies } from "./replies.ts";
import type { Shape } from "./shape.ts";

/** A measured operation of a system. */
export interface Target {
  /** The name in the table. */
  readonly name: string;
  /** The table that shows it: reads from one server, or writes that all three hold. */
  readonly kind: "GET" | "PUT";
  /** The requests and replies. */
  readonly exchange: Exchange;
  /** Whether a connection may have several requests in flight. */
  readonly pipelines: boolean;
}

/** A running system. */
export interface System {
  /** The measured operations. */
  readonly targets: readonly Target[];
  /** Requests that write each key once; `undefined` if there is no table. */
  readonly filling: Exchange | undefined;
  /** Cleans up after each measurement. */
  readonly afterwards?: () => Promise<void>;
}

/** Starts a system of a shape. Its processes end with `stack`; its files are in `folder`. */
export type Start = (
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
) => Promise<System>;

/** How long a system may take to start. */
export const startMsMax = 20_000;
/** The options of the programs of other projects: their output is discarded. */
export const foreignProcess: ProcessOptions = { group: true, err: "discard" };
const encoder = new TextEncoder();

/** The requests that this project's clients send. The bare programs understand them too. */
export function kvExchange(port: number, kind: "GET" | "PUT", shape: Shape): Exchange {
  const requests = shape.forEachKey((key, id) =>
    (kind === "GET" ? new Get(id, key, 0) : new Put(id, key, shape.value)).encode()
  );
  const start = `{"type":"${kind}_OK","id":`;
  const bytesMin = kind === "GET" ? shape.value.length : 0;
  return { port, requests, replies: () => new LineReplies([start], bytesMin) };
}

/** Starts a program of the comparison in Deno, and waits until it listens. */
export async function deno(
  stack: AsyncDisposableStack,
  script: string,
  port: number,
  args: readonly (string | number)[],
  output?: string,
): Promise<void> {
  const all = ["run", "--no-prompt", "--allow-net", script, ...args.map(String)];
  const out = output === undefined ? "discard" : { file: output };
  await stack.use(Process.deno(all, { group: true, out })).listensOn(port);
}

/** The files of console lines, one for each port. They are emptied after each measurement. */
export class Consoles {
  readonly #folder: string;
  readonly #files: string[] = [];

  /** No files yet, in `folder`. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The file of the process that listens on a port. */
  file(port: number): string {
    const file = `${this.#folder}/console${port}.txt`;
    this.#files.push(file);
    return file;
  }

  /** Empties all files. */
  readonly empty = async (): Promise<void> => {
    // The servers append, so they write to the start of an emptied file.
    for (const file of this.#files) await Deno.truncate(file);
  };
}

/** Sends a text on a new connection. Returns the first chunk of the reply. */
export async function askOnce(port: number, text: string): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    await conn.write(encoder.encode(text));
    const bytes = new Uint8Array(16 * 1024);
    return new TextDecoder().decode(bytes.subarray(0, await conn.read(bytes) ?? 0));
  } finally {
    conn.close();
  }
}
