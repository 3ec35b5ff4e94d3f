/** Taking and releasing locks, at scripted servers. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { InvalidArgumentError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { Lock, lock } from "../../../lib/client/recipes.ts";
import { FakeStore } from "../../support/fake_store.ts";
import { eventually, within } from "../../support/waiting.ts";
import type { Message } from "../../support/wire_client.ts";

const name = "locks/a";

function writesOf(store: FakeStore): Message[] {
  return store.requests.filter(({ type }) => type === "WRITE");
}

Deno.test("a lock is held by one at a time, and its token rises from holder to holder", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  let held = 0;
  let last = 0;
  await Promise.all(Array.from({ length: 5 }, async () => {
    await using own = await lock(client, name);
    assertEquals(++held, 1);
    assertGreater(own.timestamp, last);
    last = own.timestamp;
    assertGreater(own.remainingMs, 5_000);
    await client.get("x");
    held--;
  }));
  assertEquals(store.table.get(name)!.value, null);
});

Deno.test("who waits for a lock watches it, and does not ask again and again", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const first = await lock(client, name);
  store.requests.length = 0;
  const waiting = lock(client, name);
  await eventually("it watches", () => store.watches === 1);
  for (let n = 0; n < 20; n++) store.write("other", `${n}`);
  store.tick();
  assertEquals(store.requests.map(({ type }) => type), ["WRITE", "WATCH"]);
  assertEquals(store.requests[1]!.after, first.timestamp);
  await first.release();
  await using second = await within("the second lock", waiting);
  assertGreater(second.timestamp, first.timestamp);
  assertEquals(first.remainingMs, 0);
  assert(!first.lost.aborted);
});

Deno.test("a lock that expires, or whose deletion was forgotten, is free", async () => {
  await using store = new FakeStore();
  const one = store.server();
  await using client = new KvClient([one.server.address]);
  for (const free of ["expires", "is reset"]) {
    store.write(name, "another");
    const waiting = lock(client, name);
    await eventually("it watches", () => store.watches === 1);
    if (free === "expires") store.write(name, null);
    else {
      one.cut();
      store.table.delete(name);
      store.timestamp += 10;
      store.floor = store.timestamp;
    }
    await using _held = await within(free, waiting);
  }
});

Deno.test("a release never deletes the key of another holder", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const held = await lock(client, name);
  store.write(name, null); // it has expired, and the holder does not know
  store.write(name, "another");
  await held.release();
  assertEquals(store.table.get(name)!.value, "another");
});

Deno.test("a wait that is given up rejects with the reason, and leaves no key behind", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const reason = new Error("enough");
  await assertRejects(
    () => lock(client, name, { signal: AbortSignal.abort(reason) }),
    Error,
    "enough",
  );
  assertEquals(writesOf(store), []);
  store.write(name, "another");
  const stop = new AbortController();
  const waiting = lock(client, name, { signal: stop.signal });
  await eventually("it watches", () => store.watches === 1);
  stop.abort(reason);
  assertEquals(await assertRejects(() => waiting), reason);
  await eventually("it has ended its watch", () => store.watches === 0);
  store.write(name, null);
  const late = new AbortController();
  const creating = lock(client, name, { signal: late.signal });
  late.abort(reason); // the WRITE is under way
  assertEquals(await assertRejects(() => creating), reason);
  assertEquals(store.table.get(name)!.value, null);
});

Deno.test("a wait goes on while no server takes writes", async () => {
  await using store = new FakeStore();
  const one = store.server({ silent: false });
  one.mood.answer = ({ type, id }) =>
    type === "WRITE" ? { type: "ERROR", id, code: "UNAVAILABLE", message: "hoje não" } : undefined;
  await using client = new KvClient([one.server.address], { timeoutMs: 50 });
  const waiting = lock(client, name);
  await eventually("it has asked", () => writesOf(store).length > 2);
  delete one.mood.answer;
  await using _held = await within("the lock", waiting);
});

Deno.test("wrong options of a lock are refused", async () => {
  await using client = new KvClient(["127.0.0.1:1"]);
  for (const options of [{ ttlMs: 999 }, { ttlMs: 2 ** 32 }, { holder: 1 as unknown as string }]) {
    await assertRejects(() => lock(client, name, options), InvalidArgumentError);
  }
  await assertRejects(() => lock(client, ""), InvalidArgumentError);
});

Deno.test("a wait that was given up fails with the signal's reason, also if the key has gone", async () => {
  await using store = new FakeStore();
  const stop = new AbortController();
  const reason = new Error("given up");
  const { server } = store.server({
    answer: ({ type, id, key, value }) => {
      if (type !== "WRITE") return undefined;
      stop.abort(reason);
      return value === null
        ? { type: "CONFLICT", id, key, value: "another", timestamp: 9 }
        : undefined;
    },
  });
  await using client = new KvClient([server.address]);
  assertEquals(await assertRejects(() => lock(client, name, { signal: stop.signal })), reason);
  assertEquals(writesOf(store).map(({ value }) => value === null), [false, true]);
});

Deno.test("a lock whose client was closed when it was taken is lost", async () => {
  const client = new KvClient(["127.0.0.1:1"]);
  await client.close();
  const taken = { timestamp: 1, since: performance.now() };
  const own = new Lock(client, name, { holder: "", id: "1" }, 60_000, taken);
  assert(own.lost.aborted);
  await own.release();
});
