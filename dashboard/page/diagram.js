/**
 * The servers, and the messages that move between them.
 *
 * @module
 */

import { curveBetween, ease, layOut, path, pointAt } from "./geometry.js";
import { writesBehind } from "./readings.js";

/** @import { Move, ServerState, State } from "../server/item.ts" */
/** @import { Names, Texts } from "./texts.js" */
/** @import { Box, Curve } from "./geometry.js" */

/** How long a message is on its way, on the screen. */
const moveMs = 600;
/** Messages that are drawn at once. */
const movesMax = 24;
/** How far the drawing may lag behind what happened. */
const lagMs = 3_500;
/** Messages whose labels can be told apart. */
const labelsMax = 8;
/** Below this width the servers stand under each other. */
const narrowPx = 560;

const svgNamespace = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 */
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(svgNamespace, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
  element.append(...children);
  return element;
}

/**
 * Messages are drawn one after another as they depend on each other: what leaves a server about a
 * key leaves when what came in about that key is there. With too many, some are left out.
 */
export class Diagram {
  #root;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #fixed = svg("g");
  #moving = svg("g");
  /** @type {{ move: Move, curve: Curve, start: number, element: SVGElement }[]} */
  #flights = [];
  /** @type {Map<string, number>} By place and key: when what came there has arrived. */
  #arrivals = new Map();
  /** @type {Map<string, Box>} By server, and "" for the clients. */
  #boxes = new Map();
  /** @type {string} What the fixed part was drawn from. */
  #drawn = "";
  #frame = 0;
  #leader = "";

  /** @param {SVGElement} root */
  constructor(root) {
    this.#root = root;
    root.append(this.#fixed, this.#moving);
  }

  /**
   * Shows how the servers are.
   *
   * @param {State} state
   * @param {Names} names
   * @param {Texts} t
   */
  show(state, names, t) {
    const narrow = this.#root.clientWidth < narrowPx;
    const servers = state.servers.map((server) => ({
      name: server.name,
      title: names.server(server.name),
      leads: server.name === state.leader,
      up: server.up,
      lines: linesOf(state, server, t),
      behind: server.held === undefined ? 0 : writesBehind(state, server),
      held: server.held,
    }));
    const description = JSON.stringify([narrow, servers, t.htmlLang]);
    if (description === this.#drawn) return;
    this.#drawn = description;
    this.#leader = state.leader;
    this.#boxes = layOut(servers.map(({ name }) => name), state.leader, narrow);
    this.#root.setAttribute("viewBox", narrow ? "0 0 360 440" : "0 0 760 330");
    const summary = servers
      .map(({ title, lines }) => `${title}: ${lines.map(({ text }) => text).join(", ")}`)
      .join(". ");
    this.#root.setAttribute("aria-label", t.diagram(summary));
    this.#fixed.replaceChildren(
      ...servers.flatMap((server) => this.#edges(server, t)),
      this.#clients(t, narrow),
      ...servers.map((server) => this.#server(server)),
    );
  }

  /**
   * Draws messages, or leaves out what is too much.
   *
   * @param {readonly Move[]} moves
   * @returns {number} how many are drawn
   */
  play(moves) {
    const now = performance.now();
    let drawn = 0;
    for (const move of moves) {
      const curve = this.#curve(move.from, move.to);
      const departure = `${move.from} ${move.key}`;
      const start = Math.max(now, this.#arrivals.get(departure) ?? 0);
      if (
        curve === undefined || this.#flights.length >= movesMax || start > now + lagMs ||
        document.hidden
      ) continue;
      const arrival = `${move.to} ${move.key}`;
      this.#arrivals.set(arrival, Math.max(start + moveMs, this.#arrivals.get(arrival) ?? 0));
      const element = messageOf(move);
      this.#moving.append(element);
      this.#flights.push({ move, curve, start, element });
      drawn++;
    }
    if (this.#flights.length > 0 && this.#frame === 0) this.#animate(now);
    return drawn;
  }

  /** Takes away the messages that are under way. */
  clear() {
    this.#flights = [];
    this.#arrivals.clear();
    this.#moving.replaceChildren();
  }

  /** @param {number} now */
  #animate(now) {
    const labels = this.#flights.filter(({ start }) => start <= now).length <= labelsMax;
    this.#flights = this.#flights.filter(({ curve, start, element }) => {
      const done = (now - start) / moveMs;
      if (done >= 1) {
        element.remove();
        return false;
      }
      const { x, y } = pointAt(curve, this.#still.matches ? 0.5 : ease(Math.max(0, done)));
      element.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      element.setAttribute("visibility", done < 0 ? "hidden" : "visible");
      element.lastElementChild?.setAttribute("visibility", labels ? "inherit" : "hidden");
      return true;
    });
    if (this.#flights.length === 0) this.#arrivals.clear();
    this.#frame = this.#flights.length === 0
      ? 0
      : requestAnimationFrame((then) => this.#animate(then));
  }

  /**
   * @param {string} from
   * @param {string} to
   * @returns {Curve | undefined}
   */
  #curve(from, to) {
    const clients = this.#boxes.get("");
    const [start, end] = [from, to].map((name) => name === "" ? undefined : this.#boxes.get(name));
    if (clients === undefined || start === undefined && end === undefined) return undefined;
    if (start === undefined) return curveBetween(clients, end ?? clients, to !== this.#leader);
    if (end !== undefined) return curveBetween(start, end, false);
    const back = curveBetween(clients, start, from !== this.#leader);
    return { from: back.to, bend: back.bend, to: back.from };
  }

  /**
   * @param {{ name: string, leads: boolean, held: ServerState["held"], behind: number }} server
   * @param {Texts} t
   */
  #edges({ name, leads, held, behind }, t) {
    const edges = [];
    const fromClients = this.#curve("", name);
    if (fromClients !== undefined) edges.push(svg("path", { class: "edge", d: path(fromClients) }));
    const curve = leads ? undefined : this.#curve(this.#leader, name);
    if (curve === undefined || !this.#boxes.has(this.#leader)) return edges;
    const replication = `edge replication${held === undefined ? "" : " held"}`;
    edges.push(svg("path", { class: replication, d: path(curve) }));
    if (held === undefined) return edges;
    const word = held.action === "pause" ? t.paused : t.delayed(held.delayMs);
    const { x, y } = pointAt(curve, 0.5);
    const text = behind === 0 ? word : `${word} · ${behind}`;
    const width = text.length * 7.2 + 16;
    const box = { x: -width / 2, y: -12, width, height: 24, rx: 12 };
    edges.push(
      svg(
        "g",
        { class: "note", transform: `translate(${x} ${y})` },
        svg("title", {}, behind === 0 ? word : t.withheld(behind)),
        svg("rect", box),
        svg("text", { "text-anchor": "middle" }, text),
      ),
    );
    return edges;
  }

  /** @param {{ name: string, title: string, leads: boolean, up: boolean, lines: Line[] }} server */
  #server({ name, title, leads, up, lines }) {
    const box = this.#boxes.get(name);
    if (box === undefined) return svg("g");
    const { x, y, width, height } = box;
    const kind = `server${leads ? " leader" : ""}${up ? "" : " down"}`;
    const centred = { "text-anchor": "middle", x };
    return svg(
      "g",
      { class: kind },
      rectangle(box),
      svg("text", { ...centred, class: "name", y: y - height / 2 + 20 }, title),
      ...lines.map(({ text, behind }, index) =>
        svg("text", {
          ...centred,
          class: `fine${behind ? " behind" : ""}`,
          y: y - height / 2 + 41 + index * 17,
          ...(text.length * 6.3 > width ? { textLength: width - 12 } : {}),
        }, text)
      ),
    );
  }

  /**
   * @param {Texts} t
   * @param {boolean} narrow
   */
  #clients(t, narrow) {
    const box = this.#boxes.get("");
    if (box === undefined) return svg("g");
    const { x, y } = box;
    const names = `1 · 2 · 3 · 4 · ${t.others}`;
    const centred = { "text-anchor": "middle", x };
    const gap = narrow ? 10 : 12;
    return svg(
      "g",
      { class: "clients" },
      rectangle(box),
      svg("text", { ...centred, class: "name", y: y - gap }, t.clients),
      svg("text", { ...centred, class: "fine", y: y + gap }, names),
    );
  }
}

/** @typedef {{ text: string, behind: boolean }} Line */

/**
 * @param {State} state
 * @param {ServerState} server
 * @param {Texts} t
 * @returns {Line[]}
 */
function linesOf(state, server, t) {
  if (!server.up) return [{ text: t.unreachable, behind: true }];
  const role = server.name === state.leader ? t.leaderRole : t.followerRole;
  const counts = state.inSync.includes(server.name);
  const behind = server.name !== state.leader && writesBehind(state, server) > 0;
  return [
    { text: `${role} · ${counts ? `✓ ${t.inSync}` : `✕ ${t.notInSync}`}`, behind: !counts },
    { text: t.lastTimestamp(server.timestamp), behind },
  ];
}

/** @param {Box} box */
function rectangle({ x, y, width, height }) {
  return svg("rect", { class: "box", x: x - width / 2, y: y - height / 2, width, height, rx: 8 });
}

/** @param {Move} move */
function messageOf({ label, key, timestamp }) {
  const refused = label === "TRY_OTHER";
  const kind = refused ? " refused" : label.endsWith("_OK") ? " answer" : "";
  const asks = label === "PUT" || label === "GET";
  const text = asks ? `${label} ${key.length > 12 ? "…" : key}` : `${label} ${timestamp ?? ""}`;
  return svg(
    "g",
    { class: `message${kind}`, visibility: "hidden" },
    refused ? svg("path", { d: "M-5 -5L5 5M-5 5L5 -5" }) : svg("circle", { r: 5.5 }),
    svg("text", { "text-anchor": "middle", y: -15 }, text),
  );
}
