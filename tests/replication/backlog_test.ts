import { assertEquals } from "@std/assert";
import { Backlog, type Found } from "../../lib/replication/backlog.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "changes that are added in any order are taken in theirs, in several runs",
  pure,
  seeded((random) => {
    for (const count of [0, 1, 2, 4_095, 4_096, 4_097, 30_000]) {
      const backlog = new Backlog();
      const all: Found[] = Array.from({ length: count }, (_, n) => ({
        key: `k${n}`,
        timestamp: 1 + random.below(count),
        deleted: random.chance(0.2),
      }));
      for (const one of all) backlog.add(one);
      const taken: Found[] = [];
      while (true) {
        const { next } = backlog;
        const one = backlog.take();
        assertEquals(next, one?.timestamp ?? Infinity);
        if (one === undefined) break;
        taken.push(one);
        assertEquals(backlog.size, count - taken.length);
      }
      const place = ({ timestamp, key }: Found) => `${String(timestamp).padStart(9)} ${key}`;
      const sorted = (list: Found[]) => list.map(place).sort();
      assertEquals(
        taken.map(({ timestamp }) => timestamp),
        all.map(({ timestamp }) => timestamp).sort((a, b) => a - b),
      );
      assertEquals(sorted(taken), sorted(all));
      assertEquals(
        taken.filter(({ deleted }) => deleted).length,
        all.filter(({ deleted }) => deleted).length,
      );
    }
  }),
);
