/**
 * Presentation mode: the diagram, the keys in play and the current step on one screen, in large
 * type. A story goes on with the keys of a clicker.
 *
 * @module
 */

import { stories, storyOf } from "../stories/stories.js";
import { byId, html, setText } from "./dom.js";
import { namesIn } from "./format.js";
import { storyReason } from "./selectors.js";

/** @import { CommandPanel } from "./command_panel.js" */
/** @import { Playback } from "./playback.js" */
/** @import { Texts } from "./texts.js" */

/** @type {HTMLSelectElement} */
const storySelect = byId("present-story");

/** Keys of clickers and keyboards. */
const nextKeys = new Set(["PageDown", "ArrowRight", "ArrowDown", " ", "Enter"]);
const backKeys = new Set(["PageUp", "ArrowLeft", "ArrowUp"]);
/** The end of the address of the page while it presents. */
const hash = "#present";

/** What is shown on a wall. The address of the page says whether it is on. */
export class PresentationMode {
  #playback;
  #commandPanel;
  #redraw;

  /**
   * Listens to the buttons and keys.
   *
   * @param {Playback} playback
   * @param {CommandPanel} commandPanel
   * @param {() => void} redraw redraws the whole page soon
   */
  constructor(playback, commandPanel, redraw) {
    this.#playback = playback;
    this.#commandPanel = commandPanel;
    this.#redraw = redraw;
    byId("present").addEventListener("click", () => this.#set(!this.on));
    byId("present-next").addEventListener("click", () => this.#next());
    byId("present-back").addEventListener("click", () => this.#back());
    addEventListener("hashchange", () => this.#apply());
    document.addEventListener("keydown", (event) => this.#onKey(event));
    this.#showOn();
  }

  /** Whether the page presents. */
  get on() {
    return location.hash === hash;
  }

  /**
   * Shows the current step: of a story, or else the last event.
   *
   * @param {Texts} t
   */
  show(t) {
    const button = byId("present");
    setText(button, this.on ? t.presentEnd : t.present);
    button.setAttribute("aria-pressed", `${this.on}`);
    if (!this.on) return;
    const { state, live } = this.#playback.cursor;
    const step = state.demoSteps.at(-1);
    const told = step === undefined
      ? this.#playback.moment(t)
      : t.demoStep(step, namesIn(state, t));
    const failure = this.#playback.showsFile ? "" : this.#commandPanel.failure(t);
    setText(byId("present-text"), failure || told || t.presentHint);
    const steps = storyOf(step?.story ?? "")?.steps.length ?? 0;
    const place = step === undefined ? "" : t.storyPlace(Math.min(step.index + 1, steps), steps);
    setText(byId("present-place"), live ? t.live : place);
    this.#showStories(t);
  }

  /**
   * Shows which stories can be told.
   *
   * @param {Texts} t
   */
  #showStories(t) {
    const { known } = this.#playback;
    if (storySelect.dataset.language !== t.lang) {
      const chosen = storySelect.value;
      storySelect.replaceChildren(
        ...stories.map(({ id, title }) => html("option", { value: id }, title[t.lang])),
      );
      storySelect.value = chosen || stories[0]?.id || "";
      storySelect.dataset.language = t.lang;
    }
    stories.forEach((story, index) => {
      const option = storySelect.options[index];
      const reason = storyReason(known, story);
      if (option !== undefined) option.disabled = reason === "noControl";
    });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    const { target, key } = event;
    const control = target instanceof Element ? target.closest("button, select, input") : null;
    if (!this.on) {
      if (key === "p" && control === null) this.#set(true);
      return;
    }
    // A select and an input have a use for arrows, a button has not.
    const pages = key.startsWith("Page") || control?.matches("button") && key.startsWith("Arrow");
    if (key === "Escape") this.#set(false);
    else if (control !== null && !pages) return;
    else if (!nextKeys.has(key) && !backKeys.has(key)) return;
    else if (!event.repeat) { // a key that is held down is one step
      if (nextKeys.has(key)) this.#next();
      else this.#back();
    }
    event.preventDefault();
  }

  /**
   * The next step of the story, or the next event. At the end, unless that of a file, the story that
   * is chosen begins.
   */
  #next() {
    const playback = this.#playback;
    if (playback.known.servers.length === 0 && !playback.showsFile) return; // nothing has come yet
    if (playback.storyGoesOn) return playback.forwardInStory();
    if (!playback.atEnd) return playback.forward();
    if (playback.showsFile) return;
    playback.hold();
    this.#commandPanel.tell(storySelect.value);
    playback.forwardInStory();
  }

  #back() {
    const { cursor } = this.#playback;
    if (cursor.state.demoSteps.length > 0) this.#playback.backInStory();
    else this.#playback.back();
  }

  /** @param {boolean} on */
  #set(on) {
    history.replaceState(null, "", on ? hash : location.pathname);
    this.#apply();
  }

  #apply() {
    this.#showOn();
    if (this.on) byId("presenter").focus();
    this.#redraw();
  }

  #showOn() {
    document.body.dataset.present = `${this.on}`;
    byId("presenter").hidden = !this.on;
  }
}
