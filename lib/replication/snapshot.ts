/**
 * A table on its way to another server, in chunks that the receiver confirms.
 *
 * @module
 */

import { Snapshot, type SnapshotEntry } from "../mensagem.ts";
import type { Link } from "./environment.ts";
import { type Tuning, tuningDefault } from "./tuning.ts";
import type { Entry, Store } from "./store.ts";

/** Snapshot chunks on their way to one server that it has not confirmed yet. */
export const snapshotChunksInFlight = 2;

/**
 * Sends all entries newer than a timestamp, while writing goes on.
 *
 * - Every key that existed at the start is sent with the value it has when its turn comes: the
 *   receiver keeps the newest, so the order of the entries does not matter.
 * - At most {@linkcode snapshotChunksInFlight} chunks are unconfirmed, and no chunk looks at more
 *   keys than the tuning says: neither memory nor the event loop pays for a large table.
 * - Where it is paced, the receiver's work, which is by the entry, is spread over time as long as
 *   others have some too.
 */
export class SnapshotSender {
  readonly #link: Link;
  readonly #base: number;
  readonly #tuning: Tuning;
  readonly #entries: Iterator<[string, Entry]>;
  /**
   * Keys still to visit. Keys that are written later come after these and are not part of the
   * snapshot.
   */
  #left: number;
  #unconfirmed = 0;
  /** Entries that may leave before the next tick. A chunk that has begun is finished all the same. */
  #allowed: number;
  readonly #paced: boolean;

  /** Goes out with the first chunk. */
  #replace: true | undefined;

  /**
   * Starts sending the entries of `store` that are newer than `base`; all of them, to take the
   * place of what the receiver holds, where there is no base. What is `paced` needs ticks.
   */
  constructor(
    link: Link,
    store: Store,
    base: number | undefined,
    tuning: Tuning = tuningDefault,
    paced = false,
  ) {
    this.#link = link;
    this.#base = base ?? 0;
    this.#replace = base === undefined ? true : undefined;
    this.#tuning = tuning;
    this.#entries = store.entries();
    this.#left = store.size;
    this.#paced = paced;
    this.#allowed = paced ? tuning.snapshotEntriesPerTick : Infinity;
    this.#sendChunk();
    this.#sendMore();
  }

  /** Time has passed, and others are `busy` or not. */
  tick(busy: boolean): void {
    if (!this.#paced) return;
    this.#allowed = busy ? this.#tuning.snapshotEntriesPerTick : Infinity;
    this.#sendMore();
  }

  /** Chunks on their way that are not confirmed. */
  get unconfirmed(): number {
    return this.#unconfirmed;
  }

  /**
   * The receiver has confirmed a chunk: sends the next, or leaves that to the next tick. Returns true
   * once all of them are confirmed.
   */
  confirmed(): boolean {
    this.#unconfirmed--;
    this.#sendMore();
    return this.#left === 0 && this.#unconfirmed === 0;
  }

  #sendMore(): void {
    while (this.#left > 0 && this.#unconfirmed < snapshotChunksInFlight && this.#allowed > 0) {
      this.#sendChunk();
    }
  }

  #sendChunk(): void {
    const { snapshotChunkChars, snapshotChunkVisits } = this.#tuning;
    const chunk: SnapshotEntry[] = [];
    let chars = 0;
    let visits = 0;
    // The largest chunk is one short of full plus the largest entry, all of it escaped six to one:
    // 7.6 MiB of at most 8.
    while (this.#left > 0 && visits < snapshotChunkVisits && chars < snapshotChunkChars) {
      const [key, entry] = this.#entries.next().value as [string, Entry];
      this.#left--;
      visits++;
      if (entry.timestamp <= this.#base) continue;
      chunk.push([key, entry.value, entry.timestamp]);
      chars += key.length + entry.value.length + 24;
    }
    this.#unconfirmed++;
    this.#allowed -= chunk.length;
    this.#link.send(new Snapshot(chunk, this.#left === 0, this.#replace).encode());
    this.#replace = undefined;
  }
}
