/**
 * The lists and tables of the page. They show the state and take no input.
 *
 * @module
 */

import { html } from "./dom.js";
import { clock, readable } from "./format.js";
import { eventsMax, searchedMax, seenMax } from "./limits.js";
import { cellOf, isRefusal } from "./selectors.js";

/** @import { DemoStep, Item } from "../server/item.ts" */
/** @import { RefusedGet, RefusedWrite, SeenCopy, ServerState, State } from "../server/state.ts" */
/** @import { Names } from "./format.js" */
/** @import { Recording } from "./recording.js" */
/** @import { Texts } from "./texts.js" */

/**
 * Shows the table: a row for each key, a column for each server's copy.
 *
 * @param {{ columns: HTMLElement, rows: HTMLElement }} roots
 * @param {State} state
 * @param {number} max the most keys: those that were written last
 * @param {Names} names
 * @param {Texts} t
 */
export function showTable({ columns, rows }, state, max, names, t) {
  columns.replaceChildren(
    html("th", { scope: "col" }, t.key),
    ...state.servers.map((server) =>
      html(
        "th",
        { scope: "col" },
        names.server(server.name),
        html("small", {}, statusLine(server, state, t)),
      )
    ),
  );
  const newest = [...state.table.keys()].slice(-max).sort();
  rows.replaceChildren(...newest.map((key) =>
    html(
      "tr",
      {},
      html("th", { scope: "row", title: key }, readable(key)),
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
    const shown = html("span", { class: "cell-value" }, mark);
    return html("td", attributes, shown, html("span", { class: "cell-note" }, note));
  }
  const late = is === "stale" ? ` · ${t.stale}` : "";
  const note = html("span", { class: "cell-note" }, `${t.ts} ${cell.timestamp}${late}`);
  if (is === "stale") note.title = t.staleTitle(newest);
  return html(
    "td",
    attributes,
    html("span", { class: "cell-value", title: cell.value ?? "" }, readable(cell.value)),
    note,
  );
}

/**
 * @param {ServerState} server
 * @param {State} state
 * @param {Texts} t
 */
function statusLine({ name, up, reason, status, slow }, { leader }, t) {
  if (!up) return reason === "" ? t.unreachable : `${t.unreachable}: ${reason}`;
  if (slow) return t.slow;
  const role = name === leader ? t.leaderRole : t.followerRole;
  if (status === undefined) return role;
  const { keys, connections, uptimeMs, memoryBytes } = status;
  return `${role} · ${t.status(keys, connections, uptimeMs, memoryBytes)}`;
}

/**
 * Shows why GETs and WRITEs were refused, the newest first.
 *
 * @param {HTMLElement} root
 * @param {readonly (RefusedGet | RefusedWrite)[]} refusals
 * @param {Names} names
 * @param {Texts} t
 */
export function showRefusals(root, refusals, names, t) {
  root.replaceChildren(
    ...refusals.toReversed().map((refusal) => {
      const shown = { ...refusal, key: readable(refusal.key) };
      return html(
        "li",
        {},
        html("time", {}, clock(refusal.at)),
        html("span", {}, "expected" in shown ? t.conflict(shown, names) : t.refusal(shown, names)),
      );
    }),
  );
}

/**
 * Shows the steps of a recording up to a position, the newest first.
 *
 * @param {HTMLElement} root
 * @param {Recording} recording
 * @param {number} position
 * @param {(item: Item) => boolean} isStep
 * @param {Names} names
 * @param {Texts} t
 */
export function showEvents(root, recording, position, isStep, names, t) {
  const entries = [];
  const first = Math.max(recording.first, position - searchedMax);
  for (let at = position - 1; at >= first && entries.length < eventsMax; at--) {
    const item = recording.itemAt(at);
    if (item === undefined || !isStep(item)) continue;
    entries.push(html(
      "li",
      {
        ...(isRefusal(item) ? { class: "refused" } : {}),
        ...(entries.length === 0 ? { "aria-current": "true" } : {}),
      },
      html("time", {}, clock(item.at)),
      html("span", { class: "number" }, "server" in item ? names.server(item.server) : ""),
      html("span", {}, t.item(item, names)),
    ));
  }
  root.replaceChildren(...entries);
}

/**
 * Shows the steps of a story. Steps that are shown already stay as they are, because a
 * screen reader reads every new element aloud.
 *
 * @param {HTMLElement} root
 * @param {readonly DemoStep[]} steps
 * @param {Names} names
 * @param {Texts} t
 */
export function showDemo(root, steps, names, t) {
  const first = steps[0];
  const run = first === undefined ? "" : `${first.run}`;
  const continues = root.dataset.language === t.htmlLang && root.dataset.run === run &&
    root.childElementCount <= steps.length;
  if (!continues) root.replaceChildren();
  root.dataset.language = t.htmlLang;
  root.dataset.run = run;
  for (const step of steps.slice(root.childElementCount)) {
    root.append(html("li", { "data-step": step.name }, t.demoStep(step, names)));
  }
}

/**
 * Shows the timestamps that one of the clients has seen, the newest first.
 *
 * @param {HTMLElement} root
 * @param {ReadonlyMap<string, SeenCopy>} seen
 * @param {Texts} t
 */
export function showSeen(root, seen, t) {
  root.replaceChildren(
    ...[...seen].slice(-seenMax).reverse().flatMap(([key, { timestamp }]) => [
      html("dt", {}, readable(key)),
      html("dd", {}, `${t.ts} ${timestamp}`),
    ]),
  );
}
