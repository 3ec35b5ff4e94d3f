/**
 * A picture as an SVG file of its own: without a style sheet, on a light background.
 *
 * @module
 */

import { svg } from "./dom.js";

/** @typedef {Readonly<Record<string, string | number>>} Attributes */

/**
 * By class: the attributes that a file has in place of the style sheet. Of several classes of an
 * element the last one wins. The colours are those of the light theme in `base.css`.
 *
 * @type {Readonly<Record<string, Attributes>>}
 */
const looks = {
  axis: { stroke: "#8b9097", "stroke-width": 1 },
  box: { fill: "#ffffff", stroke: "#8b9097", "stroke-width": 1.25 },
  leader: { stroke: "#0a5c8f", "stroke-width": 2.5 },
  title: { fill: "#1d2125", "font-size": 14, "font-weight": 700 },
  role: { fill: "#5a6169", "font-size": 11 },
  clock: { fill: "#5a6169", "font-size": 11 },
  rule: { stroke: "#0a5c8f", "stroke-width": 1 },
  step: { fill: "#0a5c8f", "font-size": 12, "font-weight": 700 },
  note: { fill: "#5a6169", "font-size": 11.5 },
  behind: { fill: "#ffffff", "fill-opacity": 0.85 },
  line: { stroke: "#1d2125", "stroke-width": 1.5 },
  tip: { fill: "#1d2125" },
  label: { fill: "#1d2125", "font-size": 11.5, "font-weight": 700 },
  effect: { fill: "#5a6169", "font-size": 11.5 },
  dot: { fill: "#0a5c8f", stroke: "#ffffff", "stroke-width": 1 },
  open: { "stroke-dasharray": "5 4" },
};

/** What an element of a class looks like if it belongs to a refusal. */
const refused = {
  line: { stroke: "#a13a06" },
  tip: { fill: "#a13a06" },
  label: { fill: "#a13a06" },
  effect: { fill: "#a13a06" },
  dot: { fill: "#a13a06" },
};

/**
 * The text of an SVG file with a picture.
 *
 * @param {string} title
 * @param {number} width
 * @param {number} height
 * @param {...SVGElement} parts
 * @returns {string}
 */
export function standaloneSvg(title, width, height, ...parts) {
  const margin = 16;
  const root = svg(
    "svg",
    {
      ...{ role: "img", width: width + 2 * margin, height: height + 2 * margin },
      viewBox: `${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`,
      "font-family": "Arial, Helvetica, sans-serif",
    },
    svg("title", {}, title),
    svg("rect", {
      ...{ x: -margin, y: -margin, width: width + 2 * margin, height: height + 2 * margin },
      fill: "#ffffff",
    }),
    ...parts.map((part) => part.cloneNode(true)),
  );
  for (const element of root.querySelectorAll("[class]")) {
    const classes = (element.getAttribute("class") ?? "").split(" ");
    for (const name of classes) setAll(element, looks[name]);
    if (classes.includes("refused")) {
      for (const [name, look] of Object.entries(refused)) {
        if (classes.includes(name)) setAll(element, look);
      }
    }
    element.removeAttribute("class");
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(root)}\n`;
}

/**
 * @param {Element} element
 * @param {Attributes} [attributes]
 */
function setAll(element, attributes = {}) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
}
