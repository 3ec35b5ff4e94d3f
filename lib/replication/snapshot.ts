/**
 * A table on its way to another server, in chunks that the receiver confirms.
 *
 * @module
 */

import { Snapshot, type SnapshotEntry, textOfValue } from "../mensagem.ts";
import { gapsMax } from "../wire/parse.ts";
import type { Link } from "./environment.ts";
import type { Held, Store } from "./store.ts";
import { type Tuning, tuningDefault } from "./tuning.ts";

/** Chunks on their way to one server that it has not confirmed yet. */
export const snapshotChunksInFlight = 2;

/**
 * What the receiver of a snapshot holds: every write up to a timestamp, nothing ("empty"), or entries
 * that the snapshot replaces ("replace").
 */
export type SnapshotBase = number | "empty" | "replace";

/**
 * Sends everything newer than what the receiver holds, while writes go on.
 *
 * - Every key that existed at the start is sent, with the value that it has when its turn comes. The
 *   receiver keeps the newest value, so the order does not matter. Tombstones follow the entries.
 * - At most {@linkcode snapshotChunksInFlight} chunks are unconfirmed, and a chunk visits a limited
 *   number of keys: a large table costs neither much memory nor a long turn.
 * - While the sender is busy, a paced snapshot sends a limited number of entries in a tick. So the
 *   receiver has time for other work.
 * - If a deletion that the receiver may lack is forgotten, the snapshot begins again and replaces what
 *   the receiver holds: it may have the deleted key.
 */
export class SnapshotSender {
  readonly #link: Link;
  readonly #store: Store;
  #base: SnapshotBase;
  readonly #tuning: Tuning;
  #held: Iterator<[string, Held], undefined>;
  /** The next key to visit, `undefined` after the last one. */
  #next: [string, Held] | undefined;
  /** Invariant: from 0 to snapshotChunksInFlight. */
  #unconfirmed = 0;
  /** Entries that may leave before the next tick. A chunk may exceed it: it is never cut short. */
  #allowed: number;
  readonly #paced: boolean;
  /** Whether no chunk has gone out. */
  #first = true;

  /** Starts to send the table to a receiver that holds what `base` says. A paced snapshot needs ticks. */
  constructor(
    link: Link,
    store: Store,
    base: SnapshotBase,
    tuning: Tuning = tuningDefault,
    paced = false,
  ) {
    this.#link = link;
    this.#store = store;
    this.#base = base;
    this.#tuning = tuning;
    this.#held = store.held();
    this.#next = this.#held.next().value;
    this.#paced = paced;
    this.#allowed = paced ? tuning.snapshotEntriesPerTick : Infinity;
    this.#sendChunk();
    this.#sendMore();
  }

  /** Time has passed. `busy` is whether the sender has stamped writes since the last tick. */
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
    return this.#next === undefined && this.#unconfirmed === 0;
  }

  #sendMore(): void {
    while (
      this.#next !== undefined && this.#unconfirmed < snapshotChunksInFlight && this.#allowed > 0
    ) this.#sendChunk();
  }

  #sendChunk(): void {
    const { snapshotChunkChars, snapshotChunkVisits } = this.#tuning;
    this.#beginAgainIfForgotten();
    const base = typeof this.#base === "number" ? this.#base : 0;
    const chunk: SnapshotEntry[] = [];
    let chars = 0;
    let visits = 0;
    // An almost full chunk may still take the largest entry. If JSON escapes every character to six,
    // that is 7.6 MiB, and a frame may have 8 MiB.
    while (this.#next !== undefined && visits < snapshotChunkVisits && chars < snapshotChunkChars) {
      const [key, held] = this.#next;
      visits++;
      if (held.timestamp > base) {
        const entry = entryOf(key, held);
        chunk.push(entry);
        chars += key.length + (entry[1]?.length ?? 0) + 24;
      }
      this.#next = this.#held.next().value;
    }
    this.#unconfirmed++;
    this.#allowed -= chunk.length;
    this.#link.send(this.#snapshot(chunk).encode());
    this.#first = false;
  }

  #beginAgainIfForgotten(): void {
    if (typeof this.#base !== "number" || this.#base >= this.#store.floor) return;
    this.#base = "replace";
    this.#first = true;
    this.#held = this.#store.held();
    this.#next = this.#held.next().value;
  }

  /** A leader that takes over the table gets no SYNC: the first chunk has its floor and gaps. */
  #snapshot(chunk: readonly SnapshotEntry[]): Snapshot {
    const last = this.#next === undefined;
    if (!this.#first || typeof this.#base === "number") return new Snapshot(chunk, last);
    if (this.#base === "replace") return new Snapshot(chunk, last, true);
    const { floorSettled, gaps } = this.#store;
    const known = gaps.length === 0 ? undefined : gaps.slice(-gapsMax);
    return new Snapshot(chunk, last, undefined, floorSettled || undefined, known);
  }
}

/** An entry or a tombstone as an element of a SNAPSHOT. */
export function entryOf(key: string, { value, timestamp, ttlMs }: Held): SnapshotEntry {
  const text = value === null ? null : textOfValue(value);
  return ttlMs === undefined ? [key, text, timestamp] : [key, text, timestamp, ttlMs];
}
