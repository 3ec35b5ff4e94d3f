import { assertEquals } from "@std/assert";
import { compareKeys } from "../../lib/wire/key_order.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const encoder = new TextEncoder();

/** The order of bytes, in the dumbest way. */
function compareBytes(a: string, b: string): number {
  const [one, other] = [encoder.encode(a), encoder.encode(b)];
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    if (one[at] !== other[at]) return one[at]! - other[at]!;
  }
  return one.length - other.length;
}

Deno.test("a character above U+FFFF comes after all others, as in UTF-8", pure, () => {
  const keys = ["😀", "\uffff", "\ue000", "\ud7ff", "z", "é", "a", "😀a", "😁"];
  assertEquals(
    keys.toSorted(compareKeys),
    ["a", "z", "é", "\ud7ff", "\ue000", "\uffff", "😀", "😀a", "😁"],
  );
  assertEquals(keys.toSorted()[4], "😀", "the order of UTF-16 units is another one");
});

Deno.test(
  "20,000 random pairs have the order of their bytes in UTF-8",
  pure,
  seeded((random) => {
    const pieces = ["a", "b", "é", "\ud7ff", "\ue000", "\uffff", "😀", "😁", "\u{10ffff}"];
    const text = () => Array.from({ length: random.below(4) }, () => random.pick(pieces)).join("");
    for (let n = 0; n < 20_000; n++) {
      const [a, b] = [text(), text()];
      assertEquals(Math.sign(compareKeys(a, b)), Math.sign(compareBytes(a, b)), `${a} ${b}`);
    }
  }),
);
