import { assertEquals } from "@std/assert";
import { type Progress, StallDetector } from "../../lib/net/stall_detector.ts";

const pure = { permissions: "none" } as const;
const limits = { stalledWriteMs: 10, halfFrameMs: 30, finishMs: 20, proofMs: 15, idleMs: 40 };
const idle: Progress = {
  writing: false,
  writes: 0,
  frameDue: false,
  reads: 0,
  finishing: false,
  unproven: false,
  quiet: false,
};

/** The verdicts of looks at these times. */
function verdicts(...looks: [now: number, progress: Partial<Progress>][]) {
  const detector = new StallDetector(limits);
  return looks.map(([now, progress]) => detector.look(now, { ...idle, ...progress }));
}

Deno.test("each kind of stall is found after its own limit, and not before", pure, () => {
  for (
    const [stall, limitMs, verdict] of [
      [{ writing: true }, limits.stalledWriteMs, "stalled"],
      [{ frameDue: true }, limits.halfFrameMs, "stalled"],
      [{ finishing: true }, limits.finishMs, "unanswered"],
      [{ unproven: true }, limits.proofMs, "unproven"],
      [{ quiet: true }, limits.idleMs, "idle"],
    ] as const
  ) {
    assertEquals(
      verdicts([5, stall], [5 + limitMs, stall], [6 + limitMs, stall]),
      [undefined, undefined, verdict],
    );
  }
});

Deno.test("progress and the end of a stall restart the time", pure, () => {
  const write = { writing: true };
  assertEquals(
    verdicts([0, write], [10, { ...write, writes: 1 }], [20, { ...write, writes: 1 }]),
    [undefined, undefined, undefined],
  );
  assertEquals(verdicts([0, write], [9, {}], [19, write], [20, write]).at(-1), "stalled");
  const half = { frameDue: true };
  assertEquals(verdicts([0, half], [30, { ...half, reads: 1 }]).at(-1), undefined);
  assertEquals(verdicts([0, half], [29, {}], [59, half]).at(-1), undefined);
  const quiet = { quiet: true };
  assertEquals(verdicts([0, quiet], [40, { ...quiet, reads: 1 }], [80, { ...quiet, reads: 1 }]), [
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(verdicts([0, quiet], [40, { ...quiet, writes: 1 }]).at(-1), undefined);
  assertEquals(verdicts([0, quiet], [40, {}], [41, quiet]).at(-1), undefined);
});

Deno.test("an idle limit of 0 ms means that no connection is ever too idle", pure, () => {
  const detector = new StallDetector({ ...limits, idleMs: 0 });
  const quiet = { ...idle, quiet: true };
  assertEquals([0, 1e9].map((now) => detector.look(now, quiet)), [undefined, undefined]);
});

Deno.test(
  "a connection from which nothing is due never stalls, and a stalled write is reported before late answers",
  pure,
  () => {
    assertEquals(verdicts([0, {}], [1e9, {}]).at(-1), undefined);
    const both = { writing: true, finishing: true };
    assertEquals(verdicts([0, both], [1e9, both]).at(-1), "stalled");
  },
);
