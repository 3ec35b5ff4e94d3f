import { assert, assertEquals } from "@std/assert";
import { readLines } from "../../tools/grade/verdicts/lines.ts";
import { compareTimestamps, isZero } from "../../tools/grade/verdicts/timestamps.ts";
import { judge } from "../../tools/grade/verdicts/judge.ts";
import { isTelling } from "../../tools/grade/verdicts/stops.ts";
import { goodGet, goodPut, profile, transcript, verdictOf } from "./grade_transcript.ts";

const pure = { permissions: "none" } as const;
const word = "TRY_OTHER_SERVER_OR_LATER";

Deno.test("a transcript without a fault has no clause that is not met", pure, () => {
  const basics = transcript(
    "basics",
    [goodPut("a", "x", 1), goodPut("b", "y", 2), goodPut("a", "z", 3)].join("\n") + "\n" +
      [goodGet("a", "z", { seen: "3", own: "3" }), goodGet("none", "NULL")].join("\n"),
  );
  const { clauses, outside } = judge(profile, [basics]);
  assertEquals([...clauses, ...outside].filter(({ verdict }) => verdict === "not-met"), []);
  for (const clause of ["one-timestamp", "update", "get-null", "server-get-line"] as const) {
    assertEquals(verdictOf(clause, basics).verdict, "met", clause);
  }
});

Deno.test("nothing printed is inconclusive, in every clause", pure, () => {
  const { clauses, outside } = judge(profile, [transcript("basics", "C1 > PUT a x\nC1 > GET a")]);
  for (const { clause, verdict } of [...clauses, ...outside]) {
    assertEquals(verdict, "inconclusive", clause);
  }
});

Deno.test("the seven lines are read exactly, with or without a full stop", pure, () => {
  const run = transcript("basics", `${goodPut("a", "x", 1)}\n${goodGet("a", "x", { own: "1" })}`);
  const { lines, others } = readLines(run, word);
  assertEquals(lines.map(({ exact }) => exact), Array(8).fill(true));
  assertEquals(new Set(lines.map(({ kind }) => kind)).size, 7);
  assertEquals(others, []);
  assertEquals(lines[3]!.timestamp, "1");
});

Deno.test("lines that have run together are both read", pure, () => {
  const run = transcript(
    "basics",
    `C1 > PUT a x
     S2 REPLICATION key:a value:x ts:7Encaminhando PUT key:a value:x`,
  );
  const { lines } = readLines(run, word);
  assertEquals(lines.map(({ kind, exact }) => [kind, exact]), [
    ["server-replication", true],
    ["server-forward", true],
  ]);
  assertEquals(lines[0]!.timestamp, "7");
});

Deno.test(
  "an extra line is found, also if it once comes just before the next line is typed",
  pure,
  () => {
    const extra = "C1 Operação concluída com sucesso";
    const menu = "C1 Choice";
    const script = [
      ...[goodPut("a", "1", 1), extra, menu],
      ...[goodPut("b", "2", 2), extra, menu],
      ...[goodPut("c", "3", 3), extra], // the menu is late
      goodPut("d", "4", 4),
    ].join("\n");
    const { verdict, evidence } = verdictOf("client-extra-lines", transcript("basics", script));
    assertEquals([verdict, evidence.length], ["not-met", 1]);
    // A menu of several lines comes before the first request, and again after each result.
    const without = script.replaceAll(extra, "C1 1 - INIT");
    const started = transcript("basics", `C1 1 - INIT\n${menu}\n${without}`);
    assertEquals(verdictOf("client-extra-lines", started).verdict, "met");
  },
);

Deno.test("a line in other words is read, and called so", pure, () => {
  const run = transcript(
    "basics",
    goodPut("a", "x", 1).replace(/C1 PUT_OK.*/, "C1 PUT_OK! chave=a valor=x timestamp=1"),
  );
  const { verdict, why } = verdictOf("client-put-ok-line", run);
  assertEquals([verdict, why?.reason], ["met-in-other-words", "other-words"]);
});

Deno.test("a missing line is not met only if a PUT succeeded", pure, () => {
  const without = goodPut("a", "x", 1).split("\n").filter((line) => !line.includes("REPLICATION"));
  const result = verdictOf("server-replication-line", transcript("basics", without.join("\n")));
  assertEquals([result.verdict, result.why?.reason], ["not-met", "line-missing"]);
  assert(result.evidence.length > 0);
});

Deno.test("two values with one timestamp are found", pure, () => {
  const run = transcript("basics", `${goodPut("a", "x", 5)}\n${goodPut("a", "y", 5)}`);
  assertEquals(verdictOf("timestamps-distinct", run).why?.reason, "two-values-one-timestamp");
});

Deno.test("a timestamp that differs between REPLICATION and PUT_OK is found", pure, () => {
  const put = goodPut("a", "x", 5).replace("timestamp 5", "timestamp 6");
  assertEquals(verdictOf("one-timestamp", transcript("basics", put)).verdict, "not-met");
});

Deno.test("PUT_OK before a stopped follower goes on is not met; after it, met", pure, () => {
  const put = goodPut("b", "y", 2).split("\n");
  const before = [goodPut("a", "x", 1), "!STOP S3", ...put.slice(0, 4)];
  const early = [...before, ...put.slice(5), "!RESTED", "!CONT", put[4]].join("\n");
  // a follower that prints was not stopped yet: this says nothing
  const running = [...before, "S3 REPLICATION key:b value:y ts:2", ...put.slice(5), "!CONT"];
  const unstopped = verdictOf("put-ok-after-both", transcript("stop-s3", running.join("\n")));
  assertEquals(unstopped.verdict, "inconclusive");
  const late = (id: "stop-s2" | "stop-s3") =>
    transcript(id, [...before, "!RESTED", "!CONT", ...put.slice(4)].join("\n"));
  const found = verdictOf("put-ok-after-both", late("stop-s2"), transcript("stop-s3", early));
  assertEquals([found.verdict, found.why?.reason], ["not-met", "early-put-ok"]);
  assertEquals(verdictOf("put-ok-after-both", late("stop-s2"), late("stop-s3")).verdict, "met");
  assertEquals(verdictOf("put-ok-after-both", late("stop-s2")).verdict, "inconclusive");
});

Deno.test("a follower that executes PUTs itself does not forward them", pure, () => {
  const alone = (key: string) => goodPut(key, "x", 1).replace("S1 Cliente", "S2 Cliente");
  const run = transcript("basics", `${alone("a")}\n${alone("b")}`);
  assertEquals(verdictOf("put-forwarded", run).why?.reason, "not-forwarded");
  assertEquals(
    verdictOf("put-forwarded", transcript("basics", alone("a"))).verdict,
    "inconclusive",
  );
});

Deno.test("a GET at the leader that waits for a PUT is found once all rest", pure, () => {
  const put = goodPut("b", "y", 2).split("\n");
  const get = (client: string) => goodGet("a", "x", { seen: "1", own: "1", client }).split("\n");
  const run = (rested: string, answered: boolean) =>
    transcript(
      "stop-s3",
      [
        ...[goodPut("a", "x", 1), "!STOP S3", ...put.slice(0, 3), get("C2")[0], get("C3")[0]],
        ...answered ? [...get("C2").slice(1), ...get("C3").slice(1)] : [],
        ...[rested, "!CONT", ...put.slice(3)],
        ...answered ? [] : [...get("C2").slice(1), ...get("C3").slice(1)],
      ].join("\n"),
    );
  assertEquals(verdictOf("get-during-put", run("!RESTED", true)).verdict, "met");
  assertEquals(verdictOf("get-during-put", run("!RESTED", false)).why?.reason, "get-waits");
  assertEquals(verdictOf("get-during-put", run("", false)).verdict, "inconclusive");
  // a GET that was there before the PUT shows nothing
  const earlyGet = get("C2").slice(1);
  const early = transcript(
    "stop-s3",
    [
      ...[goodPut("a", "x", 1), "!STOP S3", put[0], get("C2")[0], ...earlyGet],
      ...[...put.slice(1, 3), "!RESTED", "!CONT", ...put.slice(3)],
    ].join("\n"),
  );
  assertEquals(verdictOf("get-during-put", early).verdict, "inconclusive");
  // a trial without a result is repeated
  assertEquals(isTelling(early), false);
  const all = [run("!RESTED", true), run("", true), run("!RESTED", false), run("", false)];
  assertEquals(all.map(isTelling), [true, true, true, false]);
});

Deno.test("a server behind its client has to refuse", pure, () => {
  const behind = (value: string, own = "1") =>
    transcript("cut", `${goodPut("a", "x", 2)}\n${goodGet("a", value, { seen: "2", own })}`);
  assertEquals(verdictOf("try-other", behind(word)).verdict, "met");
  assertEquals(verdictOf("try-other", behind("x")).verdict, "not-met");
  assertEquals(verdictOf("get-never-older", behind("x")).verdict, "not-met");
  // a server with the client's own timestamp is not behind
  assertEquals(verdictOf("try-other", behind("x", "2")).verdict, "inconclusive");
  // an absent key that the client has seen: NULL and the refusal are both right
  assertEquals(verdictOf("try-other", behind("NULL", "0")).verdict, "inconclusive");
});

Deno.test("a refusal by a server that is not behind is found", pure, () => {
  const get = goodGet("a", word, { seen: "0", own: "1" });
  const run = transcript("basics", [goodPut("a", "x", 1), get, get].join("\n"));
  assertEquals(verdictOf("try-other", run).why?.reason, "refused-without-cause");
});

Deno.test("a timestamp that is never sent is found, but one for all keys is right", pure, () => {
  const puts = `${goodPut("a", "x", 1)}\n${goodPut("b", "y", 2)}`;
  const gets = (seen: string) => {
    const get = goodGet("a", "x", { seen, own: "1" });
    return transcript("basics", [puts, get, get].join("\n"));
  };
  assertEquals(verdictOf("client-timestamp-sent", gets("0")).verdict, "not-met");
  assertEquals(verdictOf("client-timestamp-sent", gets("1")).verdict, "met");
  assert(verdictOf("client-timestamp-sent", gets("2")).verdict !== "not-met");
});

Deno.test("a server that 30 requests never reach is found", pure, () => {
  const gets = (servers: number[]) =>
    Array.from(
      { length: 30 },
      (_, i) => goodGet("a", "x", { seen: "1", own: "1", server: servers[i % servers.length]! }),
    );
  const run = (servers: number[]) =>
    transcript("choice", [goodPut("a", "x", 1), ...gets(servers)].join("\n"));
  assertEquals(verdictOf("client-random-server", run([1, 2, 3])).verdict, "met");
  const { why } = verdictOf("client-random-server", run([1, 2]));
  assertEquals(why, { reason: "server-never-chosen", args: { server: "S3", requests: "30" } });
});

Deno.test("a changed value is found, a long one shown short", pure, () => {
  const run = transcript(
    "values",
    `${goodPut("a", "um valor", 1)}\n${goodGet("a", "um", { seen: "1", own: "1" })}`,
  );
  assertEquals(verdictOf("value-spaces", run).why?.reason, "value-changed");
});

Deno.test("tables that differ after PUTs at the same time are told, never not met", pure, () => {
  const gets = [1, 2, 3].map((server) =>
    goodGet("a", server === 2 ? "y" : "x", { seen: "0", own: "2", server, client: "C2" })
  );
  const run = transcript(
    "concurrent",
    [goodPut("a", "y", 1), goodPut("a", "x", 2), ...gets].join("\n"),
  );
  const { verdict, why } = verdictOf("concurrent-puts", run);
  assertEquals([verdict, why?.reason], ["inconclusive", "tables-differ"]);
});

Deno.test("timestamps compare as integers, fractions and dates", pure, () => {
  const pairs = [
    ["9", "10"],
    ["1700000000000000001", "1700000000000000002"],
    ["1.5", "1.75"],
    ["2024-05-01 10:00:00.000001", "2024-05-01 10:00:00.000002"],
    ["31/12/2023 10:00:00", "01/01/2024 09:00:00"],
    ["0", "2024-05-01T10:00:00Z"],
    ["null", "1"],
  ] as const;
  for (const [smaller, larger] of pairs) {
    assert(compareTimestamps(smaller, larger)! < 0, `${smaller} < ${larger}`);
    assert(compareTimestamps(larger, smaller)! > 0, `${larger} > ${smaller}`);
  }
  assertEquals(compareTimestamps("1", "1.0"), 0);
  assertEquals(compareTimestamps("x", "1"), undefined);
  assert(isZero("0") && isZero("0.0") && isZero("null") && !isZero("1"));
});
