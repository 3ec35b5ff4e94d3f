// @ts-check
/**
 * The state that the dashboard shows, as a function of the items that it was fed. It runs in the
 * feed and in the page; it knows neither clock nor document.
 *
 * @module
 */

/** @import { Cell, Item, ServerState, State } from "../server/item.ts" */

/** Keys in the table; beyond that the one that was written longest ago is dropped. */
export const keysMax = 200;
/** Writes whose key is remembered by their timestamp. */
export const writesMax = 500;
/** Refused GETs that are remembered. */
export const refusalsMax = 50;
/** Seconds in the plots. */
export const secondsMax = 60;
/** PUTs that a follower has passed on that are remembered. */
export const forwardedMax = 32;
/** Connections of clients that are remembered. */
export const clientsMax = 64;

/**
 * The state before anything has happened.
 *
 * @param {readonly string[]} servers "ip:port" of each
 * @returns {State}
 */
export function emptyState(servers) {
  return {
    at: 0,
    servers: servers.map((name) => ({
      name,
      up: false,
      reason: "",
      status: undefined,
      timestamp: 0,
      acknowledged: 0,
      held: undefined,
      missed: 0,
    })),
    leader: "",
    inSync: [],
    open: false,
    table: new Map(),
    dropped: 0,
    writes: new Map(),
    forwarded: [],
    homes: new Map(),
    clients: new Map(),
    seen: new Map(),
    refusals: [],
    seconds: [],
    story: [],
  };
}

/**
 * A copy that shares nothing.
 *
 * @param {State} state
 * @returns {State}
 */
export function copyState(state) {
  return structuredClone(state);
}

/**
 * Text for something that holds a state. The items of a feed hold no maps and are plain JSON.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function encode(value) {
  return JSON.stringify(value, (_, one) => one instanceof Map ? { entries: [...one] } : one);
}

/**
 * What {@linkcode encode} has made a text of.
 *
 * @param {string} text
 * @returns {any}
 */
export function decode(text) {
  return JSON.parse(text, (_, one) => Array.isArray(one?.entries) ? new Map(one.entries) : one);
}

/**
 * Changes the state by one item.
 *
 * @param {State} state
 * @param {Item} item
 */
export function apply(state, item) {
  state.at = Math.max(state.at, item.at);
  switch (item.kind) {
    case "client":
      remember(state.clients, item.address, item.client, clientsMax);
      return;
    case "seen":
      see(state, item.client, item.key, item.timestamp);
      return;
    case "forgotten":
      state.seen.clear();
      return;
    case "story":
      state.story = item.story.step === "pause" ? [item.story] : [...state.story, item.story];
      return;
  }
  const server = state.servers.find(({ name }) => name === item.server);
  if (server !== undefined) applyTo(state, server, item);
}

/**
 * Changes the state by an item of a server.
 *
 * @param {State} state
 * @param {ServerState} server
 * @param {Exclude<Item, { kind: "client" | "seen" | "forgotten" | "story" }>} item
 */
function applyTo(state, server, item) {
  switch (item.kind) {
    case "up":
      goUp(state, server);
      return;
    case "down":
      server.up = false;
      server.reason = item.reason;
      server.status = undefined;
      if (server.name === state.leader) state.open = false;
      return;
    case "status": {
      const { status } = item;
      server.status = status;
      server.timestamp = Math.max(server.timestamp, status.timestamp);
      state.leader = status.leader;
      if (status.leader === server.name) setMembers(state, status.inSync, status.inSync.length > 0);
      return;
    }
    case "counts": {
      const { putOks, gets, refused, replications } = item.counts;
      const second = secondOf(state, item.at);
      second.putOks += putOks;
      second.gets += gets;
      second.refused += refused;
      second.replications += replications;
      server.missed += item.missed;
      return;
    }
    case "written":
      remember(state.writes, item.timestamp, item.key, writesMax);
      setCell(state, server, item.key, item);
      return;
    case "table":
    case "replication":
      setCell(state, server, item.key, item);
      return;
    case "acknowledged": {
      const follower = state.servers.find(({ name }) => name === item.follower);
      if (follower !== undefined) follower.acknowledged = item.timestamp;
      return;
    }
    case "put_ok": {
      const second = secondOf(state, item.at);
      second.timed++;
      second.msSum += item.ms;
      second.msMax = Math.max(second.msMax, item.ms);
      return;
    }
    case "forwarding":
      state.forwarded.push({ server: server.name, key: item.key, value: item.value });
      if (state.forwarded.length > forwardedMax) state.forwarded.shift();
      return;
    case "put":
      remember(state.homes, item.client, takeForwarder(state, item) ?? server.name, clientsMax);
      return;
    case "get":
      remember(state.homes, item.client, server.name, clientsMax);
      if (!("refused" in item)) return;
      state.refusals.push({
        at: item.at,
        server: server.name,
        client: item.client,
        key: item.key,
        seen: item.seen,
        own: item.own,
      });
      if (state.refusals.length > refusalsMax) state.refusals.shift();
      return;
    case "members":
      setMembers(state, item.inSync, item.open);
      return;
    case "fault": {
      const follower = state.servers.find(({ name }) => name === item.follower);
      if (follower === undefined) return;
      follower.held = item.action === "resume"
        ? undefined
        : { action: item.action, delayMs: item.delayMs ?? 0 };
    }
  }
}

/**
 * A server that was connected to tells first what it holds. What was known of it before may be
 * older than its memory.
 *
 * @param {State} state
 * @param {ServerState} server
 */
function goUp(state, server) {
  server.up = true;
  server.reason = "";
  server.timestamp = 0;
  server.acknowledged = 0;
  for (const [key, cells] of state.table) {
    cells.delete(server.name);
    if (cells.size === 0) state.table.delete(key);
  }
}

/**
 * Takes note of what a server holds of a key.
 *
 * @param {State} state
 * @param {ServerState} server
 * @param {string} key
 * @param {Cell} cell
 */
function setCell(state, server, key, { value, timestamp }) {
  server.timestamp = Math.max(server.timestamp, timestamp);
  const cells = state.table.get(key) ?? new Map();
  const present = cells.get(server.name);
  if (present !== undefined && present.timestamp > timestamp) return;
  if (timestamp > newestOf(cells)) state.table.delete(key); // it goes to the end
  cells.set(server.name, { value, timestamp });
  if (!state.table.has(key) && state.table.size === keysMax) state.dropped++;
  remember(state.table, key, cells, keysMax);
}

/**
 * The follower that has passed on a PUT, `undefined` where its client asked the leader itself.
 *
 * @param {State} state
 * @param {{ readonly key: string, readonly value: string }} put
 */
function takeForwarder({ forwarded }, { key, value }) {
  const index = forwarded.findIndex((one) => one.key === key && one.value === value);
  return index < 0 ? undefined : forwarded.splice(index, 1)[0]?.server;
}

/**
 * @param {State} state
 * @param {readonly string[]} inSync
 * @param {boolean} open
 */
function setMembers(state, inSync, open) {
  state.inSync = [...inSync];
  state.open = open;
}

/**
 * @param {State} state
 * @param {number} client
 * @param {string} key
 * @param {number} timestamp
 */
function see(state, client, key, timestamp) {
  const seen = state.seen.get(client) ?? new Map();
  seen.delete(key);
  remember(seen, key, timestamp, keysMax);
  state.seen.set(client, seen);
}

/**
 * Adds to a map, and drops the oldest where it would grow too large.
 *
 * @template K, V
 * @param {Map<K, V>} map
 * @param {K} key
 * @param {V} value
 * @param {number} max
 */
function remember(map, key, value, max) {
  map.set(key, value);
  if (map.size <= max) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/**
 * The second that a time lies in, or the last one where that is over already.
 *
 * @param {State} state
 * @param {number} at
 */
function secondOf({ seconds }, at) {
  const second = Math.floor(at / 1000);
  const last = seconds.at(-1);
  if (last !== undefined && last.second >= second) return last;
  const fresh = {
    second,
    putOks: 0,
    gets: 0,
    refused: 0,
    replications: 0,
    timed: 0,
    msSum: 0,
    msMax: 0,
  };
  seconds.push(fresh);
  while (seconds[0] !== undefined && seconds[0].second <= second - secondsMax) seconds.shift();
  return fresh;
}

/**
 * The newest timestamp among the servers' cells of a key.
 *
 * @param {ReadonlyMap<string, Cell>} cells
 */
export function newestOf(cells) {
  let newest = 0;
  for (const { timestamp } of cells.values()) newest = Math.max(newest, timestamp);
  return newest;
}
