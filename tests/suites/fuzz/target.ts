/**
 * Servers under fuzz, and a good client that must not notice it.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { frameBytesMax } from "../../../lib/limits.ts";
import { unprovenFrameBytesMax } from "../../../lib/net/connection.ts";
import { type Address, parseAddress } from "../../../lib/wire/address.ts";
import { Secret, type Secrets } from "../../../lib/auth/secret.ts";
import { ServerConsole } from "../../../lib/cli/server_console.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { KvServer, type KvServerOptions } from "../../../lib/server/kv_server.ts";
import { linesOf } from "../../support/lines.ts";
import { anyPort } from "../../support/ports.ts";
import { eventually, within } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";
import { advertised, type Input, knownKey } from "./arbitraries.ts";
import { Memory } from "./memory.ts";
import { answersTo, complaint, type Facts, judge, split } from "./model.ts";
import { textOf } from "../../../lib/wire/frames.ts";
import { textOfValue, type Value } from "../../../lib/wire/long_value.ts";

/** A low limit, so that connections that are never closed are soon noticed. */
const connectionsMax = 64;
/** How long a server on a busy machine may take to answer an input and close the connection. */
const conversationMsMax = 5_000;
const password = "senha";
const knownValue = "what it was from the start";
/** The reports that bad input may cause, also where the limiter counts several as one line. */
const harmlessReport = /^refused(?:: \d+ more lines? in the last .+, the last one: refused)? /;
const printedLine =
  /^(?:Cliente \S+ (?:PUT|GET) key:|Enviando PUT_OK ao Cliente |Encaminhando PUT key:|REPLICATION key:)\P{Cc}*$/u;

/** The servers at the start of the fuzz. */
export type Kind =
  /** One server, a leader. */
  | "alone"
  /** Three servers in sync. */
  | "cluster"
  /** Two of three servers, so that a third one with the secret may join; clients need a password. */
  | "guarded";

const forwarded = new Set(["PUT", "WRITE", "GET_LATEST"]);

/** A client that sends one GET after the other, without a pause. */
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

  /** Resolves when a GET that was sent after this call is answered. */
  async next(): Promise<void> {
    const enough = this.#answers + 2; // the next answer may be to a GET that was sent before
    await within(
      "the good client gets an answer",
      (async () => {
        while (this.#answers < enough && this.#failure === undefined) await this.#answered.promise;
      })(),
    );
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stops it after the current GET. */
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

/** A write that was sent. */
interface Write {
  readonly key: string;
  /** `null` deletes the key. */
  readonly value: string | null;
  /** Whether the key may be gone again at any time. */
  readonly vanishes: boolean;
}

/** The entries that the table of a server may hold, by what was sent and acknowledged. */
class Expectation {
  /** The acknowledged writes by timestamp. */
  readonly #acknowledged = new Map<number, { key: string; value: string }>();
  /** The keys that may have been deleted or have expired. */
  readonly #vanishing = new Set<string>();
  /** The highest acknowledged timestamp of each key. */
  readonly #newest = new Map<string, number>();
  /** All values that were sent, by key. */
  readonly #sent = new Map<string, Set<string>>();

  sent({ key, value, vanishes }: Write): void {
    if (vanishes) this.#vanishing.add(key);
    if (value === null) return;
    const values = this.#sent.get(key) ?? new Set();
    this.#sent.set(key, values.add(short(value)));
  }

  acknowledged({ key, value }: { key: string; value: string }, timestamp: number): void {
    assert(!this.#acknowledged.has(timestamp), `timestamp ${timestamp} was acknowledged twice`);
    this.#acknowledged.set(timestamp, { key, value: short(value) });
    this.#newest.set(key, Math.max(timestamp, this.#newest.get(key) ?? 0));
  }

  get keys(): Iterable<string> {
    return this.#newest.keys();
  }

  /** Asserts that a GET of the key may return this. */
  assertMayBe(key: string, value: string | null, timestamp: number): void {
    const name = JSON.stringify(key);
    if (value === null && this.#vanishing.has(key)) return;
    if (value === null) return assertStrictEquals(timestamp, 0, `no ${name} yet`);
    const write = this.#acknowledged.get(timestamp);
    if (write === undefined) {
      assert(this.#sent.get(key)?.has(short(value)), `this value was never sent for ${name}`);
    } else {
      assertEquals({ key, value: short(value) }, write);
    }
  }

  /** Asserts that a table may hold this entry for the key. */
  assertHolds(key: string, entry: { value: Value | null; timestamp: number } | undefined): void {
    const value = entry === undefined ? null : textOfValue(entry.value);
    const timestamp = entry?.timestamp ?? 0;
    if (entry === undefined && this.#vanishing.has(key)) return;
    assertLessOrEqual(this.#newest.get(key) ?? 0, timestamp, `${JSON.stringify(key)} is too old`);
    this.assertMayBe(key, value, timestamp);
  }
}

/** The value itself if it is short, otherwise its length and hash, which need less memory. */
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

/** The writes in the lines of a stream. */
function writesIn(lines: readonly string[]): Write[] {
  const writes: Write[] = [];
  for (const line of lines) {
    const verdict = judge(line);
    if (verdict.kind !== "message") continue;
    const { type, key, value, ttlMs } = verdict.message;
    if (type !== "PUT" && type !== "WRITE") continue;
    const vanishes = value === null || ttlMs !== undefined;
    writes.push({ key: key as string, value: value as string | null, vanishes });
  }
  return writes;
}

/** Whether an input changes the entry that the good client reads. Such inputs are not used. */
export function writesKnownKey({ bytes }: Input): boolean {
  return writesIn(split(bytes).lines).some(({ key }) => key === knownKey);
}

/** Whether an input contains what followers forward: its answers come in another order. */
export function isForwarded({ bytes }: Input): boolean {
  return split(bytes).lines.some((line) => {
    const verdict = judge(line);
    return verdict.kind === "message" && forwarded.has(verdict.message.type as string);
  });
}

/** Servers that take any input while a good client reads from them. */
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

  /** Starts one or three servers, and writes the entry that the good client reads. */
  static async start(kind: Kind): Promise<Target> {
    const guarded = kind === "guarded";
    const secrets: Secrets = guarded
      ? { server: Secret.from("segredo"), client: Secret.from(password) }
      : {};
    const complaints: string[] = [];
    const count = kind === "alone" ? 1 : 3;
    const tuning = {
      clusterSize: count,
      minInSync: Math.min(count, 2),
      redialFirstMs: 10,
      logBytesMax: 1024 * 1024,
    };
    // A missing answer must fail the test before the server gives up waiting.
    const limits = {
      connectionsMax,
      connectionsPerIpMax: connectionsMax,
      finishMs: 4 * conversationMsMax,
    };
    const names = [...advertised];
    const start = (leader?: Address) => {
      const options: KvServerOptions = {
        listen: anyPort,
        advertise: parseAddress(names.shift()!)!,
        prints: new ServerConsole((text) => {
          complaints.push(...linesOf(textOf(text)).filter((line) => !printedLine.test(line)));
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
      await eventually("it has left", () => complaints.some((line) => line.includes(" left: ")));
    }
    const client = new KvClient(
      servers.map(({ address }) => address),
      guarded ? { password } : {},
    );
    await client.put(knownKey, knownValue);
    complaints.length = 0;
    return new Target(kind, servers, client, complaints, await Memory.watch());
  }

  /** Sends inputs at the same time, each on a connection of its own, to one server chosen by `number`. */
  async take(inputs: readonly Input[], number: number): Promise<void> {
    const at = number % this.#servers.length;
    const server = this.#servers[at]!;
    const self = server.status.server;
    const facts = { leads: at === 0, guarded: this.#kind === "guarded", self };
    await Promise.all(inputs.map((input) => this.#converse(server.address, input, facts)));
    await this.#good.next();
    this.#memory.look();
    assertEquals(this.#complaints, []);
    for (const input of inputs) {
      for (const { key } of writesIn(split(input.bytes).lines)) {
        this.#expected.assertHolds(key, server.table.get(key));
      }
    }
    if (this.#kind !== "alone") this.#assertUntouched();
  }

  /**
   * Asserts that all connections of the fuzz are closed, memory is within its bounds, all tables are right, and PUTs
   * still work. Returns the figures.
   */
  async finish(): Promise<string> {
    await this.#good.stop();
    for (const [at, { address }] of this.#servers.entries()) {
      // The good client has one connection. A leader has one of each follower, a follower one to its leader.
      const taken = 1 + (at === 0 ? this.#servers.length - 1 : 1);
      await eventually(
        "all connections are closed",
        () => hasRoomFor(address, connectionsMax - taken),
      );
    }
    let keptBytes = 0;
    for (const { table } of this.#servers) {
      for (const [key, { value }] of table.entries()) {
        keptBytes += 2 * (key.length + (value?.length ?? 0));
      }
    }
    const memory = await this.#memory.judge(keptBytes);
    const [leader] = this.#servers;
    for (const [key, entry] of leader!.table.entries()) {
      this.#expected.assertHolds(key, entry);
    }
    for (const key of this.#expected.keys) {
      this.#expected.assertHolds(key, leader!.table.get(key));
    }
    const { timestamp } = await this.#client.put("the last key", "said");
    for (const { table } of this.#servers) {
      const { value, timestamp: at } = table.get("the last key")!;
      assertEquals({ value, at }, { value: "said", at: timestamp });
    }
    if (this.#kind !== "alone") assertStrictEquals(timestamp, 2);
    const slowestMs = Math.round(this.#good.slowestMs);
    return `the slowest GET of the good client took ${slowestMs} ms; ${memory}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#good.stop().catch(() => {}); // reported before
    await this.#client.close();
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #assertUntouched(): void {
    for (const { table } of this.#servers) {
      assertStrictEquals(table.size, 1);
      const { value, timestamp } = table.get(knownKey)!;
      assertEquals({ value, timestamp }, { value: knownValue, timestamp: 1 });
    }
  }

  /** Sends an input and checks every answer. */
  async #converse(address: Address, input: Input, facts: Facts): Promise<void> {
    const stream = split(input.bytes, facts.guarded ? unprovenFrameBytesMax : frameBytesMax);
    if (!facts.guarded) {
      for (const write of writesIn(stream.lines)) this.#expected.sent(write);
    }
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
    const { due, ends, observes, watches } = answersTo(stream, facts);
    if (watches) {
      for (const one of received) assertStrictEquals(judge(JSON.stringify(one)).kind, "message");
      return;
    }
    // EVENTS come at any time. The first may be replaced by the error that there are too many observers.
    const isForObserver = ({ type, message }: Message) =>
      type === "EVENTS" || type === "ERROR" && / observers already$/.test(message as string);
    const events = received.filter(isForObserver);
    const replies = received.filter((reply) => !isForObserver(reply));
    for (const one of events) assertStrictEquals(judge(JSON.stringify(one)).kind, "message");
    if (!wasCut) assertStrictEquals(events.length > 0, observes, JSON.stringify(received));
    // Only a sender that goes on after a fatal error may lose answers, and only the last ones.
    if (!wasCut || !ends) assertStrictEquals(replies.length, due.length, JSON.stringify(replies));
    for (const [n, reply] of replies.entries()) {
      const answer = due[n]!;
      assertStrictEquals(complaint(answer, reply), undefined);
      const { type, key, value, timestamp } = reply as unknown as Answer;
      const written = answer.type === "PUT_OK" || type === "WRITE_OK";
      if (written && (answer as { request: Message }).request.value !== null) {
        const { value } = (answer as { request: Message }).request;
        this.#expected.acknowledged({ key, value: value as string }, timestamp);
      } else if (type === "GET_OK" || type === "CONFLICT") {
        this.#expected.assertMayBe(key, value, timestamp);
      }
    }
  }
}

/** Sends the chunks of an input, then the end. Returns whether the server had closed before. */
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

/** Whether a server takes `count` more connections. */
async function hasRoomFor(address: Address, count: number): Promise<boolean> {
  await using wires = new AsyncDisposableStack();
  const replies = Array.from({ length: count }, async () => {
    const wire = wires.use(await Wire.connect(address));
    return await wire.ask({ type: "STATUS", id: 0 });
  });
  return (await Promise.all(replies)).every(({ code }) => code !== "OVERLOADED");
}
