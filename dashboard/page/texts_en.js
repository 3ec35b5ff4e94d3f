// @ts-check
/**
 * The page's texts in English.
 *
 * @module
 */

import { capitalized, duration, mebibytes } from "./format.js";

/** @import { Texts } from "./texts.js" */

/** @type {Texts} */
export const en = {
  htmlLang: "en",
  title: "Replication, live",
  lead: "Three servers, one table. No client ever reads anything older than it has seen.",
  language: "Português",
  languageTitle: "Switch to Portuguese",
  theme: "Theme",
  themes: { auto: "Automatic", light: "Light", dark: "Dark" },
  connection: {
    connected: "connected",
    disconnected: "no connection to the dashboard",
    hidden: "not live while this page is hidden",
    waiting: "not live: click or press a key",
  },
  skip: "Skip to the commands",

  cluster: "Servers and messages",
  clients: "Clients",
  others: "others",
  clientName: (n) => `client ${n}`,
  leaderRole: "leader",
  followerRole: "follower",
  inSync: "in sync",
  notInSync: "not in sync",
  slow: "sends more than the dashboard can take, so it is read slowly",
  unreachable: "unreachable",
  lastTimestamp: (ts) => `last ts ${ts}`,
  paused: "paused",
  delayed: (ms) => `+${ms} ms`,
  withheld: (n) => n === 1 ? "1 write held back" : `${n} writes held back`,
  sampled: (drawn, all) => `Sample: ${drawn} of the last second's ${all} messages are drawn`,
  notSampled: "All messages are drawn",
  lost: (n) => `${n} events were lost on the way to this page`,
  diagram: (summary) => `Diagram of the servers. ${summary}`,

  playback: "Playback",
  live: "Live",
  goLive: "Back to live",
  pause: "Pause",
  play: "Play",
  stepBack: "Step back",
  stepForward: "Step forward",
  speed: "Speed",
  timeline: "Timeline",
  position: (n, all) => `event ${n} of ${all}`,
  noEvents: "nothing recorded yet",
  events: "Events",
  noEventsYet: "Do a PUT to see what happens.",

  table: "What each server holds",
  key: "Key",
  emptyTable: "No keys yet.",
  stale: "stale",
  missing: "no copy",
  unknown: "unknown",
  staleTitle: (newest) => `another server has a newer one, with timestamp ${newest}`,
  shownKeys: (shown, all) => `The ${shown} written last, of ${all} known`,
  ts: "ts",

  rates: "Rates",
  putsPerSecond: "PUT_OK/s",
  getsPerSecond: "GET/s",
  refusedPerSecond: "Refused GET/s",
  replicationsPerSecond: "REPLICATION/s",
  putMs: "ms to PUT_OK (dashed: the longest)",
  lastMinute: "last minute",
  now: "now",
  most: "max.",

  refusals: "Refused GETs, and why",
  noRefusals: "None so far. “Show me TRY_OTHER” causes one.",

  commands: "Try it",
  client: "Client",
  value: "Value",
  server: "Server",
  random: "drawn at random",
  put: "PUT",
  get: "GET",
  seenTitle: "What this client has seen",
  seenNothing: "Nothing yet: all timestamps are 0.",
  working: "sending…",

  faults: "Replication",
  faultsOff: "Fault commands are off: the servers need --allow-faults.",
  pauseFault: "Pause",
  delayFault: "Delay 1 s",
  resumeFault: "Resume",
  towards: (server) => `to ${server}`,
  faultState: { none: "normal", pause: "paused", delay: "delayed" },

  demo: "Show me TRY_OTHER",
  demoText:
    "Holds replication to a follower, writes, reads the new value at the leader and asks the late follower.",
  demoRunning: "Showing…",

  status: (keys, connections, uptimeMs, bytes) =>
    [
      keys === 1 ? "1 key" : `${keys} keys`,
      connections === 1 ? "1 connection" : `${connections} connections`,
      `up ${duration(uptimeMs)}`,
      mebibytes(bytes),
    ].join(" · "),

  putOk: (server, ts) => `PUT_OK from ${server}, timestamp ${ts}`,
  getOk: (value, server, seen, ts) =>
    `${value} from ${server}, my timestamp ${seen}, the server's ${ts}`,
  getRefused: (server, seen, ts) =>
    `TRY_OTHER_SERVER_OR_LATER from ${server}: my timestamp ${seen}, the server's ${ts}`,
  failed: {
    BAD_MESSAGE: "invalid request",
    UNAVAILABLE: "not carried out",
    UNKNOWN_OUTCOME: "unknown whether it was carried out",
    REFUSED: "refused by the dashboard",
  },

  refusal: ({ client, key, seen, own, server }, names) =>
    own === 0
      ? `${capitalized(names.client(client))} has seen ${key} with timestamp ${seen}; server ${
        names.server(server)
      } does not have that key yet.`
      : `${capitalized(names.client(client))} has seen ${key} with timestamp ${seen}; server ${
        names.server(server)
      } has only ${own}.`,

  demoStep: ({ name, follower, leader, key, value, seen = 0, own = 0, reason = "" }, names) => {
    switch (name) {
      case "pause":
        return `Replication to ${names.server(follower)} is held back.`;
      case "put":
        return `Client 2 asks the leader for PUT ${key} = ${value}. ${
          names.server(follower)
        } has not confirmed it, so PUT_OK waits.`;
      case "seen":
        return `Client 1 does GET ${key} at the leader ${
          names.server(leader)
        } and sees ${value} already, with timestamp ${seen}.`;
      case "refused":
        return `The same client 1 asks ${
          names.server(follower)
        }, which has only timestamp ${own}: TRY_OTHER_SERVER_OR_LATER.`;
      case "resume":
        return `Replication to ${names.server(follower)} goes on.`;
      case "stored":
        return `All have confirmed: client 2 gets PUT_OK with timestamp ${own}.`;
      case "caught_up":
        return `Now ${names.server(follower)} answers ${value}, with timestamp ${own}.`;
      case "done":
        return "That is all. No code was changed: a message came late.";
      case "failed":
        return `It did not work: ${reason}`;
    }
  },

  item: (item, names) => {
    switch (item.kind) {
      case "put":
        return `PUT ${item.key} = ${names.value(item.value)}, from ${names.client(item.client)}`;
      case "forwarding":
        return `forwards PUT ${item.key} = ${names.value(item.value)} to the leader`;
      case "written":
        return item.value === null
          ? `deletes ${item.key} with timestamp ${item.timestamp}`
          : `writes ${item.key} = ${names.value(item.value)} with timestamp ${item.timestamp}`;
      case "replication":
        return `REPLICATION ${item.key} = ${names.value(item.value)}, timestamp ${item.timestamp}`;
      case "acknowledged":
        return `REPLICATION_OK from ${names.server(item.follower)} up to ${item.timestamp}`;
      case "put_ok":
        return `PUT_OK ${item.key}, timestamp ${item.timestamp}, to ${names.client(item.client)}`;
      case "get":
        return "refused" in item
          ? `GET ${item.key} from ${
            names.client(item.client)
          } refused: the client has seen ${item.seen}, this server has ${item.own}`
          : `GET ${item.key} from ${names.client(item.client)}: ${
            names.value(item.value)
          }, timestamp ${item.own}`;
      case "members":
        return item.open ? `in sync: ${names.list(item.inSync, item.others)}` : "takes no PUTs yet";
      case "fault":
        return item.action === "resume"
          ? `replication to ${names.server(item.follower)} goes on`
          : item.action === "pause"
          ? `replication to ${names.server(item.follower)} paused`
          : `replication to ${names.server(item.follower)} delayed by ${item.delayMs} ms`;
      case "slow":
        return item.slow ? en.slow : "is read at the usual pace again";
      case "up":
        return "connected";
      case "down":
        return `unreachable (${item.reason})`;
      case "forgotten":
        return "the servers have lost all data; the clients start from zero";
      case "demo":
        return en.demoStep(item.step, names);
      default:
        return "";
    }
  },
};
