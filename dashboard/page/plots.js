/**
 * Small plots of the last minute.
 *
 * @module
 */

import { secondsMax } from "./state.js";
import { element } from "./views.js";

/** @import { Second, State } from "../server/item.ts" */
/** @import { Texts } from "./texts.js" */

const svgNamespace = "http://www.w3.org/2000/svg";
const height = 40;

/**
 * What each plot shows: a value of each second, and perhaps the highest within it.
 *
 * @type {readonly {
 *   readonly name: "putsPerSecond" | "getsPerSecond" | "refusedPerSecond"
 *     | "replicationsPerSecond" | "putMs",
 *   readonly value: (second: Second) => number,
 *   readonly top?: (second: Second) => number,
 * }[]}
 */
const kinds = [
  { name: "putsPerSecond", value: ({ putOks }) => putOks },
  { name: "getsPerSecond", value: ({ gets }) => gets },
  { name: "refusedPerSecond", value: ({ refused }) => refused },
  { name: "replicationsPerSecond", value: ({ replications }) => replications },
  {
    name: "putMs",
    value: ({ timed, msSum }) => timed === 0 ? 0 : msSum / timed,
    top: ({ msMax }) => msMax,
  },
];

/**
 * Draws all of them.
 *
 * @param {HTMLElement} root
 * @param {State} state
 * @param {Texts} t
 */
export function showPlots(root, { seconds, at }, t) {
  const bySecond = new Map(seconds.map((second) => [second.second, second]));
  const last = Math.floor(at / 1000);
  const series = (/** @type {(second: Second) => number} */ valueOf) =>
    Array.from({ length: secondsMax }, (_, index) => {
      const second = bySecond.get(last - secondsMax + 1 + index);
      return second === undefined ? 0 : valueOf(second);
    });
  root.replaceChildren(...kinds.map(({ name, value, top }) => {
    const values = series(value);
    const tops = top === undefined ? values : series(top);
    const most = Math.max(1e-9, ...tops);
    // The last second is not over yet.
    const now = shown(values.at(-2) ?? 0, t);
    const caption = element("figcaption", {}, t[name]);
    const label = `${t[name]}: ${t.now} ${now}, ${t.most} ${shown(Math.max(...tops), t)}`;
    const plot = document.createElementNS(svgNamespace, "svg");
    plot.setAttribute("viewBox", `0 0 ${secondsMax - 1} ${height}`);
    plot.setAttribute("preserveAspectRatio", "none");
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", label);
    const points = (/** @type {number[]} */ all) =>
      all.map((one, x) => `${x},${(height - 1 - one / most * (height - 3)).toFixed(2)}`).join(" ");
    plot.append(
      line("polygon", "area", `0,${height} ${points(values)} ${secondsMax - 1},${height}`),
      line("polyline", "line", points(values)),
    );
    if (top !== undefined) plot.append(line("polyline", "line top", points(tops)));
    const numbers = element(
      "p",
      { class: "number" },
      element("span", {}, `${t.now} `, element("strong", {}, now)),
      element("span", {}, `${t.most} ${shown(Math.max(...tops), t)}`),
    );
    return element("figure", {}, caption, plot, numbers);
  }));
}

/**
 * @param {"polygon" | "polyline"} tag
 * @param {string} kind
 * @param {string} points
 */
function line(tag, kind, points) {
  const shape = document.createElementNS(svgNamespace, tag);
  shape.setAttribute("class", kind);
  shape.setAttribute("points", points);
  return shape;
}

/**
 * @param {number} n
 * @param {Texts} t
 */
function shown(n, { htmlLang }) {
  return n.toLocaleString(htmlLang, { maximumFractionDigits: n < 10 ? 1 : 0 });
}
