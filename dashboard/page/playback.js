/**
 * Playback: the recording, the cursor in it, and the controls that move the cursor.
 *
 * @module
 */

import { Cursor } from "./cursor.js";
import { showDensity } from "./density.js";
import { byId, setText } from "./dom.js";
import { clock, namesIn } from "./format.js";
import { searchedMax } from "./limits.js";
import { flightMs, Presentation } from "./presentation.js";
import { Recording } from "./recording.js";
import { messagesOf } from "./selectors.js";
import { apply, copyState, emptyState } from "./state.js";

/** @import { Item } from "../server/item.ts" */
/** @import { DiagramMessage, State } from "../server/state.ts" */
/** @import { Texts } from "./texts.js" */

/** The shortest pause between two items while playing, at normal speed. */
const stepMsMin = 60;
/** The longest pause between two items while playing, at normal speed. */
const stepMsMax = 1_200;

/** @type {HTMLInputElement} */
const timeline = byId("timeline");
/** @type {HTMLSelectElement} */
const speedSelect = byId("speed");
/** @type {HTMLCanvasElement} */
const density = byId("density");

/**
 * Whether the page lists an item as an event. The steps of the playback stop only at such items.
 *
 * @param {Item} item
 */
export function isStep({ kind }) {
  return !["counts", "status", "client", "seen", "table"].includes(kind);
}

/**
 * What playback does with the page.
 *
 * @typedef {object} PlaybackView
 * @property {import("./message_animation.js").MessageAnimation} animation
 * @property {(all: number, drawn: number) => void} count counts messages, and those that are drawn
 * @property {() => void} redraw redraws the whole page soon
 * @property {() => void} redrawState redraws what changes with the state soon
 */

/**
 * The playback: live, held at a position, or playing from one. One clock shows the messages and
 * their effects. While it is live, an item is recorded when its effect shows.
 */
export class Playback {
  recording = new Recording(emptyState([]));
  cursor = new Cursor(this.recording);
  /** @type {State} The state after all items that have come. It is ahead of what is shown. */
  known = emptyState([]);
  #presentation = new Presentation();
  /** While it plays, the position up to which items are planned. */
  #ahead = new Cursor(this.recording);
  #view;
  /** Invariant: false while the cursor is live. */
  #playing = false;
  /** The timer of the next step. */
  #timer = 0;
  /** The animation frame that is requested, 0 if none is. */
  #frame = 0;

  /**
   * Listens to the controls.
   *
   * @param {PlaybackView} view
   */
  constructor(view) {
    this.#view = view;
    byId("play").addEventListener("click", () => {
      if (this.cursor.live || this.#playing) return this.#hold();
      this.#beginAtCursor();
      this.#playing = true;
      this.#playNext();
    });
    byId("forward").addEventListener("click", () => {
      this.#hold();
      this.#beginAtCursor();
      this.#planStep();
    });
    byId("back").addEventListener("click", () => {
      this.#hold();
      this.cursor.back(isStep);
    });
    byId("live").addEventListener("click", () => this.goLive());
    timeline.addEventListener("input", () => {
      this.#hold();
      this.cursor.moveTo(Number(timeline.value));
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && this.cursor.live) this.#finish(); // no frames come while it is hidden
    });
  }

  /**
   * Starts the recording with the first keyframe, or continues it with a later one.
   *
   * @param {State} state
   */
  takeKeyframe(state) {
    if (this.cursor.live) this.#finish();
    this.known = copyState(state);
    if (this.recording.last.servers.length > 0) return this.recording.continueFrom(state);
    this.recording = new Recording(state);
    this.cursor = new Cursor(this.recording);
  }

  /**
   * Takes items of the feed.
   *
   * @param {readonly Item[]} items
   */
  takeItems(items) {
    const now = performance.now();
    for (const item of items) {
      const messages = messagesOf(this.known, item);
      apply(this.known, item);
      if (!this.cursor.live || document.hidden) this.recording.push(item);
      else this.#plan(item, messages, now, () => this.recording.push(item));
    }
    this.#view.redrawState();
  }

  /** Shows what happens now. */
  goLive() {
    if (this.cursor.live) return;
    this.#stop();
    this.cursor.follow();
    this.#view.redraw();
  }

  /**
   * Shows the position of the cursor, and the step before it.
   *
   * @param {Texts} t
   */
  show(t) {
    const { first, end } = this.recording;
    const { position, live, state } = this.cursor;
    timeline.min = `${first}`;
    timeline.max = `${end}`;
    timeline.value = `${position}`;
    const item = this.recording.itemAt(position - 1);
    const place = end === first
      ? t.noEvents
      : `${item === undefined ? "" : `${clock(item.at)}, `}${t.position(position, end)}`;
    timeline.setAttribute("aria-valuetext", place);
    setText(byId("position"), place);
    setText(byId("play"), live || this.#playing ? t.pause : t.play);
    const liveButton = byId("live");
    setText(liveButton, live ? t.live : t.goLive);
    liveButton.setAttribute("aria-pressed", `${live}`);
    const step = this.#lastStep();
    const names = namesIn(state, t);
    setText(
      byId("moment"),
      step === undefined
        ? ""
        : `${"server" in step ? `${names.server(step.server)}: ` : ""}${t.item(step, names)}`,
    );
  }

  /** Shows the bar chart above the timeline. */
  showDensity() {
    showDensity(density, this.recording, this.cursor.position);
  }

  /** The last step before the cursor; `undefined` if there is none. */
  #lastStep() {
    const { position } = this.cursor;
    const first = Math.max(this.recording.first, position - searchedMax);
    for (let at = position - 1; at >= first; at--) {
      const item = this.recording.itemAt(at);
      if (item !== undefined && isStep(item)) return item;
    }
    return undefined;
  }

  /** Stops playing, and leaves the cursor at the effect that has shown last. */
  #stop() {
    this.#playing = false;
    clearTimeout(this.#timer);
    this.#view.animation.clear();
    this.#presentation.drop();
  }

  /** Stays where the page is. What was planned live is recorded, and comes with the next steps. */
  #hold() {
    if (this.cursor.live) {
      this.cursor.stay();
      this.#finish();
    } else this.#stop();
    this.#view.redraw();
  }

  /** Shows all effects that wait, without their messages. */
  #finish() {
    this.#view.animation.clear();
    this.#presentation.finish();
    this.#view.redraw();
  }

  #beginAtCursor() {
    this.#ahead = new Cursor(this.recording);
    this.#ahead.moveTo(this.cursor.position);
  }

  /**
   * Plans the items up to the next step.
   *
   * @returns {Item | undefined} the step; `undefined` at the end
   */
  #planStep() {
    const now = performance.now();
    const ahead = this.#ahead;
    while (true) {
      const item = this.recording.itemAt(ahead.position);
      if (item === undefined) return undefined;
      const messages = messagesOf(ahead.state, item);
      ahead.forward(() => true);
      const { position } = ahead;
      this.#plan(item, messages, now, () => this.#showUpTo(position));
      if (isStep(item)) return item;
    }
  }

  /**
   * Plans an item, and draws its messages.
   *
   * @param {Item} item
   * @param {readonly DiagramMessage[]} messages
   * @param {number} now
   * @param {() => void} show
   */
  #plan(item, messages, now, show) {
    const flights = this.#presentation.plan(item, messages, now, show);
    const missed = item.kind === "counts" ? item.missed : 0;
    if (messages.length + missed > 0) this.#view.count(messages.length + missed, flights.length);
    this.#view.animation.add(flights);
    if (this.#presentation.full) this.#finish();
    if (this.#frame === 0) this.#frame = requestAnimationFrame((time) => this.#show(time));
  }

  /**
   * Shows what is due: first the messages that arrive, then their effects.
   *
   * @param {number} now
   */
  #show(now) {
    const moving = this.#view.animation.draw(now);
    if (this.#presentation.advance(now) > 0) this.#view.redrawState();
    const more = moving || this.#presentation.waiting;
    this.#frame = more ? requestAnimationFrame((time) => this.#show(time)) : 0;
  }

  /** @param {number} position */
  #showUpTo(position) {
    while (this.cursor.position < position) {
      if (this.cursor.forward(() => true) === undefined) return;
    }
  }

  /**
   * Plans the next step, and sets the timer for the one after it. It plans no further ahead than one
   * message takes. At the end it goes live.
   */
  #playNext() {
    const aheadMs = this.#presentation.lastAt - performance.now() - flightMs;
    let pauseMs = aheadMs;
    if (aheadMs <= 0) {
      const item = this.#planStep();
      if (item === undefined && !this.#presentation.waiting) return this.goLive();
      const next = this.recording.itemAt(this.#ahead.position);
      const gapMs = item === undefined || next === undefined ? 0 : next.at - item.at;
      pauseMs = Math.min(Math.max(gapMs, stepMsMin), stepMsMax) / Number(speedSelect.value);
    }
    this.#timer = setTimeout(() => this.#playNext(), pauseMs);
  }
}
