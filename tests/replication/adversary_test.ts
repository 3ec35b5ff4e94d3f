/** Schedules that an adversary would choose: each of them once broke a guarantee. */

import { assert, assertEquals } from "@std/assert";
import {
  ErrorReply,
  Get,
  JoinOk,
  Put,
  Replication,
  Snapshot,
  SnapshotOk,
  Sync,
} from "../../lib/mensagem.ts";
import { recoverySkip } from "../../lib/replication/recovery.ts";
import {
  ack,
  client,
  CoreCluster,
  follower1,
  follower2,
  leader,
  openLeader,
  openLeaderWith,
  pure,
  Stage,
} from "../support/core_fixture.ts";

const snapshots = { logBytesMax: 60, snapshotChunkVisits: 1 };

Deno.test(
  "writes that only an unfinished catch-up has seen do not outlive the leader (G6)",
  pure,
  () => {
    const cluster = CoreCluster.open(snapshots);
    const writer = cluster.client(0);
    const put = (key: string, value: string) => {
      writer.put(key, value);
      cluster.settle();
    };
    for (const key of ["a", "b", "c"]) put(key, "old");
    cluster.hold(1); // the first follower is cut off and dropped; the others go on
    cluster.pass(3_000);
    for (const key of ["d", "e"]) put(key, "1");
    cluster.hold(2); // the second one is cut off too, and still in sync
    put("a", "new"); // the leader has applied it, and no follower has acknowledged it
    assertEquals(cluster.table(0), ["a=new@6", "b=old@2", "c=old@3", "d=1@4", "e=1@5"]);
    cluster.release(1);
    cluster.tick(1_000);
    for (let n = 0; n < 200 && !cluster.table(1).includes("a=new@6"); n++) {
      cluster.deliver((waiting) => waiting[0]!, 1);
    }
    assert(cluster.table(1).includes("a=new@6"), "one chunk of the snapshot has arrived");
    cluster.crash(0, 0);
    cluster.release(2);
    cluster.pass(3_000);
    cluster.start(0);
    cluster.pass(5_000);
    assertEquals(cluster.table(1), cluster.table(0));
    assertEquals(cluster.table(2), cluster.table(0));
    assert(
      cluster.table(0).includes("a=old@1"),
      "the recovered table is that of the furthest follower",
    );
  },
);

Deno.test(
  "a follower that is always one write late gets in sync under steady load (G2)",
  pure,
  () => {
    const { stage, f1, f2, client: writer } = openLeaderWith(1);
    f2.end();
    const again = stage.join(follower2, 1, "new1");
    writer.say(new Put(2, "a", "2"));
    f1.say(ack(2));
    for (let n = 3; n < 100; n++) {
      writer.say(new Put(n, "a", `${n}`));
      f1.say(ack(n));
      again.say(ack(n - 1));
    }
    assertEquals(stage.engine.inSync.length, 3);
  },
);

Deno.test("with --min-in-sync=1 a PUT does not wait for a follower that catches up", pure, () => {
  const { stage, f1, f2, client: writer } = openLeaderWith(3, { minInSync: 1, ...snapshots });
  f1.end();
  f2.end();
  writer.say(new Put(4, "a", "4"));
  assertEquals(writer.heard(), ["PUT_OK #4 a @4"]);
  stage.join(follower1).say(new SnapshotOk()); // a long snapshot has begun
  writer.say(new Put(5, "a", "5"));
  assertEquals(writer.heard(), ["PUT_OK #5 a @5"]);
});

Deno.test(
  "a server with writes that the recovered table lacks may not join (G3, G6)",
  pure,
  () => {
    const stage = new Stage(leader);
    const f1 = stage.join(follower1, 5);
    const f2 = stage.join(follower2, 4);
    f1.say(new Snapshot([["a", "1", 5]], true), new SnapshotOk());
    f2.say(new SnapshotOk());
    f1.say(ack(5 + recoverySkip));
    f2.say(ack(5 + recoverySkip));
    f2.end();
    assertEquals(stage.join("10.0.0.4:10100", 9).heard(), ["ERROR FORBIDDEN"]);
  },
);

Deno.test("a write of the leader that cannot be read is not skipped (G2, G6)", pure, () => {
  const stage = new Stage(follower1);
  stage.jump(0);
  const lead = stage.dialled();
  lead.say(new JoinOk(), new Sync("c1", 0, 0));
  lead.heard();
  const tooLong = "x".repeat(1024 * 1024 + 1);
  lead.sayLine(
    `{"type":"REPLICATION","key":"a","value":"${tooLong}","timestamp":1}`,
    Replication.of("b", "2", 2).encode().trim(),
  );
  assert(!lead.heard().includes("REPLICATION_OK @2"), "it must not acknowledge 1, which it lacks");
});

Deno.test(
  "between servers an ERROR that cannot be read is not answered with an ERROR",
  pure,
  () => {
    const { f1 } = openLeader();
    f1.heard();
    f1.sayLine(`{"type":"ERROR","code":"NEW_CODE","message":"x"}`);
    assertEquals(f1.heard().filter((line) => line.startsWith("ERROR")), []);
  },
);

Deno.test("a follower whose data its leader refuses stops answering GETs (G5)", pure, () => {
  const stage = new Stage(follower1);
  stage.jump(0);
  const lead = stage.dialled();
  lead.say(new JoinOk(), new Sync("c1", 0, 0), Replication.of("a", "of c1", 1));
  lead.end();
  stage.pass(1_000);
  stage.dialled().say(new ErrorReply("FORBIDDEN", "holds data of cluster c1, this is cluster c2"));
  const someone = stage.connect(client);
  someone.say(new Get(1, "a", 0));
  assertEquals(someone.heard(), ["TRY_OTHER_SERVER_OR_LATER #1 a @1"]);
});

Deno.test("a JOIN with a timestamp near the largest safe integer is refused", pure, () => {
  const stage = new Stage(leader);
  assertEquals(stage.join(follower1, Number.MAX_SAFE_INTEGER).heard(), ["ERROR FORBIDDEN"]);
  assertEquals(stage.join(follower2, 5).heard(), ["JOIN_OK"]);
});
