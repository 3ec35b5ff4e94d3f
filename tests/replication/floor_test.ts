/** Deletions in catch-ups and recoveries: tombstones, the floor and the gaps travel with the table. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  Get,
  Join,
  JoinOk,
  Mensagem,
  protocolVersion,
  Put,
  Replication,
  Snapshot,
  SnapshotRequest,
  Sync,
  WriteRequest,
} from "../../lib/mensagem.ts";
import { recoverySkip } from "../../lib/replication/recovery.ts";
import { SnapshotSender } from "../../lib/replication/snapshot.ts";
import { Store } from "../../lib/replication/store.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import { type Frames, textOf } from "../../lib/wire/frames.ts";
import {
  ack,
  brief,
  client,
  FakeJournal,
  type FakeLink,
  follower1,
  follower2,
  leader,
  type OpenLeader,
  openLeader,
  pure,
  Stage,
} from "../support/core_fixture.ts";

/** So small that each write drops the one before: a follower that missed one needs a snapshot. */
const tinyLog = { logBytesMax: 60 };

/** A leader that remembers one deletion, with `put` and `delete` of a client that are committed. */
function forgetful(): OpenLeader & { write(key: string, value: string | null): void } {
  const open = openLeader({ ...tinyLog, tombstonesMax: 1 });
  let id = 0;
  const write = (key: string, value: string | null) => {
    open.client.say(new WriteRequest(++id, key, value));
    for (const link of [open.f1, open.f2]) {
      if (link.open) link.say(ack(open.stage.engine.timestamp));
    }
  };
  return { ...open, write };
}

/** The same server joins again with what it had. */
function back(stage: Stage, timestamp: number): FakeLink {
  const link = stage.connect("10.0.0.2:40009");
  const none = undefined;
  link.say(new Join(follower1, "new1", timestamp, none, none, none, protocolVersion));
  return link;
}

Deno.test(
  "a follower that lacks only remembered deletions gets them with the newer entries",
  pure,
  () => {
    const { stage, f1, write } = forgetful();
    write("a", "1");
    write("b", "2");
    f1.end();
    write("a", null);
    write("c", "4");
    const again = back(stage, 2);
    assertEquals(again.heard(), ["JOIN_OK", "SNAPSHOT c=4@4 a=NULL@3 last"]);
  },
);

Deno.test(
  "a follower whose table is older than the floor gets a whole snapshot, and the floor",
  pure,
  () => {
    const { stage, f1, write } = forgetful();
    write("a", "1");
    write("b", "2");
    f1.end();
    write("a", null);
    write("b", null);
    write("c", "5");
    const again = back(stage, 2);
    const frames = again.heardFrames();
    assertEquals(frames.map(brief), ["JOIN_OK", "SNAPSHOT c=5@5 b=NULL@4 last"]);
    assertEquals((Mensagem.decode(frames[1]!) as Snapshot).replace, true);
    again.sayLine(`{"type":"SNAPSHOT_OK"}`);
    const [sync] = again.heardFrames();
    assertEquals(Mensagem.decode(sync!), new Sync("new1", 5, 5, 3));
  },
);

Deno.test("an empty follower gets the table as it is, without a replacement", pure, () => {
  const { stage, f1, write } = forgetful();
  for (const key of ["a", "b", "c"]) write(key, null);
  for (const key of ["a", "b"]) write(key, "1");
  for (const key of ["a", "b"]) write(key, null);
  f1.end();
  const frames = stage.join(follower1).heardFrames();
  assertEquals(frames.map(brief), ["JOIN_OK", "SNAPSHOT b=NULL@4 last"]);
  assertEquals((Mensagem.decode(frames[1]!) as Snapshot).replace, undefined);
});

Deno.test("a deletion that is forgotten during a snapshot makes the snapshot whole", pure, () => {
  const store = new Store(1);
  for (let n = 1; n <= 4; n++) store.put(`k${n}`, "v", n);
  store.put("k1", null, 5);
  store.advance(5);
  const sent: string[] = [];
  const link = {
    peer: "",
    betweenServers: true,
    send: (frames: Frames) => void sent.push(textOf(frames)),
    close: () => {},
  };
  const tuning = { ...tuningDefault, snapshotChunkVisits: 1 };
  const sender = new SnapshotSender(link, store, 4, tuning);
  store.put("k2", null, 6); // forgets the deletion of k1 before its turn
  store.advance(6);
  assertEquals(store.floor, 5);
  for (let n = 0; n < 20 && !sender.confirmed(); n++);
  const snapshots = sent.map((frame) => Mensagem.decode(frame) as Snapshot);
  const begun = snapshots.findIndex(({ replace }) => replace === true);
  assertEquals(begun, 2);
  assertEquals(snapshots.slice(begun).flatMap(({ entries }) => entries), [
    ["k3", "v", 3],
    ["k4", "v", 4],
    ["k2", null, 6],
  ]);
  assert(snapshots.at(-1)!.last);
});

Deno.test("a time to live travels with the entry of a snapshot", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader(tinyLog);
  f1.end();
  someone.say(new WriteRequest(1, "a", "1", 0, 5_000), new Put(2, "b", "2"));
  f2.say(ack(2));
  const again = back(stage, 0);
  const snapshots = again.heardFrames().slice(1).map((frame) => Mensagem.decode(frame) as Snapshot);
  assertEquals(snapshots[0]!.entries, [["a", "1", 1, 5_000], ["b", "2", 2]]);
});

/** A leader without memory that copies the table of a follower. */
function recovering(stage: Stage): { source: FakeLink; other: FakeLink } {
  const source = stage.join(follower1, 9);
  const other = stage.join(follower2, 7);
  source.heard();
  other.heard();
  return { source, other };
}

Deno.test("a leader that recovers takes over floor and gaps, and tells its followers", pure, () => {
  const stage = new Stage(leader);
  const { source, other } = recovering(stage);
  source.say(new Snapshot([["a", "1", 9], ["b", null, 8]], true, undefined, 6, [[3, 4]]));
  const frames = () =>
    other.heardFrames().map((frame) => Mensagem.decode(frame)).filter(({ type }) =>
      type === "SYNC"
    );
  let syncs = frames();
  for (let n = 0; n < 5 && syncs.length === 0; n++) {
    other.sayLine(`{"type":"SNAPSHOT_OK"}`);
    syncs = frames();
  }
  const at = 9 + recoverySkip;
  assertEquals(syncs, [new Sync("old", at, at, 6, [[3, 4], [10, at - 1]])]);
});

Deno.test(
  "a GET of what was lost with a leader says so, and one of what is there does not",
  pure,
  () => {
    const stage = new Stage(leader);
    const { source, other } = recovering(stage);
    source.say(new Snapshot([["a", "1", 9]], true));
    for (const link of [source, other]) {
      for (let n = 0; n < 3; n++) {
        if (link.heard().some((line) => line.startsWith("SNAPSHOT "))) {
          link.sayLine(`{"type":"SNAPSHOT_OK"}`);
        }
      }
      link.say(ack(stage.engine.timestamp));
    }
    const someone = stage.connect(client);
    const lost = 9 + 5;
    someone.say(new Get(1, "a", lost), new Get(2, "no", lost), new Get(3, "a", 9, lost));
    someone.say(new Get(4, "a", 9), new Get(5, "no", 9), new Get(6, "a", 2 ** 40));
    const answers = someone.heardFrames().map((frame) => JSON.parse(frame));
    assertEquals(answers.map(({ type, lost }) => [type.slice(0, 6), lost]), [
      ["TRY_OT", true],
      ["TRY_OT", true],
      ["TRY_OT", true],
      ["GET_OK", undefined],
      ["GET_OK", undefined],
      ["TRY_OT", true], // no leader of this cluster has given that timestamp, or it is lost
    ]);
  },
);

Deno.test(
  "a leader's own table gives way where the source has forgotten deletions of its keys",
  pure,
  () => {
    const before = new FakeJournal();
    const own = [
      new Join(leader, "", 0),
      new Sync("old", 5, 5),
      new Snapshot([["dead", "1", 5]], true),
    ];
    before.kept.push(...own.map((message) => message.encode()));
    const disk = before.reopen();
    const stage = new Stage(leader, {}, disk);
    const { source } = recovering(stage);
    source.say(new Snapshot([["a", "1", 9]], false, undefined, 6), new Snapshot([], true));
    assertEquals(stage.table, ["a=1@9"]);
    const { recovered } = disk.journal.reopen();
    assertEquals(recovered.store.get("dead")?.timestamp, 5); // nothing is on the disk yet
    disk.journal.sync();
    assertEquals(disk.journal.reopen().recovered.store.get("dead"), undefined);
  },
);

Deno.test(
  "an old follower cannot join, or stay at, a leader whose table has deletions",
  pure,
  () => {
    const stage = new Stage(leader);
    const old = stage.connect("10.0.0.3:40001");
    old.say(new Join(follower2, "old", 7));
    const source = stage.join(follower1, 9);
    source.say(new Snapshot([["a", null, 9]], true));
    assertEquals(old.open, false);
    const again = stage.connect("10.0.0.3:40002");
    again.say(new Join(follower2, "old", 7));
    assertEquals([again.open, again.heard()], [false, ["ERROR FORBIDDEN"]]);
  },
);

Deno.test("a follower gives no table with deletions to an old leader", pure, () => {
  const stage = new Stage(follower1, { tombstonesMax: 1 });
  stage.jump(0);
  const lead = stage.dialled();
  lead.say(new JoinOk(protocolVersion), new Sync("c", 0, 0), Replication.of("a", null, 1));
  lead.end();
  stage.pass(1_000);
  const old = stage.dialled();
  old.say(new JoinOk(), new SnapshotRequest());
  assertEquals(old.open, false);
  assertStringIncludes(stage.reports.at(-1)!, "runs a version without deletions and times to live");
  stage.pass(2_000);
  const upgraded = stage.dialled();
  upgraded.heard();
  upgraded.say(new JoinOk(protocolVersion), new SnapshotRequest());
  assertEquals(upgraded.heard(), ["SNAPSHOT a=NULL@1 last"]);
});

Deno.test("floors and gaps above all that their sender can know end the connection", pure, () => {
  for (
    const chunk of [
      new Snapshot([["a", "1", 9]], true, undefined, 10),
      new Snapshot([["a", "1", 9]], true, undefined, undefined, [[3, 10]]),
    ]
  ) {
    const stage = new Stage(leader);
    const { source } = recovering(stage);
    source.say(chunk);
    assertEquals(source.open, false);
  }
  const stage = new Stage(follower1);
  stage.jump(50);
  const up = stage.dialled();
  up.sayLine(
    `{"type":"JOIN_OK"}`,
    `{"type":"SYNC","cluster":"c","timestamp":5,"latest":5,"floor":6}`,
  );
  assertEquals([up.open, stage.engine.timestamp], [false, 0]);
});

Deno.test(
  "PUT and GET alone need no new fields: an old follower sees the frames that it knows",
  pure,
  () => {
    const stage = new Stage(leader);
    const old = stage.connect("10.0.0.2:40001");
    old.say(new Join(follower1, "", 0));
    const f2 = stage.join(follower2);
    for (const link of [old, f2]) link.say(ack(0));
    stage.connect(client).say(new Put(1, "k", "v"));
    assertEquals(old.heardFrames().map((frame) => frame.trimEnd()), [
      `{"type":"JOIN_OK","protocol":2}`,
      `{"type":"SYNC","cluster":"new1","timestamp":0,"latest":0}`,
      `{"type":"REPLICATION","key":"k","value":"v","timestamp":1}`,
    ]);
  },
);
