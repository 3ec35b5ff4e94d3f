/** Leader and follower with a journal: what waits for the disk, and what a restart makes of it. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { groupCharsMax, groupPutsMax } from "../../lib/replication/group_commit.ts";
import { recoverySkip } from "../../lib/replication/recovery.ts";
import { Get, Join, JoinOk, protocolVersion, Put, Snapshot, Sync } from "../../lib/mensagem.ts";
import {
  ack,
  client,
  FakeJournal,
  type FakeLink,
  follower1,
  follower2,
  leader,
  pure,
  Stage,
} from "../support/core_fixture.ts";

const skip = recoverySkip;

/** A server with a disk that holds these messages. */
function withDisk(self: string, ...messages: { encode(): string }[]): [Stage, FakeJournal] {
  const before = new FakeJournal();
  before.kept.push(...messages.map((message) => message.encode()));
  const disk = before.reopen();
  return [new Stage(self, {}, disk), disk.journal];
}

/** A leader that has opened with an empty disk and two followers, and has nothing to write. */
function openLeader(): { stage: Stage; disk: FakeJournal; f1: FakeLink; f2: FakeLink } {
  const [stage, disk] = withDisk(leader);
  const f1 = stage.join(follower1);
  const f2 = stage.join(follower2);
  disk.sync();
  for (const link of [f1, f2]) {
    link.say(ack(0));
    link.heard();
  }
  return { stage, disk, f1, f2 };
}

/** The journal messages of a leader that begins at `timestamp` and goes on after `latest`. */
const leads = (timestamp = 0, latest = timestamp) => [
  new JoinOk(),
  new Sync("c", timestamp, latest),
];

Deno.test("a new leader opens only once its disk has the cluster id", pure, () => {
  const [stage, disk] = withDisk(leader);
  const links = [stage.join(follower1), stage.join(follower2)];
  assertEquals(links.map((link) => link.heard()), [["JOIN_OK"], ["JOIN_OK"]]);
  assertEquals(disk.waiting, ["SNAPSHOT", "JOIN_OK", `SYNC "new1" @0`]);
  disk.sync();
  assertEquals(stage.engine.readable, false);
  for (const link of links) {
    assertEquals(link.heard(), [`SYNC "new1" @0`]);
    link.say(ack(0));
  }
  assertEquals(stage.engine.readable, true);
});

Deno.test(
  "a write is neither readable nor replicated before the leader's disk has it",
  pure,
  () => {
    const { stage, disk, f1, f2 } = openLeader();
    const link = stage.connect(client);
    link.say(new Put(1, "a", "1"), new Put(2, "b", "2"), new Get(3, "a", 0));
    assertEquals(link.heard(), ["GET_OK #3 a=NULL @0"]);
    assertEquals([f1.heard(), f2.heard(), stage.table], [[], [], []]);
    disk.sync(1);
    assertEquals(f1.heard(), ["REPLICATION a=1 @1"]);
    assertEquals(stage.table, ["a=1@1"]);
    disk.sync();
    assertEquals([f1.heard(), f2.heard().length], [["REPLICATION b=2 @2"], 2]);
    for (const follower of [f1, f2]) follower.say(ack(2));
    assertEquals(link.heard(), ["PUT_OK #1 a @1", "PUT_OK #2 b @2"]);
  },
);

/** A leader whose last group was one PUT of each of `count` clients, all of them answered. */
function answered(count: number): ReturnType<typeof openLeader> & { links: FakeLink[] } {
  const opened = openLeader();
  const { stage } = opened;
  stage.connect(client).say(new Put(1, "first", ""));
  const links = Array.from({ length: count }, (_, i) => stage.connect(`10.0.0.9:${1000 + i}`));
  for (const link of links) link.say(new Put(1, "k", ""));
  commit(opened, 1);
  if (stage.waitsForPuts) stage.endWait();
  commit(opened, 1 + count);
  for (const link of links) assertEquals(link.heard().length, 1);
  assertEquals(stage.waitsForPuts, false);
  return { ...opened, links };
}

/** Syncs the leader's disk, and the followers acknowledge every write up to `timestamp`. */
function commit({ disk, f1, f2 }: ReturnType<typeof openLeader>, timestamp: number): void {
  disk.sync();
  for (const follower of [f1, f2]) {
    follower.say(ack(timestamp));
    follower.heard();
  }
}

Deno.test(
  "PUTs that come while a group is under way are stamped together at the first acknowledgement",
  pure,
  () => {
    const { stage, disk, f1, f2 } = openLeader();
    const link = stage.connect(client);
    link.say(new Put(1, "a", "1"));
    link.say(new Put(2, "b", "2"));
    link.say(new Put(3, "c", "3"));
    assertEquals(disk.waiting, ["REPLICATION a=1 @1"]);
    disk.sync();
    assertEquals(disk.waiting, []);
    f1.say(ack(1));
    assertEquals(disk.waiting, ["REPLICATION b=2 @2", "REPLICATION c=3 @3"]);
    f2.say(ack(1));
    commit({ stage, disk, f1, f2 }, 3);
    assertEquals(link.heard(), ["PUT_OK #1 a @1", "PUT_OK #2 b @2", "PUT_OK #3 c @3"]);
  },
);

Deno.test(
  "a group waits for the clients that were just answered, until all of them have sent again",
  pure,
  () => {
    const { stage, disk, links } = answered(3);
    links[2]!.say(new Put(2, "x", ""));
    links[1]!.say(new Put(2, "y", ""));
    assertEquals([disk.waiting, stage.waitsForPuts], [[], true]);
    links[0]!.say(new Put(2, "z", ""));
    assertEquals(disk.waiting.map((line) => line.split(" ")[1]), ["x=", "y=", "z="]);
    assertEquals(stage.waitsForPuts, false);
  },
);

Deno.test("a client that does not send again is not waited for in the next group", pure, () => {
  const opened = answered(3);
  const { stage, disk, links } = opened;
  links[0]!.say(new Put(2, "x", ""));
  stage.endWait();
  assertEquals(disk.waiting, ["REPLICATION x= @5"]);
  commit(opened, 5);
  links[1]!.say(new Put(2, "y", ""));
  assertEquals([disk.waiting, stage.waitsForPuts], [["REPLICATION y= @6"], false]);
});

Deno.test("a full group does not wait for more PUTs, and their order stays", pure, () => {
  const { stage, disk, f1, links } = answered(groupPutsMax + 10);
  const [first, second] = links as [FakeLink, FakeLink];
  for (let i = 0; i < groupPutsMax; i++) {
    assertEquals(disk.waiting, []);
    first.say(new Put(10 + i, `k${i}`, ""));
  }
  const keys = Array.from({ length: groupPutsMax }, (_, i) => `k${i}=`);
  assertEquals(disk.waiting.map((line) => line.split(" ")[1]), keys);
  // The next full group does not wait for the last acknowledgement.
  for (let i = 0; i < groupPutsMax; i++) second.say(new Put(10 + i, `l${i}`, ""));
  disk.sync();
  assertEquals(disk.waiting, []);
  f1.say(ack(1 + groupPutsMax + 10 + groupPutsMax));
  assertEquals(disk.waiting.length, groupPutsMax);
  assertEquals(stage.waitsForPuts, false);
});

Deno.test("a PUT that came before the only server was open is answered", pure, () => {
  const disk = new FakeJournal();
  const stage = new Stage(leader, { clusterSize: 1, minInSync: 1 }, {
    journal: disk,
    recovered: disk.reopen().recovered,
  });
  const link = stage.connect(client);
  link.say(new Put(1, "a", "1"));
  disk.sync();
  if (stage.waitsForPuts) stage.endWait();
  disk.sync();
  assertEquals(link.heard(), ["PUT_OK #1 a @1"]);
});

Deno.test("PUTs with much text do not wait, and keep their order", pure, () => {
  const { stage, disk } = openLeader();
  const link = stage.connect(client);
  link.say(new Put(1, "a", "1"));
  link.say(new Put(2, "b", "x".repeat(groupCharsMax)));
  assertEquals(disk.waiting.length, 1);
  link.say(new Put(3, "c", "3"));
  assertEquals(disk.waiting.map((line) => line.slice(0, 13)), [
    "REPLICATION a",
    "REPLICATION b",
    "REPLICATION c",
  ]);
});

Deno.test(
  "a PUT that waits too long for the group before it was certainly not applied",
  pure,
  () => {
    const { stage, disk, f1, f2 } = openLeader();
    const link = stage.connect(client);
    link.say(new Put(1, "a", "1"));
    link.say(new Put(2, "b", "2"));
    stage.pass(5_000, f1, f2);
    assertEquals(link.heard(), ["ERROR #2 UNAVAILABLE", "ERROR #1 UNKNOWN_OUTCOME"]);
    disk.sync();
    for (const follower of [f1, f2]) follower.say(ack(1));
    assertEquals(stage.table, ["a=1@1"]);
  },
);

Deno.test("large PUTs do not pile up behind a group", pure, () => {
  const { stage, disk } = openLeader();
  const link = stage.connect(client);
  const value = "x".repeat(1024 * 1024);
  for (let n = 1; n <= 4; n++) link.say(new Put(n, `k${n}`, value));
  // k2 waits, but leaves with k3. Then k4 waits.
  assertEquals(disk.waiting.map((line) => line.split("=")[0]), [
    "REPLICATION k1",
    "REPLICATION k2",
    "REPLICATION k3",
  ]);
});

Deno.test("a follower that joins while the disk is at work misses nothing", pure, () => {
  const { stage, disk, f1, f2 } = openLeader();
  f2.end();
  stage.connect(client).say(new Put(1, "a", "1"));
  const again = stage.join(follower2, 0, "new1");
  disk.sync();
  assertEquals(again.heard(), ["JOIN_OK", `SYNC "new1" @0`, "REPLICATION a=1 @1"]);
  assertEquals(f1.heard(), ["REPLICATION a=1 @1"]);
});

Deno.test("a PUT whose disk is too slow ends with an unknown outcome", pure, () => {
  const { stage, disk, f1, f2 } = openLeader();
  const link = stage.connect(client);
  link.say(new Put(1, "a", "1"));
  stage.pass(5_000, f1, f2);
  assertEquals(link.heard(), ["ERROR #1 UNKNOWN_OUTCOME"]);
  disk.sync();
  for (const follower of [f1, f2]) follower.say(ack(1));
  assertEquals([link.heard(), stage.table], [[], ["a=1@1"]]);
});

Deno.test("a follower acknowledges the writes that its disk has, and no more", pure, () => {
  const [stage, disk] = withDisk(follower1);
  stage.jump(50);
  const up = stage.dialled();
  up.sayLine(`{"type":"JOIN_OK"}`, new Sync("c", 0, 0).encode());
  up.heard();
  disk.sync(1);
  assertEquals(up.heard(), []);
  disk.sync();
  assertEquals(up.heard(), ["REPLICATION_OK @0"]);
  up.sayLine(`{"type":"REPLICATION","key":"a","value":"1","timestamp":1}`);
  up.sayLine(`{"type":"REPLICATION","key":"b","value":"2","timestamp":2}`);
  assertEquals(stage.table, ["a=1@1", "b=2@2"]);
  assertEquals(up.heard(), []);
  disk.sync(1);
  assertEquals(up.heard(), ["REPLICATION_OK @1"]);
  disk.sync();
  assertEquals(up.heard(), ["REPLICATION_OK @2"]);
});

Deno.test("a follower with a slow disk takes no more of a snapshot than it can write", pure, () => {
  const [stage, disk] = withDisk(follower1);
  stage.jump(50);
  const up = stage.dialled();
  up.sayLine(`{"type":"JOIN_OK"}`);
  up.say(new Snapshot([["a", "1", 1]], false));
  disk.sync(1);
  up.heard();
  disk.sync();
  assertEquals(up.heard(), ["SNAPSHOT_OK"]);
});

Deno.test(
  "a write that reaches the disk late is not acknowledged on another connection",
  pure,
  () => {
    const [stage, disk] = withDisk(follower1);
    stage.jump(50);
    const first = stage.dialled();
    first.sayLine(`{"type":"JOIN_OK"}`, new Sync("c", 0, 0).encode());
    first.end();
    stage.pass(1_000);
    const second = stage.dialled();
    disk.sync();
    assertEquals(second.heard(), [`JOIN 10.0.0.2:10098 "c" @0`]);
  },
);

Deno.test("a leader with data opens alone, at once, and goes on far ahead", pure, () => {
  const [stage, disk] = withDisk(
    leader,
    ...leads(),
    new Snapshot([["a", "1", 7]], true),
    ...leads(7),
  );
  assertEquals(stage.engine.readable, false);
  assertEquals(disk.waiting, ["JOIN_OK", `SYNC "c" @7 of @${skip + 7}`]);
  disk.sync();
  assertEquals(stage.engine.readable, true);
  const link = stage.connect(client);
  link.say(new Get(1, "a", 7), new Put(2, "b", "2"));
  assertEquals(link.heard(), ["GET_OK #1 a=1 @7"]);
  // It takes PUTs when enough servers take part.
  const f1 = stage.join(follower1, 7, "c");
  f1.sayLine(`{"type":"SNAPSHOT_OK"}`, ack(skip + 7).encode());
  disk.sync();
  f1.say(ack(skip + 8));
  assertEquals(link.heard(), [`PUT_OK #2 b @${skip + 8}`]);
});

Deno.test("a follower gets only the writes that it lacks from a restarted leader", pure, () => {
  const [stage, disk] = withDisk(
    leader,
    ...leads(),
    new Snapshot([["a", "1", 5], ["b", "2", 6], ["c", "3", 7]], true),
    new Sync("c", 7, 7),
  );
  disk.sync();
  const f1 = stage.join(follower1, 6, "c");
  assertEquals(f1.heard(), ["JOIN_OK", "SNAPSHOT c=3@7 last"]);
  f1.sayLine(`{"type":"SNAPSHOT_OK"}`);
  assertEquals(f1.heard(), [`SYNC "c" @${skip + 7}`]);
});

Deno.test(
  "a follower joins with the table on its disk, and answers GETs once a leader says it is complete",
  pure,
  () => {
    const [stage] = withDisk(
      follower1,
      new Join(follower1, "", 0),
      new Sync("c", 0, 0),
      new Snapshot([["a", "1", 3], ["b", "2", 9]], false),
      new Sync("c", 7, 7),
    );
    stage.jump(50);
    const up = stage.dialled();
    const [join] = up.heardFrames();
    assertEquals(join, new Join(follower1, "c", 7, 9, 2 ** 51, 1, protocolVersion).encode());
    const link = stage.connect(client);
    link.say(new Get(1, "a", 0));
    assertEquals(link.heard(), ["TRY_OTHER_SERVER_OR_LATER #1 a @3"]);
    up.sayLine(`{"type":"JOIN_OK"}`, new Sync("c", 9, 9).encode());
    link.say(new Get(2, "a", 0));
    assertEquals(link.heard(), ["GET_OK #2 a=1 @3"]);
  },
);

Deno.test(
  "a table that was never complete is cleared, on the disk too",
  pure,
  () => {
    const half = [new Join(follower1, "", 0), new Snapshot([["old", "1", 9]], false)];
    const [stage, disk] = withDisk(follower1, ...half);
    stage.jump(50);
    const up = stage.dialled();
    assertEquals(up.heard(), [`JOIN 10.0.0.2:10098 "" @0`]);
    up.sayLine(`{"type":"JOIN_OK"}`, new Sync("c", 0, 0).encode());
    disk.sync();
    const { recovered } = disk.reopen();
    assertEquals([[...recovered.store.entries()], recovered.highest, recovered.cluster], [
      [],
      0,
      "c",
    ]);

    const [again] = withDisk(leader, ...half);
    assertEquals([again.engine.readable, again.engine.cluster], [false, ""]);
  },
);

Deno.test("a leader refuses a follower that holds writes which the leader has lost", pure, () => {
  // Its disk has lost 8 and 9, and it was restarted twice since.
  const [first, disk] = withDisk(leader, ...leads(), new Sync("c", 7, 7));
  disk.sync();
  const { recovered, journal } = disk.reopen();
  const second = new Stage(leader, {}, { recovered, journal });
  journal.sync();
  for (const stage of [first, second]) {
    for (const [timestamp, refused] of [[7, false], [9, true]] as const) {
      const link = stage.join(follower1, timestamp, "c");
      assertEquals(link.heard().includes("ERROR FORBIDDEN"), refused, `${timestamp}`);
      link.end();
    }
    const told = stage.reports.find((line) => line.startsWith("refused"))!;
    assertStringIncludes(told, "holds timestamp 9, which this leader does not know");
    assertStringIncludes(told, "stop it and start it with an empty one");
  }
  assertEquals(second.engine.timestamp, 7 + 2 * skip);
});

Deno.test("two leaders that go on from the same disk do not give the same timestamps", pure, () => {
  const disk = new FakeJournal();
  disk.kept.push(...[...leads(), new Sync("c", 7, 7)].map((message) => message.encode()));
  const leaders = [0.5, 0.25, 0.75].map((random) => {
    const { recovered, journal } = disk.reopen();
    const stage = new Stage(leader, {}, { recovered, journal }, random);
    journal.sync();
    return stage;
  });
  const times = leaders.map(({ engine }) => engine.timestamp);
  assertEquals(times, [7 + skip, 7 + 0.75 * skip, 7 + 1.25 * skip]);
  // A follower of one of them is refused by the others, whichever of them skipped further.
  for (const other of leaders.slice(1)) {
    assertEquals(other.join(follower1, times[0]! + 3, "c").heard(), ["ERROR FORBIDDEN"]);
  }
});

Deno.test("data of another cluster is refused, and the leader keeps its own", pure, () => {
  const [stage, disk] = withDisk(
    leader,
    ...leads(),
    new Snapshot([["a", "1", 7]], true),
    ...leads(7),
  );
  disk.sync();
  const link = stage.join(follower1, 7, "other");
  assertEquals(link.heard(), ["ERROR FORBIDDEN"]);
  assertEquals(stage.table, ["a=1@7"]);
});

/** The disk of a server that followed, complete up to 7. */
const followed = [
  ...leads(),
  new Join(leader, "c", 0),
  new Snapshot([["a", "1", 7]], true),
  new Sync("c", 7, 7),
];

Deno.test(
  "a server that followed and now leads waits for the others, and takes the table furthest ahead",
  pure,
  () => {
    const [ahead, disk] = withDisk(leader, ...followed);
    const f1 = ahead.join(follower1, 6, "c");
    assertEquals(ahead.engine.readable, false);
    const f2 = ahead.join(follower2);
    disk.sync();
    for (const link of [f1, f2]) link.sayLine(`{"type":"SNAPSHOT_OK"}`, ack(skip + 7).encode());
    assertEquals([ahead.engine.readable, ahead.table], [true, ["a=1@7"]]);

    const [behind, other] = withDisk(leader, ...followed);
    const more = behind.join(follower1, 8, "c");
    const none = behind.join(follower2);
    assertEquals(more.heard(), ["JOIN_OK", "SNAPSHOT_REQUEST"]);
    more.say(new Snapshot([["a", "1", 7], ["b", "2", 8]], true));
    assertEquals(more.heard(), []);
    other.sync();
    assertEquals(more.heard(), ["SNAPSHOT_OK", "SNAPSHOT last"]);
    for (const link of [more, none]) link.sayLine(`{"type":"SNAPSHOT_OK"}`, ack(skip + 8).encode());
    assertEquals([behind.engine.readable, behind.table], [true, ["a=1@7", "b=2@8"]]);
    // The next time it leads without waiting for followers.
    const { recovered, journal } = other.reopen();
    const again = new Stage(leader, {}, { recovered, journal });
    journal.sync();
    assertEquals([again.engine.readable, again.table], [true, ["a=1@7", "b=2@8"]]);
  },
);

Deno.test("a leader that has followed since does not open alone", pure, () => {
  const disk = new FakeJournal();
  disk.kept.push(...[...leads(), new Sync("c", 7, 7)].map((message) => message.encode()));
  const { recovered, journal } = disk.reopen();
  assert(recovered.led);
  const stage = new Stage(follower1, {}, { recovered, journal });
  stage.jump(50);
  stage.dialled().sayLine(`{"type":"JOIN_OK"}`);
  journal.sync();
  assertEquals(journal.reopen().recovered.led, false);
});
