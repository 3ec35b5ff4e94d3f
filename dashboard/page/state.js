// @ts-check
/**
 * The state that the page shows, computed from the items of the feed. The feed and the page both
 * run this code; it uses neither clock nor document.
 *
 * @module
 */

import { setCluster, setDown, setMembers, setUp } from "./known_servers.js";
import {
  clientsMax,
  demoStepsMax,
  forwardedMax,
  keysMax,
  refusalsMax,
  secondsMax,
  writesMax,
} from "./limits.js";

/** @import { DemoStep, Item, ServerItem } from "../server/item.ts" */
/** @import { Cell, RefusedGet, RefusedWrite, Second, ServerState, State } from "../server/state.ts" */

/**
 * The state before the first item.
 *
 * @param {readonly string[]} servers "ip:port" of each server
 * @param {boolean} [control] whether stories may stop servers
 * @returns {State}
 */
export function emptyState(servers, control = false) {
  return {
    at: 0,
    servers: servers.map((name) => ({
      name,
      up: false,
      reason: "",
      status: undefined,
      timestamp: 0,
      fault: undefined,
      missed: 0,
      slow: false,
    })),
    leader: "",
    cluster: "",
    inSync: [],
    open: false,
    table: new Map(),
    keysDropped: 0,
    writtenKeys: new Map(),
    forwardedPuts: [],
    clientServers: new Map(),
    clientNumbers: new Map(),
    clients: new Map(),
    refusals: [],
    seconds: [],
    control,
    demoSteps: [],
  };
}

/**
 * A deep copy of a state.
 *
 * @param {State} state
 * @returns {State}
 */
export function copyState(state) {
  return structuredClone(state);
}

/**
 * A value that contains a state, as JSON. A `Map` becomes `{ entries }`.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function encode(value) {
  return JSON.stringify(value, (_, one) => one instanceof Map ? { entries: [...one] } : one);
}

/**
 * The value that {@linkcode encode} has turned into text.
 *
 * @param {string} text
 * @returns {any}
 */
export function decode(text) {
  return JSON.parse(text, (_, one) => Array.isArray(one?.entries) ? new Map(one.entries) : one);
}

/**
 * Applies one item to the state.
 *
 * @param {State} state
 * @param {Item} item
 */
export function apply(state, item) {
  state.at = Math.max(state.at, item.at);
  switch (item.kind) {
    case "client":
      setBounded(state.clientNumbers, item.address, item.client, clientsMax);
      return;
    case "seen":
      setSeen(state, item);
      return;
    case "forgotten":
      state.clients.clear();
      return;
    case "demo":
      addDemoStep(state, item.step);
      return;
  }
  const server = state.servers.find(({ name }) => name === item.server);
  if (server !== undefined) applyServerItem(state, server, item);
}

/**
 * Applies an item of a server.
 *
 * @param {State} state
 * @param {ServerState} server
 * @param {ServerItem} item
 */
function applyServerItem(state, server, item) {
  switch (item.kind) {
    case "up":
      setUp(state, server);
      return;
    case "down":
      setDown(state, server, item.reason);
      return;
    case "status": {
      const { status } = item;
      if (status.leader === server.name) setCluster(state, status.cluster);
      // Later ones come with the writes themselves, and a status may be ahead of those.
      if (server.status === undefined) {
        server.timestamp = Math.max(server.timestamp, status.timestamp);
      }
      server.status = status;
      state.leader = status.leader;
      if (status.leader === server.name) setMembers(state, status.inSync, status.inSync.length > 0);
      return;
    }
    case "counts": {
      // A recording of an older page has no counts of WRITEs.
      const { putOks, gets, refused, replications, writeOks = 0 } = item.counts;
      const second = secondOf(state, item.at);
      second.putOks += putOks + writeOks;
      second.gets += gets;
      second.refused += refused;
      second.replications += replications;
      server.missed = Math.min(server.missed + item.missed, Number.MAX_SAFE_INTEGER);
      return;
    }
    case "slow":
      server.slow = item.slow;
      return;
    case "written":
      setBounded(state.writtenKeys, item.timestamp, item.key, writesMax);
      setCell(state, server, item.key, item);
      return;
    case "table":
      if (server.name === state.leader && server.up) {
        setBounded(state.writtenKeys, item.timestamp, item.key, writesMax);
      }
      setCell(state, server, item.key, item);
      return;
    case "replication":
      setCell(state, server, item.key, item);
      return;
    case "put_ok":
    case "write_ok": {
      if (item.ms === undefined) return;
      const second = secondOf(state, item.at);
      second.timedPutOks++;
      second.putMsSum += item.ms;
      second.putMsMax = Math.max(second.putMsMax, item.ms);
      return;
    }
    case "forwarding":
    case "forwarding_write":
      state.forwardedPuts.push({ server: server.name, key: item.key, value: item.value });
      if (state.forwardedPuts.length > forwardedMax) state.forwardedPuts.shift();
      return;
    case "put":
    case "write": {
      const entryServer = takeForwarder(state, item) ?? server.name;
      setBounded(state.clientServers, item.client, entryServer, clientsMax);
      return;
    }
    case "get":
      setBounded(state.clientServers, item.client, server.name, clientsMax);
      if (!("refused" in item)) return;
      addRefusal(state, {
        at: item.at,
        server: server.name,
        client: item.client,
        key: item.key,
        seen: item.seen,
        own: item.own,
      });
      return;
    case "conflict": {
      const { at, client, key, expected, value, timestamp } = item;
      addRefusal(state, { at, client, key, expected, value, timestamp });
      return;
    }
    case "members":
      setMembers(state, item.inSync, item.open);
      return;
    case "fault": {
      const follower = state.servers.find(({ name }) => name === item.follower);
      if (follower === undefined) return;
      follower.fault = item.action === "resume"
        ? undefined
        : { action: item.action, delayMs: item.delayMs ?? 0 };
    }
  }
}

/**
 * @param {State} state
 * @param {RefusedGet | RefusedWrite} refusal
 */
function addRefusal({ refusals }, refusal) {
  refusals.push(refusal);
  if (refusals.length > refusalsMax) refusals.shift();
}

/**
 * Sets a server's copy of a key, unless the dashboard knows a newer one.
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
  if (timestamp > newestOf(cells)) state.table.delete(key); // set again below, at the end
  cells.set(server.name, { value, timestamp });
  if (!state.table.has(key) && state.table.size === keysMax) state.keysDropped++;
  setBounded(state.table, key, cells, keysMax);
}

/**
 * The follower that has forwarded a PUT or WRITE; `undefined` if the client sent it to the leader
 * itself.
 *
 * @param {State} state
 * @param {{ readonly key: string, readonly value: string | null }} put
 */
export function forwarderOf({ forwardedPuts }, { key, value }) {
  return forwardedPuts.find((put) => put.key === key && put.value === value)?.server;
}

/**
 * Forgets that a PUT or WRITE was forwarded. Returns the follower that has forwarded it.
 *
 * @param {State} state
 * @param {{ readonly key: string, readonly value: string | null }} put
 */
function takeForwarder(state, { key, value }) {
  const { forwardedPuts } = state;
  const index = forwardedPuts.findIndex((put) => put.key === key && put.value === value);
  return index < 0 ? undefined : forwardedPuts.splice(index, 1)[0]?.server;
}

/**
 * Adds a step of a story. One that is over is followed by another one.
 *
 * @param {State} state
 * @param {DemoStep} step
 */
function addDemoStep(state, step) {
  const last = state.demoSteps.at(-1);
  const begins = step.index === 0 || last !== undefined && endsStory(last);
  state.demoSteps = begins ? [step] : [...state.demoSteps, step].slice(-demoStepsMax);
}

/**
 * Whether a step is the last one of its story.
 *
 * @param {DemoStep} step
 */
export function endsStory({ name }) {
  return name === "done" || name === "failed";
}

/**
 * @param {State} state
 * @param {Extract<Item, { readonly kind: "seen" }>} item
 */
function setSeen({ clients }, { client, key, value, timestamp }) {
  const seen = clients.get(client)?.seen ?? new Map();
  seen.delete(key); // so that the key moves to the end
  setBounded(seen, key, { value, timestamp }, keysMax);
  clients.set(client, { seen });
}

/**
 * Sets an entry of a map, and drops the oldest entry if the map gets too large.
 *
 * @template K, V
 * @param {Map<K, V>} map
 * @param {K} key
 * @param {V} value
 * @param {number} max
 */
function setBounded(map, key, value, max) {
  map.set(key, value);
  if (map.size <= max) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/**
 * The second of a time, or the last second of the state if that one is later.
 *
 * @param {State} state
 * @param {number} at
 * @returns {Second}
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
    timedPutOks: 0,
    putMsSum: 0,
    putMsMax: 0,
  };
  seconds.push(fresh);
  while (seconds[0] !== undefined && seconds[0].second <= second - secondsMax) seconds.shift();
  return fresh;
}

/**
 * The highest timestamp among the servers' copies of a key; 0 if no server has one.
 *
 * @param {ReadonlyMap<string, Cell>} cells
 */
export function newestOf(cells) {
  let newest = 0;
  for (const { timestamp } of cells.values()) newest = Math.max(newest, timestamp);
  return newest;
}
