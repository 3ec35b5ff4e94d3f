/**
 * A cluster with a filled table.
 *
 * @module
 */

import { History } from "./history.ts";
import { fill } from "./load.ts";
import { ServerCluster, type ServerClusterOptions } from "./server_cluster.ts";
import type { Values } from "./values.ts";

/** A cluster whose keys are all written, and the history of the client that wrote them. */
export interface FilledCluster {
  /** The servers. */
  readonly servers: ServerCluster;
  /** What the client has written and seen. */
  readonly history: History;
}

/** Starts a cluster and writes each key once. The servers end with `stack`. */
export async function startFilled(
  stack: AsyncDisposableStack,
  values: Values,
  { signal, ...options }: ServerClusterOptions & { readonly signal?: AbortSignal } = {},
): Promise<FilledCluster> {
  const servers = stack.use(await ServerCluster.start(options));
  const history = new History(values);
  await fill(servers.addresses[0]!, history, signal);
  signal?.throwIfAborted();
  return { servers, history };
}
