/**
 * The parts of the page that show the state and take no input.
 *
 * @module
 */

import { cellOf } from "./readings.js";

/** @import { Item, Refusal, ServerState, State, Story } from "../server/item.ts" */
/** @import { Recording } from "./recording.js" */
/** @import { Names, Texts } from "./texts.js" */

/** Keys in the table. */
const rowsMax = 12;
/** Events in the list. */
const eventsMax = 60;
/** Bars of the density. */
const barsMax = 160;
/** A value is shown up to here. */
const valueCharsMax = 60;

/**
 * The element with an id.
 *
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function at(id) {
  return /** @type {T} */ (/** @type {unknown} */ (document.getElementById(id)));
}

/**
 * An element. What comes from servers only ever becomes text.
 *
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * A value or a key as people can read it: what would move other text is shown as an escape.
 *
 * @param {string | null | undefined} value
 */
export function readable(value) {
  if (value === null || value === undefined) return "NULL";
  const start = value.length > valueCharsMax ? `${value.slice(0, valueCharsMax)}…` : value;
  return start.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`,
  );
}

/**
 * The names of servers and clients: as short as they stay different.
 *
 * @param {State} state
 * @param {Texts} t
 * @returns {Names}
 */
export function namesIn(state, t) {
  const hosts = new Set(state.servers.map(({ name }) => name.slice(0, name.lastIndexOf(":"))));
  return {
    server: (name) => hosts.size === 1 ? name.slice(name.lastIndexOf(":") + 1) : name,
    client: (address) => {
      const client = state.clients.get(address);
      return client === undefined ? address : t.clientName(client);
    },
    value: readable,
  };
}

/**
 * A time of day, to the millisecond.
 *
 * @param {number} at
 */
export function clock(at) {
  const time = new Date(at);
  const part = (/** @type {number} */ n, digits = 2) => `${n}`.padStart(digits, "0");
  return `${part(time.getHours())}:${part(time.getMinutes())}:${part(time.getSeconds())}.${
    part(time.getMilliseconds(), 3)
  }`;
}

/**
 * The table of keys and servers.
 *
 * @param {{ columns: HTMLElement, rows: HTMLElement }} roots
 * @param {State} state
 * @param {Names} names
 * @param {Texts} t
 */
export function showTable({ columns, rows }, state, names, t) {
  columns.replaceChildren(
    element("th", { scope: "col" }, t.key),
    ...state.servers.map((server) =>
      element(
        "th",
        { scope: "col" },
        names.server(server.name),
        element("small", {}, statusLine(server, state, t)),
      )
    ),
  );
  const newest = [...state.table.keys()].slice(-rowsMax).sort();
  rows.replaceChildren(...newest.map((key) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, readable(key)),
      ...state.servers.map((server) => tableCell(state, key, server, t)),
    )
  ));
}

/**
 * @param {State} state
 * @param {string} key
 * @param {ServerState} server
 * @param {Texts} t
 */
function tableCell(state, key, server, t) {
  const { is, cell, newest } = cellOf(state, key, server);
  const attributes = { "data-is": is, "data-key": key, "data-server": server.name };
  if (cell === undefined) {
    const [mark, note] = is === "missing" ? ["—", t.missing] : ["?", t.unknown];
    const shown = element("span", { class: "cell-value" }, mark);
    return element("td", attributes, shown, element("span", { class: "cell-note" }, note));
  }
  const late = is === "stale" ? ` · ${t.stale}` : "";
  const note = element("span", { class: "cell-note" }, `${t.ts} ${cell.timestamp}${late}`);
  if (is === "stale") note.title = t.staleTitle(newest);
  return element(
    "td",
    attributes,
    element("span", { class: "cell-value" }, readable(cell.value)),
    note,
  );
}

/**
 * @param {ServerState} server
 * @param {State} state
 * @param {Texts} t
 */
function statusLine({ name, up, reason, status }, { leader }, t) {
  if (!up) return reason === "" ? t.unreachable : `${t.unreachable}: ${reason}`;
  const role = name === leader ? t.leaderRole : t.followerRole;
  if (status === undefined) return role;
  const { keys, connections, uptimeMs, memoryBytes } = status;
  return `${role} · ${t.status(keys, connections, uptimeMs, memoryBytes)}`;
}

/**
 * Why GETs were refused, the newest first.
 *
 * @param {HTMLElement} root
 * @param {readonly Refusal[]} refusals
 * @param {Names} names
 * @param {Texts} t
 */
export function showRefusals(root, refusals, names, t) {
  root.replaceChildren(
    ...refusals.toReversed().map((refusal) => {
      const { key, ...rest } = refusal;
      return element(
        "li",
        {},
        element("time", {}, clock(refusal.at)),
        element("span", {}, t.refusal({ ...rest, key: readable(key) }, names)),
      );
    }),
  );
}

/**
 * What has happened up to a position, the newest first.
 *
 * @param {HTMLElement} root
 * @param {Recording} recording
 * @param {number} position
 * @param {(item: Item) => boolean} counts
 * @param {Names} names
 * @param {Texts} t
 */
export function showEvents(root, recording, position, counts, names, t) {
  const entries = [];
  for (let at = position - 1; at >= recording.first && entries.length < eventsMax; at--) {
    const item = recording.itemAt(at);
    if (item === undefined || !counts(item)) continue;
    const refused = item.kind === "get" && "refused" in item;
    entries.push(element(
      "li",
      {
        ...(refused ? { class: "refused" } : {}),
        ...(entries.length === 0 ? { "aria-current": "true" } : {}),
      },
      element("time", {}, clock(item.at)),
      element("span", { class: "number" }, "server" in item ? names.server(item.server) : ""),
      element("span", {}, t.item(item, names)),
    ));
  }
  root.replaceChildren(...entries);
}

/**
 * The steps of the demonstration so far.
 *
 * @param {HTMLElement} root
 * @param {readonly Story[]} story
 * @param {Names} names
 * @param {Texts} t
 */
export function showStory(root, story, names, t) {
  const language = t.htmlLang;
  const same = root.dataset.language === language && root.childElementCount <= story.length;
  // What has been read out already is not read out again.
  const told = same ? root.childElementCount : 0;
  const first = root.firstElementChild?.getAttribute("data-at") ?? "";
  const began = story[0] === undefined ? "" : `${story[0].follower} ${story[0].value}`;
  if (told === 0 || first !== began) root.replaceChildren();
  root.dataset.language = language;
  for (const step of story.slice(root.childElementCount)) {
    root.append(
      element("li", { "data-step": step.step, "data-at": began }, t.story(step, names)),
    );
  }
}

/**
 * What one of the clients has seen.
 *
 * @param {HTMLElement} root
 * @param {ReadonlyMap<string, number>} seen
 * @param {Texts} t
 */
export function showSeen(root, seen, t) {
  root.replaceChildren(
    ...[...seen].reverse().flatMap(([key, timestamp]) => [
      element("dt", {}, readable(key)),
      element("dd", {}, `${t.ts} ${timestamp}`),
    ]),
  );
}

/**
 * How much was recorded when, where GETs were refused, and where the cursor is.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Recording} recording
 * @param {number} position
 */
export function showDensity(canvas, recording, position) {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  context.scale(scale, scale);
  const { first, end } = recording;
  const bars = Array.from({ length: barsMax }, () => ({ writes: 0, refused: 0 }));
  for (let at = first; at < end; at++) {
    const item = recording.itemAt(at);
    const bar = bars[Math.floor((at - first) / (end - first) * barsMax)];
    if (item === undefined || bar === undefined) continue;
    if (item.kind === "written") bar.writes++;
    if (item.kind === "get" && "refused" in item) bar.refused++;
  }
  const most = Math.max(1, ...bars.map(({ writes }) => writes));
  const style = getComputedStyle(canvas);
  const [ink, warn] = ["--accent", "--warn"].map((name) => style.getPropertyValue(name));
  const probe = (/** @type {string | undefined} */ colour) => {
    canvas.style.color = colour ?? "";
    return getComputedStyle(canvas).color;
  };
  const [accent, alarm] = [probe(ink), probe(warn)];
  // The knob of the slider above it does not reach the ends.
  const inset = 8;
  const step = (width - 2 * inset) / barsMax;
  bars.forEach(({ writes, refused }, index) => {
    const x = inset + index * step;
    const past = (index + 0.5) / barsMax * (end - first) + first <= position;
    context.globalAlpha = past ? 1 : 0.35;
    context.fillStyle = accent;
    const bar = writes === 0 ? 0 : 3 + writes / most * (height - 9);
    context.fillRect(x, height - bar, Math.max(1, step - 1), bar);
    if (refused === 0) return;
    context.strokeStyle = alarm;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x - 2, 1);
    context.lineTo(x + 4, 7);
    context.moveTo(x + 4, 1);
    context.lineTo(x - 2, 7);
    context.stroke();
  });
}
