/**
 * A member of etcd that lies. `tests/etcd/grpc_suite.ts` has the tests of lengths and
 * certificates, `tests/etcd/engine_suite.ts` those of tokens, redirects and lost data, and
 * `tests/suites/processes/etcd.ts` those of proxies and of the environment.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertLess,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { EtcdClient } from "../../../lib/etcd/client.ts";
import { EtcdEngine } from "../../../lib/etcd/engine.ts";
import { EtcdError } from "../../../lib/etcd/errors.ts";
import { bytes, id, int, message } from "../../../lib/etcd/protobuf.ts";
import type { WatchLine } from "../../../lib/etcd/protocol.ts";
import { timestampMax } from "../../../lib/limits.ts";
import {
  type EtcdAnswer,
  etcdError,
  FakeEtcd,
  type FakeMember,
  type Interfere,
} from "../../support/fake_etcd.ts";
import { anyPort, freePorts } from "../../support/ports.ts";
import { commandOf } from "../../support/tasks.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

const soonMs = 5_000;
/** Longer than any watch here takes. */
const watchMsMax = 30_000;
/** A fake etcd, its member, and a client of it with a login. */
function setUp(
  stack: AsyncDisposableStack,
): { member: FakeMember; client: EtcdClient; etcd: FakeEtcd } {
  const etcd = stack.use(new FakeEtcd());
  const login = etcd.login = { user: "app", password: "sesame-42" };
  const client = stack.use(new EtcdClient({ url: etcd.url, prefix: "kv/", login }));
  return { member: etcd.members[0]!, client, etcd };
}

/** A server that sends an answer of the test's choice on each connection, again and again if asked. */
class Sender implements AsyncDisposable {
  readonly url: string;
  sent = 0;
  accepted = 0;
  received = "";
  readonly #listener = Deno.listen({ ...anyPort });
  readonly #tasks: Promise<void>[] = [];

  constructor(first: string, repeated = "") {
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#tasks.push(this.#accept(first, repeated));
  }

  async #accept(first: string, repeated: string): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        this.accepted++;
        this.#tasks.push(this.#serve(conn, first, repeated));
      }
    } catch { // closed
    }
  }

  async #serve(conn: Deno.Conn, first: string, repeated: string): Promise<void> {
    const bytesMax = 256 * 1024 * 1024;
    const buffer = new Uint8Array(64 * 1024);
    const encoder = new TextEncoder();
    try {
      const count = await conn.read(buffer);
      this.received += new TextDecoder().decode(buffer.subarray(0, count ?? 0));
      await write(conn, encoder.encode(first));
      const again = encoder.encode(repeated);
      while (again.length > 0 && this.sent < bytesMax) {
        await write(conn, again);
        this.sent += again.length;
      }
      while (await conn.read(buffer) !== null);
    } catch { // the other end has closed
    }
    conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Promise.all(this.#tasks);
  }
}

async function write(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

function clientOf(url: string): EtcdClient {
  return new EtcdClient({ url, prefix: "kv/" });
}

const [cluster, someMember] = [id(1, 1234567890123456789n), id(2, 1_000n)];
const header = bytes(1, message(cluster, someMember, int(3, 5)));

/** A `KeyValue` with these fields in place of the usual ones. */
function kv(key: string | Uint8Array, ...more: Uint8Array[]): Uint8Array {
  return message(bytes(1, key), bytes(5, "azul"), ...(more.length > 0 ? more : [int(3, 5)]));
}

/** Answers of a member to the reads of a key. */
const answering = (...fields: Uint8Array[]): Interfere => ({ path }) =>
  path === "KV/Range" ? { message: message(header, ...fields) } : undefined;

Deno.test("control: an entry of the key that was asked for is taken", async () => {
  await using stack = new AsyncDisposableStack();
  const { member, client } = setUp(stack);
  member.interfere = answering(bytes(2, kv("kv/cor")));
  assertEquals((await client.latest("cor", soonMs)).entry?.value, "azul");
});

for (
  const [what, ...fields] of [
    ["another key", bytes(2, kv("kv/other"))],
    ["a key outside the prefix", bytes(2, kv("cor"))],
    ["a key of another prefix", bytes(2, kv("kv2/cor"))],
    ["two keys", bytes(2, kv("kv/cor")), bytes(2, kv("kv/other"))],
    ["a key that is not text", bytes(2, kv(Uint8Array.of(0xff, 0xfe)))],
    ["an entry without a revision", bytes(2, message(bytes(1, "kv/cor"), bytes(5, "azul")))],
    ["a negative revision", bytes(2, kv("kv/cor", id(3, -1n)))],
    ["a revision that is no number", bytes(2, kv("kv/cor", bytes(3, "x")))],
    ["a revision above every timestamp", bytes(2, kv("kv/cor", id(3, BigInt(timestampMax) + 2n)))],
    ["something that is no entry", bytes(2, Uint8Array.of(0xff))],
    ["a number in place of the entry", int(2, 7)],
    ["a length beyond the end", Uint8Array.of(18, 120, 1)],
    ["a length without an end", Uint8Array.of(18, ...new Array(11).fill(0xff))],
    ["a field of a type that is not used", Uint8Array.of(19)],
  ] as const
) {
  Deno.test(`an answer to a read with ${what} is an error and no value`, async () => {
    await using stack = new AsyncDisposableStack();
    const { member, client } = setUp(stack);
    member.interfere = answering(...fields);
    const error = await assertRejects(() => client.latest("cor", soonMs), EtcdError);
    assertEquals(error.kind, "unexpected");
  });
}

for (const field of [[], [id(3, -1n)], [bytes(3, "x")], [id(3, BigInt(timestampMax) + 2n)]]) {
  Deno.test(`an answer to a PUT with the revision ${field} is an error of unknown outcome`, async () => {
    await using stack = new AsyncDisposableStack();
    const { member, client } = setUp(stack);
    const answer = { message: bytes(1, message(cluster, someMember, ...field)) };
    member.interfere = ({ path }) => path === "KV/Put" ? answer : undefined;
    const error = await assertRejects(
      () => client.write({ key: "cor", value: "azul" }, soonMs),
      EtcdError,
    );
    assertEquals([error.kind, error.notApplied], ["unexpected", false]);
  });
}

Deno.test("an answer of another cluster is an error", async () => {
  await using stack = new AsyncDisposableStack();
  const { member, client, etcd } = setUp(stack);
  client.pin(etcd.cluster.toString(16));
  assertEquals((await client.latest("cor", soonMs)).entry, undefined);
  const other = bytes(1, message(id(1, 999n), someMember, int(3, 5)));
  member.interfere = ({ path }) =>
    path === "KV/Range" ? { message: message(other, bytes(2, kv("kv/cor"))) } : undefined;
  const error = await assertRejects(() => client.latest("cor", soonMs), EtcdError);
  assertEquals(error.kind, "other data");
});

/** The messages of a watch on a member that sends this; an error ends it. */
async function watched(answer: EtcdAnswer): Promise<{ lines: WatchLine[]; error?: Error }> {
  await using stack = new AsyncDisposableStack();
  const { member, client } = setUp(stack);
  member.interfere = ({ path }) => path === "Watch/Watch" ? answer : undefined;
  const lines: WatchLine[] = [];
  try {
    const signal = AbortSignal.timeout(watchMsMax);
    await client.watch(() => 1, soonMs, signal, (line) => lines.push(line));
  } catch (error) {
    return { lines, error: error as Error };
  }
  return { lines };
}

Deno.test("a message of a watch that is too long is not read", async () => {
  const head = new Uint8Array(5);
  new DataView(head.buffer).setUint32(1, 2 ** 31);
  const { error } = await watched({ raw: message(head, new Uint8Array(1024 * 1024)) });
  assertStringIncludes(`${error}`, "longer than 16777216 bytes");
});

Deno.test("a compressed message of a watch is refused unread", async () => {
  const { error } = await watched({ raw: Uint8Array.of(1, 0, 0, 0, 1, 0) });
  assertStringIncludes(`${error}`, "a compressed message");
});

Deno.test("events of keys outside the prefix are not taken for the store's", async () => {
  const keys = ["cor", "kv2/cor", "k", "kv/cor"];
  const events = keys.map((key) => bytes(11, bytes(2, kv(key))));
  const { lines } = await watched({ message: message(header, ...events) });
  const taken = lines.flatMap((one) => one.kind === "events" ? one.events : []);
  assertEquals(taken.map(({ key }) => key), ["cor"]);
});

for (
  const [what, event] of [
    ["no revision", bytes(2, message(bytes(1, "kv/cor")))],
    ["a revision above every timestamp", bytes(2, kv("kv/cor", id(3, BigInt(timestampMax) + 2n)))],
    ["half an entry", bytes(2, Uint8Array.of(10, 9, 1))],
  ] as const
) {
  Deno.test(`an event of a watch with ${what} ends the watch with an error`, async () => {
    const { lines, error } = await watched({ message: message(header, bytes(11, event)) });
    assertEquals(lines, []);
    assert(error instanceof EtcdError && error.kind === "unexpected", `${error}`);
  });
}

for (
  const [what, first, repeated] of [
    ["is not HTTP/2 and has no end", "", "y".repeat(64 * 1024)],
    ["is only a start", "HTTP/1.1 200 OK\r\n", ""],
    ["never begins", "", ""],
  ] as const
) {
  Deno.test(`an answer that ${what} ends with the time of the request`, async () => {
    await using sender = new Sender(first, repeated);
    using client = clientOf(sender.url);
    const startMs = performance.now();
    await assertRejects(() => client.latest("cor", 500), EtcdError);
    assertLess(performance.now() - startMs, soonMs);
    assertLess(sender.sent, 64 * 1024 * 1024);
  });
}

Deno.test("an echo of the token in a watch is not quoted", async () => {
  for (const [echo, quoted] of [["sesame-42", false], ["nothing secret", true]] as const) {
    const { error } = await watched({ error: `you said: ${echo}`, code: 3 });
    assertEquals(`${error}`.includes(echo), quoted, `${error}`);
  }
  await using stack = new AsyncDisposableStack();
  const { member, client } = setUp(stack);
  member.interfere = ({ path, token }) =>
    path === "Watch/Watch" ? { error: `you said: ${token}`, code: 3 } : undefined;
  const signal = AbortSignal.timeout(watchMsMax);
  const error = await assertRejects(
    () => client.watch(() => 1, soonMs, signal, () => {}),
    EtcdError,
  );
  assertNotMatch(error.message, /token\./);
});

Deno.test("a member that lies in a watch is lost, and the server goes on with what it had", async () => {
  await using etcd = new FakeEtcd();
  const [member] = etcd.members as [FakeMember];
  const engine = EtcdEngine.at({ url: etcd.url, prefix: "kv/" });
  await using server = new TestServer(anyPort, undefined, {}, {}, { engine });
  await server.reported("answers, cluster");
  using wire = await Wire.connect(server.address);
  assertEquals((await wire.ask({ type: "PUT", id: 1, key: "cor", value: "azul" })).type, "PUT_OK");
  member.sendRaw(message(header, bytes(11, bytes(2, message(bytes(1, "kv/cor"))))));
  await server.reported("is lost, trying again: not an answer of etcd");
  const get = { type: "GET", id: 2, key: "cor", timestamp: 0 };
  assertEquals((await wire.ask(get)).value, "azul");
  await server.reported(", after ");
  assertEquals((await wire.ask({ type: "PUT", id: 3, key: "cor", value: "rosa" })).type, "PUT_OK");
});

Deno.test("user, password and token of etcd are in no output, argument or message of the server", async () => {
  await using etcd = new FakeEtcd();
  etcd.login = { user: "the-user-of-etcd", password: "sesame-42" };
  const [member] = etcd.members as [FakeMember];
  const [port, metricsPort] = freePorts(2) as [number, number];
  const { args, env } = await commandOf("server:etcd");
  const flags = [`--etcd=${etcd.url}`, "--ip=127.0.0.1", `--port=${port}`];
  await using server = Process.deno([...args, ...flags, `--metrics-port=${metricsPort}`], {
    env: { ...env, KV_ETCD_USER: "the-user-of-etcd", KV_ETCD_PASSWORD: "sesame-42" },
    out: "keep",
  });
  await server.reports("answers, cluster");
  using wire = await Wire.connect({ hostname: "127.0.0.1", port });
  const seen: unknown[] = [];
  const ask = async (message: Record<string, unknown>) => void seen.push(await wire.ask(message));
  await ask({ type: "PUT", id: 1, key: "cor", value: "azul" });
  await ask({ type: "STATUS", id: 2 });
  // Now it gets its own requests as errors.
  member.interfere = ({ body, token }) =>
    etcdError(`no: ${new TextDecoder().decode(body.bytes(2))} ${token} the-user-of-etcd`, 2);
  await ask({ type: "PUT", id: 3, key: "cor", value: "verde" });
  await ask({ type: "GET", id: 4, key: "cor", timestamp: 0 });
  member.breakWatches();
  const before = server.errors.length;
  await eventually("it reports the loss", () => server.errors.length > before);
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const { stdout } = await new Deno.Command("ps", {
    args: ["-ww", "-o", "args=", "-p", `${server.pid}`],
  })
    .output();
  await server.stop();
  const all = [
    server.screen,
    server.errors,
    metrics,
    JSON.stringify(seen),
    new TextDecoder().decode(stdout),
  ];
  assertStringIncludes(all.join(), "azul");
  for (const text of all) assertNotMatch(text, /sesame-42|token\.\d|the-user-of-etcd/);
});
