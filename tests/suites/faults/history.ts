/**
 * What clients saw, in the order in which they saw it, and whether it may be so.
 *
 * @module
 */

import { makeCheckers, type Observation, type Table } from "../../simulation/checkers.ts";

/** What a client did or saw. Each request is "asked" once, then one of the others, then "answered". */
export type Event =
  | Extract<Observation, { kind: "put" | "got" | "answered" }>
  /** `process` is the one that is asked, where that is known. */
  | Extract<Observation, { kind: "asked" }> & { readonly process?: string }
  /** TRY_OTHER_SERVER_OR_LATER. */
  | { readonly kind: "refused"; readonly op: number; readonly server: string }
  /** Certainly not written, or not read. */
  | { readonly kind: "failed"; readonly op: number; readonly reason: string }
  /** Perhaps written, perhaps later. */
  | { readonly kind: "unknown"; readonly op: number; readonly reason: string }
  /** An answer that no server may give. */
  | { readonly kind: "broken"; readonly op: number; readonly reason: string };

/** An event with its time. */
export type Entry = Event & { readonly atMs: number };

/** How a run went, in numbers. */
export interface Figures {
  /** PUTs with PUT_OK. */
  readonly acknowledged: number;
  /** PUTs that were certainly not applied. */
  readonly failed: number;
  /** PUTs of which nobody can tell. */
  readonly unknown: number;
  /** GETs with a value or NULL. */
  readonly read: number;
  /** GETs with TRY_OTHER_SERVER_OR_LATER. */
  readonly refused: number;
  /** Keys, each counted once for each server, that end older than what was acknowledged for them. */
  readonly lost: number;
  /** Answers older than they may be. */
  readonly stale: number;
  /** The longest time without a PUT_OK for anybody. */
  readonly longestGapMs: number;
}

/** The end of a run, when all is healed and quiet. */
export interface End {
  readonly tables: Table[];
  readonly lastPuts: number;
  readonly lastGets: number;
  readonly clients: number;
  /** Until then all servers were in sync. */
  readonly calmUntilMs: number;
  /** When the load ended. */
  readonly loadEndMs: number;
  /** Every request is answered within this time of its server's own life. */
  readonly answerMs: number;
}

/** A record of requests and answers. */
export class History {
  readonly entries: Entry[] = [];
  /** For each key the highest timestamp that was acknowledged. */
  readonly acknowledged = new Map<string, number>();
  /** PUTs that were acknowledged. */
  puts = 0;
  /** GETs that were answered from a table. */
  gets = 0;
  /** GETs that were refused, by server. */
  readonly refusals = new Map<string, number>();
  #nextOp = 1;
  readonly #askedMs = new Map<number, number>();
  /** Who waits for a PUT that was asked at a certain time or later. */
  readonly #awaited = new Set<{ sinceMs: number; resolve: (atMs: number) => void }>();

  /** A number for a request. */
  nextOp(): number {
    return this.#nextOp++;
  }

  /** Takes note of what happens now. */
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

  /** Resolves with the time at which the first PUT that is asked at `sinceMs` or later is acknowledged. */
  async nextPut(sinceMs: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#awaited.add({ sinceMs, resolve });
    return await promise;
  }

  /** How long each acknowledged PUT took that was asked at `sinceMs` or later. */
  putMs(sinceMs: number): number[] {
    const times: number[] = [];
    for (const entry of this.entries) {
      if (entry.kind !== "put") continue;
      const askedMs = this.#askedMs.get(entry.op)!;
      if (askedMs >= sinceMs) times.push(entry.atMs - askedMs);
    }
    return times;
  }

  /** Reads the history by the rules of the simulation, and by some that need what only real clients see. */
  judge(end: End): { figures: Figures; violations: string[] } {
    const judges: Judge[] = [
      ...Object.entries(makeCheckers({ minInSync: 0, answerMs: end.answerMs }))
        .map(([rule, checker]) => new Judge(rule, checker as Rule)),
      new Judge("in-sync servers show what is acknowledged (G2)", shownByAll(end.calmUntilMs)),
      new Judge("servers never show less than they have shown (G1)", monotonicProcesses()),
      new Judge("writes are ordered as they happened (G1)", orderedWrites()),
      new Judge("what failed is never applied (G7)", failedForGood()),
      new Judge("every request is answered (G7)", answeredAll()),
      new Judge("servers keep to the protocol", protocol()),
    ];
    const look = (seen: Seen, atMs: number) => {
      for (const judge of judges) judge.look(seen, atMs);
    };
    for (const entry of this.entries) look(entry, entry.atMs);
    for (const [life, { server, store }] of end.tables.entries()) {
      for (const [key, { value, timestamp }] of store.entries()) {
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

/** All that rules are told. */
type Seen = Event | Exclude<Observation, { kind: "asked" }>;
type Rule = (seen: Seen, atMs: number) => string | undefined;

/** Counts how often a rule is broken. A rule of the simulation takes no notice of events that it does not know. */
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
    // The texts of whole tables help nobody.
    if (this.times++ === 0) this.first = wrong.slice(0, 500);
  }
}

/** The rules that a stale answer breaks. */
const staleRules =
  /^(reads never go back|a restarted server shows|in-sync servers show|servers never show less)/;

/** While all servers are in sync, a GET that is asked after a PUT_OK, by anybody and anywhere, shows that write. */
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
 * A process that has shown a timestamp of a key shows no older one to anybody who asks it later, not
 * even to one who has seen nothing.
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

/** A PUT that is asked after the PUT_OK of another has the higher timestamp, and no two have the same. */
function orderedWrites(): Rule {
  const floors = new Map<number, number>();
  const used = new Set<number>();
  let highest = 0;
  return (seen) => {
    if (seen.kind === "asked") floors.set(seen.op, highest);
    if (seen.kind !== "put") return undefined;
    const { key, timestamp } = seen;
    if (used.has(timestamp)) return `two PUTs got timestamp ${timestamp}, one of them of ${key}`;
    used.add(timestamp);
    highest = Math.max(highest, timestamp);
    const floor = floors.get(seen.op)!;
    return timestamp <= floor
      ? `a PUT of ${key} got ${timestamp}, and was asked after ${floor} was acknowledged`
      : undefined;
  };
}

/** Nobody ever reads the value of a PUT that was said to be not applied. */
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

/** Nothing is left open at the end. */
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
