/**
 * Whether a follower keeps up with the writes that it is sent.
 *
 * @module
 */

import { assert } from "./invariant.ts";
import { RecentStalls } from "./recent_stalls.ts";
import type { Tuning } from "./tuning.ts";

/** The slowest link that is no stall, in UTF-16 units: 1 MiB/s. */
const charsPerMs = 1024 * 1024 / 1_000;
/** Short stalls are added up over this time, in units of the silence limit. */
const recentTime = 2;
/** Short stalls may last for this time together, in units of the silence limit. */
const recentStallsMax = 1 / 2;
/** The usual round trip rises by this share of the difference at each slower one. */
const roundTripRise = 1 / 16;

/** The state of a follower at a tick. All times are in milliseconds. */
export interface Pace {
  /** The time since the tick before that counts against the follower. */
  readonly elapsedMs: number;
  /** Every write up to here is acknowledged. */
  readonly acked: number;
  /** The leader's newest write. */
  readonly timestamp: number;
  /** The size of all writes that the leader ever sent, in UTF-16 units. */
  readonly sentChars: number;
  /** When the follower last sent something. */
  readonly heardAt: number;
}

/**
 * The progress of one follower on one connection, measured at ticks.
 *
 * A stall is a time in which the follower acknowledges nothing although it was sent something. Its
 * heartbeats do not end a stall: they may arrive while the writes to the follower are lost. A slow
 * follower acknowledges some of its writes all the time, and may take longer for large ones.
 *
 * A follower does not keep up in one of three ways:
 *
 * - It stalls for a long time.
 * - It acknowledges something all the time, and lacks a write that is older than the silence limit.
 * - It stalls often: its short stalls add up. Of each, only what exceeds the usual round trip counts,
 *   if that is more than half a heartbeat interval. So a far follower does not stall often.
 */
export class Progress {
  readonly #heartbeatMs: number;
  readonly #silenceMs: number;
  #acked = -1;
  /** The leader's newest write at the last tick. */
  #timestamp = -1;
  /** Whether the follower lacked a write at the last tick. */
  #behind = false;
  #stalledMs = 0;
  /** Stalls that were not late, without the usual round trip and the time for the size of the writes. */
  readonly #shortStalls: RecentStalls;
  /** The leader's newest write at some tick. Once it is acknowledged, the next mark is set. */
  #mark = { timestamp: -1, sentChars: 0 };
  /** Whether the mark was not acknowledged when it was set. */
  #markWaits = false;
  /** How long the mark has waited for its acknowledgement. */
  #markedMs = 0;
  /** How long a mark usually waits: falls at once, and rises slowly. */
  #roundTripMs = 0;
  /** The size of all writes up to the last mark that was acknowledged. */
  #acknowledgedChars = 0;
  /** The time that is allowed for the size of the writes on their way, up to half the silence limit. */
  #sizeMs = 0;
  #heardAt: number;
  /** Invariant: never above #heardAt. */
  #steadySince: number;

  /** The progress of a follower that was heard at `heardAt`. */
  constructor(
    { heartbeatMs, silenceMs }: Pick<Tuning, "heartbeatMs" | "silenceMs">,
    heardAt: number,
  ) {
    this.#heartbeatMs = heartbeatMs;
    this.#silenceMs = silenceMs;
    this.#shortStalls = new RecentStalls(recentTime * silenceMs);
    this.#heardAt = heardAt;
    this.#steadySince = heardAt;
  }

  /** How long the present stall has lasted; 0 if there is none. */
  get stalledMs(): number {
    return this.#stalledMs;
  }

  /**
   * How long the follower has kept up: the time to its last message since it was silent, stalled
   * often, or lacked a write that was older than a heartbeat interval.
   */
  get steadyMs(): number {
    return this.#heardAt - this.#steadySince;
  }

  /** Whether the present stall is longer than `patienceMs`, or the follower lacks an old write. */
  isLate(patienceMs: number = this.#heartbeatMs): boolean {
    return this.#stallsOver(patienceMs) || this.#lacksOldWrite;
  }

  /** The length of all short stalls of late, the present one included. */
  get shortStallsMs(): number {
    return this.#shortStalls.totalMs + this.#countedMs;
  }

  /** Whether the short stalls of late are too long together. */
  get stallsOften(): boolean {
    return this.shortStallsMs > recentStallsMax * this.#silenceMs;
  }

  /** Why the follower does not keep up, in words. `endedMs` is what the last tick returned. */
  why(endedMs: number): string {
    const stalledMs = Math.round(Math.max(endedMs, this.#stalledMs));
    if (stalledMs <= this.#heartbeatMs) {
      if (this.#lacksOldWrite) return `has lacked a write for ${Math.round(this.#markedMs)} ms`;
      if (this.stallsOften) return `has stalled often, for ${Math.round(this.shortStallsMs)} ms`;
    }
    return `has acknowledged nothing for ${stalledMs} ms`;
  }

  /** Time has passed. Returns the length of the stall that has ended if it was late, otherwise 0. */
  tick({ elapsedMs, acked, timestamp, sentChars, heardAt }: Pace): number {
    const progressed = acked > this.#acked || !this.#behind;
    // What was written since the last tick and is acknowledged already took no time to speak of.
    if (acked === timestamp && timestamp > this.#timestamp) this.#roundTripMs = 0;
    this.#timestamp = timestamp;
    const endedMs = progressed && this.#stallsOver(this.#heartbeatMs) ? this.#stalledMs : 0;
    this.#shortStalls.tick(elapsedMs);
    if (progressed && endedMs === 0) this.#shortStalls.add(this.#countedMs);
    this.#stalledMs = progressed ? 0 : this.#stalledMs + elapsedMs;
    this.#acked = acked;
    this.#behind = acked < timestamp;
    // Two intervals: one heartbeat may be late.
    if (heardAt - this.#heardAt > 2 * this.#heartbeatMs) this.#steadySince = heardAt;
    this.#heardAt = heardAt;
    this.#markedMs += elapsedMs;
    if (acked >= this.#mark.timestamp) {
      if (this.#markWaits) this.#roundTrip(this.#markedMs);
      this.#acknowledgedChars = this.#mark.sentChars;
      this.#mark = { timestamp, sentChars };
      this.#markWaits = this.#behind;
      this.#markedMs = 0;
    } else if (this.#markedMs > this.#heartbeatMs + this.#sizeMs) this.#steadySince = heardAt;
    if (this.stallsOften) this.#steadySince = heardAt;
    const onTheirWay = this.#behind ? sentChars - this.#acknowledgedChars : 0;
    this.#sizeMs = Math.min(onTheirWay / charsPerMs, this.#silenceMs / 2);
    return endedMs;
  }

  /** Begins to measure again: what was before does not count. */
  restart(heardAt: number): void {
    this.#behind = false;
    this.#stalledMs = 0;
    this.#shortStalls.clear();
    this.#mark = { timestamp: -1, sentChars: 0 };
    this.#markWaits = false;
    this.#markedMs = 0;
    this.#heardAt = heardAt;
    this.#steadySince = heardAt;
  }

  /** Counts the steady time from now on. */
  restartSteady(): void {
    this.#steadySince = this.#heardAt;
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    assert(this.#steadySince <= this.#heardAt, "steady since a time that has not come");
    assert(this.#stalledMs === 0 || this.#behind, "stalled with every write acknowledged");
    this.#shortStalls.checkInvariants();
  }

  #roundTrip(ms: number): void {
    const above = ms - this.#roundTripMs;
    this.#roundTripMs += above > 0 ? above * roundTripRise : above;
  }

  /** The part of the present stall that is added to the short ones, 0 if it is too short for that. */
  get #countedMs(): number {
    const ownMs = this.#stalledMs - this.#sizeMs - this.#roundTripMs;
    const lengthMs = Math.min(ownMs, this.#heartbeatMs);
    return lengthMs > this.#heartbeatMs / 2 ? lengthMs : 0;
  }

  /** Whether the follower lacks a write that is older than the silence limit and the time for its size. */
  get #lacksOldWrite(): boolean {
    return this.#markedMs > this.#silenceMs + this.#sizeMs;
  }

  /**
   * Whether the present stall is longer than `patienceMs` and the time for the size of the writes
   * together, or longer than the silence limit.
   */
  #stallsOver(patienceMs: number): boolean {
    return this.#stalledMs > Math.min(patienceMs + this.#sizeMs, this.#silenceMs);
  }
}
