/** Whose mistake it is: the error of each cause, in time, and the exit code of the command. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { main } from "../../client.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { within as deadlinesWithin } from "../../lib/client/deadlines.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import {
  type Address,
  ClientClosedError,
  type ExportedSession,
  ForbiddenError,
  InvalidArgumentError,
  KvClient,
  type KvClientOptions,
  KvError,
  PermissionError,
  ProtocolError,
  StaleError,
  TlsError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/kv_client.ts";
import { Status } from "../../lib/mensagem.ts";
import { TlsAcceptor } from "../../lib/net/tls.ts";
import { formatAddress } from "../../lib/wire/address.ts";
import { errorReply, rightAnswer, tryOther } from "../support/fake_answers.ts";
import { FakeServer, type Script } from "../support/fake_server.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { anyPort, deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { ca, elsewhere, expired, otherCa, server, stranger } from "../support/tls_fixture.ts";
import { eventually, within } from "../support/waiting.ts";

/** A mistake shows at once, on a busy machine too: far below the time-out of these requests. */
const mistakeMsMax = 5_000;
const timeoutMs = 20_000;

type Addressed = AsyncDisposable & { readonly address: Address };

const alone = { clusterSize: 1, minInSync: 1 };

/** A leader that is the whole cluster, perhaps with a password, perhaps with TLS. */
async function serving(options: { password?: string; tls?: typeof server }): Promise<TestServer> {
  const { password, tls } = options;
  const own = new TestServer(anyPort, undefined, alone, {}, {
    ...(tls === undefined ? {} : { tls: new TlsAcceptor(tls) }),
    ...(password === undefined ? {} : {
      secrets: { client: await Secret.from(password), server: await Secret.from("segredo") },
    }),
  });
  await own.ready();
  return own;
}

/** A server of another program: it may wait for bytes, and answers with bytes. */
function foreign(answer: string | Uint8Array, waits = true): FakeServer {
  const script: Script = async (wire) => {
    if (waits) await wire.line();
    await wire.write(answer);
  };
  return new FakeServer(script, { answersStatus: false });
}

function httpServer(): Addressed {
  const http = Deno.serve({ ...anyPort, onListen: () => {} }, () => new Response("olá"));
  return {
    address: { hostname: "127.0.0.1", port: http.addr.port },
    [Symbol.asyncDispose]: () => http.shutdown(),
  };
}

const tlsAlert = Uint8Array.of(21, 3, 3, 0, 2, 2, 70);
const tlsAlertWithLf = Uint8Array.of(21, 3, 3, 0, 2, 2, 10);
const mysqlGreeting = Uint8Array.of(74, 0, 0, 0, 10, 53, 46, 55);
const tls = { ca };

interface Cause {
  readonly what: string;
  readonly open: () => Addressed | Promise<Addressed>;
  readonly options?: KvClientOptions;
  /** The arguments and input of the command, if it needs no files. */
  readonly command?: { readonly args?: string[]; readonly input?: string };
  readonly kind: new (server: string, reason: string) => KvError;
  readonly message: string;
}

const withPassword = { options: { password: "senha" } };
const passwordCommand = { args: ["--password-stdin"], input: "senha\n" };

const causes: readonly Cause[] = [
  {
    what: "a wrong password",
    open: () => serving({ password: "outra" }),
    ...withPassword,
    command: passwordCommand,
    ...{ kind: ForbiddenError, message: "the password is wrong" },
  },
  {
    what: "no password where one is needed",
    open: () => serving({ password: "outra" }),
    command: {},
    ...{ kind: ForbiddenError, message: "requests need the password" },
  },
  {
    what: "a password where none is known",
    open: () => serving({}),
    ...withPassword,
    command: passwordCommand,
    ...{ kind: ForbiddenError, message: "this server has no password" },
  },
  {
    what: "a client without TLS at a server with TLS",
    open: () => serving({ tls: server }),
    command: {},
    ...{ kind: TlsError, message: "the server speaks TLS, and this client does not" },
  },
  {
    what: "a client with a password but without TLS at a server with TLS",
    open: () => serving({ tls: server }),
    ...withPassword,
    command: passwordCommand,
    ...{ kind: TlsError, message: "the server speaks TLS, and this client does not" },
  },
  {
    what: "a client without TLS at another program with TLS",
    open: () => foreign(tlsAlert),
    command: {},
    ...{ kind: TlsError, message: "the server speaks TLS, and this client does not" },
  },
  {
    what: "a TLS alert that holds an LF",
    open: () => foreign(tlsAlertWithLf),
    command: {},
    ...{ kind: TlsError, message: "the server speaks TLS, and this client does not" },
  },
  {
    what: "a client with TLS at a server without",
    open: () => serving({}),
    options: { tls },
    ...{ kind: TlsError, message: "the server does not speak TLS" },
  },
  {
    what: "a client with a certificate at a server without TLS",
    open: () => serving({}),
    options: { tls: server },
    ...{ kind: TlsError, message: "the server does not speak TLS" },
  },
  {
    what: "a client with TLS at an HTTP server",
    open: httpServer,
    options: { tls },
    ...{ kind: TlsError, message: "the server does not speak TLS" },
  },
  {
    what: "another CA",
    open: () => serving({ tls: server }),
    options: { tls: { ca: otherCa } },
    ...{ kind: TlsError, message: "the given CA has not signed the server's certificate" },
  },
  {
    what: "a certificate for another address",
    open: () => serving({ tls: elsewhere }),
    options: { tls },
    ...{ kind: TlsError, message: "the certificate must name the address that is dialled" },
  },
  {
    what: "a certificate that has expired",
    open: () => serving({ tls: expired }),
    options: { tls },
    ...{ kind: TlsError, message: "renew the certificate" },
  },
  {
    what: "a certificate with the key of another one",
    open: () => serving({ tls: server }),
    options: { tls: { ...server, key: stranger.key } },
    ...{ kind: TlsError, message: "the key does not belong to the certificate" },
  },
  {
    what: "a CA whose PEM holds no certificate",
    open: () => serving({ tls: server }),
    options: { tls: { ca: ca.replace(/\nMII[^-]*/, "\nAAAA\n") } },
    ...{ kind: TlsError, message: "BadEncoding" },
  },
  {
    what: "an HTTP server",
    open: httpServer,
    command: {},
    ...{ kind: ProtocolError, message: "no server of this store" },
  },
  {
    what: "a server that speaks first, such as SSH",
    open: () => foreign("SSH-2.0-OpenSSH_9.6\r\n", false),
    ...withPassword,
    command: passwordCommand,
    ...{ kind: ProtocolError, message: "SSH-2.0" },
  },
  {
    what: "a server that greets with binary text, such as MySQL",
    open: () => foreign(mysqlGreeting, false),
    command: {},
    ...{ kind: ProtocolError, message: "no server of this store" },
  },
  {
    what: "a server that echoes",
    open: () => foreign('{"type":"STATUS","id":0}\n'),
    command: {},
    ...{ kind: ProtocolError, message: "STATUS does not answer a STATUS" },
  },
  {
    what: "a server of another version, which does not know HELLO",
    open: () => foreign('{"type":"ERROR","code":"BAD_MESSAGE","message":"unknown type"}\n'),
    ...withPassword,
    command: passwordCommand,
    ...{ kind: ProtocolError, message: "unknown type" },
  },
  {
    what: "a key or value that is over the limit of the server",
    open: () => FakeServer.answering((request) => errorReply(request, "TOO_LARGE")),
    command: {},
    ...{ kind: InvalidArgumentError as Cause["kind"], message: "TOO_LARGE: hoje não" },
  },
];

for (const { what, open, options, command, kind, message } of causes) {
  Deno.test(`${what}: ${kind.name} at once, whatever the kind of client`, async () => {
    await using server = await open();
    const { address } = server;
    for (const once of [false, true]) {
      await using client = new KvClient([address], { ...options, once, timeoutMs });
      for (const ask of [() => client.put("cor", "azul"), () => client.get("cor")]) {
        const from = performance.now();
        const error = await assertRejects(ask, KvError, message);
        assertLess(performance.now() - from, mistakeMsMax);
        assertInstanceOf(error, kind);
        assertEquals(error.name, kind.name);
        assertEquals((error as ForbiddenError).server, formatAddress(address));
      }
    }
    if (command === undefined) return;
    const { args = [], input = "" } = command;
    const flags = [`--servers=${formatAddress(address)}`, "--json", "--timeout=20", ...args];
    const isArgument = kind === InvalidArgumentError as Cause["kind"];
    const { code, out } = await run([...flags, "get", "cor"], input);
    assertEquals(code, isArgument ? 2 : 7);
    assertEquals(JSON.parse(out).error, errorOf(kind));
    if (isArgument) return;
    const status = await run([...flags, "status"], input);
    assertStringIncludes(status.out, message);
  });
}

function errorOf(kind: Cause["kind"]): string {
  const codes = { ForbiddenError: "FORBIDDEN", TlsError: "TLS", ProtocolError: "PROTOCOL" };
  return codes[kind.name as keyof typeof codes] ?? "TOO_LARGE";
}

/** Runs the client with these arguments. */
async function run(args: string[], input = "") {
  const terminal = new FakeTerminal(input);
  const code = await within("the client ends", exitCode(terminal, () => main(args, terminal)));
  return { code, out: terminal.screen, err: terminal.errors };
}

const narrow: Pick<Deno.TestDefinition, "permissions"> = {
  permissions: { net: ["127.0.0.1:1"] },
};

Deno.test(
  "no permission: PermissionError at once, exit code 7, and status says so",
  narrow,
  async () => {
    const servers = [2, 3].map((port) => ({ hostname: "127.0.0.1", port }));
    for (const options of [{}, { tls }, { tls: server }, { password: "senha" }]) {
      await using client = new KvClient(servers, { ...options, timeoutMs });
      for (const ask of [() => client.put("cor", "azul"), () => client.get("cor")]) {
        const from = performance.now();
        const error = await assertRejects(ask, PermissionError, "--allow-net");
        assertLess(performance.now() - from, mistakeMsMax);
        assert(error.cause !== undefined);
      }
      // The servers are avoided now. The watch may not wait for that.
      await using events = client.watch("cor");
      await assertRejects(() => events.next(), PermissionError, "--allow-net");
    }
    await using fresh = new KvClient(servers);
    await using events = fresh.watch("cor");
    await assertRejects(() => events.next(), PermissionError, "--allow-net");
    const { code, err } = await run(["--lang=pt", "--servers=127.0.0.1:2", "get", "cor"]);
    assertEquals(code, 7);
    assertStringIncludes(
      err,
      "falta a permissão --allow-net para 127.0.0.1:2 [PERMISSION]",
    );
    const status = await run(["--lang=pt", "--servers=127.0.0.1:2,127.0.0.1:3", "status"]);
    assertEquals(status.code, 7);
    assertEquals(status.out.match(/sem permissão/g)?.length, 2);
  },
);

Deno.test(
  "no permission for one server, and the other is down: that is an outage",
  narrow,
  async () => {
    const servers = [2, 1].map((port) => ({ hostname: "127.0.0.1", port }));
    await using client = new KvClient(servers, { random: () => 0 }); // the first one first
    // Both servers are avoided after the first request, so the second may ask neither.
    for (const timeoutMs of [150, 30]) {
      const error = await assertRejects(() => client.get("cor", { timeoutMs }), UnavailableError);
      assertEquals(error.code, undefined);
      if (timeoutMs === 150) assertStringIncludes(error.message, "127.0.0.1:2: no permission");
    }
    await using events = client.watch("cor");
    const { value } = await events.next();
    assert(value?.type === "disconnected");
    assertMatch(value.reason, /no permission|refused/i);
  },
);

Deno.test("an address that only the system can refuse is no outage", async () => {
  const connection = new ServerConnection({ hostname: "fe80::1", port: 10097 });
  const ask = () => connection.request((id) => new Status(id), deadlinesWithin(300));
  const error = await assertRejects(ask, KvError, "");
  // Some systems dial it without an interface, and find no host.
  if (!(error instanceof UnavailableError)) assertInstanceOf(error, InvalidArgumentError);
  connection.close();
  await connection.ended;
});

// What may be an outage

const outages: readonly [what: string, answer: string | Uint8Array][] = [
  ["a connection that ends without a word", ""],
  ["half an answer", '{"type":"STATUS_'],
];

for (const [what, answer] of outages) {
  Deno.test(`${what} may be an outage: UnavailableError`, async () => {
    await using server = new FakeServer(async (wire) => {
      await wire.write(answer);
      wire.close();
    });
    // Bytes that are no TLS are no outage.
    for (const options of [{}, { password: "senha" }, ...(answer === "" ? [{ tls }] : [])]) {
      await using client = new KvClient([server.address], { ...options, once: true });
      await assertRejects(() => client.put("cor", "azul"), UnavailableError);
    }
  });
}

Deno.test("an overloaded server that refuses the connection is not a mistake", async () => {
  const answer = '{"type":"ERROR","code":"OVERLOADED","message":"too many connections"}\n';
  await using server = foreign(answer, false);
  for (const options of [{}, { password: "senha" }]) {
    await using client = new KvClient([server.address], { ...options, once: true });
    const error = await assertRejects(() => client.put("cor", "azul"), UnavailableError);
    assertEquals(error.code, "OVERLOADED");
  }
});

const parting: readonly (string | Uint8Array)[] = [
  '{"type":"ERROR","code":"FORBIDDEN","message":"the password is wrong"}\n',
  '{"type":"ERROR","code":"FORBIDDEN","message":"this server speaks TLS, and this connection does not"}\n',
  '{"type":"ERROR","code":"TOO_LARGE","message":"the frame is longer"}\n',
  "HTTP/1.1 400 Bad Request\r\n",
  tlsAlert,
];

Deno.test("a PUT that was sent stays an unknown outcome, whatever the server says", async () => {
  for (const answer of parting) {
    await using server = new FakeServer(async (wire) => {
      await wire.messageOf("PUT");
      await wire.write(answer);
    });
    await using client = new KvClient([server.address], { timeoutMs: 500 });
    await assertRejects(() => client.put("cor", "azul"), UnknownOutcomeError);
    assertEquals(server.accepted, 1);
  }
});

// Clusters in which one server is set up wrongly

/** A server that refuses every client. */
function refusing(): FakeServer {
  return FakeServer.answering((request) => errorReply(request, "FORBIDDEN"));
}

Deno.test("a server that cannot be used does no harm while others answer, and is seldom asked", async () => {
  await using good = await serving({});
  await using http = httpServer();
  let dials = 0;
  await using bad = new FakeServer(async (wire) => {
    dials++;
    await wire.write("SSH-2.0-OpenSSH_9.6\r\n");
  }, { answersStatus: false });
  await using client = new KvClient([bad.address, good.address, http.address]);
  const from = performance.now();
  for (let n = 0; n < 200; n++) assertEquals((await client.put("cor", `${n}`)).server, good.name);
  // It is avoided for at least 50 ms at first, and longer each time.
  assertLess(dials, 3 + (performance.now() - from) / 50);
});

Deno.test("all that answered say the same mistake, the others are down: the mistake, at the end", async () => {
  await using bad = refusing();
  const dead = deadAddress();
  await using client = new KvClient([dead, bad.address], { timeoutMs: 600 });
  const error = await assertRejects(() => client.put("cor", "azul"), ForbiddenError, "FORBIDDEN");
  assertEquals(error.server, bad.name);
  assertStringIncludes(error.message, `${formatAddress(dead)}: `);
});

Deno.test("a server that answers, and cannot do it now, is an outage, whatever the others say", async () => {
  await using bad = refusing();
  await using full = FakeServer.answering((request) => errorReply(request, "UNAVAILABLE"));
  await using client = new KvClient([bad.address, full.address], { timeoutMs: 600 });
  await assertRejects(() => client.put("cor", "azul"), UnavailableError, "FORBIDDEN");
});

Deno.test("different mistakes: the error is that of the first server, and names all", async () => {
  await using forbidding = refusing();
  await using ssh = foreign("SSH-2.0-OpenSSH_9.6\r\n", false);
  for (
    const [servers, kind] of [
      [[forbidding, ssh], ForbiddenError],
      [[ssh, forbidding], ProtocolError],
    ] as const
  ) {
    await using client = new KvClient(servers.map(({ address }) => address));
    const error = await assertRejects(() => client.get("cor"), KvError);
    assertInstanceOf(error, kind);
    for (const { name } of servers) assertStringIncludes(error.message, `${name}: `);
  }
});

Deno.test("every request fails with the mistake, and the first one after it is corrected succeeds", async () => {
  let corrected = false;
  await using server = new FakeServer(async (wire) => {
    if (!corrected) return await wire.write("SSH-2.0-OpenSSH_9.6\r\n");
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const request = JSON.parse(line);
      await wire.send(
        request.type === "STATUS"
          ? { type: "ERROR", id: request.id, code: "BAD_MESSAGE", message: "no STATUS" }
          : rightAnswer(request),
      );
    }
  }, { answersStatus: false });
  await using client = new KvClient([server.address], { timeoutMs });
  const from = performance.now();
  // Meanwhile the server is avoided: without the reason each request would wait for up to a second.
  for (let n = 0; n < 20; n++) await assertRejects(() => client.get("cor"), ProtocolError);
  assertLess(performance.now() - from, mistakeMsMax);
  corrected = true;
  await eventually("the client asks again", () => client.get("cor").catch(() => undefined));
});

Deno.test("many requests at once fail with the mistake, at once", async () => {
  await using server = await serving({ password: "outra" });
  await using client = new KvClient([server.address], { password: "senha", timeoutMs });
  for (let round = 0; round < 2; round++) {
    const from = performance.now();
    const requests = Array.from({ length: 1_000 }, (_, n) => client.put(`${n}`, "azul"));
    const results = await Promise.allSettled(requests);
    assertLess(performance.now() - from, mistakeMsMax);
    const wrong = results.filter((result) =>
      result.status === "fulfilled" || !(result.reason instanceof ForbiddenError)
    );
    assertEquals(wrong, []);
  }
});

Deno.test("a mistake that shows late, to one of many requests, ends them all", async () => {
  await using server = new FakeServer(async (wire, index) => {
    if (index === 0) wire.close();
    else await wire.write("SSH-2.0-OpenSSH_9.6\r\n");
  }, { answersStatus: false });
  await using client = new KvClient([server.address], { timeoutMs: 1_500 });
  const requests = Array.from({ length: 50 }, () => client.get("cor"));
  const results = await Promise.allSettled(requests);
  const names = results.map((result) => result.status === "rejected" && result.reason.name);
  assertEquals([...new Set(names)], ["ProtocolError"]);
});

// Wrong arguments

const address = { hostname: "127.0.0.1", port: 10097 };

const wrongServers: readonly [what: string, servers: unknown][] = [
  ["no list of servers", undefined],
  ["a text without a port", "127.0.0.1"],
  ["a text that is no address", ["127.0.0.1"]],
  ["null in place of an address", [address, null]],
  ["an address without a port", [{ hostname: "127.0.0.1" }]],
  ...[99_999, 65_536, 0, -1, 1.5, NaN, Infinity, "10097", null].map((
    port,
  ): [string, unknown] => [`port ${JSON.stringify(port)}`, [address, { ...address, port }]]),
  ...["", " ", "127.0.0.1:10097", "http://kv", "a b", "256.1.1.1", "1.2.3", "::g", "kv/", 5].map((
    hostname,
  ): [string, unknown] => [`host ${JSON.stringify(hostname)}`, [address, {
    ...address,
    hostname,
  }]]),
];

const noServerAddresses = ["224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1", "fe80::1"];

const wrongOptions: readonly [what: string, options: unknown][] = [
  ["options that are null", null],
  ["an empty password", { password: "" }],
  ["a password that is null", { password: null }],
  ["a password that is a number", { password: 5 }],
  ["tls without a CA", { tls: {} }],
  ["tls that is null", { tls: null }],
  ["a path in place of the CA", { tls: { ca: "tls/ca.pem" } }],
  ["a key in place of the CA", { tls: { ca: server.key } }],
  ["a certificate without a key", { tls: { ca, cert: ca } }],
  ["a key that is not PEM", { tls: { ca, cert: ca, key: "" } }],
  ["random that is no function", { random: 0.5 }],
  ["random that is null", { random: null }],
  ["once that is a text", { once: "no" }],
  ["once that is a number", { once: 1 }],
  ["once that is null", { once: null }],
  ["a time-out that is null", { timeoutMs: null }],
  ["a password with half of a surrogate pair", { password: "\ud800" }],
  ["a time-out that is a symbol", { timeoutMs: Symbol() }],
  ["a time-out that has no text", { timeoutMs: Object.create(null) }],
  ["a session with a bigint", { session: { version: 1n } }],
];

const wrongArguments: readonly [what: string, make: () => KvClient][] = [
  ...noServerAddresses.map((hostname): [string, () => KvClient] => [
    `address ${hostname}`,
    () => new KvClient([{ hostname, port: 10_097 }]),
  ]),
  ...noServerAddresses.map((hostname): [string, () => KvClient] => [
    `text with ${hostname}`,
    () => new KvClient([formatAddress({ hostname, port: 10_097 })]),
  ]),
  ...wrongServers.map(([what, servers]): [string, () => KvClient] => [
    what,
    () => new KvClient(servers as Address[]),
  ]),
  ...wrongOptions.map(([what, options]): [string, () => KvClient] => [
    what,
    () => new KvClient([address], options as KvClientOptions),
  ]),
];

for (const [what, make] of wrongArguments) {
  Deno.test(`${what} is refused: InvalidArgumentError`, () => {
    const error = assertThrows(make, InvalidArgumentError);
    assertInstanceOf(error, KvError);
    assert(error.name === "InvalidArgumentError" || error.name === "SessionError");
  });
}

Deno.test("wrong options of a request are refused, and nothing is sent", async () => {
  await using server = FakeServer.answering(rightAnswer);
  await using client = new KvClient([server.address]);
  const wrong = [null, 5, { timeoutMs: "1" }, { timeoutMs: 0 }, { signal: {} }, { signal: null }];
  for (const options of wrong as { timeoutMs: number }[]) {
    await assertRejects(() => client.get("cor", options), InvalidArgumentError);
    await assertRejects(() => client.put("cor", "azul", options), InvalidArgumentError);
    await assertRejects(() => client.status(options), InvalidArgumentError);
  }
  const tooLong = await assertRejects(() => client.get("k".repeat(1_025)), InvalidArgumentError);
  assertEquals([tooLong.code, (tooLong.cause as Error).name], ["TOO_LARGE", "MensagemError"]);
  assertEquals(server.accepted, 0);
});

Deno.test("numbers of random that are not from 0 to 1 are refused, also to calls that wait", async () => {
  await using server = FakeServer.answering(rightAnswer);
  for (const number of [1, -0.5, NaN, "x"]) {
    for (const once of [false, true]) {
      const random = () => number as number;
      await using client = new KvClient([server.address], { random, once, timeoutMs: 500 });
      for (const call of [() => client.get("cor"), () => client.put("cor", "azul")]) {
        await assertRejects(call, InvalidArgumentError, "random must return numbers");
      }
    }
  }
  let number = 0;
  await using client = new KvClient([server.address], { random: () => number });
  const calls = Array.from({ length: 200 }, (_, n) => client.get(`k${n}`));
  number = 1;
  const results = await Promise.allSettled(calls);
  const wrong = results.filter((one) =>
    one.status === "rejected" && one.reason instanceof InvalidArgumentError
  );
  assertGreater(wrong.length, 0);
  assertEquals(results.filter(({ status }) => status === "rejected").length, wrong.length);
});

Deno.test("names and addresses that may be dialled are accepted", () => {
  const hosts = ["kv-0", "kv-0.kv.svc.cluster.local.", "localhost", "a_b", "::1", "[::1]"];
  for (const hostname of [...hosts, "10.0.0.2", "xn--bcher-kva.example", "4kv"]) {
    new KvClient([{ hostname, port: 65_535 }]);
  }
});

// A closed client

Deno.test("a closed client: ClientClosedError, except for a PUT that was sent", async () => {
  let received = 0;
  await using server = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined) received++;
  });
  const client = new KvClient([server.address]);
  const put = assertRejects(() => client.put("cor", "azul"), UnknownOutcomeError);
  const get = assertRejects(() => client.get("cor"), ClientClosedError);
  await eventually("both are sent", () => received === 2);
  await client.close();
  assertInstanceOf((await put).cause, ClientClosedError);
  await get;
  for (const ask of [() => client.put("a", "1"), () => client.get("a"), () => client.status()]) {
    const late = await assertRejects(ask, ClientClosedError, "the client was closed");
    assertEquals([late.name, late.code], ["ClientClosedError", "CLOSED"]);
  }
});

// A value that was lost

Deno.test("StaleError says that the value may be lost, if all servers have answered", async () => {
  await using a = FakeServer.answering((request) => tryOther(request, 3));
  await using b = FakeServer.answering((request) => tryOther(request, 0));
  const session: ExportedSession = { version: 1, cluster: "", timestamps: [["cor", 7]] };
  const staleOf = async (answers: number, ...servers: Address[]) => {
    await using client = new KvClient(servers, { session, timeoutMs: 200 });
    // On a busy machine the last attempt may be too late for an answer.
    return await eventually("no time-out", async () => {
      const error = await client.get("cor").catch((error) => error);
      return error instanceof StaleError && error.answers.length === answers ? error : undefined;
    });
  };
  const all = await staleOf(2, a.address, b.address);
  assertEquals([all.allAnswered, all.code], [true, "STALE"]);
  assertStringIncludes(all.message, "was lost before it was acknowledged: write the key again");
  const some = await staleOf(1, a.address, deadAddress());
  assertEquals(some.allAnswered, false);
  assert(!some.message.includes("lost"), some.message);
});

Deno.test("StaleError says that no server is synchronised, if this client has seen nothing", async () => {
  await using server = FakeServer.answering((request) => tryOther(request, 0));
  await using client = new KvClient([server.address], { once: true });
  const error = await assertRejects(() => client.get("cor"), StaleError);
  assertStringIncludes(
    error.message,
    `no server that answered is synchronised with its leader yet: ${server.name}`,
  );
});
