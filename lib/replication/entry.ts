/**
 * What a table holds of a key, and what it answers to a GET.
 *
 * @module
 */

import type { Write } from "../wire/encoded_write.ts";
import type { Value } from "../wire/long_value.ts";

/** What a table holds of a key: an entry, or the tombstone of a deletion, whose value is `null`. */
export interface Held {
  /** The value, `null` after a deletion. */
  readonly value: Value | null;
  /** The timestamp of the key's newest write. */
  readonly timestamp: number;
  /** The time to live in milliseconds, `undefined` if the key does not expire. */
  readonly ttlMs?: number | undefined;
}

/** The value and timestamp of a key. The object may change with the next write: do not keep it. */
export interface Entry extends Held {
  /** The value. */
  readonly value: Value;
}

/** The answer of a table to a GET. */
export type Reading =
  /**
   * The value may be shown. It is `null`, without `entry`, if the key does not exist. The entry may
   * change with the next write.
   */
  | {
    readonly fresh: true;
    readonly value: Value | null;
    readonly timestamp: number;
    readonly entry?: Pick<Write, "frame">;
  }
  /**
   * The client has seen a newer state than this table has. With `lost`, that state was lost with a
   * leader, so that no server will have it.
   */
  | { readonly fresh: false; readonly timestamp: number; readonly lost?: true };
