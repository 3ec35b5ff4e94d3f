/**
 * The rules that hold in every run, each by itself.
 *
 * A checker is told what happened, in the order in which it happened, and says what was wrong. It
 * knows nothing of how servers and clients work.
 */

import type { Store } from "../../lib/replication/store.ts";

/** Something that a client or a server was seen to do. */
export type Observation =
  /** A client sends a request. `value` is that of a PUT. */
  | { kind: "asked"; op: number; client: string; key: string; value: string | undefined }
  /** A client got PUT_OK. */
  | { kind: "put"; op: number; client: string; key: string; timestamp: number }
  /**
   * A client got GET_OK. `startFloor` is the highest timestamp that was committed for the key when
   * the process that answered began.
   */
  | {
    kind: "got";
    op: number;
    client: string;
    key: string;
    value: string | null;
    timestamp: number;
    startFloor: number;
  }
  /**
   * A server's table has a new entry. `life` is the number of its process. `counts` is whether it was
   * told that its table is complete: before that it may still clear the table.
   */
  | {
    kind: "held";
    life: number;
    counts: boolean;
    server: string;
    key: string;
    value: string;
    timestamp: number;
  }
  /** The tables of the living servers that the leader counts as in sync. */
  | { kind: "inspected"; inSync: readonly Table[] }
  /**
   * The leader has committed a write and sends PUT_OK. `inSync` is the number of servers that it
   * counts as in sync. `copies` has the timestamps of the key at the living ones of them.
   */
  | { kind: "committed"; key: string; timestamp: number; inSync: number; copies: number[] }
  /**
   * A server answered a request that had reached it. Times do not count while its process stands
   * still.
   */
  | { kind: "answered"; op: number; afterMs: number }
  /** A request has no answer yet. Its server is alive and its connection open. */
  | { kind: "unanswered"; op: number; forMs: number }
  /**
   * A server answered a GET with TRY_OTHER_SERVER_OR_LATER. `seen` is the client's timestamp, `own` the
   * server's. `answersGets` is whether its process has answered GETs before, and still has that table.
   */
  | {
    kind: "refused";
    op: number;
    server: string;
    seen: number;
    own: number;
    answersGets: boolean;
  }
  /** One client's PUTs while a follower flapped, and how many of them were not answered soon. */
  | { kind: "flapped"; late: number; of: number }
  /** A PUT to one server has had enough time, while another server is cut off. */
  | { kind: "managed"; succeeded: boolean }
  /**
   * The end: no fault is left, and nothing is under way. `lastPuts` and `lastGets` are the numbers of
   * clients whose last PUT or GET succeeded.
   */
  | { kind: "ended"; tables: Table[]; lastPuts: number; lastGets: number; clients: number };

/** The table of one server. */
export interface Table {
  readonly server: string;
  readonly readable: boolean;
  readonly store: Pick<Store, "get" | "entries">;
}

/** Returns what is wrong with an observation, in words. */
export type Checker = (seen: Observation) => string | undefined;

/** The settings that the rules depend on. */
export interface Limits {
  readonly minInSync: number;
  /** Every request is answered within this time. */
  readonly answerMs: number;
}

/** All the rules, by name, with nothing seen yet. */
export function makeCheckers(limits: Limits): Record<string, Checker> {
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
    "a synchronised server answers GETs, with or without its leader": readsGoOn(),
    "a flapping follower does not hold up PUTs": putsGoOn(),
    "PUTs and GETs succeed again once faults end": progress(),
  };
}

/** For each client and key: a GET shows at least what the client had seen when it asked. */
function monotonicReads(): Checker {
  const seen = new Map<string, number>();
  const floors = new Map<number, number>();
  return (o) => {
    if (o.kind === "asked") floors.set(o.op, seen.get(`${o.client} ${o.key}`) ?? 0);
    if (o.kind !== "put" && o.kind !== "got") return undefined;
    const floor = floors.get(o.op) ?? 0;
    const slot = `${o.client} ${o.key}`;
    seen.set(slot, Math.max(o.timestamp, seen.get(slot) ?? 0));
    return o.kind === "got" && o.timestamp < floor
      ? `${o.client} read ${o.key} at ${o.timestamp} after it had seen ${floor}`
      : undefined;
  };
}

function heldByAll(minInSync: number): Checker {
  const committed = new Map<string, number>();
  return (o) => {
    if (o.kind === "inspected") {
      for (const { server, store } of o.inSync) {
        for (const [key, timestamp] of committed) {
          const held = store.get(key)?.timestamp ?? 0;
          if (held >= timestamp) continue;
          return `${key} at ${timestamp} is committed, and ${server}, in sync, holds ${held}`;
        }
      }
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
  };
}

/** Within one life of a server no key's timestamp falls. */
function monotonicServers(): Checker {
  const held = new Map<string, number>();
  return (o) => {
    if (o.kind !== "held") return undefined;
    const slot = `${o.life} ${o.key}`;
    const before = held.get(slot) ?? 0;
    held.set(slot, o.timestamp);
    return o.timestamp >= before || !o.counts
      ? undefined
      : `${o.server} went from ${before} back to ${o.timestamp} for ${o.key}`;
  };
}

function freshStarts(): Checker {
  return (o) =>
    o.kind === "got" && o.timestamp < o.startFloor
      ? `${o.client} read ${o.key} at ${o.timestamp} from a server that started after ${o.startFloor} was committed`
      : undefined;
}

function oneValue(): Checker {
  const values = new Map<string, string>();
  const asked = new Map<number, string>();
  return (o) => {
    if (o.kind === "asked" && o.value !== undefined) asked.set(o.op, o.value);
    if (o.kind !== "put" && o.kind !== "got" && o.kind !== "held") return undefined;
    const value = o.kind === "put" ? asked.get(o.op)! : o.value;
    if (value === null) return undefined;
    const slot = `${o.timestamp} ${o.key}`;
    const known = values.get(slot);
    if (known === undefined) values.set(slot, value);
    return known === undefined || known === value
      ? undefined
      : `${o.key} at ${o.timestamp} is ${known}, and also ${value}`;
  };
}

/** A timestamp belongs to one key, and writes are committed in the order of their timestamps. */
function risingTimestamps(): Checker {
  const keys = new Map<number, string>();
  let highest = 0;
  return (o) => {
    if (o.kind === "held") {
      const key = keys.get(o.timestamp);
      if (key === undefined) keys.set(o.timestamp, o.key);
      else if (key !== o.key) return `timestamp ${o.timestamp} belongs to ${key} and to ${o.key}`;
    }
    if (o.kind !== "committed") return undefined;
    if (o.timestamp <= highest) return `${o.timestamp} was committed after ${highest}`;
    highest = o.timestamp;
    return undefined;
  };
}

function noInventions(): Checker {
  const written = new Set<string>();
  return (o) => {
    if (o.kind === "asked" && o.value !== undefined) written.add(`${o.key} ${o.value}`);
    if (o.kind !== "got") return undefined;
    const invented = o.value === null ? o.timestamp !== 0 : !written.has(`${o.key} ${o.value}`);
    return invented
      ? `${o.client} read ${o.key} = ${o.value} at ${o.timestamp}, which no client wrote`
      : undefined;
  };
}

function survival(): Checker {
  const committed = new Map<string, number>();
  return (o) => {
    if (o.kind === "put") {
      committed.set(o.key, Math.max(o.timestamp, committed.get(o.key) ?? 0));
    }
    if (o.kind !== "ended") return undefined;
    for (const [key, timestamp] of committed) {
      for (const { server, store } of o.tables) {
        const held = store.get(key)?.timestamp ?? 0;
        if (held < timestamp) {
          return `${key} at ${timestamp} was committed, and ${server} ends with ${held}`;
        }
      }
    }
    return undefined;
  };
}

function convergence(): Checker {
  return (o) => {
    if (o.kind !== "ended") return undefined;
    const silent = o.tables.find((table) => !table.readable);
    if (silent !== undefined) return `${silent.server} ends without answering GETs`;
    const texts = o.tables.map(({ store }) => JSON.stringify([...store.entries()].sort(byKey)));
    const other = texts.findIndex((text) => text !== texts[0]);
    if (other < 0) return undefined;
    const [one, two] = [o.tables[0]!.server, o.tables[other]!.server];
    return `${one} ends with ${texts[0]}, ${two} with ${texts[other]}`;
  };
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function answers(answerMs: number): Checker {
  const answered = new Set<number>();
  return (o) => {
    if (o.kind === "unanswered") {
      return o.forMs > answerMs ? `request ${o.op} has no answer after ${o.forMs} ms` : undefined;
    }
    if (o.kind !== "answered") return undefined;
    if (answered.has(o.op)) return `request ${o.op} was answered twice`;
    answered.add(o.op);
    return o.afterMs > answerMs ? `request ${o.op} was answered after ${o.afterMs} ms` : undefined;
  };
}

/** A server that has answered GETs refuses none that its table is new enough for. */
function readsGoOn(): Checker {
  return (o) =>
    o.kind === "refused" && o.answersGets && o.own >= o.seen
      ? `${o.server} refused a GET of ${o.seen}, and holds ${o.own}`
      : undefined;
}

/** Most PUTs do not wait for a follower that flaps. */
function putsGoOn(): Checker {
  return (o) =>
    o.kind === "flapped" && o.late * 3 > o.of
      ? `${o.late} of ${o.of} PUTs were late while a follower flapped`
      : undefined;
}

/** A PUT succeeds without a server that is cut off. At the end every client's PUT and GET succeed. */
function progress(): Checker {
  return (o) => {
    if (o.kind === "managed" && !o.succeeded) return "a PUT failed while one server was cut off";
    if (o.kind !== "ended") return undefined;
    if (o.lastPuts < o.clients) return `${o.lastPuts} of ${o.clients} last PUTs succeeded`;
    if (o.lastGets < o.clients) return `${o.lastGets} of ${o.clients} last GETs succeeded`;
    return undefined;
  };
}
