/** The list of waiting calls, beside a `Set`. */

import { assertEquals } from "@std/assert";
import { type Links, WaitingList } from "../../lib/client/waiting_list.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

interface Element extends Links<Element> {
  readonly n: number;
}

const element = (n: number): Element => ({ n, previous: undefined, next: undefined });
const numbers = (elements: Iterable<Element>) => Array.from(elements, ({ n }) => n);

Deno.test(
  "elements come in the order in which they entered, whichever have left",
  pure,
  seeded((random) => {
    const list = new WaitingList<Element>();
    const set = new Set<Element>();
    for (let step = 0; step < 2_000; step++) {
      if (set.size === 0 || random.chance(0.52)) {
        const one = element(step);
        list.add(one);
        set.add(one);
      } else {
        const one = [...set][random.below(set.size)]!;
        list.delete(one);
        set.delete(one);
        assertEquals([one.previous, one.next], [undefined, undefined], "it keeps no other");
        if (random.chance(0.2)) {
          list.add(one); // again, at the end
          set.add(one);
        }
      }
      assertEquals(list.size, set.size);
      if (step % 50 === 0) assertEquals(numbers(list), numbers(set));
    }
    assertEquals(numbers(list.clear()), numbers(set));
    assertEquals([list.size, ...list], [0]);
  }),
);

Deno.test("an element may leave while the list is walked", pure, () => {
  const list = new WaitingList<Element>();
  for (let n = 0; n < 6; n++) list.add(element(n));
  const seen: number[] = [];
  for (const one of list) {
    seen.push(one.n);
    if (one.n % 2 === 0) list.delete(one);
  }
  assertEquals(seen, [0, 1, 2, 3, 4, 5]);
  assertEquals(numbers(list), [1, 3, 5]);
});
