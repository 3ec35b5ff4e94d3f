/**
 * The history of requests and answers in order, and the rules that it must keep.
 *
 * @module
 */

import { makeCheckers } from "../../simulation/checkers.ts";
import type { Observation, Table } from "../../simulation/observation.ts";
import { textOfValue } from "../../../lib/wire/long_value.ts";

/** What happens to a request: first "asked", then the outcome, then "answered". */
export type Event =
  | Extract<Observation, { kind: "put" | "got" | "answered" }>
  /** `process` is the server process that was asked; `undefined` if that is not known. */
  | Extract<Observation, { kind: "asked" }> & {
    readonly value: string | undefined;
    readonly process?: string;
  }
  /** TRY_OTHER_SERVER_OR_LATER. */
  | { readonly kind: "refused"; readonly op: number; readonly server: string }
  /** Not applied, or not read. */
  | { readonly kind: "failed"; readonly op: number; readonly reason: string }
  /** Possibly applied, now or later. */
  | { readonly kind: "unknown"; readonly op: number; readonly reason: string }
  /** An answer against the protocol. */
  | { readonly kind: "broken"; readonly op: number; readonly reason: string };

/** An event with its time. */
export type Entry = Event & { readonly atMs: number };

/** The figures of a run. */
export interface Figures {
  /** PUTs with a PUT_OK. */
  readonly acknowledged: number;
  /** PUTs that were not applied. */
  readonly failed: number;
  /** PUTs whose fate is unknown. */
  readonly unknown: number;
  /** GETs with a value or NULL. */
  readonly read: number;
  /** GETs with TRY_OTHER_SERVER_OR_LATER. */
  readonly refused: number;
  /** Entries in the final tables that are older than their acknowledged write. */
  readonly lost: number;
  /** Answers that are older than the rules allow. */
  readonly stale: number;
  /** The longest time without a PUT_OK to any client. */
  readonly longestGapMs: number;
}

/** The end of a run, after all faults. */
export interface End {
  readonly tables: Table[];
  readonly lastPuts: number;
  readonly lastGets: number;
  readonly clients: number;
  /** The time until which all servers were in sync. */
  readonly calmUntilMs: number;
  /** The time at which the load ended. */
  readonly loadEndMs: number;
  /** The time limit for an answer, on the clock of the server. */
  readonly answerMs: number;
}

/** A record of requests and answers. */
export class History {
  readonly entries: Entry[] = [];
  /** For each key, the highest acknowledged timestamp. */
  readonly acknowledged = new Map<string, number>();
  /** The number of acknowledged PUTs. */
  puts = 0;
  /** The number of GETs that were answered from a table. */
  gets = 0;
  /** The number of refused GETs by server. */
  readonly refusals = new Map<string, number>();
  #nextOp = 1;
  readonly #askedMs = new Map<number, number>();
  /** Callers that wait for a PUT that was sent at `sinceMs` or later. */
  readonly #awaited = new Set<{ sinceMs: number; resolve: (atMs: number) => void }>();

  /** A unique number for a request. */
  nextOp(): number {
    return this.#nextOp++;
  }

  /** Records an event. */
  record(event: Event): void {
    const atMs = performance.now();
    this.entries.push({ ...event, atMs });
    switch (event.kind) {
      case "asked":
        this.#askedMs.set(event.op, atMs);
        return;
      case "got":
        this.gets++;
        return;
      case "refused":
        this.refusals.set(event.server, (this.refusals.get(event.server) ?? 0) + 1);
        return;
      case "put":
        this.#acknowledged(event.op, event.key, event.timestamp, atMs);
    }
  }

  /** Resolves with the time of the first PUT_OK for a PUT that was sent at `sinceMs` or later. */
  async nextPut(sinceMs: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#awaited.add({ sinceMs, resolve });
    return await promise;
  }

  /** The latencies of acknowledged PUTs that were sent at `sinceMs` or later. */
  putMs(sinceMs: number): number[] {
    const times: number[] = [];
    for (const entry of this.entries) {
      if (entry.kind !== "put") continue;
      const askedMs = this.#askedMs.get(entry.op)!;
      if (askedMs >= sinceMs) times.push(entry.atMs - askedMs);
    }
    return times;
  }

  /** When each PUT_OK since then came. */
  putOkMs(sinceMs: number): number[] {
    const { entries } = this;
    return entries.filter(({ kind, atMs }) => kind === "put" && atMs >= sinceMs)
      .map(({ atMs }) => atMs);
  }

  /** Checks the history by the rules of the simulation, and by more rules for real clients. */
  judge(end: End): { figures: Figures; violations: string[] } {
    const judges: Judge[] = [
      ...Object.entries(makeCheckers({ minInSync: 0, answerMs: end.answerMs }))
        .map(([rule, { kinds, check }]) =>
          new Judge(
            rule,
            (seen) => kinds.includes(seen.kind as never) ? check(seen as Observation) : undefined,
          )
        ),
      new Judge("in-sync servers show acknowledged writes (G2)", shownByAll(end.calmUntilMs)),
      new Judge("servers never show less than they have shown (G1)", monotonicProcesses()),
      new Judge("timestamps follow the order of writes (G1)", orderedWrites()),
      new Judge("a failed PUT is never applied (G7)", failedForGood()),
      new Judge("every request is answered (G7)", answeredAll()),
      new Judge("servers keep to the protocol", protocol()),
    ];
    const look = (seen: Seen, atMs: number) => {
      for (const judge of judges) judge.look(seen, atMs);
    };
    for (const entry of this.entries) look(entry, entry.atMs);
    for (const [life, { server, store }] of end.tables.entries()) {
      for (const [key, entry] of store.entries()) {
        const [value, { timestamp }] = [textOfValue(entry.value)!, entry];
        look({ kind: "held", counts: true, life, server, key, value, timestamp }, end.loadEndMs);
      }
    }
    look({ kind: "ended", ...end }, end.loadEndMs);
    const stale = judges.filter(({ rule }) => staleRules.test(rule))
      .reduce((sum, { times }) => sum + times, 0);
    const violations = judges.filter(({ times }) => times > 0)
      .map(({ rule, first, times }) => `${rule}, ${times} times, first: ${first}`);
    return { figures: { ...this.#figures(end), stale }, violations };
  }

  #acknowledged(op: number, key: string, timestamp: number, atMs: number): void {
    this.puts++;
    if (timestamp > (this.acknowledged.get(key) ?? 0)) this.acknowledged.set(key, timestamp);
    for (const awaited of this.#awaited) {
      if (this.#askedMs.get(op)! < awaited.sinceMs) continue;
      this.#awaited.delete(awaited);
      awaited.resolve(atMs);
    }
  }

  #figures(end: End): Omit<Figures, "stale"> {
    const writes = new Set<number>();
    const count = { acknowledged: 0, failed: 0, unknown: 0, read: 0, refused: 0 };
    let lastMs = Infinity;
    let longestGapMs = 0;
    for (const entry of this.entries) {
      if (entry.kind === "asked" && entry.value !== undefined) writes.add(entry.op);
      if (entry.kind === "got") count.read++;
      if (entry.kind === "refused") count.refused++;
      if (entry.kind === "unknown") count.unknown++;
      if (entry.kind === "failed" && writes.has(entry.op)) count.failed++;
      if (entry.kind !== "put") continue;
      count.acknowledged++;
      longestGapMs = Math.max(longestGapMs, entry.atMs - lastMs);
      lastMs = entry.atMs;
    }
    longestGapMs = Math.max(longestGapMs, end.loadEndMs - lastMs);
    let lost = 0;
    for (const { store } of end.tables) {
      for (const [key, timestamp] of this.acknowledged) {
        if ((store.get(key)?.timestamp ?? 0) < timestamp) lost++;
      }
    }
    return { ...count, lost, longestGapMs };
  }
}

/** Everything that the rules see. */
type Seen = Event | Exclude<Observation, { kind: "asked" }>;
type Rule = (seen: Seen, atMs: number) => string | undefined;

/** Counts how often a rule is broken. Rules of the simulation ignore events that they do not know. */
class Judge {
  readonly rule: string;
  readonly #check: Rule;
  times = 0;
  first = "";

  constructor(rule: string, check: Rule) {
    this.rule = rule;
    this.#check = check;
  }

  look(seen: Seen, atMs: number): void {
    const wrong = this.#check(seen, atMs);
    if (wrong === undefined) return;
    // The text of a whole table would be too long to read.
    if (this.times++ === 0) this.first = wrong.slice(0, 500);
  }
}

/** The names of the rules that a stale answer breaks. */
const staleRules =
  /^(reads never go back|a restarted server shows|in-sync servers show|servers never show less)/;

/** While all servers are in sync, a GET sent after a PUT_OK shows that write, for any client at any server. */
function shownByAll(calmUntilMs: number): Rule {
  const acknowledged = new Map<string, number>();
  const floors = new Map<number, number>();
  return (seen, atMs) => {
    if (atMs > calmUntilMs) return undefined;
    if (seen.kind === "asked") floors.set(seen.op, acknowledged.get(seen.key) ?? 0);
    if (seen.kind === "put") {
      acknowledged.set(seen.key, Math.max(seen.timestamp, acknowledged.get(seen.key) ?? 0));
    }
    return seen.kind === "got" && seen.timestamp < floors.get(seen.op)!
      ? `${seen.key} was read at ${seen.timestamp} after ${floors.get(seen.op)} was acknowledged`
      : undefined;
  };
}

/**
 * A process that has shown a timestamp of a key shows no older one later, not even to a client that has seen
 * nothing.
 */
function monotonicProcesses(): Rule {
  const shown = new Map<string, number>();
  const asked = new Map<number, { readonly slot: string; readonly floor: number }>();
  return (seen) => {
    if (seen.kind === "asked" && seen.process !== undefined) {
      const slot = `${seen.process} ${seen.key}`;
      asked.set(seen.op, { slot, floor: shown.get(slot) ?? 0 });
    }
    if (seen.kind !== "got") return undefined;
    const request = asked.get(seen.op);
    if (request === undefined) return undefined;
    const { slot, floor } = request;
    shown.set(slot, Math.max(seen.timestamp, shown.get(slot) ?? 0));
    return seen.timestamp < floor
      ? `${slot} was read at ${seen.timestamp} after ${floor} was`
      : undefined;
  };
}

/** A PUT sent after the PUT_OK of another one has the higher timestamp, and no two PUTs have the same. */
function orderedWrites(): Rule {
  const floors = new Map<number, number>();
  const used = new Set<number>();
  let highest = 0;
  return (seen) => {
    if (seen.kind === "asked") floors.set(seen.op, highest);
    if (seen.kind !== "put") return undefined;
    const { key, timestamp } = seen;
    if (used.has(timestamp)) return `two PUTs got timestamp ${timestamp}, one of them for ${key}`;
    used.add(timestamp);
    highest = Math.max(highest, timestamp);
    const floor = floors.get(seen.op)!;
    return timestamp <= floor
      ? `a PUT of ${key} got ${timestamp}, and was asked after ${floor} was acknowledged`
      : undefined;
  };
}

/** No client reads the value of a PUT that was reported as not applied. */
function failedForGood(): Rule {
  const values = new Map<number, string>();
  const failed = new Map<string, string>();
  const shown = new Set<string>();
  return (seen) => {
    if (seen.kind === "asked" && seen.value !== undefined) values.set(seen.op, seen.value);
    if (seen.kind === "failed" && values.has(seen.op)) {
      const value = values.get(seen.op)!;
      failed.set(value, seen.reason);
      if (shown.has(value)) return `${value} was read, and then not applied: ${seen.reason}`;
    }
    if ((seen.kind !== "got" && seen.kind !== "held") || seen.value === null) return undefined;
    shown.add(seen.value);
    const reason = failed.get(seen.value);
    return reason === undefined ? undefined : `${seen.value} was not applied (${reason}), and read`;
  };
}

/** No request is open at the end. */
function answeredAll(): Rule {
  const open = new Set<number>();
  return (seen) => {
    if (seen.kind === "asked") open.add(seen.op);
    if (seen.kind === "answered") open.delete(seen.op);
    return seen.kind === "ended" && open.size > 0
      ? `${open.size} requests have no answer, among them ${[...open][0]}`
      : undefined;
  };
}

function protocol(): Rule {
  return (seen) => seen.kind === "broken" ? seen.reason : undefined;
}
