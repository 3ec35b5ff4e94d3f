/** Lines that are no messages, and the limits of those that are. */

import { assertEquals, assertLessOrEqual, assertStrictEquals, assertThrows } from "@std/assert";
import { frameBytesMax, keyBytesMax, listEntriesMax, valueBytesMax } from "../../lib/limits.ts";
import {
  type AnyMensagem,
  checkKey,
  checkValue,
  FrameError,
  Get,
  GetOk,
  Heartbeat,
  Mensagem,
  MensagemError,
  Put,
  Replication,
  Snapshot,
  Status,
} from "../../lib/mensagem.ts";
import { eventsPerFrameMax } from "../../lib/wire/events.ts";
import { textOfValue, type Value } from "../../lib/wire/long_value.ts";
import {
  changesPerFrameMax,
  errorMessageCharsMax,
  gapsMax,
  snapshotEntriesMax,
} from "../../lib/wire/parse.ts";
import { frameTokensMax } from "../../lib/wire/tokens.ts";
import { serversMax } from "../../lib/wire/validate.ts";
import { allGolden } from "../support/golden_messages.ts";
import { assertBad, withField } from "../support/wrong_lines.ts";

const pure = { permissions: "none" } as const;

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
      ["SNAPSHOT", gapsMax, (count) => ({ entries: [], gaps: repeat([1, 2], count) })],
      ["SYNC", gapsMax, (count) => ({ latest: 1, gaps: repeat([1, 2], count) })],
      [
        "LIST_OK",
        listEntriesMax,
        (count) => ({ entries: repeat(["k", "", 1], count), more: true }),
      ],
      ["CHANGES", changesPerFrameMax, (count) => ({ changes: repeat(["k", null, 1], count) })],
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
          if (!(name in message) || typeof JSON.parse(line)[name] !== "string") continue;
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
