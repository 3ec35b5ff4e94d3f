import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Secret } from "../../lib/auth/secret.ts";
import { Cluster } from "../support/cluster.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { type Message, Wire } from "../support/wire_client.ts";

/** The next message of a type. Others are skipped. */
async function next(wire: Wire, type: string): Promise<Message> {
  while (true) {
    const message = await wire.message();
    if (message.type === type) return message;
  }
}

Deno.test("watchers at the leader and at a follower get each change, deletions too, and LIST shows the rest", async () => {
  await using cluster = await Cluster.start();
  using writer = await Wire.connect(cluster.servers[1]!.address);
  const put = (key: string, value: string) => writer.ask({ type: "PUT", id: 1, key, value });
  const first = await put("config/a", "1");
  for (const { address } of cluster.servers.slice(0, 2)) {
    using watcher = await Wire.connect(address);
    const begun = await watcher.ask({ type: "WATCH", id: 7, prefix: "config/", after: 0 });
    assertEquals([begun.type, begun.changes, begun.more], ["CHANGES", [[
      "config/a",
      "1",
      first.timestamp,
    ]], undefined]);
    const { timestamp } = await put("config/b", "2");
    await put("other", "x");
    assertEquals((await next(watcher, "CHANGES")).changes, [["config/b", "2", timestamp]]);
    const gone = await writer.ask({ type: "WRITE", id: 2, key: "config/b", value: null });
    assertEquals((await next(watcher, "CHANGES")).changes, [["config/b", null, gone.timestamp]]);
    await watcher.send({ type: "UNWATCH", id: 7 });
    const page = await watcher.ask({
      type: "LIST",
      id: 8,
      prefix: "config/",
      atLeast: gone.timestamp,
    });
    assertEquals([page.type, page.entries, page.more], ["LIST_OK", [[
      "config/a",
      "1",
      first.timestamp,
    ]], false]);
  }
});

Deno.test("a connection with watches may carry as many requests as before, and ends when it is told to", async () => {
  await using server = await TestServer.alone({}, { inFlightMax: 2 });
  using wire = await Wire.connect(server.address);
  for (let id = 1; id <= 5; id++) {
    const begun = await wire.ask({ type: "WATCH", id, key: "k", after: 0 });
    assertEquals(begun.type, "CHANGES");
    await wire.send({ type: "UNWATCH", id });
  }
  const { type } = await wire.ask({ type: "STATUS", id: 99 });
  assertEquals(type, "STATUS_OK");
});

Deno.test("a watch keeps its connection from being idle, and without it the connection ends", async () => {
  await using server = await TestServer.alone({}, { idleMs: 50, sweepMs: 10 });
  using watcher = await Wire.connect(server.address);
  using idle = await Wire.connect(server.address);
  await watcher.ask({ type: "WATCH", id: 1, key: "k", after: 0 });
  await idle.ask({ type: "STATUS", id: 1 });
  assertStringIncludes(String((await idle.message()).message), "idle");
  assertEquals((await watcher.ask({ type: "STATUS", id: 2 })).type, "STATUS_OK");
  await watcher.send({ type: "UNWATCH", id: 1 });
  assertStringIncludes(String((await next(watcher, "ERROR")).message), "idle");
});

Deno.test("LIST and WATCH need the password, and say so", async () => {
  const alone = { clusterSize: 1, minInSync: 1 };
  const secrets = { server: await Secret.from("segredo"), client: await Secret.from("senha") };
  await using server = new TestServer(anyPort, undefined, alone, {}, { secrets });
  await server.ready();
  using wire = await Wire.connect(server.address);
  for (
    const request of [
      { type: "LIST", id: 1, prefix: "" },
      { type: "WATCH", id: 2, key: "k", after: 0 },
      { type: "UNWATCH", id: 3 },
    ]
  ) {
    const { code, id } = await wire.ask(request);
    assertEquals([code, id], ["FORBIDDEN", request.id]);
  }
});

Deno.test("the watches of a connection that has ended are gone", async () => {
  await using server = await TestServer.alone({ watchesMax: 1 });
  const watch = { type: "WATCH", id: 1, key: "k", after: 0 };
  {
    using wire = await Wire.connect(server.address);
    assertEquals((await wire.ask(watch)).type, "CHANGES");
    using other = await Wire.connect(server.address);
    assertEquals((await other.ask(watch)).code, "OVERLOADED");
  }
  using wire = await Wire.connect(server.address);
  let type: unknown;
  for (let n = 0; type !== "CHANGES"; n++) {
    assert(n < 1_000, "the watch stays");
    type = (await wire.ask({ ...watch, id: n })).type;
  }
});
