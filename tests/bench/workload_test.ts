/** The requests of the load generator, and when they are due. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Histogram } from "../../bench/histogram.ts";
import {
  closedLoop,
  eachKeyOnce,
  mixed,
  OpenLoop,
  type Pace,
  randomFrom,
} from "../../bench/workload.ts";

const pure = { permissions: "none" } as const;

Deno.test("the filling writes each key once and then ends", pure, () => {
  const work = eachKeyOnce(3);
  assertEquals([work(), work(), work(), work(), work()], [
    { put: true, key: 0 },
    { put: true, key: 1 },
    { put: true, key: 2 },
    undefined,
    undefined,
  ]);
});

Deno.test("the same seed gives the same requests, another one does not", pure, () => {
  const draw = (seed: number) => {
    const work = mixed(1_000, 0.5, randomFrom(seed));
    return Array.from({ length: 100 }, work);
  };
  assertEquals(draw(7), draw(7));
  assert(JSON.stringify(draw(7)) !== JSON.stringify(draw(8)));
});

Deno.test("keys are evenly distributed, and PUTs have their share", pure, () => {
  for (const putRatio of [0, 0.1, 1]) {
    const work = mixed(10, putRatio, randomFrom(1));
    const keys = new Array<number>(10).fill(0);
    let puts = 0;
    for (let n = 0; n < 100_000; n++) {
      const task = work()!;
      keys[task.key]!++;
      if (task.put) puts++;
    }
    assertAlmostEquals(puts / 100_000, putRatio, 0.01);
    for (const count of keys) assertAlmostEquals(count / 10_000, 1, 0.1);
  }
});

/**
 * The latencies of 3 s on a simulated clock, with a server that answers after 1 ms and stalls from
 * 100 ms to 1,100 ms. There is one connection.
 */
function latenciesWith(pace: Pace): Histogram {
  const histogram = new Histogram();
  let answerAtMs: number | undefined;
  let dueMs = 0;
  for (let nowMs = 0; nowMs < 3_000; nowMs += 0.5) {
    if (nowMs >= 100 && nowMs < 1_100) continue;
    if (answerAtMs !== undefined && answerAtMs <= nowMs) {
      histogram.record((nowMs - dueMs) * 1000);
      answerAtMs = undefined;
    }
    if (answerAtMs !== undefined) continue;
    const taken = pace.take(nowMs);
    if (taken === undefined) continue;
    dueMs = taken;
    answerAtMs = nowMs + 1;
  }
  return histogram;
}

Deno.test(
  "a stall counts once in a closed loop, and for every due request in an open one",
  pure,
  () => {
    const closed = latenciesWith(closedLoop);
    assert(closed.percentileUs(0.99) < 2_000, "a closed loop hides the stall");
    assert(closed.maxUs >= 1_000_000);

    // The server answers twice as fast as requests come. So catching up takes as long as the stall.
    const open = latenciesWith(new OpenLoop(0, 2));
    assertAlmostEquals(open.count, 1_500, 2);
    assertAlmostEquals(open.percentileUs(0.3), 1_000, 1_000);
    assertAlmostEquals(open.percentileUs(0.5), 250_000, 20_000);
    assertAlmostEquals(open.percentileUs(0.99), 985_000, 20_000);
  },
);
