/**
 * The status of a cluster, made from the answers of its servers.
 *
 * @module
 */

import type { ServerStatus } from "../mensagem.ts";
import type { KvErrorCode } from "./errors.ts";
import type { StatusResult } from "./kv_client.ts";

/** A server that answers, with what the leader says about it. */
export interface ServerUp {
  /** "ip:port" */
  readonly server: string;
  /** The server has answered. */
  readonly reachable: true;
  /** The server's role in the replication. */
  readonly role: "leader" | "follower";
  /**
   * Whether the server is in sync: it holds every acknowledged write. `null` if its leader has not
   * answered.
   */
  readonly inSync: boolean | null;
  /** The highest timestamp that it has applied. */
  readonly timestamp: number;
  /**
   * How many timestamps the server is behind its leader, as the leader knows it. 0 for the leader
   * itself, `null` if the leader has not answered or does not know the server.
   */
  readonly lag: number | null;
  /** The number of keys in its table. */
  readonly keys: number;
  /** The number of open connections, those between servers included. */
  readonly connections: number;
  /** Milliseconds since it was started. */
  readonly uptimeMs: number;
  /** Milliseconds since it lost its leader, `null` while it has one. */
  readonly cutOffMs: number | null;
  /** Memory of its process that is in RAM, in bytes. */
  readonly memoryBytes: number;
  /** The id of the cluster that its data belongs to, "" if it has none yet. */
  readonly cluster: string;
  /** Whether it accepts FAULT. */
  readonly faults: boolean;
  /** The version of its program, `null` if it is too old to say so. */
  readonly version: string | null;
}

/** A server that does not answer. */
export interface ServerDown {
  /** "ip:port" */
  readonly server: string;
  /** The server has not answered. */
  readonly reachable: false;
  /** Why it has not answered. */
  readonly reason: string;
  /** The code of the error. One of an `AccessError` means a mistake, and not an outage. */
  readonly code?: KvErrorCode | undefined;
}

/** The status of a cluster. */
export interface ClusterStatus {
  /** Whether all servers answer, and all belong to the same cluster. */
  readonly ok: boolean;
  /** "ip:port" of the leader, `null` if no leader has answered. */
  readonly leader: string | null;
  /** All servers that were asked, in the same order. */
  readonly servers: readonly (ServerUp | ServerDown)[];
}

/** The status of a cluster, from the answers of its servers. */
export function clusterStatus(results: readonly StatusResult[]): ClusterStatus {
  const up = results.filter((result) => result.reachable);
  const leader = up.find(({ status }) => status.server === status.leader);
  const servers = results.map((result): ServerUp | ServerDown => {
    if (!result.reachable) return result;
    const { server, status } = result;
    const isLeader = status.server === status.leader;
    // Only the server's own leader knows it. The leader that answers may be another one.
    const ownLeader = isLeader
      ? status
      : leader !== undefined && isLeaderOf(leader.status, status)
      ? leader.status
      : undefined;
    const known = ownLeader?.followers.find((follower) => follower.server === status.server);
    return {
      server,
      reachable: true,
      role: isLeader ? "leader" : "follower",
      inSync: ownLeader?.inSync.includes(status.server) ?? null,
      timestamp: status.timestamp,
      lag: isLeader ? 0 : known === undefined ? null : ownLeader!.timestamp - known.timestamp,
      keys: status.keys,
      connections: status.connections,
      uptimeMs: status.uptimeMs,
      cutOffMs: status.cutOffMs ?? null,
      memoryBytes: status.memoryBytes,
      cluster: status.cluster,
      faults: status.faults,
      version: status.version ?? null,
    };
  });
  const clusters = new Set(up.map(({ status }) => status.cluster).filter((id) => id !== ""));
  const ok = up.length === results.length && clusters.size <= 1;
  return { ok, leader: leader?.server ?? null, servers };
}

/** Whether one server leads another, which may dial it by another name than it has for itself. */
function isLeaderOf(leader: ServerStatus, { server, leader: dialled, cluster }: ServerStatus) {
  return leader.server === dialled ||
    (leader.cluster === cluster && leader.followers.some((one) => one.server === server));
}
