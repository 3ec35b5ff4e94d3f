// @ts-check
/**
 * How the page writes values, names, times and sizes, the same in both languages.
 *
 * @module
 */

import { shownCharsMax } from "./limits.js";
import { clientNumber, stepText } from "../stories/stories.js";

/** @import { DemoStep } from "../server/item.ts" */
/** @import { State } from "../server/state.ts" */
/** @import { Lang } from "../stories/story.ts" */
/** @import { Texts } from "./texts.js" */

/**
 * The names that the page shows.
 *
 * @typedef {object} Names
 * @property {(address: string) => string} server the name of a server, given its "ip:port"
 * @property {(address: string) => string} client the name of a client, given its "ip:port"
 * @property {(addresses: readonly string[], others?: number) => string} list several servers, and how
 * many others
 * @property {(value: string | null | undefined) => string} value see {@linkcode readable}
 */

/**
 * The names of servers and clients. A server is its port alone if all servers have one IP address.
 *
 * @param {State} state
 * @param {Texts} t
 * @returns {Names}
 */
export function namesIn(state, t) {
  const hosts = new Set(state.servers.map(({ name }) => name.slice(0, name.lastIndexOf(":"))));
  const server = (/** @type {string} */ address) =>
    hosts.size === 1 ? address.slice(address.lastIndexOf(":") + 1) : address;
  return {
    server,
    list: (addresses, others = 0) =>
      [...addresses.map(server), ...(others > 0 ? [`+${others}`] : [])].join(", "),
    client: (address) => {
      const client = state.clientNumbers.get(address);
      return client === undefined ? address : t.clientName(client);
    },
    value: (value) => readable(value),
  };
}

/**
 * What is told at a step of a story, in one line.
 *
 * @param {DemoStep} step
 * @param {Lang} lang
 * @param {Names} names
 */
export function toldStep(step, lang, names) {
  const text = stepText(step, lang, names.server, (client) => `${clientNumber(client)}`);
  return text.replaceAll("\n", " ");
}

/**
 * A value or a key in a readable form: shortened, but not within a character.
 *
 * @param {string | null | undefined} value
 * @param {number} [charsMax]
 */
export function readable(value, charsMax = shownCharsMax) {
  if (value === null || value === undefined) return "NULL";
  if (value.length <= charsMax) return value;
  // Half an emoji at the end would be spelled out.
  return `${value.slice(0, charsMax).replace(/\u200d?[\ud800-\udbff]?$/, "")}…`;
}

/**
 * A time of day, to the millisecond.
 *
 * @param {number} at milliseconds since the Unix epoch
 */
export function clock(at) {
  const time = new Date(at);
  const part = (/** @type {number} */ n, digits = 2) => `${n}`.padStart(digits, "0");
  return `${part(time.getHours())}:${part(time.getMinutes())}:${part(time.getSeconds())}.${
    part(time.getMilliseconds(), 3)
  }`;
}

/**
 * A duration in its largest unit, rounded down.
 *
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}\u00a0s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}\u00a0min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}\u00a0h`;
  return `${Math.floor(seconds / 86_400)}\u00a0d`;
}

/** @param {number} bytes */
export function mebibytes(bytes) {
  return `${Math.round(bytes / 2 ** 20)}\u00a0MiB`;
}

/**
 * A text whose first letter is a capital.
 *
 * @param {string} text
 */
export function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
