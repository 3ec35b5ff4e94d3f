import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { timestampMax } from "../../lib/limits.ts";
import {
  Get,
  Join,
  JoinOk,
  Put,
  Replication,
  Snapshot,
  SnapshotOk,
  Sync,
} from "../../lib/mensagem.ts";
import { RecoveredState } from "../../lib/replication/recovered_state.ts";
import {
  farAhead,
  recoverySkip,
  skipFrom,
  takeOverMax,
  timestampLeadMax,
  timestampsLow,
  warningOfEnd,
} from "../../lib/replication/timestamps.ts";
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

const third = "10.0.0.4:10100";

Deno.test("a skip never leaves the range, and stops at its end", pure, () => {
  assertEquals(skipFrom(7, 0.5), 7 + recoverySkip);
  assertGreater(skipFrom(takeOverMax, 0.999), takeOverMax);
  for (const from of [takeOverMax, timestampMax - 5, timestampMax]) {
    assert(Number.isSafeInteger(skipFrom(from, 0.999)), `from ${from}`);
  }
  assertEquals(skipFrom(timestampMax - 5, 0), timestampMax);
});

Deno.test("a server is far ahead if no other server confirms what it claims", pure, () => {
  const join = (timestamp: number, highest?: number) => new Join(third, "c", timestamp, highest);
  const far = (claims: Join[], own = 0) => farAhead(claims, own)?.join;
  const lead = timestampLeadMax;
  assertEquals(far([]), undefined);
  assertEquals(far([join(lead)]), undefined);
  for (const claim of [join(lead + 8), join(2 ** 52), join(takeOverMax), join(5, 2 ** 51)]) {
    assertEquals(far([claim]), claim, "alone");
    assertEquals(far([join(7), claim]), claim, "after an honest one");
    assertEquals(far([claim, join(7)]), claim, "before an honest one");
    assertEquals(far([claim], 7), claim, "against the leader's disk");
    assertEquals(far([claim, join(0)]), claim, "a server without data confirms nothing");
  }
  // What two servers hold is believed, however high it is: such a cluster must go on.
  const high = 2 ** 52 + recoverySkip;
  assertEquals(far([join(high), join(high - lead)]), undefined);
  assertEquals(far([join(high), join(high), join(3)]), undefined, "the third is only late");
  assertEquals(far([join(high)], high - 5), undefined);
  assertEquals(far([join(3)], high), undefined, "the leader's own disk is not doubted");
});

/** Confirms the snapshots that a follower is sent, and acknowledges everything. */
function catchUp(stage: Stage, link: FakeLink): void {
  for (let round = 0; round < 4; round++) {
    const chunks = link.heard().filter((line) => line.startsWith("SNAPSHOT "));
    for (const _ of chunks) link.say(new SnapshotOk());
  }
  link.say(ack(stage.engine.timestamp));
}

/** Brings a waiting leader to its opening, from followers with this data. Returns its timestamp. */
function recover(stage: Stage, first: number, second: number): number {
  const [source, other] = [stage.join(follower1, first), stage.join(follower2, second)];
  assert(source.heard().includes("SNAPSHOT_REQUEST"), "the furthest is asked for its table");
  source.say(new Snapshot([["a", "1", 5]], true));
  for (const link of [source, other]) catchUp(stage, link);
  assert(stage.engine.readable, "open");
  return stage.engine.timestamp;
}

Deno.test("a false JOIN far ahead is refused, and honest followers join after it", pure, () => {
  for (const claim of [2 ** 48 + 6, 2 ** 52, 2 ** 52 - 1, takeOverMax]) {
    const stage = new Stage(leader);
    assertEquals(stage.join(follower1, 5).heard(), ["JOIN_OK"]);
    const liar = stage.join(follower2, claim);
    assertEquals(liar.heard(), ["ERROR FORBIDDEN"]);
    assertEquals(stage.join(follower2, 4).heard().at(0), "JOIN_OK");
  }
});

Deno.test("a false JOIN that came first has to leave when an honest follower joins", pure, () => {
  const stage = new Stage(leader);
  const liar = stage.join(follower1, 2 ** 52);
  assertEquals(liar.heard(), ["JOIN_OK"], "nothing contradicts it yet");
  assertEquals(stage.join(follower2, 5).heard(), ["JOIN_OK"]);
  assertEquals(liar.heard(), ["ERROR FORBIDDEN"]);
  assert(!liar.open, "its connection ends");
  assertEquals(stage.join(follower1, 2 ** 52).heard(), ["ERROR FORBIDDEN"]);
  assertEquals(stage.join(follower1, 4).heard(), ["JOIN_OK"]);
  assertStringIncludes(stage.reports.join("\n"), `holds timestamp ${2 ** 52}`);
});

Deno.test("a false JOIN alone among new servers is refused", pure, () => {
  const stage = new Stage(leader);
  const liar = stage.join(follower1, 2 ** 51);
  stage.join(follower2);
  assertEquals(liar.heard(), ["JOIN_OK", "ERROR FORBIDDEN"]);
});

Deno.test("a cluster that is far up goes on over many recoveries, and takes PUTs", pure, () => {
  let timestamp = 2 ** 52;
  for (let recovery = 0; recovery < 50; recovery++) {
    const stage = new Stage(leader);
    const next = recover(stage, timestamp, timestamp - 3);
    assertGreater(next, timestamp);
    const writer = stage.connect(client);
    writer.say(new Put(1, "b", "2"));
    assertEquals(stage.engine.timestamp, next + 1);
    timestamp = next + 1;
  }
  assert(Number.isSafeInteger(timestamp));
});

Deno.test("a follower that is copied may send no entry above what it joined with", pure, () => {
  const stage = new Stage(leader);
  const liar = stage.join(follower1, 8);
  stage.join(follower2, 5);
  liar.say(new Snapshot([["a", "1", 9]], true));
  assert(!liar.open);
  assert(!stage.engine.readable);
  assertStringIncludes(stage.reports.join("\n"), "an entry with timestamp 9, and joined with 8");
  stage.join(follower1, 5);
  assertEquals(stage.table, []);
});

Deno.test(
  "entries of an unfinished catch-up are below the timestamps of the next leader",
  pure,
  () => {
    const stage = new Stage(leader);
    const unfinished = 3 * recoverySkip;
    const f1 = stage.connect(follower1);
    f1.say(new Join(follower1, "old", 8, unfinished));
    stage.join(follower2, 5);
    f1.say(new Snapshot([["a", "1", unfinished]], true));
    assertGreater(stage.engine.timestamp, unfinished);
  },
);

/** A leader that led last, is alone, and is at `timestamp` by its disk. */
function aloneAt(timestamp: number): { stage: Stage; journal: FakeJournal } {
  const recovered = new RecoveredState();
  for (const message of [new JoinOk(), new Sync("c", timestamp, timestamp)]) recovered.add(message);
  const journal = new FakeJournal();
  const stage = new Stage(leader, { clusterSize: 1, minInSync: 1 }, { journal, recovered });
  journal.sync();
  return { stage, journal };
}

Deno.test("a leader near the end says so, and one at the end takes no PUT", pure, () => {
  const { stage: near } = aloneAt(timestampMax - timestampsLow);
  assertStringIncludes(
    near.reports.join("\n"),
    "timestamps are left, enough for about 1023 starts",
  );
  assertEquals(warningOfEnd(timestampMax - timestampsLow), undefined);

  for (const timestamp of [timestampMax - recoverySkip / 2, timestampMax - 1, timestampMax]) {
    const { stage, journal } = aloneAt(timestamp);
    const writer = stage.connect(client);
    writer.say(new Put(1, "b", "2"), new Get(2, "b", timestampMax), new Get(3, "b", 0));
    journal.sync();
    assertEquals(writer.heard(), [
      "ERROR #1 UNAVAILABLE",
      "GET_OK #2 b=NULL @0",
      "GET_OK #3 b=NULL @0",
    ]);
    assertEquals(stage.engine.timestamp, timestampMax);
    assertStringIncludes(stage.reports.join("\n"), "no timestamp is left");
  }
});

Deno.test("the last timestamps are given, each once", pure, () => {
  // The skip ends three before the highest timestamp: `random` is 0.5 here.
  const { stage, journal } = aloneAt(timestampMax - 3 - recoverySkip);
  const writer = stage.connect(client);
  for (let id = 1; id <= 5; id++) {
    writer.say(new Put(id, "a", `${id}`));
    journal.sync();
  }
  assertEquals(writer.heard(), [
    `PUT_OK #1 a @${timestampMax - 2}`,
    `PUT_OK #2 a @${timestampMax - 1}`,
    `PUT_OK #3 a @${timestampMax}`,
    "ERROR #4 UNAVAILABLE",
    "ERROR #5 UNAVAILABLE",
  ]);
});

Deno.test("a follower gives up a leader that sends a timestamp far ahead", pure, () => {
  for (const timestamp of [6 + timestampLeadMax, timestampMax]) {
    const stage = new Stage(follower1);
    stage.jump(0);
    const lead = stage.dialled();
    lead.say(new JoinOk(), new Sync("c", 5, 5));
    lead.say(Replication.of("a", "1", timestamp));
    assert(!lead.open);
    assertEquals(stage.engine.timestamp, 5);
    assertEquals(stage.table, []);
  }
});

Deno.test("a follower drops a table with an entry far above its leader's newest", pure, () => {
  const stage = new Stage(follower1);
  stage.jump(0);
  const lead = stage.dialled();
  lead.say(new JoinOk(), new Snapshot([["a", "1", timestampMax]], true), new Sync("c", 5, 5));
  assert(!lead.open);
  assertEquals(stage.table, []);
  stage.pass(1_000);
  assertEquals(stage.dialled().heard(), [`JOIN ${follower1} "" @0`]);
});
