import { assert, assertEquals } from "@std/assert";
import {
  placeOf,
  runKeysMax,
  sortedRun,
  SortedRuns,
  sortKeys,
} from "../../lib/replication/sorted_runs.ts";
import { compareKeys } from "../../lib/wire/key_order.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

/** Random keys, many of which begin alike or are equal. */
function keysOf(random: Random, count: number): string[] {
  const start = random.pick(["", "key:", "é", "😀/", "\uffff"]);
  const middles = random.pick([[""], ["", "users/", "users/0000000/", "é", "\u0000", "\u007f"]]);
  const below = random.pick([3, 100, 1_000_000]);
  return Array.from(
    { length: count },
    () => `${start}${random.pick(middles)}${random.below(below)}`,
  );
}

Deno.test(
  "keys are sorted by their bytes, also beyond ASCII and where many begin alike",
  pure,
  seeded((random) => {
    for (const count of [0, 1, 2, 31, 32, 500, runKeysMax, runKeysMax + 1]) {
      const keys = keysOf(random, count);
      assertEquals(sortKeys(keys), keys.toSorted(compareKeys));
    }
  }),
);

Deno.test("equal keys are sorted too", pure, () => {
  assertEquals(sortKeys(Array(100).fill("k")), Array(100).fill("k"));
});

Deno.test(
  "marks rise with the keys",
  pure,
  seeded((random) => {
    const { keys, marks, common } = sortedRun(keysOf(random, 1_000));
    assertEquals(marks!.length, keys.length);
    for (let n = 1; n < keys.length; n++) assert(marks![n - 1]! <= marks![n]!);
    assert(keys.every((key) => key.startsWith(common)));
  }),
);

Deno.test(
  "the keys of runs are taken in their order, whether their marks can be compared or not",
  pure,
  seeded((random) => {
    const runs = new SortedRuns();
    const all: string[] = [];
    const add = () => {
      const keys = keysOf(random, random.pick([0, 5, 100, 1_000]));
      const taken = random.below(keys.length + 1);
      const sorted = sortedRun(keys);
      runs.add(sorted, taken);
      all.push(...sorted.keys.slice(taken));
    };
    for (let n = 0; n < 10; n++) add();
    for (let round = 0; round < 3; round++) {
      all.sort(compareKeys);
      const taken = Array.from({ length: all.length >> 1 }, () => runs.take());
      assertEquals(taken, all.splice(0, taken.length));
      add();
    }
    all.sort(compareKeys);
    assertEquals(Array.from({ length: all.length + 1 }, () => runs.take()), [...all, undefined]);
    assert(runs.empty);
  }),
);

Deno.test(
  "a place is found among all keys or a part of them",
  pure,
  seeded((random) => {
    const keys = sortKeys(keysOf(random, 200));
    for (const key of keysOf(random, 50)) {
      const place = keys.filter((other) => compareKeys(other, key) < 0).length;
      assertEquals(placeOf(key, keys), place);
      const low = random.below(keys.length);
      const high = random.between(low, keys.length);
      assertEquals(placeOf(key, keys, low, high), Math.min(Math.max(place, low), high));
    }
  }),
);
