/**
 * The report as one HTML file that works without a network.
 *
 * @module
 */

import type { ClauseResult, Evidence, Report, Trial } from "../types.ts";
import { escapeHtml, page } from "./page.ts";
import { drawnEvents, eventId, spaceTimeSvg } from "./space_time.ts";
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

const lineCharsMax = 400;
const argCharsMax = 200;
const linesMax = 20;

/** The report of one program: clauses with verdicts and evidence, and a diagram of each trial. */
export function htmlReport(report: Report, language: Language): string {
  const texts = textsOf(language);
  const body = [
    `<h1>${escapeHtml(texts.heading)}</h1>`,
    `<p><bdi>${escapeHtml(fill(texts.ofProfile, { profile: report.profile }))}</bdi><br>`,
    `<small>${
      escapeHtml(
        fill(texts.made, { at: report.at, system: report.system, version: report.version }),
      )
    }</small></p>`,
    `<p>${escapeHtml(countVerdicts(report.clauses, texts))}</p>`,
    `<p>${escapeHtml(texts.noMark)}</p>`,
    `<h2>${escapeHtml(texts.summary)}</h2>`,
    clauseTable(texts.summary, report.clauses, report, texts),
  ];
  if (report.outside.length > 0) {
    body.push(
      `<h2>${escapeHtml(texts.outsideHeading)}</h2>`,
      `<p>${escapeHtml(texts.outsideRemark)}</p>`,
      clauseTable(texts.outsideHeading, report.outside, report, texts),
    );
  }
  if (report.byEye.length > 0) {
    body.push(
      `<h2>${escapeHtml(texts.byEyeHeading)}</h2>`,
      `<ul>${report.byEye.map((id) => `<li>${escapeHtml(texts.byEye[id])}</li>`).join("")}</ul>`,
    );
  }
  if (report.trials.length > 0) {
    body.push(
      `<h2>${escapeHtml(texts.trialsHeading)}</h2>`,
      `<p>${escapeHtml(texts.diagramHelp)}</p>`,
      ...report.trials.map((trial) => trialSection(trial, badEvents(trial, report), texts)),
    );
  }
  return page(`${texts.heading}: ${report.profile}`, body.join("\n"), texts);
}

/** The events of a trial that are evidence for "not met". */
function badEvents(trial: Trial, report: Report): ReadonlySet<number> {
  return new Set(
    report.clauses.filter(({ verdict }) => verdict === "not-met")
      .flatMap(({ evidence }) => evidence)
      .filter((one) => one.trial === trial.id)
      .flatMap(({ events }) => events),
  );
}

function clauseTable(
  label: string,
  clauses: readonly ClauseResult[],
  report: Report,
  texts: ReportTexts,
): string {
  const trials = new Map(report.trials.map((trial) => [trial.id, trial]));
  const rows = clauses.map(({ clause, verdict, why, evidence }) => {
    const reason = why === undefined ? "" : reasonText(
      why,
      texts,
      (arg) => shorten(arg, argCharsMax, texts),
    );
    return `<tr><th scope="row">${escapeHtml(texts.clauses[clause])}</th>` +
      `<td class="${verdict}">${signs[verdict]} ${texts.verdicts[verdict]}</td>` +
      `<td>${reason === "" ? "" : `<p><bdi>${escapeHtml(reason)}</bdi></p>`}` +
      `${
        evidence.map((one) => evidenceList(one, verdict === "not-met", trials, texts)).join("")
      }</td></tr>`;
  });
  return `<div class="wide" tabindex="0" role="region" aria-label="${
    escapeHtml(label)
  }"><table><thead><tr>` +
    [texts.clauseColumn, texts.verdictColumn, texts.evidenceColumn]
      .map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join("") +
    `</tr></thead><tbody>\n${rows.join("\n")}\n</tbody></table></div>`;
}

function evidenceList(
  { trial: id, events }: Evidence,
  withCommand: boolean,
  trials: ReadonlyMap<string, Trial>,
  texts: ReportTexts,
): string {
  const trial = trials.get(id);
  if (trial === undefined) return "";
  const drawn = new Set(drawnEvents(trial, new Set(withCommand ? events : [])));
  const lines = events.slice(0, linesMax).flatMap((index) => {
    const event = trial.events[index];
    if (event === undefined) return [];
    const head = `${seconds(event.atMs, texts)} ${event.console}`;
    const link = drawn.has(index)
      ? `<a href="#${eventId(trial, index)}">${escapeHtml(head)}</a>`
      : escapeHtml(head);
    const text = escapeHtml(shorten(event.text, lineCharsMax, texts));
    return [`<li class="line">${link} <bdi>${text}</bdi></li>`];
  });
  const more = events.length - linesMax;
  if (more > 0) lines.push(`<li>${escapeHtml(fill(texts.more, { count: more }))}</li>`);
  const command = withCommand
    ? `<p>${escapeHtml(texts.repeat)} <code>${escapeHtml(trial.repeat)}</code></p>`
    : "";
  const list = lines.length === 0 ? "" : `<ul class="lines">${lines.join("")}</ul>`;
  return `<p class="faint">${escapeHtml(texts.trials[trial.title])}</p>${list}${command}`;
}

function trialSection(trial: Trial, bad: ReadonlySet<number>, texts: ReportTexts): string {
  const title = texts.trials[trial.title];
  const drawn = drawnEvents(trial, bad);
  const rows = drawn.map((index) => {
    const { atMs, console, kind, text } = trial.events[index]!;
    return `<tr><td>${seconds(atMs, texts)}</td><td>${escapeHtml(console)}</td>` +
      `<td>${escapeHtml(texts.kinds[kind])}</td>` +
      `<td class="line"><bdi>${escapeHtml(shorten(text, lineCharsMax, texts))}</bdi></td></tr>`;
  });
  const left = trial.events.length - drawn.length;
  const heads = [texts.timeColumn, texts.consoleColumn, texts.kindColumn, texts.textColumn]
    .map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join("");
  const more = left > 0 ? `<p>${escapeHtml(fill(texts.more, { count: left }))}</p>` : "";
  return `<section>\n` +
    `<h3>${escapeHtml(title)}</h3>\n` +
    `<p>${escapeHtml(texts.repeat)} <code>${escapeHtml(trial.repeat)}</code></p>\n` +
    `<div class="wide" tabindex="0" role="region" aria-label="${escapeHtml(title)}">` +
    `${spaceTimeSvg(trial, bad, texts)}</div>\n${more}\n` +
    `<details><summary>${
      escapeHtml(texts.asText)
    }</summary><table><thead><tr>${heads}</tr></thead>` +
    `<tbody>\n${rows.join("\n")}\n</tbody></table></details>\n</section>`;
}
