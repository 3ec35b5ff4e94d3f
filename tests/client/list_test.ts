/** Lists of the client library, at scripted servers. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { InvalidArgumentError, StaleError, UnavailableError } from "../../lib/client/errors.ts";
import { type ExportedSession, KvClient } from "../../lib/client/kv_client.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeStore } from "../support/fake_store.ts";
import type { Message } from "../support/wire_client.ts";

Deno.test("a list gives all keys of a prefix in their order, page by page", async () => {
  await using store = new FakeStore();
  const servers = [store.server({ behind: true }), store.server(), store.server()];
  for (const key of ["b", "a/\u{10ffff}", "a/\uffff", "a/2", "a/1", "c", "a/😀"]) {
    store.write(key, key);
  }
  store.write("a/gone", "x");
  store.write("a/gone", null);
  await using client = new KvClient(servers.map(({ server }) => server.address));
  const keys = ["a/1", "a/2", "a/\uffff", "a/😀", "a/\u{10ffff}"];
  assertEquals(await Array.fromAsync(client.keys("a/", { pageSize: 2 })), keys);
  const entries = await Array.fromAsync(client.list("a/", { after: "a/1", pageSize: 1 }));
  assertEquals(entries[0], { key: "a/2", value: "a/2", timestamp: 4 });
  assertEquals(entries.map(({ key }) => key), keys.slice(1));
  assertEquals((await Array.fromAsync(client.keys())).length, 7);
  assertEquals(await Array.fromAsync(client.keys("nada")), []);
  const { requests } = store;
  assertEquals(requests[0]!.atLeast, undefined); // nothing was seen yet
  assertEquals(requests.at(-1), {
    type: "LIST",
    id: requests.at(-1)!.id,
    prefix: "nada",
    limit: 500,
    atLeast: 9,
  });
});

Deno.test("a list is not older than what was seen, and no later GET is older than a list", async () => {
  await using old = new FakeStore();
  await using store = new FakeStore();
  for (const value of ["1", "2"]) store.write("k", value);
  old.write("k", "1");
  const addresses = [old.server(), store.server()].map(({ server }) => server.address);
  let drawn = 0.9;
  await using client = new KvClient(addresses, { random: () => drawn });
  await client.get("k");
  drawn = 0;
  assertEquals((await Array.fromAsync(client.list()))[0]!.value, "2");
  await using another = new KvClient(addresses, { random: () => drawn });
  drawn = 0.9;
  await Array.fromAsync(another.keys());
  drawn = 0;
  assertEquals((await another.get("k")).value, "2");
  assertEquals(old.requests.at(-1)!.atLeast, 2);
});

Deno.test("keys that exist all the time are listed although others come and go", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  for (let n = 0; n < 50; n += 2) store.write(`k${n}`.padEnd(4), "stays");
  await using client = new KvClient([server.address]);
  const listed = [];
  for await (const { key, value } of client.list("", { pageSize: 3 })) {
    if (value === "stays") listed.push(key);
    const n = listed.length;
    store.write(`k${n}x`, "comes");
    store.write(`k${n - 1}x`, null);
  }
  assertEquals(new Set(listed).size, 25);
  assertEquals(listed.length, 25);
});

Deno.test("if all servers are behind the list fails, and says so", async () => {
  await using store = new FakeStore();
  const { server } = store.server({ behind: true });
  await using client = new KvClient([server.address], { timeoutMs: 100 });
  const error = await assertRejects(() => client.list().next(), StaleError);
  assertEquals(error.key, undefined);
  const session: ExportedSession = { version: 1, cluster: "", timestamps: [], applied: [7] };
  await using another = new KvClient([server.address], { timeoutMs: 100, session });
  const { seen } = await assertRejects(() => another.get("k"), StaleError);
  assertEquals(seen, 7, "what it has seen of everything");
});

Deno.test("pages that no correct server gives end the connection, so no list is endless", async () => {
  const pages: Message[] = [
    { entries: [], more: true },
    { entries: [["a", "x", 1]], more: true, timestamp: 1 }, // it was asked for keys after "b"
    { entries: [["z", "x", 1]], more: false },
    { entries: [["bb", "x", 1], ["ba", "x", 1]], more: false },
    { entries: [["ba", "x", 1], ["bb", "x", 1], ["bc", "x", 1]], more: false },
  ];
  for (const page of pages) {
    await using server = FakeServer.answering(({ id }) => ({
      ...{ type: "LIST_OK", id, timestamp: 9 },
      ...page,
    }));
    await using client = new KvClient([server.address], { once: true });
    const list = client.list("b", { after: "b", pageSize: 2 });
    await assertRejects(() => list.next(), UnavailableError, "protocol");
  }
});

Deno.test("wrong options of a list are refused at the call", async () => {
  await using client = new KvClient(["127.0.0.1:1"]);
  const wrong = [{ pageSize: 0 }, { pageSize: 1_001 }, { after: "" }, { timeoutMs: 0 }];
  for (const options of wrong) {
    assertThrows(() => client.list("", options), InvalidArgumentError);
    assertThrows(() => client.keys("", options), InvalidArgumentError);
  }
  assertThrows(() => client.list(1 as unknown as string), InvalidArgumentError);
  assertThrows(() => client.list("\ud800"), InvalidArgumentError);
});
