/** The errors of the client library at servers that break the protocol or disappear. */

import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { formatAddress } from "../../lib/wire/address.ts";
import {
  ClusterResetError,
  ForbiddenError,
  InvalidArgumentError,
  ProtocolError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { rightAnswer, tryOther } from "../support/fake_answers.ts";
import { FakeServer } from "../support/fake_server.ts";
import { deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually } from "../support/waiting.ts";
import type { Message, Wire } from "../support/wire_client.ts";

type ErrorClass = new (server: string, reason: string) => Error & { server: string };

/** Asserts that PUT and GET fail in time with these classes, and that the error names the server. */
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
    assertEquals(error.server, `${hostname}:${port}`);
  }
}

const notApplied = { put: UnavailableError, get: UnavailableError };
const unknown = { put: UnknownOutcomeError, get: UnavailableError };

Deno.test("no server listens: not applied", async () => {
  await assertFails({ address: deadAddress() }, { ...notApplied, message: "" });
});

Deno.test("a server that accepts and never answers: not applied, because no PUT or GET was sent", async () => {
  await using server = new FakeServer(() => {});
  // The PUT waits for the answer to STATUS, which never comes.
  await assertFails(server, { ...notApplied, message: "no answer within 200 ms" });
});

Deno.test("a server that answers nothing but STATUS: unknown outcome", async () => {
  await using server = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await assertFails(server, { ...unknown, message: "no answer within 200 ms" });
});

Deno.test("a server that reads the request and closes the connection: unknown outcome", async () => {
  await using server = FakeServer.answering(() => undefined);
  await assertFails(server, { ...unknown, message: "the connection was lost" });
});

Deno.test("a server that closes the connection in the middle of its answer: unknown outcome", async () => {
  await using server = new FakeServer(async (wire) => {
    await wire.write(JSON.stringify(rightAnswer(await wire.message())).slice(0, 20));
    wire.close();
  });
  await assertFails(server, { ...unknown, message: "the connection was lost" });
});

for (
  const [code, refused] of [
    ["UNAVAILABLE", UnavailableError],
    ["OVERLOADED", UnavailableError],
    ["FORBIDDEN", ForbiddenError],
    ["BAD_MESSAGE", ProtocolError],
    ["TOO_LARGE", InvalidArgumentError],
  ] as const
) {
  Deno.test(`a server that answers ERROR ${code}: not applied`, async () => {
    await using server = FakeServer.answering(({ id }) => (
      { type: "ERROR", id, code, message: "hoje não" }
    ));
    const expected = { put: refused, get: refused } as { put: ErrorClass; get: ErrorClass };
    await assertFails(server, { ...expected, message: `${code}: hoje não` });
  });
}

Deno.test("a server that answers ERROR UNKNOWN_OUTCOME: unknown outcome", async () => {
  await using server = FakeServer.answering(({ id }) => (
    { type: "ERROR", id, code: "UNKNOWN_OUTCOME", message: "quem sabe" }
  ));
  await using client = new KvClient([server.address]);
  await assertRejects(() => client.put("cor", "azul"), UnknownOutcomeError, "quem sabe");
});

const wrongAnswers: [
  what: string,
  respond: (request: Message) => Message | string,
  reason: string,
][] = [
  ["garbage", () => "HTTP/1.1 200 OK\r\n\r\n", "the line is not JSON"],
  ["JSON that is no object", () => "[1]\n", "not a JSON object"],
  ["a message of no known type", (r) => ({ ...rightAnswer(r), type: "OK" }), "unknown"],
  [
    "a timestamp that is no number",
    (r) => ({ ...rightAnswer(r), timestamp: "5" }),
    '"timestamp" must be',
  ],
  ["another id", (r) => ({ ...rightAnswer(r), id: 99 }), "the server broke the protocol"],
  ["no id", (r) => ({ ...rightAnswer(r), id: undefined }), '"id" must be'],
  ["another key", (r) => ({ ...rightAnswer(r), key: "outra" }), "the server broke the protocol"],
  [
    "the timestamp 0 of no write, with a value",
    (r) => ({ ...rightAnswer(r), timestamp: 0 }),
    "the server broke the protocol",
  ],
  [
    "an ERROR without an id",
    () => ({ type: "ERROR", code: "BAD_MESSAGE", message: "não entendi" }),
    "BAD_MESSAGE: não entendi",
  ],
  [
    "the answer to the other kind of request",
    (r) => rightAnswer({ ...r, type: r.type === "PUT" ? "GET" : "PUT", timestamp: 0 }),
    "the server broke the protocol",
  ],
];

for (const [what, respond, reason] of wrongAnswers) {
  Deno.test(`a server that answers ${what} breaks the protocol`, async () => {
    await using server = FakeServer.answering(respond);
    await assertFails(server, { ...unknown, message: reason });
  });
}

Deno.test("a server that answers bytes that are no UTF-8 breaks the protocol", async () => {
  await using server = new FakeServer(async (wire) => {
    await wire.message();
    await wire.write(Uint8Array.of(0xff, 0xfe, 10));
  });
  await assertFails(server, { ...unknown, message: "not UTF-8" });
});

Deno.test("a GET_OK older than what the client has seen is refused, not returned", async () => {
  await using server = FakeServer.answering(({ type, id, key }) =>
    type === "PUT"
      ? { type: "PUT_OK", id, key, timestamp: 5 }
      : { type: "GET_OK", id, key, value: "antigo", timestamp: 4 }
  );
  await using client = new KvClient([server.address], { once: true });
  await client.put("cor", "azul");
  await assertRejects(() => client.get("cor"), UnavailableError, "broke the protocol");
});

Deno.test("if a connection ends, all its requests fail, and the next one makes a new connection", async () => {
  await using server = new FakeServer(async (wire, index) => {
    if (index === 0) {
      await wire.messages(3);
      return wire.close();
    }
    await wire.send(rightAnswer(await wire.message()));
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

Deno.test("a server that comes back without its data is found, and the client gets ClusterResetError", async () => {
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

Deno.test("a server that is behind and belongs to another cluster is asked once", async () => {
  let gets = 0;
  let statuses = 0;
  const status = (id: number): Message => ({
    ...{ type: "STATUS_OK", id, server: "127.0.0.1:1", leader: "127.0.0.1:1" },
    ...{ cluster: statuses++ === 0 ? "one" : "two", timestamp: 1, inSync: [], followers: [] },
    ...{ keys: 0, connections: 1, uptimeMs: 1, memoryBytes: 1, faults: false },
  });
  const script = async (wire: Wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const request = JSON.parse(line) as Message;
      if (request.type === "GET") gets++;
      const isStatus = request.type === "STATUS";
      const reply = isStatus ? status(Number(request.id)) : tryOther(request, 0);
      await wire.write(`${JSON.stringify(reply)}\n`);
    }
  };
  await using server = new FakeServer(script, { answersStatus: false });
  await using client = new KvClient([server.address]);
  await assertRejects(() => client.get("cor"), ClusterResetError);
  assertEquals([gets, statuses], [1, 2]);
});

Deno.test("a server that has failed is used as before once it has answered", async () => {
  await using server = FakeServer.answering((request) =>
    request.type === "PUT" ? undefined : rightAnswer(request)
  );
  await using client = new KvClient([server.address]);
  await assertRejects(() => client.put("cor", "azul"), UnknownOutcomeError);
  const from = performance.now();
  for (let n = 0; n < 100; n++) await client.get("cor");
  assertLess(performance.now() - from, 4_000, "each waited for a pause of the server");
});
