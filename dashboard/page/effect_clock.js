// @ts-check
/**
 * The clock of what the page shows: when a message leaves, when it arrives, and when its effect shows.
 *
 * @module
 */

import { arrivalsMax, flightsMax, presentedMax } from "./limits.js";
import { asks } from "./selectors.js";

/** @import { Item } from "../server/item.ts" */
/** @import { DiagramMessage } from "../server/state.ts" */

/** How long a message takes from one end to the other on the screen. */
export const flightMs = 600;
/** How far what is shown may lag behind the events. */
export const lagMsMax = 5_000;

/**
 * A message on its way, on the clock of the page.
 *
 * @typedef {{ readonly message: DiagramMessage, readonly start: number }} Flight
 */

/**
 * The plan of what is shown when. It has no timer: {@linkcode EffectClock.advance} does what is due.
 *
 * - The effects of the items show in the order of the items.
 * - The effect of a message on a server shows when the message arrives there, and never before.
 * - A message leaves a server when the effects that caused it have shown there, and a client when
 *   the answers to it have arrived. A step of a story waits for all messages about its
 *   key, and what comes after it leaves after it.
 * - No effect shows more than {@linkcode lagMsMax} after its item came. A message that would arrive
 *   later than that, or one too many, is not drawn.
 */
export class EffectClock {
  /** @type {{ readonly at: number, readonly show: () => void }[]} Effects, in the order of time. */
  #effects = [];
  /** When the last effect shows. */
  #lastAt = 0;
  /** No message leaves before this time. */
  #floor = 0;
  /** @type {Map<string, number>} By server, client, or key: when the last effect there shows. */
  #shownAt = new Map();
  /** @type {number[]} When the messages that are on their way arrive. */
  #flights = [];

  /** Whether an effect waits for its time. */
  get waiting() {
    return this.#effects.length > 0;
  }

  /** Whether too many effects wait, so that {@linkcode EffectClock.finish} must be called. */
  get full() {
    return this.#effects.length > presentedMax;
  }

  /** When the last effect shows that was planned. */
  get lastAt() {
    return this.#lastAt;
  }

  /**
   * Plans an item.
   *
   * @param {Item} item
   * @param {readonly DiagramMessage[]} messages the messages that it stands for
   * @param {number} now
   * @param {() => void} show shows the effect of the item
   * @returns {Flight[]} the messages to draw: all of them or none
   */
  plan(item, messages, now, show) {
    const flights = this.#flightsOf(item, messages, now);
    const start = flights[0]?.start;
    const at = start === undefined
      ? Math.max(now, this.#lastAt, this.#causesOf(item))
      : start + flightMs * hopsToEffect(item, flights.length);
    this.#lastAt = at;
    this.#effects.push({ at, show });
    this.#note(item, messages, at, flights);
    if (this.#shownAt.size > arrivalsMax) this.#forget(now);
    return flights;
  }

  /**
   * Shows the effects whose time has come.
   *
   * @param {number} now
   * @returns {number} how many
   */
  advance(now) {
    const later = this.#effects.findIndex(({ at }) => at > now);
    const due = this.#effects.splice(0, later < 0 ? this.#effects.length : later);
    for (const { show } of due) show();
    return due.length;
  }

  /** Shows all effects at once. The messages on their way must be removed before. */
  finish() {
    const effects = this.#effects;
    this.drop();
    for (const { show } of effects) show();
  }

  /** Forgets the plan, without showing the effects that wait. */
  drop() {
    this.#effects = [];
    this.#lastAt = 0;
    this.#floor = 0;
    this.#shownAt.clear();
    this.#flights = [];
  }

  /**
   * @param {Item} item
   * @param {readonly DiagramMessage[]} messages
   * @param {number} now
   * @returns {Flight[]}
   */
  #flightsOf(item, messages, now) {
    const [first] = messages;
    if (first === undefined) return [];
    this.#flights = this.#flights.filter((at) => at > now);
    if (this.#flights.length + messages.length > flightsMax) return [];
    const start = Math.max(
      now,
      this.#floor,
      this.#shownAt.get(asks(first) ? clientOf(first) : first.from) ?? 0,
      this.#lastAt - flightMs * hopsToEffect(item, messages.length),
    );
    if (start + flightMs * messages.length > now + lagMsMax) return [];
    return messages.map((message, hop) => ({ message, start: start + hop * flightMs }));
  }

  /**
   * When the causes of an item without messages have shown.
   *
   * @param {Item} item
   */
  #causesOf(item) {
    switch (item.kind) {
      case "seen":
        return this.#shownAt.get(`client ${item.client}`) ?? 0;
      case "demo":
        return this.#shownAt.get(`about ${item.step.key}`) ?? 0;
      default:
        return 0;
    }
  }

  /**
   * Notes what later items must wait for.
   *
   * @param {Item} item
   * @param {readonly DiagramMessage[]} messages
   * @param {number} at when the effect shows
   * @param {readonly Flight[]} flights
   */
  #note(item, messages, at, flights) {
    if (item.kind === "demo" || item.kind === "fault") this.#floor = at;
    if (item.kind === "written" || item.kind === "replication") this.#later(item.server, at);
    for (const { message, start } of flights) {
      const arrival = start + flightMs;
      this.#flights.push(arrival);
      this.#later(`about ${message.key}`, arrival);
      if (message.client === undefined || asks(message) || message !== messages.at(-1)) continue;
      this.#later(clientOf(message), arrival);
      this.#later(`client ${message.client}`, arrival);
    }
  }

  /**
   * @param {string} place
   * @param {number} at
   */
  #later(place, at) {
    this.#shownAt.set(place, Math.max(at, this.#shownAt.get(place) ?? 0));
  }

  /**
   * Forgets what has shown already. What is left is bounded by the lag and the number of flights.
   *
   * @param {number} now
   */
  #forget(now) {
    for (const [place, at] of this.#shownAt) if (at <= now) this.#shownAt.delete(place);
  }
}

/**
 * After how many hops the effect of an item shows: when its message has arrived, but for an answer,
 * when it leaves the server.
 *
 * @param {Item} item
 * @param {number} hops
 */
function hopsToEffect({ kind }, hops) {
  if (kind === "put_ok" || kind === "write_ok" || kind === "conflict") return 0;
  return kind === "get" ? 1 : hops;
}

/**
 * The client whose request or answer a message is.
 *
 * @param {DiagramMessage} message
 */
function clientOf(message) {
  if (message.client !== 0) return `client ${message.client}`;
  return asks(message) ? message.from : message.to;
}
