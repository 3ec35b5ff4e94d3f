/**
 * One connection of a load.
 *
 * @module
 */

import { type Address, formatAddress } from "../lib/wire/address.ts";
import { FrameError, MensagemError } from "../lib/mensagem.ts";
import { FrameReader } from "../lib/wire/line_reader.ts";
import { type AnyMensagem, Mensagem } from "../lib/mensagem.ts";
import { type Asked, type History, Violation } from "./history.ts";
import type { Pace, Work } from "./workload.ts";

/** Counts the outcomes of requests. Times are in milliseconds. */
export interface Counter {
  /** Counts an answer; `served` is `false` for TRY_OTHER_SERVER_OR_LATER. */
  answered(asked: Asked, served: boolean, nowMs: number): void;
  /** Counts a refused or lost request; `undefined` stands for a lost connection. */
  failed(asked: Asked | undefined, what: string): void;
}

/** The requests of a connection, and its clock. */
export interface Asking {
  /** The source of requests. */
  readonly work: Work;
  /** When requests are due. */
  readonly pace: Pace;
  /** The most requests without an answer. */
  readonly inFlight: number;
  /** A clock in milliseconds. */
  readonly now: () => number;
}

const encoder = new TextEncoder();

/**
 * A socket with requests in flight.
 *
 * - Requests of one turn of the event loop are sent in one write. Writing never waits for reading.
 * - Bytes are read into one reused buffer. Each answer is decoded and checked by the history.
 * - It does not use the class `Connection` of the servers, which is a part of what is measured.
 */
export class LoadConnection {
  readonly #conn: Deno.TcpConn;
  readonly #history: History;
  readonly #asking: Asking;
  readonly #counter: Counter;
  readonly #reader = new FrameReader();
  /** Requests without an answer by id, oldest first. */
  readonly #asked = new Map<number, Asked>();
  #id = 0;
  #unsent = "";
  #writeBuffer = new Uint8Array(16 * 1024);
  #writing: Promise<void> | undefined;
  #open = true;
  /** Whether it sends no more requests, and closes after the last answer. */
  #finishing = false;

  private constructor(conn: Deno.TcpConn, history: History, asking: Asking, counter: Counter) {
    this.#conn = conn;
    this.#history = history;
    this.#asking = asking;
    this.#counter = counter;
    conn.setNoDelay(true);
  }

  /**
   * Connects to a server.
   *
   * @throws {Error} if it cannot be reached.
   */
  static async dial(
    { hostname, port }: Address,
    history: History,
    asking: Asking,
    counter: Counter,
  ): Promise<LoadConnection> {
    return new LoadConnection(await Deno.connect({ hostname, port }), history, asking, counter);
  }

  /** Whether it sends no more requests. */
  get finished(): boolean {
    return this.#finishing;
  }

  /** Sends the requests that are due, up to the limit in flight. Call it if one may be due. */
  ask(): void {
    const { work, pace, inFlight, now } = this.#asking;
    if (this.#finishing || !this.#open) return;
    const nowMs = now();
    while (this.#asked.size < inFlight) {
      const dueMs = pace.take(nowMs);
      if (dueMs === undefined) break;
      const task = work();
      if (task === undefined) return this.finish();
      const asked = task.put
        ? this.#history.put(this.#id++, task.key, dueMs, nowMs)
        : this.#history.get(this.#id++, task.key, dueMs, nowMs);
      this.#asked.set(asked.request.id, asked);
      this.#unsent += asked.request.encode();
    }
    this.#send();
  }

  /** Sends no more requests. {@linkcode LoadConnection.run} ends after the last answer. */
  finish(): void {
    this.#finishing = true;
    this.#send();
    if (this.#asked.size === 0) this.close();
  }

  /** Closes the connection. Requests without an answer have failed. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#conn.close();
  }

  /** The age of the oldest request without an answer, in milliseconds. */
  waitedMs(nowMs: number): number {
    const [oldest] = this.#asked.values();
    return oldest === undefined ? 0 : nowMs - oldest.sentMs;
  }

  /**
   * Sends requests and reads answers until the connection ends. Call it once.
   *
   * @throws {Violation} if an answer is wrong.
   */
  async run(): Promise<void> {
    try {
      this.ask();
      while (this.#open) {
        const count = await this.#conn.read(this.#reader.space);
        if (count === null) break;
        for (const line of this.#reader.push(count)) this.#receive(line);
        if (this.#reader.failure !== undefined) throw this.#broken(this.#reader.failure.message);
        if (this.#finishing && this.#asked.size === 0) break;
        this.ask();
      }
    } catch (error) {
      // A lost connection is counted below; any other error is a fault of this program.
      if (!isLost(error)) throw error;
    } finally {
      this.close();
      await this.#writing;
      for (const asked of this.#asked.values()) this.#counter.failed(asked, "no answer");
    }
    if (!this.#finishing) this.#counter.failed(undefined, "connection lost");
  }

  #receive(line: string): void {
    const reply = this.#decode(line);
    const asked = "id" in reply ? this.#asked.get(reply.id!) : undefined;
    if (asked !== undefined) this.#asked.delete(asked.request.id);
    if (reply.type === "ERROR") {
      this.#counter.failed(asked, reply.code);
    } else if (asked === undefined) {
      throw this.#broken(`${line.slice(0, 200)} answers no request`);
    } else {
      const served = this.#history.answered(asked, reply);
      this.#counter.answered(asked, served, this.#asking.now());
    }
  }

  #decode(line: string): AnyMensagem {
    try {
      return Mensagem.decode(line);
    } catch (error) {
      if (!(error instanceof MensagemError) && !(error instanceof FrameError)) throw error;
      throw this.#broken(error.message);
    }
  }

  #broken(message: string): Violation {
    return new Violation(`${formatAddress(this.#conn.remoteAddr as Address)}: ${message}`);
  }

  #send(): void {
    if (this.#unsent !== "") this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    try {
      while (this.#unsent !== "" && this.#open) {
        const text = this.#unsent;
        this.#unsent = "";
        // One UTF-16 unit is at most three bytes of UTF-8.
        if (this.#writeBuffer.length < text.length * 3) {
          this.#writeBuffer = new Uint8Array(text.length * 3);
        }
        const { written } = encoder.encodeInto(text, this.#writeBuffer);
        for (let sent = 0; sent < written;) {
          sent += await this.#conn.write(this.#writeBuffer.subarray(sent, written));
        }
      }
    } catch (error) {
      if (!isLost(error)) throw error;
      this.close();
    }
    this.#writing = undefined;
  }
}

/** Whether an error means that the connection is lost. */
function isLost(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.TimedOut;
}
