// @ts-check
/**
 * The shape of what a saved recording consists of: items of every kind, and states. A new kind of
 * item, and a new field of a step or a state, does not type-check until it has its line here.
 *
 * @module
 */

import {
  clientsMax,
  countMax,
  demoStepsMax,
  durationMsMax,
  forwardedMax,
  keysMax,
  listedServersMax,
  reasonCharsMax,
  refusalsMax,
  secondsMax,
  textCharsMax,
  writesMax,
} from "./limits.js";
import { stories } from "../stories/stories.js";
import {
  dictionary,
  either,
  list,
  map,
  number,
  oneOf,
  optional,
  orNull,
  record,
  ShapeError,
  text,
  whole,
} from "./shapes.js";

/** @import { DemoStep, Item } from "../server/item.ts" */
/** @import { ServerState, State } from "../server/state.ts" */
/** @import { Check } from "./shapes.js" */

/** The last time that a `Date` can hold, in milliseconds since the Unix epoch. */
const timeMsMax = 8_640_000_000_000_000;
/** Steps of a story, and the writes that its steps name. */
const storyStepsMax = 100;
/** Characters of the longest "host:port", and of a short name such as a version. */
const nameCharsMax = 259;

const time = whole(timeMsMax);
const name = text(nameCharsMax);
const key = text(textCharsMax);
const value = orNull(key);
const yesNo = oneOf(true, false);
/** The number of a client: of one of four, or 0. */
const client = whole(4);
const delayMs = whole(durationMsMax);

const copy = record({ value, timestamp: whole() });
const reason = text(reasonCharsMax);

/** @type {{ readonly [Field in keyof DemoStep]-?: Check<any> }} */
const stepFields = {
  story: oneOf(...stories.map(({ id }) => id)),
  name,
  index: whole(storyStepsMax),
  run: time,
  key,
  servers: record({ leader: name, near: name, far: name }),
  seen: record({ A: whole(), B: whole(), C: whole(), D: whole() }),
  writes: dictionary(name, copy, storyStepsMax),
  failure: optional(either(record({ reason }), record({ expected: reason, got: reason }))),
};

const step = record(stepFields);
const write = { server: name, key, value, timestamp: whole() };
const refusedWrite = { client: name, key, expected: whole(), value, timestamp: whole() };

const status = record({
  server: name,
  leader: name,
  cluster: name,
  timestamp: whole(),
  inSync: list(name, listedServersMax),
  followers: list(name, 0), // the feed leaves them out
  keys: whole(),
  connections: whole(),
  uptimeMs: whole(),
  memoryBytes: whole(),
  faults: yesNo,
  watches: optional(whole()),
  cutOffMs: optional(whole()),
  version: optional(name),
});

const counts = record({
  puts: whole(countMax),
  putOks: whole(countMax),
  gets: whole(countMax),
  refused: whole(countMax),
  replications: whole(countMax),
  // Recordings of older pages have none of these.
  writes: optional(whole(countMax)),
  writeOks: optional(whole(countMax)),
  conflicts: optional(whole(countMax)),
});

/**
 * By kind: the fields of an item besides `kind` and `at`.
 *
 * @type {Record<Item["kind"], Record<string, Check<unknown>>>}
 */
const itemFields = {
  table: write,
  written: { ...write, expired: optional(oneOf(true)) },
  replication: write,
  put: { server: name, client: name, key, value: key },
  forwarding: { server: name, key, value: key },
  write: {
    ...{ server: name, client: name, key, value, expected: optional(whole()) },
    ttlMs: optional(whole()),
  },
  forwarding_write: { server: name, key, value },
  acknowledged: { server: name, follower: name, timestamp: whole() },
  put_ok: { server: name, client: name, key, timestamp: whole(), ms: number(durationMsMax) },
  write_ok: {
    ...{ server: name, client: name, key, timestamp: whole() },
    ms: optional(number(durationMsMax)),
  },
  conflict: { server: name, ...refusedWrite },
  get: {
    ...{ server: name, client: name, key, seen: whole(), own: whole() },
    ...{ value: optional(value), refused: optional(oneOf(true)) },
  },
  members: {
    ...{ server: name, inSync: list(name, listedServersMax), others: optional(whole()) },
    open: yesNo,
  },
  fault: {
    ...{ server: name, follower: name, action: oneOf("pause", "delay", "resume") },
    delayMs: optional(delayMs),
  },
  up: { server: name },
  down: { server: name, reason: text(reasonCharsMax) },
  status: { server: name, status },
  slow: { server: name, slow: yesNo },
  counts: { server: name, counts, missed: whole(countMax) },
  client: { client, address: name },
  seen: { client, key, value, timestamp: whole() },
  forgotten: {},
  demo: { step },
};

/** By kind: the check of an item. */
const itemChecks = new Map(
  Object.entries(itemFields).map(([kind, fields]) => [
    kind,
    record({ kind: oneOf(kind), at: time, ...fields }),
  ]),
);

/**
 * An item of the feed.
 *
 * @type {Check<Item>}
 */
export function item(one, place) {
  const kind = typeof one === "object" && one !== null ? Reflect.get(one, "kind") : undefined;
  const check = typeof kind === "string" ? itemChecks.get(kind) : undefined;
  if (check === undefined) throw new ShapeError(`${place}.kind`);
  const checked = /** @type {Item} */ (/** @type {unknown} */ (check(one, place)));
  if (checked.kind === "get") {
    const [refused, answered] = ["refused" in checked, "value" in checked];
    if (refused === answered) throw new ShapeError(`${place}.value`);
  }
  return checked;
}

const cell = record({ value, timestamp: whole() });

/** @type {{ readonly [Field in keyof ServerState]-?: Check<any> }} */
const serverFields = {
  name,
  up: yesNo,
  reason: text(reasonCharsMax),
  status: optional(status),
  timestamp: whole(),
  fault: optional(record({ action: oneOf("pause", "delay"), delayMs })),
  missed: whole(),
  slow: yesNo,
};

const second = record({
  second: whole(timeMsMax / 1_000),
  putOks: number(),
  gets: number(),
  refused: number(),
  replications: number(),
  timedPutOks: number(),
  putMsSum: number(),
  putMsMax: number(durationMsMax),
});

/** @type {{ readonly [Field in keyof State]-?: Check<any> }} */
const stateFields = {
  at: time,
  servers: list(record(serverFields), listedServersMax),
  leader: name,
  cluster: name,
  inSync: list(name, listedServersMax),
  open: yesNo,
  table: map(key, map(name, cell, listedServersMax), keysMax),
  keysDropped: whole(),
  writtenKeys: map(whole(), key, writesMax),
  forwardedPuts: list(record({ server: name, key, value }), forwardedMax),
  clientServers: map(name, name, clientsMax),
  clientNumbers: map(name, client, clientsMax),
  clients: map(client, record({ seen: map(key, cell, keysMax) }), clientsMax),
  refusals: list(
    either(
      record({ at: time, server: name, client: name, key, seen: whole(), own: whole() }),
      record({ at: time, ...refusedWrite }),
    ),
    refusalsMax,
  ),
  seconds: list(second, secondsMax),
  demoSteps: list(step, demoStepsMax),
  control: yesNo,
};

/**
 * A state.
 *
 * @type {Check<State>}
 */
export const state = record(stateFields);
