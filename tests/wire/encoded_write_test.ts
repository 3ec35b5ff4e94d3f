import {
  assert,
  assertEquals,
  assertLess,
  assertNotStrictEquals,
  assertStrictEquals,
} from "@std/assert";
import { Mensagem, Put, Replication } from "../../lib/mensagem.ts";
import { Store } from "../../lib/replication/store.ts";
import { Write } from "../../lib/wire/encoded_write.ts";
import { type Random, seeded } from "../support/random.ts";
import { textOf } from "../../lib/wire/frames.ts";

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
    const before = Deno.memoryUsage().heapUsed;
    for (let n = 0; n < chunks; n++) {
      // Lines are slices of their chunk.
      const long = line.replaceAll('"k"', `"a key that is not short ${n}"`);
      const [first] = `${long}${"x".repeat(chunkChars)}`.split("\n");
      const { key, write } = replicationOf(first!);
      table.keep(key, write);
    }
    assertStrictEquals(table.size, chunks);
    assertLess(Deno.memoryUsage().heapUsed - before, chunks * chunkChars / 2);
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
  const before = Deno.memoryUsage().heapUsed;
  const writes = Array.from(
    { length: count },
    (_, n) => Write.of(`a key with the number ${n}`, `a value with the number ${n}`, n),
  );
  assertStrictEquals(writes.length, count);
  // A flat string takes 150 to 290 bytes, garbage included; a rope takes 470 or more.
  assertLess((Deno.memoryUsage().heapUsed - before) / count, 380);
});
