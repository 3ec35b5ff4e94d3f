/**
 * The position of a watch that is opened again and again.
 *
 * @module
 */

import type { WatchEvent } from "./protocol.ts";

/** Remembers what a watch has shown, so that no write is shown twice or left out. */
export class WatchCursor {
  /** The revision from which the next watch starts; 0 before the first `skipTo`. */
  #next = 0;
  /** The newest revision that was shown, and the keys that were shown of it. */
  #shownRevision = 0;
  readonly #shownKeys = new Set<string>();
  /** May fall below 0 if another program removes what is not a key of the store. */
  #keys = 0;

  /** Whether there is a position to go on from. */
  get started(): boolean {
    return this.#next > 0;
  }

  /** The revision from which the next watch starts. */
  get next(): number {
    return this.#next;
  }

  /** The newest revision that was shown, even in part, or skipped. */
  get revision(): number {
    return Math.max(0, this.#next - 1, this.#shownRevision);
  }

  /** The number of keys. */
  get keys(): number {
    return Math.max(0, this.#keys);
  }

  /** Goes on after `revision`, never back. `keys` is the number of keys then. */
  skipTo(revision: number, keys: number): void {
    this.#next = Math.max(this.#next, revision + 1);
    this.#keys = keys;
  }

  /** Notes that all events up to `revision` have come. */
  progress(revision: number): void {
    if (revision >= this.#next) this.#next = revision + 1;
  }

  /** Returns the events not shown before. If `partial`, more events of the last revision follow. */
  advance(events: readonly WatchEvent[], partial: boolean): WatchEvent[] {
    const fresh: WatchEvent[] = [];
    for (const event of events) {
      // If a watch broke off within a revision, the next one starts at the first event of it.
      if (event.revision < this.#shownRevision) continue;
      if (event.revision > this.#shownRevision) this.#shownKeys.clear();
      else if (this.#shownKeys.has(event.key)) continue;
      this.#shownRevision = event.revision;
      this.#shownKeys.add(event.key);
      if (event.deleted) this.#keys--;
      else if (event.created) this.#keys++;
      fresh.push(event);
    }
    this.#next = Math.max(this.#next, partial ? this.#shownRevision : this.#shownRevision + 1);
    return fresh;
  }
}
