/**
 * `STATUS` and its answer.
 *
 * @module
 */

import { Mensagem } from "./message.ts";

/** Client to server: describe yourself. */
export class Status extends Mensagem<"STATUS"> {
  /** `id` comes back in the answer. */
  constructor(readonly id: number) {
    super("STATUS");
  }
}

/** One follower, as its leader knows it. */
export interface FollowerStatus {
  /** "host:port" of the follower. */
  readonly server: string;
  /** The timestamp up to which the follower has acknowledged; 0 before its first acknowledgement. */
  readonly timestamp: number;
  /** Whether PUTs wait for this follower. */
  readonly inSync: boolean;
}

/** What a server is and what it holds. */
export interface ServerStatus {
  /** "host:port" of the server. */
  readonly server: string;
  /** "host:port" of its leader. */
  readonly leader: string;
  /** The id of the cluster that its data belongs to, "" before it has any. */
  readonly cluster: string;
  /** The highest timestamp that it has applied. */
  readonly timestamp: number;
  /** On an open leader, the servers that hold every acknowledged write; else empty. */
  readonly inSync: readonly string[];
  /** On a leader, the followers that have joined; else empty. */
  readonly followers: readonly FollowerStatus[];
  /** Keys in its table. */
  readonly keys: number;
  /** Open connections, those between servers included. */
  readonly connections: number;
  /** Milliseconds since its start. */
  readonly uptimeMs: number;
  /** Resident memory of its process, in bytes. */
  readonly memoryBytes: number;
  /** Whether it accepts FAULT. */
  readonly faults: boolean;
  /** Watches of its clients. Left out by servers that are older than this field. */
  readonly watches?: number;
  /** Milliseconds since it lost its leader, or began to look for it. Left out while it has one. */
  readonly cutOffMs?: number;
  /** The version of its program. Left out by servers that are older than this field. */
  readonly version?: string;
}

/** Server to client: the server's status. */
export class StatusOk extends Mensagem<"STATUS_OK"> {
  /** `id` is the request's. Only the fields of {@linkcode ServerStatus} are copied. */
  constructor(readonly id: number, status: ServerStatus) {
    super("STATUS_OK");
    const { server, leader, cluster, timestamp, inSync, followers } = status;
    const { keys, connections, uptimeMs, memoryBytes, faults, watches, cutOffMs, version } = status;
    // The fields have this order in the JSON.
    Object.assign(this, { server, leader, cluster, timestamp, inSync, followers });
    Object.assign(this, { keys, connections, uptimeMs, memoryBytes, faults });
    if (watches !== undefined) Object.assign(this, { watches });
    if (cutOffMs !== undefined) Object.assign(this, { cutOffMs });
    if (version !== undefined) Object.assign(this, { version });
  }
}

/** The fields that the constructor copies. Declared here, so that each is documented once. */
export interface StatusOk extends ServerStatus {}
