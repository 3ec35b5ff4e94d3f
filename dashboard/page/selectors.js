// @ts-check
/**
 * What the page derives from a state: stale copies, missing writes, messages to draw.
 *
 * @module
 */

import { holdsReplication, stopsServers } from "../stories/stories.js";
import { endsStory, forwarderOf, newestOf } from "./state.js";

/** @import { Item } from "../server/item.ts" */
/** @import { Story } from "../stories/story.ts" */
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
 * The number of recent writes of the leader that a follower has not applied. It is 0 while the
 * dashboard does not see both.
 *
 * @param {State} state
 * @param {ServerState} follower
 */
export function writesBehind(state, follower) {
  const leader = state.servers.find(({ name }) => name === state.leader);
  if (!leader?.up || !follower.up || follower.status === undefined) return 0;
  let behind = 0;
  for (const timestamp of state.writtenKeys.keys()) if (timestamp > follower.timestamp) behind++;
  return behind;
}

/** By kind of an item: the answer to a PUT or WRITE that it stands for. */
const writeAnswers = /** @type {const} */ ({
  put_ok: "PUT_OK",
  write_ok: "WRITE_OK",
  conflict: "CONFLICT",
});

/**
 * The messages that an item stands for, in the order of sending.
 *
 * @param {State} state the state before the item
 * @param {Item} item
 * @returns {DiagramMessage[]}
 */
export function messagesOf(state, item) {
  const { leader } = state;
  switch (item.kind) {
    case "put":
    case "write": {
      const { client: from, server, key } = item;
      const client = clientOf(state, from);
      const label = item.kind === "put" ? "PUT" : "WRITE";
      return hopsOf(from, forwarderOf(state, item) ?? server, server)
        .map(([from, to]) => ({ from, to, key, label, client }));
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
    case "put_ok":
    case "write_ok":
    case "conflict": {
      const { server, client: to, key, timestamp } = item;
      const client = clientOf(state, to);
      const label = writeAnswers[item.kind];
      return hopsOf(to, state.clientServers.get(to) ?? server, server).reverse()
        .map(([to, from]) => ({ from, to, key, label, timestamp, client }));
    }
    case "get": {
      const { server, client: asker, key, seen, own } = item;
      const client = clientOf(state, asker);
      const label = "refused" in item ? "TRY_OTHER" : "GET_OK";
      return [
        { from: asker, to: server, key, label: "GET", timestamp: seen, client },
        { from: server, to: asker, key, label, timestamp: own, client },
      ];
    }
  }
  return [];
}

/**
 * Whether a message is a request of a client.
 *
 * @param {DiagramMessage} message
 */
export function asks({ label }) {
  return label === "PUT" || label === "GET" || label === "WRITE";
}

/**
 * How a message is drawn.
 *
 * @param {DiagramMessage} message
 * @returns {"request" | "answer" | "refused"}
 */
export function kindOf({ label }) {
  if (label === "TRY_OTHER" || label === "CONFLICT") return "refused";
  return label.endsWith("_OK") ? "answer" : "request";
}

/**
 * Whether an item is a request that was refused: a GET with TRY_OTHER, or a WRITE with CONFLICT.
 *
 * @param {Item} item
 */
export function isRefusal(item) {
  return item.kind === "conflict" || item.kind === "get" && "refused" in item;
}

/**
 * The number of a client, given its "ip:port"; 0 if it is not one of the dashboard's.
 *
 * @param {State} state
 * @param {string} address
 */
export function clientOf({ clientNumbers }, address) {
  return clientNumbers.get(address) ?? 0;
}

/**
 * The numbers of the clients that have a box: 1 and 2, those that were connected, and 0 for all
 * others.
 *
 * @param {...State} states
 * @returns {number[]} in the order of the boxes
 */
export function shownClients(...states) {
  const numbers = new Set([1, 2]);
  let others = false;
  for (const { clientNumbers, clientServers, clients } of states) {
    for (const number of [...clientNumbers.values(), ...clients.keys()]) numbers.add(number);
    others ||= [...clientServers.keys()].some((address) => !clientNumbers.has(address));
  }
  numbers.delete(0);
  return [...[...numbers].sort((a, b) => a - b), ...(others ? [0] : [])];
}

/**
 * The hops of a PUT from a client to the leader: one, or two if a follower forwards it.
 *
 * @param {string} client
 * @param {string} first the server that the client is connected to
 * @param {string} leader
 * @returns {[from: string, to: string][]}
 */
function hopsOf(client, first, leader) {
  return first === leader ? [[client, leader]] : [[client, first], [first, leader]];
}

/**
 * Why a command does nothing now.
 *
 * - `disconnected`: the page is not connected to the dashboard;
 * - `noServer`: the dashboard is connected to no server;
 * - `unknownLeader`: no server has said yet who leads;
 * - `leaderDown`: the dashboard is not connected to the leader;
 * - `faultsOff`: the leader was started without `--allow-faults`;
 * - `followerAway`: the follower is not in sync, or a story lacks one of its two;
 * - `alreadyHeld`: the replication is held already;
 * - `nothingHeld`: the replication is neither held nor delayed.
 *
 * @typedef {"disconnected" | "noServer" | "unknownLeader" | "leaderDown" | "faultsOff" | "followerAway"
 *   | "alreadyHeld" | "nothingHeld"} Reason
 */

/**
 * Why PUT and GET do nothing; `undefined` if a server can be asked.
 *
 * @param {State} state
 * @returns {"noServer" | undefined}
 */
export function requestsReason({ servers }) {
  return servers.some(({ up }) => up) ? undefined : "noServer";
}

/**
 * Why a story cannot be told: a {@linkcode Reason}, or `running`, one is under way; or `noControl`,
 * the dashboard cannot stop servers; or `notThree`, the story is about three servers.
 *
 * @typedef {Exclude<Reason, "noServer" | "alreadyHeld" | "nothingHeld"> | "running" | "noControl"
 *   | "notThree"} StoryReason
 */

/**
 * Why a story cannot begin; `undefined` if it can.
 *
 * @param {State} state
 * @param {Story} story
 * @returns {StoryReason | undefined}
 */
export function storyReason(state, story) {
  if (stopsServers(story) && !state.control) return "noControl";
  if (stopsServers(story) && state.servers.length !== 3) return "notThree";
  const last = state.demoSteps.at(-1);
  if (last !== undefined && !endsStory(last)) return "running";
  const reason = faultsReason(state);
  if (reason !== undefined && (reason !== "faultsOff" || holdsReplication(story))) return reason;
  const followers = state.servers
    .filter(({ name }) => name !== state.leader && state.inSync.includes(name));
  return followers.length < 2 ? "followerAway" : undefined;
}

/**
 * Why a fault button of a follower does nothing; `undefined` if it does something.
 *
 * @param {State} state
 * @param {ServerState} follower
 * @param {"pause" | "delay" | "resume"} action
 * @returns {Reason | undefined}
 */
export function faultReason(state, follower, action) {
  const reason = faultsReason(state);
  if (reason !== undefined) return reason;
  if (action === "resume") return follower.fault === undefined ? "nothingHeld" : undefined;
  if (!state.inSync.includes(follower.name)) return "followerAway";
  return action === "pause" && follower.fault?.action === "pause" ? "alreadyHeld" : undefined;
}

/**
 * Why no fault can begin or end; `undefined` if one can.
 *
 * @param {State} state
 * @returns {"unknownLeader" | "leaderDown" | "faultsOff" | undefined}
 */
function faultsReason({ servers, leader }) {
  if (leader === "") return "unknownLeader";
  const server = servers.find(({ name }) => name === leader);
  if (!server?.up || server.status === undefined) return "leaderDown";
  return server.status.faults === true ? undefined : "faultsOff";
}

/**
 * Whether the page lists an item as an event. The steps of the playback stop only at such items.
 *
 * @param {Item} item
 */
export function isStep({ kind }) {
  return !["counts", "status", "client", "seen", "table"].includes(kind);
}
