/**
 * A server whose prints and reports a test does not look at.
 *
 * @module
 */

import { silentPrints } from "../../bench/silent_prints.ts";
import { KvServer, type KvServerOptions } from "../../lib/server/kv_server.ts";

/** Starts a server that prints nothing, accepts FAULT, and dials its leader often. */
export function startSilentServer(
  options: Omit<KvServerOptions, "prints" | "report">,
): KvServer {
  return KvServer.start({
    prints: silentPrints,
    report: () => {},
    allowFaults: true,
    ...options,
    tuning: { redialFirstMs: 10, redialLongestMs: 100, ...options.tuning },
  });
}
