import { assertEquals, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { WriteLog } from "../../lib/replication/write_log.ts";
import { type Random, seeded } from "../support/random.ts";

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
  for (const timestamp of [1, 2, 5, 9]) log.append(timestamp, timestamp, `w${timestamp}\n`);
  assertEquals([...log.after(0)], ["w1\n", "w2\n", "w5\n", "w9\n"]);
  assertEquals([...log.after(2)], ["w5\n", "w9\n"]);
  assertEquals([...log.after(3)], ["w5\n", "w9\n"]); // between two writes
  assertEquals([...log.after(9)], []);
  assertEquals([...log.after(99)], []);
});

Deno.test("the log cuts a batch that has older writes too", pure, () => {
  const log = new WriteLog(0, 100);
  log.append(1, 3, "w1\nw2\nw3\n");
  log.append(4, 5, "w4\nw5\n");
  assertEquals([...log.after(0)], ["w1\nw2\nw3\n", "w4\nw5\n"]);
  assertEquals([...log.after(1)], ["w2\nw3\n", "w4\nw5\n"]);
  assertEquals([...log.after(3)], ["w4\nw5\n"]);
  assertEquals([...log.after(4)], ["w5\n"]);
  assertEquals([...log.after(5)], []);
});

Deno.test("the log drops the oldest writes first, and no more than it must", pure, () => {
  const log = new WriteLog(0, 6);
  for (const timestamp of [1, 2, 3]) log.append(timestamp, timestamp, "x\n");
  assertStrictEquals(log.reaches(0), true); // exactly full
  log.append(4, 4, "\n");
  assertStrictEquals(log.reaches(0), false);
  assertStrictEquals(log.reaches(1), true);
  assertEquals([...log.after(1)], ["x\n", "x\n", "\n"]);
});

Deno.test(
  "writes larger than the whole log leave it empty, and it does not reach them",
  pure,
  () => {
    const log = new WriteLog(0, 6);
    log.append(1, 1, "\n");
    log.append(2, 3, "xxx\nxxx\n");
    assertStrictEquals(log.reaches(2), false);
    assertStrictEquals(log.reaches(3), true);
    assertEquals([...log.after(3)], []);
    log.append(4, 4, "y\n");
    assertEquals([...log.after(3)], ["y\n"]);
  },
);

Deno.test(
  "the log has every write after a timestamp that it reaches; over 10,000 random appends",
  pure,
  seeded((random) => {
    for (let round = 0; round < 50; round++) compare(random, 200, 60, 8, 1);
  }),
);

Deno.test(
  "the same with texts that fill the log's memory many times, and texts larger than that",
  pure,
  seeded((random) => {
    compare(random, 200, 2_000_000, 60_000, 20);
  }),
);

/** The dumb second version keeps everything, and drops the oldest batches only when it is asked. */
function compare(
  random: Random,
  appends: number,
  most: number,
  longest: number,
  every: number,
): void {
  const bytesMax = random.between(0, most);
  const start = random.below(100);
  const log = new WriteLog(start, bytesMax);
  const all: { last: number; writes: { timestamp: number; frame: string }[] }[] = [];
  let timestamp = start;
  for (let n = 0; n < appends; n++) {
    timestamp += random.between(0, 2);
    const writes = Array.from({ length: random.between(1, 4) }, () => {
      timestamp++;
      return {
        timestamp,
        frame: `${timestamp}:${random.pick(["x", "é", "€"]).repeat(random.below(longest))}\n`,
      };
    });
    const text = writes.map(({ frame }) => frame).join("");
    log.append(writes[0]!.timestamp, timestamp, text);
    all.push({ last: timestamp, writes });
    if (n % every !== 0) continue;

    let kept = all.length;
    let bytes = 0;
    const batchBytes = (index: number) =>
      all[index]!.writes.reduce((sum, { frame }) => sum + bytesOf(frame), 0);
    while (kept > 0 && bytes + batchBytes(kept - 1) <= bytesMax) bytes += batchBytes(--kept);
    const reached = kept === 0 ? start : all[kept - 1]!.last;
    assertStrictEquals(log.reaches(reached), true);
    assertStrictEquals(log.reaches(reached - 1), false);
    const from = random.between(reached, timestamp + 1);
    const after = all.flatMap(({ writes }) => writes).filter((w) => w.timestamp > from);
    assertStrictEquals([...log.after(from)].join(""), after.map(({ frame }) => frame).join(""));
    assertLessOrEqual(bytesOf([...log.after(reached)].join("")), bytesMax);
  }
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
