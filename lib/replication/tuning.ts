/**
 * What an operator may set, and the values that hold where nothing else is said.
 *
 * @module
 */

import { keyBytesMax, valueBytesMax } from "../limits.ts";

/** Servers in the cluster, the leader included. */
export const clusterSizeDefault = 3;

/** Servers that must hold a write before it is acknowledged, the leader included. */
export const minInSyncDefault = 2;

/** Pause between two heartbeats on a connection between servers. */
export const heartbeatMs = 500;

/** A peer server that stays silent for longer than this is taken for dead. */
export const silenceMs = 2_000;

/** Every PUT is answered within this time. */
export const putTimeoutMs = 5_000;

/** PUTs that a leader, or one follower towards its leader, has not answered yet. */
export const outstandingPutsMax = 65_536;

/** Text (in UTF-16 units) of keys and values that wait at the leader for servers to come back. */
export const waitingCharsMax = 64 * 1024 * 1024;

/** Recent writes that the leader keeps so that a follower can catch up without a snapshot, in bytes. */
export const logBytesMax = 16 * 1024 * 1024;

/**
 * A snapshot chunk is closed when its text reaches this size, in UTF-16 units. With chunks of an eighth PUTs
 * went on at 0.6 of their rate in the place of 0.5, and a follower with large values never caught up.
 */
export const snapshotChunkChars = 256 * 1024;

/**
 * A snapshot chunk is closed when this many keys were looked at, so that the event loop never waits
 * long.
 */
export const snapshotChunkVisits = 8_192;

/**
 * So many entries of a snapshot leave in one tick at most while PUTs go on. With a million keys those go
 * on at two thirds of their rate for 6 s then, and at less than half of it for 3 s without this.
 */
export const snapshotEntriesPerTick = 8_192;

/**
 * First pause before a follower dials its leader again. It doubles each time, up to the longest.
 */
export const redialFirstMs = 50;

/** Longest pause before a follower dials its leader again. */
export const redialLongestMs = 1_000;

/** What an operator may set. All servers of a cluster should agree. */
export interface Tuning {
  /** Servers in the cluster, the leader included. */
  readonly clusterSize: number;
  /** Servers that must hold a write before it is acknowledged, the leader included. */
  readonly minInSync: number;
  /** Every PUT is answered within this time. */
  readonly putTimeoutMs: number;
  /** Pause between two heartbeats. */
  readonly heartbeatMs: number;
  /** A server that is silent for longer is taken for dead. */
  readonly silenceMs: number;
  /** First and longest pause before a follower dials again. */
  readonly redialFirstMs: number;
  /** See {@linkcode Tuning.redialFirstMs}. */
  readonly redialLongestMs: number;
  /** The leader's log of recent writes, in bytes. */
  readonly logBytesMax: number;
  /** A snapshot chunk is closed at this much text, in UTF-16 units. */
  readonly snapshotChunkChars: number;
  /** A snapshot chunk is closed when so many keys were looked at. */
  readonly snapshotChunkVisits: number;
  /** Entries of a snapshot that leave in one tick, while PUTs go on. */
  readonly snapshotEntriesPerTick: number;
  /** PUTs without an answer, at the leader or at one follower. */
  readonly outstandingPutsMax: number;
  /** Text of PUTs that wait for servers to come back, in UTF-16 units. */
  readonly waitingCharsMax: number;
  /** The longest key that a client may PUT, in bytes of UTF-8. */
  readonly keyBytesMax: number;
  /** The longest value that a client may PUT, in bytes of UTF-8. */
  readonly valueBytesMax: number;
}

/** The tuning that holds where nothing else is said. */
export const tuningDefault: Tuning = {
  clusterSize: clusterSizeDefault,
  minInSync: minInSyncDefault,
  putTimeoutMs,
  heartbeatMs,
  silenceMs,
  redialFirstMs,
  redialLongestMs,
  logBytesMax,
  snapshotChunkChars,
  snapshotChunkVisits,
  snapshotEntriesPerTick,
  outstandingPutsMax,
  waitingCharsMax,
  keyBytesMax,
  valueBytesMax,
};

/**
 * When the leader must decide a PUT that it takes now, so that its answer arrives within the limit.
 */
export function decideBy(now: number, timeoutMs: number): number {
  return now + timeoutMs * 0.9;
}

/**
 * When a follower answers a PUT that it takes now, if the leader has not: later than the leader
 * decides.
 */
export function answerBy(now: number, timeoutMs: number): number {
  return now + timeoutMs * 0.97;
}
