import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { frameBytesMax, lingerMs, valueBytesMax } from "../../../lib/limits.ts";
import { refusedMax } from "../../../lib/server/admission.ts";
import { tuningDefault } from "../../../lib/replication/tuning.ts";
import { seeded } from "../../support/random.ts";
import { Cluster } from "../../support/cluster.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";

const put = { type: "PUT", id: 1, key: "cor", value: "azul" };
const get = { type: "GET", id: 2, key: "cor", timestamp: 0 };

/** A frame of exactly this many bytes, its LF included. Apart from its length it is valid. */
function frameOf(bytes: number): string {
  const frame = JSON.stringify({ ...get, filler: "" });
  return `${frame.slice(0, -2)}${"x".repeat(bytes - frame.length - 1)}"}\n`;
}

/** Checks that the server still serves other clients. */
async function assertServes(server: TestServer): Promise<void> {
  using wire = await Wire.connect(server.address);
  assertEquals((await wire.ask({ ...get, key: "outra" })).type, "GET_OK");
}

// Peers that do not speak the protocol

Deno.test("an HTTP POST whose body is a PUT executes nothing: ERROR, then the end", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  const body = `${JSON.stringify(put)}\n`;
  await wire.write(
    `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  const replies = await wire.rest();
  assertEquals(replies.map(({ type, code }) => [type, code]), [["ERROR", "BAD_MESSAGE"]]);
  assertEquals(server.holds("cor"), undefined);
  assertEquals(server.prints, []);
});

Deno.test("an HTTP POST whose body comes later executes nothing either", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  await wire.write("POST / HTTP/1.1\r\nContent-Length: 60\r\n\r\n");
  assertEquals((await wire.message()).type, "ERROR");
  await wire.send(put);
  assertEquals(await wire.rest(), []);
  wire.close();
  await assertServes(server);
  assertEquals(server.holds("cor"), undefined);
});

Deno.test(
  "random bytes never bring a server down",
  seeded(async (random) => {
    await using server = await TestServer.alone();
    for (let round = 0; round < 50; round++) {
      using wire = await Wire.connect(server.address);
      const bytes = Uint8Array.from({ length: random.between(1, 2_000) }, () => random.below(256));
      try {
        await wire.write(bytes);
        await wire.write("\n");
        await wire.closeWrite();
      } catch (error) { // the server may have closed the connection already
        const gone = error instanceof Deno.errors.BrokenPipe ||
          error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected;
        if (!gone) throw error;
      }
      for (const { type } of await wire.rest()) assertEquals(type, "ERROR");
    }
    await assertServes(server);
  }),
);

for (
  const [what, line] of [
    ["an empty line", ""],
    ["a list", "[]"],
    ["a number", "7"],
    ["null", "null"],
    ["a text", '"PUT"'],
    ["a line that is half an object", '{"type":"GET"'],
    ["two objects in one line", '{"type":"GET"} {"type":"GET"}'],
  ]
) {
  Deno.test(`${what} ends the connection after one ERROR`, async () => {
    await using server = await TestServer.alone();
    using wire = await Wire.connect(server.address);
    await wire.write(`${line}\n${JSON.stringify(get)}\n`);
    assertEquals((await wire.rest()).map(({ code }) => code), ["BAD_MESSAGE"]);
    assertEquals(server.prints, []);
  });
}

Deno.test("in one chunk, requests before a bad line are answered and requests after it are not executed", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  const after = { ...put, id: 9, key: "depois" };
  await wire.write(
    [JSON.stringify(put), JSON.stringify(get), "GET / HTTP/1.1", JSON.stringify(after), ""]
      .join("\n"),
  );
  const replies = await wire.rest();
  assertEquals(replies.map(({ type, id }) => [type, id]), [
    ["PUT_OK", 1],
    ["GET_OK", 2],
    ["ERROR", undefined],
  ]);
  assertEquals(server.holds("depois"), undefined);
});

Deno.test("a frame of exactly the limit is read, and one byte more ends the connection", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  await wire.write(frameOf(frameBytesMax));
  assertEquals((await wire.message()).type, "GET_OK");
  await wire.write(frameOf(frameBytesMax + 1));
  const [error] = await wire.rest();
  assertEquals([error?.type, error?.code], ["ERROR", "TOO_LARGE"]);
  await assertServes(server);
});

Deno.test("a frame without an end is cut at the limit", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  const chunk = "x".repeat(1024 * 1024);
  const writing = (async () => {
    for (let n = 0; n < 12; n++) await wire.write(chunk);
  })();
  const reading = wire.message();
  assertEquals((await reading).code, "TOO_LARGE");
  wire.close();
  await writing.catch(() => {});
  await assertServes(server);
});

Deno.test("a value over the limit is refused, and the connection stays open", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  const refused = await wire.ask({ ...put, value: "v".repeat(valueBytesMax + 1) });
  assertEquals([refused.code, refused.id], ["TOO_LARGE", 1]);
  assertEquals((await wire.ask({ ...put, value: "é".repeat(valueBytesMax / 2) })).type, "PUT_OK");
});

Deno.test("the limits on PUTs hold for clients, not between servers", async () => {
  await using leader = new TestServer(
    anyPort,
    undefined,
    { clusterSize: 2, keyBytesMax: 4, valueBytesMax: 8 },
    { frameBytesMax: 64 * 1024 },
  );
  await using follower = new TestServer(anyPort, leader.address, {}, { frameBytesMax: 128 * 1024 });
  await Promise.all([leader.ready(), follower.ready()]);
  using strict = await Wire.connect(leader.address);
  for (const wrong of [{ key: "ção" }, { value: "123456789" }]) {
    const { code, id } = await strict.ask({ ...put, id: 5, ...wrong });
    assertEquals([code, id], ["TOO_LARGE", 5]);
  }
  assertEquals((await strict.ask({ ...put, key: "cor.", value: "12345678" })).type, "PUT_OK");
  await strict.write(frameOf(64 * 1024));
  assertEquals((await strict.message()).type, "GET_OK");
  await strict.write(frameOf(64 * 1024 + 1));
  assertEquals((await strict.rest()).map(({ code }) => code), ["TOO_LARGE"]);
  // Each of these is over a limit of the other server, but comes from a server.
  using free = await Wire.connect(follower.address);
  const value = "v".repeat(100 * 1024);
  assertEquals((await free.ask({ ...put, key: "longa", value })).type, "PUT_OK");
  await free.write(frameOf(128 * 1024 + 1));
  assertEquals((await free.rest()).map(({ code }) => code), ["TOO_LARGE"]);
  const largest = "\u0001".repeat(valueBytesMax);
  await using other = new TestServer(anyPort, undefined, { clusterSize: 2 });
  await using behind = new TestServer(anyPort, other.address, {}, { frameBytesMax: 64 * 1024 });
  await behind.ready();
  using client = await Wire.connect(other.address);
  assertEquals((await client.ask({ ...put, value: largest })).type, "PUT_OK");
  assertEquals(behind.holds("cor")?.value?.length, valueBytesMax);
});

Deno.test("if half-sent frames take too much memory together, the largest is cut off", async () => {
  await using server = await TestServer.alone({}, { heldBytesMax: 3 * 1024 * 1024 });
  const half = async (bytes: number) => {
    const wire = await Wire.connect(server.address);
    await wire.write("x".repeat(bytes));
    return wire;
  };
  using small = await half(1024);
  // However little of the others is read yet: what exceeds the limit has most of this one in it.
  using large = await half(2.2 * 1024 * 1024);
  using _medium = await half(0.5 * 1024 * 1024);
  assertEquals(server.reports.filter((line) => line.includes("cut off")), []);
  using _last = await half(1024 * 1024);
  await server.reported("cut off 1 connections");
  assertEquals(await large.rest(), []);
  await small.write("\n");
  assertEquals((await small.message()).code, "BAD_MESSAGE");
  await assertServes(server);
});

Deno.test("if unread answers take too much memory together, the client with most is cut off", async () => {
  await using server = await TestServer.alone({}, { heldBytesMax: valueBytesMax });
  using greedy = await Wire.connect(server.address);
  await greedy.ask({ ...put, value: "v".repeat(valueBytesMax) });
  await greedy.send(...Array.from({ length: 100 }, (_, id) => ({ ...get, id })));
  await server.reported("cut off 1 connections");
  await assertServes(server);
});

// Half messages and lost clients

Deno.test("half a message without its end changes nothing", async () => {
  await using server = await TestServer.alone();
  for (const half of ["{", '{"type":"PUT","id":1,', JSON.stringify(put)]) {
    using wire = await Wire.connect(server.address);
    await wire.write(half);
    await wire.closeWrite();
    assertEquals(await wire.rest(), []);
  }
  assertEquals(server.prints, []);
  await assertServes(server);
});

Deno.test("half a message delays no other client, and may be completed later", async () => {
  await using server = await TestServer.alone();
  using slow = await Wire.connect(server.address);
  const line = `${JSON.stringify(put)}\n`;
  await slow.write(line.slice(0, 30));
  for (let n = 0; n < 20; n++) await assertServes(server);
  await slow.write(line.slice(30));
  assertEquals((await slow.message()).type, "PUT_OK");
});

Deno.test("a client that ends its sending side at once still gets every answer", async () => {
  await using cluster = await Cluster.start();
  for (const server of cluster.servers) {
    using wire = await Wire.connect(server.address);
    const requests = Array.from(
      { length: 100 },
      (_, id): Message => id % 2 === 0 ? { ...put, id } : { ...get, id, key: "outra" },
    );
    await wire.send(...requests);
    await wire.closeWrite();
    const ids = (await wire.rest()).map(({ id }) => id as number).sort((a, b) => a - b);
    assertEquals(ids, requests.map(({ id }) => id as number));
  }
});

Deno.test("a client that leaves before its answer does no harm", async () => {
  await using cluster = await Cluster.start();
  for (const [n, server] of cluster.servers.entries()) {
    using wire = await Wire.connect(server.address);
    await wire.send({ ...put, key: `k${n}` });
    await eventually("it has arrived", () => server.prints.length > 0);
    wire.close();
    await eventually("it is written", () => cluster.leader.holds(`k${n}`) !== undefined);
    await assertServes(server);
  }
});

// Many requests and connections at once

Deno.test("thousands of requests on one connection are all answered, in bounded time", async () => {
  await using cluster = await Cluster.start();
  const count = 5_000;
  for (const server of cluster.servers) {
    using wire = await Wire.connect(server.address);
    const requests = Array.from({ length: count }, (_, id) => ({ ...get, id }));
    const writing = wire.send(...requests);
    const replies = await wire.messages(count);
    await writing;
    assertEquals(replies.map(({ id }) => id), requests.map(({ id }) => id));
  }
});

Deno.test("many connections at once are all served", async () => {
  await using server = await TestServer.alone();
  await using clients = new AsyncDisposableStack();
  const answers = Array.from({ length: 200 }, async (_, n) => {
    const client = clients.use(new KvClient([server.address]));
    await client.put(`k${n}`, `v${n}`);
    return (await client.get(`k${n}`)).value;
  });
  assertEquals(await Promise.all(answers), answers.map((_, n) => `v${n}`));
});

for (const limit of ["connectionsMax", "connectionsPerIpMax"] as const) {
  Deno.test(`connections over ${limit} do not count, and only a few are told the reason`, async () => {
    await using server = await TestServer.alone({}, { [limit]: 2 });
    const status = async (wire: Wire) => (await wire.ask({ type: "STATUS", id: 1 })).type;
    using first = await Wire.connect(server.address);
    using second = await Wire.connect(server.address);
    assertEquals([await status(first), await status(second)], ["STATUS_OK", "STATUS_OK"]);
    // No client of these connections closes its end.
    await using stack = new AsyncDisposableStack();
    const over = await Promise.all(
      Array.from({ length: 2 * refusedMax }, () => Wire.connect(server.address)),
    );
    for (const wire of over) stack.use(wire);
    const replies = (await Promise.all(over.map((wire) => wire.rest()))).flat();
    assertLess(replies.length, refusedMax + 1);
    assertEquals(replies, replies.map(() => replies[0]!));
    assertEquals(replies[0]?.code, "OVERLOADED");
    second.close();
    await eventually("there is room, though refused connections are still open", async () => {
      using third = await Wire.connect(server.address);
      return await status(third).catch(() => "") === "STATUS_OK";
    }, lingerMs / 2);
  });
}

Deno.test("the requests of a client that does not read answers wait; others are served, and no answer is lost", async () => {
  await using server = await TestServer.alone();
  using greedy = await Wire.connect(server.address);
  const value = "v".repeat(256 * 1024);
  await greedy.ask({ ...put, value });
  const count = 400; // 100 MiB of answers
  await greedy.send(...Array.from({ length: count }, (_, id) => ({ ...get, id })));
  const executed = () => server.printsOf(`Cliente ${greedy.local} GET`).length;
  let before = -1;
  await eventually("its requests wait", async () => {
    for (let n = 0; n < 5; n++) await assertServes(server);
    const still = executed() === before;
    before = executed();
    return still && before > 0;
  });
  assertLess(executed(), count / 2); // the sockets hold some MiB of answers, the server one more
  const ids = [];
  for (let n = 0; n < count; n++) {
    const reply = await greedy.message();
    assert(reply.value === value);
    ids.push(reply.id);
  }
  assertEquals(ids, Array.from({ length: count }, (_, id) => id));
});

Deno.test("the largest value of control characters goes through a follower to every server", async () => {
  // A line of 6 MiB takes long on a busy machine, and this test is about its size, not its time.
  await using cluster = await Cluster.start({ silenceMs: 9_000, putTimeoutMs: 9_000 });
  const value = "\u0001".repeat(valueBytesMax);
  using client = await Wire.connect(cluster.followers[0].address);
  const answer = await client.ask({ ...put, value });
  assertEquals(answer, { type: "PUT_OK", id: 1, key: "cor", timestamp: 1 });
  for (const { address } of cluster.servers) {
    using wire = await Wire.connect(address);
    const reply = await wire.ask(get);
    assert(reply.value === value);
    assertEquals(reply.timestamp, 1);
  }
});

Deno.test("the largest possible snapshot chunk reaches a recovering leader and a new follower", async () => {
  await using cluster = await Cluster.start({ logBytesMax: 1 });
  const { snapshotChunkChars } = tuningDefault;
  // The first entry almost fills the chunk. The second is the largest entry.
  const values = ["\u0001".repeat(snapshotChunkChars - 100), "\u0001".repeat(valueBytesMax)];
  await using client = new KvClient([cluster.leader.address]);
  for (const [n, value] of values.entries()) await client.put(`k${n}`, value);
  await cluster.kill(0, 1);
  await cluster.restart(1);
  await cluster.restart(0);
  await cluster.leader.reported("(3 of 3 in sync)");
  for (const server of cluster.servers) {
    for (const [n, value] of values.entries()) assert(server.holds(`k${n}`)?.value === value);
  }
});

// Forged messages

Deno.test("messages between servers are refused from a client", async () => {
  await using cluster = await Cluster.start();
  await using writer = new KvClient(cluster.addresses);
  await writer.put("cor", "azul");
  const forged: Message[] = [
    { type: "REPLICATION", key: "cor", value: "forjado", timestamp: 99 },
    { type: "REPLICATION_OK", timestamp: 99 },
    { type: "JOIN_OK" },
    { type: "SYNC", cluster: "outro", timestamp: 99, latest: 99 },
    { type: "SNAPSHOT_REQUEST" },
    { type: "SNAPSHOT", entries: [["cor", "forjado", 99]], last: true },
    { type: "SNAPSHOT_OK" },
    { type: "HEARTBEAT" },
    { type: "PUT_OK", id: 1, key: "cor", timestamp: 99 },
    { type: "GET_OK", id: 1, key: "cor", value: "forjado", timestamp: 99 },
    { type: "TRY_OTHER_SERVER_OR_LATER", id: 1, key: "cor", timestamp: 99 },
  ];
  for (const server of cluster.servers) {
    using wire = await Wire.connect(server.address);
    for (const message of forged) {
      const { code, id } = await wire.ask(message);
      assertEquals([code, id], ["FORBIDDEN", message.id]);
    }
    assertEquals((await wire.ask(get)).value, "azul");
    assertEquals(server.holds("cor"), { value: "azul", timestamp: 1 });
  }
  assertEquals((await writer.put("cor", "verde")).timestamp, 2);
});

Deno.test("only the leader takes JOIN, and a full cluster takes no other server", async () => {
  await using cluster = await Cluster.start();
  for (const [n, server] of cluster.servers.entries()) {
    using wire = await Wire.connect(server.address);
    const join = { type: "JOIN", server: wire.local, cluster: "", timestamp: 0 };
    const { code, message } = await wire.ask(join);
    assertEquals(code, "FORBIDDEN");
    assertStringIncludes(`${message}`, n === 0 ? "has its 3 servers" : "is not the leader");
  }
  await using client = new KvClient(cluster.addresses);
  await client.put("cor", "azul");
});

Deno.test("a forged client address is not printed, neither by the leader nor through a follower", async () => {
  await using cluster = await Cluster.start();
  const forged = { ...put, client: "6.6.6.6:666" };
  for (const server of [cluster.leader, cluster.followers[0]]) {
    using wire = await Wire.connect(server.address);
    const { timestamp } = await wire.ask(forged);
    assertEquals(cluster.leader.prints.slice(-2), [
      `Cliente ${wire.local} PUT key:cor value:azul.`,
      `Enviando PUT_OK ao Cliente ${wire.local} da key:cor ts:${timestamp}.`,
    ]);
  }
});

Deno.test("keys with a meaning in JavaScript are ordinary keys on the wire", async () => {
  await using cluster = await Cluster.start();
  using wire = await Wire.connect(cluster.followers[0].address);
  for (const key of ["__proto__", "constructor", "hasOwnProperty", "0", " "]) {
    assertEquals((await wire.ask({ ...get, key })).value, null);
    const value = `o valor de ${key}`;
    assertEquals((await wire.ask({ ...put, key, value })).type, "PUT_OK");
    assertEquals((await wire.ask({ ...get, key })).value, value);
  }
  // Also as a field: JSON.parse makes an own property of it, which is ignored.
  await wire.write('{"__proto__":{"value":"x"},"type":"PUT","id":5,"key":"sem valor"}\n');
  assertEquals((await wire.message()).code, "BAD_MESSAGE");
});
