/**
 * A table on its way to another server, in chunks that the receiver confirms.
 *
 * @module
 */

import { Snapshot, type SnapshotEntry, textOfValue } from "../mensagem.ts";
import type { Link } from "./environment.ts";
import { type Tuning, tuningDefault } from "./tuning.ts";
import type { Entry, Store } from "./store.ts";

/** Chunks on their way to one server that it has not confirmed yet. */
export const snapshotChunksInFlight = 2;

/**
 * Sends all entries newer than a timestamp, while writes go on.
 *
 * - Every key that existed at the start is sent, with the value that it has when its turn comes. The
 *   receiver keeps the newest value, so the order does not matter.
 * - At most {@linkcode snapshotChunksInFlight} chunks are unconfirmed, and a chunk visits a limited
 *   number of keys: a large table costs neither much memory nor a long turn.
 * - While the sender is busy, a paced snapshot sends a limited number of entries in a tick. So the
 *   receiver has time for other work.
 */
export class SnapshotSender {
  readonly #link: Link;
  readonly #base: number;
  readonly #tuning: Tuning;
  readonly #entries: Iterator<[string, Entry]>;
  /** Keys still to visit. Later keys are not part of the snapshot. Invariant: never rises. */
  #left: number;
  /** Invariant: from 0 to snapshotChunksInFlight. */
  #unconfirmed = 0;
  /** Entries that may leave before the next tick. A chunk may exceed it: it is never cut short. */
  #allowed: number;
  readonly #paced: boolean;
  /** `true` until the first chunk has gone out, if the entries replace what the receiver holds. */
  #replace: true | undefined;

  /**
   * Starts to send the entries of `store` that are newer than `base`. If `base` is `undefined`, all
   * entries replace what the receiver holds. A paced snapshot needs ticks.
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

  /** Time has passed. `busy` is whether the sender has stamped PUTs since the last tick. */
  tick(busy: boolean): void {
    if (!this.#paced) return;
    this.#allowed = busy ? this.#tuning.snapshotEntriesPerTick : Infinity;
    this.#sendMore();
  }

  /** Chunks that are sent and not confirmed. */
  get unconfirmed(): number {
    return this.#unconfirmed;
  }

  /**
   * The receiver has confirmed a chunk: sends the next, now or at the next tick. Returns `true` once
   * every chunk is confirmed.
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
    // An almost full chunk may still take the largest entry. If JSON escapes every character to six,
    // that is 7.6 MiB, and a frame may have 8 MiB.
    while (this.#left > 0 && visits < snapshotChunkVisits && chars < snapshotChunkChars) {
      const [key, entry] = this.#entries.next().value as [string, Entry];
      this.#left--;
      visits++;
      if (entry.timestamp <= this.#base) continue;
      const value = textOfValue(entry.value);
      chunk.push([key, value, entry.timestamp]);
      chars += key.length + value.length + 24;
    }
    this.#unconfirmed++;
    this.#allowed -= chunk.length;
    this.#link.send(new Snapshot(chunk, this.#left === 0, this.#replace).encode());
    this.#replace = undefined;
  }
}
