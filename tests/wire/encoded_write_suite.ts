import {
  assert,
  assertEquals,
  assertLess,
  assertNotStrictEquals,
  assertStrictEquals,
} from "@std/assert";
import {
  type Change,
  Changes,
  type ListEntry,
  ListOk,
  Mensagem,
  Put,
  Replication,
  textOfValue,
  WriteRequest,
} from "../../lib/mensagem.ts";
import { Store } from "../../lib/replication/store.ts";
import { Write } from "../../lib/wire/encoded_write.ts";
import { type Random, seeded } from "../support/random.ts";
import { textOf } from "../../lib/wire/frames.ts";
import { heapInUse } from "../support/heap.ts";

const pure = { permissions: "none" } as const;

const pieces = [
  "a",
  "cor",
  " ",
  "é",
  "😀",
  '"',
  "\\",
  "\n",
  "\0",
  "\x7f",
  "\u2028",
  "/",
  "'",
  "\\u0041",
];

function text(random: Random, piecesMin: number): string {
  const plain = random.chance(0.5);
  return Array.from(
    { length: random.between(piecesMin, 6) },
    () => random.pick(plain ? ["a", "cor", " ", "x9"] : pieces),
  ).join("");
}

Deno.test(
  "a write has its value and timestamp, and its text is the JSON of them and the key",
  pure,
  () => {
    const write = Write.of("cor", 'a"z\\ul\n', 7);
    assertEquals([write.value, write.timestamp], ['a"z\\ul\n', 7]);
    assertStrictEquals(
      write.frame("", "cor"),
      '"key":"cor","value":"a\\"z\\\\ul\\n","timestamp":7}\n',
    );
  },
);

Deno.test(
  "2,000 random writes are the same, whether made from a PUT, a line or a key and value",
  pure,
  seeded((random) => {
    for (let n = 0; n < 2_000; n++) {
      const [key, value, timestamp] = [text(random, 1), text(random, 0), random.below(2 ** 40)];
      const write = Write.of(key, value, timestamp);
      assertStrictEquals(write.value, value);
      const [keyJson, valueJson] = [JSON.stringify(key), JSON.stringify(value)];
      assertStrictEquals(write.chars, keyJson.length + valueJson.length - 4);
      assertEquals(JSON.parse(textOf(write.frame("{", key))), { key, value, timestamp });

      const put = Mensagem.decode(new Put(n, key, value).encode().slice(0, -1)) as Put;
      for (
        const one of [put, put.forwarded(9, "127.0.0.1:1"), new Put(n, key, value)]
      ) {
        const stamped = one.stamped(timestamp);
        assertEquals([stamped.key, stamped.write], [key, write]);
      }
      const line = Replication.of(key, value, timestamp).encode().slice(0, -1);
      const replication = Mensagem.decode(line) as Replication;
      assertEquals([replication.key, replication.write], [key, write]);
    }
  }),
);

Deno.test("a forwarded PUT has the same key and value, and the client's address", pure, () => {
  for (const value of ["azul", "a\tz"]) {
    const put = Mensagem.decode(
      `{"type":"PUT","id":3,"key":"cor","value":"${value.replace("\t", "\\t")}"}`,
    );
    const forwarded = (put as Put).forwarded(8, "127.0.0.1:50000").encode();
    assertEquals(JSON.parse(forwarded), {
      ...{ type: "PUT", id: 8, key: "cor", value, client: "127.0.0.1:50000" },
    });
    assertEquals((Mensagem.decode(forwarded.slice(0, -1)) as Put).client, "127.0.0.1:50000");
  }
});

Deno.test("a copy does not change when its original becomes another write", pure, () => {
  const write = Write.of("k", "old", 1);
  const copy = write.copy();
  assertNotStrictEquals(copy, write);
  write.become(Write.of("k", "newer", 2));
  assertEquals([copy.value, copy.timestamp], ["old", 1]);
  assertEquals(write, Write.of("k", "newer", 2));
});

for (
  const [name, line, replicationOf] of [
    ["a REPLICATION", new Replication("k", Write.of("k", "v", 1)).encode(), replicated],
    ["a PUT", new Put(1, "k", "v").encode(), stamped],
  ] as const
) {
  Deno.test(`an entry from ${name} does not keep the received chunk in memory`, pure, () => {
    const chunks = 2_000;
    const chunkChars = 60_000;
    const table = new Store();
    const before = heapInUse();
    for (let n = 0; n < chunks; n++) {
      // Lines are slices of their chunk.
      const long = line.replaceAll('"k"', `"a key that is not short ${n}"`);
      const [first] = `${long}${"x".repeat(chunkChars)}`.split("\n");
      const { key, write } = replicationOf(first!);
      table.keep(key, write);
    }
    assertLess(heapInUse() - before, chunks * 1_000); // some 250 each
    assertStrictEquals(table.size, chunks);
  });
}

function replicated(line: string): Replication {
  const message = Mensagem.decode(line);
  assert(message instanceof Replication);
  return message;
}

function stamped(line: string): Replication {
  const message = Mensagem.decode(line);
  assert(message instanceof Put);
  return message.stamped(1);
}

Deno.test("the text of a write is a flat string", pure, () => {
  const count = 250_000;
  const before = heapInUse();
  const writes = Array.from(
    { length: count },
    (_, n) => Write.of(`a key with the number ${n}`, `a value with the number ${n}`, n),
  );
  assertLess((heapInUse() - before) / count, 200); // some 180; a rope takes 526
  assertStrictEquals(writes.length, count);
});

const longText = 'a long "é"'.repeat(200);

Deno.test("a deletion is a write with null, and has no text of its own", pure, () => {
  const write = Write.of("cór", null, 7);
  assertEquals([write.value, write.timestamp, write.deletes, write.chars], [null, 7, true, 3]);
  assertStrictEquals(write.frame("{", "cór"), '{"key":"cór","value":null,"timestamp":7}\n');
  assertStrictEquals(Write.of("k", "", 7).deletes, false);
});

Deno.test(
  "a write with a time to live has the frame of one without, but for REPLICATION",
  pure,
  () => {
    for (const value of ["azul", "", 'a"z', longText]) {
      const [timed, plain] = [Write.of("k", value, 7, 1_000), Write.of("k", value, 7)];
      assertEquals([timed.ttlMs, plain.ttlMs], [1_000, undefined]);
      assertEquals(timed.frame("{", "k"), plain.frame("{", "k"));
      assertEquals([timed.value, timed.chars], [plain.value, plain.chars]);
      const frame = JSON.parse(new Replication("k", timed).encode());
      assertEquals(frame, { type: "REPLICATION", key: "k", value, timestamp: 7, ttlMs: 1_000 });
      const copy = plain.copy();
      copy.become(timed);
      assertEquals(copy, timed);
    }
  },
);

Deno.test(
  "2,000 random WRITEs become the write that their parts make",
  pure,
  () =>
    seeded((random) => {
      for (let n = 0; n < 2_000; n++) {
        const [key, timestamp] = [text(random, 1), random.below(2 ** 40)];
        const value = random.chance(0.2)
          ? null
          : text(random, 0).repeat(random.chance(0.1) ? 200 : 1);
        const ttlMs = value !== null && random.chance(0.5) ? 1_000 + n : undefined;
        const request = new WriteRequest(n, key, value, random.pick([undefined, 0, n]), ttlMs);
        const bytes = new TextEncoder().encode(textOf(request.frame()).slice(0, -1));
        const line = new TextDecoder().decode(bytes);
        const decoded = Mensagem.decode(line, {}, bytes) as WriteRequest;
        const write = Write.of(key, value, timestamp, ttlMs);
        for (const one of [request, decoded, decoded.forwarded(9, "127.0.0.1:1")]) {
          const stamped = one.stamped(timestamp);
          assertEquals(stamped.key, key);
          assertEquals(stamped.write.frame("", key), write.frame("", key));
          assertEquals([stamped.write.ttlMs, stamped.write.deletes], [ttlMs, value === null]);
        }
        const forwarded = JSON.parse(textOf(decoded.forwarded(9, "127.0.0.1:1").frame()));
        assertEquals(forwarded, { ...JSON.parse(line), id: 9, client: "127.0.0.1:1" });
      }
    })(),
);

Deno.test("a LIST_OK and CHANGES made of stored writes are those made of their parts", pure, () => {
  const values = ["azul", "", 'é"\\\n', longText, null, "x"];
  const writes = values.map((value, n) => [`k"${n}`, Write.of(`k"${n}`, value, n)] as const);
  for (const count of [0, 1, 4, writes.length]) {
    const some = writes.slice(0, count);
    const changes = some.map(([key, write]) => [key, textOfValue(write.value), write.timestamp]);
    const elements = some.map(([key, write]) => write.element(key));
    for (const reset of [true, undefined] as const) {
      assertStrictEquals(
        textOf(Changes.frame(7, Changes.body(elements, 9, { reset: reset ?? false, more: true }))),
        new Changes(7, changes as unknown as Change[], 9, reset, true).encode(),
      );
    }
    if (count === writes.length) continue;
    assertStrictEquals(
      textOf(ListOk.frame(7, elements, true, 9)),
      new ListOk(7, changes as unknown as ListEntry[], true, 9).encode(),
    );
  }
});

Deno.test("a write has no field for what only some writes have", pure, () => {
  assertStrictEquals(Object.keys(Write.of("k", "v", 1)).length, 4);
});
