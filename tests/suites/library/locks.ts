/** Locks and elections over several seconds: renewals, losses and unknown outcomes. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ClientClosedError, ConflictError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { elect, type Leader, leaderOf, lock, LockLostError } from "../../../lib/client/recipes.ts";
import { FakeStore } from "../../support/fake_store.ts";
import { eventually, within } from "../../support/waiting.ts";
import type { Message } from "../../support/wire_client.ts";

const name = "locks/a";

function writesOf(store: FakeStore): Message[] {
  return store.requests.filter(({ type }) => type === "WRITE");
}

/** Resolves when the signal is aborted, with its reason. */
async function aborted(signal: AbortSignal): Promise<unknown> {
  await eventually("the signal is aborted", () => signal.aborted);
  return signal.reason;
}

Deno.test("a lock is renewed at a third of its time to live, at its newest timestamp", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  await using held = await lock(client, name, { ttlMs: 1_000, holder: "me" });
  const token = held.timestamp;
  await eventually("two renewals", () => writesOf(store).length === 3);
  const [create, first, second] = writesOf(store);
  assertEquals([create!.expected, first!.expected, second!.expected], [0, 1, 2]);
  assertEquals([create!.ttlMs, first!.ttlMs], [1_000, 1_000]);
  const { id } = JSON.parse(String(create!.value));
  assertEquals(JSON.parse(String(first!.value)), { holder: "me", id, token });
  assertEquals(held.timestamp, token);
  assert(!held.lost.aborted);
});

Deno.test("`lost` is aborted before the key can expire, if no server renews it", async () => {
  await using store = new FakeStore();
  let renewedAt = 0;
  const one = store.server({
    answer: ({ type }) => {
      if (type === "WRITE") renewedAt = performance.now();
      return undefined;
    },
  });
  await using client = new KvClient([one.server.address]);
  const held = await lock(client, name, { ttlMs: 1_000 });
  await eventually("a renewal", () => store.table.get(name)!.timestamp === 2);
  one.mood.answer = () => "none";
  const reason = await aborted(held.lost);
  const ms = performance.now() - renewedAt;
  assert(ms < 1_000, `after ${ms} ms`);
  assertInstanceOf(reason, LockLostError);
  assertEquals([reason.lock, reason.code, held.remainingMs], [name, "LOCK_LOST", 0]);
  await held.release(); // does nothing, and does not fail
});

Deno.test("`lost` is aborted at once if another program has the key, or the client is closed", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  await using held = await lock(client, name, { ttlMs: 1_000 });
  store.write(name, null);
  store.write(name, "another");
  const taken = await aborted(held.lost) as LockLostError;
  assertInstanceOf(taken.cause, ConflictError);
  await held.release();
  assertEquals(store.table.get(name)!.value, "another");
  const brief = new KvClient([server.address]);
  const second = await lock(brief, "locks/b", { ttlMs: 1_000 });
  await brief.close();
  const reason = await aborted(second.lost) as LockLostError;
  assertInstanceOf(reason.cause, ClientClosedError);
});

Deno.test("writes of unknown outcome, applied or not, neither lose a lock nor give it twice", async () => {
  for (const applied of [true, false]) {
    await using store = new FakeStore();
    let lose = true;
    const one = store.server({
      answer: ({ type, key, value, expected }) => {
        if (type !== "WRITE" || !lose) return undefined;
        lose = false;
        const entry = store.table.get(String(key));
        const standsAt = entry?.value ? entry.timestamp : 0;
        if (applied && standsAt === expected) store.write(String(key), value as string | null);
        return "close";
      },
    });
    await using client = new KvClient([one.server.address]);
    const held = await lock(client, name, { ttlMs: 1_000 });
    assertEquals(held.timestamp, 1);
    lose = true; // the first renewal
    await eventually("a renewal was lost", () => !lose);
    await eventually("it is renewed", () => store.table.get(name)!.timestamp > (applied ? 2 : 1));
    assert(!held.lost.aborted);
    store.requests.length = 0;
    lose = true;
    await eventually("another renewal was lost", () => !lose);
    await held.release();
    assertEquals(store.table.get(name)!.value, null);
  }
});

Deno.test("one candidate leads at a time; who leads can be watched, and renewals are no changes", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  await using leader = await leaderOf(client, "leader");
  assertEquals(leader.value, null);
  const seen: (Leader | null)[] = [];
  const watching = (async () => {
    for await (const value of leader) seen.push(value);
  })();
  const first = await elect(client, "leader", "a", { ttlMs: 1_000 });
  assertEquals(first.candidate, "a");
  const second = elect(client, "leader", "b");
  await eventually("it is renewed twice", () => store.table.get("leader")!.timestamp >= 3);
  await eventually("a is seen", () => leader.value?.candidate === "a");
  await first.resign();
  await using elected = await within("b is elected", second);
  await eventually("b is seen", () => leader.value?.candidate === "b");
  assertEquals(leader.value, { candidate: "b", timestamp: elected.timestamp });
  await leader.close();
  await watching;
  const leaders: (Leader | null)[] = seen.filter((value) => value !== null);
  assertEquals(leaders, [{ candidate: "a", timestamp: first.timestamp }, leader.value]);
});
