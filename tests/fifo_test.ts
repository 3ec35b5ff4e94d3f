import { assertEquals, assertStrictEquals } from "@std/assert";
import { Fifo } from "../lib/fifo.ts";
import { seeded } from "./support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test("an empty Fifo has no first element, however often it is asked", pure, () => {
  const fifo = new Fifo<string>();
  assertStrictEquals(fifo.shift(), undefined);
  assertStrictEquals(fifo.shift(), undefined);
  assertStrictEquals(fifo.length, 0);
  fifo.push("a");
  assertStrictEquals(fifo.shift(), "a");
});

Deno.test("a Fifo counts an element that is undefined", pure, () => {
  const fifo = new Fifo<number | undefined>();
  fifo.push(undefined);
  fifo.push(1);
  assertStrictEquals(fifo.length, 2);
  assertStrictEquals(fifo.shift(), undefined);
  assertStrictEquals(fifo.length, 1);
  assertStrictEquals(fifo.shift(), 1);
});

Deno.test("at() never shows an element that was taken, nor one beyond the end", pure, () => {
  const fifo = new Fifo<number>();
  for (let n = 0; n < 10; n++) fifo.push(n);
  for (let n = 0; n < 3; n++) fifo.shift();
  assertStrictEquals(fifo.at(0), 3);
  assertStrictEquals(fifo.at(6), 9);
  assertStrictEquals(fifo.at(7), undefined);
});

Deno.test(
  "a Fifo does what an array does, over 100,000 random operations",
  pure,
  seeded((random) => {
    for (let round = 0; round < 100; round++) {
      const fifo = new Fifo<number>();
      const array: number[] = [];
      const pushing = random.next();
      for (let n = 0; n < 1_000; n++) {
        if (random.chance(pushing)) {
          fifo.push(n);
          array.push(n);
        } else {
          assertStrictEquals(fifo.shift(), array.shift());
        }
        const index = random.below(array.length + 2);
        assertStrictEquals(fifo.at(index), array[index]);
        assertStrictEquals(fifo.length, array.length);
      }
      assertEquals(Array.from(array, () => fifo.shift()), array);
    }
  }),
);
