/**
 * The client library with many requests at once.
 *
 * @module
 */

import { KvClient } from "../../lib/client/kv_client.ts";
import { requestTimeoutMs } from "../../lib/limits.ts";
import { ServerCluster } from "../server_cluster.ts";
import type { Finding } from "./finding.ts";

const keys = 1_000;
const valueBytes = 100;

/** Many GETs and many PUTs at once by one client: the time to the last answer, failures and memory. */
export async function measureAtOnce(signal: AbortSignal): Promise<Finding[]> {
  await using servers = await ServerCluster.start();
  const value = "x".repeat(valueBytes);
  return [
    ...await atOnce("GETs", 100_000, servers, signal, (client, key) => client.get(key)),
    ...await atOnce("PUTs", 50_000, servers, signal, (client, key) => client.put(key, value)),
  ];
}

async function atOnce(
  what: string,
  count: number,
  { addresses }: ServerCluster,
  signal: AbortSignal,
  call: (client: KvClient, key: string) => Promise<unknown>,
): Promise<Finding[]> {
  signal.throwIfAborted();
  await using client = new KvClient(addresses);
  const { rss } = Deno.memoryUsage();
  const from = performance.now();
  let failed = 0;
  const calls = Array.from(
    { length: count },
    (_, n) => call(client, `key:${n % keys}`).catch(() => failed++),
  );
  const bytes = (Deno.memoryUsage().rss - rss) / count;
  await Promise.all(calls);
  const seconds = (performance.now() - from) / 1000;
  const atMost = requestTimeoutMs / 1000;
  return [
    { what: `${count} ${what} at once, to the last answer`, figure: seconds, unit: "s", atMost },
    { what: "  failed", figure: failed, unit: "", atMost: 0 },
    { what: "  memory of the client for each", figure: bytes, unit: "bytes" },
  ];
}
