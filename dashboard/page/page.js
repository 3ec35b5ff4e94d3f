/**
 * The page: takes the feed, keeps the record, and connects what is shown with what is pressed.
 *
 * @module
 */

import { Diagram } from "./diagram.js";
import { Hands } from "./hands.js";
import { showPlots } from "./plots.js";
import { Cursor, Recording } from "./recording.js";
import { movesOf } from "./readings.js";
import { decode, emptyState } from "./state.js";
import { texts } from "./texts.js";
import {
  at,
  clock,
  element,
  namesIn,
  showDensity,
  showEvents,
  showRefusals,
  showSeen,
  showStory,
  showTable,
} from "./views.js";

/** @import { Item, State } from "../server/item.ts" */

/** Pause between two redrawings of the tables. */
const redrawMs = 120;
/** Pause between two redrawings of the plots and the density. */
const redrawSlowlyMs = 1_000;
/** In playback: the shortest and the longest pause between two events, at full speed. */
const [eventPauseMs, idlePauseMs] = [60, 1_200];

/** @type {HTMLInputElement} */
const timeline = at("timeline");
/** @type {HTMLSelectElement} */
const themeSelect = at("theme");
/** @type {HTMLSelectElement} */
const speedSelect = at("speed");
/** @type {HTMLCanvasElement} */
const density = at("density");

const diagram = new Diagram(at("diagram"));
const hands = new Hands(() => redraw(), () => goLive());
let recording = new Recording(emptyState([]));
let cursor = new Cursor(recording);
let t = localStorage.getItem("language") === "en" ? texts.en : texts.pt;
let linked = false;
let playing = false;
let playTimer = 0;
/** Items that the feed could not deliver here. */
let lost = 0;
/** @type {{ at: number, all: number, drawn: number }[]} The messages of the last second. */
let traffic = [];

/**
 * True for what is worth a step.
 *
 * @param {Item} item
 */
function counts({ kind }) {
  return !["counts", "status", "client", "seen", "table"].includes(kind);
}

/* The feed */

const source = new EventSource("/events");
source.addEventListener("open", () => showLink(true));
source.addEventListener("error", () => showLink(false));
source.addEventListener("keyframe", ({ data }) => {
  const keyframe = decode(data);
  lost += keyframe.lost;
  if (recording.last.servers.length === 0) {
    recording = new Recording(keyframe.state);
    cursor = new Cursor(recording);
  } else recording.cut(keyframe.state);
  redraw();
});
source.addEventListener("items", ({ data }) => {
  /** @type {Item[]} */
  const items = JSON.parse(data);
  for (const item of items) {
    recording.push(item);
    if (cursor.live) draw(item);
  }
  redraw();
});

/** @param {boolean} up */
function showLink(up) {
  linked = up;
  const link = at("link");
  link.dataset.up = `${up}`;
  link.textContent = up ? t.connected : t.disconnected;
}

/* What is shown */

/**
 * Lets the messages of an item move.
 *
 * @param {Item} item the last one before the cursor
 */
function draw(item) {
  const moves = movesOf(cursor.state, item);
  const missed = item.kind === "counts" ? item.missed : 0;
  if (moves.length + missed === 0) return;
  const drawn = diagram.play(moves);
  traffic.push({ at: performance.now(), all: moves.length + missed, drawn });
}

let redrawing = false;
let redrawnAt = 0;
let slowlyRedrawnAt = 0;

/** Shows everything anew, soon. */
function redraw() {
  if (redrawing) return;
  redrawing = true;
  setTimeout(
    () => requestAnimationFrame(redrawNow),
    Math.max(0, redrawnAt + redrawMs - performance.now()),
  );
}

function redrawNow() {
  redrawing = false;
  redrawnAt = performance.now();
  if (!cursor.live) cursor.stay(); // its place may be forgotten by now
  const { state, position } = cursor;
  const names = namesIn(state, t);
  diagram.show(state, names, t);
  showTable({ columns: at("columns"), rows: at("rows") }, state, names, t);
  at("table-empty").hidden = state.table.size > 0;
  const shownKeys = at("rows").childElementCount;
  at("table-note").textContent = shownKeys < state.table.size
    ? t.shownKeys(shownKeys, state.table.size + state.dropped)
    : "";
  showRefusals(at("refusals"), state.refusals, names, t);
  at("no-refusals").hidden = state.refusals.length > 0;
  showEvents(at("events"), recording, position, counts, names, t);
  at("no-events").hidden = at("events").childElementCount > 0;
  showStory(at("story"), state.story, names, t);
  const seen = state.seen.get(hands.client) ?? new Map();
  showSeen(at("seen"), seen, t);
  at("seen-nothing").hidden = seen.size > 0;
  hands.show(recording.last, t);
  showPlayback();
  showTraffic(recording.last);
  if (redrawnAt - slowlyRedrawnAt < redrawSlowlyMs && cursor.live) return;
  slowlyRedrawnAt = redrawnAt;
  showPlots(at("plots"), state, t);
  showDensity(density, recording, position);
}

/** @param {State} state */
function showTraffic({ servers }) {
  const now = performance.now();
  traffic = traffic.filter(({ at }) => now - at < 1_000);
  const all = traffic.reduce((sum, one) => sum + one.all, 0);
  const drawn = traffic.reduce((sum, one) => sum + one.drawn, 0);
  at("sample").textContent = drawn < all ? t.sampled(drawn, all) : t.notSampled;
  const missed = servers.reduce((sum, server) => sum + server.missed, 0) + lost;
  at("lost").textContent = missed === 0 ? "" : t.lost(missed);
}

function showPlayback() {
  const { first, end } = recording;
  const { position, live } = cursor;
  timeline.min = `${first}`;
  timeline.max = `${end}`;
  timeline.value = `${position}`;
  const item = recording.itemAt(position - 1);
  const place = end === first
    ? t.noEvents
    : `${item === undefined ? "" : `${clock(item.at)}, `}${t.position(position, end)}`;
  timeline.setAttribute("aria-valuetext", place);
  at("position").textContent = place;
  at("play").textContent = live || playing ? t.pause : t.play;
  const liveButton = at("live");
  liveButton.textContent = live ? t.live : t.goLive;
  liveButton.setAttribute("aria-pressed", `${live}`);
  const shown = lastThatCounts(position);
  const names = namesIn(cursor.state, t);
  at("moment").textContent = shown === undefined
    ? ""
    : `${"server" in shown ? `${names.server(shown.server)}: ` : ""}${t.item(shown, names)}`;
}

/** @param {number} position */
function lastThatCounts(position) {
  for (let before = position - 1; before >= recording.first; before--) {
    const item = recording.itemAt(before);
    if (item !== undefined && counts(item)) return item;
  }
  return undefined;
}

/** Puts the texts of the chosen language where they belong. */
function showTexts() {
  document.documentElement.lang = t.htmlLang;
  document.title = t.title;
  /** @type {Record<string, unknown>} */
  const byName = t;
  for (const place of document.querySelectorAll("[data-text]")) {
    place.textContent = `${byName[place.getAttribute("data-text") ?? ""]}`;
  }
  for (const place of document.querySelectorAll("[data-label]")) {
    const text = `${byName[place.getAttribute("data-label") ?? ""]}`;
    place.setAttribute("aria-label", text);
    place.setAttribute("title", text);
  }
  const language = at("language");
  language.textContent = t.language;
  language.title = t.languageTitle;
  const theme = themeSelect.value || (localStorage.getItem("theme") ?? "auto");
  themeSelect.replaceChildren(
    ...Object.entries(t.themes).map(([value, text]) => element("option", { value }, text)),
  );
  themeSelect.value = theme;
  showLink(linked);
  redraw();
}

/* Playback */

function stop() {
  playing = false;
  clearTimeout(playTimer);
}

function goLive() {
  stop();
  diagram.clear();
  cursor.follow();
  redraw();
}

/** Stays where the cursor is. */
function hold() {
  stop();
  cursor.stay();
  slowlyRedrawnAt = 0;
  redraw();
}

function stepForward() {
  const item = cursor.forward(counts);
  if (item !== undefined) draw(item);
  slowlyRedrawnAt = 0;
  redraw();
  return item;
}

/** Shows the next event, and the one after it when it is due. At the end it goes on live. */
function playOn() {
  const item = stepForward();
  if (item === undefined) return goLive();
  const next = recording.itemAt(cursor.position);
  const pause = Math.min(Math.max((next?.at ?? item.at) - item.at, eventPauseMs), idlePauseMs);
  playTimer = setTimeout(playOn, pause / Number(speedSelect.value));
}

at("play").addEventListener("click", () => {
  if (cursor.live || playing) return hold();
  playing = true;
  playOn();
});
at("forward").addEventListener("click", () => {
  hold();
  stepForward();
});
at("back").addEventListener("click", () => {
  hold();
  diagram.clear();
  cursor.back(counts);
});
at("live").addEventListener("click", goLive);
timeline.addEventListener("input", () => {
  stop();
  diagram.clear();
  cursor.moveTo(Number(timeline.value));
  slowlyRedrawnAt = 0;
  redraw();
});

/* Language and theme */

at("language").addEventListener("click", () => {
  t = t === texts.pt ? texts.en : texts.pt;
  localStorage.setItem("language", t === texts.en ? "en" : "pt");
  showTexts();
});

function showTheme() {
  const theme = localStorage.getItem("theme") ?? "auto";
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  slowlyRedrawnAt = 0;
  redraw();
}

themeSelect.addEventListener("change", () => {
  localStorage.setItem("theme", themeSelect.value);
  showTheme();
});

addEventListener("resize", () => {
  slowlyRedrawnAt = 0;
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
showTexts();
showTheme();
