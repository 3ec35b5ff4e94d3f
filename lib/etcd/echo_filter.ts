/**
 * Filters a server's own writes out of a watch that shows all writes.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import { Fifo } from "../fifo.ts";
import type { WatchEvent } from "./protocol.ts";

/** A PUT of this server that etcd has not answered yet. */
export interface UnansweredPut {
  /** The key that it writes. */
  readonly key: string;
  /** The value that it writes. */
  readonly value: string;
}

/**
 * Filters a server's own writes out of a watch.
 *
 * The leader prints no REPLICATION for its own writes, but the watch shows them too. An own
 * write is known by its revision. Only the answer to the PUT has it, and the watch may be faster.
 *
 * - Passes on every write of others exactly once, in the order of revisions.
 * - Holds back a write that may be an own one until the PUTs that may have caused it are answered.
 * - Passes on the oldest write unchecked if too many are held back.
 */
export class EchoFilter {
  readonly #passOn: (event: WatchEvent) => void;
  readonly #heldMax: number;
  /** Unanswered PUTs by key. Invariant: no set is empty. */
  readonly #unanswered = new KeyMap<Set<UnansweredPut>>();
  /** Revisions of own writes that the watch has not shown yet, oldest first. */
  readonly #ownRevisions = new Set<number>();
  /** Writes that the watch has shown. The first may be an own one, so all of them wait. */
  readonly #held = new Fifo<WatchEvent>();

  /** Calls `passOn` for each write of others. Holds back at most `heldMax`. */
  constructor(passOn: (event: WatchEvent) => void, heldMax: number) {
    this.#passOn = passOn;
    this.#heldMax = heldMax;
  }

  /** Notes that a PUT was sent to etcd. */
  begin(put: UnansweredPut): void {
    const same = this.#unanswered.get(put.key);
    if (same === undefined) this.#unanswered.set(put.key, new Set([put]));
    else same.add(put);
  }

  /** Notes that a PUT has ended. `revision` is left out if the PUT failed. */
  end(put: UnansweredPut, revision?: number): void {
    const same = this.#unanswered.get(put.key);
    if (same?.delete(put) !== true) return;
    if (same.size === 0) this.#unanswered.delete(put.key);
    if (revision !== undefined) this.#addOwn(revision);
    this.#passOnHeld();
  }

  /** Takes a write that the watch has shown. */
  show(event: WatchEvent): void {
    this.#held.push(event);
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
      if (!own && this.#held.length <= this.#heldMax && this.#mayBeOwn(event)) return;
      this.#held.shift();
      if (!own) this.#passOn(event);
    }
  }

  #mayBeOwn({ key, value }: WatchEvent): boolean {
    for (const put of this.#unanswered.get(key) ?? []) {
      if (put.value === value) return true;
    }
    return false;
  }
}
