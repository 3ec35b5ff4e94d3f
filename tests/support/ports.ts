/**
 * Addresses for tests: free ports of 127.0.0.1.
 *
 * @module
 */

import { freePorts } from "../../bench/free_ports.ts";
import type { Address } from "../../lib/wire/address.ts";

export { freePorts };

/** An address to listen on: the system chooses a free port of 127.0.0.1. */
export const anyPort: Address = { hostname: "127.0.0.1", port: 0 };

/** An address at which no program listens. */
export function deadAddress(): Address {
  return { hostname: "127.0.0.1", port: freePorts(1)[0]! };
}
