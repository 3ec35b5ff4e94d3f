import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { formatAddress } from "../../lib/wire/address.ts";
import {
  ClusterResetError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import { MensagemError } from "../../lib/mensagem.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { keyBytesMax, valueBytesMax } from "../../lib/limits.ts";
import {
  Cluster,
  deadAddress,
  eventually,
  FakeServer,
  type Message,
  TestServer,
  within,
} from "../support/helpers.ts";

/** What an answer to a request may look like where it is right. */
function good({ type, id, key, timestamp }: Message): Message {
  return type === "PUT"
    ? { type: "PUT_OK", id, key, timestamp: 5 }
    : { type: "GET_OK", id, key, value: "azul", timestamp: Math.max(5, timestamp as number) };
}

type ErrorClass = new (server: string, reason: string) => Error;

/** Both requests fail with these classes, in bounded time, and the server's name is in the error. */
async function assertFails(
  server: { readonly address: { hostname: string; port: number } },
  expected: { put: ErrorClass; get: ErrorClass; message: string },
): Promise<void> {
  const { hostname, port } = server.address;
  for (const kind of ["put", "get"] as const) {
    await using client = new KvClient([{ hostname, port }], { timeoutMs: 200, once: true });
    const from = performance.now();
    const request = () => kind === "put" ? client.put("cor", "azul") : client.get("cor");
    const error = await assertRejects(request, expected[kind], expected.message);
    assertLess(performance.now() - from, 1_500);
    assertEquals(error.name, expected[kind].name);
    assertEquals((error as UnavailableError).server, `${hostname}:${port}`);
  }
}

const certain = { put: UnavailableError, get: UnavailableError };
const uncertain = { put: UnknownOutcomeError, get: UnavailableError };

// What a client remembers

Deno.test("a client without a server is a mistake", () => {
  assertThrows(() => new KvClient([]), TypeError);
});

Deno.test("a request goes out exactly as the wire says, and only once", async () => {
  const lines: string[] = [];
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      lines.push(line);
      await wire.send(good(JSON.parse(line)));
    }
  });
  await using client = new KvClient([server.address]);
  assertEquals(await client.put("cor", 'o "azul" 🙂'), { server: server.name, timestamp: 5 });
  assertEquals(await client.get("cor"), {
    server: server.name,
    value: "azul",
    timestamp: 5,
    seen: 5,
  });
  assertEquals(lines, [
    '{"type":"PUT","id":1,"key":"cor","value":"o \\"azul\\" 🙂"}', // a STATUS was the first
    '{"type":"GET","id":2,"key":"cor","timestamp":5}',
  ]);
  assertEquals(server.accepted, 1); // one connection for both
});

Deno.test("each key has its own timestamp, from PUT_OK and GET_OK, and it never falls", async () => {
  const answers: Message[] = [
    { type: "GET_OK", value: "x", timestamp: 9 },
    { type: "PUT_OK", timestamp: 12 },
    { type: "PUT_OK", timestamp: 11 }, // an older PUT that was answered later
    { type: "TRY_OTHER_SERVER_OR_LATER", timestamp: 3 },
    { type: "GET_OK", value: "y", timestamp: 12 },
    { type: "GET_OK", value: null, timestamp: 0 },
  ];
  await using server = FakeServer.answering(({ id, key }) => ({ ...answers.shift()!, id, key }));
  await using client = new KvClient([server.address], { once: true });
  assertEquals((await client.get("a")).seen, 0);
  await client.put("a", "1");
  await client.put("a", "2");
  const refused = await assertRejects(() => client.get("a"), StaleError);
  assertEquals([refused.key, refused.seen], ["a", 12]);
  assertEquals(refused.answers, [{ server: server.name, timestamp: 3 }]);
  assertEquals((await client.get("a")).seen, 12);
  assertEquals(await client.get("b"), { server: server.name, value: null, timestamp: 0, seen: 0 });
});

Deno.test("__proto__ and constructor are keys like others", async () => {
  await using server = await TestServer.alone();
  await using client = new KvClient([server.address]);
  for (const key of ["__proto__", "constructor", "toString"]) {
    assertEquals(await client.get(key), {
      server: server.name,
      value: null,
      timestamp: 0,
      seen: 0,
    });
    const { timestamp } = await client.put(key, `o valor de ${key}`);
    assertEquals(await client.get(key), {
      server: server.name,
      value: `o valor de ${key}`,
      timestamp,
      seen: timestamp,
    });
  }
});

Deno.test("the number drawn chooses the server, for each request anew", async () => {
  await using cluster = await Cluster.start();
  let drawn = 0;
  await using client = new KvClient(cluster.addresses, { once: true, random: () => drawn });
  const servers = [];
  for (drawn of [0, 0.34, 0.67, 0.999]) servers.push((await client.put("k", "v")).server);
  const [a, b, c] = cluster.servers.map(({ name }) => name);
  assertEquals(servers, [a, b, c, c]);
});

Deno.test("by default every server is drawn", async () => {
  await using cluster = await Cluster.start();
  await using client = new KvClient(cluster.addresses);
  const servers = new Set<string>();
  // That one of three is missed 100 times: once in 10^17.
  for (let n = 0; n < 100; n++) servers.add((await client.get("k")).server);
  assertEquals([...servers].sort(), cluster.servers.map(({ name }) => name).sort());
});

Deno.test("answers in another order find their requests", async () => {
  await using server = new FakeServer(async (wire) => {
    const requests = await wire.messages(3);
    const replies = requests.map(({ id, key }) => ({
      type: "GET_OK",
      id,
      key,
      value: `de ${key}`,
      timestamp: 1,
    }));
    await wire.send(...replies.toReversed());
  });
  await using client = new KvClient([server.address]);
  const results = await Promise.all(["a", "b", "c"].map((key) => client.get(key)));
  assertEquals(results.map(({ value }) => value), ["de a", "de b", "de c"]);
});

Deno.test("a key or a value over the limits never leaves the client", async () => {
  await using client = new KvClient([deadAddress()]);
  const invalid: (() => Promise<unknown>)[] = [
    () => client.put("", "v"),
    () => client.get(""),
    () => client.put("k".repeat(keyBytesMax + 1), "v"),
    () => client.put("é".repeat(keyBytesMax / 2) + "e", "v"),
    () => client.put("k", "v".repeat(valueBytesMax + 1)),
    () => client.put("k", "\ud800"),
  ];
  for (const request of invalid) await assertRejects(request, MensagemError);
});

// Servers that do not keep their word

Deno.test("nobody listens: certainly not written", async () => {
  await assertFails({ address: deadAddress() }, { ...certain, message: "" });
});

Deno.test("a server that accepts and never answers", async () => {
  await using server = new FakeServer(() => {});
  // It did not answer the STATUS either, so the PUT was never sent.
  await assertFails(server, { ...certain, message: "no answer within 200 ms" });
});

Deno.test("a server that answers nothing but STATUS", async () => {
  await using server = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await assertFails(server, { ...uncertain, message: "no answer within 200 ms" });
});

Deno.test("a server that reads the request and hangs up", async () => {
  await using server = FakeServer.answering(() => undefined);
  await assertFails(server, { ...uncertain, message: "the connection was lost" });
});

Deno.test("a server that hangs up in the middle of its answer", async () => {
  await using server = new FakeServer(async (wire) => {
    await wire.write(JSON.stringify(good(await wire.message())).slice(0, 20));
    wire.close();
  });
  await assertFails(server, { ...uncertain, message: "the connection was lost" });
});

for (const code of ["UNAVAILABLE", "OVERLOADED", "FORBIDDEN", "BAD_MESSAGE", "TOO_LARGE"]) {
  Deno.test(`a server that answers ERROR ${code}: certainly not written`, async () => {
    await using server = FakeServer.answering(({ id }) => (
      { type: "ERROR", id, code, message: "hoje não" }
    ));
    await assertFails(server, { ...certain, message: `${code}: hoje não` });
  });
}

Deno.test("a server that answers ERROR UNKNOWN_OUTCOME: nobody can tell", async () => {
  await using server = FakeServer.answering(({ id }) => (
    { type: "ERROR", id, code: "UNKNOWN_OUTCOME", message: "quem sabe" }
  ));
  await using client = new KvClient([server.address]);
  await assertRejects(() => client.put("cor", "azul"), UnknownOutcomeError, "quem sabe");
});

const nonsense: [what: string, answer: (request: Message) => Message | string, reason: string][] = [
  ["garbage", () => "HTTP/1.1 200 OK\r\n\r\n", "the line is not JSON"],
  ["JSON that is no object", () => "[1]\n", "not a JSON object"],
  ["a message of no known type", (r) => ({ ...good(r), type: "OK" }), "unknown"],
  ["a timestamp that is no number", (r) => ({ ...good(r), timestamp: "5" }), '"timestamp" must be'],
  ["another id", (r) => ({ ...good(r), id: 99 }), "the server broke the protocol"],
  ["no id", (r) => ({ ...good(r), id: undefined }), '"id" must be'],
  ["another key", (r) => ({ ...good(r), key: "outra" }), "the server broke the protocol"],
  [
    "an ERROR without an id",
    () => ({ type: "ERROR", code: "BAD_MESSAGE", message: "não entendi" }),
    "BAD_MESSAGE: não entendi",
  ],
  [
    "the answer to the other kind of request",
    (r) => good({ ...r, type: r.type === "PUT" ? "GET" : "PUT", timestamp: 0 }),
    "the server broke the protocol",
  ],
];

for (const [what, answer, reason] of nonsense) {
  Deno.test(`a server that answers ${what}`, async () => {
    await using server = FakeServer.answering(answer);
    await assertFails(server, { ...uncertain, message: reason });
  });
}

Deno.test("a server that answers bytes that are no UTF-8", async () => {
  await using server = new FakeServer(async (wire) => {
    await wire.message();
    await wire.write(Uint8Array.of(0xff, 0xfe, 10));
  });
  await assertFails(server, { ...uncertain, message: "not UTF-8" });
});

Deno.test("a GET_OK older than what the client has seen is refused, not returned", async () => {
  await using server = FakeServer.answering(({ type, id, key }) =>
    type === "PUT"
      ? { type: "PUT_OK", id, key, timestamp: 5 }
      : { type: "GET_OK", id, key, value: "antigo", timestamp: 4 }
  );
  await using client = new KvClient([server.address]);
  await client.put("cor", "azul");
  await assertRejects(
    () => client.get("cor", { timeoutMs: 300 }),
    UnavailableError,
    "broke the protocol",
  );
});

Deno.test("an answer that comes too late changes nothing, and its connection goes on", async () => {
  const late = Promise.withResolvers<void>();
  await using server = new FakeServer(async (wire) => {
    const put = await wire.message();
    await late.promise;
    await wire.send(good(put), good(await wire.message()));
  });
  await using client = new KvClient([server.address]);
  await assertRejects(() => client.put("cor", "azul", { timeoutMs: 50 }), UnknownOutcomeError);
  late.resolve();
  assertEquals((await client.get("cor")).seen, 0);
  assertEquals(server.accepted, 1);
});

Deno.test("all requests on a connection that ends fail, and the next one connects anew", async () => {
  await using server = new FakeServer(async (wire, index) => {
    if (index === 0) {
      await wire.messages(3);
      return wire.close();
    }
    await wire.send(good(await wire.message()));
  });
  await using client = new KvClient([server.address], { once: true });
  const results = await Promise.allSettled([
    client.put("a", "1"),
    client.get("b"),
    client.put("c", "3"),
  ]);
  assertEquals(
    results.map((result) => result.status === "rejected" && result.reason.name),
    ["UnknownOutcomeError", "UnavailableError", "UnknownOutcomeError"],
  );
  assertEquals((await client.get("b")).value, "azul");
  assertEquals(server.accepted, 2);
});

Deno.test("a server that comes back on its port is found again, and says that all was lost", async () => {
  const first = await TestServer.alone();
  await using client = new KvClient([first.address], { once: true });
  await client.put("cor", "azul");
  await first.close();
  await assertRejects(() => client.get("cor"), UnavailableError);
  await using second = await eventually("the port is free", () => {
    try {
      return new TestServer(first.address, undefined, { clusterSize: 1, minInSync: 1 });
    } catch {
      return undefined;
    }
  });
  await second.ready();
  const error = await assertRejects(() => client.get("cor"), ClusterResetError);
  assertEquals(error.server, formatAddress(first.address));
  await assertRejects(() => client.put("cor", "verde"), ClusterResetError);
  assertEquals(second.holds("cor"), undefined);
});

Deno.test("one server that hangs does not hold up requests to another", async () => {
  await using hanging = new FakeServer(() => {});
  await using server = await TestServer.alone();
  const draws = [0, 0.5];
  await using client = new KvClient([hanging.address, server.address], {
    random: () => draws.shift()!,
  });
  const stuck = client.put("a", "1");
  stuck.catch(() => {});
  assertEquals((await client.put("b", "2")).server, server.name);
  await client.close();
  await assertRejects(() => stuck, UnavailableError, "the client was closed");
});

Deno.test("closing ends what is under way, and nothing is asked afterwards", async () => {
  await using server = new FakeServer(() => {});
  const client = new KvClient([server.address]);
  const requests = [client.put("a", "1"), client.get("b")];
  const results = Promise.allSettled(requests);
  await eventually("it has connected", () => server.accepted === 1);
  await within("it closes", Promise.all([client.close(), client.close()]).then(() => {}));
  for (const result of await results) {
    assert(result.status === "rejected");
    assert(
      result.reason instanceof UnknownOutcomeError || result.reason instanceof UnavailableError,
    );
  }
  const late = await assertRejects(() => client.get("a"));
  assertInstanceOf(late, UnavailableError);
  assertEquals(late.message, "the client was closed");
});

Deno.test("closing while it still connects leaves nothing behind", async () => {
  await using server = new FakeServer(() => {});
  for (let round = 0; round < 50; round++) {
    const client = new KvClient([server.address]);
    const request = client.get("a");
    request.catch(() => {});
    for (let turn = 0; turn < round % 5; turn++) await Promise.resolve();
    await within("it closes", client.close());
    await assertRejects(() => request, UnavailableError, "the client was closed");
  }
});
