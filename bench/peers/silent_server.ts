/**
 * A server without console lines, to measure what these lines cost.
 *
 * Usage: `silent_server.ts PORT LEADER_PORT`.
 *
 * @module
 */

import { KvServer } from "../../lib/server/kv_server.ts";
import { silentPrints } from "../silent_prints.ts";

const [listen, leader] = Deno.args.map((port) => ({ hostname: "127.0.0.1", port: Number(port) }));
KvServer.start({
  listen: listen!,
  leader: leader!,
  prints: silentPrints,
  report() {},
});
