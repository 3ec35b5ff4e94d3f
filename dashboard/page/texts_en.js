// @ts-check
/**
 * The page's texts in English.
 *
 * @module
 */

import { capitalized, duration, mebibytes, toldStep } from "./format.js";
import { storyDefault } from "../stories/stories.js";

/** @import { Texts } from "./texts.js" */

/** @type {Texts} */
export const en = {
  htmlLang: "en",
  lang: "en",
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
  story: "Story",
  present: "Present",
  presentEnd: "Leave the presentation",
  presentHint: "→ or the next key of a clicker tells the story. Esc leaves.",
  storyPlace: (step, all) => `step ${step} of ${all}`,
  skip: "Skip to the commands",

  cluster: "Servers and messages",
  clientName: (n) => `client ${n}`,
  clientTitle: (n) => n === 0 ? "Others" : `Client ${n}`,
  leaderRole: "leader",
  followerRole: "follower",
  inSync: "in sync",
  notInSync: "not in sync",
  slow: "sends more than the dashboard can take, so it is read slowly",
  unreachable: "unreachable",
  lastTimestamp: (ts) => `last ts ${ts}`,
  held: "held",
  delayed: (ms) => `+${ms} ms`,
  withheld: (n) => n === 1 ? "1 write held back" : `${n} writes held back`,
  sampled: (drawn, all) => `Sample: ${drawn} of the last second's ${all} messages are drawn`,
  notSampled: "All messages of PUT, WRITE, GET and replication are drawn",
  lost: (n) => `${n} events were lost on the way to this page`,
  diagram: (summary) => `Diagram of the servers. ${summary}`,

  views: "View",
  viewDiagram: "Diagram",
  viewSpaceTime: "Space-time",
  saveSvg: "Save SVG",
  forwards: "forwards to the leader",
  refusedHere: (seen, own) => `has seen ${seen}, here is ${own}`,
  conflictHere: (expected, timestamp) => `expected ${expected}, here is ${timestamp}`,
  expiredHere: "expired",
  spaceTimeLabel: (rows, columns) =>
    `Space-time diagram of ${columns}: ${rows} rows, the newest at the bottom`,

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

  recordings: "Recordings",
  saveRecording: "Save recording",
  openRecording: "Open recording…",
  fileShown: (name) => `Showing the file ${name}.`,
  fileRefused: (name, problem) => {
    switch (problem.is) {
      case "large":
        return `${name} was not opened: it is larger than a recording can be.`;
      case "unreadable":
        return `${name} was not opened: the browser cannot read it.`;
      case "format":
        return `${name} was not opened: it is not a recording of this dashboard.`;
      case "version":
        return `${name} was not opened: it has version ${problem.version}, which this page does not know.`;
      case "shape":
        return `${name} was not opened: the recording is wrong at ${problem.place}.`;
    }
  },

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
  putsPerSecond: "PUT_OK + WRITE_OK/s",
  getsPerSecond: "GET/s",
  refusedPerSecond: "Refused GET/s",
  replicationsPerSecond: "REPLICATION/s",
  putMs: "ms to the OK (dashed: the longest)",
  lastMinute: "last minute",
  now: "now",
  most: "max.",

  refusals: "Refused GETs and WRITEs, and why",
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
  reasons: {
    disconnected: "Off: no connection to the dashboard.",
    noServer: "Off: no server answers the dashboard.",
    unknownLeader: "Off: the leader is not known yet.",
    leaderDown: "Off: the leader is unreachable.",
    faultsOff: "Off: the leader needs --allow-faults.",
    followerAway: "Hold and delay: only for a follower in sync.",
    alreadyHeld: "It is held already.",
    nothingHeld: "Nothing is held, so there is nothing to release.",
  },
  holdFault: "Hold",
  delayFault: "Delay 1 s",
  resumeFault: "Resume",
  towards: (server) => `to ${server}`,
  faultState: { none: "normal", pause: "held", delay: "delayed" },

  demo: storyDefault.title.en,
  demoText: storyDefault.about.en,
  moreStories: "More stories",
  demoRunning: "Showing…",
  storyReasons: {
    disconnected: "No connection to the dashboard.",
    running: "A story is under way.",
    unknownLeader: "It is not known yet which server leads.",
    leaderDown: "The leader is unreachable.",
    faultsOff: "The leader needs --allow-faults.",
    followerAway: "It needs two followers in sync.",
    notThree: "Only with three servers.",
    noControl: "Only with --start: the dashboard must be able to stop servers.",
  },

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

  conflict: ({ client, key, expected, value, timestamp }, names) => {
    const asker = capitalized(names.client(client));
    if (expected === 0) {
      return `${asker} wanted to create ${key}, but the key exists: ${
        names.value(value)
      }, with timestamp ${timestamp}.`;
    }
    return value === null
      ? `${asker} expected ${key} with timestamp ${expected}, but the key no longer exists.`
      : `${asker} expected ${key} with timestamp ${expected}, but the key has ${
        names.value(value)
      }, with timestamp ${timestamp}.`;
  },

  demoStep: (step, names) => toldStep(step, "en", names),

  item: (item, names) => {
    switch (item.kind) {
      case "put":
        return `PUT ${item.key} = ${names.value(item.value)}, from ${names.client(item.client)}`;
      case "forwarding":
        return `forwards PUT ${item.key} = ${names.value(item.value)} to the leader`;
      case "write":
        return [
          `WRITE ${item.key} = ${names.value(item.value)}`,
          ...(item.expected === undefined
            ? []
            : [item.expected === 0 ? "if it is absent" : `if it stands at ${item.expected}`]),
          ...(item.ttlMs === undefined ? [] : [`for ${duration(item.ttlMs)}`]),
          `from ${names.client(item.client)}`,
        ].join(", ");
      case "forwarding_write":
        return `forwards WRITE ${item.key} = ${names.value(item.value)} to the leader`;
      case "write_ok":
        return `WRITE_OK ${item.key}, timestamp ${item.timestamp}, to ${names.client(item.client)}`;
      case "conflict":
        return `CONFLICT: ${en.conflict(item, names)}`;
      case "written":
        if (item.expired) return `${item.key} expired: deleted with timestamp ${item.timestamp}`;
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
          ? `replication to ${names.server(item.follower)} held`
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
