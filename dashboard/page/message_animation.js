/**
 * The messages that move over the diagram.
 *
 * @module
 */

import { svg } from "./dom.js";
import { ease, pointAt } from "./geometry.js";
import { labelPlace } from "./label_place.js";
import { Layout } from "./layout.js";
import { flightMs } from "./effect_clock.js";
import { asks, kindOf } from "./selectors.js";

/** @import { DiagramMessage } from "../server/state.ts" */
/** @import { Box } from "./geometry.js" */
/** @import { Flight } from "./effect_clock.js" */

/** If more messages than this are on the screen, their labels are hidden. */
const labelsMax = 8;
/** Characters of a key that fit into a label. */
const labelKeyCharsMax = 12;
/** The width of a character of a label, and the height of its line. */
const charWidth = 9;
const lineHeight = 14;
/** The distance from a dot to the middle of its label. */
const labelDistance = 24;

/**
 * A message on its way. `label` has the size of its text.
 *
 * @typedef {Flight & { readonly element: SVGElement, readonly text: SVGElement,
 *   readonly label: { readonly width: number, readonly height: number } }} DrawnFlight
 */

/** Draws messages on their way. When they leave and arrive says the {@linkcode EffectClock}. */
export class MessageAnimation {
  /** Where the boxes are. */
  layout = new Layout([], "", [1], "wide");
  /** @type {readonly Box[]} What labels do not cover. */
  obstacles = [];
  #root;
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {DrawnFlight[]} The messages on their way. */
  #flights = [];

  /** @param {SVGElement} root where the messages are drawn */
  constructor(root) {
    this.#root = root;
  }

  /**
   * Adds messages.
   *
   * @param {readonly Flight[]} flights
   */
  add(flights) {
    for (const { message, start } of flights) {
      const lines = labelOf(message);
      const text = svg(
        "text",
        { "text-anchor": "middle" },
        ...lines.map((line, index) =>
          svg("tspan", { x: 0, y: (index - (lines.length - 1) / 2) * lineHeight }, line)
        ),
      );
      const element = elementOf(message, text);
      const label = {
        width: Math.max(...lines.map(({ length }) => length)) * charWidth,
        height: lines.length * lineHeight + 8,
      };
      this.#root.append(element);
      this.#flights.push({ message, start, element, text, label });
    }
  }

  /** Removes all messages. */
  clear() {
    this.#flights = [];
    this.#root.replaceChildren();
  }

  /**
   * Draws the messages where they are at a time, and removes those that have arrived.
   *
   * @param {number} now
   * @returns {boolean} whether any is left
   */
  draw(now) {
    const labels = this.#flights.filter(({ start }) => start <= now).length <= labelsMax;
    this.#flights = this.#flights.filter((flight) => {
      const done = (now - flight.start) / flightMs;
      if (done >= 1) {
        flight.element.remove();
        return false;
      }
      this.#drawOne(flight, done, labels);
      return true;
    });
    return this.#flights.length > 0;
  }

  /**
   * @param {DrawnFlight} flight
   * @param {number} done the part of the way, below 0 before it leaves
   * @param {boolean} labels whether its label is shown
   */
  #drawOne({ message, element, text, label }, done, labels) {
    const curve = this.layout.curve(message);
    const shown = done >= 0 && curve !== undefined;
    element.setAttribute("visibility", shown ? "visible" : "hidden");
    if (!shown) return;
    const { x, y } = pointAt(curve, this.#reducedMotion.matches ? 0.5 : ease(done));
    element.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    text.setAttribute("visibility", labels ? "inherit" : "hidden");
    if (!labels) return;
    const place = labelPlace({ ...label, x, y: y - labelDistance }, this.obstacles, this.layout);
    text.setAttribute(
      "transform",
      `translate(${(place.x - x).toFixed(1)} ${(place.y - y).toFixed(1)})`,
    );
  }
}

/**
 * The lines of a message's label: its type, and its key or timestamp.
 *
 * @param {DiagramMessage} message
 * @returns {string[]}
 */
function labelOf(message) {
  const { label, key, timestamp } = message;
  const shownKey = key.length > labelKeyCharsMax ? "…" : key;
  return [label, asks(message) || timestamp === undefined ? shownKey : `ts ${timestamp}`];
}

/**
 * @param {DiagramMessage} message
 * @param {SVGElement} text its label
 */
function elementOf(message, text) {
  const { from, to, label, client } = message;
  const kind = kindOf(message);
  return svg(
    "g",
    {
      class: `message ${kind}`,
      visibility: "hidden",
      "data-label": label,
      "data-from": from,
      "data-to": to,
      ...(client === undefined ? {} : { "data-client": client }),
    },
    kind === "refused" ? svg("path", { d: "M-5 -5L5 5M-5 5L5 -5" }) : svg("circle", { r: 5.5 }),
    text,
  );
}
