import { assertEquals, assertLessOrEqual } from "@std/assert";
import {
  lineCharsMax,
  linesMax,
  periodMs,
  quietMs,
  ReportLimiter,
} from "../../lib/net/report_limiter.ts";

const pure = { permissions: "none" } as const;

/** A limiter whose time the test sets, and what it wrote. */
function limiter() {
  const clock = { now: 0 };
  const written: string[] = [];
  const limits = { now: () => clock.now };
  const reports = new ReportLimiter<"a" | "b">((line) => written.push(line), limits);
  return { clock, written, reports };
}

Deno.test("lines that all differ are limited by their topic, and the others counted", pure, () => {
  const { clock, written, reports } = limiter();
  for (let n = 0; n < 2_000; n++) reports.report(`refused 10.0.0.${n}`, "a");
  reports.report("of another topic", "b");
  assertEquals(written.length, linesMax + 1);
  reports.tick();
  assertEquals(written.length, linesMax + 1, "the period has not ended");
  clock.now = periodMs;
  reports.tick();
  assertEquals(written.slice(linesMax + 1), [
    `a: ${2_000 - linesMax} more lines in the last 60 s, the last one: refused 10.0.0.1999`,
  ]);
  reports.report("again", "a");
  assertEquals(written.at(-1), "again");
});

Deno.test("a line that is equal to the one before on its topic is counted", pure, () => {
  const { clock, written, reports } = limiter();
  for (const line of ["x", "x", "y", "x", "x"]) reports.report(line, "a");
  reports.report("x", "b");
  assertEquals(written.splice(0), ["x", "y", "x", "x"]);
  clock.now = 2_000;
  reports.close();
  assertEquals(written, ["a: 2 more lines in the last 2 s, the last one: x"]);
});

Deno.test("the count is written as soon as the topic is quiet, with the last line", pure, () => {
  const { clock, written, reports } = limiter();
  for (let n = 0; n < linesMax + 5; n++) reports.report(`line ${n}`, "a");
  clock.now = quietMs - 1;
  reports.tick();
  assertEquals(written.splice(0).length, linesMax);
  clock.now = quietMs;
  reports.tick();
  reports.tick();
  const last = `line ${linesMax + 4}`;
  assertEquals(written.splice(0), [`a: 5 more lines in the last 1 s, the last one: ${last}`]);
  reports.report("still too many in this period", "a");
  assertEquals(written, []);
});

Deno.test("a topic may have a limit of its own", pure, () => {
  const written: string[] = [];
  const limits = { now: () => 0, linesMax: { b: 2 } };
  const reports = new ReportLimiter<"a" | "b">((line) => written.push(line), limits);
  for (let n = 0; n < linesMax; n++) {
    reports.report(`a ${n}`, "a");
    reports.report(`b ${n}`, "b");
  }
  assertEquals(written.length, linesMax + 2);
});

Deno.test("some equal lines in a row are written where that is wanted", pure, () => {
  const { written, reports } = limiter();
  const report = reports.about("a", 2);
  for (let n = 0; n < 5; n++) report("x");
  assertEquals(written, ["x", "x"]);
});

Deno.test("the count of a period that has ended comes before the next line", pure, () => {
  const { clock, written, reports } = limiter();
  reports.report("x", "a");
  reports.report("x", "a");
  clock.now = 3 * periodMs;
  reports.report("x", "a");
  assertEquals(written, ["x", "a: 1 more line in the last 180 s, the last one: x", "x"]);
});

Deno.test("a flood that lasts for an hour writes little, and long lines are cut", pure, () => {
  const { clock, written, reports } = limiter();
  for (let n = 0; n < 100_000; n++) {
    clock.now = n * 36;
    reports.report(`${n} ${"x".repeat(2 * lineCharsMax)}`, "a");
  }
  assertLessOrEqual(written.length, 60 * (linesMax + 1));
  for (const line of written) assertLessOrEqual(line.length, lineCharsMax + 100);
});
