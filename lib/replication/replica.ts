/**
 * The embedded engine: a server's part in the replication.
 *
 * @module
 */

import type { EngineOptions } from "./engine.ts";
import { Follower } from "./follower.ts";
import { Leader } from "./leader.ts";
import type { RecoveredState } from "./recovered_state.ts";

/** What an embedded engine is started with. */
export interface ReplicaOptions extends EngineOptions {
  /** "host:port" of the leader. */
  readonly leader: string;
  /** What the host's journal held, `undefined` if there is no journal. */
  readonly recovered?: RecoveredState | undefined;
}

/** enunciado 5.a: the server whose address is the leader's leads, every other one follows. */
export function startReplica({ leader, recovered, ...options }: ReplicaOptions): Leader | Follower {
  return options.self === leader
    ? new Leader(options, recovered)
    : new Follower(options, leader, recovered);
}
