/**
 * Playback: the recording, the cursor in it, and the controls that move the cursor.
 *
 * @module
 */

import { Cursor } from "./cursor.js";
import { showDensity } from "./density.js";
import { byId, setText } from "./dom.js";
import { EffectClock, flightMs } from "./effect_clock.js";
import { clock, namesIn } from "./format.js";
import { searchedMax } from "./limits.js";
import { Recording } from "./recording.js";
import { isStep, messagesOf } from "./selectors.js";
import { apply, copyState, emptyState, endsStory } from "./state.js";

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
  /** What is shown: the feed's recording, or that of a file. */
  recording = new Recording(emptyState([]));
  cursor = new Cursor(this.recording);
  /** @type {State} The state after all items that have come. It is ahead of what is shown. */
  known = emptyState([]);
  /** What the feed has sent. It goes on while the page shows a file. */
  #fromFeed = this.recording;
  #clock = new EffectClock();
  /** While it plays, the position up to which items are planned. */
  #ahead = new Cursor(this.recording);
  #view;
  /** Invariant: false while the cursor is live. */
  #playing = false;
  /** The timer of the next step. */
  #timer = 0;
  /** The animation frame that is requested, 0 if none is. */
  #frame = 0;
  /** @type {(() => void) | undefined} What goes on when more items are recorded. */
  #onItems;

  /**
   * Listens to the controls.
   *
   * @param {PlaybackView} view
   */
  constructor(view) {
    this.#view = view;
    byId("play").addEventListener("click", () => {
      if (this.cursor.live || this.#playing) return this.hold();
      this.#beginAtCursor();
      this.#playing = true;
      this.#playNext();
    });
    byId("forward").addEventListener("click", () => this.forward());
    byId("back").addEventListener("click", () => this.back());
    byId("live").addEventListener("click", () => this.goLive());
    timeline.addEventListener("input", () => {
      this.hold();
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
    if (this.#fromFeed.last.servers.length > 0) return this.#fromFeed.continueFrom(state);
    const shown = this.showsFile;
    this.#fromFeed = new Recording(state);
    if (shown) return;
    this.#stop(); // what waits belongs to the recording before
    this.#showFeed();
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
      if (!this.cursor.live || document.hidden) this.#fromFeed.push(item);
      else this.#plan(item, messages, now, () => this.#fromFeed.push(item));
    }
    this.#view.redrawState();
    const goOn = this.#onItems;
    this.#onItems = undefined;
    goOn?.();
  }

  /** Shows the next event, with its messages. */
  forward() {
    this.hold();
    this.#beginAtCursor();
    this.#planStep();
  }

  /** Shows the moment before the last event. */
  back() {
    this.hold();
    this.cursor.back(isStep);
  }

  /** Whether a step of a story comes after the cursor: it is recorded, or a story is under way. */
  get storyGoesOn() {
    const last = this.recording.last.demoSteps.at(-1);
    if (!this.showsFile && last !== undefined && !endsStory(last)) return true;
    const { end } = this.recording;
    const from = Math.max(this.cursor.position, end - searchedMax);
    for (let at = from; at < end; at++) {
      if (this.recording.itemAt(at)?.kind === "demo") return true;
    }
    return false;
  }

  /** Whether no event is recorded after the cursor. */
  get atEnd() {
    const { end } = this.recording;
    for (let at = Math.max(this.cursor.position, end - searchedMax); at < end; at++) {
      const item = this.recording.itemAt(at);
      if (item !== undefined && isStep(item)) return false;
    }
    return true;
  }

  /** Plays the next step of a story, up to where the one after it begins. */
  forwardInStory() {
    this.hold();
    this.#beginAtCursor();
    this.#playing = true;
    this.#playStoryStep(false, false);
  }

  /** Shows the end of the last step of a story but one. */
  backInStory() {
    this.hold();
    this.cursor.back(({ kind }) => kind === "demo");
  }

  /** Stays where the page is. What was planned live is recorded, and comes with the next steps. */
  hold() {
    if (this.cursor.live) {
      this.cursor.stay();
      this.#finish();
    } else this.#stop();
    this.#view.redraw();
  }

  /** Shows what happens now. */
  goLive() {
    if (this.cursor.live) return;
    this.#stop();
    this.#showFeed();
    this.#view.redraw();
  }

  /** Whether the page shows a file in place of the feed's recording. */
  get showsFile() {
    return this.recording !== this.#fromFeed;
  }

  /**
   * Shows the beginning of a recording that comes from a file, until the page goes live again.
   *
   * @param {Recording} recording
   */
  open(recording) {
    this.hold();
    this.recording = recording;
    this.cursor = new Cursor(recording);
    this.cursor.moveTo(recording.first);
  }

  /**
   * Shows the position of the cursor, and the step before it.
   *
   * @param {Texts} t
   */
  show(t) {
    const { first, end } = this.recording;
    const { position, live } = this.cursor;
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
    setText(byId("moment"), this.moment(t));
  }

  /**
   * The last event before the cursor, in words; "" if there is none.
   *
   * @param {Texts} t
   */
  moment(t) {
    const step = this.#lastStep();
    if (step === undefined) return "";
    const names = namesIn(this.cursor.state, t);
    return `${"server" in step ? `${names.server(step.server)}: ` : ""}${t.item(step, names)}`;
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
    this.#onItems = undefined;
    clearTimeout(this.#timer);
    this.#view.animation.clear();
    this.#clock.drop();
  }

  /** Shows all effects that wait, without their messages. */
  #finish() {
    this.#view.animation.clear();
    this.#clock.finish();
    this.#view.redraw();
  }

  #showFeed() {
    this.recording = this.#fromFeed;
    this.cursor = new Cursor(this.recording);
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
    while (true) {
      const item = this.#planNext();
      if (item === undefined || isStep(item)) return item;
    }
  }

  /**
   * Plans the next item.
   *
   * @returns {Item | undefined} the item; `undefined` at the end
   */
  #planNext() {
    const ahead = this.#ahead;
    const item = this.recording.itemAt(ahead.position);
    if (item === undefined) return undefined;
    const messages = messagesOf(ahead.state, item);
    ahead.forward(() => true);
    const { position } = ahead;
    this.#plan(item, messages, performance.now(), () => this.#showUpTo(position));
    return item;
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
    const flights = this.#clock.plan(item, messages, now, show);
    const missed = item.kind === "counts" ? item.missed : 0;
    if (messages.length + missed > 0) this.#view.count(messages.length + missed, flights.length);
    this.#view.animation.add(flights);
    if (this.#clock.full) this.#finish();
    if (this.#frame === 0) this.#frame = requestAnimationFrame((time) => this.#show(time));
  }

  /**
   * Shows what is due: first the messages that arrive, then their effects.
   *
   * @param {number} now
   */
  #show(now) {
    const moving = this.#view.animation.draw(now);
    if (this.#clock.advance(now) > 0) this.#view.redrawState();
    const more = moving || this.#clock.waiting;
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
   * message takes. At the end it goes live, or holds if it shows a file.
   */
  #playNext() {
    const aheadMs = this.#clock.lastAt - performance.now() - flightMs;
    let pauseMs = aheadMs;
    if (aheadMs <= 0) {
      const item = this.#planStep();
      if (item === undefined && !this.#clock.waiting) {
        return this.showsFile ? this.hold() : this.goLive();
      }
      const next = this.recording.itemAt(this.#ahead.position);
      const gapMs = item === undefined || next === undefined ? 0 : next.at - item.at;
      pauseMs = Math.min(Math.max(gapMs, stepMsMin), stepMsMax) / Number(speedSelect.value);
    }
    this.#timer = setTimeout(() => this.#playNext(), pauseMs);
  }

  /**
   * Plans the items of a step of a story, no further ahead than one message takes. Stops before the
   * item that tells of another step, and at the end of the story; waits for items that have not come
   * yet.
   *
   * @param {boolean} told whether the item that tells of the step has been planned
   * @param {boolean} last whether the step is the last one
   */
  #playStoryStep(told, last) {
    let aheadMs = 0;
    while (aheadMs <= flightMs) {
      const next = this.recording.itemAt(this.#ahead.position);
      aheadMs = this.#clock.lastAt - performance.now();
      const ends = next === undefined
        ? last || this.showsFile
        : told && (next.kind === "demo" || last && isStep(next));
      if (ends) {
        if (!this.#clock.waiting) return this.hold();
        break;
      }
      if (next === undefined) {
        this.#onItems = () => this.#playStoryStep(told, last);
        return;
      }
      if (aheadMs > flightMs) break;
      this.#planNext();
      if (next.kind !== "demo") continue;
      told = true;
      last = endsStory(next.step);
    }
    this.#timer = setTimeout(
      () => this.#playStoryStep(told, last),
      Math.max(0, aheadMs - flightMs),
    );
  }
}
