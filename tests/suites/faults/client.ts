/**
 * The clients of the faults suite. They record every request and every answer.
 *
 * @module
 */

import type { Address } from "../../../lib/wire/address.ts";
import { FrameError, MensagemError } from "../../../lib/mensagem.ts";
import { StaleError, UnavailableError, UnknownOutcomeError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { type AnyMensagem, Get, Mensagem, Put } from "../../../lib/mensagem.ts";
import { Session } from "../../../lib/client/session.ts";
import type { Event, History } from "./history.ts";

/** The longest wait for an answer. A server answers sooner, so a missing answer is noticed. */
const answerMsMax = 8_000;
const dialMs = 2_000;
const readBytesMax = 64 * 1024;
/** The least pause after a failed dial. */
const redialMs = 50;
/** The timeout of a library client: short, so that a stopped server blocks it less. */
const libraryTimeoutMs = 1_500;

/** What clients need to know about a server. */
export interface ServerUnderLoad {
  readonly address: Address;
  /** "ip:port" */
  readonly name: string;
  /** The name of its newest process, which may hold less than the one before. */
  readonly process: string;
  /** For each key, the highest timestamp that was acknowledged when that process began. */
  readonly startFloors: ReadonlyMap<string, number>;
  /** A clock in milliseconds that stands still while the process is stopped. */
  readonly ownMs: number;
}

/** The outcome of a request. */
type Outcome =
  | AnyMensagem
  /** It was not sent. */
  | { readonly type: "NOT_SENT"; readonly reason: string }
  /** The connection ended before the answer. */
  | { readonly type: "LOST"; readonly reason: string }
  /** The server broke the protocol. */
  | { readonly type: "BROKEN"; readonly reason: string };

interface InFlight {
  readonly sinceMs: number;
  readonly resolve: (outcome: Outcome) => void;
}

/** Turns the short value in a history into the long one on the wire, and back. */
export class Values {
  readonly #padding: string;

  /** Values of about `chars` UTF-16 units. */
  constructor(chars: number) {
    this.#padding = "·é\u{1F642}".repeat(Math.ceil(chars / 4));
  }

  /** The value on the wire. */
  whole(head: string): string {
    return head + this.#padding;
  }

  /** The value in the history. An incomplete value becomes one that was never written. */
  head(value: string): string {
    if (value.endsWith(this.#padding)) return value.slice(0, value.length - this.#padding.length);
    return `${value.slice(0, 40)} … ${value.length} characters`;
  }
}

/** A connection to one server. It is made again when a request needs it. With the library it shares only the codec. */
class Line implements AsyncDisposable {
  readonly #address: Address;
  #conn: Deno.Conn | undefined;
  #dialling: Promise<void> | undefined;
  #redialAtMs = 0;
  /** Why the last dial failed. */
  #dialError = "";
  /** Requests without an answer, oldest first. */
  readonly #inFlight = new Map<number, InFlight>();
  /** Frames of the next write. */
  #unsent = "";
  #writing = false;
  /** Background tasks. */
  readonly #tasks = new Set<Promise<void>>();
  #nextId = 1;
  #closed = false;

  constructor(address: Address) {
    this.#address = address;
  }

  /** Sends a request, which `make` makes once there is a connection. */
  async ask(make: (id: number) => Put | Get): Promise<Outcome> {
    if (this.#conn === undefined && performance.now() >= this.#redialAtMs) {
      await (this.#dialling ??= this.#dial());
    }
    if (this.#conn === undefined) return { type: "NOT_SENT", reason: this.#dialError };
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#inFlight.set(id, { sinceMs: performance.now(), resolve });
    this.#unsent += make(id).encode();
    if (!this.#writing) this.#start(this.#write(this.#conn));
    return await promise;
  }

  /** Closes the connection if an answer takes too long. Call it from time to time. */
  sweep(nowMs: number): void {
    for (const { sinceMs } of this.#inFlight.values()) {
      if (nowMs - sinceMs > answerMsMax) this.#end(`no answer within ${answerMsMax} ms`);
      return;
    }
  }

  /** Closes the connection, in the middle of requests. */
  break(): void {
    this.#end("this client has closed its connection");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#dialling;
    this.#end("the test is over");
    await Promise.all(this.#tasks);
  }

  async #dial(): Promise<void> {
    try {
      await undefined; // so that #dialling is set before it is cleared
      const signal = AbortSignal.timeout(dialMs);
      const conn = await Deno.connect({ ...this.#address, signal });
      conn.setNoDelay(true);
      if (this.#closed) return conn.close();
      this.#conn = conn;
      this.#start(this.#read(conn));
    } catch (error) {
      this.#dialError = (error as Error).message;
      this.#redialAtMs = performance.now() + redialMs;
    } finally {
      this.#dialling = undefined;
    }
  }

  async #read(conn: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(readBytesMax);
    const decoder = new TextDecoder();
    let rest = "";
    try {
      while (true) {
        const count = await conn.read(buffer);
        if (count === null) break;
        const lines = (rest + decoder.decode(buffer.subarray(0, count), { stream: true }))
          .split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.#take(Mensagem.decode(line));
      }
      if (this.#conn === conn) this.#end("the server has ended the connection");
    } catch (error) {
      if (this.#conn === conn) this.#end(`${error}`, isProtocolError(error) ? "BROKEN" : "LOST");
    }
  }

  /** Sends the requests of one turn of the event loop in one write. */
  async #write(conn: Deno.Conn): Promise<void> {
    this.#writing = true;
    await undefined;
    try {
      while (this.#unsent !== "" && this.#conn === conn) {
        const bytes = new TextEncoder().encode(this.#unsent);
        this.#unsent = "";
        for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
      }
    } catch (error) {
      if (this.#conn === conn) this.#end(`${error}`);
    }
    this.#writing = false;
    if (this.#unsent !== "" && this.#conn !== undefined) this.#start(this.#write(this.#conn));
  }

  #take(reply: AnyMensagem): void {
    const id = "id" in reply ? reply.id : undefined;
    // A server that is stopped has answered all that it has read.
    if (reply.type === "ERROR" && id === undefined && reply.code === "UNAVAILABLE") {
      return this.#end(reply.message, "NOT_SENT");
    }
    const inFlight = id === undefined ? undefined : this.#inFlight.get(id);
    if (inFlight === undefined) throw new TypeError(`an answer to no request: ${reply.encode()}`);
    this.#inFlight.delete(id!);
    inFlight.resolve(reply);
  }

  #end(reason: string, type: "LOST" | "BROKEN" | "NOT_SENT" = "LOST"): void {
    this.#conn?.close();
    this.#conn = undefined;
    this.#unsent = "";
    const lost = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const { resolve } of lost) resolve({ type, reason });
  }

  #start(task: Promise<void>): void {
    const kept = task.finally(() => this.#tasks.delete(kept));
    this.#tasks.add(kept);
  }
}

/** Whether the server broke the protocol. Otherwise the connection was lost. */
function isProtocolError(error: unknown): boolean {
  return error instanceof MensagemError || error instanceof FrameError ||
    error instanceof TypeError;
}

/**
 * A client that accepts and records every answer.
 *
 * The library's client refuses a stale value. A test with only that client could not see that a server sent one.
 */
export class Witness implements AsyncDisposable {
  readonly #name: string;
  readonly #lines: Line[];
  readonly #servers: readonly ServerUnderLoad[];
  readonly #history: History;
  readonly #values: Values;
  #session = new Session();
  #generation = 1;

  constructor(name: string, servers: readonly ServerUnderLoad[], history: History, values: Values) {
    this.#name = name;
    this.#servers = servers;
    this.#lines = servers.map(({ address }) => new Line(address));
    this.#history = history;
    this.#values = values;
  }

  /** Becomes a new client that has seen nothing. */
  renew(): void {
    this.#session = new Session();
    this.#generation++;
  }

  /** Writes a unique value. Returns whether it was acknowledged. */
  async put(server: number, key: string): Promise<boolean> {
    const { op, client, done } = this.#begin(server, key, true);
    const session = this.#session;
    const outcome = await this.#lines[server]!.ask((id) =>
      new Put(id, key, this.#values.whole(`${op}`))
    );
    if (outcome.type === "PUT_OK" && outcome.key === key) {
      done({ kind: "put", op, client, key, timestamp: outcome.timestamp });
      session.learn(outcome);
      return true;
    }
    if (outcome.type === "LOST") done({ kind: "unknown", op, reason: outcome.reason });
    else if (outcome.type === "ERROR" && outcome.code === "UNKNOWN_OUTCOME") {
      done({ kind: "unknown", op, reason: outcome.message });
    } else done(notDone(op, "PUT", outcome));
    return false;
  }

  /** Reads a key. Returns whether a server answered from its table. */
  async get(server: number, key: string): Promise<boolean> {
    const { op, client, done } = this.#begin(server, key, false);
    const { startFloors, name } = this.#servers[server]!;
    const session = this.#session;
    const seen = session.timestamp(key);
    const outcome = await this.#lines[server]!.ask((id) => new Get(id, key, seen));
    if (outcome.type === "GET_OK" && outcome.key === key) {
      const { timestamp } = outcome;
      const value = outcome.value === null ? null : this.#values.head(outcome.value);
      const startFloor = startFloors.get(key) ?? 0;
      done({ kind: "got", op, client, key, value, timestamp, startFloor });
      session.learn(outcome);
      return true;
    }
    if (outcome.type === "TRY_OTHER_SERVER_OR_LATER") done({ kind: "refused", op, server: name });
    else done(notDone(op, "GET", outcome));
    return false;
  }

  /** Reads keys as a client that has seen nothing, without recording it. `undefined` if the server refuses one. */
  async readTable(
    server: number,
    keys: Iterable<string>,
  ): Promise<Map<string, { value: string; timestamp: number }> | undefined> {
    const table = new Map<string, { value: string; timestamp: number }>();
    let complete = true;
    await Promise.all([...keys].map(async (key) => {
      const reply = await this.#lines[server]!.ask((id) => new Get(id, key, 0));
      if (reply.type !== "GET_OK") complete = false;
      else if (reply.value !== null) {
        table.set(key, { value: this.#values.head(reply.value), timestamp: reply.timestamp });
      }
    }));
    return complete ? table : undefined;
  }

  /** Closes connections on which an answer takes too long. Call it from time to time. */
  sweep(nowMs: number): void {
    for (const line of this.#lines) line.sweep(nowMs);
  }

  /** Closes all connections, in the middle of requests. */
  break(): void {
    for (const line of this.#lines) line.break();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#lines.map((line) => line[Symbol.asyncDispose]()));
  }

  /** Records a request, and returns the function that records its end. */
  #begin(index: number, key: string, write: boolean) {
    const server = this.#servers[index]!;
    const op = this.#history.nextOp();
    const client = `${this.#name}.${this.#generation}`;
    const sinceMs = server.ownMs;
    const { process } = server;
    const value = write ? `${op}` : undefined;
    this.#history.record({ kind: "asked", op, client, key, value, process });
    const done = (event: Event) => {
      this.#history.record(event);
      this.#history.record({ kind: "answered", op, afterMs: server.ownMs - sinceMs });
    };
    return { op, client, done };
  }
}

function notDone(op: number, request: string, outcome: Outcome): Event {
  switch (outcome.type) {
    case "NOT_SENT":
    case "LOST":
      return { kind: "failed", op, reason: outcome.reason };
    case "ERROR":
      return { kind: "failed", op, reason: `${outcome.code}: ${outcome.message}` };
    case "BROKEN":
      return { kind: "broken", op, reason: outcome.reason };
    default:
      return { kind: "broken", op, reason: `${outcome.type} to a ${request}` };
  }
}

/** A client of the library, used as a program uses it. */
export class LibraryClient implements AsyncDisposable {
  readonly #name: string;
  readonly #client: KvClient;
  readonly #servers: readonly ServerUnderLoad[];
  readonly #history: History;
  readonly #values: Values;

  constructor(
    name: string,
    servers: readonly ServerUnderLoad[],
    history: History,
    values: Values,
    random: () => number,
  ) {
    this.#name = name;
    this.#servers = servers;
    this.#history = history;
    this.#values = values;
    this.#client = new KvClient(servers.map(({ address }) => address), {
      timeoutMs: libraryTimeoutMs,
      once: true, // so that the history knows which server was asked
      random,
    });
  }

  /** Writes a unique value at a random server. */
  async put(key: string): Promise<boolean> {
    return await this.#do(key, true, async (op, client) => {
      const { timestamp } = await this.#client.put(key, this.#values.whole(`${op}`));
      return { kind: "put", op, client, key, timestamp };
    });
  }

  /** Reads a key at a random server. */
  async get(key: string): Promise<boolean> {
    const floors = new Map(this.#servers.map(({ name, startFloors }) => [name, startFloors]));
    return await this.#do(key, false, async (op, client) => {
      const { server, value, timestamp } = await this.#client.get(key);
      const startFloor = floors.get(server)!.get(key) ?? 0;
      const head = value === null ? null : this.#values.head(value);
      return { kind: "got", op, client, key, value: head, timestamp, startFloor };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  async #do(
    key: string,
    write: boolean,
    request: (op: number, client: string) => Promise<Event>,
  ): Promise<boolean> {
    const op = this.#history.nextOp();
    const client = this.#name;
    const sinceMs = performance.now();
    this.#history.record({ kind: "asked", op, client, key, value: write ? `${op}` : undefined });
    const event = await request(op, client).catch((error) => failure(op, error));
    this.#history.record(event);
    this.#history.record({ kind: "answered", op, afterMs: performance.now() - sinceMs });
    return event.kind === "put" || event.kind === "got";
  }
}

function failure(op: number, error: unknown): Event {
  if (error instanceof StaleError) {
    return { kind: "refused", op, server: error.answers[0]!.server };
  }
  const reason = `${error}`;
  if (/broke the protocol|ended the connection(?!.* is stopping)/.test(reason)) {
    return { kind: "broken", op, reason };
  }
  if (error instanceof UnavailableError) return { kind: "failed", op, reason };
  if (error instanceof UnknownOutcomeError) return { kind: "unknown", op, reason };
  return { kind: "broken", op, reason };
}
