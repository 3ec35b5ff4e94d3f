/**
 * How a lock is taken.
 *
 * @module
 */

import { delay } from "../delay.ts";
import { ConflictError, KvError, UnavailableError, UnknownOutcomeError } from "../errors.ts";
import type { KvClient } from "../kv_client.ts";
import type { WatchEvents } from "../results.ts";
import { lockText, type LockValue, lockValueOf } from "./lock_value.ts";

/** The pause after an attempt that no server has carried out, in milliseconds. */
const pauseMs = 100;

/** A lock that was taken. */
export interface Taken {
  /** The timestamp at which its key was created. */
  readonly timestamp: number;
  /** When the attempt began, by `performance.now`. The time to live began later. */
  readonly since: number;
}

/** A key that is created under a condition, again and again until it succeeds. */
export interface Acquisition {
  /** The client that creates it. */
  readonly client: KvClient;
  /** The key. */
  readonly name: string;
  /** Its value. */
  readonly value: LockValue;
  /** Its time to live, in milliseconds. */
  readonly ttlMs: number;
  /** Gives it up. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Creates the key as soon as it does not exist. Waits with a watch, and never polls.
 *
 * @throws the signal's reason if it is aborted. The key is then not left behind if a server answers.
 * @throws {KvError} if trying again does not help.
 */
export async function acquire(acquisition: Acquisition): Promise<Taken> {
  const { client, name, signal } = acquisition;
  let watch: WatchEvents | undefined;
  /** When the first attempt began whose outcome is unknown. It may be the one that has succeeded. */
  let unknownSince: number | undefined;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const since = performance.now();
      const outcome = await attempt(acquisition);
      if (outcome.type === "taken") {
        const taken = { timestamp: outcome.timestamp, since: unknownSince ?? since };
        if (signal?.aborted !== true) return taken;
        unknownSince = undefined;
        await giveBack(acquisition, taken.timestamp);
        throw signal.reason;
      }
      if (outcome.type === "unknown") unknownSince ??= since;
      if (outcome.type !== "exists") {
        await delay(pauseMs, ...(signal ? [signal] : []));
        continue;
      }
      unknownSince = undefined; // if the key is not ours, none of our attempts has succeeded
      watch ??= client.watch(name, { since: outcome.timestamp, signal });
      await untilFree(watch, outcome.timestamp);
    }
  } catch (error) {
    if (unknownSince !== undefined) await abandon(acquisition);
    throw error;
  } finally {
    await watch?.return();
  }
}

type Outcome =
  | { readonly type: "taken" | "exists"; readonly timestamp: number }
  | { readonly type: "unknown" | "unavailable" };

/** Tries once. Has no signal, so that the outcome is known. */
async function attempt({ client, name, value, ttlMs }: Acquisition): Promise<Outcome> {
  try {
    const { timestamp } = await client.create(name, lockText(value), { ttlMs });
    return { type: "taken", timestamp };
  } catch (error) {
    if (error instanceof ConflictError) {
      // An attempt of unknown outcome has succeeded if the key is ours.
      const ours = lockValueOf(error.value)?.id === value.id;
      return { type: ours ? "taken" : "exists", timestamp: error.timestamp };
    }
    if (error instanceof UnknownOutcomeError) return { type: "unknown" };
    if (error instanceof UnavailableError) return { type: "unavailable" };
    throw error;
  }
}

/** Deletes the key if it is ours. If that fails it expires. */
async function abandon(acquisition: Acquisition): Promise<void> {
  const { client, name, value } = acquisition;
  try {
    const present = await client.get(name, { latest: true });
    if (lockValueOf(present.value)?.id !== value.id) return;
    await giveBack(acquisition, present.timestamp);
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
  }
}

/** Deletes the key if it stands at this timestamp. If that fails it expires, or has expired. */
async function giveBack({ client, name }: Acquisition, ifTimestamp: number): Promise<void> {
  try {
    await client.delete(name, { ifTimestamp });
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
  }
}

/**
 * Reads a watch of a key that stood at a timestamp, until the key does not exist. Returns at the end of
 * the watch too.
 */
async function untilFree(watch: WatchEvents, standsAt: number): Promise<void> {
  let exists = true;
  for (;;) {
    const { done, value: event } = await watch.next();
    if (done) return; // the signal was aborted
    switch (event.type) {
      case "put":
        exists = true;
        break;
      case "delete":
        if (event.timestamp > standsAt) return;
        break;
      case "reset":
        exists = false;
        break;
      case "ready":
        if (!exists) return;
    }
  }
}
