/**
 * The process of this project's library. Arguments: the URL of its module, the ports of the servers.
 *
 * @module
 */

import type { GetResult, KvClient, PutResult } from "../../lib/client/kv_client.ts";
import { work } from "./worker.ts";

const [module, ...ports] = Deno.args;
// Computed, because it may be the library of another working copy.
const library: { KvClient: typeof KvClient } = await import(module!);
await using client = new library.KvClient(ports.map((port) => `127.0.0.1:${port}`));
await work({
  get: (key) => client.get(key),
  put: (key, value) => client.put(key, value),
  read: (answer, value) => (answer as GetResult).value === value,
  written: (answer) => (answer as PutResult).timestamp > 0,
});
