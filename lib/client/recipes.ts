/**
 * What programs build on the store: locks, elections, values that are kept up to date, JSON.
 *
 * ```ts
 * import { KvClient } from "./kv_client.ts";
 * import { lock } from "./recipes.ts";
 *
 * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
 * await using held = await lock(client, "locks/report");
 * console.log(held.lost.aborted); // false
 * ```
 *
 * @module
 */

export * from "./recipes/election.ts";
export * from "./recipes/json.ts";
export { Lock, lock, LockLostError, type LockOptions, lockTtlMsDefault } from "./recipes/lock.ts";
export * from "./recipes/watched.ts";
