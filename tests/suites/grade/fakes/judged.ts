import { assert, assertEquals } from "@std/assert";
import { grade } from "../../../../tools/grade/grade.ts";
import { htmlReport } from "../../../../tools/grade/report/html.ts";
import { terminalReport } from "../../../../tools/grade/report/terminal.ts";
import type { Subject } from "../../../../tools/grade/trial.ts";
import type { ClauseId, Report } from "../../../../tools/grade/types.ts";
import type { Case } from "./cases.ts";
import { folder, profileOf } from "./profiles.ts";

/** What the grader has to say about a program. */
export type Expected = Pick<Case, "trials" | "found" | "follows" | "met">;

/** What a case is called in the name of its test. */
export function nameOf({ language, fault, style }: Case): string {
  return `${language}, ${fault ?? `asked in the way "${style}"`}`;
}

/** Grades a fake implementation and compares the verdicts with what the case says. */
export function judged(one: Case, classes: string): Promise<Report> {
  return judgedAs(one, { profile: profileOf(one, classes), folder, argument: "fake.json" });
}

/** Grades a program and compares the verdicts with the expected ones. */
export async function judgedAs(expected: Expected, subject: Subject): Promise<Report> {
  const report = await grade(subject, expected.trials, () => {});
  const text = terminalReport(report, "en");
  assert(htmlReport(report, "pt").endsWith("</html>\n"));
  const { found, follows = [], met = [] } = expected;
  const allowed = [...found ?? [], ...follows];
  const notMet = clausesWith(report, "not-met");
  assertEquals(notMet.filter((clause) => !allowed.includes(clause)), [], text);
  if (found !== undefined) {
    assert(notMet.some((clause) => found.includes(clause)), `not found:\n${text}`);
  }
  const isMet = [...clausesWith(report, "met"), ...clausesWith(report, "met-in-other-words")];
  assertEquals(met.filter((clause) => !isMet.includes(clause)), [], text);
  for (const { verdict, evidence } of report.clauses) {
    assert(verdict !== "not-met" || evidence.length > 0, `no evidence:\n${text}`);
  }
  assert(report.outside.every(({ verdict }) => verdict !== "not-met"), text);
  return report;
}

function clausesWith(report: Report, verdict: string): ClauseId[] {
  return report.clauses.filter((one) => one.verdict === verdict).map(({ clause }) => clause);
}
