import { assert, assertEquals } from "@std/assert";
import { Secret } from "../../lib/auth/secret.ts";
import { faultDelayMsMax } from "../../lib/replication/faults.ts";
import { heldCharsMax } from "../../lib/replication/held_stream.ts";
import {
  Fault,
  Get,
  JoinOk,
  Put,
  Replication,
  Snapshot,
  SnapshotOk,
  Sync,
} from "../../lib/mensagem.ts";
import {
  ack,
  type FakeLink,
  follower1,
  follower2,
  leader,
  type OpenLeader,
  openLeader,
  openLeaderWith,
  pure,
  Stage,
} from "../support/core_fixture.ts";

/** An open leader that takes FAULT. Its events so far are cleared. */
function faultyLeader(): OpenLeader {
  const open = openLeader();
  open.stage.faults = true;
  open.stage.events.length = 0;
  return open;
}

/** Says FAULT and returns the answer. */
function fault(link: FakeLink, ...[follower, action, delayMs]: FaultFields): string[] {
  link.say(new Fault(9, follower, action, delayMs));
  return link.heard();
}
type FaultFields = [follower: string, action: Fault["action"], delayMs?: number];

Deno.test("a pause holds the writes to one follower, and PUT_OK waits for it", pure, () => {
  const { stage, f1, f2, client } = faultyLeader();
  assertEquals(fault(client, follower1, "pause"), ["FAULT_OK #9"]);
  client.say(new Put(1, "a", "1"), new Put(2, "b", "2"));
  assertEquals(f2.heard(), ["REPLICATION a=1 @1", "REPLICATION b=2 @2"]);
  f2.say(ack(2));
  stage.pass(3_000, f1, f2);
  assertEquals(f1.heard(), []);
  assertEquals(client.heard(), []);
  client.say(new Get(3, "a", 0));
  assertEquals(client.heard(), ["GET_OK #3 a=1 @1"]);

  assertEquals(fault(client, follower1, "resume"), ["FAULT_OK #9"]);
  assertEquals(f1.heard(), ["REPLICATION a=1 @1", "REPLICATION b=2 @2"]);
  f1.say(ack(2));
  assertEquals(client.heard(), ["PUT_OK #1 a @1", "PUT_OK #2 b @2"]);
  client.say(new Put(4, "a", "3"));
  assertEquals(f1.heard(), ["REPLICATION a=3 @3"]);
});

Deno.test("during a pause heartbeats go on and the follower stays in sync", pure, () => {
  const { stage, f1, f2, client } = faultyLeader();
  fault(client, follower1, "pause");
  client.say(new Put(1, "a", "1"));
  const before = f1.heartbeats;
  stage.pass(10_000, f1, f2);
  assert(f1.heartbeats >= before + 15, `${f1.heartbeats - before} heartbeats in 10 s`);
  assertEquals(stage.engine.inSync, [leader, follower1, follower2]);
});

Deno.test("a PUT that a pause holds for too long has an unknown outcome", pure, () => {
  const { stage, f1, f2, client } = faultyLeader();
  fault(client, follower1, "pause");
  client.say(new Put(1, "a", "1"));
  f2.say(ack(1));
  stage.pass(4_000, f1, f2);
  assertEquals(client.heard(), []);
  stage.pass(1_000, f1, f2);
  assertEquals(client.heard(), ["ERROR #1 UNKNOWN_OUTCOME"]);
});

Deno.test("a delay lets writes through in their order, each at its time", pure, () => {
  const { stage, f1, f2, client } = faultyLeader();
  assertEquals(fault(client, follower1, "delay", 300), ["FAULT_OK #9"]);
  client.say(new Put(1, "a", "1"));
  stage.pass(200, f1, f2);
  client.say(new Put(2, "a", "2"));
  assertEquals(f1.heard(), []);
  stage.pass(100, f1, f2);
  assertEquals(f1.heard(), ["REPLICATION a=1 @1"]);
  stage.pass(150, f1, f2);
  assertEquals(f1.heard(), []);
  stage.pass(50, f1, f2);
  assertEquals(f1.heard(), ["REPLICATION a=2 @2"]);
});

Deno.test(
  "a pause becomes a delay: writes that were held long enough leave at the next tick",
  pure,
  () => {
    const { stage, f1, f2, client } = faultyLeader();
    fault(client, follower1, "pause");
    client.say(new Put(1, "a", "1"));
    stage.pass(500, f1, f2);
    client.say(new Put(2, "b", "2"));
    fault(client, follower1, "delay", 300);
    assertEquals(f1.heard(), []);
    stage.pass(50, f1, f2);
    assertEquals(f1.heard(), ["REPLICATION a=1 @1"]);
    stage.pass(250, f1, f2);
    assertEquals(f1.heard(), ["REPLICATION b=2 @2"]);
  },
);

Deno.test("each follower may have a fault of its own", pure, () => {
  const { f1, f2, client } = faultyLeader();
  fault(client, follower1, "pause");
  fault(client, follower2, "pause");
  client.say(new Put(1, "a", "1"));
  assertEquals([f1.heard(), f2.heard()], [[], []]);
  fault(client, follower2, "resume");
  assertEquals([f1.heard(), f2.heard()], [[], ["REPLICATION a=1 @1"]]);
});

Deno.test("a fault ends when its follower leaves", pure, () => {
  const { stage, f1, f2, client } = faultyLeader();
  fault(client, follower1, "pause");
  client.say(new Put(1, "a", "1"));
  f2.say(ack(1));
  f1.end();
  assertEquals(client.heard(), ["PUT_OK #1 a @1"]);
  assertEquals(stage.events.filter((line) => /pause|resume/.test(line)), [
    `pause ${follower1}`,
    `resume ${follower1}`,
  ]);
  const again = stage.join(follower1, 0, "new1");
  assertEquals(again.heard(), ["JOIN_OK", `SYNC "new1" @0 of @1`, "REPLICATION a=1 @1"]);
  again.say(ack(1));
  client.say(new Put(2, "a", "2"));
  assertEquals(again.heard(), ["REPLICATION a=2 @2"]);
});

Deno.test("writes from the log are held too when a follower catches up under a fault", pure, () => {
  const { stage, f1, f2, client } = openLeaderWith(3, { logBytesMax: 60 });
  stage.faults = true;
  f1.end();
  const again = stage.join(follower1, 0, "new1");
  assertEquals(again.heard().map((line) => line.split(" ")[0]), ["JOIN_OK", "SNAPSHOT"]);
  fault(client, follower1, "pause");
  client.say(new Put(1, "a", "1"));
  f2.say(ack(4));
  again.say(new SnapshotOk());
  assertEquals(again.heard(), [`SYNC "new1" @3 of @4`]);
  fault(client, follower1, "resume");
  assertEquals(again.heard(), ["REPLICATION a=1 @4"]);
});

Deno.test("a delay does not end while the text held at one time is below the limit", pure, () => {
  const { stage, f1, f2, client } = faultyLeader();
  fault(client, follower1, "delay", 100);
  const value = "x".repeat(heldCharsMax / 10);
  for (let id = 1; id <= 20; id++) {
    client.say(new Put(id, "a", value));
    stage.pass(50, f1, f2);
  }
  stage.pass(100, f1, f2);
  assertEquals(f1.heard().length, 20);
  assertEquals(stage.events.filter((line) => line.startsWith("resume")), []);
});

Deno.test(
  "a fault that holds too much text ends by itself, and the leader reports it",
  pure,
  () => {
    const { stage, f1, client } = faultyLeader();
    fault(client, follower1, "pause");
    const value = "x".repeat(1024 * 1024);
    const fits = Math.floor(heldCharsMax / (value.length + 100));
    for (let id = 1; id <= fits; id++) client.say(new Put(id, "a", value));
    assertEquals(f1.heard(), []);
    client.say(new Put(100, "a", value));
    assertEquals(f1.heard().length, fits + 1);
    assertEquals(stage.events.filter((line) => line.startsWith("resume")), [
      `resume ${follower1}`,
    ]);
    const report = stage.reports.at(-1)!;
    assert(report.includes(follower1) && report.includes("too much is held"), report);
    client.say(new Put(101, "a", "1"));
    assertEquals(f1.heard(), [`REPLICATION a=1 @${fits + 2}`]);
  },
);

Deno.test("FAULT without --allow-faults, or to a follower, is forbidden", pure, () => {
  const { f1, client } = openLeader();
  assertEquals(fault(client, follower1, "pause"), ["ERROR #9 FORBIDDEN"]);
  client.say(new Put(1, "a", "1"));
  assertEquals(f1.heard(), ["REPLICATION a=1 @1"]);

  const follower = new Stage(follower1);
  follower.faults = true;
  assertEquals(fault(follower.connect("10.0.9.1:1"), follower2, "pause"), ["ERROR #9 FORBIDDEN"]);
});

Deno.test("only a client that has proved the password may send FAULT", pure, async () => {
  const { stage, f1, client } = faultyLeader();
  stage.secrets = { client: await Secret.from("password") };
  const stranger = stage.connect("10.0.9.2:5002");
  assertEquals(fault(stranger, follower1, "pause"), ["ERROR #9 FORBIDDEN"]);
  client.say(new Put(1, "a", "1"));
  assertEquals(f1.heard(), ["REPLICATION a=1 @1"]);
});

Deno.test(
  "FAULT for a follower that has not joined, or with a wrong delay, is a BAD_MESSAGE",
  pure,
  () => {
    const { f1, client } = faultyLeader();
    const wrong = ["ERROR #9 BAD_MESSAGE"];
    assertEquals(fault(client, "10.0.0.9:1", "pause"), wrong);
    assertEquals(fault(client, leader, "pause"), wrong);
    assertEquals(fault(client, follower1, "delay"), wrong);
    assertEquals(fault(client, follower1, "delay", faultDelayMsMax + 1), wrong);
    client.say(new Put(1, "a", "1"));
    assertEquals(f1.heard(), ["REPLICATION a=1 @1"]);
    assertEquals(fault(client, follower1, "delay", faultDelayMsMax), ["FAULT_OK #9"]);
    assertEquals(fault(client, follower2, "resume"), ["FAULT_OK #9"]); // there was no fault
  },
);

// The listener

Deno.test("the listener is told of a write and of each acknowledgement", pure, () => {
  const { stage, f1, f2, client } = faultyLeader();
  client.say(new Put(1, "a", "1"));
  f1.say(ack(1));
  f1.say(ack(1));
  f2.say(ack(1));
  assertEquals(stage.events, [
    "written a=1 @1 after 0 ms",
    `${follower1} has @1`,
    `${follower2} has @1`,
  ]);
});

Deno.test("the listener is told how long a PUT waited before it was written", pure, () => {
  const stage = new Stage(leader);
  const client = stage.connect("10.0.9.1:5001");
  const f1 = stage.join(follower1);
  client.say(new Put(1, "a", "1"));
  stage.pass(300, f1);
  const f2 = stage.join(follower2);
  f1.say(ack(0));
  f2.say(ack(0));
  assertEquals(stage.events.filter((line) => line.startsWith("written")), [
    "written a=1 @1 after 300 ms",
  ]);
});

Deno.test(
  "the listener is told when a follower joins, is in sync or leaves, and when the leader opens",
  pure,
  () => {
    const { stage, f1 } = openLeader();
    f1.end();
    assertEquals(stage.events.filter((line) => line.startsWith("joined")), [
      `joined [${follower1}], in sync []`,
      `joined [${follower1},${follower2}], in sync []`,
      `joined [${follower1},${follower2}], in sync []`,
      `joined [${follower1},${follower2}], in sync []`,
      `joined [${follower1},${follower2}], in sync [${leader},${follower1},${follower2}], open`,
      `joined [${follower2}], in sync [${leader},${follower2}], open`,
    ]);
  },
);

Deno.test("the listener of a recovering leader is told of the new table", pure, () => {
  const stage = new Stage(leader);
  const f1 = stage.join(follower1, 7);
  stage.join(follower2);
  assertEquals(stage.events.filter((line) => line === "table"), []);
  f1.say(new Snapshot([["a", "1", 7]], true));
  assertEquals(stage.events.filter((line) => line === "table"), ["table"]);
});

Deno.test("the listener of a follower is told when its table was brought up to date", pure, () => {
  const stage = new Stage(follower1);
  stage.pass(50);
  const link = stage.dialled();
  link.say(new JoinOk(), new Snapshot([["a", "1", 7]], true));
  assertEquals(stage.events, []);
  link.say(new Sync("c", 7, 7), Replication.of("b", "2", 8));
  assertEquals(stage.events, ["table"]);
});

Deno.test("a new listener is told of the members and the faults", pure, () => {
  const { stage, client } = faultyLeader();
  fault(client, follower1, "pause");
  fault(client, follower2, "delay", 250);
  const told: string[] = [];
  stage.engine.describe({
    members: (joined, inSync, open) => told.push(`${joined.length} ${inSync.length} ${open}`),
    fault: (...fault) => told.push(fault.join(" ")),
    written: () => {},
    acknowledged: () => {},
    table: () => {},
    write: () => {},
    forwardingWrite: () => {},
    writeOk: () => {},
    conflict: () => {},
  });
  assertEquals(told, ["2 3 true", `${follower1} pause`, `${follower2} delay 250`]);
});
