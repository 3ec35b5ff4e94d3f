import { assertEquals } from "@std/assert";
import { WatchTargets } from "../../lib/replication/watch_targets.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "3,000 random watches come and go, and a key finds those of its own and of its prefixes",
  pure,
  seeded((random) => {
    const targets = new WatchTargets<number>();
    const model = new Map<number, { key: string } | { prefix: string }>();
    const text = () =>
      Array.from({ length: random.below(5) }, () => random.pick(["a", "b", "😀"])).join("");
    for (let n = 0; n < 3_000; n++) {
      if (model.size === 0 || random.chance(n < 1_500 ? 0.7 : 0.3)) {
        const target = random.chance(0.3) ? { key: `${text()}a` } : { prefix: text() };
        model.set(n, target);
        targets.add(target, n);
      } else {
        const [gone, target] = random.pick([...model]);
        model.delete(gone);
        targets.delete(target, gone);
      }
      if (n % 20 === 0) targets.checkInvariants();
      const key = `${text()}a`;
      const found: number[] = [];
      targets.visit(key, (watch) => found.push(watch));
      const expected = [...model].filter(([, target]) =>
        "key" in target ? target.key === key : key.startsWith(target.prefix)
      );
      assertEquals(found.toSorted((a, b) => a - b), expected.map(([watch]) => watch));
    }
  }),
);
