/**
 * The memory of objects that are in use.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The bytes in use in V8's heap, without what can be collected. */
export function heapInUse(): number {
  setFlagsFromString("--expose-gc"); // new contexts have `gc` from now on
  (runInNewContext("gc") as () => void)();
  return Deno.memoryUsage().heapUsed;
}
