/** Conditional writes, deletions, updates and reads of the latest value, at scripted servers. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  ConflictError,
  InvalidArgumentError,
  LostError,
  ProtocolError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import { type ExportedSession, KvClient } from "../../lib/client/kv_client.ts";
import { loopClock } from "../../lib/client/loop_clock.ts";
import { errorReply } from "../support/fake_answers.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeStore } from "../support/fake_store.ts";
import type { Message } from "../support/wire_client.ts";

Deno.test("each write is one WRITE in the text of the wire, and a plain put stays a PUT", async () => {
  const lines: string[] = [];
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      lines.push(line);
      const { type, id, key } = JSON.parse(line);
      const timestamp = lines.length;
      if (type === "GET_LATEST") {
        await wire.send({ type: "GET_OK", id, key, value: "v", timestamp });
      } else await wire.send({ type: type === "PUT" ? "PUT_OK" : "WRITE_OK", id, key, timestamp });
    }
  });
  await using client = new KvClient([server.address]);
  await client.put("k", "v", { ifTimestamp: undefined, ttlMs: undefined });
  assertEquals(await client.put("k", "v", { ifTimestamp: 7, ttlMs: 1_000 }), {
    server: server.name,
    timestamp: 2,
  });
  await client.create("k", "v", { ttlMs: 2_000 });
  await client.delete("k", { ifTimestamp: 3 });
  await client.delete("k");
  assertEquals(
    await client.get("k", { latest: true }),
    { server: server.name, value: "v", timestamp: 6, seen: 5 },
  );
  assertEquals(lines, [
    '{"type":"PUT","id":1,"key":"k","value":"v"}',
    '{"type":"WRITE","id":2,"key":"k","value":"v","expected":7,"ttlMs":1000}',
    '{"type":"WRITE","id":3,"key":"k","value":"v","expected":0,"ttlMs":2000}',
    '{"type":"WRITE","id":4,"key":"k","value":null,"expected":3}',
    '{"type":"WRITE","id":5,"key":"k","value":null}',
    '{"type":"GET_LATEST","id":6,"key":"k"}',
  ]);
});

Deno.test("a conflict is an error of its own, with what is there; later reads are not older", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const { timestamp } = await client.create("k", "a");
  store.write("k", "b"); // by another client
  const error = await assertRejects(
    () => client.put("k", "c", { ifTimestamp: timestamp }),
    ConflictError,
  );
  assertEquals([error.key, error.value, error.timestamp, error.code], ["k", "b", 2, "CONFLICT"]);
  assertEquals(error.server, server.name);
  assertEquals((await client.get("k")).seen, 2);
  await assertRejects(() => client.create("k", "c"), ConflictError, "it must not exist");
  await assertRejects(() => client.delete("k", { ifTimestamp: 1 }), ConflictError);
  await client.delete("k", { ifTimestamp: 2 });
  const gone = await assertRejects(() => client.put("k", "c", { ifTimestamp: 3 }), ConflictError);
  assertEquals([gone.value, gone.timestamp], [null, 3]);
  assertEquals((await client.create("k", "again")).timestamp, 4);
});

Deno.test("update tries again after each conflict, and each change is made once", async () => {
  await using store = new FakeStore();
  const servers = [store.server(), store.server()];
  const addresses = servers.map(({ server }) => server.address);
  const clients = Array.from({ length: 4 }, () => new KvClient(addresses));
  const add = (old: string | null) => `${Number(old ?? 0) + 1}`;
  await Promise.all(clients.map(async (client) => {
    await using _closed = client;
    for (let n = 0; n < 25; n++) await client.update("sum", add);
  }));
  assertEquals(store.table.get("sum")!.value, "100");
  assert(store.requests.filter(({ type }) => type === "WRITE").length > 100); // there were conflicts
});

Deno.test("after a conflict update goes on with what the conflict shows", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  store.write("k", "1");
  const seen: unknown[] = [];
  await client.update("k", (old, timestamp) => {
    seen.push([old, timestamp]);
    if (seen.length === 1) store.write("k", "2"); // by another client
    return `${old}!`;
  });
  assertEquals(seen, [["1", 1], ["2", 2]]);
  assertEquals(store.requests.map(({ type }) => type), ["GET_LATEST", "WRITE", "WRITE"]);
  assertEquals(store.table.get("k")!.value, "2!");
});

Deno.test("update can delete a key, leave it, and make it expire; its function may be slow", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const made = await client.update("k", (old, timestamp) => `${old} ${timestamp}`, {
    ttlMs: 5_000,
  });
  assertEquals(made, { server: server.name, value: "null 0", timestamp: 1 });
  assertEquals(store.requests.at(-1)!.ttlMs, 5_000);
  const left = await client.update("k", () => undefined);
  assertEquals([left.value, left.timestamp], ["null 0", 1]);
  const gone = await client.update("k", () => Promise.resolve(null), { ttlMs: 5_000 });
  assertEquals([gone.value, gone.timestamp], [null, 2]);
  assertEquals((await client.update("k", () => null)).timestamp, 2); // there is nothing to delete
  assertEquals(store.timestamp, 2);
  const thrown = new Error("no");
  assertEquals(await assertRejects(() => client.update("k", () => Promise.reject(thrown))), thrown);
});

Deno.test("update gives up at its deadline, with the last conflict", async () => {
  await using store = new FakeStore();
  const answer = ({ type, id, key }: Message) => {
    if (type !== "WRITE") return undefined;
    const entry = { value: "x", timestamp: ++store.timestamp };
    store.table.set("k", entry);
    return { type: "CONFLICT", id, key, ...entry };
  };
  const { server } = store.server({ answer });
  await using client = new KvClient([server.address]);
  let calls = 0;
  const change = () => `${calls++}`;
  await assertRejects(() => client.update("k", change, { timeoutMs: 200 }), ConflictError);
  assert(calls > 5 && calls < 200, `${calls} calls`);
});

Deno.test("a write that was not applied is tried again, one of unknown outcome never", async () => {
  await using store = new FakeStore();
  let refusals = 3;
  const answer = (request: Message) =>
    request.type === "WRITE" && refusals-- > 0 ? errorReply(request, "UNAVAILABLE") : undefined;
  const one = store.server({ answer });
  await using client = new KvClient([one.server.address]);
  assertEquals((await client.create("k", "v")).timestamp, 1);
  for (const outcome of ["UNKNOWN_OUTCOME", "close", "none"] as const) {
    store.requests.length = 0;
    one.mood.answer = (request) =>
      outcome === "UNKNOWN_OUTCOME" ? errorReply(request, outcome) : outcome;
    const writes = [
      (client: KvClient) => client.put("k", "v", { ifTimestamp: 1 }),
      (client: KvClient) => client.create("k", "v"),
      (client: KvClient) => client.delete("k"),
    ];
    for (const write of writes) {
      await using client = new KvClient([one.server.address], { timeoutMs: 150 });
      await assertRejects(() => write(client), UnknownOutcomeError);
    }
    assertEquals(store.requests.length, 3, outcome);
  }
});

Deno.test("servers of an older version: an error that says so, and nothing was sent twice", async () => {
  await using store = new FakeStore();
  const servers = [store.server({ old: true }), store.server({ old: true })];
  await using client = new KvClient(servers.map(({ server }) => server.address));
  const calls = [
    () => client.create("k", "v"),
    () => client.delete("k"),
    () => client.get("k", { latest: true }),
    () => client.update("k", () => "v"),
    () => client.list().next(),
  ];
  for (const call of calls) {
    store.requests.length = 0;
    const error = await assertRejects(call, ProtocolError, "older version");
    assertInstanceOf(error, ProtocolError);
    assertEquals(store.requests.length, 2); // each server once
  }
  await client.put("k", "v");
  assertEquals((await client.get("k")).value, "v");
  servers[1]!.mood.old = false; // half of the servers are upgraded
  assertEquals((await client.put("k", "w", { ifTimestamp: 1 })).timestamp, 2);
});

Deno.test("a leader that waits for old followers is not available for WRITE", async () => {
  await using server = FakeServer.answering((request) => errorReply(request, "UNAVAILABLE"));
  await using client = new KvClient([server.address], { timeoutMs: 100 });
  await assertRejects(() => client.create("k", "v"), UnavailableError);
});

Deno.test("wrong options are refused before anything is sent", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const wrong = [
    () => client.put("k", "v", { ifTimestamp: -1 }),
    () => client.put("k", "v", { ifTimestamp: 1.5 }),
    () => client.put("k", "v", { ttlMs: 999 }),
    () => client.create("k", "v", { ttlMs: 2 ** 31 + 1 }),
    () => client.create("", "v"),
    () => client.delete("k", { ifTimestamp: "1" as unknown as number }),
    () => client.update("k", () => 1 as unknown as string),
    () => client.get("k", { latest: 1 as unknown as boolean }),
  ];
  for (const call of wrong) await assertRejects(async () => await call(), InvalidArgumentError);
  assertEquals(store.requests.filter(({ type }) => type !== "GET_LATEST"), []);
});

Deno.test("answers that no correct server gives end the connection", async () => {
  const answers = [
    { type: "WRITE_OK", timestamp: 0 },
    { type: "CONFLICT", value: "v", timestamp: 5 }, // it stands where it should
    { type: "PUT_OK", timestamp: 5 },
    { type: "WRITE_OK", timestamp: 5, key: "other" },
  ];
  for (const answer of answers) {
    await using server = FakeServer.answering(({ id, key }) => ({ id, key, ...answer }));
    await using client = new KvClient([server.address], { once: true });
    await assertRejects(() => client.put("k", "v", { ifTimestamp: 5 }), UnknownOutcomeError);
  }
});

Deno.test("the latest value is never older than what this client has seen: that was lost", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  store.write("k", "old");
  await client.put("k", "seen");
  store.table.set("k", { value: "old", timestamp: 1 });
  store.gap = [2, 9];
  store.timestamp = 10;
  for (const latest of [true, false]) {
    const error = await assertRejects(() => client.get("k", { latest }), LostError);
    assertEquals([error.key, error.seen, error.code], ["k", 2, "LOST"]);
  }
  const error = await assertRejects(() => client.list().next(), LostError);
  assertEquals([error.key, error.seen], [undefined, 2]);
  store.write("other", "x");
  await client.get("other");
  client.forgetLost(new LostError(server.name, "k", 2));
  assertEquals((await client.get("k")).value, "old");
  assertEquals((await client.get("other")).seen, 11); // this one was not forgotten
});

Deno.test("a key that does not exist is NULL, however low the floor of the server is", async () => {
  await using store = new FakeStore();
  store.timestamp = 20;
  let floor = 12;
  const { server } = store.server({
    answer: ({ type, id, key }) =>
      type === "GET" || type === "GET_LATEST"
        ? { type: "GET_OK", id, key, value: null, timestamp: floor }
        : undefined,
  });
  await using client = new KvClient([server.address]);
  assertEquals(await client.get("k"), { server: server.name, value: null, timestamp: 12, seen: 0 });
  floor = 9; // a server that is a little behind remembers more deletions
  for (const latest of [false, true]) {
    const read = await client.get("k", { latest });
    assertEquals(read, { server: server.name, value: null, timestamp: 9, seen: 12 });
  }
  assertEquals((await client.update("k", () => "v")).timestamp, 21);
  store.timestamp = 40;
  store.gap = [15, 30]; // what was seen at 21 is lost now
  await assertRejects(() => client.get("k", { latest: true }), LostError);
});

Deno.test("a floor above a lost write does not hide that it is lost", async () => {
  for (const shown of ["written", "listed"]) {
    await using store = new FakeStore();
    const { server } = store.server({
      answer: ({ type, id, key }) =>
        type === "GET_LATEST"
          ? { type: "GET_OK", id, key, value: null, timestamp: 35 } // of a deletion of another key
          : undefined,
    });
    await using client = new KvClient([server.address]);
    store.write("k", "seen");
    if (shown === "written") await client.get("k");
    else await Array.fromAsync(client.list());
    store.gap = [1, 30];
    store.timestamp = 40;
    await assertRejects(() => client.get("k", { latest: true }), LostError, undefined, shown);
    store.gap = [20, 30]; // nothing that was seen is lost: the key was deleted, and that was forgotten
    for (let n = 0; n < 2; n++) {
      assertEquals((await client.get("k", { latest: true })).value, null, shown);
    }
    const probes = store.requests.filter(({ type }) => type === "LIST").length;
    assertEquals(probes, shown === "written" ? 2 : 3, shown);
  }
});

Deno.test("what a later leader has acknowledged does not hide what was lost before it", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  store.write("k", "seen");
  await client.get("k");
  store.table.delete("k");
  store.gap = [1, 2 ** 32];
  store.timestamp = 2 ** 32;
  store.write("other", "new");
  for await (const event of client.watch("other")) if (event.type === "ready") break;
  // A server confirms what the watch has shown.
  assertEquals((await client.get("absent", { latest: true })).value, null);
  await assertRejects(() => client.get("k", { latest: true }), LostError);
});

Deno.test("nor is it older than what a list or a watch has shown", async () => {
  for (const shows of ["list", "watch"]) {
    await using store = new FakeStore();
    const { server } = store.server();
    await using client = new KvClient([server.address]);
    store.write("k", "old");
    store.write("k", "shown");
    if (shows === "list") await Array.fromAsync(client.list());
    else {
      for await (const event of client.watch("k")) if (event.type === "ready") break;
    }
    store.table.set("k", { value: "old", timestamp: 1 });
    store.gap = [2, 9];
    store.timestamp = 10;
    const calls = [
      () => client.get("k", { latest: true }),
      () => client.update("k", (old) => `${old}!`),
    ];
    for (const call of calls) {
      const error = await assertRejects(call, LostError);
      assertEquals([error.key, error.seen], ["k", 2], shows);
    }
    client.forgetLost(new LostError(server.name, "k", 2));
    assertEquals((await client.get("k", { latest: true })).value, "old");
    assertEquals((await client.update("k", (old) => `${old}!`)).value, "old!");
  }
});

Deno.test("what lists of an earlier leader have shown is confirmed before the latest value is read", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  store.write("k", "old");
  const session: ExportedSession = {
    version: 1,
    cluster: "",
    timestamps: [],
    applied: [2, 2 ** 31 + 5],
  };
  await using client = new KvClient([server.address], { session });
  store.gap = [2, 9];
  store.timestamp = 2 ** 31 + 5;
  await assertRejects(() => client.get("k", { latest: true }), LostError);
});

Deno.test("a server confirms once what lists have shown; one that is behind does not", async () => {
  await using store = new FakeStore();
  const one = store.server();
  await using client = new KvClient([one.server.address]);
  store.write("k", "old");
  const types = () => store.requests.splice(0).map(({ type }) => type);
  for (let round = 0; round < 2; round++) {
    store.write("other", "new");
    await Array.fromAsync(client.list());
    for (let n = 0; n < 2; n++) {
      assertEquals((await client.get("k", { latest: true })).value, "old");
    }
    assertEquals(types(), ["LIST", "GET_LATEST", "LIST", "GET_LATEST"]);
  }
  store.write("other", "new");
  await Array.fromAsync(client.list());
  one.mood.behind = true;
  const late = client.get("k", { latest: true, timeoutMs: 100 });
  assertEquals((await assertRejects(() => late, StaleError)).seen, 4);
});

Deno.test("update sends nothing after its deadline, however long its function takes", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const slow = async () => {
    const by = loopClock.now() + 60;
    while (loopClock.now() < by) await new Promise((resolve) => setTimeout(resolve, 5));
    return "late";
  };
  await assertRejects(
    () => client.update("k", slow, { timeoutMs: 50 }),
    UnavailableError,
    "the function of the update took longer",
  );
  assertEquals(store.requests.map(({ type }) => type), ["GET_LATEST"]);
});
