import { assertEquals, assertLess } from "@std/assert";
import { OrderedKeys } from "../../lib/replication/ordered_keys.ts";
import { compareKeys } from "../../lib/wire/key_order.ts";
import { heapInUse } from "../support/heap.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

/** Keys that share starts, as real ones do, and some that do not. */
function key(random: Random): string {
  const start = random.pick(["", "a", "user:", "user:00", "é/", "😀", "\uffff"]);
  return `${start}${random.below(random.pick([10, 1_000, 100_000]))}${
    random.pick(["", "x", "😀"])
  }`;
}

Deno.test(
  "random additions and removals leave the keys of a sorted list",
  pure,
  seeded((random) => {
    const keys = new OrderedKeys();
    const model = new Set<string>();
    for (let n = 0; n < 4_000; n++) {
      const one = key(random);
      // It grows at first, and shrinks at the end.
      if (random.chance(n < 2_400 ? 0.4 : 0.05)) {
        const length = random.pick([1, 2, 5, 20, 1_000]);
        const added = Array.from({ length: random.below(length) }, () => key(random));
        keys.addAll(added.toSorted(compareKeys)); // some are there already, or come twice
        for (const other of added) model.add(other);
      } else {
        const gone = random.chance(0.7) && model.size > 0 ? random.pick([...model]) : one;
        assertEquals(keys.delete(gone), model.delete(gone));
      }
      if (n % 100 !== 0) continue;
      keys.checkInvariants();
      const sorted = [...model].sort(compareKeys);
      assertEquals([...keys.from("")], sorted);
      const first = random.chance(0.5) && sorted.length > 0 ? random.pick(sorted) : key(random);
      const rest = sorted.filter((other) => compareKeys(other, first) >= 0);
      assertEquals([...keys.from(first)], rest);
      assertEquals([...keys.from(first, true)], rest.filter((other) => other !== first));
    }
  }),
);

for (const [name, order] of [["rising", 1], ["falling", -1]] as const) {
  Deno.test(`10,000 ${name} keys are in order, and are removed again`, pure, () => {
    const keys = new OrderedKeys();
    const all = Array.from({ length: 10_000 }, (_, n) => `key ${String(n).padStart(6, "0")}`);
    const added = order > 0 ? all : all.toReversed();
    for (let n = 0; n < added.length; n += 100) {
      keys.addAll(added.slice(n, n + 100).sort(compareKeys));
    }
    keys.checkInvariants();
    assertEquals([...keys.from("")], all);
    for (const one of added) keys.delete(one);
    keys.checkInvariants();
    assertEquals([...keys.from("")], []);
  });
}

Deno.test("a key takes few bytes beside its text", pure, () => {
  const all = Array.from({ length: 50_000 }, (_, n) => `key ${(n * 7919) % 50_021}`);
  const parts = Array.from(
    { length: 50 },
    (_, n) => all.slice(1_000 * n, 1_000 * (n + 1)).sort(compareKeys),
  );
  const before = heapInUse();
  const keys = new OrderedKeys();
  for (const part of parts) keys.addAll(part);
  assertLess((heapInUse() - before) / all.length, 40); // some 24
  keys.clear(); // they were in use until here
});
