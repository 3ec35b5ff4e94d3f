/**
 * Filters a server's own writes out of a watch that shows all writes.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import { Fifo } from "../fifo.ts";
import type { WatchEvent } from "./protocol.ts";

/** Text of the writes that are held back at most: UTF-16 units of keys and values. */
export const heldCharsMax: number = 64 * 1024 * 1024;

/** A write of this server that etcd has not answered yet. */
export interface UnansweredWrite {
  /** The key that it writes. */
  readonly key: string;
  /** The value that it writes, `null` if it removes the key. */
  readonly value: string | null;
}

/**
 * Filters a server's own writes out of a watch.
 *
 * The leader prints no REPLICATION for its own writes, but the watch shows them too. An own
 * write is known by its revision. Only its answer has it, and the watch may be faster.
 *
 * - Passes on every write of others exactly once, in the order of revisions.
 * - Holds back a write that may be an own one until the writes that may have caused it are answered.
 * - Passes on the oldest write unchecked if too many are held back, or too much text.
 */
export class EchoFilter {
  readonly #passOn: (event: WatchEvent) => void;
  readonly #heldMax: number;
  /** Unanswered writes by key. Invariant: no set is empty. */
  readonly #unanswered = new KeyMap<Set<UnansweredWrite>>();
  /** Revisions of own writes that the watch has not shown yet, oldest first. */
  readonly #ownRevisions = new Set<number>();
  /** Writes that the watch has shown. The first may be an own one, so all of them wait. */
  readonly #held = new Fifo<WatchEvent>();
  /** Text of the writes that are held back, in UTF-16 units. */
  #heldChars = 0;

  /** Calls `passOn` for each write of others. Holds back at most `heldMax`, and `heldCharsMax` of text. */
  constructor(passOn: (event: WatchEvent) => void, heldMax: number) {
    this.#passOn = passOn;
    this.#heldMax = heldMax;
  }

  /** Notes that a write was sent to etcd. */
  begin(write: UnansweredWrite): void {
    const same = this.#unanswered.get(write.key);
    if (same === undefined) this.#unanswered.set(write.key, new Set([write]));
    else same.add(write);
  }

  /** Notes that a write has ended. `revision` is left out if it failed. */
  end(write: UnansweredWrite, revision?: number): void {
    const same = this.#unanswered.get(write.key);
    if (same?.delete(write) !== true) return;
    if (same.size === 0) this.#unanswered.delete(write.key);
    if (revision !== undefined) this.#addOwn(revision);
    this.#passOnHeld();
  }

  /** Takes a write that the watch has shown. */
  show(event: WatchEvent): void {
    this.#held.push(event);
    this.#heldChars += charsOf(event);
    this.#passOnHeld();
  }

  /** After a compaction the watch never shows some own writes, so their number is bounded. */
  #addOwn(revision: number): void {
    if (this.#ownRevisions.size >= this.#heldMax) {
      this.#ownRevisions.delete(this.#ownRevisions.values().next().value!);
    }
    this.#ownRevisions.add(revision);
  }

  #passOnHeld(): void {
    for (let event = this.#held.at(0); event !== undefined; event = this.#held.at(0)) {
      const own = this.#ownRevisions.delete(event.revision);
      const fits = this.#held.length <= this.#heldMax && this.#heldChars <= heldCharsMax;
      if (!own && fits && this.#mayBeOwn(event)) return;
      this.#held.shift();
      this.#heldChars -= charsOf(event);
      if (!own) this.#passOn(event);
    }
  }

  #mayBeOwn({ key, value, deleted }: WatchEvent): boolean {
    const same = this.#unanswered.get(key);
    if (same === undefined) return false;
    for (const write of same) {
      if (write.value === (deleted ? null : value)) return true;
    }
    return false;
  }
}

function charsOf({ key, value }: WatchEvent): number {
  return key.length + (value?.length ?? 0);
}
