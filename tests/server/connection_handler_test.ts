/** The handler of a connection, with a real leader or follower behind it and no socket. */

import { assert, assertEquals } from "@std/assert";
import { Secret } from "../../lib/auth/secret.ts";
import { ErrorReply, Get, Mensagem, Put, Status, StatusOk } from "../../lib/mensagem.ts";
import { turnCharsMax } from "../../lib/net/turn_budget.ts";
import {
  ack,
  client,
  follower1,
  follower2,
  leader,
  openLeaderWith,
  processStatus,
  pure,
  Stage,
} from "../support/core_fixture.ts";

Deno.test("a GET is answered by the rule, and printed with both timestamps", pure, () => {
  const { stage, client: someone } = openLeaderWith(2);
  someone.say(new Get(1, "k2", 0), new Get(2, "k2", 2), new Get(3, "k2", 3));
  someone.say(new Get(4, "no", 0), new Get(5, "no", 3));
  assertEquals(someone.heard(), [
    "GET_OK #1 k2=2 @2",
    "GET_OK #2 k2=2 @2",
    "TRY_OTHER_SERVER_OR_LATER #3 k2 @2",
    "GET_OK #4 no=NULL @0",
    "TRY_OTHER_SERVER_OR_LATER #5 no @0",
  ]);
  assertEquals(stage.printed(), [
    `${client} GET k2 seen @0, own @2: 2`,
    `${client} GET k2 seen @2, own @2: 2`,
    `${client} GET k2 seen @3, own @2: TRY_OTHER`,
    `${client} GET no seen @0, own @0: NULL`,
    `${client} GET no seen @3, own @0: TRY_OTHER`,
  ]);
});

Deno.test("STATUS shows a leader's followers, its table and its process", pure, () => {
  const { stage, f1, f2, client: someone } = openLeaderWith(2);
  f1.say(ack(2));
  someone.say(new Put(1, "k1", "new"));
  f2.say(ack(3));
  f1.end();
  stage.join("10.0.0.4:10097");
  someone.heard();
  someone.say(new Status(9));
  assertEquals(someone.heardFrames().map((frame) => Mensagem.decode(frame)), [
    new StatusOk(9, {
      server: leader,
      leader,
      cluster: "new1",
      timestamp: 3,
      inSync: [leader, follower2],
      followers: [
        { server: follower2, timestamp: 3, inSync: true },
        { server: "10.0.0.4:10097", timestamp: 0, inSync: false },
      ],
      keys: 2,
      ...processStatus,
    }),
  ]);
});

Deno.test("STATUS of a follower that has not reached its leader", pure, () => {
  const someone = new Stage(follower1).connect(client);
  someone.say(new Status(9));
  assertEquals(someone.heardFrames().map((frame) => Mensagem.decode(frame)), [
    new StatusOk(9, {
      server: follower1,
      leader,
      cluster: "",
      timestamp: 0,
      inSync: [],
      followers: [],
      keys: 0,
      cutOffMs: 0,
      ...processStatus,
    }),
  ]);
});

Deno.test(
  "a message with a wrong field is an error with its id, and the connection goes on",
  pure,
  () => {
    const { client: someone, stage } = openLeaderWith(1);
    someone.sayLine(
      `{"type":"PUT","id":4,"key":"a"}`,
      `{"type":"PUT","id":5,"key":"","value":"x"}`,
      `{"type":"PUT","id":6,"key":"a","value":"${"x".repeat(1024 * 1024 + 1)}"}`,
      `{"type":"DELETE","id":7,"key":"a"}`,
      `{"type":"GET","id":-1,"key":"a","timestamp":0}`,
      `{"type":"GET","id":8,"key":"k1","timestamp":0,"extra":true}`,
    );
    assertEquals(someone.heard(), [
      "ERROR #4 BAD_MESSAGE",
      "ERROR #5 BAD_MESSAGE",
      "ERROR #6 TOO_LARGE",
      "ERROR #7 BAD_MESSAGE",
      "ERROR BAD_MESSAGE",
      "GET_OK #8 k1=1 @1",
    ]);
    assert(someone.open);
    assertEquals(stage.table, ["k1=1@1"]);
  },
);

Deno.test("a line that is not an object ends the connection after one ERROR", pure, () => {
  for (const line of ["", "POST / HTTP/1.1", "[]", "null", `"PUT"`, "{"]) {
    const { client: someone } = openLeaderWith(1);
    someone.sayLine(line);
    assertEquals(someone.heard(), ["ERROR BAD_MESSAGE"], line);
    assert(!someone.open, line);
  }
});

Deno.test(
  "an ERROR is answered with an ERROR to a client, and not at all between servers",
  pure,
  () => {
    const errors = [new ErrorReply("FORBIDDEN", "no"), new ErrorReply("UNAVAILABLE", "no", 3)];
    const { f1, client: someone } = openLeaderWith(1);
    f1.say(...errors);
    assertEquals(f1.heard(), []);
    assert(f1.open);
    for (const link of [someone, new Stage(follower1).connect(client)]) {
      link.say(...errors);
      assertEquals(link.heard(), ["ERROR FORBIDDEN", "ERROR #3 FORBIDDEN"]);
      assert(link.open);
    }
  },
);

Deno.test(
  "each request of a client that has not proved the password is refused",
  pure,
  async () => {
    const { stage } = openLeaderWith(1);
    stage.secrets = { client: await Secret.from("password") };
    const stranger = stage.connect(client);
    stranger.say(new Get(1, "k1", 0), new Put(2, "k1", "x"));
    assertEquals(stranger.heard(), ["ERROR #1 FORBIDDEN", "ERROR #2 FORBIDDEN"]);
    assertEquals(stage.table, ["k1=1@1"]);
    assertEquals(stage.printed(), []);
  },
);

Deno.test("a reply without a request is forbidden, with its id", pure, () => {
  const { client: someone } = openLeaderWith(1);
  someone.sayLine(`{"type":"PUT_OK","id":3,"key":"a","timestamp":1}`);
  someone.sayLine(`{"type":"GET_OK","id":4,"key":"a","value":null,"timestamp":1}`);
  assertEquals(someone.heard(), ["ERROR #3 FORBIDDEN", "ERROR #4 FORBIDDEN"]);
});

Deno.test(
  "what only servers send is refused to a client by its type, whatever its fields",
  pure,
  () => {
    const { client: someone } = openLeaderWith(1);
    for (
      const type of [
        ...["PUT_OK", "GET_OK", "TRY_OTHER_SERVER_OR_LATER", "REPLICATION", "REPLICATION_OK"],
        ...["JOIN_OK", "SYNC", "SNAPSHOT_REQUEST", "SNAPSHOT", "SNAPSHOT_OK", "HEARTBEAT"],
        ...["WRITE_OK", "CONFLICT", "LIST_OK", "CHANGES", "STATUS_OK", "EVENTS", "FAULT_OK"],
      ]
    ) {
      someone.sayLine(`{"type":"${type}","id":3,"key":7,"entries":[1],"events":{},"inSync":0}`);
      assertEquals(someone.heard(), ["ERROR #3 FORBIDDEN"], type);
    }
  },
);

Deno.test("a server that has joined may send no LIST, WATCH or UNWATCH", pure, () => {
  const { f1 } = openLeaderWith(1);
  f1.sayLine(`{"type":"LIST","id":1,"prefix":""}`);
  f1.sayLine(`{"type":"WATCH","id":2,"prefix":"","after":0}`);
  f1.sayLine(`{"type":"UNWATCH","id":2}`);
  assertEquals(f1.heard(), ["ERROR #1 FORBIDDEN", "ERROR #2 FORBIDDEN", "ERROR #2 FORBIDDEN"]);
  assert(f1.open);
});

Deno.test(
  "one turn takes few messages that cost more than their text, and any number of others",
  pure,
  () => {
    const few = turnCharsMax / 32;
    const hello = `{"type":"HELLO","role":"server","nonce":"${"0".repeat(32)}"}`;
    const lines: readonly (readonly [string, number])[] = [
      [`{"type":"GET","id":1,"key":"a","timestamp":0}`, 0],
      [`{"type":"PUT","id":1,"key":"a","value":"b"}`, 0],
      [`{"type":"WATCH","id":1,"prefix":"a","after":0}`, few],
      [`{"type":"STATUS","id":1}`, few],
      [`{"type":"OBSERVE","id":1}`, few],
      [`{"type":"FAULT","id":1,"server":"${follower1}","action":"hold"}`, few],
      [hello, few],
      [`{"type":"PROOF","proof":"${"0".repeat(64)}"}`, few],
      [`{"type":"REPLICATION","key":"a","value":"b","timestamp":9}`, few],
      [`{"type":"JOIN","server":"${follower1}","cluster":"","timestamp":0}`, few],
      [`{"type":"ERROR","code":"FORBIDDEN","message":"no"}`, few],
      [`{"type":"GET","id":1,"key":7,"timestamp":0}`, few],
    ];
    for (const [line, least] of lines) {
      const { client: someone } = openLeaderWith(1);
      someone.sayLine(line);
      assert(least === 0 ? someone.spent === 0 : someone.spent >= least, line);
    }
  },
);
