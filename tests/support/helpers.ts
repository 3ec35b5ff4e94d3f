/**
 * What the tests over real TCP share: clusters, raw clients, scripted servers and a keyboard made of text.
 * All of it listens on free ports of 127.0.0.1 and disposes of itself.
 *
 * @module
 */

import { assert } from "@std/assert";
import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { ServerConsole } from "../../lib/cli/console.ts";
import { KvServer, type KvServerOptions, type ServerLimits } from "../../lib/server/kv_server.ts";
import type { Tuning } from "../../lib/replication/tuning.ts";
import { Keyboard, type Screen } from "../../lib/cli/terminal.ts";

/** How long a test waits for anything: far more than it takes on a busy machine. */
export const patienceMs = 10_000;
const pollMs = 4;

/** Polls until the condition gives something other than `false`, `undefined` or `null`, and returns that. */
export async function eventually<T>(
  what: string,
  condition: () => T | false | null | undefined | Promise<T | false | null | undefined>,
  withinMs = patienceMs,
): Promise<T> {
  const until = performance.now() + withinMs;
  while (true) {
    const result = await condition();
    if (result !== false && result !== null && result !== undefined) return result;
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(pollMs);
  }
}

/** The result of the promise, or an error where it takes too long. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  withinMs = patienceMs,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`not within ${withinMs} ms: ${what}`)),
    withinMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A free port of 127.0.0.1. */
export const anyPort: Address = { hostname: "127.0.0.1", port: 0 };

/** So many free ports, all different. For roles, which take no port 0. */
export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ ...anyPort }));
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** An address on which nobody listens. */
export function deadAddress(): Address {
  return { hostname: "127.0.0.1", port: freePorts(1)[0]! };
}

/** The lines of a text that ends with a line end. */
export function linesOf(text: string): string[] {
  assert(text === "" || text.endsWith("\n"), `half a line: ${text.slice(-200)}`);
  return text.split("\n").slice(0, -1);
}

/** One server of a {@linkcode Cluster}, or a single one, with everything that it printed and reported. */
export class TestServer implements AsyncDisposable {
  readonly address: Address;
  readonly reports: string[] = [];
  readonly #server: KvServer;
  #printed = "";

  /** Starts a server. Tests need no long pauses between dials. */
  constructor(
    listen: Address,
    leader: Address | undefined,
    tuning: Partial<Tuning>,
    limits: Partial<ServerLimits> = {},
    more: Partial<KvServerOptions> = {},
  ) {
    this.#server = KvServer.start({
      ...more,
      listen,
      ...(leader === undefined ? {} : { leader }),
      prints: new ServerConsole((text) => this.#printed += text),
      report: (line) => this.reports.push(line),
      tuning: { redialFirstMs: 10, redialLongestMs: 100, ...tuning },
      limits,
    });
    this.address = this.#server.address;
  }

  /** A leader that is the whole cluster. */
  static async alone(
    tuning: Partial<Tuning> = {},
    limits: Partial<ServerLimits> = {},
  ): Promise<TestServer> {
    const alone = { clusterSize: 1, minInSync: 1, ...tuning };
    const server = new TestServer(anyPort, undefined, alone, limits);
    await server.ready();
    return server;
  }

  /** "ip:port" */
  get name(): string {
    return formatAddress(this.address);
  }

  /** The lines on its console. */
  get prints(): string[] {
    return linesOf(this.#printed);
  }

  /** The lines on its console that begin so. */
  printsOf(start: string): string[] {
    return this.prints.filter((line) => line.startsWith(start));
  }

  /** What its table holds for the key. */
  holds(key: string): { value: string; timestamp: number } | undefined {
    const entry = this.#server.table.get(key);
    return entry && { value: entry.value, timestamp: entry.timestamp };
  }

  /** True where it answers GETs from its table. */
  get readable(): boolean {
    return this.#server.readable;
  }

  /** Resolves when it answers GETs from its table. */
  async ready(): Promise<void> {
    await within(`${this.name} is ready`, this.#server.ready);
  }

  /** Resolves when it has reported a line with this text. */
  async reported(text: string): Promise<string> {
    return await eventually(
      `${this.name} reports "${text}"`,
      () => this.reports.find((line) => line.includes(text)),
    );
  }

  /** Stops it, gracefully. */
  async close(): Promise<void> {
    await within(`${this.name} closes`, this.#server.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Three servers; the first one leads. */
export class Cluster implements AsyncDisposable {
  readonly servers: TestServer[];
  readonly #tuning: Partial<Tuning>;

  private constructor(servers: TestServer[], tuning: Partial<Tuning>) {
    this.servers = servers;
    this.#tuning = tuning;
  }

  /** Three servers, all in sync. */
  static async start(tuning: Partial<Tuning> = {}): Promise<Cluster> {
    const leader = new TestServer(anyPort, undefined, tuning);
    const followers = [1, 2].map(() => new TestServer(anyPort, leader.address, tuning));
    const cluster = new Cluster([leader, ...followers], tuning);
    await Promise.all(cluster.servers.map((server) => server.ready()));
    return cluster;
  }

  /** The leader. */
  get leader(): TestServer {
    return this.servers[0]!;
  }

  /** The followers. */
  get followers(): [TestServer, TestServer] {
    return [this.servers[1]!, this.servers[2]!];
  }

  /** Where the servers listen. */
  get addresses(): Address[] {
    return this.servers.map((server) => server.address);
  }

  /** Stops servers and waits until the leader, where it is left, has noticed. Its reports begin anew. */
  async kill(...indices: number[]): Promise<void> {
    this.leader.reports.length = 0;
    await Promise.all(indices.map((index) => this.servers[index]!.close()));
    if (indices.includes(0)) return;
    for (const index of indices) await this.leader.reported(`${this.servers[index]!.name} left`);
  }

  /**
   * Starts a server anew, without memory, on the port that it had. Does not wait until it is ready. The leader's
   * reports begin anew.
   */
  async restart(index: number): Promise<TestServer> {
    this.leader.reports.length = 0;
    const { address } = this.servers[index]!;
    const leader = index === 0 ? undefined : this.leader.address;
    // The system may have lent the port to an outgoing connection for a moment.
    const server = await eventually(`${formatAddress(address)} is free`, () => {
      try {
        return new TestServer(address, leader, this.#tuning);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
        return undefined;
      }
    });
    this.servers[index] = server;
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }
}

/** A message as JSON gives it. */
export type Message = Record<string, unknown>;

/** The other end has closed where a line was expected. */
export class EndOfWire extends Error {
  override readonly name = "EndOfWire";
}

/** One end of a TCP connection that knows lines and bytes but not the protocol. */
export class Wire implements Disposable {
  /** "ip:port" of this end. */
  readonly local: string;
  readonly #conn: Deno.Conn;
  readonly #decoder = new TextDecoder();
  readonly #answersStatus: boolean;
  #text = "";
  #closed = false;

  /**
   * Takes over an open connection. With `answersStatus` a STATUS is answered, as from a server without a cluster, and
   * not seen: a client asks for it on each new connection.
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

  /** Writes all of a text or of some bytes. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  /** Writes messages, each as a line, all at once. */
  async send(...messages: Message[]): Promise<void> {
    await this.write(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
  }

  /** Sends a message and reads the next line. */
  async ask(message: Message): Promise<Message> {
    await this.send(message);
    return await this.message();
  }

  /** The next line, `undefined` at the end of the connection. */
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
   * The next line as a message.
   *
   * @throws {EndOfWire} where there is none.
   */
  async message(): Promise<Message> {
    const line = await this.line();
    if (line === undefined) throw new EndOfWire("the connection has ended");
    return JSON.parse(line);
  }

  /** The next message of this type; others are skipped. */
  async messageOf(type: string): Promise<Message> {
    for (let skipped = 0; skipped < 10_000; skipped++) {
      const message = await this.message();
      if (message.type === type) return message;
    }
    throw new Error(`no ${type} among so many messages`);
  }

  /** So many messages. */
  async messages(count: number): Promise<Message[]> {
    const messages = [];
    while (messages.length < count) messages.push(await this.message());
    return messages;
  }

  /** All messages up to the end of the connection. */
  async rest(): Promise<Message[]> {
    const text = await this.#readUntil(() => false);
    this.#text = "";
    return linesOf(text).map((line) => JSON.parse(line));
  }

  /** Reads and forgets until the connection ends, however long that takes; then closes it. */
  async drain(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      while (await this.#conn.read(buffer) !== null);
    } catch (error) {
      if (!this.#closed && !(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    this.close();
  }

  /** Says that nothing more is sent; reading goes on. */
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

  /** Reads until there is enough, or the connection ends; returns all that was not taken yet. */
  async #readUntil(enough: (text: string) => boolean): Promise<string> {
    const timer = setTimeout(() => this.close(), patienceMs);
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
        throw new Error(`nothing came from the other end for ${patienceMs} ms`, { cause: error });
      }
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    } finally {
      clearTimeout(timer);
    }
    return this.#text = texts.join("");
  }
}

/** A scripted follower, welcome at the leader. It is in sync once it confirms the SYNC that comes. */
export async function joinAsFollower(leader: Address): Promise<Wire> {
  const wire = await Wire.connect(leader);
  await wire.send({ type: "JOIN", server: wire.local, cluster: "", timestamp: 0 });
  await wire.messageOf("JOIN_OK");
  return wire;
}

/** A leader with two scripted followers in sync: it is open. */
export async function openWithTwo(leader: TestServer): Promise<[Wire, Wire]> {
  const followers = [
    await joinAsFollower(leader.address),
    await joinAsFollower(leader.address),
  ] as const;
  for (const follower of followers) {
    await follower.messageOf("SYNC");
    await follower.send({ type: "REPLICATION_OK", timestamp: 0 });
  }
  await leader.ready();
  return [...followers];
}

/** What a {@linkcode FakeServer} does with its connection number `index`, counted from 0. */
export type Script = (wire: Wire, index: number) => Promise<void> | void;

/**
 * A server that does with each connection what a test says. After its script a connection stays open until the
 * other end closes it. A script that fails, other than by the end of its connection, fails the test.
 */
export class FakeServer implements AsyncDisposable {
  readonly address: Address;
  /** Connections that were accepted so far. */
  accepted = 0;
  readonly #script: Script;
  readonly #listener: Deno.TcpListener;
  readonly #wires: Wire[] = [];
  readonly #tasks: Promise<void>[] = [];
  #failure: { readonly error: unknown } | undefined;
  #closed = false;

  /** Listens, and runs the script for each connection. */
  constructor(script: Script) {
    this.#script = script;
    this.#listener = Deno.listen({ ...anyPort });
    this.address = { hostname: "127.0.0.1", port: this.#listener.addr.port };
    this.#tasks.push(this.#accept());
  }

  /** A server that answers each request with what `answer` makes of it; `undefined` hangs up. */
  static answering(
    answer: (request: Message, index: number) => Message | string | undefined,
  ): FakeServer {
    return new FakeServer(async (wire, index) => {
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        const reply = answer(JSON.parse(line), index);
        if (reply === undefined) return wire.close();
        await wire.write(typeof reply === "string" ? reply : `${JSON.stringify(reply)}\n`);
      }
    });
  }

  /** "ip:port" */
  get name(): string {
    return formatAddress(this.address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    for (const wire of this.#wires) wire.close();
    await Promise.all(this.#tasks);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        const wire = new Wire(conn, { answersStatus: true });
        this.#wires.push(wire);
        this.#tasks.push(this.#run(wire, this.accepted++));
      }
    } catch (error) {
      if (!this.#closed) this.#failure ??= { error };
    }
  }

  async #run(wire: Wire, index: number): Promise<void> {
    try {
      await this.#script(wire, index);
      await wire.drain();
    } catch (error) {
      const gone = this.#closed || error instanceof EndOfWire ||
        error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset;
      if (!gone) this.#failure ??= { error };
      wire.close();
    }
  }
}

/** The streams of a role: text goes in as from a keyboard or a pipe, and what comes out is kept. */
export class FakeTerminal implements Screen {
  readonly keyboard: Keyboard;
  outIsTerminal = false;
  colors = false;
  outClosed = false;
  #out = "";
  #err = "";
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

  /** A pipe that holds all of `input`, or a keyboard at which somebody will {@linkcode FakeTerminal.type}. */
  constructor(input?: string, interactive = input === undefined) {
    const bytes = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    this.keyboard = new Keyboard(bytes, this.write, interactive);
    if (input !== undefined) {
      if (input !== "") this.type(input);
      this.#controller.close();
    }
  }

  /** Everything on standard output so far. */
  get screen(): string {
    return this.#out;
  }

  /** Everything on standard error so far. */
  get errors(): string {
    return this.#err;
  }

  readonly write = (text: string): void => {
    this.#out += text;
  };
  readonly out: (text: string) => void = this.write;
  readonly err = (text: string): void => {
    this.#err += text;
  };

  /** Types on the keyboard. */
  type(text: string): void {
    this.typeBytes(new TextEncoder().encode(text));
  }

  /** The same with bytes that need not be text. */
  typeBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#controller.enqueue(bytes);
  }

  /** Ends the input. */
  endInput(): void {
    this.#controller.close();
  }

  /** Resolves when standard output ends so. */
  async shows(end: string): Promise<void> {
    await eventually(
      `the screen ends with ${JSON.stringify(end)}`,
      () => this.#out.endsWith(end) || undefined,
    );
  }
}
