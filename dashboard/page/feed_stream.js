/**
 * The page's connection to the feed.
 *
 * @module
 */

import { BrowserPlaces } from "./browser_places.js";

/** How long a hidden page keeps its stream. */
const hiddenMs = 10_000;
/** How long it waits for other pages of this browser to say that there is no place. */
const answerMs = 80;
/** The time before it asks the dashboard again, after the dashboard has refused. */
const retryMs = 2_000;

/**
 * Whether the page is connected: "hidden" and "waiting" pages have no stream. A waiting one gets it
 * when it is used.
 *
 * @typedef {"connected" | "disconnected" | "hidden" | "waiting"} Connection
 */

/**
 * What the page does with the stream.
 *
 * @typedef {object} StreamView
 * @property {(connection: Connection) => void} onChange is called when the connection changes
 * @property {(data: string) => void} onKeyframe takes a keyframe
 * @property {(data: string) => void} onItems takes items
 */

/**
 * The event stream, which is open while the page is looked at.
 *
 * - A hidden page gives its stream back after a while, and connects again when it is seen.
 * - A page waits until it is used if another site has opened it without a click, if other pages of
 *   this browser have the places, or if the dashboard has given the place to another page.
 */
export class FeedStream {
  /** @type {EventSource | undefined} Invariant: `undefined` while it is hidden or waits. */
  #source;
  /** @type {Connection} */
  #connection = "disconnected";
  #view;
  #places = new BrowserPlaces(() => this.#leave("waiting"));
  /** The timer of the next attempt. */
  #openTimer = 0;
  /** The timer of the end of a hidden page's stream. */
  #hideTimer = 0;

  /** @param {StreamView} view */
  constructor(view) {
    this.#view = view;
    for (const use of ["pointerdown", "keydown"]) {
      addEventListener(use, ({ isTrusted }) => isTrusted && this.#used(), { capture: true });
    }
    document.addEventListener("visibilitychange", () => this.#seen());
    if (document.documentElement.dataset.waits === "true") this.#leave("waiting");
    else if (document.hidden) this.#leave("hidden");
    else this.#connect();
  }

  #used() {
    this.#places.use();
    if (this.#connection === "waiting") this.#connect();
  }

  #seen() {
    clearTimeout(this.#hideTimer);
    if (!document.hidden) {
      if (this.#connection === "hidden") this.#connect();
    } else if (this.#connection !== "waiting") {
      this.#hideTimer = setTimeout(() => this.#leave("hidden"), hiddenMs);
    }
  }

  #connect() {
    this.#set("disconnected");
    this.#places.take();
    this.#openTimer = setTimeout(() => this.#open(), answerMs);
  }

  #open() {
    const source = this.#source = new EventSource("/events");
    source.addEventListener("open", () => this.#set("connected"));
    source.addEventListener("error", () => {
      this.#set("disconnected");
      // Otherwise the browser tries again itself.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#openTimer = setTimeout(() => this.#open(), retryMs);
    });
    source.addEventListener("replaced", () => this.#leave("waiting"));
    source.addEventListener("keyframe", ({ data }) => this.#view.onKeyframe(data));
    source.addEventListener("items", ({ data }) => this.#view.onItems(data));
  }

  /** @param {Connection} connection */
  #leave(connection) {
    clearTimeout(this.#openTimer);
    clearTimeout(this.#hideTimer);
    this.#source?.close();
    this.#source = undefined;
    this.#places.give();
    this.#set(connection);
  }

  /** @param {Connection} connection */
  #set(connection) {
    this.#connection = connection;
    this.#view.onChange(connection);
  }
}
