/**
 * A member of etcd that lies. `tests/etcd/http_test.ts` has the tests of lengths, encodings and
 * certificates, `tests/etcd/engine_test.ts` those of tokens, redirects and lost data, and
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
import type { WatchLine } from "../../../lib/etcd/protocol.ts";
import { timestampMax } from "../../../lib/limits.ts";
import { FakeEtcd, type FakeMember } from "../../support/fake_etcd.ts";
import { anyPort, freePorts } from "../../support/ports.ts";
import { commandOf } from "../../support/tasks.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

const soonMs = 5_000;
/** Longer than any watch here takes. */
const watchMsMax = 30_000;
const json = { "Content-Type": "application/json" };
const gateway = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

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

/** An entry as the gateway sends it. */
function kv(key: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { key: btoa(key), value: btoa("azul"), mod_revision: "5", version: "1", ...more };
}

Deno.test("control: an entry of the key that was asked for is taken", async () => {
  await using stack = new AsyncDisposableStack();
  const { member, client } = setUp(stack);
  member.interfere = ({ path }) =>
    path === "kv/range" ? Response.json({ header: member.header, kvs: [kv("kv/cor")] }) : undefined;
  assertEquals((await client.get("cor", soonMs))?.value, "azul");
});

for (
  const [what, kvs] of [
    ["another key", [kv("kv/other")]],
    ["a key outside the prefix", [kv("cor")]],
    ["a key of another prefix", [kv("kv2/cor")]],
    ["two keys", [kv("kv/cor"), kv("kv/other")]],
    ["a key that is not base64", [kv("kv/cor", { key: "***" })]],
    ["a key that is not text", [kv("kv/cor", { key: btoa("\xff\xfe") })]],
    ["an entry without a revision", [kv("kv/cor", { mod_revision: undefined })]],
    ["an entry of revision 0", [kv("kv/cor", { mod_revision: "0" })]],
    ["a negative revision", [kv("kv/cor", { mod_revision: "-1" })]],
    ["a revision that is no number", [kv("kv/cor", { mod_revision: "1e999" })]],
    ["a revision above every timestamp", [kv("kv/cor", { mod_revision: `${timestampMax + 2}` })]],
    ["something that is no entry", ["kv/cor"]],
    ["an object in place of the list", { 0: kv("kv/cor") }],
  ] as const
) {
  Deno.test(`an answer to a GET with ${what} is an error and no value`, async () => {
    await using stack = new AsyncDisposableStack();
    const { member, client } = setUp(stack);
    member.interfere = ({ path }) =>
      path === "kv/range" ? Response.json({ header: member.header, kvs }) : undefined;
    const error = await assertRejects(() => client.get("cor", soonMs), EtcdError);
    assertEquals(error.kind, "unexpected");
  });
}

for (const revision of [undefined, "0", "-1", "x", `${timestampMax + 2}`, "1.5"]) {
  Deno.test(`an answer to a PUT with the revision ${revision} is an error of unknown outcome`, async () => {
    await using stack = new AsyncDisposableStack();
    const { member, client } = setUp(stack);
    member.interfere = ({ path }) =>
      path === "kv/put" ? Response.json({ header: { ...member.header, revision } }) : undefined;
    const error = await assertRejects(() => client.put("cor", "azul", soonMs), EtcdError);
    assertEquals([error.kind, error.notApplied], ["unexpected", false]);
  });
}

Deno.test("an answer of another cluster is an error", async () => {
  await using stack = new AsyncDisposableStack();
  const { member, client, etcd } = setUp(stack);
  client.pin(BigInt(etcd.cluster).toString(16));
  assertEquals(await client.get("cor", soonMs), undefined);
  member.interfere = ({ path }) =>
    path.startsWith("kv/")
      ? Response.json({ header: { ...member.header, cluster_id: "999" }, kvs: [kv("kv/cor")] })
      : undefined;
  const error = await assertRejects(() => client.get("cor", soonMs), EtcdError);
  assertEquals(error.kind, "other data");
});

/** The lines of a watch on a member that sends this; an error ends it. */
async function watched(url: string): Promise<{ lines: WatchLine[]; error?: Error }> {
  using client = clientOf(url);
  const lines: WatchLine[] = [];
  try {
    for await (const line of client.watch(1, soonMs, AbortSignal.timeout(watchMsMax))) {
      lines.push(line);
    }
  } catch (error) {
    return { lines, error: error as Error };
  }
  return { lines };
}

Deno.test("a line of a watch without an end is not read beyond the limit", async () => {
  const chunk = `100000\r\n${"y".repeat(1024 * 1024)}\r\n`;
  await using sender = new Sender(`${gateway}Transfer-Encoding: chunked\r\n\r\n`, chunk);
  const { error } = await watched(sender.url);
  assertStringIncludes(`${error}`, "a line of etcd's watch is longer than 16777216 characters");
  assertLess(sender.sent, 128 * 1024 * 1024);
});

for (const encoding of ["gzip", "deflate", "br", "x-unknown"]) {
  Deno.test(`a watch in ${encoding} is refused unread`, async () => {
    const zeros = new Blob([new Uint8Array(64 * 1024 * 1024)]).stream()
      .pipeThrough(new CompressionStream("gzip"));
    const bomb = await new Response(zeros).bytes();
    assertLess(bomb.length, 1024 * 1024);
    await using member = Deno.serve(
      { ...anyPort, onListen: () => {} },
      () => new Response(bomb, { headers: { ...json, "Content-Encoding": encoding } }),
    );
    const before = Deno.memoryUsage().rss;
    const { error } = await watched(`http://127.0.0.1:${member.addr.port}`);
    assertStringIncludes(`${error}`, "Content-Encoding");
    assertLess(Deno.memoryUsage().rss - before, 48 * 1024 * 1024);
  });
}

Deno.test("events of keys outside the prefix are not taken for the store's", async () => {
  const events = ["cor", "kv2/cor", "k", "kv/", "kv/cor"].map((key) => ({ kv: kv(key) }));
  const header = { cluster_id: "1", member_id: "2", revision: "5" };
  const line = `${JSON.stringify({ result: { header, events } })}\n`;
  await using sender = new Sender(`${gateway}Content-Length: ${line.length}\r\n\r\n${line}`);
  const { lines } = await watched(sender.url);
  const taken = lines.flatMap((one) => one.kind === "events" ? one.events : []);
  assertEquals(taken.map(({ key }) => key), ["cor"]);
});

for (
  const [what, text] of [
    ["no revision", { kv: { key: btoa("kv/cor") } }],
    ["a revision above every timestamp", {
      kv: kv("kv/cor", { mod_revision: `${timestampMax + 2}` }),
    }],
    ["no entry", {}],
  ] as const
) {
  Deno.test(`an event of a watch with ${what} ends the watch with an error`, async () => {
    const header = { cluster_id: "1", member_id: "2", revision: "5" };
    const line = `${JSON.stringify({ result: { header, events: [text] } })}\n`;
    await using sender = new Sender(`${gateway}Content-Length: ${line.length}\r\n\r\n${line}`);
    const { lines, error } = await watched(sender.url);
    assertEquals(lines, []);
    assert(error instanceof EtcdError && error.kind === "unexpected", `${error}`);
  });
}

Deno.test("a second answer that was not asked for is not the answer to the next request", async () => {
  const header = { cluster_id: "1", member_id: "2", revision: "9" };
  const answer = (value: string) => {
    const body = JSON.stringify({ header, kvs: [kv("kv/cor", { value: btoa(value) })] });
    return `${gateway}Content-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n${body}`;
  };
  await using sender = new Sender(answer("first") + answer("forged"));
  using client = clientOf(sender.url);
  assertEquals((await client.get("cor", soonMs))?.value, "first");
  const second = await client.get("cor", 1_000).catch(() => undefined);
  assert(second?.value !== "forged", `${second?.value}`);
});

for (
  const [what, answer] of [
    ["comes byte by byte", [`${gateway}Content-Length: 1000000\r\n\r\n`, " "]],
    ["is only a start", [`${gateway}Content-Length: 1000000\r\n\r\n{`, ""]],
    ["is announced again and again", ["", "HTTP/1.1 100 Continue\r\n\r\n"]],
    ["never begins", ["", ""]],
  ] as const
) {
  Deno.test(`an answer that ${what} ends with the time of the request`, async () => {
    const [first, repeated] = answer;
    await using sender = new Sender(first, repeated);
    using client = clientOf(sender.url);
    const startMs = performance.now();
    const error = await assertRejects(() => client.get("cor", 500), EtcdError);
    assertEquals(error.notApplied, false);
    assertLess(performance.now() - startMs, soonMs);
  });
}

Deno.test("a redirect is not followed, and neither password nor token go there", async () => {
  await using other = new Sender("");
  await using stack = new AsyncDisposableStack();
  const { member, etcd } = setUp(stack);
  for (const status of [301, 302, 303, 307, 308]) {
    for (const path of ["auth/authenticate", "kv/range"]) {
      member.interfere = (request) =>
        request.path === path
          ? new Response(null, { status, headers: { Location: `${other.url}/v3/${path}` } })
          : undefined;
      using client = new EtcdClient({ url: etcd.url, prefix: "kv/", login: etcd.login! });
      await assertRejects(() => client.get("cor", soonMs), EtcdError);
    }
  }
  assertEquals([other.accepted, other.received], [0, ""]);
});

Deno.test("an echo of the token in a watch is not quoted", async () => {
  await using stack = new AsyncDisposableStack();
  const { member, client } = setUp(stack);
  const lines: WatchLine[] = [];
  const echo = (text: string) =>
    new Response(`${JSON.stringify({ error: { message: `you said: ${text}` } })}\n`, {
      headers: json,
    });
  for (const text of ["token", "sesame-42", "nothing secret"]) {
    member.interfere = ({ path, token }) =>
      path === "watch" ? echo(text === "token" ? token! : text) : undefined;
    for await (const line of client.watch(1, soonMs, AbortSignal.timeout(watchMsMax))) {
      lines.push(line);
    }
  }
  const said = lines.map((line) => line.kind === "failed" ? line.error.message : line.kind);
  assertEquals(said.length, 3);
  for (const one of said.slice(0, 2)) assertNotMatch(one, /token\.|sesame/);
  assertStringIncludes(said[2]!, "nothing secret");
});

Deno.test("a member that lies about one key makes that GET fail, and the server goes on", async () => {
  await using etcd = new FakeEtcd();
  const [member] = etcd.members as [FakeMember];
  const engine = EtcdEngine.at({ url: etcd.url, prefix: "kv/" });
  await using server = new TestServer(anyPort, undefined, {}, {}, { engine });
  await server.ready();
  using wire = await Wire.connect(server.address);
  assertEquals((await wire.ask({ type: "PUT", id: 1, key: "cor", value: "azul" })).type, "PUT_OK");
  const get = { type: "GET", id: 2, key: "cor", timestamp: 0 };
  member.interfere = ({ path, body }) =>
    path === "kv/range" && body.count_only !== true
      ? Response.json({ header: member.header, kvs: [kv("kv/other")] })
      : undefined;
  const { type, code, value } = await wire.ask(get);
  assertEquals([type, code, value], ["ERROR", "UNAVAILABLE", undefined]);
  member.interfere = () => undefined;
  assertEquals((await wire.ask(get)).value, "azul");
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
    new Response(`no: ${JSON.stringify(body)} ${token} the-user-of-etcd`, { status: 500 });
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
