/**
 * How far a follower's table is synchronised.
 *
 * @module
 */

import type { Sync } from "../mensagem.ts";
import { assert } from "./invariant.ts";
import type { Store } from "./store.ts";

/** What a follower's table holds of the cluster's writes, and whether it may be read. */
export class SyncState {
  /** The table's cluster, "" until a leader has said up to where the table is complete. */
  #cluster: string;
  readonly #store: Store;
  /** The newest write of the table. Invariant: above its timestamp only during a catch-up. */
  #highest: number;
  /** The table may be read once every write up to here is applied: the first synchronisation. */
  #readableFrom = Infinity;
  /** Whether the leader has refused this server's data: it may belong to another cluster. */
  #excluded = false;

  /** The state of a table that was recovered, or of an empty one. */
  constructor(store: Store, { cluster, highest } = { cluster: "", highest: 0 }) {
    this.#store = store;
    this.#cluster = cluster;
    this.#highest = highest;
  }

  /** The id of the table's cluster, "" until a leader says that the table is complete. */
  get cluster(): string {
    return this.#cluster;
  }

  /** Every write up to here is applied. */
  get timestamp(): number {
    return this.#store.timestamp;
  }

  /** The newest write of the table. */
  get highest(): number {
    return this.#highest;
  }

  /** The newest write of the table if a catch-up is not finished, otherwise `undefined`. */
  get unfinished(): number | undefined {
    return this.#highest > this.timestamp ? this.#highest : undefined;
  }

  /** Whether the table may answer GETs. */
  get readable(): boolean {
    return this.#store.timestamp >= this.#readableFrom && !this.#excluded;
  }

  /** The leader refuses this server's data: no GET is answered until a leader accepts it. */
  exclude(): void {
    this.#excluded = true;
  }

  /** A leader accepts this server. */
  include(): void {
    this.#excluded = false;
  }

  /** The leader says that the table is complete up to `timestamp`, and that `latest` is the newest. */
  synchronise(sync: Sync): void {
    const { cluster, timestamp, latest } = sync;
    this.#cluster = cluster;
    if (!this.readable) this.#readableFrom = latest;
    this.#store.synchronise(sync);
    this.#store.advance(timestamp);
    this.sawEntry(timestamp);
  }

  /** The table has an entry with this timestamp. */
  sawEntry(timestamp: number): void {
    if (timestamp > this.#highest) this.#highest = timestamp;
  }

  /** Clears the table: the same state as after a start without data. */
  clear(): void {
    this.#store.clear();
    this.#cluster = "";
    this.#highest = 0;
    this.#readableFrom = Infinity;
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    const [timestamp, highest] = [this.timestamp, this.#highest];
    assert(highest >= timestamp, `the newest write is ${highest}, applied is ${timestamp}`);
    assert(this.#cluster !== "" || timestamp === 0, `at ${timestamp} without a cluster`);
    assert(this.#cluster !== "" || !this.readable, "readable without a cluster");
  }
}
