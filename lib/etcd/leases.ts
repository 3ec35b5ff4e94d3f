/**
 * The leases of this server's writes with a time to live.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import type { EtcdClient } from "./client.ts";
import { about } from "./errors.ts";

/** Writes with the same time to live share a lease that is at most this old, in milliseconds. */
const sharedMs = 250;

/**
 * A lease lives this much longer than its writes, in milliseconds: it is granted before they are made.
 * If a write takes longer than that, its lease is renewed.
 */
const aheadMs = 1_000;

/** Leases that end early run at etcd at once; others wait for their own end. */
const revokingMax = 64;

/** A lease at etcd. */
interface Lease {
  readonly id: bigint;
  /** When it was asked for. */
  readonly askedAtMs: number;
  /** It ends no earlier than this. */
  readonly endsAtMs: number;
  /** Writes that use it, and one more while others may share it. At 0 it is revoked. */
  uses: number;
}

/** A lease for one write. Dispose of it when the write has failed for certain, or was kept or left. */
export interface LeaseUse extends Disposable {
  /** The id of the lease. */
  readonly id: bigint;
  /** The write may have been made: the lease must end by itself, or the key would end early. */
  leave(): void;
  /**
   * The write of a key was made, with this revision. Renews the lease if that took long.
   *
   * @throws {EtcdError} if that fails: the key may end early.
   */
  keep(key: string, revision: number, withinMs: number): Promise<void>;
}

/**
 * Leases for writes with a time to live.
 *
 * - No key ends before its time to live is over, counted from its write. It ends within the next
 *   second or two, as fast as etcd ends leases.
 * - A lease is revoked when none of its writes is the newest of its key, and when they all failed.
 * - Those that a former process has left end by themselves.
 */
export class Leases {
  readonly #client: EtcdClient;
  readonly #withinMs: number;
  /** The lease that writes share, by time to live. It may not be granted yet. */
  readonly #shared = new Map<
    number,
    { readonly untilMs: number; readonly lease: Promise<Lease> }
  >();
  /** The lease of each key whose newest write, as far as is known, is one of this server. */
  readonly #byKey = new KeyMap<{ readonly lease: Lease; readonly revision: number }>();
  readonly #revoking = new Set<Promise<void>>();
  #expired = 0;

  /** Each request to end a lease has this time limit. */
  constructor(client: EtcdClient, withinMs: number) {
    this.#client = client;
    this.#withinMs = withinMs;
  }

  /** Keys of this server's writes that were removed when their lease had ended. */
  get expired(): number {
    return this.#expired;
  }

  /**
   * A lease for a write with this time to live.
   *
   * @throws {EtcdError} if there is none. Then nothing was written.
   */
  async take(ttlMs: number, withinMs: number): Promise<LeaseUse> {
    const now = performance.now();
    this.tick(now);
    let shared = this.#shared.get(ttlMs);
    if (shared === undefined) {
      shared = { untilMs: now + sharedMs, lease: this.#grant(ttlMs, withinMs) };
      this.#shared.set(ttlMs, shared);
    }
    const lease = await shared.lease;
    lease.uses++;
    let used = false;
    return {
      id: lease.id,
      keep: async (key, revision, withinMs) => {
        used = true;
        this.#keep(key, { lease, revision });
        const late = performance.now() - lease.askedAtMs > aheadMs;
        if (late) await this.#renew(lease, withinMs);
      },
      leave: () => void (used = true),
      [Symbol.dispose]: () => {
        if (!used) this.#drop(lease);
      },
    };
  }

  /** The table has a write or removal of a key. An older write of this server needs no lease now. */
  written(key: string, revision: number, removed: boolean): void {
    const kept = this.#byKey.get(key);
    if (kept === undefined || kept.revision >= revision) return;
    this.#byKey.delete(key);
    // etcd does not say why a key was removed.
    if (removed && performance.now() >= kept.lease.endsAtMs) this.#expired++;
    this.#drop(kept.lease);
  }

  /** Time has passed: leases are shared for a short time only. */
  tick(now: number): void {
    for (const [ttlMs, { untilMs, lease }] of this.#shared) {
      if (untilMs > now) continue;
      this.#shared.delete(ttlMs);
      lease.then((granted) => this.#drop(granted), () => {});
    }
  }

  /** Resolves when no request is left. The client must be disposed of. */
  async close(): Promise<void> {
    await Promise.all(this.#revoking);
  }

  async #grant(ttlMs: number, withinMs: number): Promise<Lease> {
    const askedAtMs = performance.now();
    const seconds = Math.ceil((ttlMs + aheadMs) / 1_000);
    try {
      const id = await this.#client.grant(seconds, withinMs);
      return { id, askedAtMs, endsAtMs: askedAtMs + seconds * 1_000, uses: 1 };
    } catch (cause) {
      this.#shared.delete(ttlMs);
      throw about("no lease", cause, { notApplied: true });
    }
  }

  async #renew({ id }: Lease, withinMs: number): Promise<void> {
    try {
      await this.#client.renewLease(id, withinMs);
    } catch (cause) {
      throw about("written, but its time to live may end early", cause);
    }
  }

  #keep(key: string, kept: { readonly lease: Lease; readonly revision: number }): void {
    const before = this.#byKey.get(key);
    if (before !== undefined && before.revision > kept.revision) return this.#drop(kept.lease);
    this.#byKey.set(key, kept);
    if (before !== undefined) this.#drop(before.lease);
  }

  #drop(lease: Lease): void {
    lease.uses--;
    if (lease.uses > 0 || this.#revoking.size >= revokingMax) return;
    // It may have ended by itself, and if this fails it will.
    const revoking = this.#client.revoke(lease.id, this.#withinMs).catch(() => {});
    this.#revoking.add(revoking);
    revoking.finally(() => this.#revoking.delete(revoking));
  }
}
