/**
 * How a table catches up with a revision at which other data of etcd was written.
 *
 * @module
 */

import type { Store } from "../replication/store.ts";
import type { EtcdClient } from "./client.ts";
import type { EtcdMember } from "./member.ts";

/** The shortest time between two beats of one server, in milliseconds. */
const betweenMsMin = 250;

/** A wanted revision has this time to come by itself, in milliseconds. */
const patienceMs = 50;

/**
 * A write of the store's name, which all watches show.
 *
 * The watch shows the store's own writes only. If a client has seen a revision of other data, as the
 * time of a read, no event would say that everything up to there has come. etcd's own progress notices
 * say so only every ten minutes. Those on request are wrong before etcd 3.4.25 and 3.5.8: they may
 * overtake events.
 *
 * - A beat is sent only if a client wants a revision that the member has and the table does not.
 * - At most four a second are sent.
 */
export class Beat {
  readonly #client: EtcdClient;
  readonly #member: EtcdMember;
  readonly #store: Store;
  readonly #withinMs: number;
  /** The highest revision that a client wants, and since when. */
  #wanted = 0;
  #wantedAtMs = 0;
  #nextAtMs = 0;
  #sending: Promise<void> | undefined;

  /** A beat that has this time limit. */
  constructor(client: EtcdClient, member: EtcdMember, store: Store, withinMs: number) {
    this.#client = client;
    this.#member = member;
    this.#store = store;
    this.#withinMs = withinMs;
  }

  /** A client wants everything up to a revision. */
  want(revision: number): void {
    if (this.#wanted <= this.#store.timestamp) this.#wantedAtMs = performance.now();
    if (revision > this.#wanted) this.#wanted = revision;
  }

  /** Time has passed. */
  tick(): void {
    const { timestamp } = this.#store;
    const { revision, whyNot, name } = this.#member;
    // A client may ask for any number. No more than the member has can be shown.
    if (timestamp >= Math.min(this.#wanted, revision)) return;
    const now = performance.now();
    const early = now < this.#nextAtMs || now - this.#wantedAtMs < patienceMs;
    if (early || whyNot !== undefined || this.#sending !== undefined) return;
    this.#nextAtMs = now + betweenMsMin;
    // One beat for what clients want now. If it fails, the next GET of such a client asks for another.
    this.#wanted = 0;
    this.#sending = this.#client.beat(name, this.#withinMs).catch(() => {})
      .finally(() => this.#sending = undefined);
  }

  /** Resolves when no beat is on its way. The client must be disposed of. */
  async close(): Promise<void> {
    await this.#sending;
  }
}
