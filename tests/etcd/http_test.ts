/** The connections to etcd: what is refused, what is sent, and how much is read. */

import {
  assert,
  assertEquals,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { EtcdClient } from "../../lib/etcd/client.ts";
import { EtcdEngine } from "../../lib/etcd/engine.ts";
import { EtcdError } from "../../lib/etcd/errors.ts";
import type { EtcdOptions } from "../../lib/etcd/options.ts";
import { etcdError, FakeEtcd } from "../support/fake_etcd.ts";
import { anyPort } from "../support/ports.ts";
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
const mebibyte = new Uint8Array(1024 * 1024).fill(0x79);
const manyMebibytes = Array.from({ length: 64 }, () => mebibyte);
const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/** A mebibyte as a chunk of a chunked answer. */
const chunks = manyMebibytes.flatMap((part) => [bytesOf("100000\r\n"), part, bytesOf("\r\n")]);

const endless: readonly (readonly [what: string, answer: Uint8Array<ArrayBuffer>[]])[] = [
  ["without a length", [bytesOf(`${head}\r\n`), ...manyMebibytes]],
  ["chunked", [bytesOf(`${head}Transfer-Encoding: chunked\r\n\r\n`), ...chunks]],
  ["of a length over the limit", [
    bytesOf(`${head}Content-Length: 67108864\r\n\r\n`),
    ...manyMebibytes,
  ]],
  ["chunked, with a false length", [
    bytesOf(`${head}Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n`),
    ...chunks,
  ]],
  ["with endless headers", [bytesOf(head), bytesOf("X: "), ...manyMebibytes]],
  ["of an error, chunked", [
    bytesOf("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ...chunks,
  ]],
];

for (const [what, answer] of endless) {
  Deno.test(`an answer ${what} is not read beyond the limit`, async () => {
    await using server = new RawServer(answer);
    using client = clientOf(server.url);
    const error = await assertRejects(() => client.get("cor", soonMs), EtcdError);
    assert(/is longer than 4194304 bytes|the connection broke/.test(error.message), error.message);
    assertLess(server.sent, 32 * 1024 * 1024); // the system's buffers included
  });
}

for (const encoding of ["gzip", "deflate", "br", "zstd", "x-unknown"]) {
  Deno.test(`identity is asked for, and an answer in ${encoding} is refused unread`, async () => {
    await using etcd = new FakeEtcd();
    const [member] = etcd.members;
    member!.interfere = () =>
      new Response(new Uint8Array(8), { headers: { "Content-Encoding": encoding } });
    using client = clientOf(etcd.url);
    const error = await assertRejects(() => client.get("cor", soonMs), EtcdError);
    assertEquals(error.kind, "unexpected");
    assertStringIncludes(error.message, "Content-Encoding");
    assertEquals(member!.requests.map(({ headers }) => headers.get("accept-encoding")), [
      "identity",
    ]);
  });
}

Deno.test("a PUT on a reused connection that times out is sent once", async () => {
  await using etcd = new FakeEtcd();
  const [member] = etcd.members;
  using client = clientOf(etcd.url);
  await client.get("cor", soonMs);
  member!.interfere = ({ path }) => path === "kv/put" ? member!.hang() : undefined;
  const error = await assertRejects(() => client.put("cor", "azul", 30), EtcdError);
  assertEquals([error.kind, error.notApplied], ["no answer", false]);
  await client.get("cor", soonMs);
  const [first, , last] = member!.requests.map(({ port }) => port);
  assertEquals([member!.asked("kv/put"), first === last], [1, false]);
});

Deno.test("an echo of the password or the token is not quoted", async () => {
  await using etcd = new FakeEtcd();
  const login = etcd.login = { user: "app", password: 'se"same' };
  const [member] = etcd.members;
  const echo = (text: string) => new Response(`you said: ${text}`, { status: 400 });
  using client = clientOf(etcd.url, { login });
  member!.interfere = ({ body }) => echo(JSON.stringify(body));
  const first = await assertRejects(() => client.get("cor", soonMs), EtcdError);
  member!.interfere = () => undefined;
  await client.get("cor", soonMs);
  member!.interfere = ({ token }) => echo(token!);
  const second = await assertRejects(() => client.get("cor", soonMs), EtcdError);
  member!.interfere = () => echo("nothing secret");
  const third = await assertRejects(() => client.get("cor", soonMs), EtcdError);
  assertEquals([first, second, third].map(({ message }) => message.split("but ")[1]), [
    "HTTP 400",
    "HTTP 400",
    "HTTP 400: you said: nothing secret",
  ]);
  etcd.login.password = "permission";
  using other = clientOf(etcd.url, { login: etcd.login });
  member!.interfere = ({ path }) =>
    path === "kv/range" ? etcdError("etcdserver: permission denied", 403, 7) : undefined;
  const known = await assertRejects(() => other.get("cor", soonMs), EtcdError);
  assertEquals([known.kind, known.message], ["denied", "etcdserver: permission denied"]);
});

Deno.test("all requests, one after the other, use one connection", async () => {
  await using etcd = new FakeEtcd();
  let ports = new Set<number>();
  using client = clientOf(etcd.url);
  etcd.members[0]!.interfere = ({ port }) => void (ports = ports.add(port));
  for (let n = 0; n < 20; n++) await client.put(`k${n}`, "v", soonMs);
  assertEquals(ports.size, 1);
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
    const error = await assertRejects(() => client.put("cor", "azul", soonMs), EtcdError);
    assertEquals([error.kind, error.notApplied], ["untrusted", true], error.message);
    assertEquals(server.received, "");
  });
}

Deno.test("a member that shows the certificate of a CA among others is trusted", async () => {
  await using server = new RawServer([bytesOf(`${head}Content-Length: 2\r\n\r\n[]`)], certificate);
  using client = clientOf(`https://127.0.0.1:${server.port}`, { tls: { ca: `${otherCa}\n${ca}` } });
  const error = await assertRejects(() => client.put("cor", "azul", soonMs), EtcdError);
  assertStringIncludes(error.message, "it is not an object");
  assertStringIncludes(server.received, "POST /v3/kv/put HTTP/1.1");
});

Deno.test("a PUT is not applied if no connection is ready in its time", async () => {
  await using server = new RawServer(undefined); // it never answers the handshake
  using client = clientOf(`https://127.0.0.1:${server.port}`);
  const error = await assertRejects(() => client.put("cor", "azul", 30), EtcdError);
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
      const error = await assertRejects(() => client.put("cor", "azul", soonMs), EtcdError);
      assertEquals([error.kind, error.notApplied], ["not permitted", true], error.message);
    }
    EtcdEngine.at({ ...options, url: "http://127.0.0.1:1" });
  },
});
