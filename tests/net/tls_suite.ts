/** TLS between servers and clients, with good and bad certificates. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
// deno-lint-ignore no-external-import -- it is of the runtime itself
import { TLSSocket } from "node:tls";
import { main as clientMain } from "../../client.ts";
import type { Address } from "../../lib/wire/address.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { EtcdEngine } from "../../lib/etcd/engine.ts";
import { Connection } from "../../lib/net/connection.ts";
import type { Tls } from "../../lib/net/dial.ts";
import { ServerConsole } from "../../lib/cli/server_console.ts";
import { ClientClosedError, KvError, TlsError, UnavailableError } from "../../lib/client/errors.ts";
import { KvClient, type KvClientOptions } from "../../lib/client/kv_client.ts";
import { KvServer, type KvServerOptions } from "../../lib/server/kv_server.ts";
import { frameBytesMax, valueBytesMax } from "../../lib/limits.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { TlsAcceptor } from "../../lib/net/tls.ts";
import { main as serverMain } from "../../server.ts";
import { FakeEtcd } from "../support/fake_etcd.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually, waitMsMax as patienceMs, within } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";
import {
  ca,
  elsewhere,
  expired,
  otherCa,
  selfSigned,
  server,
  stranger,
  version1,
} from "../support/tls_fixture.ts";
import { textOf } from "../../lib/wire/frames.ts";

const put = { type: "PUT", id: 1, key: "cor", value: "azul" };
const get = { type: "GET", id: 2, key: "cor", timestamp: 0 };

/** A server that speaks TLS, with what it printed and reported. */
class TlsServer implements AsyncDisposable {
  readonly kv: KvServer;
  readonly reports: string[] = [];
  printed = "";

  constructor({ tuning, limits, ...options }: Partial<KvServerOptions> = {}) {
    this.kv = KvServer.start({
      listen: anyPort,
      prints: new ServerConsole((text) => this.printed += textOf(text)),
      report: (line) => this.reports.push(line),
      tuning: { redialFirstMs: 10, redialLongestMs: 100, ...tuning },
      limits: { tickMs: 10, ...limits },
      tls: new TlsAcceptor(server),
      ...options,
    });
  }

  /** A leader that is the whole cluster. */
  static async alone(options: Partial<KvServerOptions> = {}): Promise<TlsServer> {
    const alone = new TlsServer({ tuning: { clusterSize: 1, minInSync: 1 }, ...options });
    await within("the leader is ready", alone.kv.ready);
    return alone;
  }

  get address(): Address {
    return this.kv.address;
  }

  async reported(text: string): Promise<void> {
    await eventually(text, () => this.reports.some((line) => line.includes(text)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within("the server closes", this.kv.close());
  }
}

/** Three servers, all in sync; the first one leads. */
async function cluster(stack: AsyncDisposableStack): Promise<TlsServer[]> {
  const leader = stack.use(new TlsServer());
  const followers = [1, 2].map(() => stack.use(new TlsServer({ leader: leader.address })));
  const servers = [leader, ...followers];
  await within("all are ready", Promise.all(servers.map(({ kv }) => kv.ready)));
  return servers;
}

/** A client of one server. */
function clientOf(address: Address, options: KvClientOptions = {}): KvClient {
  return new KvClient([address], { tls: { ca }, once: true, ...options });
}

/** A raw client, with a certificate or without. */
async function wireTo({ hostname, port }: Address, { ca: root, cert, key }: Tls): Promise<Wire> {
  const own = cert === undefined || key === undefined ? {} : { cert, key };
  return new Wire(await Deno.connectTls({ hostname, port, caCerts: [root], ...own }));
}

function joinOf(wire: Wire): Message {
  return { type: "JOIN", server: wire.local, cluster: "", timestamp: 0 };
}

/** Checks that the server still serves a client. */
async function works({ address }: TlsServer): Promise<void> {
  await using client = clientOf(address);
  assertEquals(typeof (await client.put("works", "yes")).timestamp, "number");
  assertEquals((await client.get("works")).value, "yes");
}

/** The reason why a client gets no answer. */
async function refusal(client: KvClient): Promise<string> {
  await using _ = client;
  const error = await assertRejects(() => client.get("cor"), KvError);
  assertFalse(error instanceof UnavailableError, error.message);
  return error.message;
}

Deno.test("three servers and their clients: PUT at each, GET at each", async () => {
  await using stack = new AsyncDisposableStack();
  const servers = await cluster(stack);
  for (const [index, { address }] of servers.entries()) {
    await using client = clientOf(address);
    assertEquals((await client.put("cor", `azul ${index}`)).timestamp, index + 1);
  }
  for (const { address } of servers) {
    await using client = clientOf(address);
    assertEquals((await client.get("cor")).value, "azul 2");
  }
  const [leader, near] = servers as [TlsServer, TlsServer];
  assertStringIncludes(near.printed, "Encaminhando PUT key:cor value:azul 1");
  assertEquals(leader.printed.match(/Enviando PUT_OK ao Cliente 127\.0\.0\.1:\d+ da/g)?.length, 3);
  assertEquals(leader.reports.filter((line) => /cut off|does not count/.test(line)), []);
});

Deno.test("a client may show a certificate too", async () => {
  await using alone = await TlsServer.alone();
  await using client = clientOf(alone.address, { tls: server });
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
});

Deno.test("a peer without a certificate may send requests, but not join", async () => {
  await using leader = new TlsServer({ tuning: { clusterSize: 2 } });
  using wire = await wireTo(leader.address, { ca });
  assertEquals((await wire.ask(get)).type, "TRY_OTHER_SERVER_OR_LATER");
  const { type, code, message } = await wire.ask(joinOf(wire));
  assertEquals([type, code], ["ERROR", "FORBIDDEN"]);
  assertStringIncludes(`${message}`, "certificate");
});

Deno.test("on a server with etcd a JOIN gets the reason of the engine, with or without a certificate", async () => {
  await using etcd = new FakeEtcd();
  const engine = EtcdEngine.at({ url: etcd.members[0]!.url, prefix: "kv/" });
  await using alone = new TlsServer({ engine });
  for (const tls of [{ ca }, server]) {
    using wire = await wireTo(alone.address, tls);
    const { code, message } = await wire.ask(joinOf(wire));
    assertEquals(code, "FORBIDDEN");
    assertStringIncludes(`${message}`, "keeps its data in etcd: no server joins another");
    assertEquals((await wire.ask({ type: "STATUS", id: 1 })).type, "STATUS_OK");
  }
});

for (
  const [what, tls, reason] of [
    ["of another CA", stranger, "the CA has not signed its certificate"],
    ["signed by itself", selfSigned, "the CA has not signed its certificate"],
    ["that has expired", expired, "its certificate has expired"],
  ] as const
) {
  Deno.test(`a peer with a certificate ${what} may not join`, async () => {
    await using leader = new TlsServer({ tuning: { clusterSize: 2 } });
    using wire = await wireTo(leader.address, tls);
    assertEquals((await wire.ask(joinOf(wire))).code, "FORBIDDEN");
    await leader.reported(`${wire.local} does not count as a server: ${reason}`);
  });
}

Deno.test("a peer with a certificate of the CA may join", async () => {
  await using leader = new TlsServer({ tuning: { clusterSize: 2 } });
  using wire = await wireTo(leader.address, server);
  assertEquals((await wire.ask(joinOf(wire))).type, "JOIN_OK");
});

Deno.test("a resumed session does not count as a certificate, although node:tls says so", async () => {
  await using leader = new TlsServer({ tuning: { clusterSize: 2 } });
  const real = TLSSocket.prototype.isSessionReused;
  TLSSocket.prototype.isSessionReused = () => true;
  try {
    using wire = await wireTo(leader.address, server);
    assertEquals((await wire.ask(joinOf(wire))).code, "FORBIDDEN");
  } finally {
    TLSSocket.prototype.isSessionReused = real;
  }
});

Deno.test("a follower with a certificate is answered at once, so its next small write does not wait", async () => {
  await using leader = new TlsServer({ tuning: { clusterSize: 3, heartbeatMs: 60_000 } });
  using wire = await wireTo(leader.address, server);
  assertEquals((await wire.ask(joinOf(wire))).type, "JOIN_OK");
  assertEquals((await wire.message()).type, "HEARTBEAT");
  assertEquals((await wire.ask({ type: "HEARTBEAT" })).type, "HEARTBEAT");
});

Deno.test("with a secret too, a server needs both the certificate and the secret", async () => {
  const secrets = { server: await Secret.from("segredo") };
  await using leader = new TlsServer({ tuning: { clusterSize: 2 }, secrets });
  using wire = await wireTo(leader.address, server);
  assertEquals((await wire.ask(joinOf(wire))).code, "FORBIDDEN");

  const { address } = leader;
  await using bad = new TlsServer({
    leader: address,
    secrets,
    tls: new TlsAcceptor(stranger),
    tuning: {},
  });
  await bad.reported("lost the leader");
  await leader.reported("does not count as a server");
  await using good = new TlsServer({ leader: address, secrets, tuning: { clusterSize: 2 } });
  await within("the follower is ready", good.kv.ready);
});

Deno.test("with TLS, a password for clients needs no secret for servers", async () => {
  const secrets = { client: await Secret.from("senha") };
  await using alone = await TlsServer.alone({ secrets });
  await using client = clientOf(alone.address, { password: "senha" });
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
  assertStringIncludes(await refusal(clientOf(alone.address)), "FORBIDDEN");
  using wire = await wireTo(alone.address, { ca });
  assertEquals((await wire.ask(joinOf(wire))).code, "FORBIDDEN");
});

Deno.test("a server that joins by its certificate need not prove the password of clients", async () => {
  const secrets = { client: await Secret.from("senha") };
  const options = { tuning: { clusterSize: 2 }, secrets };
  await using leader = new TlsServer(options);
  await using follower = new TlsServer({ ...options, leader: leader.address });
  await within("the follower is ready", follower.kv.ready);
  for (const { address } of [follower, leader]) {
    await using client = clientOf(address, { password: "senha" });
    await client.put("cor", "v".repeat(100_000)); // longer than a frame before a proof may be
  }
  assertEquals(leader.reports.filter((line) => line.includes("lost")), []);
  assertEquals(follower.reports.filter((line) => line.includes("lost")), []);
});

Deno.test("a follower whose leader has a certificate of another CA tries again, and reports the reason once", async () => {
  await using leader = new TlsServer({ tls: new TlsAcceptor(stranger) });
  await using follower = new TlsServer({ leader: leader.address });
  await follower.reported("invalid peer certificate: UnknownIssuer");
  await eventually("it tries again", () => leader.reports.length > 2);
  assertEquals(follower.reports.length, 1);
});

Deno.test("a client with the wrong CA gets the reason, and others are served", async () => {
  await using alone = await TlsServer.alone();
  const reason = await refusal(clientOf(alone.address, { tls: { ca: otherCa } }));
  assertEquals(
    reason,
    "the TLS handshake failed: the given CA has not signed the server's certificate " +
      "(invalid peer certificate: UnknownIssuer)",
  );
  await alone.reported("was cut off: received fatal alert: UnknownCA");
  await works(alone);
});

for (
  const [what, tls, reason] of [
    ["has expired", expired, "certificate expired"],
    ["is for another address", elsewhere, "not valid for name"],
    ["is signed by itself", selfSigned, "UnknownIssuer"],
  ] as const
) {
  Deno.test(`a client refuses a server whose certificate ${what}`, async () => {
    await using alone = await TlsServer.alone({ tls: new TlsAcceptor(tls) });
    assertStringIncludes(await refusal(clientOf(alone.address)), reason);
  });
}

Deno.test("a client's certificate with the key of another one is an error, and nothing leaks", async () => {
  await using alone = await TlsServer.alone();
  const tls = { ca, cert: server.cert, key: stranger.key };
  const reason = await refusal(clientOf(alone.address, { tls }));
  assertStringIncludes(reason, "the key does not belong to the certificate");
});

Deno.test("a peer that does not speak TLS is told so", async () => {
  await using alone = await TlsServer.alone();
  using wire = await Wire.connect(alone.address);
  const { type, code, message } = await wire.ask(put);
  assertEquals([type, code], ["ERROR", "FORBIDDEN"]);
  assertEquals(message, "this server speaks TLS, and this connection does not");
  assertEquals(await wire.line(), undefined);
  await alone.reported(`${wire.local} was cut off: it does not speak TLS`);

  assertStringIncludes(
    await refusal(new KvClient([alone.address], { once: true })),
    "the server speaks TLS, and this client does not",
  );
  await using follower = new TestServer(anyPort, alone.address, {});
  await follower.reported("this server speaks TLS");
  await works(alone);
});

Deno.test("TLS at a plain server is refused at once, although no line ends", async () => {
  await using plain = await TestServer.alone();
  using wire = await Wire.connect(plain.address);
  await wire.write(Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1));
  const { type, code, message } = await wire.message();
  assertEquals([type, code], ["ERROR", "BAD_MESSAGE"]);
  assertEquals(message, "the other end speaks TLS, and this connection does not");
  await wire.drain();
});

Deno.test("a TLS client of a plain server is told so at once", async () => {
  await using plain = await TestServer.alone();
  await using client = clientOf(plain.address);
  await assertRejects(() => client.get("cor"), TlsError, "the server does not speak TLS");
});

Deno.test("a TLS client that is closed during the handshake leaves nothing behind", async () => {
  using silent = Deno.listen({ ...anyPort });
  const address = { hostname: "127.0.0.1", port: silent.addr.port };
  for (const tls of [{ ca }, server]) {
    const client = clientOf(address, { tls });
    const answer = assertRejects(() => client.get("cor"), ClientClosedError);
    using _ = await silent.accept();
    await within("it closes", client.close());
    assertEquals((await answer).message, "the client was closed");
  }
});

Deno.test("a handshake that does not end is cut off in time, and delays no other client", async () => {
  await using alone = await TlsServer.alone({ limits: { tlsHandshakeMs: 200 } });
  using silent = await Wire.connect(alone.address);
  using half = await Wire.connect(alone.address);
  await half.write(Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1));
  using garbage = await Wire.connect(alone.address);
  await garbage.write(new Uint8Array(2_000).fill(22));
  await works(alone);
  for (const wire of [silent, half, garbage]) await within("it ends", wire.drain());
  const lines = alone.reports.filter((line) => line.endsWith("no TLS handshake within 200 ms"));
  assertEquals(lines.length, 2);
  await alone.reported(`${garbage.local} was cut off: received corrupt message`);
});

Deno.test("connections count from the first moment, not from their handshake", async () => {
  const limits = { connectionsPerIpMax: 2 };
  await using alone = await TlsServer.alone({ limits });
  const silent = [await Wire.connect(alone.address), await Wire.connect(alone.address)];
  {
    await using client = clientOf(alone.address);
    await assertRejects(() => client.get("cor"), UnavailableError, "OVERLOADED");
  }
  for (const wire of silent) wire.close();
  await eventually("there is room", () => works(alone).then(() => true, () => false));
});

Deno.test("a server closes while handshakes are under way", async () => {
  const alone = await TlsServer.alone();
  using silent = await Wire.connect(alone.address);
  using half = await Wire.connect(alone.address);
  await half.write(Uint8Array.of(22, 3, 1, 2, 0, 1));
  using wire = await wireTo(alone.address, { ca });
  assertEquals((await wire.ask(put)).type, "PUT_OK");
  const ends = [silent, half, wire].map((one) => within("it ends", one.drain()));
  await alone[Symbol.asyncDispose]();
  await Promise.all(ends);
});

Deno.test("the longest values, both ways and through a follower", async () => {
  await using stack = new AsyncDisposableStack();
  const [leader, follower] = await cluster(stack) as [TlsServer, TlsServer];
  const values = ["a".repeat(valueBytesMax), "🙂".repeat(valueBytesMax / 4)];
  values.push("\u0001".repeat(valueBytesMax / 8)); // six times as long on the wire
  for (const [index, value] of values.entries()) {
    const { address } = index % 2 === 0 ? follower : leader;
    await using client = clientOf(address, { timeoutMs: patienceMs });
    await client.put("big", value);
    assert((await client.get("big")).value === value);
  }
});

Deno.test("a frame that is too long ends the connection with the reason", async () => {
  await using alone = await TlsServer.alone();
  using wire = await wireTo(alone.address, { ca });
  const endless = wire.write(new Uint8Array(frameBytesMax + 1).fill(97)).catch(() => {});
  assertEquals((await wire.message()).code, "TOO_LARGE");
  await endless;
});

Deno.test("thousands of requests in flight on few connections", async () => {
  await using stack = new AsyncDisposableStack();
  const servers = await cluster(stack);
  await using client = new KvClient(servers.map(({ address }) => address), { tls: { ca } });
  const keys = Array.from({ length: 3_000 }, (_, n) => `key ${n}`);
  const puts = await Promise.all(keys.map((key) => client.put(key, `value of ${key}`)));
  assertEquals(new Set(puts.map(({ timestamp }) => timestamp)).size, keys.length);
  const gets = await Promise.all(keys.map((key) => client.get(key)));
  for (const [n, { value }] of gets.entries()) {
    if (value !== undefined) assertEquals(value, `value of ${keys[n]}`);
  }
});

Deno.test("nothing is read from the network while decrypted bytes wait", async () => {
  using listener = Deno.listen({ ...anyPort });
  const { port } = listener.addr;
  const [accepted, far] = await Promise.all([
    listener.accept(),
    Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [ca] }),
  ]);
  const near = new TlsAcceptor(server).secure(accepted, {
    handshakeMs: 10_000,
    plainAnswer: "",
    report: () => {},
  });
  await far.handshake();
  const bytes = new Uint8Array(64 * 1024);
  let sent = 0;
  let progressAt = performance.now();
  const flood = (async () => {
    while (true) {
      sent += await far.write(bytes);
      progressAt = performance.now();
    }
  })();
  flood.catch(() => {});
  await eventually("the other end must wait", () => performance.now() - progressAt > 200);
  assertLess(sent, 32 * 1024 * 1024); // what the kernel holds, and little more
  assertGreater(new Connection(near).heldBytes, 16 * 1024, "what waits is counted");
  let received = 0;
  const before = sent;
  while (received < before) received += (await near.read(bytes)) ?? 0;
  near.close();
  far.close();
  await flood.catch(() => {});
});

Deno.test("a client that does not read its answers is cut off, and others are served", async () => {
  await using alone = await TlsServer.alone({ limits: { stalledWriteMs: 100, sweepMs: 20 } });
  using wire = await wireTo(alone.address, { ca });
  await wire.ask({ ...put, value: "a".repeat(valueBytesMax) });
  const gets = Array.from({ length: 100 }, (_, id) => ({ ...get, id }));
  await wire.send(...gets);
  await works(alone);
  await eventually("it is cut off", () => wire.send(get).then(() => false, () => true));
  await works(alone);
});

Deno.test("requests before the end of the sending side are answered, then the connection ends", async () => {
  await using alone = await TlsServer.alone();
  using wire = await wireTo(alone.address, { ca });
  await wire.send(put, get);
  await wire.closeWrite();
  assertEquals((await wire.rest()).map(({ type }) => type).sort(), ["GET_OK", "PUT_OK"]);
});

Deno.test("a server that closes sends the answers due and ends the TLS session", async () => {
  const alone = await TlsServer.alone();
  using wire = await wireTo(alone.address, { ca });
  assertEquals((await wire.ask(put)).type, "PUT_OK");
  const closed = alone.kv.close();
  assertEquals((await wire.message()).code, "UNAVAILABLE");
  assertEquals(await wire.line(), undefined); // without an error, because TLS was ended properly
  wire.close();
  await within("the server closes", closed);
});

Deno.test("a connection that breaks in the middle of a frame is forgotten", async () => {
  await using alone = await TlsServer.alone();
  for (let n = 0; n < 20; n++) {
    const wire = await wireTo(alone.address, { ca });
    await wire.write(`{"type":"PUT","id":1,"key":"cor","va`);
    wire.close();
  }
  await works(alone);
  assertEquals(alone.reports.filter((line) => line.includes("Error")), []);
});

Deno.test("certificates and keys that do not fit are refused with the reason", () => {
  const start = (tls: Partial<typeof server>) => () => new TlsAcceptor({ ...server, ...tls });
  const cases: [Partial<typeof server>, string][] = [
    [{ key: stranger.key }, "The TLS key does not belong to the TLS certificate"],
    [{ cert: "garbage" }, "The TLS certificate cannot be read as PEM"],
    [{ key: "garbage" }, "The TLS key cannot be read as PEM"],
    [{ ca: "garbage" }, "The TLS CA holds no certificate in PEM"],
    [{ ca: server.cert }, "The TLS CA is not a CA certificate of X.509 version 3"],
    [{ ca: version1 }, "The TLS CA is not a CA certificate of X.509 version 3"],
    [{ ca: ca + version1 }, "The TLS CA is not a CA certificate of X.509 version 3"],
  ];
  for (const [tls, reason] of cases) {
    assertEquals(assertThrows(start(tls), TypeError).message, reason);
  }
});

Deno.test("the roles: without the permission to read the files, one sentence and exit code 2", async () => {
  const flags = ["--tls-cert=c.pem", "--tls-key=k.pem", "--tls-ca=ca.pem"];
  const roles = [
    [(t: FakeTerminal) => serverMain(flags, t, Promise.resolve()), "server"],
    [(t: FakeTerminal) => clientMain(["--tls-ca=ca.pem"], t), "client"],
  ] as const;
  for (const [role, name] of roles) {
    const terminal = new FakeTerminal("");
    assertEquals(await exitCode(terminal, () => role(terminal)), 2);
    const [line, ...rest] = linesOf(terminal.errors);
    assertEquals(rest, []);
    assertStringIncludes(line!, `"deno task ${name}:tls"`);
    assertStringIncludes(line!, "no permission to read it");
    assertEquals(terminal.screen, "");
  }
});

Deno.test("the roles: flags that do not go together are refused", async () => {
  const cases: [(t: FakeTerminal) => Promise<number>, string][] = [
    [(t) => serverMain(["--tls-cert=c.pem"], t, Promise.resolve()), "--tls-key"],
    [(t) => clientMain(["--tls-cert=c.pem"], t), "--tls-ca"],
    [(t) => clientMain(["--tls-ca=a.pem", "--tls-key=k.pem"], t), "--tls-cert"],
  ];
  for (const [role, text] of cases) {
    const terminal = new FakeTerminal("");
    assertEquals(await exitCode(terminal, () => role(terminal)), 2);
    assertEquals(linesOf(terminal.errors).length, 1);
    assertStringIncludes(terminal.errors, text);
  }
});
