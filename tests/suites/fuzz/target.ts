/**
 * Servers under fuzz, and the good client that must notice nothing of it.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import type { Address } from "../../../lib/wire/address.ts";
import { Secret, type Secrets } from "../../../lib/auth/secret.ts";
import { ServerConsole } from "../../../lib/cli/server_console.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { KvServer, type KvServerOptions } from "../../../lib/server/kv_server.ts";
import { anyPort, eventually, linesOf, type Message, Wire, within } from "../../support/helpers.ts";
import { type Input, knownKey } from "./arbitraries.ts";
import { Memory } from "./memory.ts";
import { answersTo, complaint, type Facts, judge, split } from "./model.ts";

/** So few that connections which stay open for ever are soon missed. */
const connectionsMax = 64;
/** Bytes that are all there are answered, and their connection closed, within this time on a busy machine. */
const conversationMsMax = 5_000;
const password = "senha";
const knownValue = "what it was from the start";
/** What a server may report while strangers talk to it. */
const harmlessReport = /^refused /;
const printedLine =
  /^(?:Cliente \S+ (?:PUT|GET) key:|Enviando PUT_OK ao Cliente |Encaminhando PUT key:|REPLICATION key:)\P{Cc}*$/u;

/** How the servers stand when the fuzz begins. */
export type Kind =
  /** One server that leads itself. */
  | "alone"
  /** Three servers in sync. */
  | "cluster"
  /** Two of three servers, with room for one that knows the secret; clients need a password. */
  | "guarded";

/** A GET after the other, as fast as the servers answer. */
class GoodClient {
  /** The longest that a GET has taken. */
  slowestMs = 0;
  readonly #client: KvClient;
  readonly #task: Promise<void>;
  #answers = 0;
  #failure: unknown;
  #stopped = false;
  #answered = Promise.withResolvers<void>();

  constructor(client: KvClient) {
    this.#client = client;
    this.#task = this.#run();
  }

  /** Resolves with the next answer to a GET that begins after this. */
  async next(): Promise<void> {
    const enough = this.#answers + 2; // one may have begun before
    await within(
      "the good client gets an answer",
      (async () => {
        while (this.#answers < enough && this.#failure === undefined) await this.#answered.promise;
      })(),
    );
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends it after its present GET. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#task;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped) {
        const startMs = performance.now();
        const { value, timestamp } = await this.#client.get(knownKey);
        assertEquals({ value, timestamp }, { value: knownValue, timestamp: 1 });
        this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
        this.#answers++;
        this.#notify();
      }
    } catch (error) {
      this.#failure = error;
      this.#notify();
    }
  }

  #notify(): void {
    this.#answered.resolve();
    this.#answered = Promise.withResolvers();
  }
}

/** A write that a server has taken, or may have. */
interface Write {
  readonly key: string;
  readonly value: string;
}

/** What the table of a server may hold, as far as those who write can tell. */
class Expectation {
  /** Acknowledged writes by timestamp. */
  readonly #acknowledged = new Map<number, Write>();
  /** The highest of these timestamps for each key. */
  readonly #newest = new Map<string, number>();
  /** All values on their way, by key. */
  readonly #sent = new Map<string, Set<string>>();

  sent({ key, value }: Write): void {
    const values = this.#sent.get(key) ?? new Set();
    this.#sent.set(key, values.add(short(value)));
  }

  acknowledged({ key, value }: Write, timestamp: number): void {
    assert(!this.#acknowledged.has(timestamp), `timestamp ${timestamp} was given twice`);
    this.#acknowledged.set(timestamp, { key, value: short(value) });
    this.#newest.set(key, Math.max(timestamp, this.#newest.get(key) ?? 0));
  }

  get keys(): Iterable<string> {
    return this.#newest.keys();
  }

  /** Says whether this may be read under the key. */
  assertMayBe(key: string, value: string | null, timestamp: number): void {
    const name = JSON.stringify(key);
    if (value === null) return assertStrictEquals(timestamp, 0, `no ${name} yet`);
    const write = this.#acknowledged.get(timestamp);
    if (write === undefined) {
      assert(this.#sent.get(key)?.has(short(value)), `nobody wrote this to ${name}`);
    } else {
      assertEquals({ key, value: short(value) }, write);
    }
  }

  /** Says whether a table may hold this under the key. */
  assertHolds(key: string, entry: { value: string; timestamp: number } | undefined): void {
    const { value = null, timestamp = 0 } = entry ?? {};
    assertLessOrEqual(this.#newest.get(key) ?? 0, timestamp, `${JSON.stringify(key)} is too old`);
    this.assertMayBe(key, value, timestamp);
  }
}

/** A value, or of a long one enough to know it again: nothing that keeps it in memory. */
function short(value: string): string {
  if (value.length < 200) return value;
  let hash = 0;
  for (let at = 0; at < value.length; at++) hash = (hash * 31 + value.charCodeAt(at)) | 0;
  return `${value.length} units, hash ${hash}`;
}

/** The fields of the answers to PUT and GET. */
interface Answer {
  readonly type: string;
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
}

/** What is written by the lines of a stream. */
function writesIn(lines: readonly string[]): Write[] {
  const writes: Write[] = [];
  for (const line of lines) {
    const verdict = judge(line);
    if (verdict.kind !== "message" || verdict.message.type !== "PUT") continue;
    const { key, value } = verdict.message;
    writes.push({ key: key as string, value: value as string });
  }
  return writes;
}

/** True where an input changes what the good client reads: not what this is about. */
export function writesKnownKey({ bytes }: Input): boolean {
  return writesIn(split(bytes).lines).some(({ key }) => key === knownKey);
}

/** True where an input has a PUT in it with which nothing is wrong. */
export function writes({ bytes }: Input): boolean {
  return writesIn(split(bytes).lines).length > 0;
}

/** Servers that take whatever comes, while a good client reads from them. */
export class Target implements AsyncDisposable {
  readonly #kind: Kind;
  readonly #servers: KvServer[];
  readonly #client: KvClient;
  readonly #good: GoodClient;
  readonly #expected = new Expectation();
  readonly #complaints: string[];
  readonly #memory: Memory;

  private constructor(
    kind: Kind,
    servers: KvServer[],
    client: KvClient,
    complaints: string[],
    memory: Memory,
  ) {
    this.#kind = kind;
    this.#servers = servers;
    this.#client = client;
    this.#complaints = complaints;
    this.#memory = memory;
    this.#good = new GoodClient(client);
    this.#expected.acknowledged({ key: knownKey, value: knownValue }, 1);
  }

  /** Starts servers, one or three, and writes what the good client reads. */
  static async start(kind: Kind): Promise<Target> {
    const guarded = kind === "guarded";
    const secrets: Secrets = guarded
      ? { server: await Secret.from("segredo"), client: await Secret.from(password) }
      : {};
    const complaints: string[] = [];
    const count = kind === "alone" ? 1 : 3;
    const tuning = {
      clusterSize: count,
      minInSync: Math.min(count, 2),
      redialFirstMs: 10,
      logBytesMax: 1024 * 1024,
    };
    // An answer that never comes must not be taken for one that may still come.
    const limits = {
      connectionsMax,
      connectionsPerIpMax: connectionsMax,
      finishMs: 4 * conversationMsMax,
    };
    const start = (leader?: Address) => {
      const options: KvServerOptions = {
        listen: anyPort,
        prints: new ServerConsole((text) => {
          complaints.push(...linesOf(text).filter((line) => !printedLine.test(line)));
        }),
        report: (line) => {
          if (!harmlessReport.test(line)) complaints.push(line);
        },
        secrets,
        tuning,
        limits,
      };
      return KvServer.start(leader === undefined ? options : { ...options, leader });
    };
    const leader = start();
    const servers = [leader, ...Array.from({ length: count - 1 }, () => start(leader.address))];
    await Promise.all(servers.map(({ ready }) => within("the servers are ready", ready)));
    if (guarded) {
      await servers.pop()!.close();
      await eventually("it is missed", () => complaints.some((line) => line.includes(" left: ")));
    }
    const client = new KvClient(
      servers.map(({ address }) => address),
      guarded ? { password } : {},
    );
    await client.put(knownKey, knownValue);
    complaints.length = 0;
    return new Target(kind, servers, client, complaints, await Memory.watch());
  }

  /** Takes inputs, all at once, each on a connection of its own to server number `number` of those that there are. */
  async take(inputs: readonly Input[], number: number): Promise<void> {
    const at = number % this.#servers.length;
    const server = this.#servers[at]!;
    const facts = { leads: at === 0, guarded: this.#kind === "guarded" };
    await Promise.all(inputs.map((input) => this.#converse(server.address, input, facts)));
    await this.#good.next();
    this.#memory.look();
    assertEquals(this.#complaints, []);
    for (const input of inputs) {
      for (const { key } of writesIn(split(input.bytes).lines)) {
        this.#expected.assertHolds(key, server.node.store.get(key));
      }
    }
    if (this.#kind !== "alone") this.#assertUntouched();
  }

  /**
   * All connections of the fuzz are gone, memory is within its bounds, all tables are as they must be, and writing still
   * works. Returns the figures.
   */
  async finish(): Promise<string> {
    await this.#good.stop();
    for (const [at, { address }] of this.#servers.entries()) {
      // One connection of the good client; at a leader one of each follower, at a follower that to its leader.
      const taken = 1 + (at === 0 ? this.#servers.length - 1 : 1);
      await eventually(
        "all connections are closed",
        () => hasRoomFor(address, connectionsMax - taken),
      );
    }
    let keptBytes = 0;
    for (const { node } of this.#servers) {
      for (const [key, { value }] of node.store.entries()) {
        keptBytes += 2 * (key.length + value.length);
      }
    }
    const memory = await this.#memory.judge(keptBytes);
    const [leader] = this.#servers;
    for (const [key, entry] of leader!.node.store.entries()) {
      this.#expected.assertHolds(key, entry);
    }
    for (const key of this.#expected.keys) {
      this.#expected.assertHolds(key, leader!.node.store.get(key));
    }
    const { timestamp } = await this.#client.put("the last word", "said");
    for (const { node } of this.#servers) {
      const { value, timestamp: at } = node.store.get("the last word")!;
      assertEquals({ value, at }, { value: "said", at: timestamp });
    }
    if (this.#kind !== "alone") assertStrictEquals(timestamp, 2);
    const slowestMs = Math.round(this.#good.slowestMs);
    return `the slowest GET of the good client took ${slowestMs} ms; ${memory}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#good.stop().catch(() => {}); // told before
    await this.#client.close();
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #assertUntouched(): void {
    for (const { node } of this.#servers) {
      assertStrictEquals(node.store.size, 1);
      const { value, timestamp } = node.store.get(knownKey)!;
      assertEquals({ value, timestamp }, { value: knownValue, timestamp: 1 });
    }
  }

  /** Sends an input, and looks at every answer. */
  async #converse(address: Address, input: Input, facts: Facts): Promise<void> {
    const stream = split(input.bytes);
    if (!facts.guarded) { for (const write of writesIn(stream.lines)) this.#expected.sent(write); }
    using wire = await Wire.connect(address);
    if (input.hangsUp) {
      await sendAll(wire, input);
      return;
    }
    const [received, wasCut] = await within(
      "the server answers and closes",
      Promise.all([wire.rest(), sendAll(wire, input)]),
      conversationMsMax,
    );
    const { due, ends, observes } = answersTo(stream, facts);
    // EVENTS come on their own time; instead of the first, that there are too many observers.
    const isForObserver = ({ type, message }: Message) =>
      type === "EVENTS" || type === "ERROR" && /observers$/.test(message as string);
    const events = received.filter(isForObserver);
    const replies = received.filter((reply) => !isForObserver(reply));
    for (const one of events) assertStrictEquals(judge(JSON.stringify(one)).kind, "message");
    if (!wasCut) assertStrictEquals(events.length > 0, observes, JSON.stringify(received));
    // Only who goes on after it was shown out may lose answers, and then the last ones.
    if (!wasCut || !ends) assertStrictEquals(replies.length, due.length, JSON.stringify(replies));
    for (const [n, reply] of replies.entries()) {
      const answer = due[n]!;
      assertStrictEquals(complaint(answer, reply), undefined);
      const { type, key, value, timestamp } = reply as unknown as Answer;
      if (answer.type === "PUT_OK") {
        this.#expected.acknowledged({ key, value: answer.request.value as string }, timestamp);
      } else if (type === "GET_OK") this.#expected.assertMayBe(key, value, timestamp);
    }
  }
}

/** Sends the chunks of an input, and its end. True where the other side was gone before. */
async function sendAll(wire: Wire, { chunks, hangsUp }: Input): Promise<boolean> {
  try {
    for (const chunk of chunks) await wire.write(chunk);
    if (!hangsUp) await wire.closeWrite();
    return false;
  } catch (error) {
    const isGone = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected;
    if (!isGone) throw error;
    return true;
  }
}

/** True where so many connections more are served. */
async function hasRoomFor(address: Address, count: number): Promise<boolean> {
  await using wires = new AsyncDisposableStack();
  const replies = Array.from({ length: count }, async () => {
    const wire = wires.use(await Wire.connect(address));
    return await wire.ask({ type: "STATUS", id: 0 });
  });
  return (await Promise.all(replies)).every(({ code }) => code !== "OVERLOADED");
}
