/**
 * The diagram of clients and servers.
 *
 * @module
 */

import { svg } from "./dom.js";
import { readable } from "./format.js";
import { pathOf, pointAt } from "./geometry.js";
import { Layout } from "./layout.js";
import { MessageAnimation } from "./message_animation.js";
import { shownClients, writesBehind } from "./selectors.js";

/** @import { ServerState, State } from "../server/state.ts" */
/** @import { Names } from "./format.js" */
/** @import { Box } from "./geometry.js" */
/** @import { Texts } from "./texts.js" */

/** Below this width the diagram goes from top to bottom. */
const narrowPx = 560;
/** The width of a character in a fine line of a box. */
const fineCharWidth = 6.4;
/** The height of the title of a box, and of a fine line. */
const titleHeight = 24;
const lineHeight = 16;

/**
 * A line of text in a box.
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

/**
 * A client as the diagram shows it, or all that are not the dashboard's.
 *
 * @typedef {object} ShownClient
 * @property {number} number
 * @property {string} title
 * @property {Line[]} lines
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
   * @param {State} known a later state, whose clients are shown too
   * @param {boolean} wall whether the diagram is shown on a wall
   * @param {Names} names
   * @param {Texts} t
   */
  show(state, known, wall, names, t) {
    const shape = this.#root.clientWidth < narrowPx ? "narrow" : wall ? "wall" : "wide";
    const servers = state.servers.map((server) => ({
      address: server.name,
      title: names.server(server.name),
      leads: server.name === state.leader,
      up: server.up,
      lines: linesOf(state, server, t),
      fault: server.fault,
      withheld: server.fault === undefined ? 0 : writesBehind(state, server),
    }));
    const clients = shownClients(state, known).map((number) => ({
      number,
      title: t.clientTitle(number),
      lines: seenLines(state, number, t),
    }));
    const description = JSON.stringify([shape, servers, clients, t.htmlLang]);
    if (description === this.#drawn) return;
    this.#drawn = description;
    const addresses = servers.map(({ address }) => address);
    const layout = new Layout(addresses, state.leader, clients.map(({ number }) => number), shape);
    this.#root.setAttribute("viewBox", `0 0 ${layout.width} ${layout.height}`);
    const summary = servers
      .map(({ title, lines }) => `${title}: ${lines.map(({ text }) => text).join(", ")}`)
      .join(". ");
    this.#root.setAttribute("aria-label", t.diagram(summary));
    const notes = servers.flatMap((server) => noteOf(server, layout, state.leader, t));
    this.animation.layout = layout;
    this.animation.obstacles = [...layout.boxes, ...notes.map(({ box }) => box)];
    this.#boxesAndEdges.replaceChildren(
      ...servers.flatMap((server) => edgesTo(server, layout, state.leader)),
      ...notes.map(({ element }) => element),
      ...clients.map((client) => clientBox(client, layout)),
      ...servers.flatMap((server) => serverBox(server, layout)),
    );
  }
}

/**
 * What a client has seen, the newest last: a line for each key.
 *
 * @param {State} state
 * @param {number} client
 * @param {Texts} t
 * @returns {Line[]}
 */
function seenLines({ clients }, client, t) {
  const seen = [...clients.get(client)?.seen ?? []];
  return seen.map(([key, { value, timestamp }]) => ({
    text: `${readable(key)}: ${readable(value)} · ${t.ts} ${timestamp}`,
    behind: false,
  }));
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
 * The edges to a server: from each client, and from the leader.
 *
 * @param {ShownServer} server
 * @param {Layout} layout
 * @param {string} leader
 */
function edgesTo({ address, leads, fault }, layout, leader) {
  const edges = [...layout.clients.keys()].flatMap((client) => {
    const curve = layout.curve({ from: "", to: address, client });
    return curve === undefined ? [] : svg("path", { class: "edge", d: pathOf(curve) });
  });
  const fromLeader = leads ? undefined : replicationCurve(address, layout, leader);
  if (fromLeader === undefined) return edges;
  const kind = `edge replication${fault === undefined ? "" : " fault"}`;
  return [...edges, svg("path", { class: kind, d: pathOf(fromLeader) })];
}

/**
 * The curve from the leader to a follower; `undefined` while no leader is known.
 *
 * @param {string} follower
 * @param {Layout} layout
 * @param {string} leader
 */
function replicationCurve(follower, layout, leader) {
  if (layout.server(leader) === undefined) return undefined;
  return layout.curve({ from: leader, to: follower });
}

/**
 * The note of a follower's fault on the edge from the leader, and the box that it covers.
 *
 * @param {ShownServer} server
 * @param {Layout} layout
 * @param {string} leader
 * @param {Texts} t
 * @returns {{ element: SVGElement, box: Box }[]}
 */
function noteOf({ address, leads, fault, withheld }, layout, leader, t) {
  const curve = leads ? undefined : replicationCurve(address, layout, leader);
  if (curve === undefined || fault === undefined) return [];
  const word = fault.action === "pause" ? t.held : t.delayed(fault.delayMs);
  const { x, y } = pointAt(curve, 0.5);
  const text = withheld === 0 ? word : `${word} · ${withheld}`;
  const [width, height] = [text.length * 7.2 + 16, 24];
  const element = svg(
    "g",
    { class: "note", transform: `translate(${x} ${y})` },
    svg("title", {}, withheld === 0 ? word : t.withheld(withheld)),
    svg("rect", { x: -width / 2, y: -height / 2, width, height, rx: 12 }),
    svg("text", { "text-anchor": "middle" }, text),
  );
  return [{ element, box: { x, y, width, height } }];
}

/**
 * @param {ShownServer} server
 * @param {Layout} layout
 */
function serverBox({ address, title, leads, up, lines }, layout) {
  const box = layout.server(address);
  if (box === undefined) return [];
  const kind = `server${leads ? " leader" : ""}${up ? "" : " down"}`;
  return boxWith(box, kind, { "data-server": address }, title, lines);
}

/**
 * The box of a client. What does not fit is shown on hover.
 *
 * @param {ShownClient} client
 * @param {Layout} layout
 */
function clientBox({ number, title, lines }, layout) {
  const box = layout.clients.get(number) ?? { x: 0, y: 0, width: 0, height: 0 };
  const room = Math.max(1, Math.floor((box.height - titleHeight - 4) / lineHeight));
  const chars = Math.floor((box.width - 10) / fineCharWidth);
  const shown = lines.slice(-room).map((line) => shortened(line, chars));
  const rest = lines.length - shown.length;
  const name = rest > 0 ? `${title} (+${rest})` : title;
  const element = boxWith(box, "client", { "data-client-box": number }, name, shown);
  const full = lines.map(({ text }) => text).join(", ");
  if (full !== "") element.prepend(svg("title", {}, full));
  return element;
}

/**
 * A line that fits into a box. The end, with the timestamp, stays.
 *
 * @param {Line} line
 * @param {number} chars
 * @returns {Line}
 */
function shortened({ text, behind }, chars) {
  if (text.length <= chars) return { text, behind };
  const end = text.slice(text.lastIndexOf(" · "));
  const kept = [...text].slice(0, Math.max(1, chars - end.length - 1)).join("");
  return { text: `${kept}…${end}`, behind };
}

/**
 * A box with a title and fine lines.
 *
 * @param {Box} box
 * @param {string} kind
 * @param {Record<string, string | number>} attributes
 * @param {string} title
 * @param {readonly Line[]} lines
 */
function boxWith(box, kind, attributes, title, lines) {
  const { x, y, width, height } = box;
  const centred = { "text-anchor": "middle", x };
  const top = y - (titleHeight + lines.length * lineHeight) / 2;
  return svg(
    "g",
    { class: kind, ...attributes },
    svg("rect", { class: "box", x: x - width / 2, y: y - height / 2, width, height, rx: 8 }),
    svg("text", {
      ...centred,
      class: "name",
      y: top + titleHeight / 2,
      ...squeezed(title, 9, width),
    }, title),
    ...lines.map(({ text, behind }, index) =>
      svg("text", {
        ...centred,
        class: `fine${behind ? " behind" : ""}`,
        y: top + titleHeight + (index + 0.5) * lineHeight,
        ...squeezed(text, fineCharWidth, width),
      }, text)
    ),
  );
}

/**
 * The browser squeezes a text that is too wide for its box.
 *
 * @param {string} text
 * @param {number} charWidth
 * @param {number} width
 */
function squeezed(text, charWidth, width) {
  const room = width - 12;
  return text.length * charWidth > room
    ? { textLength: room, lengthAdjust: "spacingAndGlyphs" }
    : {};
}
