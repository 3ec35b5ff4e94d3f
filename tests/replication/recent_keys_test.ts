import { assert, assertEquals } from "@std/assert";
import { RecentKeys } from "../../lib/replication/recent_keys.ts";
import { runCharsMax } from "../../lib/replication/sorted_runs.ts";
import { compareKeys } from "../../lib/wire/key_order.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "keys are taken over in their order, each once, whatever comes and goes meanwhile",
  pure,
  seeded((random) => {
    const recent = new RecentKeys();
    const model = new Set<string>();
    let taken = 0;
    for (let round = 0; round < 2_000; round++) {
      for (let n = random.below(60); n > 0; n--) {
        const key = `${random.pick(["k", "é", ""])}${random.below(100_000)}`;
        if (model.has(key)) continue;
        recent.add(key);
        model.add(key);
      }
      // with these, what is left has to be taken over too
      const many = random.chance(0.1) ? 280 : 0;
      for (let n = 0; n < many; n++) recent.add(`a${round}.${n}`);
      for (let n = 0; n < many; n++) recent.delete(`a${round}.${n}`);
      for (let n = random.below(20); n > 0 && model.size > 0; n--) {
        const key = random.chance(0.5) ? [...model.keys().take(1)][0]! : [...model].at(-1)!;
        recent.delete(key);
        model.delete(key);
      }
      if (recent.full) {
        const keys = recent.takeSome(random.between(1, 200));
        assertEquals(keys, keys.toSorted(compareKeys));
        for (const key of keys) assert(model.delete(key), key);
        taken += keys.length;
      }
      if (round % 20 > 0) continue;
      const first = `k${random.below(100_000)}`;
      const rest = [...model].filter((key) => compareKeys(key, first) >= 0).sort(compareKeys);
      assertEquals([...recent.from(first)], rest);
    }
    assert(taken > 100, `${taken} keys were taken over`);
  }),
);

Deno.test("few long keys make a run, so that sorting them takes a bounded time", pure, () => {
  const recent = new RecentKeys();
  const key = (n: number) => `${"x".repeat(1_000)}${n}`;
  const count = 20 * Math.ceil(runCharsMax / 1_000);
  for (let n = 0; n < count; n++) recent.add(key(n));
  recent.settle();
  assert(recent.full);
  const slice = recent.takeSome(1_024);
  assertEquals(slice.length, Math.ceil(1_024 / (1 + (key(1_000).length >> 5))));
});
