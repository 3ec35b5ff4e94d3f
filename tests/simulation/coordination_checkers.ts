/**
 * The rules of conditional writes, deletions, times to live, reads from the leader, and lists.
 *
 * They compare each answer with the order of all writes, see `history.ts`.
 */

import { type Checker, type Limits, on } from "./checkers.ts";
import { fits, type Standing, type WriteHistory } from "./history.ts";

/** The rules, by name, with nothing seen yet. The history is told of everything before they are. */
export function makeCoordinationCheckers(
  history: WriteHistory,
  { expiryLateMs }: Pick<Limits, "expiryLateMs">,
): Record<string, Checker> {
  return {
    "a write is made exactly if its condition holds at its place (G8)": conditionalWrites(history),
    "CONFLICT says what the key stood at (G8)": trueConflicts(history),
    "only a key that did not exist is deleted without a write (G8)": trueNothing(history),
    "no acknowledged write is lost to a later leader (G3, G8)": keptByLeaders(history),
    "no key is removed before its time (G10)": neverEarly(history),
    "keys are removed soon after their time (G10)": neverLate(history, expiryLateMs),
    "GET_LATEST is linearizable (G11)": latestReads(history),
    "what a server does not show was deleted": trueAbsence(history),
    "a page of a list is in order and has only real entries": truePages(history),
    "only what is lost is called lost": trueLosses(history),
  };
}

/** Every stamped write fits its condition, is made once, and no refused one is made. */
function conditionalWrites(history: WriteHistory): Checker {
  const expected = new Map<number, number | undefined>();
  const refused = new Set<number>();
  const made = new Map<string, number>();
  return on(["asked", "stamped", "put", "conflict", "notApplied"], (o) => {
    switch (o.kind) {
      case "asked":
        if (o.value !== undefined) expected.set(o.op, o.expected);
        return undefined;
      case "stamped": {
        const { key, value, timestamp } = o;
        const { before } = history.at(key, timestamp)!;
        const requests = history.requests(key, value);
        if (value === null) return undefined; // see neverEarly
        const times = (made.get(`${key}=${value}`) ?? 0) + 1;
        made.set(`${key}=${value}`, times);
        const allowed = requests.filter(({ op }) => !refused.has(op));
        if (times > allowed.length) {
          return `${key} = ${value} was written at ${timestamp}, and ${allowed.length} requests may write it`;
        }
        if (allowed.some((request) => fits(request.expected, before))) return undefined;
        return `${key} at ${timestamp} was written with expected ${
          requests[0]?.expected
        }, and stood at ${shown(before)}`;
      }
      case "put": {
        const write = history.at(o.key, o.timestamp);
        if (write === undefined) {
          return `${o.key} at ${o.timestamp} is acknowledged, and no leader stamped it`;
        }
        if (fits(expected.get(o.op), write.before)) return undefined;
        return `${o.key} at ${o.timestamp} is acknowledged with expected ${
          expected.get(o.op)
        }, and stood at ${shown(write.before)}`;
      }
      case "conflict":
      case "notApplied":
        refused.add(o.op);
        return undefined;
    }
    return undefined;
  });
}

/** A CONFLICT is the state at the leader of some moment between request and answer. */
function trueConflicts(history: WriteHistory): Checker {
  const asked = new Map<
    number,
    { readonly place: number; readonly expected: number | undefined }
  >();
  return on(["asked", "conflict"], (o) => {
    if (o.kind === "asked" && o.expected !== undefined) {
      asked.set(o.op, { place: history.place, expected: o.expected });
    }
    if (o.kind !== "conflict") return undefined;
    const request = asked.get(o.op);
    if (request === undefined) return `request ${o.op} got a CONFLICT without a condition`;
    if (fits(request.expected, o)) {
      return `${o.key} is ${
        shown(o)
      }, and a WRITE with expected ${request.expected} got a CONFLICT`;
    }
    if (history.moments(o.key, o, request.place).length > 0) return undefined;
    return `a CONFLICT says that ${o.key} is ${
      shown(o)
    }, which it was at no moment since the request`;
  });
}

/** A deletion without a write is of a key that did not exist at some moment since the request. */
function trueNothing(history: WriteHistory): Checker {
  const asked = new Map<number, number>();
  return on(["asked", "deletedNothing"], (o) => {
    if (o.kind === "asked" && o.value === null) asked.set(o.op, history.place);
    if (o.kind !== "deletedNothing") return undefined;
    const absent = { value: null, timestamp: 0 };
    if (history.moments(o.key, absent, asked.get(o.op)!).length > 0) return undefined;
    return `a deletion of ${o.key} wrote nothing, and the key existed since the request`;
  });
}

/** A leader begins with every write that was acknowledged or that GET_LATEST has shown. */
function keptByLeaders(history: WriteHistory): Checker {
  const known = new Map<string, number>();
  return on(["put", "committed", "got", "begun"], (o) => {
    if (o.kind === "put" || o.kind === "committed" || (o.kind === "got" && o.latest === true)) {
      const timestamp = o.kind === "got" ? o.version ?? o.timestamp : o.timestamp;
      known.set(o.key, Math.max(timestamp, known.get(o.key) ?? 0));
    }
    if (o.kind !== "begun") return undefined;
    for (const [key, timestamp] of known) {
      if (history.at(key, timestamp)?.lost !== true && !history.isLost(timestamp)) continue;
      return `${o.server} leads without ${key} at ${timestamp}, which was acknowledged or read with GET_LATEST`;
    }
    return undefined;
  });
}

/** A key is removed by a request, or by the leader once its time to live is over. */
function neverEarly(history: WriteHistory): Checker {
  const ended = new Set<number>();
  return on(["conflict", "notApplied", "stamped"], (o) => {
    if (o.kind === "conflict" || o.kind === "notApplied") ended.add(o.op);
    if (o.kind !== "stamped" || o.value !== null) return undefined;
    const { key, timestamp, atMs } = o;
    const { before } = history.at(key, timestamp)!;
    const write = history.at(key, before.timestamp);
    const livedMs = write === undefined ? 0 : atMs - write.atMs;
    const { ttlMs } = write ?? {};
    if (before.value !== null && ttlMs !== undefined && livedMs >= ttlMs) return undefined;
    const may = history.requests(key, null).some((request) =>
      !ended.has(request.op) && fits(request.expected, before)
    );
    if (may) return undefined;
    return `${key} at ${before.timestamp} was removed after ${livedMs} ms, no request asks for it, and its time to live is ${ttlMs} ms`;
  });
}

function neverLate(history: WriteHistory, expiryLateMs: number): Checker {
  return on(["inspected"], (o) => {
    if (o.kind !== "inspected") return undefined;
    for (const key of history.keys) {
      const { value, timestamp, ttlMs, liveSinceMs } = history.periods(key).at(-1)!;
      if (value === null || ttlMs === undefined) continue;
      const lateMs = o.nowMs - ttlMs - Math.max(liveSinceMs, o.healthySinceMs);
      if (lateMs <= expiryLateMs) continue;
      return `${key} at ${timestamp} is there ${lateMs} ms after its time to live of ${ttlMs} ms`;
    }
    return undefined;
  });
}

/** GET_LATEST shows the newest acknowledged write or a newer one, as it was since the request. */
function latestReads(history: WriteHistory): Checker {
  /** By key, the newest write that was acknowledged or read with GET_LATEST. */
  const known = new Map<string, number>();
  const asked = new Map<number, { readonly place: number; readonly floor: number }>();
  return on(["asked", "put", "got"], (o) => {
    if (o.kind === "asked" && o.latest === true) {
      asked.set(o.op, { place: history.place, floor: known.get(o.key) ?? 0 });
    }
    if (o.kind === "put") known.set(o.key, Math.max(o.timestamp, known.get(o.key) ?? 0));
    if (o.kind !== "got" || o.latest !== true) return undefined;
    const { place, floor } = asked.get(o.op)!;
    const moments = history.moments(o.key, o, place).map(({ timestamp }) => timestamp);
    if (moments.length === 0) {
      return `GET_LATEST says that ${o.key} is ${
        shown(o)
      }, which it was at no moment since the request`;
    }
    if (Math.max(...moments) < floor) {
      return `GET_LATEST says that ${o.key} is ${
        shown(o)
      }, and ${floor} was known before the request`;
    }
    known.set(o.key, Math.max(Math.min(...moments), known.get(o.key) ?? 0));
    return undefined;
  });
}

/** A server that shows no value of a key has applied its deletion, or no write of it. */
function trueAbsence(history: WriteHistory): Checker {
  return on(["absent"], (o) => {
    if (o.kind !== "absent") return undefined;
    const { value, timestamp } = history.upTo(o.key, o.applied);
    return value === null
      ? undefined
      : `${o.server} says that ${o.key} does not exist, and has applied ${value} at ${timestamp}`;
  });
}

function truePages(history: WriteHistory): Checker {
  return on(["page"], (o) => {
    if (o.kind !== "page") return undefined;
    const { server, prefix, after, limit = Infinity, entries } = o;
    if (entries.length > limit) return `${server} lists ${entries.length} entries of ${limit}`;
    let last = after;
    for (const [key, value, timestamp] of entries) {
      if (!key.startsWith(prefix)) return `${server} lists ${key} for ${prefix}…`;
      if (last !== undefined && key <= last) return `${server} lists ${key} after ${last}`;
      last = key;
      if (history.at(key, timestamp)?.value === value) continue;
      return `${server} lists ${key} = ${value} at ${timestamp}, which no leader stamped`;
    }
    return undefined;
  });
}

function trueLosses(history: WriteHistory): Checker {
  return on(
    ["lost"],
    (o) =>
      o.kind === "lost" && !o.seen.some((timestamp) => history.isLost(timestamp))
        ? `${o.client} was told that what it saw at ${o.seen} is lost`
        : undefined,
  );
}

function shown({ value, timestamp }: Standing): string {
  return `${value ?? "absent"} at ${timestamp}`;
}
