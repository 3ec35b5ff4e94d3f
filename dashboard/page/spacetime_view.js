/**
 * The two views of the record above the playback, the diagram and the space-time diagram, and the
 * buttons that choose between them.
 *
 * @module
 */

import { byId, svg } from "./dom.js";
import { download, fileTime } from "./download.js";
import { spaceTime } from "./spacetime.js";
import { drawSpaceTime } from "./spacetime_drawing.js";
import { standaloneSvg } from "./standalone_svg.js";

/** @import { Names } from "./format.js" */
/** @import { Recording } from "./recording.js" */
/** @import { Drawing } from "./spacetime_drawing.js" */
/** @import { Texts } from "./texts.js" */

/** How far the picture shrinks before it is scrolled from side to side. */
const smallest = 0.85;

/** The space-time diagram, in the place of the diagram while it is chosen. */
export class SpaceTimeView {
  #root = byId("spacetime");
  #diagram = byId("diagram");
  #heads = svg("svg", { class: "heads", "aria-hidden": "true" });
  #body = svg("svg", { role: "img" });
  /** @type {{ drawing: Drawing, label: string } | undefined} What is shown. */
  #shown;
  /** @type {{ recording: Recording, position: number, language: string } | undefined} Its source. */
  #source;

  /** @param {() => void} redraw redraws the whole page soon */
  constructor(redraw) {
    this.#root.append(this.#heads, this.#body);
    byId("view-diagram").addEventListener("click", () => this.#choose(false, redraw));
    byId("view-spacetime").addEventListener("click", () => this.#choose(true, redraw));
    byId("save-svg").addEventListener("click", () => this.#save());
  }

  /**
   * Shows the events up to a position, if this view is chosen. Draws nothing if it would look the
   * same.
   *
   * @param {Recording} recording
   * @param {number} position
   * @param {Names} names
   * @param {Texts} t
   */
  show(recording, position, names, t) {
    if (this.#root.hidden) return;
    const source = { recording, position, language: t.htmlLang };
    const before = this.#source;
    if (
      before?.recording === recording && before.position === position &&
      before.language === t.htmlLang
    ) return;
    this.#source = source;
    const diagram = spaceTime(recording, position);
    const drawing = drawSpaceTime(diagram, names, t);
    const { width, headHeight, bodyHeight, heads, body } = drawing;
    const { scrollTop, clientHeight, scrollHeight } = this.#root;
    const atBottom = scrollTop + clientHeight >= scrollHeight - 4;
    for (
      const [root, part, height] of /** @type {const} */ ([
        [this.#heads, heads, headHeight],
        [this.#body, body, bodyHeight],
      ])
    ) {
      root.setAttribute("viewBox", `0 0 ${width} ${height}`);
      root.style.width = `max(${smallest * width}px, min(${width}px, 100%))`;
      root.replaceChildren(part);
    }
    const columns = diagram.columns.map((column) =>
      "server" in column ? names.server(column.server) : t.clientTitle(column.client)
    );
    const label = t.spaceTimeLabel(diagram.rows.length, columns.join(", "));
    this.#body.setAttribute("aria-label", label);
    this.#shown = { drawing, label };
    if (atBottom) this.#root.scrollTop = this.#root.scrollHeight;
  }

  /**
   * @param {boolean} chosen
   * @param {() => void} redraw
   */
  #choose(chosen, redraw) {
    this.#root.hidden = !chosen;
    this.#diagram.toggleAttribute("hidden", chosen);
    byId("save-svg").hidden = !chosen;
    byId("view-diagram").setAttribute("aria-pressed", `${!chosen}`);
    byId("view-spacetime").setAttribute("aria-pressed", `${chosen}`);
    redraw();
  }

  /** Saves what is shown as a file. */
  #save() {
    if (this.#shown === undefined) return;
    const { drawing: { width, headHeight, bodyHeight, heads, body }, label } = this.#shown;
    const below = svg("g", { transform: `translate(0 ${headHeight})` }, body.cloneNode(true));
    const text = standaloneSvg(label, width, headHeight + bodyHeight, heads, below);
    download(`spacetime-${fileTime(new Date())}.svg`, "image/svg+xml", text);
  }
}
