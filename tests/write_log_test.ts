import { assertEquals, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { WriteLog } from "../lib/write_log.ts";
import { type Random, seeded } from "./random.ts";

const pure = { permissions: "none" } as const;

Deno.test("an empty log reaches its start and everything later, nothing earlier", pure, () => {
  const log = new WriteLog(10, 100);
  assertStrictEquals(log.reaches(9), false);
  assertStrictEquals(log.reaches(10), true);
  assertStrictEquals(log.reaches(11), true);
  assertEquals([...log.after(10)], []);
});

Deno.test("the log gives the writes after a timestamp, oldest first", pure, () => {
  const log = new WriteLog(0, 100);
  for (const timestamp of [1, 2, 5, 9]) log.append(timestamp, `w${timestamp}`);
  assertEquals([...log.after(0)], ["w1", "w2", "w5", "w9"]);
  assertEquals([...log.after(2)], ["w5", "w9"]);
  assertEquals([...log.after(3)], ["w5", "w9"]); // between two writes
  assertEquals([...log.after(9)], []);
  assertEquals([...log.after(99)], []);
});

Deno.test("the log forgets the oldest writes first, and no more than it must", pure, () => {
  const log = new WriteLog(0, 6);
  for (const timestamp of [1, 2, 3]) log.append(timestamp, "xx");
  assertStrictEquals(log.reaches(0), true); // exactly full
  log.append(4, "x");
  assertStrictEquals(log.reaches(0), false);
  assertStrictEquals(log.reaches(1), true);
  assertEquals([...log.after(1)], ["xx", "xx", "x"]);
});

Deno.test("a write larger than the whole log leaves an empty log that says so", pure, () => {
  const log = new WriteLog(0, 6);
  log.append(1, "x");
  log.append(2, "xxxxxxx");
  assertStrictEquals(log.reaches(1), false);
  assertStrictEquals(log.reaches(2), true);
  assertEquals([...log.after(2)], []);
  log.append(3, "y");
  assertEquals([...log.after(2)], ["y"]);
});

Deno.test(
  "whatever the log reaches, it has every write after it; over 20,000 random appends",
  pure,
  seeded((random) => {
    for (let round = 0; round < 100; round++) compare(random, 200);
  }),
);

/** The dumb second version keeps everything, and cuts it to size when it is asked. */
function compare(random: Random, appends: number): void {
  const charsMax = random.between(0, 60);
  const start = random.below(100);
  const log = new WriteLog(start, charsMax);
  const all: { timestamp: number; frame: string }[] = [];
  let timestamp = start;
  for (let n = 0; n < appends; n++) {
    timestamp += random.between(1, 3);
    const frame = `${timestamp}:${"x".repeat(random.below(12))}`;
    log.append(timestamp, frame);
    all.push({ timestamp, frame });

    let kept = all.length;
    let chars = 0;
    while (kept > 0 && chars + all[kept - 1]!.frame.length <= charsMax) {
      chars += all[--kept]!.frame.length;
    }
    const reached = kept === 0 ? start : all[kept - 1]!.timestamp;
    assertStrictEquals(log.reaches(reached), true);
    assertStrictEquals(log.reaches(reached - 1), false);
    const from = random.between(reached, timestamp + 1);
    const frames = [...log.after(from)];
    assertEquals(frames, all.filter((w) => w.timestamp > from).map((w) => w.frame));
    assertLessOrEqual([...log.after(reached)].join("").length, charsMax);
  }
}
