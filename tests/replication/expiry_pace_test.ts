import { assertEquals } from "@std/assert";
import {
  expirationsAtOnce,
  expirationsPerTickMax,
  ExpiryPace,
} from "../../lib/replication/expiry_pace.ts";

const pure = { permissions: "none" } as const;

/** The next slices, with this number of requests before each. */
function slices(pace: ExpiryPace, count: number, requests: number, lateMs = 0): number[] {
  return Array.from({ length: count }, () => {
    for (let n = 0; n < requests; n++) pace.requested();
    return pace.next(lateMs);
  });
}

Deno.test("without requests there are full slices, up to the bound of a tick", pure, () => {
  const pace = new ExpiryPace();
  assertEquals(slices(pace, 1, 0), [0]); // before the first tick
  for (let ticks = 0; ticks < 2; ticks++) {
    pace.tick();
    const all = slices(pace, 30, 0);
    assertEquals(all.slice(0, 19), Array(19).fill(expirationsAtOnce));
    assertEquals(all.reduce((a, b) => a + b), expirationsPerTickMax);
  }
});

Deno.test("while requests come there is one deletion for two, and a few at least", pure, () => {
  const pace = new ExpiryPace();
  pace.tick();
  assertEquals(slices(pace, 3, 64), [40, 40, 40]);
  assertEquals(slices(pace, 2, 1), [8, 8]);
  assertEquals(slices(pace, 2, 10_000), [256, 256]);
});

Deno.test("after a while without requests slices grow again", pure, () => {
  const pace = new ExpiryPace();
  pace.tick();
  slices(pace, 1, 16);
  const all = slices(pace, 14, 0);
  assertEquals(all.slice(0, 7), Array(7).fill(16));
  assertEquals(all.slice(7), [32, 64, 128, 256, 256, 256, 256]);
});

Deno.test("when keys are late, deletions go before requests, in bounded slices", pure, () => {
  const pace = new ExpiryPace();
  pace.tick();
  assertEquals(slices(pace, 2, 64, 2_001), [72, 72]);
  assertEquals(slices(pace, 1, 10_000, 2_001), [2_048]);
  assertEquals(slices(pace, 1, 64, 2_000), [40]);
});
