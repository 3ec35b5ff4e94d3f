/**
 * The marks of a space-time diagram: lines, dots, and the texts beside them.
 *
 * @module
 */

import { svg } from "./dom.js";
import { readable } from "./format.js";
import { pathOf } from "./geometry.js";
import { spaceTimeCharsMax } from "./limits.js";
import { asks, isRefusal, kindOf } from "./selectors.js";

/** @import { Item } from "../server/item.ts" */
/** @import { DiagramMessage } from "../server/state.ts" */
/** @import { Point } from "./geometry.js" */
/** @import { Arrow, Dot } from "./spacetime.js" */
/** @import { Texts } from "./texts.js" */

/**
 * Where a column and a row meet.
 *
 * @typedef {(column: number, row: number) => Point} Place
 */

/** The height of a row with an event. */
export const rowPx = 26;
/** The width of a character, somewhat more than on average. */
export const charPx = 6.4;
/** Over how much of its way a message without end is drawn. */
const underWay = 0.75;
/** How far an arrow over several columns bends, so that it does not run through other events. */
const bendPx = 26;
const dotPx = 4.5;

/**
 * The line of a message, with its head.
 *
 * @param {Arrow} arrow
 * @param {Place} at
 * @param {number} height
 */
export function lineOf({ message, from, to, begin, end }, at, height) {
  const source = at(from, begin ?? 0);
  let target = at(to, end ?? 0);
  const start = begin === undefined ? { x: source.x, y: Math.max(target.y - rowPx, 0) } : source;
  if (end === undefined) {
    target = { x: start.x + (target.x - start.x) * underWay, y: height - 4 };
  }
  const bend = {
    x: (start.x + target.x) / 2,
    y: (start.y + target.y) / 2 - (Math.abs(to - from) > 1 ? bendPx : 0),
  };
  const length = Math.hypot(target.x - bend.x, target.y - bend.y);
  const [dx, dy] = [(target.x - bend.x) / length, (target.y - bend.y) / length];
  const tip = { x: target.x - dx * dotPx, y: target.y - dy * dotPx };
  const kind = kindOf(message);
  const open = begin === undefined || end === undefined ? " open" : "";
  return svg(
    "g",
    { class: "arrow", "data-label": message.label },
    svg("path", {
      ...{ class: `line ${kind}${open}`, fill: "none" },
      d: pathOf({ from: start, bend, to: tip }),
    }),
    ...(end === undefined ? [] : [svg("path", { class: `tip ${kind}`, d: tipOf(tip, dx, dy) })]),
  );
}

/**
 * A triangle that points in a direction.
 *
 * @param {Point} tip
 * @param {number} dx
 * @param {number} dy
 */
function tipOf({ x, y }, dx, dy) {
  const [backX, backY] = [x - 9 * dx, y - 9 * dy];
  const corner = (/** @type {number} */ side) =>
    `L${(backX - side * dy).toFixed(1)} ${(backY + side * dx).toFixed(1)}`;
  return `M${x.toFixed(1)} ${y.toFixed(1)}${corner(3.5)}${corner(-3.5)}Z`;
}

/**
 * The label of a message: beyond the tip of its arrow, where no line of the event runs.
 *
 * @param {Arrow} arrow
 * @param {Place} at
 * @param {boolean} above whether the text of an effect is below it
 */
export function labelOf({ message, from, to, end }, at, above) {
  if (end === undefined) return "";
  const { x, y } = at(to, end);
  const side = to > from ? 1 : -1;
  const anchor = to > from ? "start" : "end";
  const kind = `label ${kindOf(message)}`;
  return svg(
    "g",
    {},
    ...textOn(x + side * 9, above ? y - 2 : y + 4, textOf(message), anchor, kind),
  );
}

/** @param {DiagramMessage} message */
function textOf(message) {
  const { label, key, timestamp } = message;
  return `${label} ${asks(message) ? readable(key, spaceTimeCharsMax) : timestamp ?? ""}`;
}

/**
 * @param {Dot} dot
 * @param {Place} at
 */
export function dotOf({ item, column, row }, at) {
  const { x, y } = at(column, row);
  return svg("circle", { class: `dot ${dotClass(item)}`, cx: x, cy: y, r: dotPx });
}

/**
 * What an event has changed or answered. A write of the leader stands left of it, because its
 * REPLICATIONs leave to the right.
 *
 * @param {Dot} dot
 * @param {Place} at
 * @param {Texts} t
 */
export function effectOf({ item, column, row }, at, t) {
  const { x, y } = at(column, row);
  const kind = `effect ${dotClass(item)}`;
  const shown = (/** @type {string | null} */ text) => readable(text, spaceTimeCharsMax);
  /** @returns {(Node | string)[]} */
  const texts = () => {
    switch (item.kind) {
      case "written": {
        const text = item.expired ? `: ${t.expiredHere}` : ` = ${shown(item.value)}`;
        return textOn(x - 9, y + 4, shown(item.key) + text, "end", kind);
      }
      case "replication":
        return textOn(x + 9, y + 11, `${shown(item.key)} = ${shown(item.value)}`, "start", kind);
      case "forwarding":
      case "forwarding_write":
        return textOn(x + 9, y + 11, t.forwards, "start", kind);
      case "get": {
        const text = "refused" in item ? t.refusedHere(item.seen, item.own) : shown(item.value);
        return textOn(x + 9, y + 11, text, "start", kind);
      }
      case "conflict":
        return textOn(
          x + 9,
          y + 11,
          t.conflictHere(item.expected, item.timestamp),
          "start",
          kind,
        );
      default:
        return [];
    }
  };
  return svg("g", {}, ...texts());
}

/** @param {Item} item */
function dotClass(item) {
  return isRefusal(item) ? "refused" : item.kind;
}

/**
 * A text on a background, so that the lines behind it do not cross it out.
 *
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {"start" | "end"} anchor
 * @param {string} kind
 */
export function textOn(x, y, text, anchor, kind) {
  const width = text.length * charPx + 4;
  const left = anchor === "start" ? x - 2 : x - width + 2;
  return [
    svg("rect", { class: "behind", x: left, y: y - 10, width, height: 13 }),
    svg("text", { class: kind, x, y, "text-anchor": anchor }, text),
  ];
}
