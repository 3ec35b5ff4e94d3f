/** Charts as SVG. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Chart, drawChart, spread, ticksAround } from "../../bench/peers/plot.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

const chart: Chart = {
  title: 'GETs & "PUTs"',
  xLabel: "size <bytes>",
  yLabel: "requests per second",
  xTicks: [100, 1_000, 10_000].map((x) => ({ x, label: `${x} B` })),
  series: [
    {
      name: "these servers",
      style: "ours",
      points: [[100, 50_000], [1_000, 40_000], [10_000, 900]],
    },
    { name: "Redis <7>", style: "redis", points: [[100, 90_000], [10_000, 910]] },
  ],
};

/** The points of each line, in pixels. */
function linesIn(svg: string): number[][][] {
  return [...svg.matchAll(/<polyline[^>]* points="([^"]*)"/g)].map(([, points]) =>
    points!.split(" ").map((point) => point.split(",").map(Number))
  );
}

Deno.test("each series is a line with all its points, placed by logarithm", pure, () => {
  const [ours, redis] = linesIn(drawChart(chart));
  assertEquals([ours!.length, redis!.length], [3, 2]);
  const [first, middle, last] = ours as [number[], number[], number[]];
  assert(Math.abs(middle[0]! - (first[0]! + last[0]!) / 2) < 0.2, "1,000 is halfway");
  assert(first[1]! < middle[1]! && middle[1]! < last[1]!, "more is higher");
  assertEquals(redis![0]![0], first[0]);
  assert(redis![0]![1]! < first[1]!);
});

Deno.test("a chart is well-formed, whatever its texts are, and has every label", pure, () => {
  const svg = drawChart(chart);
  assertEquals(/&(?!amp;|lt;|quot;)/.test(svg), false);
  const open: string[] = [];
  for (const [, close, name, rest] of svg.matchAll(/<(\/?)(\w+)([^>]*)>/g)) {
    if (close === "/") assertEquals(open.pop(), name);
    else if (!rest!.endsWith("/")) open.push(name!);
  }
  assertEquals(open, []);
  for (
    const label of [
      "GETs &amp;",
      "size &lt;bytes>",
      "requests per second",
      "100 B",
      "these servers",
      "Redis &lt;7>",
    ]
  ) {
    assertStringIncludes(svg, label);
  }
  assertStringIncludes(svg, "prefers-color-scheme: dark");
});

Deno.test("a chart without points, or with one that has no logarithm, is refused", pure, () => {
  assertThrows(() => drawChart({ ...chart, series: [] }), RangeError, "no points");
  for (const bad of [0, -1, NaN, Infinity]) {
    const series = [{ name: "bad", style: "floor" as const, points: [[1, bad]] as const }];
    assertThrows(() => drawChart({ ...chart, series }), RangeError, "no logarithm");
  }
});

Deno.test("the ticks enclose the values and are 1, 2 or 5 times a power of ten", pure, () => {
  assertEquals(ticksAround([120, 4_800]), [100, 200, 500, 1_000, 2_000, 5_000]);
  assertEquals(ticksAround([1_000]), [1_000]);
  assertEquals(ticksAround([0.3, 0.4]), [0.2, 0.5]);
});

Deno.test(
  "labels stay in their order, apart, and within the chart",
  pure,
  seeded((random) => {
    for (let round = 0; round < 200; round++) {
      const places = Array.from({ length: random.between(1, 8) }, () => random.between(48, 384));
      const moved = spread(places);
      const order = [...places.keys()].sort((a, b) => moved[a]! - moved[b]!);
      for (const [rank, index] of order.entries()) {
        assert(moved[index]! >= 48 && moved[index]! <= 384, `${moved}`);
        if (rank === 0) continue;
        assert(moved[index]! - moved[order[rank - 1]!]! >= 17, `${places} became ${moved}`);
        assert(places[index]! >= places[order[rank - 1]!]!, "the order has changed");
      }
    }
  }),
);
