import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  CoreCluster,
  type FakeClient,
  follower1,
  leader,
  pure,
  Stage,
} from "../support/core_fixture.ts";
import { type Random, seeded } from "../support/random.ts";

/** A log so small that a follower that missed a write needs a snapshot, with a chunk for each key. */
const snapshots = { logBytesMax: 60, snapshotChunkVisits: 1 };

/** The only answer to a request. */
function answer(of: FakeClient, id: number): string | undefined {
  const answers = of.answers.get(id)!;
  assert(answers.length <= 1, `answered twice: ${answers}`);
  return answers[0];
}

/** A PUT that is delivered and answered at once. Returns its timestamp. */
function put(cluster: CoreCluster, to: FakeClient, key: string, value: string): number {
  const id = to.put(key, value);
  cluster.settle();
  const reply = answer(to, id) ?? "nothing";
  assert(reply.startsWith(`PUT_OK #${id} ${key} @`), reply);
  return Number(reply.split("@")[1]);
}

function assertSameTables(cluster: CoreCluster): void {
  const tables = cluster.servers.map((_, index) => cluster.table(index));
  for (const table of tables) assertEquals(table, tables[0]);
}

Deno.test("the server whose address is the leader's leads, any other one dials", pure, () => {
  const lead = new Stage(leader);
  lead.pass(1_000);
  assertEquals(lead.dials, []);
  const follower = new Stage(follower1);
  follower.pass(1_000);
  assertEquals(follower.dials.length, 1);
});

Deno.test(
  "any server takes a PUT, and then every server answers a GET with its value",
  pure,
  () => {
    const cluster = CoreCluster.open();
    const clients = [0, 1, 2].map((index) => cluster.client(index));
    for (const [index, to] of clients.entries()) {
      const timestamp = put(cluster, to, "a", `${index}`);
      assertEquals(timestamp, index + 1);
      for (const from of clients) {
        const id = from.get("a", timestamp);
        cluster.settle();
        assertEquals(answer(from, id), `GET_OK #${id} a=${index} @${timestamp}`);
      }
    }
  },
);

Deno.test("a late follower answers TRY_OTHER to a client that has seen more", pure, () => {
  const cluster = CoreCluster.open();
  const near = cluster.client(0);
  const late = cluster.client(2);
  cluster.hold(2);
  const id = near.put("a", "1");
  cluster.settle();
  assertEquals(
    answer(near, id),
    undefined,
    "the late follower is in sync, so the PUT waits for it",
  );
  cluster.pass(3_000);
  assertEquals(answer(near, id), `PUT_OK #${id} a @1`);
  const before = late.get("a", 1);
  cluster.settle();
  assertEquals(answer(late, before), `TRY_OTHER_SERVER_OR_LATER #${before} a @0`);
  cluster.release(2);
  cluster.pass(2_000);
  const after = late.get("a", 1);
  cluster.settle();
  assertEquals(answer(late, after), `GET_OK #${after} a=1 @1`);
  assertSameTables(cluster);
});

Deno.test("the servers may start in any order", pure, () => {
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
    const cluster = new CoreCluster();
    for (const index of order) cluster.crash(index);
    for (const index of order) {
      cluster.start(index);
      cluster.pass(1_500);
    }
    put(cluster, cluster.client(1), "a", "1");
    assertEquals(cluster.table(2), ["a=1@1"]);
  }
});

Deno.test("a follower that was killed gets everything back while writing goes on", pure, () => {
  for (const tuning of [{}, snapshots]) {
    const cluster = CoreCluster.open(tuning);
    const writer = cluster.client(0);
    for (let n = 1; n <= 6; n++) put(cluster, writer, `k${n}`, "before");
    cluster.crash(1);
    cluster.settle();
    put(cluster, writer, "k2", "away");
    cluster.start(1);
    // One message at a time, and a write between any two.
    const ids: number[] = [];
    for (let n = 0; n < 60; n++) {
      if (n < 30) ids.push(writer.put(`k${n % 8}`, `during ${n}`));
      cluster.deliver((ends) => ends[n % ends.length]!, 1);
      cluster.tick(10);
    }
    cluster.pass(1_000);
    for (const id of ids) assert(answer(writer, id)?.startsWith("PUT_OK"), `${id}`);
    assertSameTables(cluster);
    assertEquals(cluster.table(1).length, 8);
  }
});

Deno.test(
  "a missed write is printed when it comes from the log, not when it comes in a snapshot",
  pure,
  () => {
    for (const [tuning, expected] of [[{}, 3], [snapshots, 0]] as const) {
      const cluster = CoreCluster.open(tuning);
      cluster.crash(1);
      cluster.settle();
      for (const key of ["a", "b", "c"]) put(cluster, cluster.client(0), key, "1");
      cluster.start(1);
      cluster.pass(500);
      assertEquals(cluster.table(1), ["a=1@1", "b=1@2", "c=1@3"]);
      assertEquals(cluster.servers[1]!.prints.length, expected);
    }
  },
);

Deno.test(
  "a leader that lost its memory recovers every committed write, and goes on far above",
  pure,
  () => {
    const cluster = CoreCluster.open();
    const last = put(cluster, cluster.client(1), "a", "1") &&
      put(cluster, cluster.client(2), "b", "2");
    cluster.crash(0);
    cluster.pass(3_000);
    cluster.start(0);
    cluster.pass(2_000);
    assertEquals(cluster.table(0), ["a=1@1", "b=2@2"]);
    const next = put(cluster, cluster.client(1), "c", "3");
    assert(next > last + 1_000_000, `${next}`);
    assertSameTables(cluster);
  },
);

Deno.test("no timestamp is used twice, however often the leader loses its memory", pure, () => {
  const cluster = CoreCluster.open();
  const seen = new Set<string>();
  let highest = 0;
  for (let life = 0; life < 4; life++) {
    const writer = cluster.client(0);
    highest = Math.max(highest, put(cluster, writer, "a", `committed ${life}`));
    // These are stamped and read, but no follower ever hears of them.
    cluster.hold(1);
    cluster.hold(2);
    for (let n = 0; n < 3; n++) {
      writer.put("a", `lost ${life} ${n}`);
      const id = writer.get("a");
      cluster.settle();
      const [value, timestamp] = answer(writer, id)!.split("=")[1]!.split(" @");
      assertEquals(value, `lost ${life} ${n}`);
      assert(!seen.has(timestamp!), `timestamp ${timestamp} again`);
      assert(Number(timestamp) > highest);
      seen.add(timestamp!);
    }
    cluster.crash(0, 0);
    cluster.release(1);
    cluster.release(2);
    cluster.pass(3_000);
    cluster.start(0);
    cluster.pass(2_000);
    assertEquals(cluster.table(0), [`a=committed ${life}@${highest}`]);
  }
});

Deno.test("a leader skips ahead even if the cluster has no committed write", pure, () => {
  const cluster = CoreCluster.open();
  const writer = cluster.client(0);
  cluster.hold(1);
  cluster.hold(2);
  const id = writer.put("a", "lost");
  cluster.settle();
  assertEquals(cluster.table(0), ["a=lost@1"]);
  cluster.crash(0, 0);
  assertEquals(answer(writer, id), undefined);
  cluster.release(1);
  cluster.release(2);
  cluster.pass(3_000);
  cluster.start(0);
  cluster.pass(2_000);
  assertNotEquals(put(cluster, cluster.client(0), "a", "1"), 1);
});

Deno.test("a leader that dies at any moment of its recovery can recover again", pure, () => {
  // The second life of the leader ends after `moment` messages. Then comes the third, with writes.
  for (let moment = 0; moment < 40; moment++) {
    const cluster = CoreCluster.open(snapshots);
    for (const key of ["a", "b", "c"]) put(cluster, cluster.client(1), key, "1");
    cluster.crash(2);
    cluster.settle();
    const last = put(cluster, cluster.client(1), "a", "2");
    cluster.crash(0);
    cluster.settle();
    cluster.start(2);
    cluster.start(0);
    cluster.tick(1_000);
    for (let n = 0; n < moment; n++) cluster.deliver((ends) => ends[n % ends.length]!, 1);
    cluster.crash(0, moment % 2);
    cluster.pass(500);
    cluster.start(0);
    cluster.pass(3_000);
    for (const index of [0, 1, 2]) {
      assertEquals(cluster.table(index), ["a=2@4", "b=1@2", "c=1@3"], `server ${index}, ${moment}`);
    }
    assert(put(cluster, cluster.client(2), "a", "3") > last);
    assertSameTables(cluster);
  }
});

Deno.test(
  "no order of the servers' deaths loses a write while one copy in sync is left",
  pure,
  () => {
    for (const first of [0, 1, 2]) {
      for (const second of [0, 1, 2]) {
        for (const tuning of [{}, snapshots]) {
          const cluster = CoreCluster.open(tuning);
          for (const key of ["a", "b", "c"]) put(cluster, cluster.client(2), key, "1");
          cluster.crash(first);
          if (second !== first) cluster.crash(second);
          cluster.pass(100);
          cluster.start(first);
          cluster.pass(100);
          if (second !== first) cluster.start(second);
          cluster.pass(5_000);
          for (const index of [0, 1, 2]) {
            assertEquals(cluster.table(index), ["a=1@1", "b=1@2", "c=1@3"], `${first} ${second}`);
          }
        }
      }
    }
  },
);

Deno.test(
  "a PUT under way when the leader dies has an unknown outcome and at most one effect",
  pure,
  () => {
    for (let moment = 0; moment < 12; moment++) {
      const cluster = CoreCluster.open();
      const writer = cluster.client(1);
      const id = writer.put("a", "1");
      for (let n = 0; n < moment; n++) cluster.deliver((ends) => ends[0]!, 1);
      cluster.crash(0, 0);
      cluster.pass(3_000);
      cluster.start(0);
      cluster.pass(3_000);
      const reply = answer(writer, id);
      if (reply === `ERROR #${id} UNAVAILABLE`) assertEquals(cluster.table(0), []);
      else if (reply === `PUT_OK #${id} a @1`) assertEquals(cluster.table(0), ["a=1@1"]);
      else assertEquals(reply, `ERROR #${id} UNKNOWN_OUTCOME`);
      assertSameTables(cluster);
    }
  },
);

// Random schedules

interface Schedule {
  readonly cluster: CoreCluster;
  readonly clients: readonly FakeClient[];
}

/**
 * Requests of random clients among crashes, cuts and hangs. In the end every process is up and
 * connected. A process dies only if `mayCrash` allows it.
 */
function runSchedule(random: Random, mayCrash: (cluster: CoreCluster) => boolean): Schedule {
  const tuning = {
    minInSync: random.between(1, 3),
    outstandingPutsMax: random.pick([3, 65_536]),
    putTimeoutMs: 1_000,
    silenceMs: 400,
    heartbeatMs: 100,
    ...(random.chance(0.5) ? snapshots : {}),
  };
  const cluster = new CoreCluster(tuning, () => random.next());
  if (random.chance(0.8)) cluster.pass(200);
  const clients: FakeClient[] = [];
  const keys = ["a", "b", "c"];
  for (let n = 0; n < 400; n++) {
    const index = random.below(3);
    const up = cluster.servers[index] !== undefined;
    if (random.chance(0.05) && up) clients.push(cluster.client(index));
    if (random.chance(0.3) && clients.length > 0) {
      const asking = random.pick(clients);
      if (random.chance(0.7)) asking.put(random.pick(keys), `v${n}`);
      else asking.get(random.pick(keys), random.pick([0, 1, 1_000]));
    }
    if (random.chance(0.02) && up && mayCrash(cluster)) cluster.crash(index, random.below(3));
    if (random.chance(0.05) && !up) cluster.start(index);
    if (random.chance(0.01) && index > 0) cluster.cut(index, random.below(3));
    if (random.chance(0.01) && index > 0) cluster.hold(index);
    if (random.chance(0.05)) cluster.release(index);
    cluster.step(random);
  }
  for (const index of [0, 1, 2]) {
    cluster.release(index);
    if (cluster.servers[index] === undefined) cluster.start(index);
  }
  cluster.pass(5_000);
  return { cluster, clients };
}

Deno.test(
  "every request has exactly one answer, in 80 random schedules",
  pure,
  seeded((random) => {
    let answered = 0;
    let succeeded = 0;
    for (let round = 0; round < 80; round++) {
      const { clients } = runSchedule(random, () => true);
      for (const { answers, gone } of clients) {
        for (const [id, replies] of answers) {
          assert(replies.length <= 1, `round ${round}: two answers: ${replies}`);
          assert(replies.length === 1 || gone, `round ${round}: no answer to ${id}`);
          answered += replies.length;
          if (replies[0]?.startsWith("PUT_OK")) succeeded++;
        }
      }
    }
    assert(answered > 500 && succeeded > 50, `only ${answered} answers, ${succeeded} PUT_OK`);
  }),
);

/** Whether all are in sync. The leader may not know yet that a follower has lost its memory. */
function allInSync({ servers }: CoreCluster): boolean {
  return servers[0]?.engine.inSync.length === 3 &&
    servers.every((server) => server?.engine.readable);
}

Deno.test(
  "a committed write stays, a refused one is in no table, and all tables end the same",
  pure,
  seeded((random) => {
    for (let round = 0; round < 80; round++) {
      const { cluster, clients } = runSchedule(random, allInSync);
      assert(allInSync(cluster), `round ${round}: not all are in sync again`);
      assertSameTables(cluster);
      const store = cluster.servers[0]!.engine.table;
      for (const { answers, refused } of clients) {
        for (const { key, value } of refused) {
          assert(store.get(key)?.value !== value, `round ${round}: ${value} was refused`);
        }
        for (const reply of [...answers.values()].flat()) {
          const [, key, timestamp] = /^PUT_OK #\d+ (.+) @(\d+)$/.exec(reply) ?? [];
          if (key === undefined) continue;
          const held = store.get(key)?.timestamp ?? 0;
          assert(held >= Number(timestamp), `round ${round}: ${reply}, and in the end @${held}`);
        }
      }
    }
  }),
);
