/**
 * How far a follower's table is synchronised.
 *
 * @module
 */

import type { Sync } from "../mensagem.ts";
import { assert } from "./invariant.ts";

/** What a follower's table holds of the cluster's writes, and whether it may be read. */
export class SyncState {
  /** The table's cluster, "" until a leader has said that the table is complete up to #timestamp. */
  #cluster: string;
  /** Every write up to here is applied. Invariant: falls only when the table is cleared. */
  #timestamp: number;
  /** The newest write of the table. Invariant: above #timestamp only during a catch-up. */
  #highest: number;
  /** The table may be read once every write up to here is applied: the first synchronisation. */
  #readableFrom = Infinity;
  /** Whether the leader has refused this server's data: it may belong to another cluster. */
  #excluded = false;

  /** The state of a table that was recovered, or of an empty one. */
  constructor({ cluster, timestamp, highest } = { cluster: "", timestamp: 0, highest: 0 }) {
    this.#cluster = cluster;
    this.#timestamp = timestamp;
    this.#highest = highest;
  }

  /** The id of the table's cluster, "" until a leader says that the table is complete. */
  get cluster(): string {
    return this.#cluster;
  }

  /** Every write up to here is applied. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** The newest write of the table. */
  get highest(): number {
    return this.#highest;
  }

  /** The newest write of the table if a catch-up is not finished, otherwise `undefined`. */
  get unfinished(): number | undefined {
    return this.#highest > this.#timestamp ? this.#highest : undefined;
  }

  /** Whether the table may answer GETs. */
  get readable(): boolean {
    return this.#timestamp >= this.#readableFrom && !this.#excluded;
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
  synchronise({ cluster, timestamp, latest }: Sync): void {
    this.#cluster = cluster;
    if (!this.readable) this.#readableFrom = latest;
    this.advance(timestamp);
  }

  /** Every write up to `timestamp` is applied. */
  advance(timestamp: number): void {
    if (timestamp > this.#timestamp) this.#timestamp = timestamp;
    this.sawEntry(timestamp);
  }

  /** The table has an entry with this timestamp. */
  sawEntry(timestamp: number): void {
    if (timestamp > this.#highest) this.#highest = timestamp;
  }

  /** The table was cleared: the same state as after a start without data. */
  clear(): void {
    this.#cluster = "";
    this.#timestamp = 0;
    this.#highest = 0;
    this.#readableFrom = Infinity;
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    const [timestamp, highest] = [this.#timestamp, this.#highest];
    assert(highest >= timestamp, `the newest write is ${highest}, applied is ${timestamp}`);
    assert(this.#cluster !== "" || timestamp === 0, `at ${timestamp} without a cluster`);
    assert(this.#cluster !== "" || !this.readable, "readable without a cluster");
  }
}
