// @ts-check
/**
 * What the state knows of the servers as they come, go, and become another cluster.
 *
 * @module
 */

/** @import { ServerState, State } from "../server/state.ts" */

/**
 * Marks a server as connected, and forgets its copies of the keys. The server sends its table next,
 * and after a restart that table may be older than what the dashboard knew.
 *
 * @param {State} state
 * @param {ServerState} server
 */
export function setUp(state, server) {
  server.up = true;
  server.slow = false;
  server.reason = "";
  forgetCopies(state, server);
  if (server.name === state.leader) forgetFaults(state);
}

/**
 * Marks a server as not connected. Its copies are unknown from then on. What only a leader knows is
 * unknown without it: which followers are in sync, which replication is held, and which writes wait.
 *
 * @param {State} state
 * @param {ServerState} server
 * @param {string} reason
 */
export function setDown(state, server, reason) {
  server.up = false;
  server.reason = reason;
  server.status = undefined;
  forgetCopies(state, server);
  if (server.name !== state.leader) return;
  setMembers(state, [], false);
  forgetFaults(state);
  state.writtenKeys.clear();
  state.forwardedPuts = [];
}

/**
 * Takes the id of the leader's cluster. If it is another cluster than before, nothing that happened
 * in that one is true any more.
 *
 * @param {State} state
 * @param {string} cluster
 */
export function setCluster(state, cluster) {
  if (cluster === "" || cluster === state.cluster) return;
  const before = state.cluster;
  state.cluster = cluster;
  if (before === "") return;
  // The writes of the new leader that have come before its first status are in its table.
  for (const [timestamp, key] of state.writtenKeys) {
    if (state.table.get(key)?.get(state.leader)?.timestamp !== timestamp) {
      state.writtenKeys.delete(timestamp);
    }
  }
  state.forwardedPuts = [];
  state.refusals = [];
  state.demoSteps = [];
}

/**
 * Forgets a server's copies of the keys. It sends its table to each new observer.
 *
 * @param {State} state
 * @param {ServerState} server
 */
function forgetCopies(state, server) {
  server.timestamp = server.status?.timestamp ?? 0;
  for (const [key, cells] of state.table) {
    cells.delete(server.name);
    if (cells.size === 0) state.table.delete(key);
  }
}

/**
 * Forgets the faults. A leader reports those that it has to each new observer.
 *
 * @param {State} state
 */
function forgetFaults({ servers }) {
  for (const server of servers) server.fault = undefined;
}

/**
 * @param {State} state
 * @param {readonly string[]} inSync
 * @param {boolean} open
 */
export function setMembers(state, inSync, open) {
  state.inSync = [...inSync];
  state.open = open;
}
