/** Tables and charts of rates by size, connections and servers; the shape of systems; long replies. */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { drawChart } from "../../bench/peers/plot.ts";
import { LineReplies } from "../../bench/peers/replies.ts";
import { Shape } from "../../bench/peers/shape.ts";
import {
  type Measured,
  type Sweep,
  sweepCharts,
  sweeps,
  sweepTables,
  takesPart,
} from "../../bench/peers/sweeps.ts";

const pure = { permissions: "none" } as const;

function sweepOf(name: Sweep["name"]): Sweep {
  return sweeps.find((one) => one.name === name)!;
}

function figure(name: string, kind: "GET" | "PUT", rate: number) {
  return { name, kind, column: [64, 1] as const, rate, p50Us: 1, p99Us: 2 };
}

const measured: Measured[] = [
  {
    x: 3,
    figures: [figure("these servers", "PUT", 900), figure("Redis SET + WAIT 2", "PUT", 1_000)],
  },
  {
    x: 5,
    figures: [figure("these servers", "PUT", 300), figure("Redis SET + WAIT 4", "PUT", 400)],
  },
];

Deno.test("a table has a row for each system and ratio that was measured", pure, () => {
  assertEquals(
    sweepTables(sweepOf("cluster-sizes"), measured),
    "| PUT/s by cluster-sizes | 3 | 5 |\n" +
      "| --- | --: | --: |\n" +
      "| Redis SET + WAIT | 1,000 | 400 |\n" +
      "| these servers | 900 | 300 |\n" +
      "| these servers / Redis SET + WAIT | 0.90 | 0.75 |\n",
  );
});

Deno.test("a chart has a line for each system that was measured", pure, () => {
  const [only, ...others] = sweepCharts(sweepOf("cluster-sizes"), measured);
  assertEquals([only!.file, others.length], ["put-by-cluster-sizes.svg", 0]);
  assertEquals(only!.chart.series.map(({ name, points }) => [name, points]), [
    ["Redis SET + WAIT", [[3, 1_000], [5, 400]]],
    ["these servers", [[3, 900], [5, 300]]],
  ]);
  assertStringIncludes(drawChart(only!.chart), "PUTs by cluster sizes");
});

Deno.test("a sweep measures only what it shows", pure, () => {
  const [sizes, clusters] = [sweepOf("sizes"), sweepOf("cluster-sizes")];
  assertEquals(takesPart(sizes, "GET", "JSON echo"), true);
  assertEquals(takesPart(sizes, "GET", "bare echo"), false);
  assertEquals(takesPart(sizes, "PUT", "these, via a follower"), false);
  assertEquals(takesPart(clusters, "GET", "JSON echo"), false);
  assertEquals(takesPart(clusters, "PUT", "Redis SET + WAIT 6"), true);
});

Deno.test("each key has one request, and all values together are bounded", pure, () => {
  for (const shape of [new Shape(), new Shape(60_000), new Shape(1024 * 1024)]) {
    const requests = shape.forEachKey((key, id) => `${key} ${id}`);
    const keys = new Set(requests.map((request) => new TextDecoder().decode(request)));
    assertEquals(keys.size, shape.keys);
    assertEquals(shape.keys * shape.value.length <= 32 * 1024 * 1024, true);
  }
  assertEquals([new Shape().keys, new Shape(1024 * 1024).keys], [10_000, 32]);
});

Deno.test("a long reply is counted at its end, and a wrong one at its start", pure, () => {
  const encoder = new TextEncoder();
  const value = "x".repeat(1_000);
  const stream = encoder.encode(`$1000\r\n${value}\r\n`.repeat(3));
  for (const step of [1, 7, 500, 1_001, 5_000]) {
    const replies = new LineReplies(["$1000", "x"], value.length);
    let count = 0;
    for (let at = 0; at < stream.length; at += step) {
      count += replies.count(stream.subarray(at, at + step));
    }
    assertEquals(count, 3, `in steps of ${step}`);
  }
  const replies = () => new LineReplies(['{"type":"GET_OK"'], 1_000);
  assertThrows(() => replies().count(encoder.encode('{"type":"ERROR"}\n')), Error, "wrong reply");
  const cut = replies();
  cut.count(encoder.encode('{"type":"'));
  assertThrows(() => cut.count(encoder.encode("ERR")), Error, "wrong reply");
});
