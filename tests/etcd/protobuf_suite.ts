import { assertEquals, assertThrows } from "@std/assert";
import { EtcdError } from "../../lib/etcd/errors.ts";
import { bytes, id, int, Message, message } from "../../lib/etcd/protobuf.ts";
import { givenSeed, Random } from "../support/random.ts";

/** Numbers at which a varint gets longer, and their neighbours. */
const numbers = [0, 1, 127, 128, 300, 2 ** 14 - 1, 2 ** 31, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1];

Deno.test("a number comes back, and is written as other programs write it", () => {
  for (const number of numbers) assertEquals(new Message(int(3, number)).int(3), number);
  assertEquals([...int(1, 300)], [8, 0xac, 2]); // the example of the encoding's own description
  assertEquals([...bytes(2, "testing")], [0x12, 7, ...new TextEncoder().encode("testing")]);
  assertEquals([...int(1, 0)], []);
});

Deno.test("an id of 64 bits comes back, also one that no number can hold", () => {
  for (const one of [0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    assertEquals(new Message(id(4, one)).id(4), one);
  }
  const tooHigh = new Message(id(4, 2n ** 53n));
  assertThrows(() => tooHigh.int(4), EtcdError, "a number that is no safe integer");
});

Deno.test("fields of any order and type are read, and the others are skipped", () => {
  const eightBytes = Uint8Array.of(9 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8);
  const fourBytes = Uint8Array.of(10 << 3 | 5, 1, 2, 3, 4);
  const inner = message(int(1, 5), bytes(2, "é"));
  const all = new Message(
    message(eightBytes, bytes(2, inner), fourBytes, int(3, 7), bytes(2, message(int(1, 6)))),
  );
  assertEquals(Array.from(all.messages(2), (one) => one.int(1)), [5, 6]);
  assertEquals([all.int(3), all.has(3), all.has(4), all.bytes(8).length], [7, true, false, 0]);
  assertThrows(() => all.bytes(3), EtcdError, "a field of another type");
  assertThrows(() => all.int(2), EtcdError, "a field of another type");
});

Deno.test("random bytes are a message or an EtcdError, never something else", () => {
  const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);
  const random = new Random(seed);
  for (let n = 0; n < 4_000; n++) {
    const content = Uint8Array.from({ length: random.below(24) }, () => random.below(256));
    const received = new Message(content);
    try {
      for (const one of received.messages(1 + random.below(4))) one.int(1);
      received.id(random.below(16));
    } catch (error) {
      if (!(error instanceof EtcdError)) throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
