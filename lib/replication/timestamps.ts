/**
 * The range of the timestamps: how far a leader skips, how far a server may be ahead of the others, and
 * what happens near the end.
 *
 * A timestamp is a safe integer, 2⁵³ − 1 at most. A recovery uses up 2³² of them on average, so there
 * is room for two million recoveries.
 *
 * @module
 */

import { timestampMax } from "../limits.ts";
import type { Join, Replication, Snapshot, Sync } from "../mensagem.ts";

/**
 * How far a recovered leader skips ahead, on average. The shortest distance is half of this, the
 * longest one and a half times this.
 *
 * The shortest one must exceed the number of writes that a crashed leader stamped and no living
 * follower has. The distance is random because two leaders may go on from the same timestamp, one of
 * them with an old disk. They must not accept each other's writes.
 */
export const recoverySkip = 2 ** 32;

/**
 * How far one server may be ahead of all others that have data, and one message ahead of the one
 * before: 65,536 skips. Data that is further ahead is not taken over. Otherwise one false claim could
 * use up all timestamps.
 */
export const timestampLeadMax: number = recoverySkip * 2 ** 16;

/** The highest timestamp that a leader without data takes over: the longest skip is left. */
export const takeOverMax: number = timestampMax - 2 * recoverySkip;

/** A leader that begins with fewer timestamps left warns its operator. It is enough for 1,024 skips. */
export const timestampsLow: number = recoverySkip * 2 ** 10;

/** Where a leader goes on that takes over a table at `timestamp`. `random` is from 0 to 1. */
export function skipFrom(timestamp: number, random: number): number {
  // At the end of the range no timestamp is left, so none is used twice.
  return Math.min(timestamp + Math.floor(recoverySkip * (0.5 + random)), timestampMax);
}

/** The newest write that a follower holds. It is above `timestamp` if a catch-up was not finished. */
export function highestOf({ timestamp, highest = timestamp }: Join): number {
  return highest;
}

/** A server whose data cannot be taken over, and the reason. */
export interface FarAhead {
  /** Its JOIN. */
  readonly join: Join;
  /** The reason, for the server and for the operator. */
  readonly reason: string;
}

/**
 * The server whose data is further ahead of all other data than {@linkcode timestampLeadMax};
 * `undefined` if there is none. A leader without a table asks when all followers have joined.
 *
 * @param joins of all followers.
 * @param own The newest write on the leader's own disk, 0 if it has none. It is not doubted.
 */
export function farAhead(joins: readonly Join[], own: number): FarAhead | undefined {
  const [first, second] = joins.toSorted((a, b) => highestOf(b) - highestOf(a));
  if (first === undefined) return undefined;
  const others = Math.max(own, second === undefined ? 0 : highestOf(second));
  if (highestOf(first) - others <= timestampLeadMax) return undefined;
  const where = others === 0
    ? "no other server has data to confirm that"
    : `the newest write of all other servers is ${others}`;
  const reason = `${first.server} holds timestamp ${highestOf(first)}, and ${where}. A lead of ` +
    `more than ${timestampLeadMax} would use up the timestamps, so that data is not taken over: see ` +
    '"No timestamps left" in docs/operations.md';
  return { join: first, reason };
}

/** Why a write of the leader is not believed after `previous`; `undefined` if it is. */
export function whyNotNext({ timestamp }: Replication, previous: number): string | undefined {
  if (timestamp - previous <= timestampLeadMax) return undefined;
  return `it sent timestamp ${timestamp} after ${previous}, which is too far ahead`;
}

/** Why a SYNC cannot belong to a table whose newest entry has `highest`; `undefined` if it can. */
export function whyNotSynced(sync: Sync, highest: number): string | undefined {
  const { latest } = sync;
  if (highest - latest <= timestampLeadMax) return whyNotKnown(sync, latest);
  return `it sent an entry with timestamp ${highest}, and its newest is ${latest}`;
}

/** Why a follower cannot have these entries, by its JOIN; `undefined` if it can. */
export function whyNotHeld(snapshot: Snapshot, join: Join): string | undefined {
  const highest = highestOf(join);
  const entry = snapshot.entries.find(([, , timestamp]) => timestamp > highest);
  return entry === undefined
    ? whyNotKnown(snapshot, highest)
    : `it sent an entry with timestamp ${entry[2]}, and joined with ${highest}`;
}

/** Why a server whose newest write is `highest` cannot know this floor or gap; `undefined` if it can. */
function whyNotKnown(
  { floor = 0, gaps = [] }: Pick<Sync, "floor" | "gaps">,
  highest: number,
): string | undefined {
  if (floor > highest) return `it sent the floor ${floor}, and its newest write is ${highest}`;
  const gap = gaps.find(([, last]) => last > highest);
  return gap && `it sent a gap up to ${gap[1]}, and its newest write is ${highest}`;
}

/** A warning for the operator of a leader at `timestamp`; `undefined` if there is room. */
export function warningOfEnd(timestamp: number): string | undefined {
  const left = timestampMax - timestamp;
  if (left >= timestampsLow) return undefined;
  const starts = Math.floor(left / recoverySkip);
  return left === 0
    ? `warning: ${noTimestampLeft}`
    : `warning: ${left} timestamps are left, enough for about ${starts} starts of a leader. ` +
      "Then no PUT is taken any more. Move the data to a new cluster before (docs/operations.md)";
}

/** What a leader says when it has given the highest timestamp. */
export const noTimestampLeft: string =
  `no timestamp is left: ${timestampMax} is the highest. PUTs fail, GETs ` +
  "are answered. Move the data to a new cluster (docs/operations.md)";
