import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { htmlReport } from "../../tools/grade/report/html.ts";
import { jsonReport, jsonReports } from "../../tools/grade/report/json.ts";
import { escapeHtml } from "../../tools/grade/report/page.ts";
import { columnsOf, spaceTimeSvg } from "../../tools/grade/report/space_time.ts";
import { htmlTable, terminalTable } from "../../tools/grade/report/table.ts";
import { terminalReport } from "../../tools/grade/report/terminal.ts";
import { type Language, reasonText, shorten, textsOf } from "../../tools/grade/report/texts.ts";
import {
  byEyeIds,
  clauseIds,
  type ClauseResult,
  type ConsoleEvent,
  outsideIds,
  reasonArgs,
  type ReasonId,
  type Report,
  type Trial,
} from "../../tools/grade/types.ts";

const languages: readonly Language[] = ["pt", "en"];

function event(atMs: number, console: string, kind: ConsoleEvent["kind"], text: string) {
  return { atMs, console, kind, text };
}

const basics: Trial = {
  id: "basics",
  title: "trial-basics",
  durationMs: 4000,
  repeat: "deno task grade some.json --only=basics",
  events: [
    event(10, "grader", "note", "S3 stopped"),
    event(1010, "C1", "in", "PUT"),
    event(1020, "S1", "out", "Cliente 127.0.0.1:5000 PUT key:k value:v"),
    event(4000, "C1", "out", "PUT_OK key: k value v timestamp 1 realizada no servidor 127.0.0.1:1"),
  ],
};

function reportOf(changes: Partial<Report> = {}, results: readonly ClauseResult[] = []): Report {
  const found = (clause: typeof clauseIds[number]): ClauseResult =>
    results.find((result) => result.clause === clause) ?? { clause, verdict: "met", evidence: [] };
  return {
    profile: "some program",
    version: "1.0.0",
    system: "linux x86_64",
    at: "2026-01-02T03:04:05.000Z",
    clauses: clauseIds.filter((clause) => !outsideIds.includes(clause)).map(found),
    outside: outsideIds.map(found),
    byEye: byEyeIds,
    trials: [basics],
    ...changes,
  };
}

const early: ClauseResult = {
  clause: "put-ok-after-both",
  verdict: "not-met",
  why: { reason: "early-put-ok", args: { key: "k", stopped: "S3" } },
  evidence: [{ trial: "basics", events: [0, 3] }],
};

for (const language of languages) {
  Deno.test(`the texts in "${language}" use the names of each reason, and no others`, () => {
    for (const [reason, names] of Object.entries(reasonArgs)) {
      const text = textsOf(language).reasons[reason as ReasonId];
      const used = [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      assertEquals([...new Set(used)].sort(), [...names].sort(), reason);
    }
  });

  Deno.test(`the report in "${language}" names every clause, trial and thing to look at`, () => {
    const texts = textsOf(language);
    const [terminal, html] = [terminalReport, htmlReport].map((of) => of(reportOf(), language));
    for (const clause of clauseIds) {
      assertStringIncludes(terminal!, texts.clauses[clause]);
      assertStringIncludes(html!, escapeHtml(texts.clauses[clause]));
    }
    for (const id of byEyeIds) {
      assertStringIncludes(terminal!, texts.byEye[id]);
      assertStringIncludes(html!, escapeHtml(texts.byEye[id]));
    }
    assertStringIncludes(html!, texts.trials["trial-basics"]);
  });
}

Deno.test("the two languages have different sentences for every clause and reason", () => {
  const [pt, en] = [textsOf("pt"), textsOf("en")];
  for (const clause of clauseIds) assert(pt.clauses[clause] !== en.clauses[clause], clause);
  for (const id of byEyeIds) assert(pt.byEye[id] !== en.byEye[id], id);
  const same = (Object.keys(reasonArgs) as ReasonId[])
    .filter((reason) => pt.reasons[reason] === en.reasons[reason]);
  assertEquals(same, []);
});

Deno.test("a clause that is not met has its reason, its lines and the command on the terminal", () => {
  const text = terminalReport(reportOf({}, [early]), "en");
  const lines = text.split("\n");
  const at = lines.findIndex((line) => line.startsWith("✗"));
  assertStringIncludes(lines[at]!, "5.e");
  assertEquals(lines.slice(at + 1, at + 5), [
    "    PUT_OK for key k arrived while S3 was stopped",
    "       0.010 grader # S3 stopped",
    "       4.000 C1 > PUT_OK key: k value v timestamp 1 realizada no servidor 127.0.0.1:1",
    "    To repeat this trial: deno task grade some.json --only=basics",
  ]);
  assertEquals(lines.filter((line) => line.startsWith("✗")).length, 1);
  assertStringIncludes(text, "✗ not met: 1");
});

Deno.test("numbers in Portuguese have a comma", () => {
  assertStringIncludes(terminalReport(reportOf({}, [early]), "pt"), "4,000 C1 >");
});

Deno.test("an argument with braces or with a replacement pattern is shown as it is", () => {
  const why = {
    reason: "value-changed",
    args: { expected: "{printed}", printed: "$& $1" },
  } as const;
  assertEquals(
    reasonText(why, textsOf("en"), (arg) => arg),
    "typed “{printed}”, came back as “$& $1”",
  );
});

Deno.test("a reason that names a trial or a clause shows its title", () => {
  const texts = textsOf("en");
  const show = (arg: string) => arg;
  assertStringIncludes(
    reasonText({ reason: "trial-not-run", args: { trial: "cut" } }, texts, show),
    texts.trials["trial-cut"],
  );
  assertStringIncludes(
    reasonText({ reason: "depends-on", args: { clause: "get-value" } }, texts, show),
    texts.clauses["get-value"],
  );
});

const hostile =
  `</title></svg><script>alert("1")</script><img src=x onerror='a'>&amp;\x1b[2J\u202e`;

function hostileReport(): Report {
  const events = [event(1, `C1"><b>`, "out", hostile), event(2, "S1", "in", hostile)];
  return reportOf({
    profile: hostile,
    system: hostile,
    version: hostile,
    at: hostile,
    trials: [{ ...basics, events, repeat: hostile }],
  }, [{
    clause: "client-get-line",
    verdict: "not-met",
    why: { reason: "line-wrong-value", args: { expected: hostile, printed: hostile } },
    evidence: [{ trial: "basics", events: [0, 1] }],
  }]);
}

Deno.test("what programs print is escaped in HTML", () => {
  const pages = [
    htmlReport(hostileReport(), "en"),
    htmlTable([hostileReport(), { profile: hostile, problem: hostile }], "en"),
  ];
  for (const html of pages) {
    assert(!html.includes("<script"), "a script");
    assert(!html.includes("<img"), "an image");
    assert(!html.includes("<b>"), "a tag from a console's name");
    assert(!html.includes("onerror='a'"), "an attribute");
    // deno-lint-ignore no-control-regex
    assert(!/[\0-\x09\x0b-\x1f\u202e]/.test(html), "a control character");
    assertStringIncludes(html, "&lt;script&gt;");
    assertStringIncludes(html, "&amp;amp;");
  }
});

Deno.test("what programs print cannot control the terminal", () => {
  const texts = [
    terminalReport(hostileReport(), "pt"),
    terminalTable([hostileReport(), { profile: hostile, problem: hostile }], "pt"),
  ];
  for (const text of texts) {
    // deno-lint-ignore no-control-regex
    assert(!/[\0-\x09\x0b-\x1f\u202e]/.test(text), "a control character");
    assertStringIncludes(text, "\\u001b[2J");
  }
});

Deno.test("the HTML file is well formed, loads nothing, and each of its links has a target", () => {
  for (const report of [reportOf({}, [early]), hostileReport()]) {
    for (const html of [htmlReport(report, "pt"), htmlTable([report], "pt")]) {
      assertEquals(unbalanced(html), []);
      assert(!/\b(?:src|action|data)=|@import|url\(|<link/.test(html.replaceAll(/>[^<]*</g, "><")));
      const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);
      assertEquals(ids.length, new Set(ids).size, "an id is used twice");
      for (const [, target] of html.matchAll(/href="([^"]*)"/g)) {
        assert(target!.startsWith("#") && ids.includes(target!.slice(1)), target);
      }
    }
  }
});

/** Tags that are not closed in their order. */
function unbalanced(html: string): string[] {
  const alone = new Set(["meta", "br"]);
  const open: string[] = [];
  for (const [tag, end, name, self] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    if (self === "/" || alone.has(name!)) continue;
    if (end === "") open.push(name!);
    else if (open.pop() !== name) return [...open, tag];
  }
  return open;
}

Deno.test("the diagram has a column for each console, clients first, and a row for each event", () => {
  assertEquals(columnsOf(basics.events), ["C1", "S1", "grader"]);
  const svg = spaceTimeSvg(basics, new Set([3]), textsOf("en"));
  const heads = [...svg.matchAll(/<text class="head" x="(\d+)" y="20">([^<]*)</g)].map((
    [, x, name],
  ) => ({
    x: Number(x),
    name,
  }));
  assertEquals(heads.map(({ name }) => name), ["C1 client", "S1 leader", "grader"]);
  const ys = [...svg.matchAll(/class="dot" (?:cx="\d+" c|x="\d+" )y="(\d+)"/g)].map(([, y]) =>
    Number(y)
  );
  assertEquals(ys.length, basics.events.length);
  assertEquals(ys.toSorted((a, b) => a - b), ys, "time runs downwards");
  assertEquals([...svg.matchAll(/class="\w+ bad"/g)].length, 1);
  assertStringIncludes(svg, `id="basics-3" class="out bad"`);
});

Deno.test("the diagram of a long trial repeats the names of the consoles", () => {
  const events = Array.from({ length: 100 }, (_, i) => event(i, "S1", "out", `line ${i}`));
  const svg = spaceTimeSvg({ ...basics, events }, new Set(), textsOf("en"));
  assertEquals([...svg.matchAll(/class="head"[^>]*>S1 leader</g)].length, 3);
});

Deno.test("a long time without a line is a row of its own in the diagram", () => {
  const svg = spaceTimeSvg(basics, new Set(), textsOf("en"));
  assertStringIncludes(svg, "⋮ 1.000 s without a line");
  assertStringIncludes(svg, "⋮ 2.980 s without a line");
});

Deno.test("the diagram has a title, a description, and a table with the same lines", () => {
  const html = htmlReport(reportOf(), "en");
  const [, labels] = /role="img" aria-labelledby="([^"]*)"/.exec(html)!;
  for (const id of labels!.split(" ")) assertStringIncludes(html, ` id="${id}">`);
  const [, table] = /<details>(.*?)<\/details>/s.exec(html)!;
  for (const { text } of basics.events) assertStringIncludes(table!, text);
});

Deno.test("the diagram of a long trial is bounded, and the evidence is in it", () => {
  const events = Array.from({ length: 5000 }, (_, i) => event(i, "S1", "out", `line ${i}`));
  const result: ClauseResult = {
    clause: "server-extra-lines",
    verdict: "not-met",
    why: { reason: "extra-lines", args: { count: "5000", example: "line 0", console: "S1" } },
    evidence: [{ trial: "basics", events: [4999] }],
  };
  const html = htmlReport(reportOf({ trials: [{ ...basics, events }] }, [result]), "en");
  assertStringIncludes(html, `id="basics-4999"`);
  assertStringIncludes(html, `href="#basics-4999"`);
  assert(!html.includes(`id="basics-4998"`));
  assertStringIncludes(html, "… 4399 more lines");
});

Deno.test("a long text is cut between characters, and its length is told", () => {
  const texts = textsOf("en");
  assertEquals(shorten("abc", 3, texts), "abc");
  assertEquals(shorten("😀😀😀", 3, texts), "😀😀😀");
  assertEquals(shorten("😀😀😀😀", 3, texts), "😀😀😀… (8 characters)");
  const long = terminalReport(
    reportOf({ trials: [{ ...basics, events: [event(0, "S1", "out", "x".repeat(20_000))] }] }, [
      { ...early, evidence: [{ trial: "basics", events: [0] }] },
    ]),
    "en",
  );
  assert(long.split("\n").every((line) => line.length < 300));
  assertStringIncludes(long, "… (20000 characters)");
});

Deno.test("the JSON has every field of the report", () => {
  const report = reportOf({}, [early]);
  assertEquals(JSON.parse(jsonReport(report)), { format: 1, ...report });
  const problem = { profile: "b", problem: "no such program" };
  assertEquals(JSON.parse(jsonReports([report, problem])), {
    format: 1,
    programs: [report, problem],
  });
});

Deno.test("the table has a column for each program and tells which could not be judged", () => {
  const rows = [
    reportOf({ profile: "first" }),
    { profile: "broken", problem: "bad profile" },
    reportOf({ profile: "second" }, [early]),
  ];
  const text = terminalTable(rows, "en");
  assertStringIncludes(text, "1  first\n");
  assertStringIncludes(text, "2  second\n");
  assertStringIncludes(text, " ✓ ✗  5.e");
  assertStringIncludes(text, "broken: could not be judged: bad profile\n");
  const html = htmlTable(rows, "en");
  assertEquals([...html.matchAll(/class="not-met"/g)].length, 1);
  assertEquals([...html.matchAll(/<tr>/g)].length, clauseIds.length + 1);
  assertStringIncludes(html, "<bdi>broken</bdi>: could not be judged");
});

Deno.test("a table in which no program could be judged has the reasons alone", () => {
  assertEquals(
    terminalTable([{ profile: "a", problem: "b" }], "en"),
    "a: could not be judged: b\n",
  );
});

Deno.test("evidence that names a trial or an event that is not there is left out", () => {
  const result = {
    ...early,
    evidence: [{ trial: "cut", events: [1] }, { trial: "basics", events: [99] }],
  };
  const report = reportOf({}, [result as ClauseResult]);
  assertEquals(unbalanced(htmlReport(report, "en")), []);
  assertStringIncludes(terminalReport(report, "en"), "--only=basics");
});
