/**
 * The leader's view of one follower.
 *
 * @module
 */

import { Heartbeat, type Join, Sync } from "../mensagem.ts";
import type { Frames } from "../wire/frames.ts";
import type { Link } from "./environment.ts";
import { HeldStream } from "./held_stream.ts";
import { gapsMax } from "../wire/parse.ts";
import { assert } from "./invariant.ts";
import { type SnapshotBase, SnapshotSender } from "./snapshot.ts";
import type { Store } from "./store.ts";
import type { Tuning } from "./tuning.ts";

const heartbeat = new Heartbeat().encode();

/**
 * A follower that has joined, for as long as its connection lasts.
 *
 * ```text
 * joined ──(snapshot)──▶ live ──has acknowledged what was written before──▶ ready ──▶ in sync
 * ```
 *
 * A ready follower on probation gets in sync only later.
 */
export class Member {
  /** The connection to the follower. */
  readonly link: Link;
  /** The follower's JOIN: what it held when it joined. */
  readonly joined: Join;
  /** Every write up to here is acknowledged on this connection; -1 at first. Invariant: never falls. */
  #acked = -1;
  /** Every write after this is sent as it happens; Infinity until the follower is live. */
  #liveFrom = Infinity;
  /** Invariant: only if waited for. An in-sync follower has every committed write. */
  #inSync = false;
  #onProbation = false;
  #heardAt: number;
  /** The snapshot under way, and the timestamp at which it began. Invariant: not once live. */
  #snapshot: { readonly sender: SnapshotSender; readonly timestamp: number } | undefined;
  /** Where REPLICATIONs go. Invariant: #held if there is a fault, otherwise the link. */
  #stream: Pick<Link, "send">;
  #held: HeldStream | undefined;

  /** A follower that has just joined. */
  constructor(link: Link, joined: Join, now: number) {
    this.link = link;
    this.joined = joined;
    this.#heardAt = now;
    this.#stream = link;
  }

  /** "host:port" of the follower. No two members share one. */
  get server(): string {
    return this.joined.server;
  }

  /** Every write up to here is acknowledged on this connection; -1 before the first acknowledgement. */
  get acked(): number {
    return this.#acked;
  }

  /** Whether the follower gets every write as it happens. */
  get live(): boolean {
    return this.#liveFrom !== Infinity;
  }

  /** Whether the follower has acknowledged everything that was written before it went live. */
  get ready(): boolean {
    return this.#acked >= this.#liveFrom;
  }

  /** Whether commits wait for the follower: it is ready and not on probation. */
  get waitedFor(): boolean {
    return this.ready && !this.#onProbation;
  }

  /** Whether the follower is in sync: it counts for `minInSync` and holds every committed write. */
  get inSync(): boolean {
    return this.#inSync;
  }

  /** The delay of the present fault, Infinity if it holds everything, `undefined` without a fault. */
  get faultDelayMs(): number | undefined {
    return this.#held?.delayMs;
  }

  /** The follower acknowledges every write up to `timestamp`, which is not below the last one. */
  acknowledge(timestamp: number): void {
    this.#acked = timestamp;
  }

  /** Puts a follower that is waited for in sync. */
  putInSync(): void {
    this.#inSync = true;
  }

  /** No commit waits for the follower from here on, and it is not in sync. */
  beginProbation(): void {
    this.#onProbation = true;
    this.#inSync = false;
  }

  /** Commits wait for the follower again. */
  endProbation(): void {
    this.#onProbation = false;
  }

  /** The follower has sent something. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** When the follower last sent something. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** How long the follower has been silent. */
  silentMs(now: number): number {
    return now - this.#heardAt;
  }

  /** Time has passed. `busy` is whether the leader has stamped PUTs since the last tick. */
  tick(now: number, busy: boolean): void {
    this.#held?.tick(now);
    this.#snapshot?.sender.tick(busy);
  }

  /** Sends a heartbeat, past any fault. */
  sendHeartbeat(): void {
    this.link.send(heartbeat);
  }

  /** Sends REPLICATIONs, or holds them during a fault. */
  replicate(frames: Frames): void {
    this.#stream.send(frames);
  }

  /**
   * Begins a snapshot for a follower that holds what `base` says. The leader's table is at
   * `timestamp`.
   */
  sendSnapshot(
    store: Store,
    base: SnapshotBase,
    timestamp: number,
    tuning: Tuning,
    paced: boolean,
  ): void {
    const sender = new SnapshotSender(this.link, store, base, tuning, paced);
    this.#snapshot = { sender, timestamp };
  }

  /** Whether the follower was sent a chunk that it has not confirmed. */
  get owesSnapshotOk(): boolean {
    return this.#snapshot !== undefined && this.#snapshot.sender.unconfirmed > 0;
  }

  /**
   * The follower confirms a chunk. Once every chunk is confirmed, returns the timestamp at which the
   * snapshot began. Before that, `undefined`.
   */
  snapshotConfirmed(): number | undefined {
    const { sender, timestamp } = this.#snapshot!;
    return sender.confirmed() ? timestamp : undefined;
  }

  /** The follower has everything up to `from`: sends the recent writes, and from here on every write. */
  goLive(cluster: string, from: number, store: Store, recent: Iterable<string>): void {
    const { timestamp, floor, gaps } = store;
    this.#snapshot = undefined;
    // Both are left out where there is none, as a server without deletions expects it.
    const known = gaps.length === 0 ? undefined : gaps.slice(-gapsMax);
    this.link.send(new Sync(cluster, from, timestamp, floor || undefined, known).encode());
    for (const frames of recent) this.#stream.send(frames);
    this.#liveFrom = timestamp;
  }

  /** Begins a fault or changes it: REPLICATIONs are late by `delayMs`, or held if it is Infinity. */
  hold(delayMs: number, now: number, overflowed: () => void): void {
    if (this.#held !== undefined) this.#held.delayMs = delayMs;
    else this.#stream = this.#held = new HeldStream(this.link, delayMs, now, overflowed);
  }

  /** Ends the fault and sends what it held. Returns `false` if there is none. */
  endHold(): boolean {
    const held = this.#held;
    if (held === undefined) return false;
    this.#held = undefined;
    this.#stream = this.link;
    held.release();
    return true;
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken, for a leader at `timestamp`.
   */
  checkInvariants(timestamp: number, committed: number): void {
    const { server } = this;
    assert(this.#acked >= -1 && this.#acked <= timestamp, `${server} acknowledged ${this.#acked}`);
    assert(!this.live || this.#liveFrom <= timestamp, `${server} is live from ${this.#liveFrom}`);
    assert(!this.live || this.#snapshot === undefined, `${server} is live and gets a snapshot`);
    assert(!this.#inSync || this.waitedFor, `${server} is in sync and not waited for`);
    assert(!this.#inSync || this.#acked >= committed, `${server} lacks committed writes`);
    assert(
      this.#stream === (this.#held ?? this.link),
      `the stream of ${server} does not fit its fault`,
    );
  }
}
