import { assertEquals, assertStrictEquals } from "@std/assert";
import { Fifo } from "../lib/fifo.ts";
import { seeded } from "./support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test("shift() of an empty Fifo is undefined, even twice", pure, () => {
  const fifo = new Fifo<string>();
  assertStrictEquals(fifo.shift(), undefined);
  assertStrictEquals(fifo.shift(), undefined);
  assertStrictEquals(fifo.length, 0);
  fifo.push("a");
  assertStrictEquals(fifo.shift(), "a");
});

Deno.test("an element may be undefined and is counted", pure, () => {
  const fifo = new Fifo<number | undefined>();
  fifo.push(undefined);
  fifo.push(1);
  assertStrictEquals(fifo.length, 2);
  assertStrictEquals(fifo.shift(), undefined);
  assertStrictEquals(fifo.length, 1);
  assertStrictEquals(fifo.shift(), 1);
});

Deno.test(
  "at() counts from the first element that was not taken, and is undefined beyond the end",
  pure,
  () => {
    const fifo = new Fifo<number>();
    for (let n = 0; n < 10; n++) fifo.push(n);
    for (let n = 0; n < 3; n++) fifo.shift();
    assertStrictEquals(fifo.at(0), 3);
    assertStrictEquals(fifo.at(6), 9);
    assertStrictEquals(fifo.at(7), undefined);
  },
);

Deno.test(
  "100,000 random operations give the same as on an array",
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
