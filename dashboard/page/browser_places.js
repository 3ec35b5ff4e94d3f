/**
 * The places for event streams that the pages of one browser share.
 *
 * A browser opens at most six connections to a site, for all its windows together. If each window kept
 * a stream, the seventh could not even be loaded, and no window could send a command.
 *
 * @module
 */

import { pagesKnownMax, streamsPerBrowserMax } from "./limits.js";

/**
 * What a page tells the others. `rank` is undefined if it holds no stream. `asks` wants their answers.
 *
 * @typedef {{ readonly page: string, readonly rank?: number, readonly asks: boolean }} Notice
 */

/**
 * The places of the pages of this browser.
 *
 * - The pages that were used last keep their places. Among pages that were never used, the oldest do.
 * - So windows that nothing is done with take no place from a page that has one.
 */
export class BrowserPlaces {
  #channel = new BroadcastChannel("dashboard streams");
  #page = `${Math.random()}`;
  #openedAt = Date.now();
  /** When the page was used last, 0 if it never was. */
  #usedAt = 0;
  #taken = false;
  /** @type {Map<string, number>} By page: its rank. The other pages that have a place. */
  #others = new Map();
  #onLost;

  /** @param {() => void} onLost is called if other pages take this page's place */
  constructor(onLost) {
    this.#onLost = onLost;
    this.#channel.addEventListener("message", ({ data }) => this.#hear(data));
    addEventListener("pagehide", () => this.give());
  }

  /** Notes that the page is used. */
  use() {
    this.#usedAt = Date.now();
  }

  /** Takes a place. If there is none, `onLost` is called soon. */
  take() {
    this.#taken = true;
    this.#tell(true);
  }

  /** Gives the place back. */
  give() {
    if (!this.#taken) return;
    this.#taken = false;
    this.#tell(false);
  }

  get #rank() {
    return this.#usedAt > 0 ? this.#usedAt : -this.#openedAt;
  }

  /** @param {boolean} asks */
  #tell(asks) {
    /** @type {Notice} */
    const notice = { page: this.#page, asks, ...(this.#taken ? { rank: this.#rank } : {}) };
    this.#channel.postMessage(notice);
  }

  /** @param {Notice} notice */
  #hear({ page, rank, asks }) {
    this.#others.delete(page);
    if (rank !== undefined) this.#others.set(page, rank);
    for (const oldest of this.#others.keys()) {
      if (this.#others.size <= pagesKnownMax) break;
      this.#others.delete(oldest);
    }
    if (!this.#taken) return;
    const before = [...this.#others.values()].filter((other) => other > this.#rank).length;
    if (before >= streamsPerBrowserMax) {
      this.give();
      this.#onLost();
    } else if (asks) this.#tell(false);
  }
}
