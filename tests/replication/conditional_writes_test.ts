/** WRITE, CONFLICT and GET_LATEST at a leader and at a follower that forwards them. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  Get,
  GetLatest,
  Join,
  JoinOk,
  Put,
  SnapshotRequest,
  Sync,
  WriteRequest,
} from "../../lib/mensagem.ts";
import {
  ack,
  client,
  FakeJournal,
  type FakeLink,
  follower1,
  follower2,
  leader,
  openLeader,
  openLeaderWith,
  pure,
  Stage,
} from "../support/core_fixture.ts";

const write = (id: number, key: string, value: string | null, expected?: number, ttlMs?: number) =>
  new WriteRequest(id, key, value, expected, ttlMs);

function acknowledge(timestamp: number, ...links: FakeLink[]): void {
  for (const link of links) link.say(ack(timestamp));
}

/** What a link was sent, without the codes: the first message of an ERROR as it is. */
function messageOf(frame: string): string {
  return JSON.parse(frame).message;
}

Deno.test("a WRITE is made exactly if the key stands at the expected timestamp", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(2);
  const cases: [WriteRequest, answer: string][] = [
    [write(1, "new", "1", 0), "WRITE_OK #1 new @3"],
    [write(2, "new", "2", 0), "CONFLICT #2 new=1 @3"],
    [write(3, "new", "2", 2), "CONFLICT #3 new=1 @3"],
    [write(4, "new", "2", 4), "CONFLICT #4 new=1 @3"],
    [write(5, "new", "2", 3), "WRITE_OK #5 new @4"],
    [write(6, "k1", null, 2), "CONFLICT #6 k1=1 @1"],
    [write(7, "k1", null, 1), "WRITE_OK #7 k1 @5"],
    [write(8, "k1", "again", 5), "CONFLICT #8 k1=NULL @5"],
    [write(9, "k1", "again", 0), "WRITE_OK #9 k1 @6"],
    [write(10, "k2", "any"), "WRITE_OK #10 k2 @7"],
    [write(11, "k2", null), "WRITE_OK #11 k2 @8"],
  ];
  for (const [request, answer] of cases) {
    someone.say(request);
    acknowledge(stage.engine.timestamp, f1, f2);
    assertEquals(someone.heard(), [answer]);
  }
  assertEquals(stage.table, ["k1=again@6", "new=2@4"]);
  assertEquals(stage.printed(), []);
});

Deno.test("what makes no write has no timestamp and is not replicated", pure, () => {
  const { stage, f1, client: someone } = openLeaderWith(1);
  someone.say(write(1, "k1", "x", 0), write(2, "no", null), write(3, "no", null, 0));
  someone.say(write(4, "no", null, 7), write(5, "no", "x", 7), new GetLatest(6, "no"));
  assertEquals(someone.heard(), [
    "CONFLICT #1 k1=1 @1",
    "WRITE_OK #2 no @0",
    "WRITE_OK #3 no @0",
    "CONFLICT #4 no=NULL @0",
    "CONFLICT #5 no=NULL @0",
    "GET_OK #6 no=NULL @0",
  ]);
  assertEquals([f1.heard(), stage.engine.timestamp], [[], 1]);
  assertEquals(stage.engine.counts, { conflicts: 3, latest: 1, expired: 0 });
});

Deno.test("the deletion of a key that is gone has the timestamp of its tombstone", pure, () => {
  const { f1, f2, client: someone } = openLeaderWith(1);
  someone.say(write(1, "k1", null));
  acknowledge(2, f1, f2);
  someone.say(write(2, "k1", null), new Get(3, "k1", 2), new Get(4, "k1", 3));
  assertEquals(someone.heard(), [
    "WRITE_OK #1 k1 @2",
    "WRITE_OK #2 k1 @2",
    "GET_OK #3 k1=NULL @2",
    "TRY_OTHER_SERVER_OR_LATER #4 k1 @2",
  ]);
});

Deno.test(
  "an answer without a write waits for the commit of all that was stamped before",
  pure,
  () => {
    const { f1, f2, client: someone } = openLeaderWith(1);
    someone.say(new Put(1, "k1", "w"), write(2, "k1", "x", 1), new GetLatest(3, "k1"));
    someone.say(new Put(4, "k1", "y"), write(5, "gone", null), new GetLatest(6, "k1"));
    acknowledge(2, f1);
    assertEquals(someone.heard(), []);
    acknowledge(2, f2);
    assertEquals(someone.heard(), ["PUT_OK #1 k1 @2", "CONFLICT #2 k1=w @2", "GET_OK #3 k1=w @2"]);
    acknowledge(3, f1, f2);
    assertEquals(someone.heard(), ["PUT_OK #4 k1 @3", "WRITE_OK #5 gone @0", "GET_OK #6 k1=y @3"]);
  },
);

Deno.test(
  "a listener is told of each WRITE when it comes, and of its answer when that is sent",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeaderWith(1);
    const told = () =>
      stage.events.splice(0).filter((event) => /WRITE|CONFLICT|expired/.test(event));
    told();
    const long = "key".repeat(9);
    someone.say(write(1, "k1", "w", 1), write(2, "k1", "x", 1), write(3, long, null));
    const came = [[`k1=w if @1`], [`k1=x if @1`], [`${long}=NULL`]];
    assertEquals(told(), came.map(([write]) => `${client} WRITE ${write}`));
    acknowledge(2, f1, f2);
    assertEquals(told(), [
      `WRITE_OK to ${client} k1 @2`,
      `CONFLICT to ${client} k1=w @2, not @1`,
      `WRITE_OK to ${client} ${long} @0, nothing written`,
    ]);
    someone.say(write(4, "k1", null, 7), new GetLatest(5, "k1"));
    assertEquals(told(), [
      `${client} WRITE k1=NULL if @7`,
      `CONFLICT to ${client} k1=w @2, not @7`,
    ]);
    f1.say(new WriteRequest(6, "k2", "v", 0, undefined, "10.0.9.9:1"));
    assertEquals(told(), ["10.0.9.9:1 WRITE k2=v if @0"]);
  },
);

Deno.test("at its deadline only a request that made a write has an unknown outcome", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(1, { silenceMs: 60_000 });
  someone.say(write(1, "k1", "w", 1), write(2, "k1", "x", 1), new GetLatest(3, "k1"));
  stage.pass(5_000, f1, f2);
  const frames = someone.heardFrames();
  assertEquals(frames.map((frame) => JSON.parse(frame).code), [
    "UNKNOWN_OUTCOME",
    "UNAVAILABLE",
    "UNAVAILABLE",
  ]);
  assertStringIncludes(messageOf(frames[1]!), "not applied: ");
  acknowledge(2, f1, f2);
  assertEquals(someone.heard(), []);
});

Deno.test("a leader that takes no PUTs takes no GET_LATEST: both wait, then fail", pure, () => {
  const stage = new Stage(leader);
  const someone = stage.connect(client);
  someone.say(new GetLatest(1, "k"), write(2, "k", "v", 0));
  const links = [stage.join(follower1), stage.join(follower2)];
  acknowledge(0, ...links);
  assertEquals(someone.heard(), ["GET_OK #1 k=NULL @0"]);
  acknowledge(1, ...links);
  assertEquals(someone.heard(), ["WRITE_OK #2 k @1"]);
  for (const link of links) link.end();
  someone.say(new GetLatest(3, "k"));
  stage.pass(5_000);
  assertEquals(someone.heard(), ["ERROR #3 UNAVAILABLE"]);
});

Deno.test("a WRITE is refused while a follower knows only PUT and GET, and names it", pure, () => {
  const stage = new Stage(leader);
  const old = stage.connect("10.0.0.2:40001");
  old.say(new Join(follower1, "", 0));
  const f2 = stage.join(follower2);
  acknowledge(0, old, f2);
  const someone = stage.connect(client);
  someone.say(write(1, "k", "v"), new Put(2, "k", "v"));
  acknowledge(1, old, f2);
  const [refusal, put] = someone.heardFrames();
  assertStringIncludes(messageOf(refusal!), `not applied: ${follower1} runs a version without`);
  assertEquals(JSON.parse(put!).type, "PUT_OK");
  old.end();
  someone.say(write(3, "k", null));
  acknowledge(2, f2);
  assertEquals(someone.heard(), ["WRITE_OK #3 k @2"]);
  const again = stage.connect("10.0.0.2:40002");
  again.say(new Join(follower1, "new1", 1, undefined, 7, 1));
  assertStringIncludes(messageOf(again.heardFrames()[0]!), "upgrade it");
  assertEquals(again.open, false);
});

Deno.test("a limit bounds the keys with a time to live, and says so", pure, () => {
  const { f1, f2, client: someone } = openLeader({ expiringKeysMax: 1 });
  someone.say(write(1, "a", "1", undefined, 5_000), write(2, "b", "1", undefined, 5_000));
  someone.say(write(3, "a", "2", undefined, 5_000), write(4, "b", "1"));
  acknowledge(3, f1, f2);
  const frames = someone.heardFrames();
  assertEquals(frames.map((frame) => JSON.parse(frame).id), [2, 1, 3, 4]);
  assertStringIncludes(messageOf(frames[0]!), "1 keys have a time to live already");
});

// With a journal

/** An open leader with an empty disk. */
function durableLeader(): {
  stage: Stage;
  disk: FakeJournal;
  links: FakeLink[];
  someone: FakeLink;
} {
  const disk = new FakeJournal().reopen();
  const stage = new Stage(leader, {}, disk);
  const links = [stage.join(follower1), stage.join(follower2)];
  disk.journal.sync();
  acknowledge(0, ...links);
  return { stage, disk: disk.journal, links, someone: stage.connect(client) };
}

Deno.test("a WRITE is decided against what is stamped and waits for the disk", pure, () => {
  const { stage, disk, links, someone } = durableLeader();
  someone.say(write(1, "k", "one", 0), write(2, "k", "two", 0), write(3, "k", null, 1));
  someone.say(write(4, "k", "three", 0));
  if (stage.waitsForPuts) stage.endWait();
  for (let n = 0; n < 4; n++) {
    disk.sync();
    acknowledge(stage.engine.timestamp, ...links);
    if (stage.waitsForPuts) stage.endWait();
  }
  assertEquals(someone.heard(), [
    "WRITE_OK #1 k @1",
    "CONFLICT #2 k=one @1",
    "WRITE_OK #3 k @2",
    "WRITE_OK #4 k @3",
  ]);
  assertEquals(stage.table, ["k=three@3"]);
});

Deno.test("a CONFLICT with a write that is not on the disk waits for its commit", pure, () => {
  const { disk, links, someone } = durableLeader();
  someone.say(write(1, "k", "one", 0), write(2, "k", "two", 0), new GetLatest(3, "k"));
  assertEquals(disk.waiting, ["REPLICATION k=one @1"]);
  assertEquals(someone.heard(), []);
  disk.sync();
  assertEquals(someone.heard(), []);
  acknowledge(1, ...links);
  assertEquals(someone.heard(), ["WRITE_OK #1 k @1", "CONFLICT #2 k=one @1", "GET_OK #3 k=one @1"]);
});

// At a follower

/** A follower that has joined a leader of this protocol, with a client. */
function joined(protocol?: number): { stage: Stage; up: FakeLink; someone: FakeLink } {
  const stage = new Stage(follower1);
  stage.jump(50);
  const up = stage.dialled();
  up.say(new JoinOk(protocol), new Sync("c", 0, 0));
  up.heard();
  return { stage, up, someone: stage.connect(client) };
}

Deno.test(
  "a follower forwards WRITE with the client's address, and GET_LATEST, and passes answers on",
  pure,
  () => {
    const { stage, up, someone } = joined(2);
    someone.say(write(7, "k", "v", 0, 5_000), new GetLatest(8, "k"), write(9, "k", null));
    assertEquals(up.heard(), [
      `WRITE #1 k=v if @0 for 5000 ms of ${client}`,
      "GET_LATEST #2 k",
      `WRITE #3 k=NULL of ${client}`,
    ]);
    up.sayLine(
      `{"type":"CONFLICT","id":1,"key":"k","value":"é","timestamp":5}`,
      `{"type":"GET_OK","id":2,"key":"k","value":null,"timestamp":6}`,
      `{"type":"WRITE_OK","id":3,"key":"k","timestamp":7}`,
      `{"type":"WRITE_OK","id":3,"key":"k","timestamp":7}`,
    );
    assertEquals(someone.heard(), [
      "CONFLICT #7 k=é @5",
      "GET_OK #8 k=NULL @6",
      "WRITE_OK #9 k @7",
    ]);
    assertEquals(stage.printed(), []);
  },
);

Deno.test(
  "if the leader is lost, a WRITE has an unknown outcome and a GET_LATEST was not answered",
  pure,
  () => {
    const { up, someone } = joined(2);
    someone.say(write(7, "k", "v"), new GetLatest(8, "k"));
    up.end();
    someone.say(write(9, "k", "v"), new GetLatest(10, "k"));
    assertEquals(someone.heard(), [
      "ERROR #7 UNKNOWN_OUTCOME",
      "ERROR #8 UNAVAILABLE",
      "ERROR #9 UNAVAILABLE",
      "ERROR #10 UNAVAILABLE",
    ]);
  },
);

Deno.test(
  "a follower sends no WRITE to a leader that does not know it, and goes on with PUTs",
  pure,
  () => {
    const { up, someone } = joined();
    someone.say(write(7, "k", "v"), new GetLatest(8, "k"), new Put(9, "k", "v"));
    const frames = someone.heardFrames();
    assertStringIncludes(
      messageOf(frames[0]!),
      `the leader ${leader} runs a version that knows only`,
    );
    assertStringIncludes(messageOf(frames[1]!), "upgrade it");
    assertEquals(up.heard(), [`PUT #1 k=v of ${client}`]);
  },
);

Deno.test(
  "a follower with deletions leaves a leader that could not hold them, and says so",
  pure,
  () => {
    const { stage, up, someone } = joined(2);
    up.sayLine(`{"type":"REPLICATION","key":"k","value":null,"timestamp":1}`);
    up.end();
    stage.jump(1_000);
    const old = stage.dialled();
    old.say(new JoinOk(), new SnapshotRequest());
    assertEquals(old.open, false);
    assertEquals(old.heard().filter((line) => line.startsWith("SNAPSHOT")), []);
    assertStringIncludes(
      stage.reports.at(-1)!,
      `lost the leader ${leader}: ${leader} runs a version without deletions and times to live: upgrade it`,
    );
    someone.say(new Get(1, "k", 0), new GetLatest(2, "k"));
    assertEquals(someone.heard(), ["GET_OK #1 k=NULL @1", "ERROR #2 UNAVAILABLE"]);
    stage.jump(1_000);
    stage.dialled().say(new JoinOk(2));
    assertStringIncludes(stage.reports.at(-1)!, `joined the leader ${leader}`);
  },
);
