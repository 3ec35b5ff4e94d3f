/**
 * All messages of the wire, one class for each `type`.
 *
 * @module
 */

import type {
  Changes,
  Conflict,
  GetLatest,
  List,
  ListOk,
  Unwatch,
  Watch,
  WriteOk,
  WriteRequest,
} from "./coordination.ts";
import type { Challenge, Hello, Proof, ProofOk } from "./handshake.ts";
import type { Events, Fault, FaultOk, Observe } from "./observe.ts";
import type {
  Heartbeat,
  Join,
  JoinOk,
  Replication,
  ReplicationOk,
  Snapshot,
  SnapshotOk,
  SnapshotRequest,
  Sync,
} from "./replication.ts";
import type { ErrorReply, Get, GetOk, Put, PutOk, TryOther } from "./requests.ts";
import type { Status, StatusOk } from "./status.ts";

export * from "./coordination.ts";
export * from "./handshake.ts";
export * from "./message.ts";
export * from "./observe.ts";
export * from "./replication.ts";
export * from "./requests.ts";
export * from "./status.ts";

/** The tagged union of all messages. */
export type AnyMensagem =
  | Put
  | PutOk
  | Get
  | GetOk
  | TryOther
  | WriteRequest
  | WriteOk
  | Conflict
  | GetLatest
  | List
  | ListOk
  | Watch
  | Changes
  | Unwatch
  | Replication
  | ReplicationOk
  | Join
  | JoinOk
  | Sync
  | SnapshotRequest
  | Snapshot
  | SnapshotOk
  | Heartbeat
  | Hello
  | Challenge
  | Proof
  | ProofOk
  | Status
  | StatusOk
  | Observe
  | Events
  | Fault
  | FaultOk
  | ErrorReply;
