import {
  assertEquals,
  assertInstanceOf,
  assertLessOrEqual,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { frameBytesMax, keyBytesMax, valueBytesMax } from "../lib/limits.ts";
import {
  type AnyMensagem,
  Challenge,
  checkKey,
  checkValue,
  errorCodes,
  ErrorReply,
  Events,
  Fault,
  faultActions,
  FaultOk,
  FrameError,
  Get,
  GetOk,
  Heartbeat,
  Hello,
  Join,
  JoinOk,
  Mensagem,
  MensagemError,
  Observe,
  Proof,
  ProofOk,
  Put,
  PutOk,
  Replication,
  ReplicationOk,
  type ServerEvent,
  Snapshot,
  SnapshotOk,
  SnapshotRequest,
  Status,
  StatusOk,
  Sync,
  TryOther,
} from "../lib/mensagem.ts";
import { eventsPerFrameMax } from "../lib/wire/events.ts";
import { errorMessageCharsMax, snapshotEntriesMax } from "../lib/wire/parse.ts";
import { frameTokensMax } from "../lib/wire/tokens.ts";
import { serversMax } from "../lib/wire/validate.ts";
import { type Random, seeded } from "./support/random.ts";
import { textOfValue, type Value } from "../lib/wire/long_value.ts";

const pure = { permissions: "none" } as const;

type Type = AnyMensagem["type"];
type Of<T extends Type> = Extract<AnyMensagem, { type: T }>;

const counts = { puts: 1, putOks: 2, gets: 3, refused: 4, replications: 5 };
// deno-fmt-ignore: one line per example
const events: readonly (readonly [ServerEvent, json: string])[] = [
  [{ kind: "table", at: 1, key: "k", value: "", timestamp: 2 }, `{"kind":"table","at":1,"key":"k","value":"","timestamp":2}`],
  [{ kind: "put", at: 1, client: "[::1]:9", key: "k", value: "v" }, `{"kind":"put","at":1,"client":"[::1]:9","key":"k","value":"v"}`],
  [{ kind: "forwarding", at: 1, key: "k", value: "v" }, `{"kind":"forwarding","at":1,"key":"k","value":"v"}`],
  [{ kind: "written", at: 1, key: "k", value: "v", timestamp: 2 }, `{"kind":"written","at":1,"key":"k","value":"v","timestamp":2}`],
  [{ kind: "replication", at: 1, key: "k", value: "v", timestamp: 2 }, `{"kind":"replication","at":1,"key":"k","value":"v","timestamp":2}`],
  [{ kind: "acknowledged", at: 1, follower: "127.0.0.1:2", timestamp: 2 }, `{"kind":"acknowledged","at":1,"follower":"127.0.0.1:2","timestamp":2}`],
  [{ kind: "put_ok", at: 1, client: "127.0.0.1:9", key: "k", timestamp: 2, ms: 0.25 }, `{"kind":"put_ok","at":1,"client":"127.0.0.1:9","key":"k","timestamp":2,"ms":0.25}`],
  [{ kind: "get", at: 1, client: "127.0.0.1:9", key: "k", seen: 2, own: 3, value: null }, `{"kind":"get","at":1,"client":"127.0.0.1:9","key":"k","seen":2,"own":3,"value":null}`],
  [{ kind: "get", at: 1, client: "127.0.0.1:9", key: "k", seen: 2, own: 1, refused: true }, `{"kind":"get","at":1,"client":"127.0.0.1:9","key":"k","seen":2,"own":1,"refused":true}`],
  [{ kind: "members", at: 1, joined: ["127.0.0.1:2"], inSync: [], open: false }, `{"kind":"members","at":1,"joined":["127.0.0.1:2"],"inSync":[],"open":false}`],
  [{ kind: "fault", at: 1, follower: "127.0.0.1:2", action: "pause" }, `{"kind":"fault","at":1,"follower":"127.0.0.1:2","action":"pause"}`],
  [{ kind: "fault", at: 1, follower: "127.0.0.1:2", action: "delay", delayMs: 5 }, `{"kind":"fault","at":1,"follower":"127.0.0.1:2","action":"delay","delayMs":5}`],
];

// deno-fmt-ignore: one line per example
const golden: { readonly [T in Type]: readonly (readonly [Of<T>, line: string])[] } = {
  PUT: [
    [new Put(7, "cor", "azul"), `{"type":"PUT","id":7,"key":"cor","value":"azul"}`],
    [new Put(0, "k", "", "10.0.0.7:50123"), `{"type":"PUT","id":0,"key":"k","value":"","client":"10.0.0.7:50123"}`],
    [new Put(1, "k", "v", "[2001:db8::1]:1"), `{"type":"PUT","id":1,"key":"k","value":"v","client":"[2001:db8::1]:1"}`],
  ],
  PUT_OK: [
    [new PutOk(7, "cor", 12), `{"type":"PUT_OK","id":7,"key":"cor","timestamp":12}`],
    [new PutOk(2 ** 53 - 1, "a\"\\\n", 2 ** 53 - 1), `{"type":"PUT_OK","id":9007199254740991,"key":"a\\"\\\\\\n","timestamp":9007199254740991}`],
  ],
  GET: [[new Get(7, "cor", 0), `{"type":"GET","id":7,"key":"cor","timestamp":0}`]],
  GET_OK: [
    [new GetOk(7, "cor", "azul", 12), `{"type":"GET_OK","id":7,"key":"cor","value":"azul","timestamp":12}`],
    [new GetOk(7, "cor", null, 0), `{"type":"GET_OK","id":7,"key":"cor","value":null,"timestamp":0}`],
    [new GetOk(7, "cor", "null", 1), `{"type":"GET_OK","id":7,"key":"cor","value":"null","timestamp":1}`],
  ],
  TRY_OTHER_SERVER_OR_LATER: [
    [new TryOther(7, "cor", 11), `{"type":"TRY_OTHER_SERVER_OR_LATER","id":7,"key":"cor","timestamp":11}`],
  ],
  REPLICATION: [
    [Replication.of("cor", "azul", 12), `{"type":"REPLICATION","key":"cor","value":"azul","timestamp":12}`],
    [Replication.of("é😀", "\"\\\r\n\t\0\x1b\x7f\u2028", 3), `{"type":"REPLICATION","key":"é😀","value":"\\"\\\\\\r\\n\\t\\u0000\\u001b\x7f\u2028","timestamp":3}`],
  ],
  REPLICATION_OK: [[new ReplicationOk(12), `{"type":"REPLICATION_OK","timestamp":12}`]],
  JOIN: [
    [new Join("127.0.0.1:10098", "", 0), `{"type":"JOIN","server":"127.0.0.1:10098","cluster":"","timestamp":0}`],
    [new Join("[::1]:10098", "a-B_9", 12), `{"type":"JOIN","server":"[::1]:10098","cluster":"a-B_9","timestamp":12}`],
    [new Join("127.0.0.1:1", "c", 3, 9), `{"type":"JOIN","server":"127.0.0.1:1","cluster":"c","timestamp":3,"highest":9}`],
    [new Join("127.0.0.1:1", "c", 3, undefined, 7, 2), `{"type":"JOIN","server":"127.0.0.1:1","cluster":"c","timestamp":3,"instance":7,"attempt":2}`],
  ],
  JOIN_OK: [[new JoinOk(), `{"type":"JOIN_OK"}`]],
  SYNC: [[new Sync("a-B_9", 12, 15), `{"type":"SYNC","cluster":"a-B_9","timestamp":12,"latest":15}`]],
  SNAPSHOT_REQUEST: [[new SnapshotRequest(), `{"type":"SNAPSHOT_REQUEST"}`]],
  SNAPSHOT: [
    [new Snapshot([], true), `{"type":"SNAPSHOT","entries":[],"last":true}`],
    [new Snapshot([["cor", "azul", 12], ["__proto__", "", 3]], false), `{"type":"SNAPSHOT","entries":[["cor","azul",12],["__proto__","",3]],"last":false}`],
    [new Snapshot([], false, true), `{"type":"SNAPSHOT","entries":[],"last":false,"replace":true}`],
  ],
  HELLO: [
    [new Hello("server", "0f".repeat(16)), `{"type":"HELLO","role":"server","nonce":"${"0f".repeat(16)}"}`],
    [new Hello("client", "0f".repeat(16), "kv1.example:10097", "[::1]:10097"), `{"type":"HELLO","role":"client","nonce":"${"0f".repeat(16)}","server":"kv1.example:10097","peer":"[::1]:10097"}`],
    [new Hello("client", "0f".repeat(16), "kv1.example:10097", "10.0.0.1:10097", true), `{"type":"HELLO","role":"client","nonce":"${"0f".repeat(16)}","server":"kv1.example:10097","peer":"10.0.0.1:10097","tls":true}`],
  ],
  CHALLENGE: [
    [new Challenge("0f".repeat(16), "1e".repeat(32)), `{"type":"CHALLENGE","nonce":"${"0f".repeat(16)}","proof":"${"1e".repeat(32)}"}`],
    [new Challenge("0f".repeat(16), "1e".repeat(32), 2), `{"type":"CHALLENGE","nonce":"${"0f".repeat(16)}","proof":"${"1e".repeat(32)}","proofVersion":2}`],
  ],
  PROOF: [[new Proof("1e".repeat(32)), `{"type":"PROOF","proof":"${"1e".repeat(32)}"}`]],
  PROOF_OK: [[new ProofOk(), `{"type":"PROOF_OK"}`]],
  STATUS: [[new Status(7), `{"type":"STATUS","id":7}`]],
  STATUS_OK: [[
    new StatusOk(7, {
      server: "127.0.0.1:1", leader: "127.0.0.1:2", cluster: "c", timestamp: 12, inSync: ["127.0.0.1:2"],
      followers: [{ server: "127.0.0.1:3", timestamp: 11, inSync: true }],
      keys: 1, connections: 2, uptimeMs: 3, memoryBytes: 4, faults: true,
    }),
    `{"type":"STATUS_OK","id":7,"server":"127.0.0.1:1","leader":"127.0.0.1:2","cluster":"c","timestamp":12,"inSync":["127.0.0.1:2"],"followers":[{"server":"127.0.0.1:3","timestamp":11,"inSync":true}],"keys":1,"connections":2,"uptimeMs":3,"memoryBytes":4,"faults":true}`,
  ], [
    new StatusOk(7, {
      server: "127.0.0.1:1", leader: "127.0.0.1:1", cluster: "", timestamp: 0, inSync: [], followers: [],
      keys: 1, connections: 2, uptimeMs: 3, memoryBytes: 4, faults: false, version: "1.2.3-rc.1+a",
    }),
    `{"type":"STATUS_OK","id":7,"server":"127.0.0.1:1","leader":"127.0.0.1:1","cluster":"","timestamp":0,"inSync":[],"followers":[],"keys":1,"connections":2,"uptimeMs":3,"memoryBytes":4,"faults":false,"version":"1.2.3-rc.1+a"}`,
  ]],
  OBSERVE: [[new Observe(7), `{"type":"OBSERVE","id":7}`]],
  EVENTS: [
    [new Events(7, "127.0.0.1:1", 1_700_000_000_000, 3, counts, []), `{"type":"EVENTS","id":7,"server":"127.0.0.1:1","at":1700000000000,"missed":3,"counts":{"puts":1,"putOks":2,"gets":3,"refused":4,"replications":5},"events":[]}`],
    [new Events(7, "127.0.0.1:1", 1, 0, counts, events.map(([event]) => event)), `{"type":"EVENTS","id":7,"server":"127.0.0.1:1","at":1,"missed":0,"counts":{"puts":1,"putOks":2,"gets":3,"refused":4,"replications":5},"events":[${events.map(([, json]) => json)}]}`],
  ],
  FAULT: [
    [new Fault(7, "127.0.0.1:2", "pause"), `{"type":"FAULT","id":7,"follower":"127.0.0.1:2","action":"pause"}`],
    [new Fault(7, "127.0.0.1:2", "delay", 250), `{"type":"FAULT","id":7,"follower":"127.0.0.1:2","action":"delay","delayMs":250}`],
    [new Fault(7, "127.0.0.1:2", "resume"), `{"type":"FAULT","id":7,"follower":"127.0.0.1:2","action":"resume"}`],
  ],
  FAULT_OK: [[new FaultOk(7), `{"type":"FAULT_OK","id":7}`]],
  SNAPSHOT_OK: [[new SnapshotOk(), `{"type":"SNAPSHOT_OK"}`]],
  HEARTBEAT: [[new Heartbeat(), `{"type":"HEARTBEAT"}`]],
  ERROR: [
    [new ErrorReply("BAD_MESSAGE", "because"), `{"type":"ERROR","code":"BAD_MESSAGE","message":"because"}`],
    [new ErrorReply("UNKNOWN_OUTCOME", "", 7), `{"type":"ERROR","code":"UNKNOWN_OUTCOME","message":"","id":7}`],
  ],
};
const allGolden = Object.values(golden).flat() as (readonly [AnyMensagem, string])[];

// Encoding and decoding

for (const [type, examples] of Object.entries(golden)) {
  Deno.test(`${type} is encoded to this line and decoded from it`, pure, () => {
    for (const [message, line] of examples) {
      assertStrictEquals(message.encode(), `${line}\n`);
      const decoded = Mensagem.decode(line);
      assertEquals(decoded, message);
      assertStrictEquals(decoded.constructor, message.constructor);
      assertInstanceOf(decoded, Mensagem);
    }
  });
}

/** By type: makes a random message. */
const draw: { readonly [T in Type]: (random: Random) => Of<T> } = {
  PUT: (r) => new Put(integer(r), key(r), value(r), r.chance(0.5) ? address(r) : undefined),
  PUT_OK: (r) => new PutOk(integer(r), key(r), integer(r)),
  GET: (r) => new Get(integer(r), key(r), integer(r)),
  GET_OK: (r) => new GetOk(integer(r), key(r), r.chance(0.2) ? null : value(r), integer(r)),
  TRY_OTHER_SERVER_OR_LATER: (r) => new TryOther(integer(r), key(r), integer(r)),
  REPLICATION: (r) => Replication.of(key(r), value(r), integer(r)),
  REPLICATION_OK: (r) => new ReplicationOk(integer(r)),
  JOIN: (r) => {
    const [highest, instance, attempt] = [0, 1, 2].map(() =>
      r.chance(0.5) ? integer(r) : undefined
    );
    return new Join(server(r), cluster(r), integer(r), highest, instance, attempt);
  },
  HELLO: (r) =>
    r.chance(0.5) ? new Hello(r.pick(["server", "client"]), hex(r, 32)) : new Hello(
      r.pick(["server", "client"]),
      hex(r, 32),
      server(r),
      address(r),
      r.pick([true, undefined]),
    ),
  CHALLENGE: (r) => new Challenge(hex(r, 32), hex(r, 64), r.chance(0.5) ? integer(r) : undefined),
  PROOF: (r) => new Proof(hex(r, 64)),
  PROOF_OK: () => new ProofOk(),
  STATUS: (r) => new Status(integer(r)),
  STATUS_OK: (r) =>
    new StatusOk(integer(r), {
      server: server(r),
      leader: server(r),
      cluster: cluster(r),
      timestamp: integer(r),
      inSync: servers(r),
      followers: Array.from({ length: r.below(3) }, () => ({
        server: server(r),
        timestamp: integer(r),
        inSync: r.chance(0.5),
      })),
      keys: integer(r),
      connections: integer(r),
      uptimeMs: integer(r),
      memoryBytes: integer(r),
      faults: r.chance(0.5),
      ...(r.chance(0.5) ? {} : { version: "0.1.0" }),
    }),
  OBSERVE: (r) => new Observe(integer(r)),
  EVENTS: (r) =>
    new Events(
      integer(r),
      server(r),
      integer(r),
      integer(r),
      { ...counts, gets: integer(r) },
      Array.from({ length: r.below(4) }, () => r.pick(events)[0]),
    ),
  FAULT: (r) =>
    new Fault(integer(r), server(r), r.pick(faultActions), r.chance(0.5) ? integer(r) : undefined),
  FAULT_OK: (r) => new FaultOk(integer(r)),
  JOIN_OK: () => new JoinOk(),
  SYNC: (r) => new Sync(cluster(r), integer(r), integer(r)),
  SNAPSHOT_REQUEST: () => new SnapshotRequest(),
  SNAPSHOT: (r) =>
    new Snapshot(
      Array.from({ length: r.below(5) }, () => [key(r), value(r), integer(r)]),
      r.chance(0.5),
      r.chance(0.5) ? r.chance(0.5) : undefined,
    ),
  SNAPSHOT_OK: () => new SnapshotOk(),
  HEARTBEAT: () => new Heartbeat(),
  ERROR: (r) =>
    new ErrorReply(r.pick(errorCodes), value(r), r.chance(0.5) ? integer(r) : undefined),
};

const hex = (r: Random, digits: number) =>
  Array.from({ length: digits }, () => r.pick([..."0123456789abcdef"])).join("");
const integer = (r: Random) => r.pick([0, 1, r.below(1_000), 2 ** 32 + 1, 2 ** 53 - 1]);
const key = (r: Random) => r.text(r.between(1, 6));
const value = (r: Random) => r.text(r.below(12));
const longestServer = `${"a23456789.".repeat(25)}abc:10097`;
const address = (r: Random) => r.pick(["127.0.0.1:1", "255.255.255.255:65535", "[::1]:10097"]);
const server = (r: Random) => r.chance(0.3) ? r.pick(["kv-0:1", longestServer]) : address(r);
const servers = (r: Random) => Array.from({ length: r.below(4) }, () => server(r));
const cluster = (r: Random) => r.pick(["", "x", "0b4f-A_z", "y".repeat(64)]);

Deno.test("a server's name is decoded in its canonical spelling", () => {
  const joined = Mensagem.decode(
    `{"type":"JOIN","server":"KV-0.kv.:10097","cluster":"","timestamp":0}`,
  );
  assertEquals(joined, new Join("kv-0.kv:10097", "", 0));
});

Deno.test(
  "10,000 random messages are decoded from the one line that encode gives",
  pure,
  seeded((random) => {
    for (let n = 0; n < 400; n++) {
      for (const make of Object.values(draw)) {
        const message = make(random);
        const frame = message.encode();
        assertStrictEquals(frame.indexOf("\n"), frame.length - 1);
        assertEquals(Mensagem.decode(frame.slice(0, -1)), message);
        assertEquals(Mensagem.decode(frame.replace("\n", "\r")), message);
      }
    }
  }),
);

Deno.test("unknown fields are ignored", pure, () => {
  const extra = `"extra":1,"entrie":[],"client2":{},"__proto__":{"id":"x"},"constructor":null`;
  for (const [message, line] of allGolden) {
    assertEquals(Mensagem.decode(line.replace("{", `{${extra},`)), message);
  }
  const withFieldsOfOthers = `{"id":1,"key":"k","value":"v","timestamp":-1,"last":3,"type":"PUT"}`;
  assertEquals(Mensagem.decode(withFieldsOfOthers), new Put(1, "k", "v"));
});

Deno.test("fields are read from the object itself, not from its prototype", pure, () => {
  assertBad(`{"__proto__":{"type":"GET","id":1,"key":"k","timestamp":0}}`);
  assertBad(`{"type":"GET","__proto__":{"id":1,"key":"k","timestamp":0}}`);
  const polluted = Mensagem.decode(`{"type":"HEARTBEAT","__proto__":{"polluted":1}}`);
  assertStrictEquals("polluted" in polluted, false);
});

// Errors, and the id in them

function assertBad(line: string, id?: number): void {
  const error = assertThrows(() => Mensagem.decode(line), MensagemError, undefined, line);
  assertStrictEquals(error.name, "MensagemError");
  assertStrictEquals(error.code, "BAD_MESSAGE", line);
  assertStrictEquals(error.id, id, line);
}

// deno-fmt-ignore
const unknownTypes = [
  `"NOPE"`, `"put"`, `"PUT "`, `""`, `"toString"`, `"constructor"`, `"__proto__"`, `null`, `1`, `true`, `[]`, `["PUT"]`, `{}`,
];

Deno.test("an unknown or missing type is a BAD_MESSAGE, with the id if there is one", pure, () => {
  assertBad(`{}`);
  assertBad(`{"id":4}`, 4);
  for (const type of unknownTypes) {
    assertBad(`{"type":${type}}`);
    assertBad(`{"type":${type},"id":4,"key":"k"}`, 4);
    assertBad(`{"type":${type},"id":"4"}`);
  }
});

/** JSON that is wrong for a field, by the field's name. */
// deno-fmt-ignore
const wrong: Readonly<Record<string, readonly string[]>> = {
  id: ["-1", "1.5", "9007199254740992", "1e999", "-1e-9", `"1"`, `""`, "null", "true", "[]", "[1]", "{}"],
  timestamp: ["-1", "1.5", "9007199254740992", "1e999", `"1"`, "null", "false", "[0]", "{}"],
  latest: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  key: [`""`, "1", "null", "true", "[]", `["k"]`, "{}", `"\\ud800"`, `"a\\udc00"`, `"\\ude00\\ud83d"`],
  value: ["1", "true", "[]", `["v"]`, "{}", `"\\ud800"`, `"a\\udc00"`, `"\\ude00\\ud83d"`],
  client: ["1", "null", `""`, `"x"`, `"kv-0:1"`, `"127.0.0.1"`, `"127.0.0.1:"`, `"127.0.0.1:0"`, `"127.0.0.1:65536"`,
    `"::1:80"`, `"127.0.0.1:80\\n"`, `"[::\\n1]:80"`, `"[::1]/\\nforged line[]:80"`, `["127.0.0.1:80"]`],
  server: ["1", "null", `""`, `"x"`, `"a..b:1"`, `"a\\n:1"`, `"kv-0"`, `"1.2.3:1"`, `"a${longestServer}"`, `"127.0.0.1"`, `"127.0.0.1:0"`, `"127.0.0.1:99999"`, `"[::\\t1]:80"`, "{}"],
  cluster: ["1", "null", `"a b"`, `"a\\n"`, `"é"`, `"a.b"`, `"${"x".repeat(65)}"`, "[]"],
  entries: ["1", "null", "{}", `"x"`, "[1]", "[null]", "[[]]", `[["k","v"]]`, `[["k","v",1,1]]`, `[["","v",1]]`,
    `[[1,"v",1]]`, `[["k",1,1]]`, `[["k",null,1]]`, `[["k","v","1"]]`, `[["k","v",-1]]`, `[["k","\\ud800",1]]`,
    `[["k","v",1],["k","v"]]`, `[{"0":"k","1":"v","2":1,"length":3}]`],
  highest: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  instance: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  attempt: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  replace: ["1", "0", "null", `"true"`, "[]"],
  role: ["1", "null", `"leader"`, `""`, `"Server"`, "[]"],
  proofVersion: ["-1", "0.5", `"2"`, "null", "[]"],
  peer: ["1", "null", `""`, `"x"`, `"kv-0:1"`, `"127.0.0.1"`, `"127.0.0.1:0"`],
  tls: ["1", "0", "null", `"true"`, "[]"],
  nonce: ["1", "null", `""`, `"${"0".repeat(31)}"`, `"${"0".repeat(33)}"`, `"${"G".repeat(32)}"`, `"${"A".repeat(32)}"`],
  proof: ["1", "null", `""`, `"${"0".repeat(63)}"`, `"${"0".repeat(65)}"`, `"${"g".repeat(64)}"`],
  leader: ["1", "null", `""`, `"x"`, `"127.0.0.1:0"`],
  inSync: ["1", "null", "{}", `"x"`, "[1]", `["x"]`, "[null]"],
  last: ["1", "0", "null", `"true"`, "[]"],
  code: ["1", "null", `"NOPE"`, `"bad_message"`, `"constructor"`, `""`, "[]"],
  message: ["1", "null", "[]", "{}"],
  keys: ["-1", "0.5", `"1"`, "null"],
  connections: ["-1", "0.5", `"1"`, "null"],
  uptimeMs: ["-1", "0.5", `"1"`, "null"],
  memoryBytes: ["-1", "0.5", `"1"`, "null"],
  faults: ["1", "0", "null", `"true"`],
  version: ["1", "null", `""`, `"a b"`, `"${"1".repeat(65)}"`, "[]"],
  followers: ["1", "null", "{}", "[1]", "[null]", "[[]]", "[{}]", `[{"server":"x","timestamp":1,"inSync":true}]`,
    `[{"server":"127.0.0.1:1","timestamp":-1,"inSync":true}]`, `[{"server":"127.0.0.1:1","timestamp":1}]`,
    `[{"server":"127.0.0.1:1","timestamp":1,"inSync":true},7]`],
  at: ["-1", "0.5", `"1"`, "null"],
  missed: ["-1", "0.5", `"1"`, "null"],
  counts: ["1", "null", "[]", "{}", `{"puts":1,"putOks":2,"gets":3,"refused":4}`,
    `{"puts":1,"putOks":2,"gets":3,"refused":4,"replications":-1}`, `{"puts":1,"putOks":2,"gets":3,"refused":"4","replications":1}`],
  events: ["1", "null", "{}", "[1]", "[null]", "[[]]", "[{}]", `[{"kind":"nope","at":1}]`, `[{"at":1}]`],
  follower: ["1", "null", `""`, `"x"`, `"127.0.0.1:0"`],
  action: ["1", "null", `"stop"`, `""`, `"Pause"`, "[]"],
  delayMs: ["-1", "0.5", `"1"`, "null", "[]"],
};
const optional: readonly string[] = [
  "STATUS_OK.version",
  "PUT.client",
  "ERROR.id",
  "HELLO.server",
  "HELLO.peer",
  "HELLO.tls",
  "CHALLENGE.proofVersion",
  "JOIN.highest",
  "JOIN.instance",
  "JOIN.attempt",
  "SNAPSHOT.replace",
  "FAULT.delayMs",
];

for (const [type, examples] of Object.entries(golden)) {
  const fields = new Map<string, string>();
  for (const [, line] of examples) {
    for (const name of Object.keys(JSON.parse(line))) if (name !== "type") fields.set(name, line);
  }
  for (const [name, line] of fields) {
    Deno.test(
      `a wrong ${name} of ${type} is a BAD_MESSAGE, with the id if that is valid`,
      pure,
      () => {
        const known = name === "id" ? undefined : JSON.parse(line).id as number | undefined;
        for (const json of wrong[name]!) assertBad(withField(line, name, json), known);
        if (type === "GET_OK" || name !== "value") return;
        assertBad(withField(line, name, "null"), known);
      },
    );
    if (optional.includes(`${type}.${name}`)) continue;
    Deno.test(`${type} without ${name} is a BAD_MESSAGE`, pure, () => {
      const { [name]: _, ...rest } = JSON.parse(line);
      assertBad(JSON.stringify(rest), rest.id);
    });
  }
}

/** JSON that is wrong for a field of an event. */
// deno-fmt-ignore
const wrongInEvent: Readonly<Record<string, readonly string[]>> = {
  ...wrong,
  kind: ["1", "null", `"nope"`, `"TABLE"`, `"constructor"`],
  seen: ["-1", "0.5", `"1"`, "null"],
  own: ["-1", "0.5", `"1"`, "null"],
  ms: ["-1", "1e999", `"1"`, "null"],
  joined: ["1", "null", "{}", `["x"]`, "[null]"],
  open: ["1", "null", `"true"`],
  refused: ["1", "null", `"true"`, "false"],
};

for (const [event, json] of events) {
  Deno.test(`an event with a wrong or missing field is a BAD_MESSAGE: ${json}`, pure, () => {
    const [, line] = golden.EVENTS[0]!;
    const withEvent = (json: string) => withField(line, "events", `[${events[0]![1]},${json}]`);
    Mensagem.decode(withEvent(json));
    for (const name of Object.keys(event)) {
      for (const raw of wrongInEvent[name]!) assertBad(withEvent(withField(json, name, raw)), 7);
      const { [name]: _, ...rest } = JSON.parse(json);
      if (name !== "delayMs") assertBad(withEvent(JSON.stringify(rest)), 7);
    }
  });
}

/** The line with other JSON for one field. */
function withField(line: string, name: string, json: string): string {
  return JSON.stringify({ ...JSON.parse(line), [name]: "@" }).replace(`"@"`, () => json);
}

Deno.test("integers: 0, 1.0, 1e3 and 2 ** 53 - 1 are valid, and -0 is 0", pure, () => {
  const line = `{"type":"GET","id":0,"key":"k","timestamp":0}`;
  for (const name of ["id", "timestamp"] as const) {
    for (const json of ["0", "1.0", "1e3", "9007199254740991"]) {
      const message = Mensagem.decode(withField(line, name, json)) as Get;
      assertStrictEquals(message[name], Number(json));
    }
    const zero = Mensagem.decode(withField(line, name, "-0")) as Get;
    assertStrictEquals(zero[name], 0);
  }
});

Deno.test("a surrogate pair spelled as two escapes is one character", pure, () => {
  const line = `{"type":"GET","id":1,"key":"\\ud83d\\ude00","timestamp":0}`;
  assertEquals(Mensagem.decode(line), new Get(1, "😀", 0));
});

// deno-fmt-ignore
const notObjects = [
  "", " ", "\r", "[]", "null", "1", `"x"`, "true", "NaN", "undefined", "{", "}", "'{}'", `{"type":"GET",}`, `{type:"GET"}`,
  `{"type":"HEARTBEAT"} x`, `{"type":"HEARTBEAT"}{"type":"HEARTBEAT"}`, `[{"type":"HEARTBEAT"}]`,
  "GET / HTTP/1.1\r", "POST / HTTP/1.1\r", "Host: 127.0.0.1:10097\r", "\ufeff{}", "\0", "{}\u0000", "{\u00a0}",
];

Deno.test("a line that is not a JSON object is a FrameError", pure, () => {
  for (const line of notObjects) {
    const error = assertThrows(() => Mensagem.decode(line), FrameError, undefined, line);
    assertStrictEquals(error.name, "FrameError");
    assertStrictEquals(error.code, "BAD_MESSAGE");
  }
});

Deno.test("an error quotes only the start of what was received", pure, () => {
  const long = "x".repeat(100_000);
  const lines = [
    long,
    `"${long}"`,
    `{"type":"${long}"}`,
    `{"type":"REPLICATION_OK","timestamp":"${long}"}`,
  ];
  for (const line of lines) {
    const error = assertThrows(() => Mensagem.decode(line), Error);
    assertLessOrEqual(error.message.length, 200);
  }
});

/** Lines of tokens: `count` times what costs JSON.parse the most. */
const dense: Record<string, (count: number) => string> = {
  "nested lists": (count) => `{"type":"X","x":${"[".repeat(count)}${"]".repeat(count)}}`,
  "lists that do not end": (count) => "[".repeat(count),
  "objects that do not end": (count) => `{"a":`.repeat(count),
  "empty lists": (count) => `{"type":"X","x":[${"[],".repeat(count)}[]]}`,
  "numbers": (count) => `{"type":"X","x":[${"0,".repeat(count)}0]}`,
  "differing names": (count) => `{${Array.from({ length: count }, (_, n) => `"${n}":0`).join()}}`,
  "one name": (count) => `{${`"type":"STATUS",`.repeat(count)}"id":1}`,
  "strings": (count) => `{"type":"X","x":[${`"",`.repeat(count)}""]}`,
  "strings with an escaped quote": (count) => `{"type":"X","x":[${`"\\"",`.repeat(count)}""]}`,
  "quotes": (count) => '"'.repeat(2 * count),
  "addresses": (count) => `{"type":"STATUS_OK","inSync":[${`"[::1]:1",`.repeat(count)}""]}`,
};

Deno.test("a line of more tokens than a message needs is refused before it is parsed", pure, () => {
  const parse = JSON.parse;
  JSON.parse = () => {
    throw new Error("it was parsed");
  };
  try {
    for (const [what, make] of Object.entries(dense)) {
      const error = assertThrows(() => Mensagem.decode(make(frameTokensMax + 1)), FrameError);
      assertStrictEquals(error.code, "TOO_LARGE", what);
    }
  } finally {
    JSON.parse = parse;
  }
});

Deno.test("unknown fields within the bound are ignored, however deep they are", pure, () => {
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  assertEquals(Mensagem.decode(`{"type":"HEARTBEAT","extra":${deep}}`), new Heartbeat());
  assertBad(`{"type":"GET","id":3,"key":${deep},"timestamp":0}`, 3);
  assertThrows(() => Mensagem.decode("[".repeat(100_000)), FrameError, "not JSON");
});

Deno.test("exactly as many tokens as allowed are parsed, and one more is refused", pure, () => {
  // Beside the list: two braces, two brackets, two colons, one comma and three strings.
  const withCommas = (count: number) => `{"type":"STATUS_OK","x":[${" ,".repeat(count)}0]}`;
  const commas = frameTokensMax - 10;
  assertThrows(() => Mensagem.decode(withCommas(commas)), FrameError, "not JSON");
  assertThrows(() => Mensagem.decode(withCommas(commas + 1)), FrameError, "more than");
});

Deno.test("characters in strings are no tokens, whatever is escaped", pure, () => {
  const texts = [`[{":,`, '"', "\\", '\\"', '[\\\\"]', '"\\'];
  for (const text of texts) {
    const value = text.repeat(Math.floor(900_000 / text.length));
    const line = JSON.stringify({ type: "PUT", id: 1, key: text, value });
    assertEquals(Mensagem.decode(line), new Put(1, text, value));
  }
});

Deno.test("of several fields with one name the last one counts, the type included", pure, () => {
  const status = new Status(7);
  const filler = " ".repeat(frameTokensMax);
  for (
    const line of [
      `{"type":"X","type":"STATUS","id":7}`,
      `{"type":"PUT",${filler}"id":7,"\\u0074ype":"STATUS"}`,
      `{"x":"${filler}","id":1,"id":7,"type":"STATUS"}`,
    ]
  ) {
    assertEquals(Mensagem.decode(line), status);
    const error = assertThrows(
      () => Mensagem.decode(line, { unexpected: new Set(["STATUS"]) }),
      MensagemError,
    );
    assertEquals([error.code, error.id], ["FORBIDDEN", 7]);
    assertEquals(Mensagem.decode(line, { unexpected: new Set(["PUT", "X"]) }), status);
  }
});

Deno.test("of a type that may not come no field is read, but its id", pure, () => {
  const peer = { unexpected: new Set(["SNAPSHOT", "STATUS_OK"]) };
  for (const [fields, id] of [[`"id":5,"entries":7`, 5], [`"entries":[]`, undefined]] as const) {
    const line = `{"type":"SNAPSHOT",${fields}}`;
    const error = assertThrows(() => Mensagem.decode(line, peer), MensagemError, "SNAPSHOT");
    assertEquals([error.code, error.id], ["FORBIDDEN", id]);
  }
  assertThrows(() => Mensagem.decode(`{"type":"X"}`, peer), MensagemError, "unknown");
});

Deno.test(
  "a line that is parsed is counted with its length, one that encode spells is not",
  pure,
  () => {
    let spent = 0;
    const peer = { spend: (chars: number) => spent += chars };
    for (const message of [new Get(1, "k", 0), new Put(1, "k", "v")]) {
      Mensagem.decode(message.encode().slice(0, -1), peer);
    }
    assertStrictEquals(spent, 0);
    for (const line of ["{}", "x", `{"type":"GET","id":1,"key":"é","timestamp":0}`]) {
      try {
        Mensagem.decode(line, peer);
      } catch { // counted all the same
      }
      assertStrictEquals(spent, line.length, line);
      spent = 0;
    }
  },
);

Deno.test("a list has at most as many elements as a message needs", pure, () => {
  const addresses = (count: number) => Array.from({ length: count }, () => "127.0.0.1:1");
  const follower = { server: "127.0.0.1:1", timestamp: 0, inSync: true };
  const event = { kind: "forwarding", at: 1, key: "k", value: "" };
  const members = { kind: "members", at: 1, joined: [], inSync: [], open: true };
  const fields = {
    ...{ id: 1, server: "127.0.0.1:1", leader: "127.0.0.1:1", cluster: "", timestamp: 0 },
    ...{ inSync: [], followers: [], keys: 0, connections: 0, uptimeMs: 0, memoryBytes: 0 },
    ...{ faults: false, at: 1, missed: 0, last: true },
    counts: { puts: 0, putOks: 0, gets: 0, refused: 0, replications: 0 },
  };
  const repeat = (element: unknown, count: number) => Array.from({ length: count }, () => element);
  for (
    const [type, max, listOf] of [
      ["STATUS_OK", serversMax, (count) => ({ inSync: addresses(count) })],
      ["STATUS_OK", serversMax, (count) => ({ followers: repeat(follower, count) })],
      ["EVENTS", serversMax, (count) => ({ events: [{ ...members, joined: addresses(count) }] })],
      ["EVENTS", serversMax, (count) => ({ events: [{ ...members, inSync: addresses(count) }] })],
      ["EVENTS", eventsPerFrameMax, (count) => ({ events: repeat(event, count) })],
      ["SNAPSHOT", snapshotEntriesMax, (count) => ({ entries: repeat(["k", "", 1], count) })],
    ] as [string, number, (count: number) => object][]
  ) {
    const line = (count: number) => JSON.stringify({ ...fields, type, ...listOf(count) });
    assertStrictEquals(Mensagem.decode(line(max)).type, type);
    const error = assertThrows(
      () => Mensagem.decode(line(max + 1)),
      MensagemError,
      `more than ${max}`,
    );
    assertEquals([error.code, error.id], ["TOO_LARGE", 1]);
  }
});

Deno.test("the text of an ERROR is bounded", pure, () => {
  const line = (length: number) =>
    JSON.stringify({ type: "ERROR", code: "FORBIDDEN", message: "x".repeat(length) });
  assertStrictEquals(Mensagem.decode(line(errorMessageCharsMax)).type, "ERROR");
  const error = assertThrows(() => Mensagem.decode(line(errorMessageCharsMax + 1)), MensagemError);
  assertStrictEquals(error.code, "TOO_LARGE");
});

Deno.test("a raw control character anywhere in a line ends the connection", pure, () => {
  const put = (key: string, value: string, client: string) =>
    `{"type":"PUT","id":1,"key":"${key}","value":"${value}","client":"${client}"}`;
  assertEquals(
    Mensagem.decode(put("k", "v", "127.0.0.1:1")),
    new Put(1, "k", "v", "127.0.0.1:1"),
  );
  for (const raw of ["\0", "\t", "\r", "\u001f"]) {
    for (
      const line of [
        put(raw, "v", "127.0.0.1:1"),
        put("k", raw, "127.0.0.1:1"),
        put("k", "v", `127.0.0.1:1${raw}`),
        `{"type":"GET","id":1,"key":"${raw}","timestamp":0}`,
        `{"type":"REPLICATION","key":"k","value":"${raw}","timestamp":1}`,
        `{"type":"PUT_OK","id":1,"key":"${raw}","timestamp":1}`,
      ]
    ) assertThrows(() => Mensagem.decode(line), FrameError, "not JSON");
  }
  assertBad(put("k", "v", "127.0.0.1:1\\u0000"), 1);
});

// Limits, in bytes of UTF-8

/** A text of exactly `bytes` bytes: `char` repeated, and a shorter character for the rest. */
function textOf(char: string, bytes: number): string {
  const size = new TextEncoder().encode(char).length;
  return char.repeat(Math.floor(bytes / size)) + ["", "a", "é", "€"][bytes % size];
}

const characters = ["a", "é", "€", "😀", "\0"];
const texts = [
  { name: "key", bytesMax: keyBytesMax, check: checkKey },
  { name: "value", bytesMax: valueBytesMax, check: checkValue },
];

for (const { name, bytesMax, check } of texts) {
  for (const char of characters) {
    const fits = textOf(char, bytesMax);
    const over = textOf(char, bytesMax + 1);

    Deno.test(
      `a ${name} of ${bytesMax} bytes of ${JSON.stringify(char)} fits, one byte more is TOO_LARGE`,
      pure,
      () => {
        check(fits);
        const error = assertThrows(() => check(over, 9), MensagemError);
        assertStrictEquals(error.code, "TOO_LARGE");
        assertStrictEquals(error.id, 9);

        for (const [message, line] of allGolden) {
          if (!(name in message) || JSON.parse(line)[name] === null) continue;
          const decoded = Mensagem.decode(withField(line, name, JSON.stringify(fits)));
          const field = (decoded as AnyMensagem & Record<string, Value>)[name]!;
          assertStrictEquals(textOfValue(field), fits);
          assertTooLarge(withField(line, name, JSON.stringify(over)), JSON.parse(line).id);
        }
      },
    );
  }
}

function assertTooLarge(line: string, id?: number): void {
  const error = assertThrows(() => Mensagem.decode(line), MensagemError);
  assertStrictEquals(error.code, "TOO_LARGE");
  assertStrictEquals(error.id, id);
}

Deno.test("the limits hold for the entries of a snapshot too", pure, () => {
  const longKey = textOf("€", keyBytesMax);
  const longValue = textOf("€", valueBytesMax);
  const fits = new Snapshot([["k", "v", 1], [longKey, longValue, 2]], true);
  assertEquals(Mensagem.decode(fits.encode()), fits);
  assertTooLarge(new Snapshot([["k", "v", 1], [`${longKey}a`, "v", 2]], true).encode());
  assertTooLarge(new Snapshot([["k", "v", 1], ["k", `${longValue}a`, 2]], true).encode());
});

Deno.test("an escape counts as the character that it stands for", pure, () => {
  const escaped = "\\u00e9".repeat(keyBytesMax / 2);
  Mensagem.decode(`{"type":"GET","id":1,"key":"${escaped}","timestamp":0}`);
  assertTooLarge(`{"type":"GET","id":1,"key":"${escaped}a","timestamp":0}`, 1);
});

Deno.test(
  "checkKey refuses an empty text and lone surrogates, checkValue only lone surrogates",
  pure,
  () => {
    checkValue("");
    for (
      const bad of [
        () => checkKey("", 5),
        () => checkKey("\ud800", 5),
        () => checkValue("\ud800", 5),
      ]
    ) {
      const error = assertThrows(bad, MensagemError);
      assertStrictEquals(error.code, "BAD_MESSAGE");
      assertStrictEquals(error.id, 5);
    }
  },
);

Deno.test(
  "the largest messages fit into a frame, even if JSON escapes every character",
  pure,
  () => {
    const most = 2 ** 53 - 1;
    for (const char of characters) {
      const key = textOf(char, keyBytesMax);
      const value = textOf(char, valueBytesMax);
      const client = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
      const largest = [
        new Put(most, key, value, client),
        new GetOk(most, key, value, most),
        Replication.of(key, value, most),
      ];
      for (const message of largest) {
        const frame = message.encode();
        assertLessOrEqual(new TextEncoder().encode(frame).length, frameBytesMax);
        assertEquals(Mensagem.decode(frame), message);
      }
    }
  },
);
