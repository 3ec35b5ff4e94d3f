/**
 * An election: a lock whose holder is the leader.
 *
 * @module
 */

import type { KvClient } from "../kv_client.ts";
import { acquire } from "./acquire.ts";
import { checkLock, Lock, type LockOptions } from "./lock.ts";
import { lockValueOf } from "./lock_value.ts";
import { Watched, type WatchedOptions } from "./watched.ts";

/** The leader of an election, as others see it. */
export interface Leader {
  /** What it calls itself. */
  readonly candidate: string;
  /** The timestamp at which it was elected: its fencing token. It rises from leader to leader. */
  readonly timestamp: number;
}

/** An election that this program has won. A {@linkcode Lock}, with the same promises. */
export class Leadership extends Lock {
  /** What this program calls itself. */
  get candidate(): string {
    return this.holder;
  }

  /** Gives the leadership up: {@linkcode Lock.release}. */
  async resign(): Promise<void> {
    await this.release();
  }
}

/**
 * Waits until this program is the leader. `name` is the key of the election, and `candidate` is what
 * others see as the leader. All that is said about {@linkcode lock} holds here.
 *
 * @throws as {@linkcode lock} does.
 */
export async function elect(
  client: KvClient,
  name: string,
  candidate: string,
  options: Omit<LockOptions, "holder"> = {},
): Promise<Leadership> {
  const { ttlMs, value } = checkLock(name, { ...options, holder: candidate });
  const taken = await acquire({ client, name, value, ttlMs, signal: options.signal });
  return new Leadership(client, name, value, ttlMs, taken);
}

/**
 * The leader of an election, kept up to date; `null` while there is none. Renewals are no changes.
 *
 * @throws as {@linkcode watched} does.
 */
export async function leaderOf(
  client: KvClient,
  name: string,
  options: WatchedOptions = {},
): Promise<Watched<Leader | null>> {
  const parse = (text: string | null, timestamp: number): Leader | null => {
    if (text === null) return null;
    const value = lockValueOf(text);
    if (value === undefined) throw new TypeError(`"${name}" is not the key of an election`);
    return { candidate: value.holder, timestamp: value.token ?? timestamp };
  };
  const same = (a: Leader | null, b: Leader | null) => a?.timestamp === b?.timestamp;
  return await Watched.begin(client, name, parse, options, same);
}
