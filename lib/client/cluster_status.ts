/**
 * How a cluster is, put together from what its servers say one by one.
 *
 * @module
 */

import type { StatusResult } from "./kv_client.ts";

/** A server that answers, in the light of what the leader says about it. */
export interface ServerUp {
  /** "ip:port" */
  readonly server: string;
  /** It has answered. */
  readonly reachable: true;
  /** What it is in the replication. */
  readonly role: "leader" | "follower";
  /** It holds every acknowledged write; `null` where no leader has answered that could tell. */
  readonly inSync: boolean | null;
  /** The highest timestamp that it has applied. */
  readonly timestamp: number;
  /**
   * By how many timestamps it is behind the leader, as the leader knows it: 0 for the leader, `null`
   * where no leader knows it.
   */
  readonly lag: number | null;
  /** Keys in its table. */
  readonly keys: number;
  /** Open connections, those between servers included. */
  readonly connections: number;
  /** Milliseconds since it was started. */
  readonly uptimeMs: number;
  /** Memory of its process that is in RAM. */
  readonly memoryBytes: number;
  /** The id of the cluster that its data belongs to, "" before it has any. */
  readonly cluster: string;
  /** It takes faults. */
  readonly faults: boolean;
}

/** A server that does not answer. */
export interface ServerDown {
  /** "ip:port" */
  readonly server: string;
  /** It has not answered. */
  readonly reachable: false;
  /** Why not. */
  readonly reason: string;
}

/** How a cluster is. */
export interface ClusterStatus {
  /** True where all servers answer and none of them belongs to another cluster. */
  readonly ok: boolean;
  /** "ip:port" of the leader, `null` where it does not answer. */
  readonly leader: string | null;
  /** All servers that were asked, in that order. */
  readonly servers: readonly (ServerUp | ServerDown)[];
}

/** Puts together what the servers of a cluster say. */
export function clusterStatus(results: readonly StatusResult[]): ClusterStatus {
  const up = results.filter((result) => result.reachable);
  const leader = up.find(({ status }) => status.server === status.leader);
  const servers = results.map((result): ServerUp | ServerDown => {
    if (!result.reachable) return result;
    const { server, status } = result;
    const leads = status.server === status.leader;
    // Only the leader that a server follows can tell.
    const teller = leads
      ? status
      : leader?.status.server === status.leader
      ? leader.status
      : undefined;
    const known = teller?.followers.find((follower) => follower.server === status.server);
    return {
      server,
      reachable: true,
      role: leads ? "leader" : "follower",
      inSync: teller?.inSync.includes(status.server) ?? null,
      timestamp: status.timestamp,
      lag: leads ? 0 : known === undefined ? null : teller!.timestamp - known.timestamp,
      keys: status.keys,
      connections: status.connections,
      uptimeMs: status.uptimeMs,
      memoryBytes: status.memoryBytes,
      cluster: status.cluster,
      faults: status.faults,
    };
  });
  const clusters = new Set(up.map(({ status }) => status.cluster).filter((id) => id !== ""));
  const ok = up.length === results.length && clusters.size <= 1;
  return { ok, leader: leader?.server ?? null, servers };
}
