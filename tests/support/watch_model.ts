/**
 * A second, simple version of what a watcher is told: the history of all writes, and what follows from it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Changes, WatchTarget } from "../../lib/mensagem.ts";

/** A write, `null` for a deletion. */
export interface Written {
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
  /** Whether a watcher may be told a newer state of the key instead: it came in a snapshot. */
  readonly optional?: boolean;
}

/** Whether a watch is about a key. */
export function concerns({ key, prefix }: WatchTarget, name: string): boolean {
  return key === undefined ? name.startsWith(prefix) : name === key;
}

/** The state after all writes up to a timestamp, by key. Deleted keys are not in it. */
export function stateAt(
  writes: readonly Written[],
  timestamp: number,
  target: WatchTarget = { prefix: "" },
): Map<string, Written> {
  const state = new Map<string, Written>();
  for (const write of writes) {
    if (write.timestamp > timestamp || !concerns(target, write.key)) continue;
    if (write.value === null) state.delete(write.key);
    else state.set(write.key, write);
  }
  return state;
}

/** What one watcher knows, by the CHANGES that it got. Fails if they break the contract. */
export class WatchModel {
  readonly target: WatchTarget;
  /** The watcher has everything up to here. */
  timestamp: number;
  /** Whether it was told the whole state at its beginning. */
  begun = false;
  /** How often it had to begin again. */
  resets = 0;
  /** Changes that it got. */
  changes = 0;
  readonly #known = new Map<string, Written>();
  #last: number;

  /** A watcher that knows the state at `after`. */
  constructor(target: WatchTarget, after: number, writes: readonly Written[]) {
    this.target = target;
    this.timestamp = this.#last = after;
    for (const [key, write] of stateAt(writes, after, target)) this.#known.set(key, write);
  }

  /** Takes a CHANGES. `writes` are all writes so far, in their order. */
  take(message: Changes, writes: readonly Written[]): void {
    const { changes, timestamp, reset, more } = message;
    if (reset) {
      assert(!this.begun, "a reset in the middle");
      this.#known.clear();
      this.timestamp = this.#last = 0;
      this.resets++;
    }
    const before = this.timestamp;
    for (const [key, value, stamp] of changes) {
      assert(stamp > this.#last, `${stamp} came after ${this.#last}`);
      assert(stamp <= timestamp, `${stamp} came with the timestamp ${timestamp}`);
      assert(concerns(this.target, key), `${key} is of another watch`);
      const write = writes.find((one) => one.timestamp === stamp);
      assert(write !== undefined, `there is no write ${stamp}`);
      assertEquals([key, value], [write.key, write.value]);
      this.#last = stamp;
      this.changes++;
      if (value === null) this.#known.delete(key);
      else this.#known.set(key, write);
    }
    assert(timestamp >= before, `complete up to ${timestamp}, after ${before}`);
    if (this.begun) {
      const due = writes.filter((one) =>
        one.timestamp > before && one.timestamp <= timestamp && concerns(this.target, one.key)
      );
      const sent = new Set(changes.map(([, , stamp]) => stamp));
      const missing = due.filter(({ timestamp, optional }) => !optional && !sent.has(timestamp));
      assertEquals(missing, []);
    }
    this.timestamp = timestamp;
    if (more) return;
    this.begun = true;
    assertEquals(
      new Map([...this.#known].sort()),
      new Map([...stateAt(writes, timestamp, this.target)].sort()),
    );
  }
}
