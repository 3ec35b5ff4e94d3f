/**
 * The space-time diagram of one trial: consoles are columns, time runs downwards.
 *
 * @module
 */

import type { ConsoleEvent, Trial } from "../types.ts";
import { escapeHtml } from "./page.ts";
import { consoleRole, fill, type ReportTexts, seconds, shorten } from "./texts.ts";

const rowPx = 20;
const headPx = 36;
const timePx = 76;
/** Texts run over the columns at their right: each row has one text only. */
const columnPx = 130;
const charPx = 7.3;
/** Characters of a text in the last column. */
const textCharsMax = 66;
/** The names of the consoles are repeated after this many rows. */
const headEvery = 40;
const titleCharsMax = 400;
/** Rows of one diagram. Evidence is drawn even beyond them. */
const rowsMax = 600;
/** A longer time without a line gets a row of its own. */
const pauseMs = 1000;

/** Consoles of a trial in the order of the columns: clients, servers, the grader. */
export function columnsOf(events: readonly ConsoleEvent[]): string[] {
  const order = (name: string) => name.startsWith("C") ? 0 : name.startsWith("S") ? 1 : 2;
  return [...new Set(events.map(({ console }) => console))]
    .sort((a, b) => order(a) - order(b) || a.localeCompare(b, "en", { numeric: true }));
}

/** The events that are drawn, as indexes: the first ones, and all evidence. */
export function drawnEvents(trial: Trial, bad: ReadonlySet<number>): number[] {
  return trial.events.map((_, index) => index)
    .filter((index) => index < rowsMax || bad.has(index));
}

/** The id of an event's mark in the diagram. */
export function eventId(trial: Trial, index: number): string {
  return `${trial.id}-${index}`;
}

/**
 * The diagram as SVG.
 *
 * `bad` has the indexes of the events that are evidence for "not met": they get a frame.
 */
export function spaceTimeSvg(
  trial: Trial,
  bad: ReadonlySet<number>,
  texts: ReportTexts,
): string {
  const columns = columnsOf(trial.events);
  const left = (console: string) => timePx + columns.indexOf(console) * columnPx + 12;
  const head = (y: number) =>
    columns.map((console) => {
      const role = consoleRole(console, texts);
      const name = console === "grader" ? role : `${console} ${role}`;
      return `<text class="head" x="${left(console) - 4}" y="${y}">${escapeHtml(name)}</text>`;
    });
  const width = Math.ceil(timePx + columns.length * columnPx + textCharsMax * charPx);
  const rows = head(20);
  let y = headPx;
  let before = 0;
  for (const [row, index] of drawnEvents(trial, bad).entries()) {
    const event = trial.events[index]!;
    const silentMs = event.atMs - before;
    if (row > 0 && row % headEvery === 0) {
      rows.push(...head(y + 20));
      y += headPx;
    }
    if (silentMs >= pauseMs) {
      const text = fill(texts.pause, { seconds: seconds(silentMs, texts) });
      rows.push(
        `<text class="faint" x="${timePx + 24}" y="${y + 14}">⋮ ${escapeHtml(text)}</text>`,
      );
      y += rowPx;
    }
    before = event.atMs;
    rows.push(
      eventMark(trial, index, { x: left(event.console), y, width, bad: bad.has(index) }, texts),
    );
    y += rowPx;
  }
  const lives = columns.map((console) =>
    `<line class="life" x1="${left(console)}" x2="${left(console)}" y1="26" y2="${y}"/>`
  );
  const title = texts.trials[trial.title];
  const description = fill(texts.diagramDescription, {
    trial: title,
    events: trial.events.length,
    consoles: columns.join(", "),
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" ` +
    `aria-labelledby="${trial.id}-title ${trial.id}-desc" ` +
    `width="${width}" height="${y + 10}" viewBox="0 0 ${width} ${y + 10}">` +
    `<title id="${trial.id}-title">${escapeHtml(title)}</title>` +
    `<desc id="${trial.id}-desc">${escapeHtml(description)}</desc>\n` +
    `${lives.join("\n")}\n${rows.join("\n")}\n</svg>`;
}

/** Where an event is drawn: `x` and `y` of its mark, and how wide the diagram is. */
interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly bad: boolean;
}

function eventMark(
  trial: Trial,
  index: number,
  { x, y, width, bad }: Place,
  texts: ReportTexts,
): string {
  const { atMs, kind, text } = trial.events[index]!;
  const charsMax = Math.floor((width - x - 24) / charPx);
  const cut = [...text.slice(0, 2 * charsMax + 2)];
  const short = cut.length > charsMax ? `${cut.slice(0, charsMax - 1).join("")}…` : text;
  const dot = kind === "note"
    ? `<rect class="dot" x="${x - 4}" y="${y + 6}" width="8" height="8"/>`
    : `<circle class="dot" cx="${x}" cy="${y + 10}" r="4"/>`;
  return `<g id="${eventId(trial, index)}" class="${kind}${bad ? " bad" : ""}">` +
    `<title>${escapeHtml(shorten(text, titleCharsMax, texts))}</title>` +
    `<rect class="frame" x="${x - 8}" y="${y + 1}" ` +
    `width="${Math.ceil([...short].length * charPx) + 24}" height="${rowPx - 2}"/>` +
    `<text class="faint" x="4" y="${y + 14}">${seconds(atMs, texts).padStart(8)}</text>` +
    `${dot}<text x="${x + 10}" y="${y + 14}">${escapeHtml(short)}</text></g>`;
}
