// @ts-check
/**
 * The space-time diagram of a recording: who sent what to which server, and what came first. It uses
 * neither clock nor document.
 *
 * @module
 */

import { Cursor } from "./cursor.js";
import { searchedMax, spaceTimeRowsMax } from "./limits.js";
import { isStep, messagesOf } from "./selectors.js";
import { EventRows } from "./spacetime_rows.js";

/** @import { DiagramMessage, State } from "../server/state.ts" */
/** @import { Item } from "../server/item.ts" */
/** @import { Recording } from "./recording.js" */
/** @import { Row } from "./spacetime_rows.js" */

/**
 * A client or a server. `client` is the number of one of the dashboard's clients, 0 for all others.
 *
 * @typedef {{ readonly client: number }
 *   | { readonly server: string, readonly leads: boolean }} Column
 */

/**
 * A message. `from` and `to` are columns, `begin` and `end` rows.
 *
 * - `begin` is left out if the cause of the message is not among the rows;
 * - `end` is left out while the message has not arrived.
 *
 * @typedef {object} Arrow
 * @property {DiagramMessage} message
 * @property {number} from
 * @property {number} to
 * @property {number} [begin]
 * @property {number} [end]
 */

/**
 * An effect on a server. `column` and `row` are its place.
 *
 * @typedef {{ readonly item: Item, readonly column: number, readonly row: number }} Dot
 */

/**
 * The space-time diagram. The rows are in the order of the events, the newest at the end.
 *
 * @typedef {object} SpaceTime
 * @property {readonly Column[]} columns
 * @property {readonly Row[]} rows
 * @property {readonly Arrow[]} arrows
 * @property {readonly Dot[]} dots
 */

/**
 * The space-time diagram of the last events before a position.
 *
 * @param {Recording} recording
 * @param {number} position
 * @param {number} [rowsMax]
 * @returns {SpaceTime}
 */
export function spaceTime(recording, position, rowsMax = spaceTimeRowsMax) {
  const events = new EventRows();
  const cursor = new Cursor(recording);
  cursor.moveTo(beginOf(recording, position, rowsMax));
  while (cursor.position < position) {
    const item = recording.itemAt(cursor.position);
    if (item === undefined) break;
    events.add(item, messagesOf(cursor.state, item));
    cursor.forward(() => true);
  }
  events.addMessagesUnderWay(cursor.state);
  return lastRows(events, cursor.state, rowsMax);
}

/**
 * Where the items of the last rows begin.
 *
 * @param {Recording} recording
 * @param {number} position
 * @param {number} rowsMax
 */
function beginOf(recording, position, rowsMax) {
  const first = Math.max(recording.first, position - searchedMax);
  let rows = 0;
  let at = position;
  while (at > first && rows < rowsMax) {
    const item = recording.itemAt(--at);
    if (item !== undefined && isStep(item)) rows++;
  }
  return at;
}

/**
 * The diagram of the last rows.
 *
 * @param {EventRows} events
 * @param {State} state
 * @param {number} rowsMax
 * @returns {SpaceTime}
 */
function lastRows(events, state, rowsMax) {
  const rows = events.rows.slice(-rowsMax);
  const indexes = new Map(rows.map((row, index) => [row, index]));
  const indexOf = (/** @type {Row | undefined} */ row) =>
    row === undefined ? undefined : indexes.get(row);
  const shown = events.messages.filter(({ begin, end }) => indexOf(end ?? begin) !== undefined);
  const columns = columnsOf(state, shown.map(({ message }) => message));
  const columnOf = (/** @type {string} */ address, client = -1) => {
    const server = columns.findIndex((one) => "server" in one && one.server === address);
    if (server >= 0) return server;
    return columns.findIndex((one) => "client" in one && one.client === client);
  };
  const arrows = shown.map((one) => {
    const { message } = one;
    const [begin, end] = [indexOf(one.begin), indexOf(one.end)];
    return {
      message,
      from: columnOf(message.from, message.client),
      to: columnOf(message.to, message.client),
      ...(begin === undefined ? {} : { begin }),
      ...(end === undefined ? {} : { end }),
    };
  });
  const dots = events.effects.flatMap(({ item, server, row }) => {
    const index = indexOf(row);
    return index === undefined ? [] : [{ item, column: columnOf(server), row: index }];
  });
  return {
    columns,
    rows,
    // An end that is no column is a leader that is not known yet.
    arrows: arrows.filter(({ from, to }) => from >= 0 && to >= 0),
    dots: dots.filter(({ column }) => column >= 0),
  };
}

/**
 * The columns: the clients of some messages, the leader, and the followers.
 *
 * @param {State} state
 * @param {readonly DiagramMessage[]} messages
 * @returns {Column[]}
 */
function columnsOf({ servers, leader }, messages) {
  const clients = new Set(messages.flatMap(({ client }) => client === undefined ? [] : [client]));
  const others = clients.delete(0) ? [0] : [];
  const names = servers.map(({ name }) => name);
  return [
    ...[...[...clients].sort((a, b) => a - b), ...others].map((client) => ({ client })),
    ...names.filter((name) => name === leader).map((server) => ({ server, leads: true })),
    ...names.filter((name) => name !== leader).map((server) => ({ server, leads: false })),
  ];
}
