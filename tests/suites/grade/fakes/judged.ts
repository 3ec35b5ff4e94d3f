import { assert, assertEquals } from "@std/assert";
import { grade } from "../../../../tools/grade/grade.ts";
import { htmlReport } from "../../../../tools/grade/report/html.ts";
import { terminalReport } from "../../../../tools/grade/report/terminal.ts";
import type { ClauseId, Report } from "../../../../tools/grade/types.ts";
import type { Case } from "./cases.ts";
import { folder, profileOf } from "./profiles.ts";

/** What a case is called in the name of its test. */
export function nameOf({ language, fault, style }: Case): string {
  return `${language}, ${fault ?? `asked in the way "${style}"`}`;
}

/** Grades a fake implementation and compares the verdicts with what the case says. */
export async function judged(one: Case, classes: string): Promise<Report> {
  const subject = { profile: profileOf(one, classes), folder, argument: "fake.json" };
  const report = await grade(subject, one.trials, () => {});
  const text = terminalReport(report, "en");
  assert(htmlReport(report, "pt").endsWith("</html>\n"));
  const allowed = [...one.found ?? [], ...one.follows ?? []];
  const notMet = clausesWith(report, "not-met");
  assertEquals(notMet.filter((clause) => !allowed.includes(clause)), [], text);
  if (one.found !== undefined) {
    assert(notMet.some((clause) => one.found!.includes(clause)), `not found:\n${text}`);
  }
  const met = [...clausesWith(report, "met"), ...clausesWith(report, "met-in-other-words")];
  assertEquals((one.met ?? []).filter((clause) => !met.includes(clause)), [], text);
  for (const { verdict, evidence } of report.clauses) {
    assert(verdict !== "not-met" || evidence.length > 0, `no evidence:\n${text}`);
  }
  assert(report.outside.every(({ verdict }) => verdict !== "not-met"), text);
  return report;
}

function clausesWith(report: Report, verdict: string): ClauseId[] {
  return report.clauses.filter((one) => one.verdict === verdict).map(({ clause }) => clause);
}
