/**
 * The small plots of the last minute.
 *
 * @module
 */

import { html, svg } from "./dom.js";
import { secondsMax } from "./limits.js";

/** @import { Second, State } from "../server/state.ts" */
/** @import { Texts } from "./texts.js" */

/** Height of a plot in units of its view box. */
const height = 40;

/**
 * The plots. Each shows a value for each second. `top` is the highest value within the second.
 *
 * @type {readonly {
 *   readonly name: "putsPerSecond" | "getsPerSecond" | "refusedPerSecond"
 *     | "replicationsPerSecond" | "putMs",
 *   readonly value: (second: Second) => number,
 *   readonly top?: (second: Second) => number,
 * }[]}
 */
const plots = [
  { name: "putsPerSecond", value: ({ putOks }) => putOks },
  { name: "getsPerSecond", value: ({ gets }) => gets },
  { name: "refusedPerSecond", value: ({ refused }) => refused },
  { name: "replicationsPerSecond", value: ({ replications }) => replications },
  {
    name: "putMs",
    value: ({ timedPutOks, putMsSum }) => timedPutOks === 0 ? 0 : putMsSum / timedPutOks,
    top: ({ putMsMax }) => putMsMax,
  },
];

/**
 * Draws the plots.
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
  root.replaceChildren(...plots.map(({ name, value, top }) => {
    const values = series(value);
    const tops = top === undefined ? values : series(top);
    const scale = Math.max(1e-9, ...tops); // never 0, because values are divided by it
    const now = formatted(values.at(-2) ?? 0, t); // the last second is not over yet
    const most = formatted(Math.max(...tops), t);
    const points = (/** @type {number[]} */ numbers) =>
      numbers.map((one, x) => `${x},${(height - 1 - one / scale * (height - 3)).toFixed(2)}`)
        .join(" ");
    const area = `0,${height} ${points(values)} ${secondsMax - 1},${height}`;
    const plot = svg(
      "svg",
      {
        viewBox: `0 0 ${secondsMax - 1} ${height}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `${t[name]}: ${t.now} ${now}, ${t.most} ${most}`,
      },
      svg("polygon", { class: "area", points: area }),
      svg("polyline", { class: "line", points: points(values) }),
    );
    if (top !== undefined) {
      plot.append(svg("polyline", { class: "line top", points: points(tops) }));
    }
    const numbers = html(
      "p",
      { class: "number" },
      html("span", {}, `${t.now} `, html("strong", {}, now)),
      html("span", {}, `${t.most} ${most}`),
    );
    return html("figure", {}, html("figcaption", {}, t[name]), plot, numbers);
  }));
}

/**
 * A number in the language of the texts, with one decimal if it is below 10.
 *
 * @param {number} n
 * @param {Texts} t
 */
function formatted(n, { htmlLang }) {
  return n.toLocaleString(htmlLang, { maximumFractionDigits: n < 10 ? 1 : 0 });
}
