/**
 * One end of a TCP connection for tests: lines and bytes, without knowledge of the protocol.
 *
 * @module
 */

import { assert } from "@std/assert";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { linesOf } from "./lines.ts";
import { waitMsMax } from "./waiting.ts";

const skippedMax = 10_000;

/** A message as `JSON.parse` returns it. */
export type Message = Record<string, unknown>;

/** The other end has closed the connection although a line was expected. */
export class EndOfWire extends Error {
  override readonly name = "EndOfWire";
}

/** One end of a TCP connection. It reads and writes lines and bytes without any check. */
export class Wire implements Disposable {
  /** "ip:port" of this end. */
  readonly local: string;
  readonly #conn: Deno.Conn;
  readonly #decoder = new TextDecoder();
  readonly #answersStatus: boolean;
  #text = "";
  #closed = false;

  /**
   * Takes over an open connection.
   *
   * With `answersStatus` it answers each STATUS itself, as a server without a cluster, and skips that
   * line. The client library sends a STATUS on each new connection.
   */
  constructor(conn: Deno.Conn, { answersStatus = false } = {}) {
    this.#conn = conn;
    this.#answersStatus = answersStatus;
    this.local = formatAddress(conn.localAddr as Deno.NetAddr);
  }

  /** Connects to a server. */
  static async connect({ hostname, port }: Address): Promise<Wire> {
    return new Wire(await Deno.connect({ hostname, port }));
  }

  /** Writes a text or bytes, to the last byte. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  /** Writes messages in one piece, each as a line. */
  async send(...messages: Message[]): Promise<void> {
    await this.write(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
  }

  /** Sends a message and reads the next line. */
  async ask(message: Message): Promise<Message> {
    await this.send(message);
    return await this.message();
  }

  /** Reads the next line; `undefined` if the connection has ended. */
  async line(): Promise<string | undefined> {
    const text = await this.#readUntil((text) => text.includes("\n"));
    const lf = text.indexOf("\n");
    if (lf < 0) {
      assert(text === "", `the connection ended within a line: ${text.slice(0, 200)}`);
      return undefined;
    }
    this.#text = text.slice(lf + 1);
    const line = text.slice(0, lf);
    if (!this.#answersStatus || !line.startsWith(`{"type":"STATUS"`)) return line;
    const { id } = JSON.parse(line);
    const server = this.local;
    const lists = { inSync: [], followers: [] };
    const numbers = { timestamp: 0, keys: 0, connections: 1, uptimeMs: 0, memoryBytes: 0 };
    const status = { id, server, leader: server, cluster: "", ...lists, ...numbers, faults: false };
    await this.send({ type: "STATUS_OK", ...status });
    return await this.line();
  }

  /**
   * Reads the next line as a message.
   *
   * @throws {EndOfWire} if the connection has ended.
   */
  async message(): Promise<Message> {
    const line = await this.line();
    if (line === undefined) throw new EndOfWire("the connection has ended");
    return JSON.parse(line);
  }

  /** Reads up to the next message of this type. */
  async messageOf(type: string): Promise<Message> {
    for (let skipped = 0; skipped < skippedMax; skipped++) {
      const message = await this.message();
      if (message.type === type) return message;
    }
    throw new Error(`no ${type} among ${skippedMax} messages`);
  }

  /** Reads `count` messages. */
  async messages(count: number): Promise<Message[]> {
    const messages = [];
    while (messages.length < count) messages.push(await this.message());
    return messages;
  }

  /** Reads all messages up to the end of the connection. */
  async rest(): Promise<Message[]> {
    const text = await this.#readUntil(() => false);
    this.#text = "";
    return linesOf(text).map((line) => JSON.parse(line));
  }

  /** Reads and discards until the other end closes the connection, then closes it. Has no time limit. */
  async drain(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      while (await this.#conn.read(buffer) !== null);
    } catch (error) {
      if (!this.#closed && !(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    this.close();
  }

  /** Ends the sending direction; reading goes on. */
  async closeWrite(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Closes both directions at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reads until `enough` or the end of the connection; returns all unread text. */
  async #readUntil(enough: (text: string) => boolean): Promise<string> {
    const timer = setTimeout(() => this.close(), waitMsMax);
    const buffer = new Uint8Array(64 * 1024);
    const texts = [this.#text];
    try {
      for (let newest = this.#text; !enough(newest);) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        newest = this.#decoder.decode(buffer.subarray(0, count), { stream: true });
        texts.push(newest);
      }
    } catch (error) {
      if (this.#closed) {
        throw new Error(`the other end sent nothing for ${waitMsMax} ms`, { cause: error });
      }
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    } finally {
      clearTimeout(timer);
    }
    return this.#text = texts.join("");
  }
}
