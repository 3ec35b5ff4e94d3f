import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  ErrorReply,
  Get,
  Heartbeat,
  Join,
  JoinOk,
  Put,
  PutOk,
  Replication,
  Snapshot,
  SnapshotOk,
  SnapshotRequest,
  Sync,
} from "../../lib/mensagem.ts";
import { stoppingReply } from "../../lib/replication/stopping.ts";
import type { Tuning } from "../../lib/replication/tuning.ts";
import {
  client,
  type FakeLink,
  follower1,
  follower2,
  leader,
  pure,
  Stage,
} from "../support/core_fixture.ts";

/** A follower that has joined and is synchronised with an empty cluster, "c1". */
function openFollower(tuning: Partial<Tuning> = {}): {
  stage: Stage;
  lead: FakeLink;
  client: FakeLink;
} {
  const stage = new Stage(follower1, tuning);
  stage.jump(0);
  const lead = stage.dialled();
  lead.say(new JoinOk(), new Sync("c1", 0, 0));
  lead.heard();
  return { stage, lead, client: stage.connect(client) };
}

/** The follower loses its leader and gets the next connection. */
function reconnect(stage: Stage, lead: FakeLink): FakeLink {
  lead.end();
  stage.pass(1_000);
  return stage.dialled();
}

// Joining and applying

Deno.test("a follower dials the leader at once and sends JOIN", pure, () => {
  const stage = new Stage(follower1);
  stage.jump(0);
  assertEquals(stage.dials, [0]);
  const lead = stage.dialled();
  assertEquals(lead.heard(), [`JOIN ${follower1} "" @0`]);
  assert(lead.betweenServers);
});

Deno.test(
  "a follower answers every GET with TRY_OTHER until its first synchronisation",
  pure,
  () => {
    const stage = new Stage(follower1);
    const someone = stage.connect(client);
    someone.say(new Get(1, "a", 0));
    stage.jump(0);
    const lead = stage.dialled();
    lead.say(new JoinOk());
    someone.say(new Get(2, "a", 0));
    lead.say(new Snapshot([["a", "1", 3]], true));
    someone.say(new Get(3, "a", 0));
    assertEquals(someone.heard(), [
      "TRY_OTHER_SERVER_OR_LATER #1 a @0",
      "TRY_OTHER_SERVER_OR_LATER #2 a @0",
      "TRY_OTHER_SERVER_OR_LATER #3 a @3",
    ]);
    assert(!stage.engine.readable);
    lead.say(new Sync("c1", 3, 3));
    assert(stage.engine.readable);
    someone.say(new Get(4, "a", 0), new Get(5, "b", 0), new Get(6, "a", 4));
    assertEquals(someone.heard(), [
      "GET_OK #4 a=1 @3",
      "GET_OK #5 b=NULL @0",
      "TRY_OTHER_SERVER_OR_LATER #6 a @3",
    ]);
  },
);

Deno.test("a follower without memory answers GETs once it holds the latest write", pure, () => {
  const stage = new Stage(follower1);
  const someone = stage.connect(client);
  stage.jump(0);
  const lead = stage.dialled();
  lead.say(new JoinOk(), new Sync("c1", 0, 2), Replication.of("a", "1", 1));
  someone.say(new Get(1, "a", 0), new Get(2, "b", 0));
  lead.say(Replication.of("b", "2", 2));
  someone.say(new Get(3, "a", 0), new Get(4, "b", 0));
  assertEquals(someone.heard(), [
    "TRY_OTHER_SERVER_OR_LATER #1 a @1",
    "TRY_OTHER_SERVER_OR_LATER #2 b @0",
    "GET_OK #3 a=1 @1",
    "GET_OK #4 b=2 @2",
  ]);
  // From here on it answers, however far behind it is.
  const again = reconnect(stage, lead);
  again.say(new JoinOk(), new Sync("c1", 2, 9));
  someone.say(new Get(5, "a", 0));
  assertEquals(someone.heard(), ["GET_OK #5 a=1 @1"]);
});

Deno.test(
  "REPLICATIONs are applied and printed; one acknowledgement covers those that came together",
  pure,
  () => {
    const { stage, lead } = openFollower();
    lead.say(Replication.of("a", "1", 1));
    assertEquals(lead.heard(), ["REPLICATION_OK @1"]);
    lead.say(Replication.of("b", "2", 2), new Heartbeat(), Replication.of("a", "3", 3));
    assertEquals(lead.heard(), ["REPLICATION_OK @3"]);
    assertEquals(stage.printed(), [
      "REPLICATION a=1 @1",
      "REPLICATION b=2 @2",
      "REPLICATION a=3 @3",
    ]);
    assertEquals(stage.table, ["a=3@3", "b=2@2"]);
    lead.say(new Heartbeat());
    assertEquals(lead.heard(), [], "nothing new, nothing to acknowledge");
  },
);

Deno.test("a follower applies no write over a newer one", pure, () => {
  const { stage, lead } = openFollower();
  // A snapshot may bring a write before its turn comes in the log.
  lead.say(new Snapshot([["a", "new", 7]], true), new Sync("c1", 5, 5));
  lead.say(Replication.of("a", "old", 6));
  assertEquals(lead.heard(), ["SNAPSHOT_OK", "REPLICATION_OK @5", "REPLICATION_OK @6"]);
  lead.say(Replication.of("a", "older", 4));
  assertEquals(lead.heard(), ["REPLICATION_OK @6"], "the acknowledged timestamp never falls");
  assertEquals(stage.table, ["a=new@7"]);
});

Deno.test("a snapshot prints nothing, and each of its chunks is confirmed", pure, () => {
  const stage = new Stage(follower1);
  stage.jump(0);
  const lead = stage.dialled();
  lead.heard();
  lead.say(new JoinOk(), new Snapshot([["a", "1", 1], ["b", "2", 2]], false));
  assertEquals(lead.heard(), ["SNAPSHOT_OK"]);
  lead.say(new Snapshot([], false), new Snapshot([["c", "3", 3]], true));
  assertEquals(lead.heard(), ["SNAPSHOT_OK", "SNAPSHOT_OK"]);
  lead.say(new Sync("c1", 3, 3));
  assertEquals(lead.heard(), ["REPLICATION_OK @3"]);
  assertEquals(stage.table, ["a=1@1", "b=2@2", "c=3@3"]);
  assertEquals(stage.printed(), []);
});

Deno.test(
  "a follower that is back joins with its timestamp, and answers GETs meanwhile",
  pure,
  () => {
    const { stage, lead, client: someone } = openFollower();
    lead.say(Replication.of("a", "1", 1), Replication.of("b", "2", 2));
    lead.end();
    someone.say(new Get(1, "a", 1));
    stage.pass(1_000);
    const again = stage.dialled();
    assertEquals(again.heard(), [`JOIN ${follower1} "c1" @2`]);
    someone.say(new Get(2, "b", 2), new Get(3, "b", 3));
    assertEquals(someone.heard(), [
      "GET_OK #1 a=1 @1",
      "GET_OK #2 b=2 @2",
      "TRY_OTHER_SERVER_OR_LATER #3 b @2",
    ]);
  },
);

Deno.test(
  "a follower that was synchronised without data joins again with its cluster id",
  pure,
  () => {
    const { stage, lead } = openFollower();
    assertEquals(reconnect(stage, lead).heard(), [`JOIN ${follower1} "c1" @0`]);
  },
);

Deno.test("a follower takes a recovered leader's new timestamp, and keeps it", pure, () => {
  const { stage, lead } = openFollower();
  lead.say(Replication.of("a", "1", 1));
  const again = reconnect(stage, lead);
  again.say(new JoinOk(), new Snapshot([], true), new Sync("c1", 1_001, 1_001));
  assertEquals(reconnect(stage, again).heard(), [`JOIN ${follower1} "c1" @1001`]);
});

Deno.test("half of a first snapshot is forgotten when its connection ends", pure, () => {
  const stage = new Stage(follower1);
  stage.jump(0);
  const lead = stage.dialled();
  lead.say(new JoinOk(), new Snapshot([["a", "x", 900], ["b", "x", 901]], false));
  const again = reconnect(stage, lead);
  assertEquals(again.heard(), [`JOIN ${follower1} "" @0`]);
  // This leader is of another cluster: no entry of the first one may hide its entries.
  again.say(new JoinOk(), new Snapshot([["a", "1", 1]], true), new Sync("c2", 1, 1));
  assertEquals(stage.table, ["a=1@1"]);
});

Deno.test(
  "an acknowledgement that was due to a lost leader does not go to the next one",
  pure,
  () => {
    const { stage, lead } = openFollower();
    lead.sayInTurn(Replication.of("a", "1", 1));
    lead.end();
    stage.pass(1_000);
    const again = stage.dialled();
    stage.engine.flush();
    assertEquals(again.heard(), [`JOIN ${follower1} "c1" @1`]);
  },
);

Deno.test("a follower sends its table to a recovering leader, two chunks at a time", pure, () => {
  const { lead } = openFollower({ snapshotChunkVisits: 1 });
  for (let n = 1; n <= 4; n++) lead.say(Replication.of(`k${n}`, `${n}`, n));
  lead.heard();
  lead.say(new SnapshotRequest());
  assertEquals(lead.heard(), ["SNAPSHOT k1=1@1", "SNAPSHOT k2=2@2"]);
  lead.say(new SnapshotOk());
  assertEquals(lead.heard(), ["SNAPSHOT k3=3@3"]);
  lead.say(new SnapshotOk());
  assertEquals(lead.heard(), ["SNAPSHOT k4=4@4 last"]);
  lead.say(new SnapshotOk(), new SnapshotOk());
  assertEquals([lead.heard(), lead.open], [[], true]);
});

Deno.test("a follower with an empty table sends one empty chunk", pure, () => {
  const { lead } = openFollower();
  lead.say(new SnapshotRequest());
  assertEquals(lead.heard(), ["SNAPSHOT last"]);
});

Deno.test("a table that was half sent is not sent on over the next connection", pure, () => {
  const { stage, lead } = openFollower({ snapshotChunkVisits: 1 });
  for (let n = 1; n <= 4; n++) lead.say(Replication.of(`k${n}`, `${n}`, n));
  lead.say(new SnapshotRequest());
  const again = reconnect(stage, lead);
  again.heard();
  again.say(new JoinOk());
  assertEquals(again.heard(), []);
  again.say(new SnapshotRequest());
  assertEquals(again.heard(), ["SNAPSHOT k1=1@1", "SNAPSHOT k2=2@2"]);
});

Deno.test("a leader that confirms a chunk that it was not sent is given up", pure, () => {
  for (const sent of [[], [new SnapshotRequest(), new SnapshotOk(), new SnapshotOk()]]) {
    const { stage, lead } = openFollower();
    lead.say(...sent, new SnapshotOk());
    assert(!lead.open);
    assert(stage.reports.at(-1)!.endsWith("it confirmed a snapshot chunk that was not sent"));
  }
});

Deno.test("a table that is replaced while it is sent is not sent on", pure, () => {
  const { stage, lead } = openFollower({ snapshotChunkVisits: 1 });
  for (let n = 1; n <= 4; n++) lead.say(Replication.of(`k${n}`, `${n}`, n));
  lead.say(new SnapshotRequest());
  lead.heard();
  lead.say(new Snapshot([["a", "1", 9]], true, true));
  assertEquals(lead.heard(), ["SNAPSHOT_OK"]);
  lead.say(new Sync("c1", 9, 9), new SnapshotRequest());
  assertEquals(lead.heard(), ["SNAPSHOT a=1@9 last", "REPLICATION_OK @9"]);
  lead.say(new SnapshotOk());
  assertEquals([lead.heard(), lead.open, stage.table], [[], true, ["a=1@9"]]);
});

// Forwarding

Deno.test(
  "a PUT is forwarded with the client's address, and its answer comes back under its id",
  pure,
  () => {
    const { stage, lead, client: someone } = openFollower();
    const other = stage.connect("10.0.9.2:5002");
    someone.say(new Put(7, "a", "1", "10.9.9.9:9"));
    other.say(new Put(7, "b", "2"));
    assertEquals(lead.heard(), [`PUT #1 a=1 of ${client}`, "PUT #2 b=2 of 10.0.9.2:5002"]);
    assertEquals(stage.printed(), ["forwarding a=1", "forwarding b=2"]);
    lead.say(new PutOk(2, "b", 5), new PutOk(1, "a", 4));
    assertEquals(someone.heard(), ["PUT_OK #7 a @4"]);
    assertEquals(other.heard(), ["PUT_OK #7 b @5"]);
    assertEquals(stage.table, [], "the write itself comes as a REPLICATION");
  },
);

Deno.test("the leader's error comes back to the client whose PUT it is", pure, () => {
  const { lead, client: someone } = openFollower();
  someone.say(new Put(7, "a", "1"), new Put(8, "b", "2"));
  lead.say(new ErrorReply("UNAVAILABLE", "not applied", 2), new ErrorReply("OVERLOADED", "", 1));
  assertEquals(someone.heard(), ["ERROR #8 UNAVAILABLE", "ERROR #7 OVERLOADED"]);
  assert(lead.open);
});

Deno.test("an answer to no request is ignored, and so is a second answer", pure, () => {
  const { lead, client: someone } = openFollower();
  someone.say(new Put(7, "a", "1"));
  lead.say(new PutOk(1, "a", 4), new PutOk(1, "a", 4), new PutOk(99, "a", 4));
  lead.say(new ErrorReply("UNAVAILABLE", "", 1));
  assertEquals(someone.heard(), ["PUT_OK #7 a @4"]);
  assert(lead.open);
});

Deno.test("a PUT is refused at once, without a print, while there is no leader", pure, () => {
  const stage = new Stage(follower1);
  const someone = stage.connect(client);
  someone.say(new Put(1, "a", "1"));
  stage.jump(0);
  someone.say(new Put(2, "a", "1"));
  const lead = stage.dialled();
  someone.say(new Put(3, "a", "1"));
  assertEquals(someone.heard(), [1, 2, 3].map((id) => `ERROR #${id} UNAVAILABLE`));
  lead.say(new JoinOk());
  someone.say(new Put(4, "a", "1"));
  assertEquals(someone.heard(), []);
  lead.end();
  someone.say(new Put(5, "a", "1"));
  assertEquals(someone.heard(), ["ERROR #4 UNKNOWN_OUTCOME", "ERROR #5 UNAVAILABLE"]);
  stage.pass(1_000);
  stage.dialled();
  someone.say(new Put(6, "a", "1"));
  assertEquals(someone.heard(), ["ERROR #6 UNAVAILABLE"], "it has not been accepted again");
  assertEquals(stage.printed(), ["forwarding a=1"]);
});

Deno.test(
  "the outcome of PUTs under way is unknown when the leader is lost, once for each",
  pure,
  () => {
    const { stage, lead, client: someone } = openFollower();
    someone.say(new Put(1, "a", "1"), new Put(2, "a", "2"));
    const again = reconnect(stage, lead);
    assertEquals(someone.heard(), ["ERROR #1 UNKNOWN_OUTCOME", "ERROR #2 UNKNOWN_OUTCOME"]);
    again.say(new JoinOk(), new PutOk(1, "a", 1), new PutOk(2, "a", 2));
    stage.pass(60_000, again);
    assertEquals(someone.heard(), []);
    someone.say(new Put(3, "a", "3"));
    assertEquals(again.heard().at(-1), `PUT #3 a=3 of ${client}`, "ids are not used again");
  },
);

Deno.test("PUTs that a leader had not read when it was stopped are not applied", pure, () => {
  const { lead, stage, client: someone } = openFollower();
  someone.say(new Put(1, "a", "1"), new Put(2, "a", "2"));
  lead.say(new PutOk(1, "a", 1), stoppingReply());
  assertEquals(someone.heard(), ["PUT_OK #1 a @1", "ERROR #2 UNAVAILABLE"]);
  stage.pass(1_000);
  const again = stage.dialled();
  again.say(new JoinOk());
  someone.say(new Put(3, "a", "3"));
  again.say(new ErrorReply("UNAVAILABLE", "another reason"));
  assertEquals(someone.heard(), ["ERROR #3 UNKNOWN_OUTCOME"], "only this ERROR says so");
});

Deno.test(
  "a PUT that a living leader does not answer in time has an unknown outcome",
  pure,
  () => {
    const { stage, lead, client: someone } = openFollower({ putTimeoutMs: 5_000 });
    someone.say(new Put(1, "a", "1"));
    stage.pass(1_000, lead);
    someone.say(new Put(2, "a", "2"));
    stage.pass(3_500, lead);
    assertEquals(someone.heard(), [], "the leader decides first");
    stage.pass(500, lead);
    assertEquals(someone.heard(), ["ERROR #1 UNKNOWN_OUTCOME"]);
    lead.say(new PutOk(1, "a", 1), new PutOk(2, "a", 2));
    assertEquals(someone.heard(), ["PUT_OK #2 a @2"]);
  },
);

Deno.test("PUTs beyond outstandingPutsMax are refused", pure, () => {
  const { lead, client: someone } = openFollower({ outstandingPutsMax: 2 });
  someone.say(new Put(1, "a", "1"), new Put(2, "a", "2"), new Put(3, "a", "3"));
  assertEquals(someone.heard(), ["ERROR #3 OVERLOADED"]);
  assertEquals(lead.heard().length, 2);
  lead.say(new PutOk(1, "a", 1));
  someone.say(new Put(4, "a", "4"));
  assertEquals(someone.heard(), ["PUT_OK #1 a @1"]);
  assertEquals(lead.heard(), [`PUT #3 a=4 of ${client}`]);
});

// Messages that only the leader may send

Deno.test(
  "only the leader that was dialled may write; any other connection is refused",
  pure,
  () => {
    const { stage, lead, client: someone } = openFollower();
    lead.say(Replication.of("a", "1", 1));
    lead.heard();
    stage.printed();
    const messages = [
      Replication.of("a", "x", 99),
      new Snapshot([["a", "x", 99]], true),
      new Sync("other", 99, 99),
      new JoinOk(),
      new SnapshotRequest(),
      new SnapshotOk(),
      new Heartbeat(),
      new PutOk(1, "a", 99),
      new Join(follower2, "c1", 1),
    ];
    for (const message of messages) {
      const id = "id" in message ? " #1" : "";
      someone.say(message);
      assertEquals(someone.heard(), [`ERROR${id} FORBIDDEN`], message.type);
    }
    assertEquals(stage.table, ["a=1@1"]);
    assertEquals(stage.printed(), []);
    assertEquals(lead.heard(), []);
    assertEquals(reconnect(stage, lead).heard(), [`JOIN ${follower1} "c1" @1`]);
  },
);

Deno.test("a connection that was given up may not write any more", pure, () => {
  const { stage, lead } = openFollower();
  const again = reconnect(stage, lead);
  again.say(new JoinOk(), new Sync("c1", 0, 0));
  lead.open = true; // as if frames of it had not been read yet
  lead.say(Replication.of("a", "x", 99));
  assertEquals(lead.heard(), ["ERROR FORBIDDEN"]);
  assertEquals(stage.table, []);
  lead.end();
  again.say(Replication.of("a", "1", 1));
  assertEquals(stage.table, ["a=1@1"], "the end of the old connection does not end the new one");
});

// Losing and finding the leader

Deno.test(
  "a follower that its leader refuses closes the connection and dials again",
  pure,
  () => {
    const stage = new Stage(follower1);
    stage.jump(0);
    const lead = stage.dialled();
    lead.say(new ErrorReply("FORBIDDEN", "the cluster has its 3 servers"));
    assert(!lead.open);
    assert(stage.reports.some((line) => line.includes("the cluster has its 3 servers")));
    stage.pass(1_000);
    assertEquals(stage.dials.length, 2);
  },
);

Deno.test("each JOIN of a process has its instance number and one attempt more", pure, () => {
  const stage = new Stage(follower1, {}, undefined, 0.25);
  stage.jump(0);
  const joins: [number, number][] = [];
  for (let n = 0; n < 3; n++) {
    const lead = stage.dialled();
    const { instance, attempt } = JSON.parse(lead.heardFrames()[0]!);
    joins.push([instance, attempt]);
    lead.end();
    stage.pass(1_000);
  }
  assertEquals(joins, [[2 ** 50, 1], [2 ** 50, 2], [2 ** 50, 3]]);
});

Deno.test("a synchronised follower answers GETs after a refusal that passes", pure, () => {
  for (const code of ["UNAVAILABLE", "OVERLOADED", "BAD_MESSAGE", "TOO_LARGE"] as const) {
    const { stage, lead, client: someone } = openFollower();
    lead.say(Replication.of("a", "1", 1));
    const again = reconnect(stage, lead);
    again.say(new ErrorReply(code, "later"));
    someone.say(new Get(1, "a", 0));
    stage.pass(60_000);
    someone.say(new Get(2, "a", 1), new Get(3, "a", 2), new Get(4, "b", 0));
    assertEquals(someone.heard(), [
      "GET_OK #1 a=1 @1",
      "GET_OK #2 a=1 @1",
      "TRY_OTHER_SERVER_OR_LATER #3 a @1",
      "GET_OK #4 b=NULL @0",
    ], code);
    assert(!again.open);
  }
});

Deno.test("a FORBIDDEN on a connection that has joined does not stop GETs", pure, () => {
  const { lead, client: someone } = openFollower();
  lead.say(Replication.of("a", "1", 1), new ErrorReply("FORBIDDEN", "SNAPSHOT is not for me"));
  assert(!lead.open);
  someone.say(new Get(1, "a", 1));
  assertEquals(someone.heard(), ["GET_OK #1 a=1 @1"]);
});

Deno.test("a FORBIDDEN that does not refuse the data does not stop GETs", pure, () => {
  const reasons = [
    `${leader} is not the leader, ${follower2} is`,
    "a server joins only with the secret and, with TLS, with a certificate",
    "the cluster has its 3 servers already, see --cluster-size",
    `${follower1} has joined already`,
    "this server speaks TLS, and this connection does not",
    "no",
  ];
  const { stage, lead, client: someone } = openFollower();
  lead.say(Replication.of("a", "1", 1));
  let again = lead;
  for (const [id, reason] of reasons.entries()) {
    again = reconnect(stage, again);
    again.say(new ErrorReply("FORBIDDEN", reason));
    assert(!again.open, reason);
    someone.say(new Get(id, "a", 1));
    assertEquals(someone.heard(), [`GET_OK #${id} a=1 @1`], reason);
    assertStringIncludes(stage.reports.at(-1)!, reason);
  }
  assertEquals(stage.reports.filter((line) => line.startsWith("GETs are refused")), []);
  stage.dialFailed("that server is gone too");
});

Deno.test("a follower that reaches another follower goes on answering GETs", pure, () => {
  const { stage, lead, client: someone } = openFollower();
  lead.say(Replication.of("a", "1", 1));
  const again = reconnect(stage, lead);
  const other = new Stage(follower2).connect("10.0.0.2:40001");
  other.sayLine(again.heardFrames()[0]!.trim());
  const [answer] = other.heardFrames();
  assertStringIncludes(answer!, "is not the leader");
  again.sayLine(answer!.trim());
  someone.say(new Get(1, "a", 1));
  assertEquals(someone.heard(), ["GET_OK #1 a=1 @1"]);
});

Deno.test(
  "a follower whose data was refused answers no GET until a leader takes it",
  pure,
  () => {
    const { stage, lead, client: someone } = openFollower();
    lead.say(Replication.of("a", "1", 1));
    let again = lead;
    const asked = (id: number) => {
      someone.say(new Get(id, "a", 0));
      return someone.heard();
    };
    const refusals = ["FORBIDDEN", "UNAVAILABLE", "OVERLOADED"] as const;
    for (const [id, code] of refusals.entries()) {
      again = reconnect(stage, again);
      again.say(new ErrorReply(code, `${follower1} holds timestamp 1, which is not known`));
      assertEquals(asked(id), [`TRY_OTHER_SERVER_OR_LATER #${id} a @1`], code);
    }
    const refused = stage.reports.filter((line) => line.startsWith("GETs are refused"));
    assertEquals(refused.length, 1);
    again = reconnect(stage, again);
    again.say(new JoinOk());
    assertEquals(asked(9), ["GET_OK #9 a=1 @1"]);
  },
);

Deno.test(
  "pauses between dials double up to the longest and start again after a JOIN_OK",
  pure,
  () => {
    const stage = new Stage(follower1, { redialFirstMs: 100, redialLongestMs: 800 });
    stage.random = 1;
    const pauses = () => {
      const measured: number[] = [];
      for (let n = 0; n < 6; n++) {
        const since = stage.now;
        stage.dialFailed("refused");
        const dials = stage.dials.length;
        while (stage.dials.length === dials) stage.pass(50);
        measured.push(stage.now - since);
      }
      return measured;
    };
    stage.jump(0);
    assertEquals(pauses(), [100, 200, 400, 800, 800, 800]);
    const lead = stage.dialled();
    lead.say(new JoinOk());
    lead.end();
    stage.pass(100);
    // The first pause was the one after the loss.
    assertEquals(pauses(), [200, 400, 800, 800, 800, 800]);
  },
);

Deno.test("a connection without a JOIN_OK does not reset the pauses between dials", pure, () => {
  const stage = new Stage(follower1, { redialFirstMs: 100, redialLongestMs: 800 });
  stage.random = 1;
  stage.jump(0);
  for (let n = 0; n < 4; n++) {
    const lead = stage.dialled();
    lead.end();
    while (stage.dials.length === n + 1) stage.pass(50);
  }
  assertEquals(stage.dials, [0, 100, 300, 700, 1_500]);
});

Deno.test("a pause is random, between half and all of its length", pure, () => {
  const at = (random: number) => {
    const stage = new Stage(follower1, { redialFirstMs: 400 });
    stage.random = random;
    stage.jump(0);
    stage.dialFailed("refused");
    stage.pass(500);
    return stage.dials[1];
  };
  assertEquals([at(0), at(0.5), at(1)], [200, 300, 400]);
});

Deno.test("a follower dials once at a time", pure, () => {
  const stage = new Stage(follower1);
  stage.pass(60_000);
  assertEquals(stage.dials.length, 1);
});

Deno.test("the result of a dial that is not under way is dropped", pure, () => {
  const { stage, lead } = openFollower({ redialFirstMs: 100 });
  stage.random = 1;
  const late = stage.dialled();
  assert(!late.open);
  assertEquals(late.heard(), []);
  stage.dialFailed("refused");
  stage.pass(10_000, lead);
  assertEquals(stage.dials, [0]);
  lead.say(Replication.of("a", "1", 1));
  assertEquals(lead.heard(), ["REPLICATION_OK @1"]);
  lead.end();
  stage.pass(100);
  assertEquals(stage.dials, [0, 10_100], "the late failure made no pause longer");
});

Deno.test(
  "a leader that cannot be reached is reported once, and again if the reason changes",
  pure,
  () => {
    const { stage, lead } = openFollower();
    lead.end();
    const before = stage.reports.length;
    for (const reason of ["refused", "refused", "no TLS", "no TLS"]) {
      stage.pass(2_000);
      stage.dialFailed(reason);
    }
    const reports = stage.reports.slice(before);
    const trying = "cannot reach the leader 10.0.0.1:10097, trying again";
    assertEquals(reports, [`${trying}: refused`, `${trying}: no TLS`]);
  },
);

Deno.test("a leader that is silent past the limit is given up and dialled again", pure, () => {
  const { stage, lead, client: someone } = openFollower({ silenceMs: 2_000 });
  someone.say(new Put(1, "a", "1"));
  stage.pass(2_000);
  assert(lead.open);
  stage.pass(50);
  assert(!lead.open);
  assertEquals(someone.heard(), ["ERROR #1 UNKNOWN_OUTCOME"]);
  stage.pass(1_000);
  assertEquals(stage.dials.length, 2);
});

Deno.test(
  "a leader that accepts the connection and never answers the JOIN is given up",
  pure,
  () => {
    const stage = new Stage(follower1, { silenceMs: 2_000 });
    stage.jump(0);
    const lead = stage.dialled();
    stage.pass(2_100);
    assert(!lead.open);
  },
);

Deno.test("a follower that stood still does not drop its leader for the silence", pure, () => {
  const { stage, lead } = openFollower({ silenceMs: 2_000 });
  stage.jump(60_000);
  assert(lead.open);
  stage.pass(2_000);
  assert(lead.open, "the limit counts from the end of the pause");
  stage.pass(100);
  assert(!lead.open);
});

Deno.test("a follower sends heartbeats to its leader", pure, () => {
  const { stage, lead } = openFollower({ heartbeatMs: 500 });
  stage.pass(5_000, lead);
  assertEquals(lead.heartbeats, 10);
});
