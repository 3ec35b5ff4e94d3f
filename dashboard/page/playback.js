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
import { Recording } from "./recording.js";
import { emptyState } from "./state.js";

/** @import { Item } from "../server/item.ts" */
/** @import { State } from "../server/state.ts" */
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
 * @property {(item: Item) => void} drawMessages draws the messages of the item before the cursor
 * @property {() => void} clearMessages removes all messages
 * @property {() => void} redraw redraws the whole page soon
 */

/** The playback: live, held at a position, or playing from one. */
export class Playback {
  recording = new Recording(emptyState([]));
  cursor = new Cursor(this.recording);
  #view;
  /** Invariant: false while the cursor is live. */
  #playing = false;
  /** The timer of the next step. */
  #timer = 0;

  /**
   * Listens to the controls.
   *
   * @param {PlaybackView} view
   */
  constructor(view) {
    this.#view = view;
    byId("play").addEventListener("click", () => {
      if (this.cursor.live || this.#playing) return this.#hold();
      this.#playing = true;
      this.#playNext();
    });
    byId("forward").addEventListener("click", () => {
      this.#hold();
      this.#stepForward();
    });
    byId("back").addEventListener("click", () => {
      this.#hold();
      view.clearMessages();
      this.cursor.back(isStep);
    });
    byId("live").addEventListener("click", () => this.goLive());
    timeline.addEventListener("input", () => {
      this.#stop();
      view.clearMessages();
      this.cursor.moveTo(Number(timeline.value));
      view.redraw();
    });
  }

  /**
   * Starts the recording with the first keyframe, or continues it with a later one.
   *
   * @param {State} state
   */
  takeKeyframe(state) {
    if (this.recording.last.servers.length > 0) return this.recording.continueFrom(state);
    this.recording = new Recording(state);
    this.cursor = new Cursor(this.recording);
  }

  /** Shows what happens now. */
  goLive() {
    this.#stop();
    this.#view.clearMessages();
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

  #stop() {
    this.#playing = false;
    clearTimeout(this.#timer);
  }

  #hold() {
    this.#stop();
    this.cursor.stay();
    this.#view.redraw();
  }

  #stepForward() {
    const item = this.cursor.forward(isStep);
    if (item !== undefined) this.#view.drawMessages(item);
    this.#view.redraw();
    return item;
  }

  /** Shows the next step, and sets the timer for the one after it. At the end it goes live. */
  #playNext() {
    const item = this.#stepForward();
    if (item === undefined) return this.goLive();
    const next = this.recording.itemAt(this.cursor.position);
    const pauseMs = Math.min(Math.max((next?.at ?? item.at) - item.at, stepMsMin), stepMsMax);
    this.#timer = setTimeout(() => this.#playNext(), pauseMs / Number(speedSelect.value));
  }
}
