/** WRITE, CONFLICT, GET_LATEST and expiry through real servers and sockets. */

import { assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";

Deno.test("conditional writes and deletions through any server, with the leader's prints unchanged", async () => {
  await using cluster = await Cluster.start();
  const [near, far] = cluster.followers;
  using client = await Wire.connect(near.address);
  const write = { type: "WRITE", id: 1, key: "k" };
  const ok = { type: "WRITE_OK", id: 1, key: "k" };
  assertEquals(await client.ask({ ...write, value: "v", expected: 0 }), { ...ok, timestamp: 1 });
  assertEquals(await client.ask({ ...write, value: "w", expected: 0 }), {
    ...{ type: "CONFLICT", id: 1, key: "k", value: "v", timestamp: 1 },
  });
  assertEquals(await client.ask({ ...write, value: "w", expected: 1 }), { ...ok, timestamp: 2 });
  assertEquals(await client.ask({ ...write, value: null, expected: 2 }), { ...ok, timestamp: 3 });
  assertEquals(await client.ask({ ...write, value: null }), { ...ok, timestamp: 3 });
  using other = await Wire.connect(far.address);
  await eventually(
    "the other follower has the deletion",
    () => far.printsOf("REPLICATION").length === 3,
  );
  assertEquals(await other.ask({ type: "GET", id: 2, key: "k", timestamp: 3 }), {
    ...{ type: "GET_OK", id: 2, key: "k", value: null, timestamp: 3 },
  });
  assertEquals(await other.ask({ type: "GET_LATEST", id: 3, key: "k" }), {
    ...{ type: "GET_OK", id: 3, key: "k", value: null, timestamp: 3 },
  });
  assertEquals(far.printsOf("REPLICATION"), [
    "REPLICATION key:k value:v ts:1.",
    "REPLICATION key:k value:w ts:2.",
    "REPLICATION key:k value:NULL ts:3.",
  ]);
  assertEquals(cluster.leader.prints, []);
});

Deno.test("GET_LATEST shows a write at once that a follower does not have yet", async () => {
  await using cluster = await Cluster.start();
  using client = await Wire.connect(cluster.leader.address);
  using other = await Wire.connect(cluster.followers[1].address);
  for (let n = 1; n <= 20; n++) {
    const put = await client.ask({ type: "PUT", id: n, key: "k", value: `v${n}` });
    const latest = await other.ask({ type: "GET_LATEST", id: n, key: "k" });
    assertEquals([latest.value, latest.timestamp], [`v${n}`, put.timestamp]);
  }
});

Deno.test("a key with a time to live is gone from every server after it, and not before", async () => {
  await using cluster = await Cluster.start();
  using client = await Wire.connect(cluster.followers[0].address);
  const begunMs = performance.now();
  await client.ask({ type: "WRITE", id: 1, key: "k", value: "v", ttlMs: 1_000 });
  await eventually(
    "every server has the key",
    () => cluster.servers.every((one) => one.holds("k")),
  );
  await eventually("the key is gone", () => cluster.servers.every((one) => !one.holds("k")));
  assertGreaterOrEqual(performance.now() - begunMs, 1_000);
  assertMatch(cluster.followers[0].prints.at(-1)!, /^REPLICATION key:k value:NULL ts:2\.$/);
});
