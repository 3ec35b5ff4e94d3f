/** Encoding and decoding of each message, field by field. */

import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { keyBytesMax } from "../lib/limits.ts";
import {
  Changes,
  type Events,
  Get,
  Join,
  List,
  Mensagem,
  MensagemError,
  Put,
  TryOther,
  Write,
  WriteRequest,
} from "../lib/mensagem.ts";
import { allGolden, events, golden } from "./support/golden_messages.ts";
import { seeded } from "./support/random.ts";
import { draw, longestServer } from "./support/random_messages.ts";
import { assertBad, withField } from "./support/wrong_lines.ts";

const pure = { permissions: "none" } as const;

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
    `[[1,"v",1]]`, `[["k",1,1]]`, `[["k",[],1]]`, `[["k","v","1"]]`, `[["k","v",-1]]`, `[["k","\\ud800",1]]`,
    `[["k",null,1,1000]]`, `[["k","v",1,null]]`, `[["k","v",1,2147483649]]`, `[["k","v",1,1000,1]]`,
    `[["k","v",1],["k","v"]]`, `[{"0":"k","1":"v","2":1,"length":3}]`],
  changes: ["1", "null", "{}", `"x"`, "[1]", "[null]", "[[]]", `[["k","v"]]`, `[["k","v",1,1]]`, `[["","v",1]]`,
    `[["k",1,1]]`, `[["k",null,"1"]]`, `[["k",null,-1]]`, `[["k","\\ud800",1]]`],
  gaps: ["1", "null", "{}", "[1]", "[[]]", "[[1]]", "[[1,2,3]]", "[[2,1]]", `[["1",2]]`, "[[1,-2]]", "[[null,1]]"],
  floor: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  protocol: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  atLeast: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  expected: ["-1", "0.5", "9007199254740992", `"1"`, "null", "[]"],
  ttlMs: ["-1", "0", "999", "2147483649", "1000.5", "9007199254740992", `"1000"`, "null", "[]"],
  prefix: ["1", "null", "true", "[]", "{}", `"\\ud800"`, `"a\\udc00"`],
  limit: ["-1", "0", "1001", "0.5", `"1"`, "null", "[]"],
  more: ["1", "0", "null", `"true"`, "[]"],
  lost: ["1", "0", "null", `"true"`, "[]"],
  reset: ["1", "0", "null", `"true"`, "[]"],
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
  watches: ["-1", "0.5", `"1"`, "null"],
  cutOffMs: ["-1", "0.5", `"1"`, "null"],
  version: ["1", "null", `""`, `"a b"`, `"${"1".repeat(65)}"`, "[]"],
  after: ["1", "null", `""`, "true", "[]", `"\\ud800"`],
  followers: ["1", "null", "{}", "[1]", "[null]", "[[]]", "[{}]", `[{"server":"x","timestamp":1,"inSync":true}]`,
    `[{"server":"127.0.0.1:1","timestamp":-1,"inSync":true}]`, `[{"server":"127.0.0.1:1","timestamp":1}]`,
    `[{"server":"127.0.0.1:1","timestamp":1,"inSync":true},7]`],
  at: ["-1", "0.5", `"1"`, "null"],
  missed: ["-1", "0.5", `"1"`, "null"],
  counts: ["1", "null", "[]", "{}", `{"puts":1,"putOks":2,"gets":3,"refused":4}`,
    `{"puts":1,"putOks":2,"gets":3,"refused":4,"replications":-1}`, `{"puts":1,"putOks":2,"gets":3,"refused":4,"replications":1,"writes":-1}`, `{"puts":1,"putOks":2,"gets":3,"refused":"4","replications":1}`],
  events: ["1", "null", "{}", "[1]", "[null]", "[[]]", "[{}]", `[{"kind":"nope","at":1}]`, `[{"at":1}]`],
  follower: ["1", "null", `""`, `"x"`, `"127.0.0.1:0"`],
  action: ["1", "null", `"stop"`, `""`, `"Pause"`, "[]"],
  delayMs: ["-1", "0.5", `"1"`, "null", "[]"],
};
const optional: readonly string[] = [
  "STATUS_OK.version",
  "STATUS_OK.watches",
  "STATUS_OK.cutOffMs",
  "JOIN_OK.protocol",
  "OBSERVE.protocol",
  "PUT.client",
  "GET.atLeast",
  "TRY_OTHER_SERVER_OR_LATER.key",
  "TRY_OTHER_SERVER_OR_LATER.lost",
  "WRITE.expected",
  "WRITE.ttlMs",
  "WRITE.client",
  "LIST.after",
  "LIST.limit",
  "LIST.atLeast",
  "CHANGES.reset",
  "CHANGES.more",
  "REPLICATION.ttlMs",
  "JOIN.protocol",
  "SYNC.floor",
  "SYNC.gaps",
  "SNAPSHOT.floor",
  "SNAPSHOT.gaps",
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
        // `after` is the name of a key and of a timestamp.
        const jsons = type === "WATCH" && name === "after" ? wrong.timestamp! : wrong[name]!;
        for (const json of jsons) assertBad(withField(line, name, json), known);
        if (name === "value" && type === "PUT") assertBad(withField(line, name, "null"), known);
      },
    );
    if (optional.includes(`${type}.${name}`)) continue;
    Deno.test(`${type} without ${name} is a BAD_MESSAGE`, pure, () => {
      const { [name]: _, ...rest } = JSON.parse(line);
      assertBad(JSON.stringify(rest), rest.id);
    });
  }
}

Deno.test("a deletion has no time to live", pure, () => {
  assertBad(`{"type":"WRITE","id":7,"key":"k","value":null,"ttlMs":1000}`, 7);
  assertBad(`{"type":"REPLICATION","key":"k","value":null,"timestamp":1,"ttlMs":1000}`);
  assertStrictEquals(Write.of("k", null, 1, 1_000).ttlMs, undefined);
});

Deno.test("a WATCH is about a key or a prefix, not both", pure, () => {
  assertBad(`{"type":"WATCH","id":7,"after":0}`, 7);
  assertBad(`{"type":"WATCH","id":7,"key":"k","prefix":"k","after":0}`, 7);
});

Deno.test("a time to live ends where it should, also in a line that encode spells", pure, () => {
  const line = (ttlMs: number) => `{"type":"WRITE","id":7,"key":"k","value":"v","ttlMs":${ttlMs}}`;
  for (const ttlMs of [1_000, 2 ** 31]) {
    assertEquals(Mensagem.decode(line(ttlMs)), new WriteRequest(7, "k", "v", undefined, ttlMs));
  }
  for (const ttlMs of [999, 2 ** 31 + 1]) assertBad(line(ttlMs), 7);
});

Deno.test("a prefix has as many bytes as a key, and may be empty", pure, () => {
  const line = (prefix: string) => JSON.stringify({ type: "LIST", id: 7, prefix });
  for (const prefix of ["", "é".repeat(keyBytesMax / 2)]) {
    assertEquals(Mensagem.decode(line(prefix)), new List(7, prefix));
  }
  const error = assertThrows(() => Mensagem.decode(line("a".repeat(1_025))), MensagemError);
  assertEquals([error.code, error.id], ["TOO_LARGE", 7]);
});

Deno.test("a lost or reset of false is the same as none", pure, () => {
  const [lost, reset] = [
    `{"type":"TRY_OTHER_SERVER_OR_LATER","id":7,"key":"k","timestamp":1,"lost":false}`,
    `{"type":"CHANGES","id":7,"changes":[],"timestamp":1,"reset":false}`,
  ];
  assertEquals(Mensagem.decode(lost), new TryOther(7, "k", 1));
  assertEquals(Mensagem.decode(reset), new Changes(7, [], 1));
});

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
  expired: ["1", "null", `"true"`],
  ttlMs: ["-1", "0.5", `"1"`, "null"],
};
const optionalInEvent: readonly string[] = [
  "fault.delayMs",
  "written.expired",
  "write.expected",
  "write.ttlMs",
  "write_ok.ms",
];

for (const [event, json] of events) {
  Deno.test(`an event with a wrong or missing field is a BAD_MESSAGE: ${json}`, pure, () => {
    const [, line] = golden.EVENTS[0]!;
    const withEvent = (json: string) => withField(line, "events", `[${events[0]![1]},${json}]`);
    Mensagem.decode(withEvent(json));
    for (const name of Object.keys(event)) {
      for (const raw of wrongInEvent[name]!) assertBad(withEvent(withField(json, name, raw)), 7);
      const { [name]: _, ...rest } = JSON.parse(json);
      if (optionalInEvent.includes(`${event.kind}.${name}`)) continue;
      assertBad(withEvent(JSON.stringify(rest)), 7);
    }
  });
}

Deno.test("EVENTS of a server that knows no WRITEs has counts of 0 for them", pure, () => {
  const [[sent, line]] = golden.EVENTS as [(typeof golden.EVENTS)[number]];
  const { puts, putOks, gets, refused, replications } = sent.counts;
  const older = withField(
    line,
    "counts",
    JSON.stringify({ puts, putOks, gets, refused, replications }),
  );
  const { counts } = Mensagem.decode(older) as Events;
  assertEquals(counts, { ...sent.counts, writes: 0, writeOks: 0, conflicts: 0 });
});

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
