// @ts-check
/**
 * What the page derives from a state: stale copies, missing writes, messages to draw.
 *
 * @module
 */

import { newestOf } from "./state.js";

/** @import { Item } from "../server/item.ts" */
/** @import { Cell, DiagramMessage, ServerState, State } from "../server/state.ts" */

/**
 * A server's copy of a key, and how it compares with the other servers' copies.
 *
 * - `current`: no server has a newer copy, as far as the dashboard knows;
 * - `stale`: another server has a newer copy;
 * - `missing`: the server has no copy, and another server has one;
 * - `unknown`: the server is down, or it has keys that it has not reported.
 *
 * @param {State} state
 * @param {string} key
 * @param {ServerState} server
 * @returns {{ is: "current" | "stale", cell: Cell, newest: number }
 *   | { is: "missing" | "unknown", cell: undefined, newest: number }}
 */
export function cellOf(state, key, server) {
  const cells = state.table.get(key) ?? new Map();
  const newest = newestOf(cells);
  const cell = cells.get(server.name);
  if (server.up && cell !== undefined) {
    return { is: cell.timestamp < newest ? "stale" : "current", cell, newest };
  }
  const complete = server.up && (server.status?.keys ?? 0) <= keysKnownOf(state, server.name);
  return { is: complete ? "missing" : "unknown", cell: undefined, newest };
}

/**
 * The number of keys for which the dashboard knows the server's copy.
 *
 * @param {State} state
 * @param {string} server
 */
function keysKnownOf({ table }, server) {
  let keys = 0;
  for (const cells of table.values()) if (cells.has(server)) keys++;
  return keys;
}

/**
 * The number of recent writes of the leader that a follower has not applied.
 *
 * @param {State} state
 * @param {ServerState} follower
 */
export function writesBehind(state, follower) {
  let behind = 0;
  for (const timestamp of state.writtenKeys.keys()) if (timestamp > follower.timestamp) behind++;
  return behind;
}

/**
 * The messages that an item stands for, in the order of sending.
 *
 * @param {State} state the state after the item
 * @param {Item} item
 * @returns {DiagramMessage[]}
 */
export function messagesOf(state, item) {
  const { leader } = state;
  switch (item.kind) {
    case "put": {
      const { client, server, key } = item;
      return hopsOf(state, client, server)
        .map(([from, to]) => ({ from, to, key, label: "PUT" }));
    }
    case "replication": {
      const { server, key, timestamp } = item;
      return [{ from: leader, to: server, key, label: "REPLICATION", timestamp }];
    }
    case "acknowledged": {
      const { follower, server, timestamp } = item;
      const key = state.writtenKeys.get(timestamp) ?? "";
      return [{ from: follower, to: server, key, label: "REPLICATION_OK", timestamp }];
    }
    case "put_ok": {
      const { server, client, key, timestamp } = item;
      return hopsOf(state, client, server).reverse()
        .map(([to, from]) => ({ from, to, key, label: "PUT_OK", timestamp }));
    }
    case "get": {
      const { server, client, key, seen, own } = item;
      const label = "refused" in item ? "TRY_OTHER" : "GET_OK";
      return [
        { from: client, to: server, key, label: "GET", timestamp: seen },
        { from: server, to: client, key, label, timestamp: own },
      ];
    }
  }
  return [];
}

/**
 * The hops of a PUT from a client to the leader: one, or two if a follower forwards it.
 *
 * @param {State} state
 * @param {string} client
 * @param {string} leader
 * @returns {[from: string, to: string][]}
 */
function hopsOf({ clientServers }, client, leader) {
  const first = clientServers.get(client) ?? leader;
  return first === leader ? [[client, leader]] : [[client, first], [first, leader]];
}
