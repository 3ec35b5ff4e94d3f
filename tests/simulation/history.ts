/**
 * Every write of a run in the order in which leaders gave timestamps, and what became of it.
 *
 * The order is known, so whether an answer is linearizable is a look at one place of that order, not a
 * search.
 */

import type { Gap } from "../../lib/mensagem.ts";
import type { Observation } from "./observation.ts";

/** What a key stands at: a write, or a key that does not exist. */
export interface Standing {
  /** 0 for a key that was never written. */
  readonly timestamp: number;
  /** `null` if the key does not exist. */
  readonly value: string | null;
}

/** What a key stood at for a part of the run. `from` and `until` are places in the run. */
export interface Period extends Standing {
  readonly from: number;
  /** Infinity while the key stands at it. */
  until: number;
  /** How long the key lives, `undefined` if it does not expire. */
  readonly ttlMs: number | undefined;
  /** When its time to live began at the leader of that time, in simulated milliseconds. */
  readonly liveSinceMs: number;
}

/** A write that a leader has stamped. */
export interface Stamped extends Standing {
  /** What the key stood at before. */
  readonly before: Standing;
  readonly ttlMs: number | undefined;
  /** When it was stamped, in simulated milliseconds. */
  readonly atMs: number;
  /** The place in the run at which it was stamped. */
  readonly place: number;
  /** Whether a later leader goes on without it. */
  lost: boolean;
}

/** A request to write. `value` is `null` if it deletes. */
export interface Writing {
  readonly op: number;
  readonly key: string;
  readonly value: string | null;
  readonly expected: number | undefined;
  readonly ttlMs: number | undefined;
}

const nothing: Standing = { timestamp: 0, value: null };

/** Whether a write with this condition may be made on a key that stands at this. */
export function fits(expected: number | undefined, { value, timestamp }: Standing): boolean {
  if (expected === undefined) return true;
  return expected === 0 ? value === null : value !== null && timestamp === expected;
}

/** The writes of a run. */
export class WriteHistory {
  /** The present place in the run: the number of observations. */
  place = 0;
  /** The simulated time of the last observation that has one. */
  nowMs = 0;
  /** By key, in the order of their timestamps. */
  readonly #writes = new Map<string, Stamped[]>();
  readonly #periods = new Map<string, Period[]>();
  /** Requests to write by key and value. Two requests may write the same value. */
  readonly #requests = new Map<string, Writing[]>();
  /** The timestamps that the newest leader takes for lost. */
  #gaps: readonly Gap[] = [];
  /** The newest timestamp of a leader that has taken over; Infinity for one that began with nothing. */
  #newest = Infinity;

  /** Takes what happens next. */
  observe(o: Observation): void {
    this.place++;
    if (o.kind === "asked" && o.value !== undefined) {
      const { op, key, value, expected, ttlMs } = o;
      const slot = slotOf(key, value);
      const requests = this.#requests.get(slot);
      const request = { op, key, value, expected, ttlMs };
      if (requests === undefined) this.#requests.set(slot, [request]);
      else requests.push(request);
    } else if (o.kind === "stamped") this.#stamped(o);
    else if (o.kind === "begun") this.#begun(o);
  }

  /** The requests that may have made a write. */
  requests(key: string, value: string | null): readonly Writing[] {
    return this.#requests.get(slotOf(key, value)) ?? [];
  }

  /** The write of a key at a timestamp. */
  at(key: string, timestamp: number): Stamped | undefined {
    return this.#writes.get(key)?.find((write) => write.timestamp === timestamp);
  }

  /** The newest write of a key. */
  newest(key: string): Stamped | undefined {
    return this.#writes.get(key)?.at(-1);
  }

  /** What a key stands at for a server that has applied everything up to `applied`. */
  upTo(key: string, applied: number): Standing {
    const writes = this.#writes.get(key) ?? [];
    return writes.findLast(({ timestamp, lost }) => timestamp <= applied && !lost) ?? nothing;
  }

  /** All keys that were ever written. */
  get keys(): Iterable<string> {
    return this.#writes.keys();
  }

  /** What a key stood at at the leader, in the order of the run. */
  periods(key: string): readonly Period[] {
    return this.#periods.get(key) ?? [{
      ...nothing,
      from: 0,
      until: Infinity,
      ttlMs: undefined,
      liveSinceMs: 0,
    }];
  }

  /** Whether a deletion with this condition may be the one that was stamped since `place`. */
  deletedSince(
    place: number,
    key: string,
    timestamp: number,
    expected: number | undefined,
  ): boolean {
    const write = this.at(key, timestamp);
    return write !== undefined && write.place > place && fits(expected, write.before);
  }

  /**
   * What a key stood at since `place`, if it was this, and if it is not lost. A key that does not exist
   * may be so by several deletions.
   */
  moments(key: string, { value, timestamp }: Standing, place: number): readonly Period[] {
    return this.periods(key).filter((period) =>
      period.until > place && period.value === value &&
      (value === null || period.timestamp === timestamp) &&
      this.at(key, period.timestamp)?.lost !== true
    );
  }

  /**
   * Whether a leader takes what was seen at this timestamp for lost: it lies in a gap, or above everything
   * that the leader has given, as it may if the last leader skipped further than this one.
   */
  isLost(timestamp: number): boolean {
    return timestamp > this.#newest ||
      this.#gaps.some(([first, last]) => timestamp >= first && timestamp <= last);
  }

  #stamped({ key, value, timestamp, atMs }: Observation & { kind: "stamped" }): void {
    const { ttlMs } = this.requests(key, value)[0] ?? {};
    this.nowMs = atMs;
    if (this.#newest < Infinity) this.#newest = timestamp;
    const before = this.periods(key).at(-1)!;
    const write = { timestamp, value, before, ttlMs, atMs, place: this.place, lost: false };
    const writes = this.#writes.get(key);
    if (writes === undefined) this.#writes.set(key, [write]);
    else writes.push(write);
    this.#begin(key, { timestamp, value, ttlMs, liveSinceMs: atMs });
  }

  /** A leader begins with this table: newer writes of earlier leaders are lost. */
  #begun({ timestamp, floor, gaps, entries, atMs }: Observation & { kind: "begun" }): void {
    this.nowMs = atMs;
    this.#newest = gaps.length > 0 ? timestamp : Infinity;
    this.#gaps = gaps; // a leader that none has followed leaves none
    for (const [key, writes] of this.#writes) {
      const kept = entries.get(key)?.timestamp ??
        writes.findLast(({ value, timestamp }) => value === null && timestamp <= floor)
          ?.timestamp ??
        0;
      for (const write of writes) if (write.timestamp > kept) write.lost = true;
      const write = writes.find(({ timestamp }) => timestamp === kept);
      const { value, ttlMs } = write ?? { value: null, ttlMs: undefined };
      this.#begin(key, { timestamp: kept, value, ttlMs, liveSinceMs: atMs });
    }
  }

  #begin(key: string, next: Omit<Period, "from" | "until">): void {
    const period = { ...next, from: this.place, until: Infinity };
    const periods = this.#periods.get(key);
    if (periods === undefined) {
      const first = { ...this.periods(key)[0]!, until: this.place };
      this.#periods.set(key, [first, period]);
      return;
    }
    periods.at(-1)!.until = this.place;
    periods.push(period);
  }
}

function slotOf(key: string, value: string | null): string {
  return value === null ? `${key} deleted` : `${key}=${value}`;
}
