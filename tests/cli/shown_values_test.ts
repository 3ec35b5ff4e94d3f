import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { escapeControls } from "../../lib/cli/escape.ts";
import { shownBytesMax, ShownValues } from "../../lib/cli/shown_values.ts";
import { textOf } from "../../lib/wire/frames.ts";
import { LongValue } from "../../lib/wire/long_value.ts";

const pure = { permissions: "none" } as const;

const texts = ["plain", 'with "quotes"', "line\nend\x7f", "ção 😀 \u202e", 'ção "😀"'];

Deno.test("a long value is shown as the same text each time", pure, () => {
  const shown = new ShownValues();
  for (const text of texts) {
    const value = LongValue.of(text.repeat(200));
    for (let time = 1; time <= 3; time++) {
      assertStrictEquals(textOf([shown.of(value)]), escapeControls(text.repeat(200)));
    }
  }
});

Deno.test(
  "JSON is shown as it is only if it spells each character as the console does",
  pure,
  () => {
    const escapes = [
      ...["\\n", "\\t", "\\r", "\\b", "\\f", '\\"', "\\\\", "\\/", "\x7f", "\\u0041", "\\u001F"],
      ...["\\u007f", "\\\\n", "\\\\u0001", "\\\\\\n", ""],
      ...Array.from({ length: 0x20 }, (_, code) => `\\u${code.toString(16).padStart(4, "0")}`),
    ];
    const asItIs = escapes.filter((escape) => {
      const inner = `x${escape}`.repeat(400);
      const value = new LongValue(inner);
      const shown = textOf([new ShownValues().of(value)]);
      assertStrictEquals(shown, escapeControls(JSON.parse(`"${inner}"`)), escape);
      return value.shownAs === "json";
    });
    assertStrictEquals(asItIs.length, 3 + 29 + 2); // n, t, r; 29 of 32 by number; 7f; none
  },
);

Deno.test(
  "only a value that is not shown as its JSON is remembered, from the second time on",
  pure,
  () => {
    const shown = new ShownValues();
    const [plain, quotes] = [LongValue.of("x".repeat(1_000)), LongValue.of('"'.repeat(1_000))];
    for (const value of [plain, plain, quotes]) shown.of(value);
    assertStrictEquals(shown.bytes, 0);
    const second = shown.of(quotes);
    assertEquals([shown.bytes, shown.of(quotes) === second], [1_000, true]);
  },
);

Deno.test("what is remembered is bounded, and the oldest is forgotten first", pure, () => {
  const shown = new ShownValues();
  const values = Array.from({ length: 9 }, (_, n) => LongValue.of(`"${n}`.repeat(500_000)));
  for (const value of values) {
    shown.of(value);
    shown.of(value);
    assert(shown.bytes <= shownBytesMax, `${shown.bytes} bytes`);
  }
  const before = shown.bytes;
  const newest = values.at(-1)!;
  assertStrictEquals(shown.of(newest), shown.of(newest));
  assertStrictEquals(shown.bytes, before);
  assertStrictEquals(textOf([shown.of(values[0]!)]), '"0'.repeat(500_000));
  assertStrictEquals(shown.bytes, before);
});
