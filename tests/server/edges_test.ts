/** Regressions at the start and end of connections. Each of them once lost an answer or did not end. */

import { assertEquals, assertRejects } from "@std/assert";
import { KvClient } from "../../lib/client/kv_client.ts";
import { Cluster } from "../support/cluster.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { openWithTwo } from "../support/scripted_follower.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually, within } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";
const put = { type: "PUT", id: 1, key: "cor", value: "azul" };

Deno.test("an ERROR from a client does not keep its connection open", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  await wire.send({ type: "ERROR", code: "BAD_MESSAGE", message: "x" });
  await wire.closeWrite();
  const answers = await within("the server closes", wire.rest(), 2_000);
  assertEquals(answers.map(({ type, code }) => [type, code]), [["ERROR", "FORBIDDEN"]]);
});

Deno.test("a PUT before a bad line of the same chunk is answered, in a cluster too", async () => {
  await using cluster = await Cluster.start();
  using wire = await Wire.connect(cluster.leader.address);
  await wire.write(`${JSON.stringify(put)}\nGET / HTTP/1.1\n`);
  assertEquals((await wire.rest()).map(({ type }) => type).sort(), ["ERROR", "PUT_OK"]);
});

Deno.test("a leader that stops answers the PUTs that followers forwarded", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  await one.send({ ...put, client: "127.0.0.1:9" });
  for (const follower of [one, other]) await follower.messageOf("REPLICATION");
  const closed = leader.close();
  for (const follower of [one, other]) {
    await follower.send({ type: "REPLICATION_OK", timestamp: 1 });
  }
  const types = (await one.rest()).map(({ type }) => type);
  one.close();
  other.close();
  await closed;
  assertEquals(types.includes("PUT_OK"), true, `${types}`);
});

/** Makes `Deno.connect` resolve only when the gate opens, although it is connected before. */
function lateConnect(gate: Promise<void>): Disposable {
  const real = Deno.connect;
  Deno.connect = (async (options: Deno.ConnectOptions) => {
    const conn = await real({ hostname: options.hostname!, port: options.port });
    await gate;
    return conn;
  }) as typeof Deno.connect;
  return {
    [Symbol.dispose]: () => {
      Deno.connect = real;
    },
  };
}

Deno.test("closing a client while its connection is being made does not hang", async () => {
  await using server = new FakeServer(() => {});
  const gate = Promise.withResolvers<void>();
  using _stub = lateConnect(gate.promise);
  const client = new KvClient([server.address]);
  const request = client.get("a");
  request.catch(() => {});
  await eventually("connected", () => server.accepted === 1);
  const closed = client.close();
  gate.resolve();
  await within("the client closes", closed, 2_000);
  await assertRejects(() => request);
});

Deno.test("closing a server while its dial succeeds leaves no connection open", async () => {
  const lines: string[] = [];
  let ended = false;
  await using leader = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      lines.push(line);
    }
    ended = true;
  });
  const gate = Promise.withResolvers<void>();
  using _stub = lateConnect(gate.promise);
  const follower = new TestServer(anyPort, leader.address, {});
  await eventually("connected", () => leader.accepted === 1);
  const closed = follower.close();
  await eventually("it has stopped listening, and waits for the dial", async () => {
    const conn = await Deno.connect({ ...follower.address }).catch(() => undefined);
    conn?.close();
    return conn === undefined;
  });
  gate.resolve();
  await within("the server closes", closed, 4_000);
  await eventually("its connection has ended", () => ended || undefined, 1_000);
  assertEquals(lines, []);
});
