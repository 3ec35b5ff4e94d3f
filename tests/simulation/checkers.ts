/**
 * The rules that hold in every run, each by itself.
 *
 * A checker is told what happened, in the order in which it happened, and says what was wrong. It
 * knows nothing of how servers and clients work.
 */

import { textOfValue } from "../../lib/wire/long_value.ts";
import { heldAt, type Observation } from "./observation.ts";

/** A rule, which looks at observations of some kinds alone. */
export interface Checker {
  readonly kinds: readonly Observation["kind"][];
  /** Returns what is wrong with an observation of one of these kinds, in words. */
  readonly check: (seen: Observation) => string | undefined;
}

/** A rule for observations of these kinds. */
export function on<K extends Observation["kind"]>(
  kinds: readonly K[],
  check: (seen: Extract<Observation, { readonly kind: K }>) => string | undefined,
): Checker {
  return { kinds, check: check as Checker["check"] };
}

/** The settings that the rules depend on. */
export interface Limits {
  readonly minInSync: number;
  /** Every request is answered within this time. */
  readonly answerMs: number;
  /** In a healthy cluster a key is removed within this time after its time to live. */
  readonly expiryLateMs: number;
}

/** All the rules, by name, with nothing seen yet. */
export function makeCheckers(
  limits: Omit<Limits, "expiryLateMs">,
): Record<string, Checker> {
  return {
    "reads never go back (G4)": monotonicReads(),
    "in-sync servers hold every committed write (G2)": heldByAll(limits.minInSync),
    "servers never go back (G1)": monotonicServers(),
    "a restarted server shows no value older than its start": freshStarts(),
    "one value for each key and timestamp (G5)": oneValue(),
    "timestamps rise over all keys (G1)": risingTimestamps(),
    "no invented values": noInventions(),
    "committed writes survive (G3)": survival(),
    "all servers end with the same table (G6)": convergence(),
    "every request is answered in time, and once (G7)": answers(limits.answerMs),
    "every answer fits its request": fittingAnswers(),
    "a synchronised server answers GETs, with or without its leader": readsGoOn(),
    "a flapping follower does not hold up PUTs": putsGoOn(),
    "PUTs and GETs succeed again once faults end": progress(),
  };
}

/** For each client and key: an answer shows at least what the client had seen when it asked. */
function monotonicReads(): Checker {
  const seen = new Map<string, Map<string, number>>();
  const floors = new Map<number, number | ReadonlyMap<string, number>>();
  const see = (client: string, key: string, version: number) => {
    const own = seen.get(client) ?? new Map<string, number>();
    seen.set(client, own);
    if (version > (own.get(key) ?? 0)) own.set(key, version);
  };
  return on(["asked", "listing", "forgot", "put", "conflict", "watched", "got", "listed"], (o) => {
    switch (o.kind) {
      case "asked":
        floors.set(o.op, seen.get(o.client)?.get(o.key) ?? 0);
        return undefined;
      case "listing":
        floors.set(o.op, new Map(seen.get(o.client)));
        return undefined;
      case "forgot":
        seen.delete(o.client);
        return undefined;
      case "put":
        see(o.client, o.key, o.timestamp);
        return undefined;
      case "conflict":
        if (o.value !== null) see(o.client, o.key, o.timestamp);
        return undefined;
      case "watched":
        for (const [key, version] of o.versions) see(o.client, key, version);
        return undefined;
      case "got":
      case "listed": {
        const floor = floors.get(o.op)!;
        const versions = o.kind === "listed"
          ? o.versions
          : [[o.key, o.version ?? o.timestamp] as const];
        for (const [key, version] of versions) {
          see(o.client, key, version);
          const before = typeof floor === "number" ? floor : floor.get(key) ?? 0;
          const shows = o.kind === "got" ? o.versionMax ?? version : version;
          if (shows >= before) continue;
          return `${o.client} read ${key} at ${version} after it had seen ${before}`;
        }
      }
    }
    return undefined;
  });
}

function heldByAll(minInSync: number): Checker {
  const committed = new Map<string, number>();
  return on(["inspected", "shownLatest", "committed"], (o) => {
    if (o.kind === "inspected") {
      for (const table of o.inSync) {
        for (const [key, timestamp] of committed) {
          const held = heldAt(table, key);
          if (held >= timestamp) continue;
          return `${key} at ${timestamp} is committed, and ${table.server}, in sync, holds ${held}`;
        }
      }
    }
    if (o.kind === "shownLatest" && o.copies.some((timestamp) => timestamp < o.timestamp)) {
      return `GET_LATEST shows ${o.key} at ${o.timestamp}, and servers in sync hold ${o.copies}`;
    }
    if (o.kind !== "committed") return undefined;
    committed.set(o.key, o.timestamp);
    if (o.inSync < minInSync) {
      return `${o.key} at ${o.timestamp} was committed with ${o.inSync} servers in sync`;
    }
    const late = o.copies.find((timestamp) => timestamp < o.timestamp);
    return late === undefined
      ? undefined
      : `${o.key} at ${o.timestamp} was committed while a server in sync held ${late}`;
  });
}

/** Within one life of a server no key's timestamp falls. */
function monotonicServers(): Checker {
  const held = new Map<string, number>();
  return on(["held"], (o) => {
    if (o.kind !== "held") return undefined;
    const slot = `${o.life} ${o.key}`;
    const before = held.get(slot) ?? 0;
    held.set(slot, o.timestamp);
    return o.timestamp >= before || !o.counts
      ? undefined
      : `${o.server} went from ${before} back to ${o.timestamp} for ${o.key}`;
  });
}

function freshStarts(): Checker {
  return on(
    ["got"],
    (o) =>
      o.kind === "got" && o.timestamp < o.startFloor
        ? `${o.client} read ${o.key} at ${o.timestamp} from a server that started after ${o.startFloor} was committed`
        : undefined,
  );
}

function oneValue(): Checker {
  const values = new Map<string, string | null>();
  const asked = new Map<number, string | null>();
  return on(["asked", "put", "got", "held", "stamped"], (o) => {
    if (o.kind === "asked" && o.value !== undefined) asked.set(o.op, o.value);
    if (o.kind !== "put" && o.kind !== "got" && o.kind !== "held" && o.kind !== "stamped") {
      return undefined;
    }
    const value = o.kind === "put" ? asked.get(o.op)! : o.value;
    // The timestamp of a key that does not exist may be that of another key's deletion.
    if (value === null && o.kind === "got") return undefined;
    const slot = `${o.timestamp} ${o.key}`;
    const known = values.get(slot);
    if (known === undefined) values.set(slot, value);
    return known === undefined || known === value
      ? undefined
      : `${o.key} at ${o.timestamp} is ${known}, and also ${value}`;
  });
}

/** A timestamp belongs to one key, and writes are committed in the order of their timestamps. */
function risingTimestamps(): Checker {
  const keys = new Map<number, string>();
  let highest = 0;
  return on(["held", "committed"], (o) => {
    if (o.kind === "held") {
      const key = keys.get(o.timestamp);
      if (key === undefined) keys.set(o.timestamp, o.key);
      else if (key !== o.key) return `timestamp ${o.timestamp} belongs to ${key} and to ${o.key}`;
    }
    if (o.kind !== "committed") return undefined;
    if (o.timestamp <= highest) return `${o.timestamp} was committed after ${highest}`;
    highest = o.timestamp;
    return undefined;
  });
}

function noInventions(): Checker {
  const written = new Set<string>();
  let deletions = false;
  return on(["asked", "got"], (o) => {
    if (o.kind === "asked" && o.value !== undefined) {
      written.add(`${o.key} ${o.value}`);
      deletions ||= o.value === null || o.ttlMs !== undefined;
    }
    if (o.kind !== "got") return undefined;
    const invented = o.value === null
      ? o.timestamp !== 0 && !deletions
      : !written.has(`${o.key} ${o.value}`);
    return invented
      ? `${o.client} read ${o.key} = ${o.value} at ${o.timestamp}, which no client wrote`
      : undefined;
  });
}

function survival(): Checker {
  const committed = new Map<string, number>();
  return on(["put", "ended"], (o) => {
    if (o.kind === "put") {
      committed.set(o.key, Math.max(o.timestamp, committed.get(o.key) ?? 0));
    }
    if (o.kind !== "ended") return undefined;
    for (const [key, timestamp] of committed) {
      for (const table of o.tables) {
        const held = heldAt(table, key);
        if (held < timestamp) {
          return `${key} at ${timestamp} was committed, and ${table.server} ends with ${held}`;
        }
      }
    }
    return undefined;
  });
}

function convergence(): Checker {
  return on(["ended"], (o) => {
    if (o.kind !== "ended") return undefined;
    const silent = o.tables.find((table) => !table.readable);
    if (silent !== undefined) return `${silent.server} ends without answering GETs`;
    const texts = o.tables.map(({ store }) => {
      const held = [...store.held?.() ?? store.entries()].sort(byKey)
        .map(([key, { value, timestamp, ttlMs }]) => [key, textOfValue(value), timestamp, ttlMs]);
      return JSON.stringify([held, store.floor ?? 0]);
    });
    const other = texts.findIndex((text) => text !== texts[0]);
    if (other < 0) return undefined;
    const [one, two] = [o.tables[0]!.server, o.tables[other]!.server];
    return `${one} ends with ${texts[0]}, ${two} with ${texts[other]}`;
  });
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function answers(answerMs: number): Checker {
  const answered = new Set<number>();
  return on(["unanswered", "answered"], (o) => {
    if (o.kind === "unanswered") {
      return o.forMs > answerMs ? `request ${o.op} has no answer after ${o.forMs} ms` : undefined;
    }
    if (o.kind !== "answered") return undefined;
    if (answered.has(o.op)) return `request ${o.op} was answered twice`;
    answered.add(o.op);
    return o.afterMs > answerMs ? `request ${o.op} was answered after ${o.afterMs} ms` : undefined;
  });
}

/** The library ends a connection whose answers do not fit. */
function fittingAnswers(): Checker {
  return on(
    ["unfit"],
    (o) =>
      o.kind === "unfit"
        ? `${JSON.stringify(o.reply)} does not answer ${JSON.stringify(o.asked)}`
        : undefined,
  );
}

/** A server that has answered GETs refuses none that its table is new enough for. */
function readsGoOn(): Checker {
  return on(
    ["refused"],
    (o) =>
      o.kind === "refused" && o.answersGets && o.excused !== true && o.own >= o.seen
        ? `${o.server} refused a GET of ${o.seen}, and holds ${o.own}`
        : undefined,
  );
}

/** Most PUTs do not wait for a follower that flaps. */
function putsGoOn(): Checker {
  return on(
    ["flapped"],
    (o) =>
      o.kind === "flapped" && o.late * 3 > o.of
        ? `${o.late} of ${o.of} PUTs were late while a follower flapped`
        : undefined,
  );
}

/** A PUT succeeds without a server that is cut off. At the end every client's PUT and GET succeed. */
function progress(): Checker {
  return on(["managed", "ended"], (o) => {
    if (o.kind === "managed" && !o.succeeded) return "a PUT failed while one server was cut off";
    if (o.kind !== "ended") return undefined;
    if (o.lastPuts < o.clients) return `${o.lastPuts} of ${o.clients} last PUTs succeeded`;
    if (o.lastGets < o.clients) return `${o.lastGets} of ${o.clients} last GETs succeeded`;
    const failed = o.failedReads ?? 0;
    if (failed > 0) return `${failed} reads failed, with all servers healthy`;
    return undefined;
  });
}
