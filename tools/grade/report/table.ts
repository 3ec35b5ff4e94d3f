/**
 * The verdicts about several programs as one table.
 *
 * @module
 */

import { escapeControls } from "../../../lib/cli/escape.ts";
import { type ClauseId, clauseIds, outsideIds, type Report, type Verdict } from "../types.ts";
import { escapeHtml, page } from "./page.ts";
import { type Language, type ReportTexts, shorten, signs, textsOf } from "./texts.ts";

/** A judged program, or one that could not be judged and why. */
export type TableRow = Report | Unjudged;

/** A program that could not be judged, and why. */
export interface Unjudged {
  readonly profile: string;
  readonly problem: string;
}

const nameCharsMax = 80;
const problemCharsMax = 400;

/** The table for a terminal: clauses are rows, programs are numbered columns. */
export function terminalTable(rows: readonly TableRow[], language: Language): string {
  const texts = textsOf(language);
  const judged = rows.filter(isReport);
  const width = String(judged.length).length + 1;
  const lines = judged.map((report, i) =>
    `${String(i + 1).padStart(width)}  ${shown(report.profile, texts)}`
  );
  lines.push("");
  if (judged.length > 0) {
    lines.push(judged.map((_, i) => String(i + 1).padStart(width)).join(""));
    for (const clause of clauseIds) {
      const cells = judged.map((report) => signOf(report, clause).padStart(width)).join("");
      lines.push(`${cells}  ${texts.clauses[clause]}`);
    }
    const verdicts = Object.keys(signs) as Verdict[];
    const legend = verdicts.map((verdict) => `${signs[verdict]} ${texts.verdicts[verdict]}`);
    lines.push("", legend.join("   "));
  }
  for (const row of rows) {
    if (isReport(row)) continue;
    const problem = shorten(escapeControls(row.problem), problemCharsMax, texts);
    lines.push(`${shown(row.profile, texts)}: ${texts.notRun}: ${problem}`);
  }
  return `${lines.join("\n").trimStart()}\n`;
}

/** The table as one HTML file: clauses are rows, programs are columns. */
export function htmlTable(rows: readonly TableRow[], language: Language): string {
  const texts = textsOf(language);
  const judged = rows.filter(isReport);
  const head = judged.map((report) =>
    `<th scope="col"><bdi>${escapeHtml(shorten(report.profile, nameCharsMax, texts))}</bdi></th>`
  );
  const body = clauseIds.map((clause) => {
    const cells = judged.map((report) => verdictCell(report, clause, texts));
    const outside = outsideIds.includes(clause) ? ` <small>(${texts.outsideHeading})</small>` : "";
    return `<tr><th scope="row">${escapeHtml(texts.clauses[clause])}${outside}</th>` +
      `${cells.join("")}</tr>`;
  });
  const failed = rows.filter((row): row is Unjudged => !isReport(row)).map(({ profile, problem }) =>
    `<li><bdi>${escapeHtml(shorten(profile, nameCharsMax, texts))}</bdi>: ${texts.notRun}: ` +
    `<bdi>${escapeHtml(shorten(problem, problemCharsMax, texts))}</bdi></li>`
  );
  const table = judged.length === 0 ? "" : `<div class="wide" tabindex="0" role="region" ` +
    `aria-label="${escapeHtml(texts.tableHeading)}"><table><thead><tr>` +
    `<th scope="col">${texts.clauseColumn}</th>${head.join("")}</tr></thead>` +
    `<tbody>${body.join("\n")}</tbody></table></div>`;
  return page(
    texts.tableHeading,
    `<h1>${escapeHtml(texts.tableHeading)}</h1>\n<p>${escapeHtml(texts.noMark)}</p>\n${table}\n` +
      (failed.length === 0 ? "" : `<ul>${failed.join("\n")}</ul>`),
    texts,
  );
}

function isReport(row: TableRow): row is Report {
  return "clauses" in row;
}

function verdictOf(report: Report, clause: ClauseId): Verdict | undefined {
  return [...report.clauses, ...report.outside].find((one) => one.clause === clause)?.verdict;
}

function signOf(report: Report, clause: ClauseId): string {
  const verdict = verdictOf(report, clause);
  return verdict === undefined ? "-" : signs[verdict];
}

function verdictCell(report: Report, clause: ClauseId, texts: ReportTexts): string {
  const verdict = verdictOf(report, clause);
  if (verdict === undefined) return "<td>-</td>";
  return `<td class="${verdict}">${signs[verdict]} ${texts.verdicts[verdict]}</td>`;
}

function shown(name: string, texts: ReportTexts): string {
  return shorten(escapeControls(name), nameCharsMax, texts);
}
