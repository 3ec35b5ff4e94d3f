/**
 * The buttons of the stories.
 *
 * @module
 */

import { stories, storyDefault } from "../stories/stories.js";
import { html, setDisabled, setText } from "./dom.js";
import { storyReason } from "./selectors.js";

/** @import { StoryReason } from "./selectors.js" */
/** @import { State } from "../server/state.ts" */
/** @import { Texts } from "./texts.js" */

/** A button for each story but the default one, which has its own place. */
export class StoryList {
  #rows;

  /**
   * Fills an element with the buttons.
   *
   * @param {HTMLElement} root
   * @param {(story: string) => void} tell tells a story
   */
  constructor(root, tell) {
    this.#rows = stories.filter((story) => story !== storyDefault).map((story) => {
      const about = html("p", { class: "quiet", id: `about-${story.id}` });
      const button = html("button", {
        "type": "button",
        "data-story": story.id,
        "aria-describedby": about.id,
      });
      button.addEventListener("click", () => {
        if (button.getAttribute("aria-disabled") !== "true") tell(story.id);
      });
      root.append(button, about);
      return { story, about, button };
    });
  }

  /**
   * Shows what each story is about, whether it can be told, and why not.
   *
   * @param {State} state the newest state
   * @param {string | undefined} running the id of the story under way
   * @param {StoryReason | undefined} off why none can be told
   * @param {Texts} t
   */
  show(state, running, off, t) {
    for (const { story, about, button } of this.#rows) {
      const reason = off ?? storyReason(state, story);
      if (button instanceof HTMLButtonElement) setDisabled(button, reason !== undefined);
      setText(button, running === story.id ? t.demoRunning : story.title[t.lang]);
      const why = reason === undefined ? "" : ` ${t.storyReasons[reason]}`;
      setText(about, `${story.about[t.lang]}${why}`);
    }
  }
}
