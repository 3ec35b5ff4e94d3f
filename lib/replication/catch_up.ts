/**
 * How a leader brings a follower that has joined into the live stream.
 *
 * @module
 */

import type { Member } from "./member.ts";
import type { Outbox } from "./outbox.ts";
import type { Recovery } from "./recovery.ts";
import type { Store } from "./store.ts";
import type { SnapshotBase } from "./snapshot.ts";
import { highestOf } from "./timestamps.ts";
import type { Tuning } from "./tuning.ts";

/** The parts of the leader that a catch-up uses. */
export interface CatchUpOptions {
  /** The leader's table. */
  readonly store: Store;
  /** The leader's outgoing writes, with the log of recent ones. */
  readonly outbox: Outbox;
  /** The leader's recovery, which knows the cluster. */
  readonly recovery: Recovery;
  /** The operator's settings. */
  readonly tuning: Tuning;
}

/** The catch-up of followers: from the log if it reaches back far enough, otherwise by a snapshot. */
export class CatchUp {
  readonly #options: CatchUpOptions;

  /** A catch-up of any number of followers. */
  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /**
   * Brings a follower up to date from what it held when it joined. The leader is at `timestamp`, and
   * `writable` is whether PUTs go on.
   */
  begin(member: Member, timestamp: number, writable: boolean): void {
    const { joined } = member;
    const forked = this.#options.recovery.isForked(joined);
    // An empty server has no key whose deletion is forgotten here.
    const empty = highestOf(joined) === 0;
    const from = forked ? "replace" : empty ? "empty" : joined.timestamp;
    // Paced while PUTs go on. A second snapshot, of the entries written meanwhile, is never paced: it
    // could grow as fast as it leaves.
    this.goOn(member, from, timestamp, writable);
  }

  /** Goes on with the catch-up of a follower that has the writes that `base` says. */
  goOn(member: Member, base: SnapshotBase, timestamp: number, paced = false): void {
    const { store, outbox, recovery, tuning } = this.#options;
    outbox.send(); // the writes that have not left yet must be in the log
    const from = base === "empty" ? 0 : base;
    if (from === "replace" || !outbox.reaches(from)) {
      member.sendSnapshot(store, base, timestamp, tuning, paced);
    } else member.goLive(recovery.cluster, from, store, outbox.after(from));
  }

  /** A follower confirms a chunk that it was sent. */
  confirmed(member: Member, timestamp: number): void {
    const startedAt = member.snapshotConfirmed();
    if (startedAt !== undefined) this.goOn(member, startedAt, timestamp);
  }
}
