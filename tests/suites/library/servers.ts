/** The library at real servers that are stopped and started again: watches, locks, updates, lists. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { UnknownOutcomeError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { lock, watched } from "../../../lib/client/recipes.ts";
import type { WatchEvent } from "../../../lib/client/results.ts";
import { Cluster } from "../../support/cluster.ts";
import { eventually, within } from "../../support/waiting.ts";

/** Changes of a state, as a reader of events keeps it. */
class State {
  readonly values = new Map<string, string>();
  readonly types = new Set<string>();
  last = 0;

  take(event: WatchEvent): void {
    this.types.add(event.type);
    if (event.type === "reset") {
      this.values.clear();
      this.last = 0;
    }
    if (event.type !== "put" && event.type !== "delete") return;
    assertGreater(event.timestamp, this.last, `${event.type} of ${event.key}`);
    this.last = event.timestamp;
    if (event.type === "put") this.values.set(event.key, event.value);
    else this.values.delete(event.key);
  }
}

/** Writes at servers that may be stopped meanwhile: then the outcome is unknown. */
async function putOrLose(client: KvClient, key: string, value: string): Promise<void> {
  try {
    await client.put(key, value, { timeoutMs: 20_000 });
  } catch (error) {
    if (!(error instanceof UnknownOutcomeError)) throw error;
  }
}

Deno.test("a watch that is not read goes on after each server, the leader too, was restarted", async () => {
  await using cluster = await Cluster.start();
  await using client = new KvClient(cluster.addresses);
  const events = client.watch({ prefix: "k" });
  const state = new State();
  const { value } = await within("ready", events.next());
  state.take(value!);
  const expected = new Map<string, string>();
  for (let round = 0; round < 6; round++) {
    const index = round % 3; // 0 is the leader
    await cluster.kill(index);
    await cluster.restart(index);
    await Promise.all(cluster.servers.map((server) => server.ready()));
    for (let n = 0; n < 5; n++) {
      const key = `k${(round * 3 + n) % 7}`;
      if (n === 4) {
        await client.delete(key, { timeoutMs: 20_000 });
        expected.delete(key);
      } else {
        await client.put(key, `${round}.${n}`, { timeoutMs: 20_000 });
        expected.set(key, `${round}.${n}`);
      }
    }
  }
  const { timestamp } = await client.put("k-last", "end", { timeoutMs: 20_000 });
  expected.set("k-last", "end");
  while (state.last < timestamp) {
    const { value } = await within("the next event", events.next());
    state.take(value!);
  }
  assertEquals(new Map([...state.values].sort()), new Map([...expected].sort()));
  await events.return();
});

Deno.test("watchers through restarts of servers see every last state", async () => {
  await using cluster = await Cluster.start();
  const clients = Array.from({ length: 4 }, () => new KvClient(cluster.addresses));
  const states = clients.map(() => new State());
  const stop = new AbortController();
  const watching = clients.map(async (client, i) => {
    for await (const event of client.watch({ prefix: "" }, { signal: stop.signal })) {
      states[i]!.take(event);
    }
  });
  await using writer = new KvClient(cluster.addresses);
  let written = 0;
  for (let round = 0; round < 8; round++) {
    const index = 1 + round % 2;
    const restarted = (async () => {
      await cluster.kill(index);
      await (await cluster.restart(index)).ready();
    })();
    for (let n = 0; n < 40; n++) await putOrLose(writer, `k${n % 10}`, `${++written}`);
    await restarted;
  }
  const expected = new Map<string, string>();
  for await (const { key, value } of writer.list()) expected.set(key, value);
  for (const { values } of states) {
    await eventually(
      "the last state",
      () =>
        [...expected].every(([key, value]) => values.get(key) === value) &&
        values.size === expected.size,
    );
  }
  stop.abort();
  await Promise.all(watching);
  await Promise.all(clients.map((client) => client.close()));
});

Deno.test("8 clients count with update while followers are restarted: the sums are exact", async () => {
  await using cluster = await Cluster.start();
  const clients = Array.from({ length: 8 }, () => new KvClient(cluster.addresses));
  let running = true;
  const restarting = (async () => {
    for (let round = 0; running; round++) {
      const index = 1 + round % 2;
      await cluster.kill(index);
      await (await cluster.restart(index)).ready();
    }
  })();
  let done = 0;
  let unknown = 0;
  await Promise.all(clients.map(async (client) => {
    for (let n = 0; n < 40; n++) {
      const key = `sum${n % 4}`;
      try {
        await client.update(key, (old) => `${Number(old ?? 0) + 1}`, { timeoutMs: 20_000 });
        done++;
      } catch (error) {
        if (!(error instanceof UnknownOutcomeError)) throw error;
        unknown++;
      }
    }
  }));
  running = false;
  await restarting;
  let sum = 0;
  for await (const { value } of clients[0]!.list("sum")) sum += Number(value);
  assert(sum >= done && sum <= done + unknown, `${sum} for ${done}, and ${unknown} unknown`);
  assertGreater(done, 200);
  await Promise.all(clients.map((client) => client.close()));
});

Deno.test("the lock of a crashed holder is free after its time to live, with a higher token", async () => {
  await using cluster = await Cluster.start();
  const crashed = new KvClient(cluster.addresses);
  const held = await lock(crashed, "locks/a", { ttlMs: 1_000 });
  const takenAt = performance.now();
  await crashed.close(); // so that it is not renewed
  assert(held.lost.aborted);
  await using client = new KvClient(cluster.addresses);
  await using next = await within("the lock", lock(client, "locks/a"));
  assertGreater(next.timestamp, held.timestamp);
  const ms = performance.now() - takenAt;
  assert(ms > 900 && ms < 5_000, `after ${ms} ms`);
});

Deno.test("a lock outlives its time while it is renewed, also through a follower's restart", async () => {
  await using cluster = await Cluster.start();
  await using client = new KvClient(cluster.addresses);
  await using held = await lock(client, "locks/a", { ttlMs: 2_000 });
  await using value = await watched(client, "locks/a", (text) => text);
  await cluster.kill(1);
  await (await cluster.restart(1)).ready();
  const until = performance.now() + 5_000;
  await eventually("5 s", () => {
    assert(value.value !== null, "the key has expired");
    assert(!held.lost.aborted, String(held.lost.reason));
    return performance.now() > until;
  });
});

Deno.test("a list while others write names each key that stays exactly once, in order", async () => {
  await using cluster = await Cluster.start();
  await using client = new KvClient(cluster.addresses);
  const names = Array.from({ length: 300 }, (_, n) => `k${String(n).padStart(3, "0")}`);
  await Promise.all(names.map((name) => client.put(name, "stays")));
  let running = true;
  const writing = (async () => {
    for (let n = 0; running; n++) {
      await client.put(`${names[n % 300]}x`, "comes");
      await client.delete(`${names[(n + 299) % 300]}x`);
    }
  })();
  for (let round = 0; round < 3; round++) {
    const listed = await Array.fromAsync(client.list("", { pageSize: 10 }));
    const keys = listed.map(({ key }) => key);
    assertEquals(keys, [...new Set(keys)].sort());
    assertEquals(listed.filter(({ value }) => value === "stays").map(({ key }) => key), names);
  }
  running = false;
  await writing;
});
