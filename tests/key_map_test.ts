/** The map by clients' keys, beside a `Map`. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { KeyMap } from "../lib/key_map.ts";
import { seeded } from "./support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "a KeyMap answers like a Map, over 20,000 random operations",
  pure,
  seeded((random) => {
    const keys = ["5", "#5", "##5", "32773", "0", "00", "9999999999", "12345678901", "#", "", "k"];
    keys.push("__proto__", "-1", "1e3", "5 ", "٥", "#12345678901", "4294967295", "/", ":");
    const [map, dumb] = [new KeyMap<number>(), new Map<string, number>()];
    for (let n = 0; n < 20_000; n++) {
      const key = random.pick(keys);
      if (random.chance(0.4)) {
        map.set(key, n);
        dumb.set(key, n);
      } else if (random.chance(0.5)) assertStrictEquals(map.delete(key), dumb.delete(key));
      else if (random.chance(0.01)) {
        map.clear();
        dumb.clear();
      }
      assertStrictEquals(map.get(key), dumb.get(key));
      assertStrictEquals(map.size, dumb.size);
      assertStrictEquals(map.oldest, dumb.keys().next().value);
    }
    assertEquals([...map.entries()], [...dumb.entries()]);
  }),
);

Deno.test("a walk over a KeyMap meets what is set meanwhile, as that over a Map", pure, () => {
  const map = new KeyMap<number>();
  map.set("1", 1);
  const walk = map.entries();
  map.set("2", 2);
  assertEquals([...walk], [["1", 1], ["2", 2]]);
});
