/**
 * A server without console lines, to measure what these lines cost.
 *
 * Usage: `silent_server.ts PORT LEADER_PORT CLUSTER_SIZE`.
 *
 * @module
 */

import { KvServer } from "../../lib/server/kv_server.ts";
import { silentPrints } from "../silent_prints.ts";

const [port, leaderPort, clusterSize] = Deno.args.map(Number);
KvServer.start({
  listen: { hostname: "127.0.0.1", port: port! },
  leader: { hostname: "127.0.0.1", port: leaderPort! },
  tuning: { clusterSize: clusterSize ?? 3 },
  prints: silentPrints,
  report() {},
});
