/**
 * The messages that move over the diagram.
 *
 * @module
 */

import { svg } from "./dom.js";
import { ease, pointAt } from "./geometry.js";
import { Layout } from "./layout.js";
import { arrivalsMax, flightsMax } from "./limits.js";

/** @import { DiagramMessage } from "../server/state.ts" */
/** @import { Curve } from "./geometry.js" */

/** How long a message takes from one end to the other on the screen. */
const flightMs = 600;
/** How far the drawing may lag behind the events. */
const lagMsMax = 3_500;
/** If more messages than this are on the screen, their labels are hidden. */
const labelsMax = 8;
/** Characters of a key that fit into a label. */
const labelKeyCharsMax = 12;

/**
 * Animates messages in causal order: a message about a key leaves a server after the messages about
 * that key have arrived there. If there are too many messages, some are not drawn.
 */
export class MessageAnimation {
  /** Where the boxes are. Messages that move already keep their curves. */
  layout = new Layout([], "", false);
  #root;
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {{ curve: Curve, start: number, element: SVGElement }[]} The messages on their way. */
  #flights = [];
  /** @type {Map<string, number>} By end and key: when the last message about the key arrives. */
  #arrivals = new Map();
  /** The animation frame that is requested, 0 if none is. Not 0 while there are flights. */
  #frame = 0;

  /** @param {SVGElement} root where the messages are drawn */
  constructor(root) {
    this.#root = root;
  }

  /**
   * Draws messages. Messages over the limits are left out.
   *
   * @param {readonly DiagramMessage[]} messages
   * @returns {number} how many of them are drawn
   */
  play(messages) {
    const now = performance.now();
    let drawn = 0;
    for (const message of messages) {
      const curve = this.layout.curve(message.from, message.to);
      const start = Math.max(now, this.#arrivals.get(`${message.from} ${message.key}`) ?? 0);
      if (
        curve === undefined || this.#flights.length >= flightsMax || start > now + lagMsMax ||
        document.hidden
      ) continue;
      const arrival = `${message.to} ${message.key}`;
      this.#arrivals.set(arrival, Math.max(start + flightMs, this.#arrivals.get(arrival) ?? 0));
      this.#forgetArrivals(now);
      const element = elementOf(message);
      this.#root.append(element);
      this.#flights.push({ curve, start, element });
      drawn++;
    }
    if (this.#flights.length > 0 && this.#frame === 0) this.#animate(now);
    return drawn;
  }

  /** Removes all messages. */
  clear() {
    this.#flights = [];
    this.#arrivals.clear();
    this.#root.replaceChildren();
  }

  /**
   * Forgets the arrivals that are over, if there are many.
   *
   * @param {number} now
   */
  #forgetArrivals(now) {
    if (this.#arrivals.size <= arrivalsMax) return;
    for (const [end, at] of this.#arrivals) if (at <= now) this.#arrivals.delete(end);
  }

  /** @param {number} now */
  #animate(now) {
    const labels = this.#flights.filter(({ start }) => start <= now).length <= labelsMax;
    this.#flights = this.#flights.filter(({ curve, start, element }) => {
      const done = (now - start) / flightMs;
      if (done >= 1) {
        element.remove();
        return false;
      }
      const along = this.#reducedMotion.matches ? 0.5 : ease(Math.max(0, done));
      const { x, y } = pointAt(curve, along);
      element.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      element.setAttribute("visibility", done < 0 ? "hidden" : "visible");
      element.lastElementChild?.setAttribute("visibility", labels ? "inherit" : "hidden");
      return true;
    });
    if (this.#flights.length === 0) this.#arrivals.clear();
    this.#frame = this.#flights.length === 0
      ? 0
      : requestAnimationFrame((time) => this.#animate(time));
  }
}

/** @param {DiagramMessage} message */
function elementOf({ label, key, timestamp }) {
  const refused = label === "TRY_OTHER";
  const kind = refused ? " refused" : label.endsWith("_OK") ? " answer" : "";
  const asks = label === "PUT" || label === "GET";
  const shownKey = key.length > labelKeyCharsMax ? "…" : key;
  const text = asks ? `${label} ${shownKey}` : `${label} ${timestamp ?? ""}`;
  return svg(
    "g",
    { class: `message${kind}`, visibility: "hidden" },
    refused ? svg("path", { d: "M-5 -5L5 5M-5 5L5 -5" }) : svg("circle", { r: 5.5 }),
    svg("text", { "text-anchor": "middle", y: -15 }, text),
  );
}
