/**
 * The rule by which a leader accepts or refuses a follower.
 *
 * @module
 */

import type { Join } from "../mensagem.ts";
import { timestampMax } from "../limits.ts";
import type { Gap } from "./recovered_state.ts";

/** What a leader knows when a JOIN comes. */
export interface JoinContext {
  /** "ip:port" of the leader. */
  readonly self: string;
  /** Servers in the cluster, the leader included. */
  readonly clusterSize: number;
  /** Whether the JOIN came on the connection of a follower that has joined. */
  readonly repeated: boolean;
  /** The JOINs of the followers that have joined. */
  readonly joined: readonly Join[];
  /** The cluster id, "" until the leader has its table. */
  readonly cluster: string;
  /** The table is complete up to here. */
  readonly timestamp: number;
  /** The ranges of timestamps that leaders have skipped. */
  readonly gaps: readonly Gap[];
  /** The cluster of the data on the leader's own disk, `undefined` if it has none. */
  readonly ownCluster: string | undefined;
}

/** Why a leader refuses a JOIN, `undefined` if it accepts it. */
export function whyJoinRefused(join: Join, context: JoinContext): string | undefined {
  return whyServerRefused(join, context) ?? whyDataRefused(join, context);
}

function whyServerRefused({ server }: Join, context: JoinContext): string | undefined {
  const { self, clusterSize, joined } = context;
  if (context.repeated) return "this connection has joined already";
  if (server === self) return `${server} is the leader itself`;
  if (joined.some((other) => other.server === server)) return `${server} has joined already`;
  if (joined.length < clusterSize - 1) return undefined;
  return `the cluster has its ${clusterSize} servers already, see --cluster-size`;
}

function whyDataRefused(join: Join, context: JoinContext): string | undefined {
  const { server, cluster, timestamp } = join;
  const highest = highestOf(join);
  if (highest < timestamp) return `timestamp ${timestamp} is above the highest write, ${highest}`;
  if (highest > timestampMax) return `timestamp ${highest} is above the limit, ${timestampMax}`;
  if (highest > 0 && cluster === "") return "the data has no cluster id";
  // Data of another cluster is never mixed in, and never deleted silently.
  const own = clusterOf(context) ?? cluster;
  if (highest > 0 && cluster !== own) {
    return `${server} holds data of cluster ${cluster}, and this is cluster ${own}: restart ` +
      `${server}, with an empty data directory if it has one`;
  }
  if (context.cluster === "") return undefined;
  const inGap = context.gaps.some(([from, to]) => timestamp > from && timestamp < to);
  if (!inGap && timestamp <= context.timestamp) return undefined;
  return `${server} holds timestamp ${timestamp}, which this leader does not know. If the leader ` +
    "was started with an old data directory, stop it and start it with an empty one: it then " +
    `recovers from the others. Otherwise restart ${server} with an empty one`;
}

/** The cluster that all data must belong to, `undefined` if there is no data yet. */
function clusterOf({ cluster, joined, ownCluster }: JoinContext): string | undefined {
  if (cluster !== "") return cluster;
  return joined.find((join) => highestOf(join) > 0)?.cluster ?? ownCluster;
}

/** The newest write that a follower holds. It is above `timestamp` if a catch-up was not finished. */
function highestOf({ timestamp, highest = timestamp }: Join): number {
  return highest;
}
