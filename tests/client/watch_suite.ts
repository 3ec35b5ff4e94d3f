/** Watches of the client library, at scripted servers that are cut off, silent, behind or old. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { delay } from "@std/async/delay";
import {
  ClientClosedError,
  ClusterResetError,
  InvalidArgumentError,
  LostError,
  ProtocolError,
} from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import type { WatchEvent } from "../../lib/client/results.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeStore } from "../support/fake_store.ts";
import { deadAddress } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";

type Events = AsyncIterator<WatchEvent, undefined>;

/** The next event, in a short text: "put a=1 @5", "delete a @6", "ready @5". */
async function next(events: Events): Promise<string> {
  const { done, value } = await within("the next event", events.next());
  if (done) return "done";
  switch (value.type) {
    case "put":
      return `put ${value.key}=${value.value} @${value.timestamp}`;
    case "delete":
      return `delete ${value.key} @${value.timestamp}`;
    case "ready":
    case "reset":
      return `${value.type} @${value.timestamp}`;
    default:
      return value.type;
  }
}

/** The next events but those that tell of connections. */
async function changes(events: Events, count: number): Promise<string[]> {
  const all: string[] = [];
  while (all.length < count) {
    const event = await next(events);
    if (!event.endsWith("connected")) all.push(event);
  }
  return all;
}

Deno.test("a watch tells what there is, that this is all, and then each change", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  store.write("a", "1");
  store.write("b", "no");
  store.write("c", "3");
  store.write("c", null);
  await using client = new KvClient([server.address]);
  await using one = client.watch("a");
  await using all = client.watch({ prefix: "" });
  assertEquals([await next(one), await next(one)], ["put a=1 @1", "ready @4"]);
  assertEquals(await changes(all, 4), ["put a=1 @1", "put b=no @2", "delete c @4", "ready @4"]);
  store.write("a", "2");
  store.write("b", "x");
  store.write("a", null);
  assertEquals([await next(one), await next(one)], ["put a=2 @5", "delete a @7"]);
  assertEquals(await changes(all, 3), ["put a=2 @5", "put b=x @6", "delete a @7"]);
  assertEquals(server.accepted, 1); // one connection carries both
});

Deno.test("a watch of nothing is ready at once, and the state may come in parts", async () => {
  await using store = new FakeStore();
  store.changesMax = 2;
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  await using none = client.watch("nada");
  assertEquals(await next(none), "ready @0");
  for (const key of ["a", "b", "c", "d", "e"]) store.write(key, "x");
  await using all = client.watch({ prefix: "" });
  const told = await changes(all, 6);
  assertEquals(told.at(-1), "ready @5");
});

Deno.test("`since` begins after a timestamp, and `initial: false` with what changes from now on", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  for (const value of ["1", "2"]) store.write("a", value);
  store.write("b", "3");
  await using client = new KvClient([server.address]);
  await using since = client.watch({ prefix: "" }, { since: 2 });
  assertEquals([await next(since), await next(since)], ["put b=3 @3", "ready @3"]);
  await using later = client.watch({ prefix: "" }, { initial: false });
  assertEquals(await next(later), "ready @3");
  store.write("a", "4");
  assertEquals(await next(later), "put a=4 @4");
  assertThrows(
    () => client.watch("a", { since: 1, initial: false }),
    InvalidArgumentError,
    "exclude",
  );
});

Deno.test("a lost server is replaced by another, without a gap and without repeats", async () => {
  await using store = new FakeStore();
  const servers = [store.server(), store.server(), store.server()];
  await using client = new KvClient(servers.map(({ server }) => server.address));
  await using events = client.watch({ prefix: "" });
  assertEquals(await next(events), "ready @0");
  const expected: string[] = [];
  for (let n = 1; n <= 200; n++) {
    store.write(`k${n}`, `${n}`); // another key each time, so that nothing may be left out
    expected.push(`put k${n}=${n} @${n}`);
    if (n % 20 === 0) { for (const one of servers) one.cut(); }
    if (n % 7 === 0) await eventually("it watches again", () => store.watches > 0);
  }
  assertEquals(await changes(events, 200), expected);
});

Deno.test("it says since when it is cut off, and when it goes on", async () => {
  await using store = new FakeStore();
  const one = store.server();
  await using client = new KvClient([one.server.address]);
  const before = Date.now();
  await using events = client.watch("a");
  assertEquals(await next(events), "ready @0");
  one.cut();
  const { value } = await within("the next event", events.next());
  assert(value?.type === "disconnected");
  assert(value.since.getTime() >= before && value.since.getTime() <= Date.now());
  assert(value.reason.length > 0);
  assertEquals(await next(events), "connected");
  store.write("a", "1");
  assertEquals(await next(events), "put a=1 @1");
});

Deno.test("a watch that begins while no server is there says so, and begins later", async () => {
  const address = deadAddress();
  await using client = new KvClient([address]);
  await using events = client.watch("a");
  assertEquals(await next(events), "disconnected");
  await using store = new FakeStore();
  store.write("a", "1");
  store.server({}, { listen: address });
  assertEquals(await changes(events, 2), ["put a=1 @1", "ready @1"]);
});

Deno.test("it goes on after all servers were restarted while its events were not read", async () => {
  await using store = new FakeStore();
  const first = [store.server(), store.server()];
  const addresses = first.map(({ server }) => server.address);
  await using client = new KvClient(addresses);
  await using events = client.watch("a");
  assertEquals(await next(events), "ready @0");
  // No call of next() is under way from here on.
  for (const one of first) await one.stop();
  for (let n = 1; n <= 5; n++) store.write("a", `${n}`);
  for (const address of addresses) store.server({}, { listen: address });
  await eventually("it watches again", () => store.watches > 0);
  store.write("a", "6");
  assertEquals(await changes(events, 2), ["put a=5 @5", "put a=6 @6"]);
});

Deno.test("a server that is behind, and one that refuses, are passed over", async () => {
  await using store = new FakeStore();
  store.write("a", "1");
  const answer = ({ type, id }: Record<string, unknown>) =>
    type === "WATCH" ? { type: "ERROR", id, code: "OVERLOADED", message: "hoje não" } : undefined;
  const servers = [store.server({ behind: true }), store.server({ answer }), store.server()];
  await using client = new KvClient(servers.map(({ server }) => server.address));
  await using events = client.watch("a");
  assertEquals(await changes(events, 2), ["put a=1 @1", "ready @1"]);
  servers[0]!.mood.behind = false;
  for (
    const message of [{ type: "ERROR", code: "OVERLOADED", message: "too slow" }, {
      type: "TRY_OTHER_SERVER_OR_LATER",
      timestamp: 0,
    }]
  ) {
    store.endWatches(message);
    const timestamp = store.write("a", "x");
    assertEquals(await changes(events, 1), [`put a=x @${timestamp}`]);
  }
});

Deno.test("the state at the beginning is not older than what the client has seen", async () => {
  await using late = new FakeStore();
  await using store = new FakeStore();
  late.write("a", "old");
  for (const value of ["old", "new"]) store.write("a", value);
  const [behind, current] = [late.server(), store.server()];
  let drawn = 0.9;
  const addresses = [behind.server.address, current.server.address];
  await using client = new KvClient(addresses, { random: () => drawn });
  assertEquals((await client.get("a")).value, "new");
  drawn = 0; // the server that is behind comes first
  await using events = client.watch("a");
  assertEquals([await next(events), await next(events)], ["put a=new @2", "ready @2"]);
  // And after the watch, no GET of any key goes back.
  store.write("a", "newer");
  assertEquals(await next(events), "put a=newer @3");
  await client.get("other");
  assertEquals(store.requests.filter(({ type }) => type === "GET").at(-1)!.atLeast, 3);
});

Deno.test("a reset makes what was told void, and the state follows", async () => {
  await using store = new FakeStore();
  const one = store.server();
  await using client = new KvClient([one.server.address]);
  store.write("a", "1");
  store.write("b", "1");
  store.floor = 1; // a watch from 0 is below it, but nothing was told yet
  await using events = client.watch({ prefix: "" });
  assertEquals(await changes(events, 3), ["put a=1 @1", "put b=1 @2", "ready @2"]);
  one.cut();
  store.table.delete("a"); // deleted, and the deletion forgotten
  store.timestamp = store.floor = 9;
  assertEquals(await changes(events, 3), ["reset @9", "put b=1 @2", "ready @9"]);
  store.write("a", "2");
  assertEquals(await changes(events, 1), ["put a=2 @10"]);
});

Deno.test("what this client saw and was lost begins a new watch with a reset", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  store.write("a", "1");
  store.write("a", "lost");
  await using client = new KvClient([server.address]);
  assertEquals((await client.get("a")).value, "lost");
  store.table.set("a", { value: "1", timestamp: 1 });
  store.gap = [2, 2 ** 32];
  store.timestamp = 2 ** 32 + 1;
  await using events = client.watch("a");
  const told = await changes(events, 3);
  assertEquals(told, [`reset @${store.timestamp}`, "put a=1 @1", `ready @${store.timestamp}`]);
});

Deno.test("events that are not read are bounded: the last one of each key stays", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  await using events = client.watch({ prefix: "" });
  assertEquals(await next(events), "ready @0");
  const keys = 9_000; // more than fit, so it must stop receiving and go on later
  const last = new Map<string, string>();
  for (let n = 0; n < keys * 3; n += 500) {
    const entries = Array.from(
      { length: 500 },
      (_, i) => [`k${(n + i) % keys}`, `${n + i}`] as const,
    );
    for (const [key, value] of entries) last.set(key, value);
    store.writeAll(entries);
    await delay(0);
  }
  await eventually("it has stopped", () => store.watches === 0, 3_000); // before it is silent
  const seen = new Map<string, string>();
  let highest = 0;
  let count = 0;
  while (highest < keys * 3) {
    const { value } = await within("the next event", events.next());
    assert(value?.type === "put" || value?.type === "delete");
    assert(value.timestamp > highest, `${value.timestamp} after ${highest}`);
    highest = value.timestamp;
    if (value.type === "put") seen.set(value.key, value.value);
    count++;
  }
  assertEquals(seen, last);
  assert(count < keys * 2.5, `${count} events for ${keys} keys`);
});

Deno.test("a watch that is read gets every change, however many come at once", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  await using events = client.watch({ prefix: "" });
  assertEquals(await next(events), "ready @0");
  for (let n = 0; n < 3_600; n += 300) {
    store.writeAll(Array.from({ length: 300 }, (_, i) => ["k", `${n + i}`] as const));
  }
  for (let n = 1; n <= 3_600; n++) {
    const { value } = await events.next();
    assert(value?.type === "put" && value.timestamp === n);
  }
  assertEquals(store.requests.length, 1); // it has never stopped receiving
});

Deno.test("break, return, the signal and the client's end leave no watch behind", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  const client = new KvClient([server.address]);
  for await (const event of client.watch("a")) if (event.type === "ready") break;
  const events = client.watch("a");
  assertEquals(await next(events), "ready @0");
  const waiting = events.next();
  await events.return();
  assertEquals((await waiting).done, true);
  assertEquals(await next(events), "done");
  const stop = new AbortController();
  const stopped = client.watch("a", { signal: stop.signal });
  assertEquals(await next(stopped), "ready @0");
  store.write("a", "unread");
  stop.abort();
  assertEquals(await next(stopped), "done");
  assertEquals(await next(client.watch("a", { signal: AbortSignal.abort() })), "done");
  await eventually("all watches have ended", () => store.watches === 0);
  assertEquals(store.requests.filter(({ type }) => type === "UNWATCH").length, 3);
  const last = client.watch("a");
  assertEquals(await changes(last, 2), ["put a=unread @1", "ready @1"]);
  await client.close();
  await assertRejects(() => last.next(), ClientClosedError);
  assertEquals(await next(last), "done");
  assertThrows(() => client.watch("a"), ClientClosedError);
});

Deno.test("a mistake that no server mends ends the watch with its error", async () => {
  await using store = new FakeStore();
  const servers = [store.server({ old: true }), store.server({ old: true })];
  await using client = new KvClient(servers.map(({ server }) => server.address));
  const events = client.watch("a");
  const error = await assertRejects(() => within("an error", events.next()), ProtocolError);
  assertInstanceOf(error, ProtocolError);
  assert(error.message.includes("older version"), error.message);
  assertEquals(await next(events), "done");
});

Deno.test("a server of another cluster ends the watch", async () => {
  const clusters = ["one", "two"];
  await using server = new FakeServer(async (wire, index) => {
    const { id } = await wire.message();
    const lists = { inSync: [], followers: [] };
    const numbers = { timestamp: 0, keys: 0, connections: 1, uptimeMs: 0, memoryBytes: 0 };
    const names = { server: server.name, leader: server.name, cluster: clusters[index] };
    await wire.send({ type: "STATUS_OK", id, ...names, ...lists, ...numbers, faults: false });
    const watch = await wire.message();
    await wire.send({ type: "CHANGES", id: watch.id, changes: [], timestamp: 0 });
    wire.close();
  }, { answersStatus: false });
  await using client = new KvClient([server.address]);
  const events = client.watch("a");
  assertEquals(await next(events), "ready @0");
  assertEquals(await next(events), "disconnected");
  await assertRejects(() => within("an error", events.next()), ClusterResetError);
});

Deno.test("changes of other keys break the protocol, and the watch goes on elsewhere", async () => {
  await using store = new FakeStore();
  store.write("a", "1");
  const answer = ({ type, id }: Record<string, unknown>) =>
    type === "WATCH" ? { type: "CHANGES", id, changes: [["b", "x", 1]], timestamp: 1 } : undefined;
  const servers = [store.server({ answer }), store.server()];
  let drawn = 0;
  const addresses = servers.map(({ server }) => server.address);
  await using client = new KvClient(addresses, { random: () => drawn });
  await using events = client.watch("a");
  await eventually("the first one was asked", () => servers[0]!.server.accepted > 0);
  drawn = 0.9;
  assertEquals(await changes(events, 2), ["put a=1 @1", "ready @1"]);
});

Deno.test("what crosses the end of a watch harms no other on its connection", async () => {
  await using store = new FakeStore();
  const answer = ({ type, id }: Record<string, unknown>) =>
    type === "UNWATCH" ? { type: "ERROR", id, code: "OVERLOADED", message: "too slow" } : undefined;
  const { server } = store.server({ answer });
  await using client = new KvClient([server.address]);
  await using other = client.watch("b");
  assertEquals(await next(other), "ready @0");
  for (let n = 0; n < 3; n++) {
    for await (const event of client.watch("a")) if (event.type === "ready") break;
    await client.put("b", `${n}`);
    assertEquals(await next(other), `put b=${n} @${n + 1}`);
  }
  assertEquals(server.accepted, 1);
});

Deno.test("a server that tells a change again is not believed", async () => {
  await using store = new FakeStore();
  const told = [["a", "1", store.write("a", "1")], ["a", "2", store.write("a", "2")]];
  const answer = ({ type, id }: Record<string, unknown>) =>
    type === "WATCH" ? { type: "CHANGES", id, changes: told, timestamp: 2 } : undefined;
  const { server } = store.server({ answer });
  await using client = new KvClient([server.address]);
  await using events = client.watch("a");
  assertEquals(await changes(events, 3), ["put a=1 @1", "put a=2 @2", "ready @2"]);
  await using second = client.watch("a", { since: 1 });
  assertEquals(await changes(second, 2), ["put a=2 @2", "ready @2"]);
});

Deno.test("changes of several keys that share a timestamp are all told, once, also across servers", async () => {
  await using store = new FakeStore();
  for (let n = 0; n < 3; n++) store.write("other", "x"); // the servers have what is told
  // Each connection cuts what shares timestamp 2 at another place.
  const parts = [
    [[["a", "1", 1], ["b", null, 2], ["c", "x", 2]], 1],
    [[["c", "x", 2], ["b", null, 2], ["d", "y", 2]], 1],
    [[["d", "y", 2], ["e", null, 2], ["f", "z", 3]], 3],
  ] as const;
  let sent = 0;
  const after: unknown[] = [];
  const answer = ({ type, id, after: from }: Record<string, unknown>) => {
    if (type !== "WATCH") return undefined;
    after.push(from);
    const [changes, timestamp] = parts[sent++]!;
    return { type: "CHANGES", id, changes, timestamp, more: sent < parts.length || undefined };
  };
  const server = store.server({ answer });
  await using client = new KvClient([server.server.address]);
  await using events = client.watch({ prefix: "" });
  const told = await changes(events, 3);
  server.cut();
  told.push(...await changes(events, 1));
  server.cut();
  told.push(...await changes(events, 3));
  assertEquals(told, [
    ...["put a=1 @1", "delete b @2", "put c=x @2", "put d=y @2", "delete e @2", "put f=z @3"],
    "ready @3",
  ]);
  assertEquals(after, [0, 1, 1]);
});

Deno.test("closing a client ends a watch that no server serves", async () => {
  const client = new KvClient([deadAddress()]);
  const events = client.watch("a");
  assertEquals(await next(events), "disconnected");
  const last = assertRejects(() => within("the end", events.next()), ClientClosedError);
  await client.close();
  await last;
});

Deno.test("what an earlier leader has shown is confirmed before the next read, or was lost", async () => {
  for (const lost of [false, true]) {
    await using store = new FakeStore();
    const one = store.server();
    store.write("a", "1");
    const acknowledged = store.timestamp;
    store.write("b", "unacknowledged");
    await using client = new KvClient([one.server.address]);
    await Array.fromAsync(client.list());
    await using events = client.watch("a");
    assertEquals(await changes(events, 2), ["put a=1 @1", "ready @2"]);
    // Its successor has all, or lacks the last write, and skips far ahead.
    one.cut();
    if (lost) store.table.delete("b");
    store.gap = [lost ? acknowledged + 1 : 3, 2 ** 32];
    store.timestamp = 2 ** 32;
    const timestamp = store.write("a", "2");
    while (!(await next(events)).endsWith(`@${timestamp}`));
    store.requests.length = 0;
    if (lost) {
      const error = await assertRejects(() => client.get("b"), LostError);
      assertEquals(error.seen, 2);
      client.forgetLost(error);
    }
    assertEquals((await client.get("b")).value, lost ? null : "unacknowledged");
    const [probe] = store.requests;
    assertEquals([probe!.type, probe!.atLeast], ["LIST", 2]);
    assertEquals(store.requests.at(-1)!.atLeast, lost ? undefined : timestamp);
  }
});
