/**
 * Telling a server's own writes from those of others on a watch that shows both.
 *
 * @module
 */

import type { EtcdEvent } from "./protocol.ts";
import { Fifo } from "../fifo.ts";

/** A PUT that has no answer yet. */
export interface OwnWrite {
  /** What it writes where. */
  readonly key: string;
  /** See {@linkcode OwnWrite.key}. */
  readonly value: string;
}

/**
 * The leader prints no REPLICATION for what it wrote itself, but a watch shows that too, perhaps
 * before the answer to the PUT has come, which alone says at which revision it was written.
 *
 * - Every write of others is passed on exactly once, in the order of revisions.
 * - A write that may be an own one waits for the answers to those PUTs that it may come from. With
 *   too many in the row nobody waits.
 */
export class OwnWrites {
  readonly #passOn: (event: EtcdEvent) => void;
  readonly #heldMax: number;
  /** PUTs without an answer, by their keys. No set is empty. */
  readonly #unanswered = new Map<string, Set<OwnWrite>>();
  /** Revisions of own writes that the watch has not shown yet, the oldest first. */
  readonly #own = new Set<number>();
  /** Writes that the watch has shown. The first one waits for an answer. */
  readonly #row = new Fifo<EtcdEvent>();

  /** Writes of others go to `passOn`; `heldMax` wait at most. */
  constructor(passOn: (event: EtcdEvent) => void, heldMax: number) {
    this.#passOn = passOn;
    this.#heldMax = heldMax;
  }

  /** A PUT is on its way. */
  begin(write: OwnWrite): void {
    const same = this.#unanswered.get(write.key);
    if (same === undefined) this.#unanswered.set(write.key, new Set([write]));
    else same.add(write);
  }

  /** It was written at that revision, or, where that is left out, nobody knows whether it was. */
  end(write: OwnWrite, revision?: number): void {
    const same = this.#unanswered.get(write.key);
    if (same?.delete(write) !== true) return;
    if (same.size === 0) this.#unanswered.delete(write.key);
    if (revision !== undefined) {
      // Where the watch never shows them, as after a compaction, they must not pile up.
      if (this.#own.size >= this.#heldMax) this.#own.delete(this.#own.values().next().value!);
      this.#own.add(revision);
    }
    this.#go();
  }

  /** The watch has shown a write. */
  show(event: EtcdEvent): void {
    this.#row.push(event);
    this.#go();
  }

  #go(): void {
    for (let event = this.#row.at(0); event !== undefined; event = this.#row.at(0)) {
      const own = this.#own.delete(event.revision);
      if (!own && this.#row.length <= this.#heldMax && this.#mayBeOwn(event)) return;
      this.#row.shift();
      if (!own) this.#passOn(event);
    }
  }

  #mayBeOwn({ key, value }: EtcdEvent): boolean {
    for (const write of this.#unanswered.get(key) ?? []) {
      if (write.value === value) return true;
    }
    return false;
  }
}
