// @ts-check
/**
 * The stories, and their texts. The page, the dashboard and `deno task demo` all use these.
 *
 * @module
 */

import { compareAndSet } from "./compare_and_set.js";
import { followerReturns } from "./follower_returns.js";
import { leaderReturns } from "./leader_returns.js";
import { lockExpires } from "./lock_expires.js";
import { tryOther } from "./try_other.js";
import { writesAtOnce } from "./writes_at_once.js";

/** @import { Client, Failure, Lang, Role, ShownStep, Story } from "./story.ts" */

/** The story that is told if none is named. */
export const storyDefault = tryOther;

/** @type {readonly Story[]} All stories, in the order in which they are listed. */
export const stories = [
  tryOther,
  followerReturns,
  leaderReturns,
  writesAtOnce,
  compareAndSet,
  lockExpires,
];

const ends = {
  pt: {
    done: "Cada passo deu o que foi dito.",
    failed: (/** @type {string} */ reason) => `Não deu certo: ${reason}`,
    wrong: (/** @type {string} */ expected, /** @type {string} */ got) =>
      `Este passo devia dar ${expected}, mas deu ${got}.`,
  },
  en: {
    done: "Every step gave what the narration says.",
    failed: (/** @type {string} */ reason) => `It did not work: ${reason}`,
    wrong: (/** @type {string} */ expected, /** @type {string} */ got) =>
      `This step should give ${expected}, but gave ${got}.`,
  },
};

/**
 * The number of a client among those of the dashboard.
 *
 * @param {Client} client
 */
export function clientNumber(client) {
  return "ABCD".indexOf(client) + 1;
}

/**
 * The story with an id.
 *
 * @param {string} id
 * @returns {Story | undefined} `undefined` if there is none
 */
export function storyOf(id) {
  return stories.find((story) => story.id === id);
}

/**
 * Whether a story stops servers and starts them again.
 *
 * @param {Story} story
 */
export function stopsServers({ steps }) {
  return steps.some(({ commands }) => commands.some((command) => command.do === "stop"));
}

/**
 * Whether a story needs a leader that obeys FAULT.
 *
 * @param {Story} story
 */
export function holdsReplication({ steps }) {
  return steps.some(({ commands }) => commands.some((command) => command.do === "hold"));
}

/**
 * Why a story failed, in words.
 *
 * @param {Failure} failure
 * @param {Lang} lang
 */
export function failureText(failure, lang) {
  return "reason" in failure
    ? ends[lang].failed(failure.reason)
    : ends[lang].wrong(failure.expected, failure.got);
}

/**
 * What is told at a step.
 *
 * @param {ShownStep} step
 * @param {Lang} lang
 * @param {(address: string) => string} serverName
 * @param {(client: Client) => string} clientName
 * @returns {string}
 */
export function stepText(step, lang, serverName, clientName) {
  if (step.failure !== undefined) return failureText(step.failure, lang);
  const told = storyOf(step.story)?.steps[step.index];
  if (told === undefined) return ends[lang].done;
  return told.text[lang].replaceAll(/\{(\w+)(?:\.(\w+))?\}/g, (all, name, field) => {
    const text = placeholderText(step, name, field, serverName, clientName);
    return text ?? all;
  });
}

/**
 * The text for `{name}` or `{name.field}`; `undefined` if the step has none.
 *
 * @param {ShownStep} step
 * @param {string} name
 * @param {string | undefined} field
 * @param {(address: string) => string} serverName
 * @param {(client: Client) => string} clientName
 * @returns {string | undefined}
 */
function placeholderText({ servers, seen, writes }, name, field, serverName, clientName) {
  if (Object.hasOwn(servers, name)) return serverName(servers[/** @type {Role} */ (name)]);
  if (Object.hasOwn(seen, name)) {
    const client = /** @type {Client} */ (name);
    return field === "seen" ? `${seen[client]}` : clientName(client);
  }
  if (!Object.hasOwn(writes, name)) return undefined;
  const write = /** @type {ShownStep["writes"][string]} */ (writes[name]);
  return field === "value" ? `${write.value ?? "NULL"}` : `${write.timestamp}`;
}
