/** Values that are kept up to date, and values in JSON, at scripted servers. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { ClientClosedError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { InvalidValueError, json, watched } from "../../../lib/client/recipes.ts";
import { FakeStore } from "../../support/fake_store.ts";
import { eventually, within } from "../../support/waiting.ts";

function number(text: string | null): number {
  const n = Number(text ?? 0);
  if (Number.isNaN(n)) throw new TypeError(`${text} is no number`);
  return n;
}

Deno.test("a watched value is the newest one, from the first on, also if the key does not exist", async () => {
  await using store = new FakeStore();
  const one = store.server();
  await using client = new KvClient([one.server.address]);
  await using limit = await watched(client, "limit", number);
  assertEquals([limit.value, limit.timestamp], [0, 0]);
  store.write("limit", "7");
  await eventually("7", () => limit.value === 7);
  assertEquals(limit.timestamp, 1);
  await using second = await watched(client, "limit", number);
  assertEquals(second.value, 7);
  store.write("limit", null);
  await eventually("0", () => limit.value === 0 && limit.timestamp === 2);
  one.mood.silent = true;
  one.cut();
  await eventually("it is cut off", () => limit.disconnectedSince instanceof Date);
  store.write("limit", "8");
  one.mood.silent = false;
  one.cut();
  await eventually("8", () => limit.value === 8);
  assertStrictEquals(limit.disconnectedSince, undefined);
  one.cut(); // and a reset, where the key is gone
  store.table.delete("limit");
  store.timestamp = store.floor = 20;
  await eventually("0", () => limit.value === 0);
});

Deno.test("a text that cannot be parsed leaves the value, and is told", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  store.write("limit", "x");
  await assertRejects(() => watched(client, "limit", number), TypeError, "x is no number");
  await eventually("nothing is left", () => store.watches === 0);
  store.write("limit", "1");
  const errors: unknown[] = [];
  await using limit = await watched(client, "limit", number, { onError: (e) => errors.push(e) });
  store.write("limit", "y");
  await eventually("an error", () => limit.error instanceof TypeError);
  assertEquals([limit.value, errors.length], [1, 1]);
  store.write("limit", "2");
  await eventually("2", () => limit.value === 2);
  assertStrictEquals(limit.error, undefined);
});

Deno.test("a loop over a watched value gets the newest one, and its end", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  const client = new KvClient([server.address]);
  const limit = await watched(client, "limit", number);
  const loop = limit[Symbol.asyncIterator]();
  assertEquals((await loop.next()).value, 0);
  for (let n = 1; n <= 5; n++) store.write("limit", `${n}`);
  await eventually("5", () => limit.value === 5);
  assertEquals((await loop.next()).value, 5); // those before it are passed over
  const waiting = loop.next();
  store.write("limit", "5"); // no change
  store.write("limit", "6");
  assertEquals((await within("6", waiting)).value, 6);
  const last = assertRejects(() => loop.next(), ClientClosedError);
  await client.close();
  await last;
  assertInstanceOf(await limit.ended, ClientClosedError);
  assertEquals(limit.value, 6);
  await limit.close();
});

Deno.test("the signal ends a watched value, or the wait for it", async () => {
  await using store = new FakeStore();
  const one = store.server();
  await using client = new KvClient([one.server.address]);
  const stop = new AbortController();
  const limit = await watched(client, "limit", number, { signal: stop.signal });
  stop.abort();
  assertStrictEquals(await limit.ended, undefined);
  assertEquals(await Array.fromAsync(limit), [0]);
  one.mood.silent = true;
  const reason = new Error("enough");
  const late = new AbortController();
  const waiting = watched(client, "limit", number, { signal: late.signal });
  late.abort(reason);
  assertStrictEquals(await assertRejects(() => waiting), reason);
});

interface Job {
  readonly name: string;
}

function job(value: unknown): Job {
  const { name } = value as Partial<Job>;
  if (typeof name !== "string") throw new TypeError("a job has a name");
  return { name };
}

Deno.test("values in JSON are checked before they are written and after they are read", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const jobs = json(client, job);
  const { timestamp } = await jobs.create("jobs/1", { name: "one" });
  assertEquals(store.table.get("jobs/1")!.value, '{"name":"one"}');
  assertEquals((await jobs.get("jobs/1")).value, { name: "one" });
  assertEquals((await jobs.get("nada")).value, null);
  await jobs.put("jobs/1", { name: "two" }, { ifTimestamp: timestamp });
  const updated = await jobs.update("jobs/1", (old) => ({ name: `${old?.name}!` }));
  assertEquals(updated.value, { name: "two!" });
  assertEquals((await jobs.update("jobs/1", () => undefined)).value, { name: "two!" });
  const wrong = {} as Job;
  const before = store.timestamp;
  for (
    const write of [
      () => jobs.put("jobs/1", wrong),
      () => jobs.create("jobs/9", undefined as unknown as Job),
      () => jobs.update("jobs/1", () => wrong),
    ]
  ) {
    const error = await assertRejects(write, InvalidValueError);
    assertEquals([error.code, error.timestamp], ["INVALID_VALUE", undefined]);
  }
  assertEquals(store.timestamp, before);
  store.write("jobs/2", "no JSON");
  const error = await assertRejects(() => jobs.get("jobs/2"), InvalidValueError);
  assertEquals([error.key, error.timestamp], ["jobs/2", before + 1]);
  assertInstanceOf(error.cause, SyntaxError);
  await assertRejects(() => Array.fromAsync(jobs.list("jobs/")), InvalidValueError, "jobs/2");
  const types = [];
  for await (const event of jobs.watch({ prefix: "jobs/" })) {
    types.push(event.type);
    if (event.type === "put") assertEquals(event.value, { name: "two!" });
    if (event.type === "ready") break;
  }
  assertEquals(types, ["put", "invalid", "ready"]);
  await jobs.delete("jobs/2");
  assertEquals((await Array.fromAsync(jobs.list("jobs/")))[0]!.value, { name: "two!" });
  await eventually("no watch is left", () => store.watches === 0);
  assert(store.requests.length > 0);
});
