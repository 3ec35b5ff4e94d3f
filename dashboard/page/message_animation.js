/**
 * The messages that move over the diagram.
 *
 * @module
 */

import { svg } from "./dom.js";
import { ease, pointAt } from "./geometry.js";
import { Layout } from "./layout.js";
import { flightMs } from "./presentation.js";

/** @import { DiagramMessage } from "../server/state.ts" */
/** @import { Curve } from "./geometry.js" */
/** @import { Flight } from "./presentation.js" */

/** If more messages than this are on the screen, their labels are hidden. */
const labelsMax = 8;
/** Characters of a key that fit into a label. */
const labelKeyCharsMax = 12;

/** Draws messages on their way. When they leave and arrive says the {@linkcode Presentation}. */
export class MessageAnimation {
  /** Where the boxes are. Messages that move already keep their curves. */
  layout = new Layout([], "", false);
  #root;
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {{ curve: Curve, start: number, element: SVGElement }[]} The messages on their way. */
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
      const curve = this.layout.curve(message.from, message.to);
      if (curve === undefined) continue;
      const element = elementOf(message);
      this.#root.append(element);
      this.#flights.push({ curve, start, element });
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
    return this.#flights.length > 0;
  }
}

/** @param {DiagramMessage} message */
function elementOf({ from, to, label, key, timestamp, client }) {
  const refused = label === "TRY_OTHER";
  const kind = refused ? " refused" : label.endsWith("_OK") ? " answer" : "";
  const asks = label === "PUT" || label === "GET";
  const shownKey = key.length > labelKeyCharsMax ? "…" : key;
  const text = asks ? `${label} ${shownKey}` : `${label} ${timestamp ?? ""}`;
  return svg(
    "g",
    {
      class: `message${kind}`,
      visibility: "hidden",
      "data-label": label,
      "data-from": from,
      "data-to": to,
      ...(client === undefined ? {} : { "data-client": client }),
    },
    refused ? svg("path", { d: "M-5 -5L5 5M-5 5L5 -5" }) : svg("circle", { r: 5.5 }),
    svg("text", { "text-anchor": "middle", y: -15 }, text),
  );
}
