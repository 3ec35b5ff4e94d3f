/**
 * The diagram of clients and servers.
 *
 * @module
 */

import { svg } from "./dom.js";
import { pathOf, pointAt } from "./geometry.js";
import { Layout } from "./layout.js";
import { MessageAnimation } from "./message_animation.js";
import { writesBehind } from "./selectors.js";

/** @import { ServerState, State } from "../server/state.ts" */
/** @import { Names } from "./format.js" */
/** @import { Box } from "./geometry.js" */
/** @import { Texts } from "./texts.js" */

/** Below this width the diagram goes from top to bottom. */
const narrowPx = 560;

/**
 * A line of text in the box of a server.
 *
 * @typedef {{ readonly text: string, readonly behind: boolean }} Line
 */

/**
 * A server as the diagram shows it.
 *
 * @typedef {object} ShownServer
 * @property {string} address
 * @property {string} title
 * @property {boolean} leads
 * @property {boolean} up
 * @property {Line[]} lines
 * @property {ServerState["fault"]} fault
 * @property {number} withheld writes that the fault keeps from the server
 */

/** Boxes for clients and servers, edges between them, and messages that move along the edges. */
export class Diagram {
  /** The messages that move. */
  animation;
  #root;
  #boxesAndEdges = svg("g");
  /** @type {string} What the boxes and edges were drawn from. */
  #drawn = "";

  /** @param {SVGElement} root */
  constructor(root) {
    this.#root = root;
    const messages = svg("g");
    this.animation = new MessageAnimation(messages);
    root.append(this.#boxesAndEdges, messages);
  }

  /**
   * Shows a state. Draws nothing if the diagram would look the same.
   *
   * @param {State} state
   * @param {Names} names
   * @param {Texts} t
   */
  show(state, names, t) {
    const narrow = this.#root.clientWidth < narrowPx;
    const servers = state.servers.map((server) => ({
      address: server.name,
      title: names.server(server.name),
      leads: server.name === state.leader,
      up: server.up,
      lines: linesOf(state, server, t),
      fault: server.fault,
      withheld: server.fault === undefined ? 0 : writesBehind(state, server),
    }));
    const description = JSON.stringify([narrow, servers, t.htmlLang]);
    if (description === this.#drawn) return;
    this.#drawn = description;
    const addresses = servers.map(({ address }) => address);
    const layout = new Layout(addresses, state.leader, narrow);
    this.animation.layout = layout;
    this.#root.setAttribute("viewBox", narrow ? "0 0 360 440" : "0 0 760 330");
    const summary = servers
      .map(({ title, lines }) => `${title}: ${lines.map(({ text }) => text).join(", ")}`)
      .join(". ");
    this.#root.setAttribute("aria-label", t.diagram(summary));
    this.#boxesAndEdges.replaceChildren(
      ...servers.flatMap((server) => edgesTo(server, layout, state.leader, t)),
      clientsBox(layout.clients, t, narrow),
      ...servers.flatMap((server) => serverBox(server, layout)),
    );
  }
}

/**
 * The lines of text in the box of a server.
 *
 * @param {State} state
 * @param {ServerState} server
 * @param {Texts} t
 * @returns {Line[]}
 */
function linesOf(state, server, t) {
  if (!server.up) return [{ text: t.unreachable, behind: true }];
  const role = server.name === state.leader ? t.leaderRole : t.followerRole;
  const inSync = state.inSync.includes(server.name);
  const behind = server.name !== state.leader && writesBehind(state, server) > 0;
  return [
    { text: `${role} · ${inSync ? `✓ ${t.inSync}` : `✕ ${t.notInSync}`}`, behind: !inSync },
    { text: t.lastTimestamp(server.timestamp), behind },
  ];
}

/**
 * The edges to a server: from the clients, and from the leader with a note of the fault.
 *
 * @param {ShownServer} server
 * @param {Layout} layout
 * @param {string} leader
 * @param {Texts} t
 */
function edgesTo({ address, leads, fault, withheld }, layout, leader, t) {
  const edges = [];
  const fromClients = layout.curve("", address);
  if (fromClients !== undefined) {
    edges.push(svg("path", { class: "edge", d: pathOf(fromClients) }));
  }
  if (leads || layout.server(leader) === undefined) return edges;
  const fromLeader = layout.curve(leader, address);
  if (fromLeader === undefined) return edges;
  const kind = `edge replication${fault === undefined ? "" : " fault"}`;
  edges.push(svg("path", { class: kind, d: pathOf(fromLeader) }));
  if (fault === undefined) return edges;
  const word = fault.action === "pause" ? t.paused : t.delayed(fault.delayMs);
  const { x, y } = pointAt(fromLeader, 0.5);
  const text = withheld === 0 ? word : `${word} · ${withheld}`;
  const width = text.length * 7.2 + 16;
  edges.push(
    svg(
      "g",
      { class: "note", transform: `translate(${x} ${y})` },
      svg("title", {}, withheld === 0 ? word : t.withheld(withheld)),
      svg("rect", { x: -width / 2, y: -12, width, height: 24, rx: 12 }),
      svg("text", { "text-anchor": "middle" }, text),
    ),
  );
  return edges;
}

/**
 * @param {ShownServer} server
 * @param {Layout} layout
 */
function serverBox({ address, title, leads, up, lines }, layout) {
  const box = layout.server(address);
  if (box === undefined) return [];
  const { x, y, width, height } = box;
  const centred = { "text-anchor": "middle", x };
  return svg(
    "g",
    { class: `server${leads ? " leader" : ""}${up ? "" : " down"}` },
    rectangle(box),
    svg("text", { ...centred, class: "name", y: y - height / 2 + 20 }, title),
    ...lines.map(({ text, behind }, index) =>
      svg("text", {
        ...centred,
        class: `fine${behind ? " behind" : ""}`,
        y: y - height / 2 + 41 + index * 17,
        // The browser squeezes a text that is too wide for the box.
        ...(text.length * 6.3 > width ? { textLength: width - 12 } : {}),
      }, text)
    ),
  );
}

/**
 * @param {Box} box
 * @param {Texts} t
 * @param {boolean} narrow
 */
function clientsBox(box, t, narrow) {
  const { x, y } = box;
  const centred = { "text-anchor": "middle", x };
  const gap = narrow ? 10 : 12;
  return svg(
    "g",
    { class: "clients" },
    rectangle(box),
    svg("text", { ...centred, class: "name", y: y - gap }, t.clients),
    svg("text", { ...centred, class: "fine", y: y + gap }, `1 · 2 · 3 · 4 · ${t.others}`),
  );
}

/** @param {Box} box */
function rectangle({ x, y, width, height }) {
  return svg("rect", { class: "box", x: x - width / 2, y: y - height / 2, width, height, rx: 8 });
}
