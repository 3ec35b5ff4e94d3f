import { assertStrictEquals } from "@std/assert";
import { KeyedHeap } from "../../lib/replication/keyed_heap.ts";
import { seeded } from "../support/random.ts";

Deno.test(
  "a heap of keys answers like a map that is searched, over 20,000 random operations",
  { permissions: "none" },
  seeded((random) => {
    const heap = new KeyedHeap();
    const map = new Map<string, number>();
    for (let n = 0; n < 20_000; n++) {
      const key = String(random.below(300));
      const dice = random.next();
      if (dice < 0.55) {
        const number = random.below(1_000);
        heap.set(key, number);
        map.set(key, number);
      } else if (dice < 0.9) assertStrictEquals(heap.delete(key), map.delete(key));
      else if (dice < 0.901) {
        heap.clear();
        map.clear();
      } else if (heap.first !== undefined) {
        map.delete(heap.first);
        heap.delete(heap.first);
      }
      assertStrictEquals(heap.size, map.size);
      assertStrictEquals(heap.get(key), map.get(key));
      assertStrictEquals(heap.lowest, Math.min(...map.values()));
      assertStrictEquals(heap.first && map.get(heap.first), map.size > 0 ? heap.lowest : undefined);
      if (n % 100 === 0) heap.checkInvariants();
    }
    assertStrictEquals(JSON.stringify([...heap.entries()].sort()), JSON.stringify([...map].sort()));
  }),
);
