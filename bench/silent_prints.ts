/**
 * A console that prints nothing.
 *
 * @module
 */

import type { ServerPrints } from "../lib/replication/environment.ts";

/** Drops every line of the assignment. */
export const silentPrints: ServerPrints = {
  put() {},
  forwarding() {},
  replication() {},
  putOk() {},
  get() {},
};
