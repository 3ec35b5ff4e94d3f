/**
 * Draws a space-time diagram as SVG. Colours are left to the style sheet, or to `standalone_svg.js`.
 *
 * @module
 */

import { svg } from "./dom.js";
import { clock, readable } from "./format.js";
import { captionLinesMax } from "./limits.js";
import { charPx, dotOf, effectOf, labelOf, lineOf, rowPx, textOn } from "./spacetime_marks.js";

/** @import { Item } from "../server/item.ts" */
/** @import { Names } from "./format.js" */
/** @import { Column, SpaceTime } from "./spacetime.js" */
/** @import { Place } from "./spacetime_marks.js" */
/** @import { Texts } from "./texts.js" */

const linePx = 16;
/** From one column to the next, by what the left one is. The boxes are narrower. */
const clientPx = 104;
const serverPx = 128;
/** Where captions begin: right of the times. */
const captionX = 96;
/** The heads of the columns, and the space below them. */
const headPx = { height: 40, gap: 8 };

/**
 * A drawing. `heads` has `headHeight`, and `body` comes below it with `bodyHeight`.
 *
 * @typedef {object} Drawing
 * @property {number} width
 * @property {number} headHeight
 * @property {number} bodyHeight
 * @property {SVGElement} heads
 * @property {SVGElement} body
 */

/**
 * Draws a diagram.
 *
 * @param {SpaceTime} diagram
 * @param {Names} names
 * @param {Texts} t
 * @returns {Drawing}
 */
export function drawSpaceTime({ columns, rows, arrows, dots }, names, t) {
  const clients = columns.filter((column) => "client" in column).length;
  const firstServer = captionX + (clients === 0 ? 132 : 48 + (clients - 1) * clientPx + serverPx);
  const xOf = (/** @type {number} */ column) =>
    column < clients
      ? captionX + 48 + column * clientPx
      : firstServer + (column - clients) * serverPx;
  const width = xOf(columns.length - 1) + 140;
  const captions = rows.map(({ note }) =>
    note === undefined
      ? []
      : wrapped(captionOf(note, names, t), Math.floor((width - captionX) / charPx))
  );
  /** @type {number[]} */
  const ys = [];
  let height = headPx.gap;
  for (const lines of captions) {
    const row = lines.length === 0 ? rowPx : lines.length * linePx + 12;
    ys.push(height + row / 2);
    height += row;
  }
  height += rowPx / 2;
  /** @type {Place} */
  const at = (column, row) => ({ x: xOf(column), y: ys[row] ?? 0 });
  const withText = new Set(
    dots.flatMap(({ item, row }) => item.kind === "written" ? [] : [row]),
  );
  const heads = columns.map((column, index) => headOf(column, xOf(index), names, t));
  return {
    width,
    headHeight: headPx.height,
    bodyHeight: height,
    heads: svg("g", {}, ...heads),
    body: svg(
      "g",
      {},
      ...columns.map((_, index) =>
        svg("path", { class: "axis", d: `M${xOf(index)} 0V${height}`, fill: "none" })
      ),
      ...rows.map(({ at }, row) => clockAt(at, ys[row] ?? 0)),
      ...captions.map((lines, row) => captionAt(lines, rows[row]?.note, ys[row] ?? 0, width)),
      ...arrows.map((arrow) => lineOf(arrow, at, height)),
      ...dots.map((dot) => dotOf(dot, at)),
      ...arrows.map((arrow) => labelOf(arrow, at, withText.has(arrow.end ?? -1))),
      ...dots.map((dot) => effectOf(dot, at, t)),
    ),
  };
}

/**
 * @param {Column} column
 * @param {number} x
 * @param {Names} names
 * @param {Texts} t
 */
function headOf(column, x, names, t) {
  const [title, role, kind] = "client" in column
    ? [t.clientTitle(column.client), "", "client"]
    : column.leads
    ? [names.server(column.server), t.leaderRole, "leader"]
    : [names.server(column.server), t.followerRole, "follower"];
  const width = (kind === "client" ? clientPx : serverPx) - 16;
  // The browser squeezes a name that is too wide.
  const squeezed = title.length * 7.5 > width ? { textLength: width - 10 } : {};
  const middle = { x, "text-anchor": "middle" };
  return svg(
    "g",
    { class: "column" },
    svg("rect", {
      ...{ class: `box ${kind}`, x: x - width / 2, y: 2, width, height: headPx.height - 4 },
      rx: kind === "client" ? 18 : 5,
    }),
    svg("text", { ...middle, class: "title", y: role === "" ? 25 : 18, ...squeezed }, title),
    ...(role === "" ? [] : [svg("text", { ...middle, class: "role", y: 32 }, role)]),
  );
}

/**
 * @param {number | undefined} at
 * @param {number} y
 */
function clockAt(at, y) {
  return at === undefined ? "" : svg("text", { class: "clock", x: 4, y: y + 4 }, clock(at));
}

/**
 * What a row says that is no event of one column.
 *
 * @param {Item} note
 * @param {Names} names
 * @param {Texts} t
 */
function captionOf(note, names, t) {
  const server = "server" in note ? `${names.server(note.server)}: ` : "";
  return `${server}${t.item(note, names)}`;
}

/**
 * The lines of a caption, on the column lines. A step of a demonstration has a line above it.
 *
 * @param {readonly string[]} lines
 * @param {Item | undefined} note
 * @param {number} y the middle of the row
 * @param {number} width
 */
function captionAt(lines, note, y, width) {
  if (note === undefined) return "";
  const top = y - lines.length * linePx / 2;
  const kind = note.kind === "demo" ? "step" : "note";
  return svg(
    "g",
    { class: "caption" },
    ...(kind === "step"
      ? [svg("path", { class: "rule", d: `M0 ${top - 3}H${width}`, fill: "none" })]
      : []),
    ...lines.flatMap((line, index) =>
      textOn(captionX, top + index * linePx + 12, line, "start", kind)
    ),
  );
}

/**
 * The lines of a text, broken between words. What is left over is cut.
 *
 * @param {string} text
 * @param {number} charsMax
 */
function wrapped(text, charsMax) {
  /** @type {string[]} */
  const lines = [];
  let rest = text;
  while (rest.length > charsMax && lines.length < captionLinesMax - 1) {
    const space = rest.lastIndexOf(" ", charsMax);
    const whole = /[\udc00-\udfff]/.test(rest.charAt(charsMax)) ? charsMax - 1 : charsMax;
    const end = space > charsMax / 2 ? space : whole;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, readable(rest, charsMax)];
}
