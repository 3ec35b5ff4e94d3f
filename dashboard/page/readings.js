// @ts-check
/**
 * What can be read off a state: which copies are stale, who is behind, which messages moved.
 *
 * @module
 */

import { newestOf } from "./state.js";

/** @import { Cell, Item, Move, ServerState, State } from "../server/item.ts" */

/**
 * What is known of a server's copy of a key.
 *
 * - `current`: no server is known to hold a newer one;
 * - `stale`: another server holds a newer one;
 * - `missing`: the server has none, and another one has;
 * - `unknown`: the server cannot be reached, or has keys that it did not tell of.
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
  const known = server.up && (server.status?.keys ?? 0) <= keysHeld(state, server.name);
  return { is: known ? "missing" : "unknown", cell: undefined, newest };
}

/**
 * @param {State} state
 * @param {string} server
 */
function keysHeld({ table }, server) {
  let held = 0;
  for (const cells of table.values()) if (cells.has(server)) held++;
  return held;
}

/**
 * Writes that the leader has stamped, as far as they are remembered, and a follower has not
 * applied.
 *
 * @param {State} state
 * @param {ServerState} follower
 */
export function writesBehind(state, follower) {
  let behind = 0;
  for (const timestamp of state.writes.keys()) if (timestamp > follower.timestamp) behind++;
  return behind;
}

/**
 * The messages that an item tells of, in their order. An end of a message is a server or, for a
 * client, its "ip:port".
 *
 * @param {State} state as it is after the item
 * @param {Item} item
 * @returns {Move[]}
 */
export function movesOf(state, item) {
  const { leader } = state;
  switch (item.kind) {
    case "put": {
      const { client, server, key } = item;
      return through(state, client, server)
        .map(([from, to]) => ({ from, to, key, label: "PUT" }));
    }
    case "replication": {
      const { server, key, timestamp } = item;
      return [{ from: leader, to: server, key, label: "REPLICATION", timestamp }];
    }
    case "acknowledged": {
      const { follower, server, timestamp } = item;
      const key = state.writes.get(timestamp) ?? "";
      return [{ from: follower, to: server, key, label: "REPLICATION_OK", timestamp }];
    }
    case "put_ok": {
      const { server, client, key, timestamp } = item;
      return through(state, client, server).reverse()
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
 * The way from a client to a server, over the one that the client is connected to.
 *
 * @param {State} state
 * @param {string} client
 * @param {string} server
 * @returns {[string, string][]}
 */
function through({ homes }, client, server) {
  const home = homes.get(client) ?? server;
  return home === server ? [[client, server]] : [[client, home], [home, server]];
}
