/**
 * The settings that an operator may change, and their defaults.
 *
 * @module
 */

import { keyBytesMax, valueBytesMax } from "../limits.ts";
import { expiringKeysMax } from "./expirations.ts";
import { tombstonesMax } from "./store.ts";

/** The settings of a server. All servers of a cluster should have the same. */
export interface Tuning {
  /** Servers in the cluster, the leader included. */
  readonly clusterSize: number;
  /** Servers that must be in sync before the leader takes PUTs, the leader included. */
  readonly minInSync: number;
  /** Every PUT is answered within this time. */
  readonly putTimeoutMs: number;
  /** Time between two heartbeats on a connection between servers. */
  readonly heartbeatMs: number;
  /** A server that is silent for longer counts as dead. */
  readonly silenceMs: number;
  /** The first pause before a follower dials its leader again. The pause doubles each time. */
  readonly redialFirstMs: number;
  /** The longest pause before a follower dials its leader again. */
  readonly redialLongestMs: number;
  /** Size of the leader's log of recent writes, from which a follower catches up without a snapshot. */
  readonly logBytesMax: number;
  /** A snapshot chunk ends when its text reaches this size, in UTF-16 units. */
  readonly snapshotChunkChars: number;
  /** A snapshot chunk ends after this many keys, so that the event loop never waits long. */
  readonly snapshotChunkVisits: number;
  /** Entries of a snapshot that may leave in one tick while PUTs go on. */
  readonly snapshotEntriesPerTick: number;
  /** PUTs without an answer, at a leader or at a follower that forwards them. */
  readonly outstandingPutsMax: number;
  /** Keys and values of the PUTs that wait for their timestamp, in UTF-16 units. */
  readonly waitingCharsMax: number;
  /** Watches of all connections. */
  readonly watchesMax: number;
  /** Watches of one connection. */
  readonly watchesPerConnectionMax: number;
  /** Changes that may wait for one watcher. */
  readonly unsentChangesMax: number;
  /** Keys that may have a time to live at once. */
  readonly expiringKeysMax: number;
  /** Deletions that a table remembers. All servers of a cluster must have the same. */
  readonly tombstonesMax: number;
  /** The longest key that a client may PUT, in bytes of UTF-8. */
  readonly keyBytesMax: number;
  /** The longest value that a client may PUT, in bytes of UTF-8. */
  readonly valueBytesMax: number;
}

/** The default settings. */
export const tuningDefault: Tuning = {
  clusterSize: 3,
  minInSync: 2,
  putTimeoutMs: 5_000,
  heartbeatMs: 500,
  silenceMs: 2_000,
  redialFirstMs: 50,
  redialLongestMs: 1_000,
  logBytesMax: 16 * 1024 * 1024,
  // With an eighth of this, PUTs kept 0.6 of their rate during a snapshot instead of 0.5. But a
  // follower with large values never caught up.
  snapshotChunkChars: 256 * 1024,
  snapshotChunkVisits: 8_192,
  // With a million keys, PUTs keep two thirds of their rate for 6 s. Without this limit they fall
  // below half of it for 3 s.
  snapshotEntriesPerTick: 8_192,
  outstandingPutsMax: 65_536,
  waitingCharsMax: 64 * 1024 * 1024,
  // A watch takes about 1 KiB, and its key.
  watchesMax: 65_536,
  watchesPerConnectionMax: 4_096,
  unsentChangesMax: 16_384,
  expiringKeysMax,
  tombstonesMax,
  keyBytesMax,
  valueBytesMax,
};

/** The time by which the leader decides a PUT that it takes now. The answer then arrives in time. */
export function decideBy(now: number, timeoutMs: number): number {
  return now + timeoutMs * 0.9;
}

/**
 * The time by which a follower answers a PUT that it takes now. It is later than the leader decides,
 * so that the leader's answer arrives first.
 */
export function answerBy(now: number, timeoutMs: number): number {
  return now + timeoutMs * 0.97;
}
