/**
 * The words of the grader's report, whole in each language.
 *
 * @module
 */

import type { ByEyeId, ClauseId, Reason, ReasonId, TextKey, Verdict } from "../types.ts";
import { en } from "./texts_en.ts";
import { pt } from "./texts_pt.ts";

/** A language of the report. */
export type Language = "pt" | "en";

/** Every text of the report in one language. Names in braces are filled in. */
export interface ReportTexts {
  /** The language's tag for HTML. */
  readonly tag: string;
  /** What separates the seconds from their fraction. */
  readonly decimalMark: string;
  readonly heading: string;
  readonly tableHeading: string;
  /** Names: `profile`. */
  readonly ofProfile: string;
  /** Names: `at`, `system`, `version`. */
  readonly made: string;
  readonly noMark: string;
  readonly summary: string;
  readonly clauseColumn: string;
  readonly verdictColumn: string;
  readonly evidenceColumn: string;
  readonly profileColumn: string;
  readonly outsideHeading: string;
  readonly outsideRemark: string;
  readonly byEyeHeading: string;
  readonly trialsHeading: string;
  readonly repeat: string;
  /** Names: `count`. */
  readonly more: string;
  /** Names: `count`. The text that replaces the end of a long text. */
  readonly characters: string;
  readonly notRun: string;
  readonly diagramHelp: string;
  /** Names: `trial`, `consoles`, `events`. The diagram's description for those who do not see it. */
  readonly diagramDescription: string;
  /** Names: `seconds`. */
  readonly pause: string;
  readonly asText: string;
  readonly timeColumn: string;
  readonly consoleColumn: string;
  readonly kindColumn: string;
  readonly textColumn: string;
  readonly leader: string;
  readonly follower: string;
  readonly client: string;
  readonly grader: string;
  readonly kinds: Readonly<Record<"out" | "in" | "note", string>>;
  readonly verdicts: Readonly<Record<Verdict, string>>;
  readonly clauses: Readonly<Record<ClauseId, string>>;
  /** Names: those of `reasonArgs`. */
  readonly reasons: Readonly<Record<ReasonId, string>>;
  readonly byEye: Readonly<Record<ByEyeId, string>>;
  readonly trials: Readonly<Record<TextKey, string>>;
}

/** The sign of each verdict. It differs in shape, not only in colour. */
export const signs: Readonly<Record<Verdict, string>> = {
  "met": "✓",
  "met-in-other-words": "≈",
  "not-met": "✗",
  "inconclusive": "?",
};

/** The texts of a language. */
export function textsOf(language: Language): ReportTexts {
  return language === "pt" ? pt : en;
}

/** Fills in names in braces. A name without a value stays as it is. */
export function fill(text: string, args: Readonly<Record<string, string | number>>): string {
  return text.replaceAll(
    /\{(\w+)\}/g,
    (braces, name) => Object.hasOwn(args, name) ? String(args[name]) : braces,
  );
}

/** A reason as a sentence. `show` is applied to each argument: it comes from other programs. */
export function reasonText(
  why: Reason,
  texts: ReportTexts,
  show: (arg: string) => string,
): string {
  const args = Object.entries(why.args).map(([name, arg]) => {
    if (name === "trial") return [name, texts.trials[`trial-${arg}` as TextKey] ?? show(arg)];
    if (name === "clause") return [name, texts.clauses[arg as ClauseId] ?? show(arg)];
    return [name, show(arg)];
  });
  return fill(texts.reasons[why.reason], Object.fromEntries(args));
}

/** How many of the clauses have each verdict, in one line. */
export function countVerdicts(
  clauses: readonly { readonly verdict: Verdict }[],
  texts: ReportTexts,
): string {
  const verdicts = Object.keys(signs) as Verdict[];
  return verdicts.map((verdict) => {
    const count = clauses.filter((clause) => clause.verdict === verdict).length;
    return `${signs[verdict]} ${texts.verdicts[verdict]}: ${count}`;
  }).join("   ");
}

/** Milliseconds as seconds with three decimals. */
export function seconds(ms: number, texts: ReportTexts): string {
  return (ms / 1000).toFixed(3).replace(".", texts.decimalMark);
}

/** The beginning of a text that is too long to show, and how long it is. */
export function shorten(text: string, charsMax: number, texts: ReportTexts): string {
  // no more than this much is split into characters
  const chars = [...text.slice(0, 2 * charsMax + 2)];
  if (chars.length <= charsMax && text.length <= 2 * charsMax + 2) return text;
  const left = chars.slice(0, charsMax).join("");
  return `${left}… ${fill(texts.characters, { count: text.length })}`;
}

/** What a console of a trial is. */
export function consoleRole(console: string, texts: ReportTexts): string {
  if (console === "S1") return texts.leader;
  if (console.startsWith("S")) return texts.follower;
  return console.startsWith("C") ? texts.client : texts.grader;
}
