/** The connections to etcd: what is refused, what is sent, and how much is read. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { EtcdClient } from "../../lib/etcd/client.ts";
import { EtcdEngine } from "../../lib/etcd/engine.ts";
import { EtcdError } from "../../lib/etcd/errors.ts";
import type { EtcdOptions } from "../../lib/etcd/options.ts";
import { framed, Frames } from "../../lib/etcd/grpc_frames.ts";
import { message } from "../../lib/etcd/protobuf.ts";
import { etcdError, FakeEtcd } from "../support/fake_etcd.ts";
import { anyPort } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";
import {
  ca,
  elsewhere,
  expired,
  otherCa,
  selfSigned,
  server as certificate,
  stranger,
  version1,
} from "../support/tls_fixture.ts";

/** Longer than any request needs, even on a busy machine. */
const soonMs = 5_000;

/** A server that sends bytes of the test's choice, and remembers what it reads. */
class RawServer implements AsyncDisposable {
  readonly port: number;
  /** All that was received. */
  received = "";
  /** The bytes that were sent. */
  sent = 0;
  readonly #listener: Deno.Listener<Deno.Conn>;
  readonly #tasks: Promise<void>[] = [];

  /** Sends `answer` on each connection once something has come; then closes it, if there is one. */
  constructor(answer: Uint8Array<ArrayBuffer>[] | undefined, tls?: { cert: string; key: string }) {
    const listener = tls === undefined
      ? Deno.listen({ ...anyPort })
      : Deno.listenTls({ ...anyPort, ...tls });
    this.#listener = listener;
    this.port = (listener.addr as Deno.NetAddr).port;
    this.#tasks.push(this.#accept(answer));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async #accept(answer: Uint8Array<ArrayBuffer>[] | undefined): Promise<void> {
    try {
      for await (const conn of this.#listener) this.#tasks.push(this.#serve(conn, answer));
    } catch {
      // The listener is closed.
    }
  }

  async #serve(conn: Deno.Conn, answer: Uint8Array<ArrayBuffer>[] | undefined): Promise<void> {
    const bytes = new Uint8Array(64 * 1024);
    try {
      while (true) {
        const count = await conn.read(bytes);
        if (count === null) break;
        this.received += new TextDecoder().decode(bytes.subarray(0, count));
        if (answer === undefined) continue;
        for (const part of answer) {
          for (let sent = 0; sent < part.length;) {
            const count = await conn.write(part.subarray(sent));
            sent += count;
            this.sent += count;
          }
        }
        break;
      }
    } catch {
      // The other end has closed the connection.
    }
    conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Promise.all(this.#tasks);
  }
}

function clientOf(url: string, options: Partial<EtcdOptions> = {}): EtcdClient {
  return new EtcdClient({ url, prefix: "kv/", ...options });
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const write = { key: "cor", value: "azul" };

/** The start of a frame whose message has this length. */
function frameHead(length: number, flag = 0): Uint8Array {
  const head = new Uint8Array(5);
  head[0] = flag;
  new DataView(head.buffer).setUint32(1, length);
  return head;
}

for (
  const [what, raw, text] of [
    ["that says it is long", frameHead(2 ** 31), "is longer than 4194304 bytes"],
    ["that is long", message(frameHead(2 ** 23), new Uint8Array(2 ** 23)), "is longer than"],
    ["that is compressed", message(frameHead(3, 1), bytesOf("abc")), "a compressed message"],
    ["that is cut off", message(frameHead(9), bytesOf("abc")), "no message"],
  ] as const
) {
  Deno.test(`an answer ${what} is not taken`, async () => {
    await using etcd = new FakeEtcd();
    etcd.members[0]!.interfere = () => ({ raw });
    using client = clientOf(etcd.url);
    const error = await assertRejects(() => client.latest("cor", soonMs), EtcdError);
    assertStringIncludes(error.message, text);
    assertEquals(error.notApplied, false);
  });
}

Deno.test("a message that comes in many pieces is the same", () => {
  const frames = new Frames(1_000);
  const contents = [bytesOf("a"), new Uint8Array(), bytesOf("x".repeat(1_000)), bytesOf("b")];
  const all = message(...contents.map(framed));
  for (const size of [1, 2, 5, 7, 100, all.length]) {
    const taken: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += size) {
      frames.push(all.subarray(at, at + size));
      for (let one = frames.take(); one !== undefined; one = frames.take()) taken.push(one);
    }
    assertEquals(taken.map((one) => [...one]), contents.map((one) => [...one]), `${size}`);
  }
});

Deno.test("a PUT that times out is sent once, and the connection goes on", async () => {
  await using etcd = new FakeEtcd();
  const [member] = etcd.members;
  using client = clientOf(etcd.url);
  await client.latest("cor", soonMs);
  member!.interfere = ({ path }) => path === "KV/Put" ? member!.hang() : undefined;
  const error = await assertRejects(() => client.write(write, 30), EtcdError);
  assertEquals([error.kind, error.notApplied], ["no answer", false]);
  await client.latest("cor", soonMs);
  assertEquals([member!.asked("KV/Put"), member!.connected], [1, 1]);
  // A login or a lease may have used all the time up.
  const late = await assertRejects(() => client.write(write, 0), EtcdError);
  assertEquals([late.kind, late.notApplied], ["no answer", true]);
  await client.latest("cor", soonMs);
  assertEquals(member!.asked("KV/Put"), 1);
});

Deno.test("an echo of the password or the token is not quoted", async () => {
  await using etcd = new FakeEtcd();
  const login = etcd.login = { user: "app", password: 'se"same' };
  const [member] = etcd.members;
  const echo = (text: string) => etcdError(`you said: ${text}`, 3);
  using client = clientOf(etcd.url, { login });
  member!.interfere = ({ body }) => echo(new TextDecoder().decode(body.bytes(2)));
  const first = await assertRejects(() => client.latest("cor", soonMs), EtcdError);
  member!.interfere = () => undefined;
  await client.latest("cor", soonMs);
  member!.interfere = ({ token }) => echo(token!);
  const second = await assertRejects(() => client.latest("cor", soonMs), EtcdError);
  member!.interfere = () => echo("nothing secret");
  const third = await assertRejects(() => client.latest("cor", soonMs), EtcdError);
  assertEquals([first, second, third].map(({ message }) => message), [
    "cannot log in to etcd: not an answer of etcd: it repeats the request",
    "not an answer of etcd: it repeats the request",
    "you said: nothing secret",
  ]);
  etcd.login.password = "permission";
  using other = clientOf(etcd.url, { login: etcd.login });
  member!.interfere = ({ path }) =>
    path === "KV/Range" ? etcdError("etcdserver: permission denied", 7) : undefined;
  const known = await assertRejects(() => other.latest("cor", soonMs), EtcdError);
  assertEquals([known.kind, known.message], ["denied", "etcdserver: permission denied"]);
});

Deno.test("all requests use one connection, and a new one after it was lost", async () => {
  await using etcd = new FakeEtcd();
  const [member] = etcd.members;
  using client = clientOf(etcd.url);
  const all = Array.from(
    { length: 100 },
    (_, n) => client.write({ ...write, key: `k${n}` }, soonMs),
  );
  const outcomes = await Promise.all(all);
  assertEquals(new Set(outcomes.map(({ revision }) => revision)).size, 100);
  assertEquals(member!.connected, 1);
  await member!.stop();
  const error = await assertRejects(() => client.write(write, soonMs), EtcdError);
  assertEquals([error.kind, error.notApplied], ["unreachable", true]);
  member!.start();
  await eventually("it listens", () => client.write(write, soonMs).then(() => true, () => false));
  assertEquals(member!.connected, 1);
});

Deno.test("a program that does not speak HTTP/2 is not taken for etcd", async () => {
  await using server = new RawServer([bytesOf("HTTP/1.1 400 Bad Request\r\n\r\n")]);
  using client = clientOf(server.url);
  const error = await assertRejects(() => client.write(write, soonMs), EtcdError);
  assertEquals(error.kind === "no answer" || error.kind === "unreachable", true, error.message);
});

// TLS

for (
  const [what, shown, trusted] of [
    ["of another CA", stranger, ca],
    ["signed by itself", selfSigned, ca],
    ["that has expired", expired, ca],
    ["for another address", elsewhere, ca],
    ["of a CA that is not the given one", certificate, otherCa],
    ["while no CA is given", certificate, undefined],
  ] as const
) {
  Deno.test(`a member with a certificate ${what} gets nothing, and the error says so`, async () => {
    await using server = new RawServer(undefined, shown);
    using client = clientOf(`https://127.0.0.1:${server.port}`, {
      login: { user: "app", password: "sesame" },
      tls: { ca: trusted },
    });
    const error = await assertRejects(() => client.write(write, soonMs), EtcdError);
    assertEquals([error.kind, error.notApplied], ["untrusted", true], error.message);
    assertEquals(server.received, "");
  });
}

Deno.test("a member that shows the certificate of a CA among others is trusted", async () => {
  await using server = new RawServer([bytesOf("not HTTP/2")], certificate);
  using client = clientOf(`https://127.0.0.1:${server.port}`, { tls: { ca: `${otherCa}\n${ca}` } });
  const error = await assertRejects(() => client.write(write, soonMs), EtcdError);
  assert(error.kind !== "untrusted", error.message);
  assertStringIncludes(server.received, "PRI * HTTP/2.0");
});

Deno.test("a PUT is not applied if no connection is ready in its time", async () => {
  await using server = new RawServer(undefined); // it never answers the handshake
  using client = clientOf(`https://127.0.0.1:${server.port}`);
  const error = await assertRejects(() => client.write(write, 30), EtcdError);
  assertEquals([error.kind, error.notApplied], ["unreachable", true]);
  assertStringIncludes(error.message, "no connection within 30 ms");
});

// Options

const options = { url: "http://127.0.0.1:2379", prefix: "kv/" };

Deno.test("wrong options are refused at once, and no message repeats a password", async () => {
  await using etcd = new FakeEtcd();
  EtcdEngine.at({ ...options, url: `${etcd.url}/` });
  for (
    const url of [
      ...["http://app:sesame@127.0.0.1:2379", "http://127.0.0.1:2379/sesame", "sesame", ""],
      ...["http://127.0.0.1:2379?sesame", "http://127.0.0.1:2379/#sesame", "ftp://127.0.0.1"],
      ...["http://app:se%40sesame@127.0.0.1", "http://app:sesame%40127.0.0.1", "localhost:2379"],
    ]
  ) {
    const { message } = assertThrows(() => EtcdEngine.at({ ...options, url }), TypeError);
    assertStringIncludes(message, "The URL of etcd must be http://host:port");
    assert(!message.includes("sesame"), message);
  }
  for (const prefix of ["", "é".repeat(129), "\ud800"]) {
    const { message } = assertThrows(() => EtcdEngine.at({ ...options, prefix }), TypeError);
    assertStringIncludes(message, "The prefix of the keys in etcd must be text of 1 to 256 bytes");
  }
  for (
    const [tls, text] of [
      [{ ca: "no PEM" }, "contains no certificate"],
      [{ ca: ca.replace("MIIB", "AAAA") }, "cannot be used"],
      [{ ca: `${ca}\n${version1}` }, "X.509 version 3"],
      [{ ca, cert: certificate.cert, key: stranger.key }, "cannot be used"],
      [{ ca, cert: "no PEM", key: certificate.key }, "cannot be used"],
    ] as const
  ) {
    const { message } = assertThrows(() => EtcdEngine.at({ ...options, tls }), TypeError);
    assertStringIncludes(message, text);
  }
});

Deno.test({
  name: "an etcd that --allow-net does not name is the operator's mistake, not an outage",
  permissions: { net: ["127.0.0.1:1"] },
  fn: async () => {
    for (const url of ["http://127.0.0.1:2379", "https://127.0.0.1", "http://[::1]:1"]) {
      const { message } = assertThrows(() => EtcdEngine.at({ ...options, url }), TypeError);
      assertStringIncludes(message, "This process may not connect to etcd at");
      assertStringIncludes(message, "--allow-net=");
      using client = clientOf(url);
      const error = await assertRejects(() => client.write(write, soonMs), EtcdError);
      assertEquals([error.kind, error.notApplied], ["not permitted", true], error.message);
    }
    EtcdEngine.at({ ...options, url: "http://127.0.0.1:1" });
  },
});
