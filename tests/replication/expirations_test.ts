/** Times to live, in virtual time. */

import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { Put, Snapshot, type SnapshotEntry, WriteRequest } from "../../lib/mensagem.ts";
import { Expirations } from "../../lib/replication/expirations.ts";
import { expirationsAtOnce, expirationsPerTickMax } from "../../lib/replication/expiry_pace.ts";
import { Store } from "../../lib/replication/store.ts";
import { Write } from "../../lib/wire/encoded_write.ts";
import {
  ack,
  client,
  FakeJournal,
  type FakeLink,
  follower1,
  follower2,
  leader,
  openLeader,
  pure,
  Stage,
} from "../support/core_fixture.ts";
import { seeded } from "../support/random.ts";

const lasting = (id: number, key: string, ttlMs: number) =>
  new WriteRequest(id, key, "v", undefined, ttlMs);

/** Time passes; the followers acknowledge everything. */
function pass(stage: Stage, ms: number, ...links: FakeLink[]): void {
  for (const end = stage.now + ms; stage.now < end;) {
    stage.pass(Math.min(50, end - stage.now), ...links);
    for (const link of links) link.say(ack(stage.engine.timestamp));
  }
}

Deno.test("a key is deleted after its time to live, by a write like any other", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader();
  someone.say(lasting(1, "k", 1_000));
  pass(stage, 1_000, f1, f2);
  assertEquals(stage.table, ["k=v@1"]);
  pass(stage, 100, f1, f2);
  assertEquals(stage.table, []);
  assertEquals(f1.heard(), ["REPLICATION k=v @1", "REPLICATION k=NULL @2"]);
  assertEquals(stage.engine.counts.expired, 1);
  assertEquals(someone.heard(), ["WRITE_OK #1 k @1"]);
  const writes = stage.events.filter((event) => /^(written|expired)/.test(event));
  assertEquals(writes, ["written k=v @1 after 0 ms", "expired k=NULL @2 after 0 ms"]);
  assertEquals(stage.printed(), []);
});

Deno.test(
  "a time begins again with each write that has one, and ends with one that has none",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeader();
    someone.say(lasting(1, "renewed", 1_000), lasting(2, "kept", 1_000));
    pass(stage, 900, f1, f2);
    someone.say(lasting(3, "renewed", 1_000), new Put(4, "kept", "v"));
    pass(stage, 1_000, f1, f2);
    assertEquals(stage.table, ["kept=v@4", "renewed=v@3"]);
    pass(stage, 60_000, f1, f2);
    assertEquals(stage.table, ["kept=v@4"]);
  },
);

Deno.test(
  "no key expires while too few servers are in sync, and all that are due do afterwards",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeader();
    someone.say(lasting(1, "k", 1_000));
    for (const link of [f1, f2]) link.say(ack(1));
    for (const link of [f1, f2]) link.end();
    stage.pass(5_000);
    assertEquals(stage.table, ["k=v@1"]);
    const again = stage.join(follower1, 1, "new1");
    again.say(ack(1));
    pass(stage, 100, again);
    assertEquals(stage.table, []);
  },
);

Deno.test(
  "deletions come in bounded parts, and the next part waits for the commit of the last",
  pure,
  () => {
    const { stage, f1, f2 } = openLeader();
    const keys = 2 * expirationsPerTickMax + 1;
    const someone = stage.connect(client);
    for (let n = 0; n < keys; n += 1_000) {
      const some = Array.from({ length: Math.min(1_000, keys - n) }, (_, i) => n + i);
      someone.say(...some.map((id) => lasting(id, `k${id}`, 1_000)));
      for (const link of [f1, f2]) link.say(ack(stage.engine.timestamp));
    }
    pass(stage, 50, f1, f2);
    stage.pass(950, f1, f2);
    const { table } = stage.engine;
    const acknowledge = () => {
      for (const link of [f1, f2]) link.say(ack(stage.engine.timestamp));
    };
    stage.jump(50);
    assertEquals(table.size, keys - expirationsAtOnce);
    stage.jump(50); // nothing is acknowledged yet
    assertEquals(table.size, keys - expirationsAtOnce);
    acknowledge();
    assertEquals(table.size, keys - 2 * expirationsAtOnce);
    for (let n = 0; n < 100; n++) acknowledge();
    assertEquals(table.size, keys - expirationsAtOnce - expirationsPerTickMax);
    for (let ticks = 0; ticks < 2; ticks++) {
      pass(stage, 50, f1, f2);
      for (let n = 0; n < 100; n++) acknowledge();
    }
    assertEquals(table.size, 0);
  },
);

Deno.test("a leader alone deletes many keys in each tick", pure, () => {
  const stage = new Stage(leader, { clusterSize: 1, minInSync: 1 });
  const keys = 10 * expirationsAtOnce;
  const someone = stage.connect(client);
  for (let n = 0; n < keys; n++) someone.say(lasting(n, `k${n}`, 1_000));
  stage.jump(50);
  stage.jump(1_000);
  assertEquals(stage.engine.table.size, 2 * expirationsAtOnce);
  stage.jump(50);
  assertEquals(stage.engine.table.size, 0);
});

Deno.test("a leader alone with a journal deletes a slice after the other", pure, () => {
  const disk = new FakeJournal().reopen();
  const stage = new Stage(leader, { clusterSize: 1, minInSync: 1 }, disk);
  disk.journal.sync();
  const someone = stage.connect(client);
  const keys = 12 * expirationsAtOnce;
  for (let n = 0; n < keys; n += 256) {
    someone.say(...Array.from({ length: 256 }, (_, i) => lasting(n + i, `k${n + i}`, 1_000)));
    for (let n = 0; n < 4; n++) disk.journal.sync();
  }
  assertEquals(stage.engine.table.size, keys);
  stage.jump(50);
  stage.jump(1_000);
  for (let n = 0; n < 40; n++) disk.journal.sync();
  assertEquals(stage.engine.table.size, 0);
});

Deno.test("a leader that takes over a table begins every time to live again", pure, () => {
  const stage = new Stage(leader);
  const source = stage.join(follower1, 9);
  const other = stage.join(follower2, 9);
  const entry: SnapshotEntry = ["k", "v", 8, 1_000];
  stage.pass(5_000, source, other);
  source.say(new Snapshot([entry, ["gone", null, 9]], true));
  for (const link of [source, other]) {
    const confirm = `{"type":"SNAPSHOT_OK"}`;
    while (link.heard().some((line) => line.startsWith("SNAPSHOT "))) link.sayLine(confirm);
  }
  for (const link of [source, other]) {
    link.sayLine(`{"type":"HEARTBEAT"}`);
    link.say(ack(stage.engine.timestamp));
  }
  assert(stage.engine.readable, stage.reports.join("\n"));
  pass(stage, 950, source, other);
  assertEquals(stage.table, ["k=v@8"]);
  pass(stage, 150, source, other);
  assertEquals(stage.table, []);
});

Deno.test("a leader that restarts with its disk begins every time to live again", pure, () => {
  const disk = new FakeJournal().reopen();
  const stage = new Stage(leader, {}, disk);
  const links = [stage.join(follower1), stage.join(follower2)];
  disk.journal.sync();
  for (const link of links) link.say(ack(0));
  stage.connect(client).say(lasting(1, "k", 1_000));
  disk.journal.sync();
  stage.pass(900, ...links);
  const again = disk.journal.reopen();
  const next = new Stage(leader, {}, again);
  again.journal.sync();
  const nextLinks = [follower1, follower2].map((server) => next.join(server, 1, "new1"));
  const sync = (ms: number) => {
    for (const end = next.now + ms; next.now < end;) {
      next.pass(50, ...nextLinks);
      again.journal.sync();
      for (const link of nextLinks) {
        while (link.heard().some((line) => line.startsWith("SNAPSHOT"))) {
          link.sayLine(`{"type":"SNAPSHOT_OK"}`);
        }
        link.say(ack(next.engine.timestamp));
      }
    }
  };
  sync(950);
  assertEquals(next.table, ["k=v@1"]);
  sync(200);
  assertEquals(next.table, []);
});

Deno.test("a follower deletes nothing by itself", pure, () => {
  const stage = new Stage(follower1);
  stage.jump(50);
  const up = stage.dialled();
  up.sayLine(
    `{"type":"JOIN_OK","protocol":2}`,
    `{"type":"SYNC","cluster":"c","timestamp":0,"latest":0}`,
    `{"type":"REPLICATION","ttlMs":1000,"key":"k","value":"v","timestamp":1}`,
  );
  stage.pass(60_000, up);
  assertEquals(stage.table, ["k=v@1"]);
  up.sayLine(`{"type":"REPLICATION","key":"k","value":null,"timestamp":2}`);
  assertEquals(stage.table, []);
  assertEquals(stage.printed().at(-1), "REPLICATION k=NULL @2");
});

Deno.test(
  "keys expire never early and at most two ticks late, over 20,000 random writes",
  pure,
  seeded((random) => {
    const expirations = new Expirations(1_000);
    const store = new Store();
    const last = new Map<string, { at: number; ttlMs: number }>();
    let now = 0;
    let timestamp = 0;
    for (let n = 0; n < 20_000; n++) {
      const key = `k${random.below(50)}`;
      const ttlMs = random.chance(0.6) ? random.between(1_000, 3_000) : undefined;
      const write = Write.of(key, random.chance(0.2) ? null : "v", ++timestamp, ttlMs);
      store.apply(key, write);
      expirations.applied(key, write);
      if (write.ttlMs === undefined) last.delete(key);
      else last.set(key, { at: now, ttlMs: write.ttlMs });
      now += random.below(4);
      if (n % 15 > 0) continue;
      expirations.tick(now);
      for (let due = expirations.next(now); due !== undefined; due = expirations.next(now)) {
        const { at, ttlMs } = last.get(due)!;
        assertLessOrEqual(at + ttlMs, now);
        assertGreater(at + ttlMs + 100, now, `${due} is late`);
        last.delete(due);
        const deletion = Write.of(due, null, ++timestamp);
        store.apply(due, deletion);
        expirations.applied(due, deletion);
      }
      for (const { at, ttlMs } of last.values()) assertGreater(at + ttlMs + 100, now);
      if (n % 150 === 0) expirations.checkInvariants(store, () => false);
    }
  }),
);
