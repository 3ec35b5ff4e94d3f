/**
 * A server without console lines, to measure what these lines cost.
 *
 * Usage: `silent_server.ts PORT LEADER_PORT`.
 *
 * @module
 */

import { KvServer } from "../../lib/server/kv_server.ts";

const [listen, leader] = Deno.args.map((port) => ({ hostname: "127.0.0.1", port: Number(port) }));
KvServer.start({
  listen: listen!,
  leader: leader!,
  prints: { put() {}, forwarding() {}, replication() {}, putOk() {}, get() {} },
  report() {},
});
