/**
 * One connection of a load: it asks, and looks at every answer.
 *
 * @module
 */

import { type Address, formatAddress } from "../lib/wire/address.ts";
import { FrameError, MensagemError } from "../lib/mensagem.ts";
import { FrameReader } from "../lib/wire/line_reader.ts";
import { type AnyMensagem, Mensagem } from "../lib/mensagem.ts";
import { type Asked, type History, Violation } from "./history.ts";
import type { Pace, Work } from "./workload.ts";

/** Who counts what becomes of the requests. Times are in milliseconds. */
export interface Counter {
  /** An answer has come; with `false` it was TRY_OTHER_SERVER_OR_LATER. */
  answered(asked: Asked, shown: boolean, nowMs: number): void;
  /** It was refused, or will never be answered; `undefined` stands for the connection itself. */
  failed(asked: Asked | undefined, what: string): void;
}

/** What a connection asks, and of whom it takes the time. */
export interface Asking {
  /** What to ask. */
  readonly work: Work;
  /** When. */
  readonly pace: Pace;
  /** How many requests may be without an answer. */
  readonly inFlight: number;
  /** A clock in milliseconds. */
  readonly now: () => number;
}

const encoder = new TextEncoder();

/**
 * A socket with requests on their way.
 *
 * - What is asked in one turn leaves in one write; writing never waits for reading.
 * - Bytes are read into one reused buffer, and each answer is decoded and compared with what the
 *   client has seen.
 * - It is not the class `Connection` that servers use: what is measured should not measure itself.
 */
export class LoadConnection {
  readonly #conn: Deno.TcpConn;
  readonly #history: History;
  readonly #asking: Asking;
  readonly #counter: Counter;
  readonly #reader = new FrameReader();
  /** By id, oldest first. */
  readonly #asked = new Map<number, Asked>();
  #id = 0;
  #unsent = "";
  #writeBuffer = new Uint8Array(16 * 1024);
  #writing: Promise<void> | undefined;
  #open = true;
  /** No more requests: it closes once all are answered. */
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
   * @throws {Error} where it cannot be reached.
   */
  static async dial(
    { hostname, port }: Address,
    history: History,
    asking: Asking,
    counter: Counter,
  ): Promise<LoadConnection> {
    return new LoadConnection(await Deno.connect({ hostname, port }), history, asking, counter);
  }

  /** True once it asks no more, because there is nothing more to ask. */
  get finished(): boolean {
    return this.#finishing;
  }

  /** Asks as much as is due and there is room for. To be called whenever something may be due. */
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

  /** Asks no more; {@linkcode LoadConnection.run} ends when all is answered. */
  finish(): void {
    this.#finishing = true;
    this.#send();
    if (this.#asked.size === 0) this.close();
  }

  /** Ends the connection at once. What is not answered has failed. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#conn.close();
  }

  /** How long the oldest request has been waiting, in milliseconds. */
  waitedMs(nowMs: number): number {
    const [oldest] = this.#asked.values();
    return oldest === undefined ? 0 : nowMs - oldest.sentMs;
  }

  /**
   * Asks, and reads until the connection ends. To be called once.
   *
   * @throws {Violation} where an answer cannot be true.
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
      // A connection that breaks is counted below; anything else is this program's own fault.
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
      throw this.#broken(`${line.slice(0, 200)} answers nothing that was asked`);
    } else {
      const shown = this.#history.answered(asked, reply);
      this.#counter.answered(asked, shown, this.#asking.now());
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

/** True for the errors with which a connection ends. */
function isLost(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.TimedOut;
}
