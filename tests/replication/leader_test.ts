import { assert, assertEquals } from "@std/assert";
import { Secret } from "../../lib/auth/secret.ts";
import { recoverySkip } from "../../lib/replication/recovery.ts";
import {
  Get,
  Heartbeat,
  Join,
  Put,
  Replication,
  Snapshot,
  type SnapshotEntry,
  SnapshotOk,
  SnapshotRequest,
  Sync,
} from "../../lib/mensagem.ts";
import {
  ack,
  client,
  type FakeLink,
  follower1,
  follower2,
  leader,
  openLeader,
  openLeaderWith,
  pure,
  Stage,
} from "../support/core_fixture.ts";

/** So small that each write drops the one before: a follower that missed one needs a snapshot. */
const tinyLog = { logBytesMax: 60 };
/** Every key is a chunk of its own. */
const tinyChunks = { snapshotChunkVisits: 1 };

/** One chunk of a table, in the order given. */
function chunk(last: boolean, ...entries: SnapshotEntry[]): Snapshot {
  return new Snapshot(entries, last);
}

/** A follower that had left joins again, with the timestamp that it had reached. */
function back(stage: Stage, server: string, timestamp: number): FakeLink {
  return stage.join(server, timestamp, "new1");
}

// Opening

Deno.test(
  "a new leader opens once all followers have joined and acknowledged, not before",
  pure,
  () => {
    const stage = new Stage(leader);
    const someone = stage.connect(client);
    someone.say(new Get(1, "a", 0));
    const f1 = stage.join(follower1);
    someone.say(new Get(2, "a", 0));
    assertEquals(f1.heard(), ["JOIN_OK"]);

    const f2 = stage.join(follower2);
    assertEquals(f1.heard(), [`SYNC "new1" @0`]);
    assertEquals(f2.heard(), ["JOIN_OK", `SYNC "new1" @0`]);
    f1.say(ack(0));
    someone.say(new Get(3, "a", 0));
    f2.say(ack(0));
    someone.say(new Get(4, "a", 0));

    const tryOther = "TRY_OTHER_SERVER_OR_LATER";
    assertEquals(someone.heard(), [
      `${tryOther} #1 a @0`,
      `${tryOther} #2 a @0`,
      `${tryOther} #3 a @0`,
      "GET_OK #4 a=NULL @0",
    ]);
  },
);

Deno.test(
  "a PUT that comes before the leader is open waits, and is applied once it is",
  pure,
  () => {
    const stage = new Stage(leader);
    const someone = stage.connect(client);
    someone.say(new Put(1, "a", "1"), new Put(2, "a", "2"));
    const f1 = stage.join(follower1);
    const f2 = stage.join(follower2);
    f1.say(ack(0));
    assertEquals(stage.table, []);
    f1.heard();
    f2.say(ack(0));
    assertEquals(f1.heard(), ["REPLICATION a=1 @1", "REPLICATION a=2 @2"]);
    assertEquals(someone.heard(), []);
    f1.say(ack(2));
    f2.say(ack(2));
    assertEquals(someone.heard(), ["PUT_OK #1 a @1", "PUT_OK #2 a @2"]);
  },
);

Deno.test("a PUT that waits too long for the leader to open was never applied", pure, () => {
  const stage = new Stage(leader, { putTimeoutMs: 5_000 });
  const someone = stage.connect(client);
  someone.say(new Put(1, "a", "1"));
  stage.pass(4_000);
  assertEquals(someone.heard(), []);
  stage.pass(1_000);
  assertEquals(someone.heard(), ["ERROR #1 UNAVAILABLE"]);

  const f1 = stage.join(follower1);
  const f2 = stage.join(follower2);
  f1.say(ack(0));
  f2.say(ack(0));
  stage.pass(10_000, f1, f2);
  assertEquals(stage.table, []);
  assertEquals(someone.heard(), []);
});

Deno.test("a leader without followers to wait for is open at once", pure, () => {
  const stage = new Stage(leader, { clusterSize: 1, minInSync: 1 });
  const someone = stage.connect(client);
  someone.say(new Put(1, "a", "1"), new Get(2, "a", 0));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1", "GET_OK #2 a=1 @1"]);
});

Deno.test(
  "a cluster of two opens with its one follower and stops taking PUTs without it",
  pure,
  () => {
    const stage = new Stage(leader, { clusterSize: 2 });
    const someone = stage.connect(client);
    const f1 = stage.join(follower1);
    f1.say(ack(0));
    someone.say(new Put(1, "a", "1"));
    f1.say(ack(1));
    assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
    f1.end();
    someone.say(new Put(2, "a", "2"));
    stage.pass(5_000);
    assertEquals(someone.heard(), ["ERROR #2 UNAVAILABLE"]);
    assertEquals(stage.table, ["a=1@1"]);
  },
);

// Writing

Deno.test(
  "PUT_OK goes out when all in-sync followers have acknowledged, not after the first",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeader();
    someone.say(new Put(7, "a", "1"));
    f1.say(ack(1));
    assertEquals(someone.heard(), []);
    f2.say(ack(1));
    assertEquals(someone.heard(), ["PUT_OK #7 a @1"]);
    assertEquals(stage.printed(), [`${client} PUT a=1`, `PUT_OK to ${client} a @1`]);
  },
);

Deno.test("one acknowledgement covers all writes before it", pure, () => {
  const { f1, f2, client: someone } = openLeader();
  for (const id of [1, 2, 3, 4]) someone.say(new Put(id, "a", `${id}`));
  f1.say(ack(4));
  f2.say(ack(3));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1", "PUT_OK #2 a @2", "PUT_OK #3 a @3"]);
  f2.say(ack(4));
  assertEquals(someone.heard(), ["PUT_OK #4 a @4"]);
});

Deno.test("timestamps rise by one over all keys, and all followers get them in order", pure, () => {
  const { f1, f2, client: someone, stage } = openLeader();
  const other = stage.connect("10.0.9.2:5002");
  someone.say(new Put(1, "a", "x"));
  other.say(new Put(1, "b", "y"));
  f1.say(new Put(9, "a", "z", "10.0.9.3:5003"));
  const stream = ["REPLICATION a=x @1", "REPLICATION b=y @2", "REPLICATION a=z @3"];
  assertEquals(f1.heard(), stream);
  assertEquals(f2.heard(), stream);
  assertEquals(stage.table, ["a=z@3", "b=y@2"]);
});

Deno.test(
  "the leader prints the original client of a forwarded PUT and answers the follower",
  pure,
  () => {
    const { stage, f1, f2 } = openLeader();
    f1.say(new Put(12, "a", "1", "10.0.9.3:5003"));
    f1.say(ack(1));
    f2.say(ack(1));
    assertEquals(stage.printed(), ["10.0.9.3:5003 PUT a=1", "PUT_OK to 10.0.9.3:5003 a @1"]);
    assertEquals(f1.heard(), ["REPLICATION a=1 @1", "PUT_OK #12 a @1"]);
  },
);

Deno.test("the leader prints a client's real address, whatever its PUT says", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader();
  someone.say(new Put(1, "a", "1", "10.9.9.9:9"));
  f1.say(ack(1));
  f2.say(ack(1));
  assertEquals(stage.printed(), [`${client} PUT a=1`, `PUT_OK to ${client} a @1`]);
});

Deno.test("the same id on two connections is two requests", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader();
  const other = stage.connect("10.0.9.2:5002");
  someone.say(new Put(1, "a", "1"));
  other.say(new Put(1, "b", "2"));
  f1.say(ack(2));
  f2.say(ack(2));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
  assertEquals(other.heard(), ["PUT_OK #1 b @2"]);
});

Deno.test("a client that is gone does not stop the PUTs of others", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader();
  const other = stage.connect("10.0.9.2:5002");
  someone.say(new Put(1, "a", "1"));
  someone.end();
  other.say(new Put(1, "b", "2"));
  f1.say(ack(2));
  f2.say(ack(2));
  assertEquals(other.heard(), ["PUT_OK #1 b @2"]);
  assertEquals(stage.table, ["a=1@1", "b=2@2"]);
});

Deno.test("PUTs beyond outstandingPutsMax are refused and change nothing", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader({ outstandingPutsMax: 2 });
  someone.say(new Put(1, "a", "1"), new Put(2, "b", "2"), new Put(3, "c", "3"));
  assertEquals(someone.heard(), ["ERROR #3 OVERLOADED"]);
  assertEquals(stage.printed(), [`${client} PUT a=1`, `${client} PUT b=2`]);
  f1.say(ack(2));
  f2.say(ack(2));
  someone.say(new Put(4, "d", "4"));
  assertEquals(stage.table, ["a=1@1", "b=2@2", "d=4@3"]);
});

Deno.test(
  "PUTs are refused while those that wait have more text than waitingCharsMax",
  pure,
  () => {
    const stage = new Stage(leader, { waitingCharsMax: 10 });
    const someone = stage.connect(client);
    someone.say(new Put(1, "a", "12345678"), new Put(2, "b", "9"), new Put(3, "c", "x"));
    assertEquals(someone.heard(), ["ERROR #3 OVERLOADED"]);
    stage.pass(5_000);
    assertEquals(someone.heard(), ["ERROR #1 UNAVAILABLE", "ERROR #2 UNAVAILABLE"]);
    someone.say(new Put(4, "d", "12345678"));
    assertEquals(someone.heard(), [], "there is room again");
  },
);

// Followers that leave

Deno.test("PUTs go on without a follower whose connection has ended", pure, () => {
  const { f1, f2, client: someone } = openLeader();
  someone.say(new Put(1, "a", "1"));
  f1.say(ack(1));
  f2.end();
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"], "only f2 had not acknowledged it");
  someone.say(new Put(2, "a", "2"));
  assertEquals(someone.heard(), []);
  f1.say(ack(2));
  assertEquals(someone.heard(), ["PUT_OK #2 a @2"]);
});

Deno.test("PUTs go on without a follower that is silent past the limit", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader({ silenceMs: 2_000 });
  someone.say(new Put(1, "a", "1"));
  f1.say(ack(1));
  stage.pass(2_000, f1);
  assertEquals(someone.heard(), []);
  assert(f2.open);
  stage.pass(50, f1);
  assert(!f2.open, "its connection is closed");
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
});

Deno.test("every message of a follower counts as a sign of life", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader();
  for (let n = 1; n <= 5; n++) {
    stage.pass(1_500, f2);
    f1.say(new Put(n, "a", `${n}`, client));
    f1.say(ack(n));
    f2.say(ack(n));
  }
  f1.heard();
  someone.say(new Put(9, "b", "9"));
  assertEquals(f1.heard(), ["REPLICATION b=9 @6"]);
});

Deno.test("an acknowledgement of a follower that was given up does not count", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader({ minInSync: 3 });
  someone.say(new Put(1, "a", "1"));
  f1.say(ack(1));
  stage.pass(2_100, f1);
  f2.say(ack(1));
  assertEquals(someone.heard(), []);
  const again = back(stage, follower2, 1);
  f2.end();
  again.heard();
  again.say(ack(1));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
});

Deno.test("a leader that stood still drops no follower for the silence", pure, () => {
  const { stage, f1, f2 } = openLeader({ silenceMs: 2_000 });
  stage.pass(500);
  stage.jump(60_000);
  assert(f1.open && f2.open);
  stage.pass(2_000, f1);
  assert(f1.open && f2.open, "the limit counts from the end of the pause");
  stage.pass(100, f1);
  assert(f1.open && !f2.open);
});

Deno.test(
  "the leader sends heartbeats to the followers that have joined, and to no client",
  pure,
  () => {
    const { stage, f1, client: someone } = openLeader({ heartbeatMs: 500 });
    const before = f1.heartbeats;
    stage.pass(5_000, f1);
    assertEquals(f1.heartbeats - before, 10);
    assertEquals(someone.heartbeats, 0);
  },
);

Deno.test("a connection between servers is marked as one, a client's is not", pure, () => {
  const { f1, client: someone } = openLeader();
  assert(f1.betweenServers);
  assert(!someone.betweenServers);
});

// Too few in sync

Deno.test("with too few in sync a PUT waits, then was certainly not applied", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(1);
  f1.end();
  f2.end();
  someone.say(new Put(2, "a", "2"));
  stage.pass(4_000);
  assertEquals(someone.heard(), []);
  stage.pass(1_000);
  assertEquals(someone.heard(), ["ERROR #2 UNAVAILABLE"]);

  const again = back(stage, follower1, 1);
  again.say(ack(1));
  assertEquals(again.heard(), ["JOIN_OK", `SYNC "new1" @1`]);
  assertEquals(stage.table, ["k1=1@1"]);
});

Deno.test("a PUT that waits is applied when a follower is in sync again", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(1);
  f1.end();
  f2.end();
  someone.say(new Put(2, "a", "2"));
  stage.pass(3_000);
  const again = back(stage, follower1, 1);
  assertEquals(again.heard(), ["JOIN_OK", `SYNC "new1" @1`]);
  again.say(ack(1));
  assertEquals(again.heard(), ["REPLICATION a=2 @2"]);
  again.say(ack(2));
  assertEquals(someone.heard(), ["PUT_OK #2 a @2"]);
  stage.pass(10_000, again);
  assertEquals(someone.heard(), []);
});

Deno.test(
  "a PUT that is applied but not committed in time has an unknown outcome, and one answer",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeader();
    someone.say(new Put(1, "a", "1"));
    f1.end();
    f2.end();
    someone.say(new Put(2, "a", "2"));
    stage.pass(5_000);
    assertEquals(someone.heard(), ["ERROR #2 UNAVAILABLE", "ERROR #1 UNKNOWN_OUTCOME"]);
    stage.printed();

    const again = back(stage, follower1, 0);
    assertEquals(again.heard(), ["JOIN_OK", `SYNC "new1" @0 of @1`, "REPLICATION a=1 @1"]);
    again.say(ack(1));
    assertEquals(someone.heard(), [], "committed in the end, but answered already");
    assertEquals(stage.printed(), []);
    someone.say(new Put(3, "a", "3"));
    again.say(ack(2));
    assertEquals(someone.heard(), ["PUT_OK #3 a @2"]);
  },
);

Deno.test(
  "a PUT that a living follower does not acknowledge has an unknown outcome, and one answer",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeader({ minInSync: 3 });
    someone.say(new Put(1, "a", "1"));
    f1.say(ack(1));
    stage.pass(2_000, f1, f2);
    someone.say(new Put(2, "a", "2"));
    f1.say(ack(2));
    stage.pass(3_000, f1, f2);
    assertEquals(someone.heard(), ["ERROR #1 UNKNOWN_OUTCOME"]);
    f2.say(ack(2));
    assertEquals(someone.heard(), ["PUT_OK #2 a @2"]);
    stage.pass(10_000, f1, f2);
    assertEquals(someone.heard(), []);
  },
);

Deno.test("all PUTs whose time has run out are answered at once", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader();
  for (let id = 1; id <= 100; id++) someone.say(new Put(id, "a", `${id}`));
  stage.pass(4_400, f1, f2);
  assertEquals(someone.heard(), []);
  stage.pass(150, f1, f2);
  assertEquals(someone.heard().length, 100);
});

Deno.test("with fewer servers in sync than min-in-sync no write is committed", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader({ minInSync: 3 });
  someone.say(new Put(1, "a", "1"));
  f1.say(ack(1));
  f2.end();
  assertEquals(someone.heard(), []);
  someone.say(new Put(2, "a", "2"));
  assertEquals(f1.heard(), ["REPLICATION a=1 @1"], "the second one is not even applied");

  const again = back(stage, follower2, 0);
  again.say(ack(0));
  assertEquals(someone.heard(), []);
  again.say(ack(1));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
  assertEquals(f1.heard(), ["REPLICATION a=2 @2"]);
});

Deno.test("with min-in-sync 1 an open leader goes on alone", pure, () => {
  const { f1, f2, client: someone } = openLeader({ minInSync: 1 });
  f1.end();
  f2.end();
  someone.say(new Put(1, "a", "1"));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
});

// Coming back

Deno.test("a follower that comes back gets the writes it missed from the log", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(2);
  f2.end();
  for (const id of [3, 4, 5]) someone.say(new Put(id, `k${id}`, `${id}`));
  f1.say(ack(5));
  const again = back(stage, follower2, 2);
  assertEquals(again.heard(), [
    "JOIN_OK",
    `SYNC "new1" @2 of @5`,
    "REPLICATION k3=3 @3",
    "REPLICATION k4=4 @4",
    "REPLICATION k5=5 @5",
  ]);
  someone.say(new Put(6, "k6", "6"));
  assertEquals(again.heard(), ["REPLICATION k6=6 @6"]);
});

Deno.test("a follower is not waited for until it holds every committed write", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(2);
  f2.end();
  someone.say(new Put(3, "a", "3"));
  f1.say(ack(3));
  assertEquals(someone.heard(), ["PUT_OK #3 a @3"]);

  const again = back(stage, follower2, 2);
  again.say(ack(2));
  someone.say(new Put(4, "a", "4"));
  f1.say(ack(4));
  assertEquals(someone.heard(), ["PUT_OK #4 a @4"], "f2 lacks 3, so the PUT does not wait for it");
  again.say(ack(4));
  someone.say(new Put(5, "a", "5"));
  f1.say(ack(5));
  assertEquals(someone.heard(), [], "f2 has everything, so it counts");
  again.say(ack(5));
  assertEquals(someone.heard(), ["PUT_OK #5 a @5"]);
});

Deno.test(
  "a follower that lacks a committed write does not count towards min-in-sync",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeaderWith(2);
    f2.end();
    someone.say(new Put(3, "a", "3"));
    f1.say(ack(3));
    someone.heard();
    const again = back(stage, follower2, 2);
    f1.end();
    someone.say(new Put(4, "a", "4"));
    again.heard();
    again.say(ack(2));
    assertEquals(again.heard(), [], "4 is not applied");
    again.say(ack(3));
    assertEquals(again.heard(), ["REPLICATION a=4 @4"]);
  },
);

Deno.test("acknowledgements of an earlier connection do not count for the new one", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(1);
  someone.say(new Put(2, "a", "2"));
  f1.say(ack(2));
  f2.end();
  assertEquals(someone.heard(), ["PUT_OK #2 a @2"]);
  // f2 is back without memory: it no longer holds what its last process acknowledged.
  const fresh = stage.join(follower2);
  f1.end();
  someone.say(new Put(3, "a", "3"));
  assertEquals(fresh.heard(), [
    "JOIN_OK",
    `SYNC "new1" @0 of @2`,
    "REPLICATION k1=1 @1",
    "REPLICATION a=2 @2",
  ]);
  assertEquals(stage.table, ["a=2@2", "k1=1@1"], "3 waits");
  fresh.say(ack(2));
  assertEquals(stage.table, ["a=3@3", "k1=1@1"]);
});

Deno.test(
  "a follower gets a snapshot of the newer entries if the log does not reach back",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeaderWith(2, tinyLog);
    f2.end();
    someone.say(new Put(3, "k3", "3"), new Put(4, "k1", "new"));
    f1.say(ack(4));
    const again = back(stage, follower2, 2);
    assertEquals(again.heard(), ["JOIN_OK", "SNAPSHOT k1=new@4 k3=3@3 last"]);
    again.say(new SnapshotOk());
    assertEquals(again.heard(), [`SYNC "new1" @4`]);
  },
);

Deno.test(
  "writes during a snapshot follow it in order, and their PUTs do not wait for that follower",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeaderWith(2, { logBytesMax: 200 });
    f2.end();
    for (let id = 3; id <= 6; id++) someone.say(new Put(id, "a", `${id}`));
    f1.say(ack(6));
    someone.heard();
    const fresh = stage.join(follower2);
    assertEquals(fresh.heard(), ["JOIN_OK", "SNAPSHOT k1=1@1 k2=2@2 a=6@6 last"]);
    someone.say(new Put(7, "b", "7"), new Put(8, "a", "8"));
    f1.say(ack(8));
    assertEquals(someone.heard(), ["PUT_OK #7 b @7", "PUT_OK #8 a @8"]);
    assertEquals(fresh.heard(), []);
    fresh.say(new SnapshotOk());
    assertEquals(fresh.heard(), [
      `SYNC "new1" @6 of @8`,
      "REPLICATION b=7 @7",
      "REPLICATION a=8 @8",
    ]);
    someone.say(new Put(9, "c", "9"));
    assertEquals(fresh.heard(), ["REPLICATION c=9 @9"]);
  },
);

Deno.test("a snapshot has at most two chunks under way that are not confirmed", pure, () => {
  const { stage, f2 } = openLeaderWith(5, { ...tinyLog, ...tinyChunks });
  f2.end();
  const fresh = stage.join(follower2);
  assertEquals(fresh.heard(), ["JOIN_OK", "SNAPSHOT k1=1@1", "SNAPSHOT k2=2@2"]);
  stage.pass(1_000, fresh);
  assertEquals(fresh.heard(), []);
  const rest = ["SNAPSHOT k3=3@3", "SNAPSHOT k4=4@4", "SNAPSHOT k5=5@5 last"];
  for (const chunk of rest) {
    fresh.say(new SnapshotOk());
    assertEquals(fresh.heard(), [chunk]);
  }
  fresh.say(new SnapshotOk());
  assertEquals(fresh.heard(), []);
  fresh.say(new SnapshotOk());
  assertEquals(fresh.heard(), [`SYNC "new1" @5`]);
});

Deno.test("a snapshot is paced by ticks while PUTs go on, and not once they stop", pure, () => {
  const tuning = { ...tinyLog, ...tinyChunks, snapshotEntriesPerTick: 2 };
  const { stage, f1, f2, client: someone } = openLeaderWith(9, tuning);
  f2.end();
  const fresh = stage.join(follower2);
  fresh.say(new SnapshotOk(), new SnapshotOk());
  assertEquals(fresh.heard(), ["JOIN_OK", "SNAPSHOT k1=1@1", "SNAPSHOT k2=2@2"]);
  someone.say(new Put(10, "a", "while it is on its way"));
  stage.pass(50, f1, fresh);
  fresh.say(new SnapshotOk(), new SnapshotOk());
  assertEquals(fresh.heard(), ["SNAPSHOT k3=3@3", "SNAPSHOT k4=4@4"]);
  stage.pass(50, f1, fresh);
  assertEquals(fresh.heard(), ["SNAPSHOT k5=5@5", "SNAPSHOT k6=6@6"]);
  fresh.say(new SnapshotOk(), new SnapshotOk());
  assertEquals(fresh.heard(), ["SNAPSHOT k7=7@7", "SNAPSHOT k8=8@8"]);
});

Deno.test("a follower that confirms a chunk that it was not sent is dropped", pure, () => {
  const tuning = { ...tinyLog, ...tinyChunks, snapshotEntriesPerTick: 2 };
  const { stage, f2 } = openLeaderWith(9, tuning);
  f2.end();
  const fresh = stage.join(follower2);
  fresh.say(new SnapshotOk(), new SnapshotOk());
  assert(fresh.open);
  fresh.say(new SnapshotOk());
  assert(!fresh.open);
});

Deno.test("a key that changes before its turn is sent with its new value", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(4, { ...tinyChunks, logBytesMax: 120 });
  f2.end();
  const fresh = stage.join(follower2);
  someone.say(new Put(5, "k4", "new"));
  f1.say(ack(5));
  fresh.say(new SnapshotOk(), new SnapshotOk(), new SnapshotOk(), new SnapshotOk());
  assertEquals(fresh.heard(), [
    "JOIN_OK",
    "SNAPSHOT k1=1@1",
    "SNAPSHOT k2=2@2",
    "SNAPSHOT k3=3@3",
    "SNAPSHOT k4=new@5 last",
    `SYNC "new1" @4 of @5`,
    "REPLICATION k4=new @5",
  ]);
});

Deno.test(
  "another snapshot brings the writes made during the first if the log has lost them",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeaderWith(3, tinyLog);
    f2.end();
    const fresh = stage.join(follower2);
    assertEquals(fresh.heard(), ["JOIN_OK", "SNAPSHOT k1=1@1 k2=2@2 k3=3@3 last"]);
    someone.say(new Put(4, "k1", "new"), new Put(5, "k5", "5"));
    f1.say(ack(5));
    fresh.say(new SnapshotOk());
    assertEquals(fresh.heard(), ["SNAPSHOT k1=new@4 k5=5@5 last"]);
    fresh.say(new SnapshotOk());
    assertEquals(fresh.heard(), [`SYNC "new1" @5`]);
    fresh.say(ack(5));
    someone.say(new Put(6, "k6", "6"));
    assertEquals(fresh.heard(), ["REPLICATION k6=6 @6"]);
  },
);

Deno.test("a follower in the middle of a snapshot does not count towards min-in-sync", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(3, { ...tinyLog, ...tinyChunks });
  f2.end();
  const fresh = stage.join(follower2);
  fresh.say(new SnapshotOk(), ack(3));
  f1.end();
  someone.say(new Put(4, "a", "4"));
  stage.pass(5_000, fresh);
  assertEquals(someone.heard(), ["ERROR #4 UNAVAILABLE"]);
});

// A leader without memory

Deno.test(
  "a recovering leader copies the table of the follower that is furthest ahead",
  pure,
  () => {
    const stage = new Stage(leader, tinyChunks);
    const someone = stage.connect(client);
    const f1 = stage.join(follower1, 5);
    const f2 = stage.join(follower2, 8);
    assertEquals(f1.heard(), ["JOIN_OK"]);
    assertEquals(f2.heard(), ["JOIN_OK", "SNAPSHOT_REQUEST"]);
    f2.say(chunk(false, ["a", "1", 5]));
    someone.say(new Get(1, "a", 0));
    f2.say(chunk(true, ["b", "2", 8]));
    assertEquals(someone.heard(), ["TRY_OTHER_SERVER_OR_LATER #1 a @5"], "not open yet");

    // The others get what they lack, and all of them the new timestamp.
    assertEquals(f1.heard(), ["SNAPSHOT", "SNAPSHOT b=2@8 last"]);
    assertEquals(f2.heard(), ["SNAPSHOT_OK", "SNAPSHOT_OK", "SNAPSHOT", "SNAPSHOT last"]);
    f1.say(new SnapshotOk(), new SnapshotOk());
    f2.say(new SnapshotOk(), new SnapshotOk());
    const start = 8 + recoverySkip;
    assertEquals(f1.heard(), [`SYNC "old" @${start}`]);
    assertEquals(f2.heard(), [`SYNC "old" @${start}`]);

    f1.say(ack(start));
    someone.say(new Get(2, "a", 0), new Put(3, "c", "3"));
    assertEquals(someone.heard(), ["TRY_OTHER_SERVER_OR_LATER #2 a @5"], "f2 has not caught up");
    f2.say(ack(start));
    assertEquals(f1.heard(), [`REPLICATION c=3 @${start + 1}`]);
    someone.say(new Get(4, "a", 0));
    assertEquals(someone.heard(), ["GET_OK #4 a=1 @5"]);
  },
);

Deno.test("a recovering leader waits for all followers before it chooses one", pure, () => {
  const stage = new Stage(leader);
  const f1 = stage.join(follower1, 5);
  stage.pass(60_000, f1);
  assertEquals(f1.heard(), ["JOIN_OK"]);
});

Deno.test("a recovering leader skips ahead even if the cluster has no data", pure, () => {
  const stage = new Stage(leader);
  const f1 = stage.join(follower1, 0, "old");
  const f2 = stage.join(follower2);
  assertEquals(f1.heard(), ["JOIN_OK", "SNAPSHOT_REQUEST"]);
  f1.say(chunk(true));
  for (const link of [f1, f2]) {
    link.say(new SnapshotOk());
    assertEquals(link.heard().at(-1), `SYNC "old" @${recoverySkip}`);
  }
});

Deno.test(
  "if the source leaves, the leader drops what it copied and copies again",
  pure,
  () => {
    const stage = new Stage(leader);
    const f1 = stage.join(follower1, 5);
    const f2 = stage.join(follower2, 8);
    f2.say(chunk(false, ["a", "2", 8]));
    f2.end();
    stage.pass(5_000, f1);
    assertEquals(f1.heard(), ["JOIN_OK"], "it waits for the other to come back");

    // f2 has lost its memory: entries copied from it must not hide those of f1.
    const fresh = stage.join(follower2);
    assertEquals(f1.heard(), ["SNAPSHOT_REQUEST"]);
    f1.say(chunk(true, ["a", "1", 5]));
    assertEquals(stage.table, ["a=1@5"]);
    assertEquals(fresh.heard(), ["JOIN_OK", "SNAPSHOT a=1@5 last"]);
  },
);

Deno.test(
  "the leader copies again if a follower that is further ahead joins during the copy",
  pure,
  () => {
    const stage = new Stage(leader);
    const f1 = stage.join(follower1);
    const f2 = stage.join(follower2, 5);
    f2.say(chunk(false, ["a", "1", 5]));
    f1.end();
    const further = stage.join(follower1, 8);
    assertEquals(further.heard(), ["JOIN_OK"]);
    f2.say(chunk(true, ["b", "1", 4]));
    assertEquals(further.heard(), ["SNAPSHOT_REQUEST"]);
    assertEquals(stage.table, []);
    further.say(chunk(true, ["a", "2", 8]));
    further.say(new SnapshotOk());
    assertEquals(further.heard(), [
      "SNAPSHOT_OK",
      "SNAPSHOT last",
      `SYNC "old" @${8 + recoverySkip}`,
    ]);
  },
);

Deno.test(
  "a leader whose follower leaves during the catch-up opens when that one is back",
  pure,
  () => {
    const stage = new Stage(leader);
    const someone = stage.connect(client);
    const f1 = stage.join(follower1, 5);
    const f2 = stage.join(follower2, 5);
    f1.say(chunk(true, ["a", "1", 5]));
    f1.say(new SnapshotOk());
    f1.say(ack(5 + recoverySkip));
    f2.end();
    stage.pass(5_000, f1);
    someone.say(new Get(1, "a", 0));
    assertEquals(someone.heard(), ["TRY_OTHER_SERVER_OR_LATER #1 a @5"]);

    const again = stage.join(follower2, 5);
    again.say(new SnapshotOk());
    again.say(ack(5));
    someone.say(new Get(2, "a", 0));
    assertEquals(someone.heard(), ["TRY_OTHER_SERVER_OR_LATER #2 a @5"], "not the new timestamp");
    again.say(ack(5 + recoverySkip));
    someone.say(new Get(3, "a", 0));
    assertEquals(someone.heard(), ["GET_OK #3 a=1 @5"]);
  },
);

Deno.test(
  "a follower that was in sync during the catch-up does not count once it has left",
  pure,
  () => {
    const stage = new Stage(leader);
    const someone = stage.connect(client);
    const f1 = stage.join(follower1);
    const f2 = stage.join(follower2);
    f1.say(ack(0));
    f1.end();
    f2.say(ack(0));
    someone.say(new Put(1, "a", "1"));
    assertEquals(stage.table, []);
    assertEquals(stage.engine.readable, false);
  },
);

// Servers that may not join

Deno.test("a server that must not join gets FORBIDDEN, and its connection is closed", pure, () => {
  const own = openLeaderWith(2);
  const cases: [string, Join][] = [
    ["the leader's own address", new Join(leader, "", 0)],
    ["a name that is alive", new Join(follower1, "new1", 2)],
    ["a fourth server", new Join("10.0.0.4:10100", "", 0)],
  ];
  for (const [what, join] of cases) {
    const link = own.stage.connect("10.0.0.9:4444");
    link.say(join);
    assertEquals(link.heard(), ["ERROR FORBIDDEN"], what);
    assert(!link.open, what);
  }
  own.f2.end();
  const late: [string, Join][] = [
    ["another cluster's data", new Join(follower2, "other", 1)],
    ["a timestamp ahead of the leader's", new Join(follower2, "new1", 3)],
    ["data of no cluster", new Join(follower2, "", 1)],
    ["a name that is alive, while there is room", new Join(follower1, "new1", 2)],
    ["the leader's own address, while there is room", new Join(leader, "new1", 2)],
  ];
  for (const [what, join] of late) {
    const link = own.stage.connect("10.0.0.9:4444");
    link.say(join);
    assertEquals(link.heard(), ["ERROR FORBIDDEN"], what);
    assert(!link.open, what);
  }
  // None of them did any harm.
  own.client.say(new Put(3, "a", "3"));
  assertEquals(own.f1.heard(), ["REPLICATION a=3 @3"]);
  own.f1.say(ack(3));
  assertEquals(own.client.heard(), ["PUT_OK #3 a @3"]);
});

Deno.test("another cluster's data is refused in every phase", pure, () => {
  const stage = new Stage(leader);
  const refused = (phase: string) => {
    const link = stage.join(follower2, 9, "other");
    assertEquals(link.heard(), ["ERROR FORBIDDEN"], phase);
    assert(!link.open, phase);
  };
  const f1 = stage.join(follower1, 5);
  refused("waiting");
  const f2 = stage.join(follower2, 4);
  f2.end();
  refused("copying");
  f1.say(chunk(true, ["a", "1", 5]));
  refused("catching up");
  f1.say(new SnapshotOk());
  const start = 5 + recoverySkip;
  f1.say(ack(start));
  const again = stage.join(follower2, 5);
  again.say(new SnapshotOk());
  again.say(ack(start));
  assert(stage.engine.readable);
  again.end();
  refused("open");
  assertEquals(stage.table, ["a=1@5"]);
});

Deno.test(
  "of two followers with data of different clusters the second one is refused",
  pure,
  () => {
    const stage = new Stage(leader);
    const f1 = stage.join(follower1, 5, "mine");
    const f2 = stage.join(follower2, 9, "other");
    assertEquals(f1.heard(), ["JOIN_OK"]);
    assertEquals(f2.heard(), ["ERROR FORBIDDEN"]);
    assertEquals(stage.join(follower2, 9, "mine").heard(), ["JOIN_OK", "SNAPSHOT_REQUEST"]);
  },
);

Deno.test("a connection that joins twice is closed, and its follower leaves with it", pure, () => {
  const { f1, f2, client: someone } = openLeader();
  f2.say(new Join(follower2, "new1", 0));
  assertEquals(f2.heard(), ["ERROR FORBIDDEN"]);
  assert(!f2.open);
  f2.end();
  someone.say(new Put(1, "a", "1"));
  f1.say(ack(1));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
  f1.say(new Join(follower2, "new1", 0));
  assert(!f1.open, "a second JOIN under another name is refused too");
});

Deno.test("a process that dials again replaces its own connection at once", pure, () => {
  const { stage, f1, f2: stranger, client: someone } = openLeader();
  stranger.end();
  const redial = (attempt: number, timestamp: number) => {
    const link = stage.connect("10.0.0.3:40001");
    link.say(new Join(follower2, "new1", timestamp, undefined, 77, attempt));
    return link;
  };
  const first = redial(1, 0);
  first.say(ack(0));
  someone.say(new Put(1, "a", "1"));
  first.say(new Put(9, "b", "2", client));
  f1.say(ack(2));
  assertEquals(someone.heard(), [], "the second follower is in sync");
  first.heard();
  const second = redial(2, 0);
  assert(!first.open);
  assertEquals(second.heard(), [
    "JOIN_OK",
    `SYNC "new1" @0 of @2`,
    "REPLICATION a=1 @1",
    "REPLICATION b=2 @2",
  ]);
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"], "the other two servers hold it");
  assertEquals(first.heard(), []);
  first.sayLine(ack(2).encode());
  first.end();
  assertEquals(stage.engine.inSync, [leader, follower1], "the old connection counts for nothing");
  second.say(ack(2));
  stage.pass(1_100, f1, second); // it has left twice
  assertEquals(stage.engine.inSync, [leader, follower1, follower2]);
  // An earlier connection of the process, whose JOIN was under way for longer.
  const late = redial(1, 0);
  assertEquals([late.heard(), late.open, second.open], [["ERROR UNAVAILABLE"], false, true]);
});

Deno.test(
  "another process at the address of a follower is refused until that one has left",
  pure,
  () => {
    const { stage, f2 } = openLeader();
    f2.end();
    const join = (instance: number | undefined) => {
      const link = stage.connect("10.0.0.3:40001");
      link.say(new Join(follower2, "", 0, undefined, instance, 1));
      return link;
    };
    const first = join(77);
    assertEquals(first.heard()[0], "JOIN_OK");
    assertEquals(join(78).heard(), ["ERROR UNAVAILABLE"]);
    assertEquals(
      join(undefined).heard(),
      ["ERROR FORBIDDEN"],
      "an older version gets what it knows",
    );
    assert(first.open);
    first.end();
    assertEquals(join(78).heard()[0], "JOIN_OK");
  },
);

Deno.test("a redial does not go round the checks of a JOIN", pure, () => {
  const { stage, f2 } = openLeaderWith(2);
  f2.end();
  const join = (server: string, cluster: string, timestamp: number) => {
    const link = stage.connect("10.0.0.3:40001");
    link.say(new Join(server, cluster, timestamp, undefined, 77, 1));
    return link;
  };
  const first = join(follower2, "new1", 2);
  assertEquals(first.heard()[0], "JOIN_OK");
  assertEquals(join(follower2, "other", 9).heard(), ["ERROR FORBIDDEN"]);
  assert(first.open, "a refused JOIN replaces nothing");
  assert(stage.reports.every((line) => !line.includes("has dialled again")));
  const again = join(follower2, "new1", 2);
  assertEquals([again.heard()[0], first.open], ["JOIN_OK", false]);
  again.say(new Join(follower2, "new1", 2, undefined, 77, 2));
  assertEquals([again.heard().at(-1), again.open], ["ERROR UNAVAILABLE", false]);
});

Deno.test("a server is told by the code whether its data is refused", pure, () => {
  const { stage, f2 } = openLeaderWith(2);
  const join = (server: string, cluster: string, instance?: number) => {
    const link = stage.connect("10.0.0.4:40001");
    link.say(new Join(server, cluster, 2, undefined, instance, 1));
    assert(!link.open);
    return link.heard();
  };
  const fourth = "10.0.0.4:10100";
  for (const server of [fourth, follower1, leader]) {
    assertEquals(join(server, "new1", 7), ["ERROR UNAVAILABLE"], server);
    assertEquals(join(server, "new1"), ["ERROR FORBIDDEN"], server);
    assertEquals(join(server, "other", 7), ["ERROR FORBIDDEN"], server);
  }
  f2.end();
  assertEquals(join(fourth, "other", 7), ["ERROR FORBIDDEN"]);
});

Deno.test("a new leader refuses data that belongs to no cluster", pure, () => {
  assertEquals(new Stage(leader).join(follower1, 5, "").heard(), ["ERROR FORBIDDEN"]);
});

Deno.test("a server that has not proved the secret may not join", pure, async () => {
  const { stage, f2 } = openLeader();
  f2.end();
  stage.secrets = { server: await Secret.from("secret") };
  for (const [instance, code] of [[undefined, "FORBIDDEN"], [7, "UNAVAILABLE"]] as const) {
    const stranger = stage.connect("10.0.0.3:40001");
    stranger.say(new Join(follower2, "", 0, undefined, instance, 1));
    assertEquals(stranger.heard(), [`ERROR ${code}`]);
    assert(!stranger.open);
  }
  stage.secrets = {};
  assertEquals(stage.join(follower2).heard()[0], "JOIN_OK");
});

Deno.test("a follower that was refused may join later", pure, () => {
  const { stage, f2 } = openLeader();
  const early = stage.join(follower2);
  assertEquals(early.heard(), ["ERROR FORBIDDEN"]);
  early.end();
  f2.end();
  assertEquals(stage.join(follower2).heard(), ["JOIN_OK", `SYNC "new1" @0`]);
});

// Peers that break the protocol

Deno.test("messages between servers are forbidden to a client and change nothing", pure, () => {
  const { stage, client: someone } = openLeaderWith(1);
  someone.say(
    ack(1),
    new SnapshotOk(),
    chunk(true, ["a", "x", 99]),
    new SnapshotRequest(),
    Replication.of("a", "x", 99),
    new Sync("other", 99, 99),
    new Heartbeat(),
  );
  assertEquals(someone.heard(), Array(7).fill("ERROR FORBIDDEN"));
  assert(someone.open);
  assertEquals(stage.table, ["k1=1@1"]);
  someone.say(new Get(5, "k1", 1));
  assertEquals(someone.heard(), ["GET_OK #5 k1=1 @1"]);
});

Deno.test("a follower may not write into the leader's table", pure, () => {
  const { stage, f1 } = openLeaderWith(1);
  f1.say(Replication.of("k1", "x", 99), chunk(true, ["k1", "x", 99]), new Sync("other", 99, 99));
  assertEquals(f1.heard(), Array(3).fill("ERROR FORBIDDEN"));
  assertEquals(stage.table, ["k1=1@1"]);
});

Deno.test(
  "while the leader recovers only the follower that it copies may send its table",
  pure,
  () => {
    const stage = new Stage(leader);
    const f1 = stage.join(follower1, 5);
    stage.join(follower2, 8);
    f1.say(chunk(true, ["a", "x", 99]));
    assertEquals(f1.heard(), ["JOIN_OK", "ERROR FORBIDDEN"]);
    assertEquals(stage.table, []);
  },
);

Deno.test("a follower that acknowledges a write it was not sent is dropped", pure, () => {
  for (const wrong of [ack(3), ack(1), new SnapshotOk()]) {
    const { stage, f1, f2, client: someone } = openLeaderWith(2);
    f2.say(wrong);
    assert(!f2.open, wrong.type);
    someone.say(new Put(3, "a", "3"));
    f1.say(ack(3));
    assertEquals(someone.heard(), ["PUT_OK #3 a @3"]);
    assertEquals(back(stage, follower2, 2).heard()[0], "JOIN_OK");
  }
});
