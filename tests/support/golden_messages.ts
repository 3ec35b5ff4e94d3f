/** Messages and events with the lines that they are encoded to. */

import {
  type AnyMensagem,
  Challenge,
  Changes,
  Conflict,
  ErrorReply,
  Events,
  Fault,
  FaultOk,
  Get,
  GetLatest,
  GetOk,
  Heartbeat,
  Hello,
  Join,
  JoinOk,
  List,
  ListOk,
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
  Unwatch,
  Watch,
  WriteOk,
  WriteRequest,
} from "../../lib/mensagem.ts";

/** The type of a message. */
export type Type = AnyMensagem["type"];
/** The message of a type. */
export type Of<T extends Type> = Extract<AnyMensagem, { type: T }>;

/** The counts of the EVENTS in these examples. */
export const counts = {
  ...{ puts: 1, putOks: 2, gets: 3, refused: 4, replications: 5 },
  ...{ writes: 6, writeOks: 7, conflicts: 8 },
};
const countsJson =
  `{"puts":1,"putOks":2,"gets":3,"refused":4,"replications":5,"writes":6,"writeOks":7,"conflicts":8}`;

/** An event of each kind, and its JSON. */
// deno-fmt-ignore: one line per example
export const events: readonly (readonly [ServerEvent, json: string])[] = [
  [{ kind: "table", at: 1, key: "k", value: "", timestamp: 2 }, `{"kind":"table","at":1,"key":"k","value":"","timestamp":2}`],
  [{ kind: "written", at: 1, key: "k", value: null, timestamp: 2 }, `{"kind":"written","at":1,"key":"k","value":null,"timestamp":2}`],
  [{ kind: "put", at: 1, client: "[::1]:9", key: "k", value: "v" }, `{"kind":"put","at":1,"client":"[::1]:9","key":"k","value":"v"}`],
  [{ kind: "forwarding", at: 1, key: "k", value: "v" }, `{"kind":"forwarding","at":1,"key":"k","value":"v"}`],
  [{ kind: "written", at: 1, key: "k", value: "v", timestamp: 2 }, `{"kind":"written","at":1,"key":"k","value":"v","timestamp":2}`],
  [{ kind: "replication", at: 1, key: "k", value: "v", timestamp: 2 }, `{"kind":"replication","at":1,"key":"k","value":"v","timestamp":2}`],
  [{ kind: "acknowledged", at: 1, follower: "127.0.0.1:2", timestamp: 2 }, `{"kind":"acknowledged","at":1,"follower":"127.0.0.1:2","timestamp":2}`],
  [{ kind: "put_ok", at: 1, client: "127.0.0.1:9", key: "k", timestamp: 2, ms: 0.25 }, `{"kind":"put_ok","at":1,"client":"127.0.0.1:9","key":"k","timestamp":2,"ms":0.25}`],
  [{ kind: "get", at: 1, client: "127.0.0.1:9", key: "k", seen: 2, own: 3, value: null }, `{"kind":"get","at":1,"client":"127.0.0.1:9","key":"k","seen":2,"own":3,"value":null}`],
  [{ kind: "get", at: 1, client: "127.0.0.1:9", key: "k", seen: 2, own: 1, refused: true }, `{"kind":"get","at":1,"client":"127.0.0.1:9","key":"k","seen":2,"own":1,"refused":true}`],
  [{ kind: "written", at: 1, key: "k", value: null, timestamp: 2, expired: true }, `{"kind":"written","at":1,"key":"k","value":null,"timestamp":2,"expired":true}`],
  [{ kind: "write", at: 1, client: "127.0.0.1:9", key: "k", value: null }, `{"kind":"write","at":1,"client":"127.0.0.1:9","key":"k","value":null}`],
  [{ kind: "write", at: 1, client: "127.0.0.1:9", key: "k", value: "v", expected: 0, ttlMs: 1_000 }, `{"kind":"write","at":1,"client":"127.0.0.1:9","key":"k","value":"v","expected":0,"ttlMs":1000}`],
  [{ kind: "forwarding_write", at: 1, key: "k", value: null }, `{"kind":"forwarding_write","at":1,"key":"k","value":null}`],
  [{ kind: "write_ok", at: 1, client: "127.0.0.1:9", key: "k", timestamp: 2 }, `{"kind":"write_ok","at":1,"client":"127.0.0.1:9","key":"k","timestamp":2}`],
  [{ kind: "write_ok", at: 1, client: "127.0.0.1:9", key: "k", timestamp: 2, ms: 0.25 }, `{"kind":"write_ok","at":1,"client":"127.0.0.1:9","key":"k","timestamp":2,"ms":0.25}`],
  [{ kind: "conflict", at: 1, client: "127.0.0.1:9", key: "k", expected: 2, value: null, timestamp: 3 }, `{"kind":"conflict","at":1,"client":"127.0.0.1:9","key":"k","expected":2,"value":null,"timestamp":3}`],
  [{ kind: "members", at: 1, joined: ["127.0.0.1:2"], inSync: [], open: false }, `{"kind":"members","at":1,"joined":["127.0.0.1:2"],"inSync":[],"open":false}`],
  [{ kind: "fault", at: 1, follower: "127.0.0.1:2", action: "pause" }, `{"kind":"fault","at":1,"follower":"127.0.0.1:2","action":"pause"}`],
  [{ kind: "fault", at: 1, follower: "127.0.0.1:2", action: "delay", delayMs: 5 }, `{"kind":"fault","at":1,"follower":"127.0.0.1:2","action":"delay","delayMs":5}`],
];

/** Messages of each type, and the lines that they are encoded to. */
// deno-fmt-ignore: one line per example
export const golden: { readonly [T in Type]: readonly (readonly [Of<T>, line: string])[] } = {
  PUT: [
    [new Put(7, "cor", "azul"), `{"type":"PUT","id":7,"key":"cor","value":"azul"}`],
    [new Put(0, "k", "", "10.0.0.7:50123"), `{"type":"PUT","id":0,"key":"k","value":"","client":"10.0.0.7:50123"}`],
    [new Put(1, "k", "v", "[2001:db8::1]:1"), `{"type":"PUT","id":1,"key":"k","value":"v","client":"[2001:db8::1]:1"}`],
  ],
  PUT_OK: [
    [new PutOk(7, "cor", 12), `{"type":"PUT_OK","id":7,"key":"cor","timestamp":12}`],
    [new PutOk(2 ** 53 - 1, "a\"\\\n", 2 ** 53 - 1), `{"type":"PUT_OK","id":9007199254740991,"key":"a\\"\\\\\\n","timestamp":9007199254740991}`],
  ],
  GET: [
    [new Get(7, "cor", 0), `{"type":"GET","id":7,"key":"cor","timestamp":0}`],
    [new Get(7, "cor", 3, 12), `{"type":"GET","id":7,"key":"cor","timestamp":3,"atLeast":12}`],
  ],
  GET_OK: [
    [new GetOk(7, "cor", "azul", 12), `{"type":"GET_OK","id":7,"key":"cor","value":"azul","timestamp":12}`],
    [new GetOk(7, "cor", null, 0), `{"type":"GET_OK","id":7,"key":"cor","value":null,"timestamp":0}`],
    [new GetOk(7, "cor", "null", 1), `{"type":"GET_OK","id":7,"key":"cor","value":"null","timestamp":1}`],
  ],
  TRY_OTHER_SERVER_OR_LATER: [
    [new TryOther(7, "cor", 11), `{"type":"TRY_OTHER_SERVER_OR_LATER","id":7,"key":"cor","timestamp":11}`],
    [new TryOther(7, undefined, 11), `{"type":"TRY_OTHER_SERVER_OR_LATER","id":7,"timestamp":11}`],
    [new TryOther(7, "cor", 11, true), `{"type":"TRY_OTHER_SERVER_OR_LATER","id":7,"key":"cor","timestamp":11,"lost":true}`],
  ],
  WRITE: [
    [new WriteRequest(7, "cor", "azul"), `{"type":"WRITE","id":7,"key":"cor","value":"azul"}`],
    [new WriteRequest(7, "cor", "azul", 0, 1_000), `{"type":"WRITE","id":7,"key":"cor","value":"azul","expected":0,"ttlMs":1000}`],
    [new WriteRequest(7, "cor", "azul", undefined, 2 ** 31, "[::1]:9"), `{"type":"WRITE","id":7,"key":"cor","value":"azul","ttlMs":2147483648,"client":"[::1]:9"}`],
    [new WriteRequest(7, "cor", null, 12), `{"type":"WRITE","id":7,"key":"cor","value":null,"expected":12}`],
    [new WriteRequest(7, "é", null), `{"type":"WRITE","id":7,"key":"é","value":null}`],
  ],
  WRITE_OK: [
    [new WriteOk(7, "cor", 12), `{"type":"WRITE_OK","id":7,"key":"cor","timestamp":12}`],
    [new WriteOk(7, "\n", 12), `{"type":"WRITE_OK","id":7,"key":"\\n","timestamp":12}`],
  ],
  CONFLICT: [
    [new Conflict(7, "cor", "azul", 12), `{"type":"CONFLICT","id":7,"key":"cor","value":"azul","timestamp":12}`],
    [new Conflict(7, "cor", null, 0), `{"type":"CONFLICT","id":7,"key":"cor","value":null,"timestamp":0}`],
  ],
  GET_LATEST: [[new GetLatest(7, "cor"), `{"type":"GET_LATEST","id":7,"key":"cor"}`]],
  LIST: [
    [new List(7, ""), `{"type":"LIST","id":7,"prefix":""}`],
    [new List(7, "c", "cor", 1_000, 12), `{"type":"LIST","id":7,"prefix":"c","after":"cor","limit":1000,"atLeast":12}`],
  ],
  LIST_OK: [
    [new ListOk(7, [], false, 0), `{"type":"LIST_OK","id":7,"entries":[],"more":false,"timestamp":0}`],
    [new ListOk(7, [["cor", "azul", 12], ["é", "\"", 3]], true, 15), `{"type":"LIST_OK","id":7,"entries":[["cor","azul",12],["é","\\"",3]],"more":true,"timestamp":15}`],
  ],
  WATCH: [
    [new Watch(7, { key: "cor" }, 0), `{"type":"WATCH","id":7,"key":"cor","after":0}`],
    [new Watch(7, { prefix: "" }, 12), `{"type":"WATCH","id":7,"prefix":"","after":12}`],
  ],
  CHANGES: [
    [new Changes(7, [], 12), `{"type":"CHANGES","id":7,"changes":[],"timestamp":12}`],
    [new Changes(7, [["cor", "azul", 12], ["cor", null, 13]], 15, true), `{"type":"CHANGES","id":7,"changes":[["cor","azul",12],["cor",null,13]],"timestamp":15,"reset":true}`],
    [new Changes(7, [], 15, undefined, true), `{"type":"CHANGES","id":7,"changes":[],"timestamp":15,"more":true}`],
  ],
  UNWATCH: [[new Unwatch(7), `{"type":"UNWATCH","id":7}`]],
  REPLICATION: [
    [Replication.of("cor", "azul", 12), `{"type":"REPLICATION","key":"cor","value":"azul","timestamp":12}`],
    [Replication.of("é😀", "\"\\\r\n\t\0\x1b\x7f\u2028", 3), `{"type":"REPLICATION","key":"é😀","value":"\\"\\\\\\r\\n\\t\\u0000\\u001b\x7f\u2028","timestamp":3}`],
    [Replication.of("cor", null, 12), `{"type":"REPLICATION","key":"cor","value":null,"timestamp":12}`],
    [Replication.of("cor", "azul", 12, 1_000), `{"type":"REPLICATION","ttlMs":1000,"key":"cor","value":"azul","timestamp":12}`],
  ],
  REPLICATION_OK: [[new ReplicationOk(12), `{"type":"REPLICATION_OK","timestamp":12}`]],
  JOIN: [
    [new Join("127.0.0.1:10098", "", 0), `{"type":"JOIN","server":"127.0.0.1:10098","cluster":"","timestamp":0}`],
    [new Join("[::1]:10098", "a-B_9", 12), `{"type":"JOIN","server":"[::1]:10098","cluster":"a-B_9","timestamp":12}`],
    [new Join("127.0.0.1:1", "c", 3, 9), `{"type":"JOIN","server":"127.0.0.1:1","cluster":"c","timestamp":3,"highest":9}`],
    [new Join("127.0.0.1:1", "c", 3, undefined, 7, 2), `{"type":"JOIN","server":"127.0.0.1:1","cluster":"c","timestamp":3,"instance":7,"attempt":2}`],
    [new Join("127.0.0.1:1", "c", 3, undefined, 7, 2, 2), `{"type":"JOIN","server":"127.0.0.1:1","cluster":"c","timestamp":3,"instance":7,"attempt":2,"protocol":2}`],
  ],
  JOIN_OK: [
    [new JoinOk(), `{"type":"JOIN_OK"}`],
    [new JoinOk(2), `{"type":"JOIN_OK","protocol":2}`],
  ],
  SYNC: [
    [new Sync("a-B_9", 12, 15), `{"type":"SYNC","cluster":"a-B_9","timestamp":12,"latest":15}`],
    [new Sync("c", 12, 15, 9, [[3, 3], [5, 8]]), `{"type":"SYNC","cluster":"c","timestamp":12,"latest":15,"floor":9,"gaps":[[3,3],[5,8]]}`],
  ],
  SNAPSHOT_REQUEST: [[new SnapshotRequest(), `{"type":"SNAPSHOT_REQUEST"}`]],
  SNAPSHOT: [
    [new Snapshot([], true), `{"type":"SNAPSHOT","entries":[],"last":true}`],
    [new Snapshot([["cor", "azul", 12], ["__proto__", "", 3]], false), `{"type":"SNAPSHOT","entries":[["cor","azul",12],["__proto__","",3]],"last":false}`],
    [new Snapshot([], false, true), `{"type":"SNAPSHOT","entries":[],"last":false,"replace":true}`],
    [new Snapshot([["a", null, 3], ["b", "c", 4, 1_000]], true, undefined, 2, [[5, 6]]), `{"type":"SNAPSHOT","entries":[["a",null,3],["b","c",4,1000]],"last":true,"floor":2,"gaps":[[5,6]]}`],
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
      keys: 1, connections: 2, uptimeMs: 3, memoryBytes: 4, faults: false, watches: 5, cutOffMs: 6,
      version: "1.2.3-rc.1+a",
    }),
    `{"type":"STATUS_OK","id":7,"server":"127.0.0.1:1","leader":"127.0.0.1:1","cluster":"","timestamp":0,"inSync":[],"followers":[],"keys":1,"connections":2,"uptimeMs":3,"memoryBytes":4,"faults":false,"watches":5,"cutOffMs":6,"version":"1.2.3-rc.1+a"}`,
  ]],
  OBSERVE: [
    [new Observe(7), `{"type":"OBSERVE","id":7}`],
    [new Observe(7, 2), `{"type":"OBSERVE","id":7,"protocol":2}`],
  ],
  EVENTS: [
    [new Events(7, "127.0.0.1:1", 1_700_000_000_000, 3, counts, []), `{"type":"EVENTS","id":7,"server":"127.0.0.1:1","at":1700000000000,"missed":3,"counts":${countsJson},"events":[]}`],
    [new Events(7, "127.0.0.1:1", 1, 0, counts, events.map(([event]) => event)), `{"type":"EVENTS","id":7,"server":"127.0.0.1:1","at":1,"missed":0,"counts":${countsJson},"events":[${events.map(([, json]) => json)}]}`],
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
/** The same in one list. */
export const allGolden = Object.values(golden).flat() as (readonly [AnyMensagem, string])[];
