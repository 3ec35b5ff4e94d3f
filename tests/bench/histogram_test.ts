/** The histogram of the load generator, compared with a sorted array, and its drawings. */

import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";
import { drawCurve, drawHistogram, duration, plain } from "../../bench/drawing.ts";
import { Histogram } from "../../bench/histogram.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

/** The exact percentile of a sorted list. */
function percentileOf(sorted: readonly number[], share: number): number {
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
}

Deno.test(
  "percentiles are those of a sorted array of whole microseconds, or at most 1 % higher",
  pure,
  seeded((random) => {
    for (let round = 0; round < 300; round++) {
      const histogram = new Histogram();
      const latencies = Array.from(
        { length: random.between(1, 200) },
        () => 2 ** (random.next() * 36) * (random.chance(0.1) ? 0 : 1),
      );
      for (const us of latencies) histogram.record(us);
      latencies.sort((a, b) => a - b);
      assertEquals(histogram.count, latencies.length);
      assertEquals(histogram.maxUs, latencies.at(-1));
      for (const share of [0, 0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
        const exact = Math.floor(percentileOf(latencies, share));
        const read = histogram.percentileUs(share);
        assert(read >= exact, `${share}: ${read} < ${exact}`);
        assertLessOrEqual(read, Math.max(1, exact * 1.01));
      }
    }
  }),
);

Deno.test(
  "the rows count every latency in its range; the first and the last are not empty",
  pure,
  () => {
    const histogram = new Histogram();
    const latencies = [40, 63, 64, 95.9, 96, 127, 128, 1_000_000];
    for (const us of latencies) histogram.record(us);
    const rows = histogram.rows();
    for (const { fromUs, toUs, count } of rows) {
      assertEquals(count, latencies.filter((us) => us >= fromUs && us < toUs).length, `${fromUs}`);
    }
    assertEquals(rows[0], { fromUs: 32, toUs: 48, count: 1 });
    assertEquals(rows.at(-1)!.count, 1);
    for (const [index, { fromUs }] of rows.entries()) {
      if (index > 0) assertEquals(fromUs, rows[index - 1]!.toUs);
    }
  },
);

Deno.test("an empty histogram has no rows, and every percentile is 0", pure, () => {
  const histogram = new Histogram();
  assertEquals(histogram.rows(), []);
  assertEquals(histogram.percentileUs(0.5), 0);
  assertEquals(drawHistogram(histogram, plain), "");
});

Deno.test(
  "a latency below zero is recorded as the shortest, one beyond the limit is still the maximum",
  pure,
  () => {
    const histogram = new Histogram();
    histogram.record(-5);
    assertEquals(histogram.percentileUs(1), 0);
    histogram.record(2 ** 50);
    assertEquals(histogram.maxUs, 2 ** 50);
    assertEquals(histogram.count, 2);
    assertAlmostEquals(histogram.percentileUs(1), 2 ** 40, 2 ** 40 / 100);
  },
);

Deno.test("a bar is as long as its share, and never empty for a count above 0", pure, () => {
  const histogram = new Histogram();
  for (let n = 0; n < 1_000; n++) histogram.record(100);
  histogram.record(40);
  const [short, full] = drawHistogram(histogram, (text) => `<${text}>`).trimEnd().split("\n")
    .filter((row) => !row.endsWith(" 0"));
  assert(short!.includes("<▏ "), short);
  assert(full!.includes(`<${"█".repeat(40)}>`), full);
});

Deno.test("a curve is drawn from 0 to its greatest value", pure, () => {
  assertEquals(drawCurve([0, 50, 100, 100]), "▁▅██");
  assertEquals(drawCurve([0, 0]), "▁▁");
});

Deno.test("a duration is shown in µs, ms or s", pure, () => {
  assertEquals([7, 1_234, 45_600, 2_500_000].map(duration), [
    "7 µs",
    "1.23 ms",
    "45.6 ms",
    "2.50 s",
  ]);
});
