/**
 * The report as text for a terminal.
 *
 * @module
 */

import { escapeControls } from "../../../lib/cli/escape.ts";
import type { ClauseResult, Evidence, Report, Trial } from "../types.ts";
import {
  countVerdicts,
  fill,
  type Language,
  reasonText,
  type ReportTexts,
  seconds,
  shorten,
  signs,
  textsOf,
} from "./texts.ts";

const charsMax = 160;
const argCharsMax = 80;
const linesMax = 12;

/** The report of one program: a line for each clause, with reason, evidence and command below it. */
export function terminalReport(report: Report, language: Language): string {
  const texts = textsOf(language);
  const trials = new Map(report.trials.map((trial) => [trial.id, trial]));
  const show = (clause: ClauseResult) => clauseLines(clause, trials, texts);
  const lines = [
    fill(texts.ofProfile, { profile: safe(report.profile, argCharsMax, texts) }),
    fill(texts.made, {
      at: safe(report.at, argCharsMax, texts),
      system: safe(report.system, argCharsMax, texts),
      version: safe(report.version, argCharsMax, texts),
    }),
    "",
    ...report.clauses.flatMap(show),
    "",
    countVerdicts(report.clauses, texts),
    texts.noMark,
  ];
  if (report.outside.length > 0) {
    lines.push("", texts.outsideHeading, texts.outsideRemark, ...report.outside.flatMap(show));
  }
  if (report.byEye.length > 0) {
    lines.push("", texts.byEyeHeading, ...report.byEye.map((id) => `- ${texts.byEye[id]}`));
  }
  return `${lines.join("\n")}\n`;
}

function clauseLines(
  { clause, verdict, why, evidence }: ClauseResult,
  trials: ReadonlyMap<string, Trial>,
  texts: ReportTexts,
): string[] {
  const lines = [`${signs[verdict]} ${texts.clauses[clause]}: ${texts.verdicts[verdict]}`];
  if (why !== undefined) {
    lines.push(`    ${reasonText(why, texts, (arg) => safe(arg, argCharsMax, texts))}`);
  }
  if (verdict !== "not-met") return lines;
  return [...lines, ...evidence.flatMap((one) => evidenceLines(one, trials, texts))];
}

function evidenceLines(
  { trial: id, events }: Evidence,
  trials: ReadonlyMap<string, Trial>,
  texts: ReportTexts,
): string[] {
  const trial = trials.get(id);
  if (trial === undefined) return [];
  const lines = events.slice(0, linesMax).flatMap((index) => {
    const event = trial.events[index];
    if (event === undefined) return [];
    const { atMs, console, kind, text } = event;
    const mark = kind === "in" ? "<" : kind === "out" ? ">" : "#";
    const time = seconds(atMs, texts).padStart(8);
    return [`    ${time} ${console} ${mark} ${safe(text, charsMax, texts)}`];
  });
  const more = events.length - linesMax;
  if (more > 0) lines.push(`    ${fill(texts.more, { count: more })}`);
  return [...lines, `    ${texts.repeat} ${escapeControls(trial.repeat)}`];
}

/** Text of another program: short, and without control characters that the terminal would obey. */
function safe(text: string, max: number, texts: ReportTexts): string {
  return shorten(escapeControls(text), max, texts);
}
