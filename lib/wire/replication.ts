/**
 * The messages between leader and follower: joining, catch-up, live writes.
 *
 * @module
 */

import { Write } from "./encoded_write.ts";
import { type Frames, textOf } from "./frames.ts";
import type { Value } from "./long_value.ts";
import { Mensagem } from "./message.ts";

/** Leader to follower: apply this write. Timestamps rise on one connection. */
export class Replication extends Mensagem<"REPLICATION"> {
  /** The timestamp of `write` is higher than that of every write before it. */
  constructor(readonly key: string, readonly write: Write) {
    super("REPLICATION");
  }

  /** A message for any key, value and timestamp; `null` deletes the key. */
  static of(key: string, value: Value | null, timestamp: number, ttlMs?: number): Replication {
    return new Replication(key, Write.of(key, value, timestamp, ttlMs));
  }

  /** The value of the write; `null` if it deletes the key. */
  get value(): Value | null {
    return this.write.value;
  }

  /** The timestamp of the write. */
  get timestamp(): number {
    return this.write.timestamp;
  }

  /** The message as one frame, with a long value as a part of its own. */
  frame(): Frames {
    return this.write.replication(this.key);
  }

  /** The message as one frame. */
  override encode(): string {
    return textOf(this.frame());
  }
}

/** Follower to leader: everything up to `timestamp` is applied. May acknowledge many writes. */
export class ReplicationOk extends Mensagem<"REPLICATION_OK"> {
  /** `timestamp` never falls on one connection. */
  constructor(readonly timestamp: number) {
    super("REPLICATION_OK");
  }

  /** The message as one frame. Faster than JSON.stringify. */
  override encode(): string {
    return `{"type":"REPLICATION_OK","timestamp":${this.timestamp}}\n`;
  }
}

/**
 * What a server can be sent by its leader: from 2 on deletions, times to live, and answers to forwarded
 * WRITEs and GET_LATESTs.
 */
export const protocolVersion = 2;

/** Follower to leader, first on its connection: its address and what it holds. */
export class Join extends Mensagem<"JOIN"> {
  /**
   * `server` is the follower's "host:port". `cluster` is the cluster id of its data, "" before its
   * first synchronisation. The follower holds everything up to `timestamp`, 0 if it is empty. After
   * an unfinished catch-up it also holds some later writes, up to `highest`.
   *
   * `instance` is a number that the follower's process draws once, at random. `attempt` counts the
   * JOINs of that process: the higher one is on the newer connection. `protocol` is
   * {@linkcode protocolVersion} of the follower, 1 if missing.
   */
  constructor(
    readonly server: string,
    readonly cluster: string,
    readonly timestamp: number,
    readonly highest?: number,
    readonly instance?: number,
    readonly attempt?: number,
    readonly protocol?: number,
  ) {
    super("JOIN");
  }
}

/** Leader to follower: the JOIN is accepted, PUTs may be forwarded. A refusal is an `ERROR`. */
export class JoinOk extends Mensagem<"JOIN_OK"> {
  /**
   * `protocol` is {@linkcode protocolVersion} of the leader, 1 if missing: such a leader takes no
   * forwarded WRITE.
   */
  constructor(readonly protocol?: number) {
    super("JOIN_OK");
  }
}

/** Timestamps that no write has any more, because they were lost with a leader: both ends included. */
export type Gap = readonly [first: number, last: number];

/** Leader to follower: you now hold everything up to `timestamp`; the newest write is `latest`. */
export class Sync extends Mensagem<"SYNC"> {
  /**
   * `cluster` is the id of the cluster that the follower's data now belongs to. A follower that
   * started without data answers GETs once it holds `latest`. `floor` is the highest timestamp of a
   * deletion that the leader's table no longer remembers, 0 if missing. `gaps` rise, none if missing.
   */
  constructor(
    readonly cluster: string,
    readonly timestamp: number,
    readonly latest: number,
    readonly floor?: number,
    readonly gaps?: readonly Gap[],
  ) {
    super("SYNC");
  }
}

/** Recovering leader to the follower with the highest timestamp: send me your table. */
export class SnapshotRequest extends Mensagem<"SNAPSHOT_REQUEST"> {
  /** Has no fields. */
  constructor() {
    super("SNAPSHOT_REQUEST");
  }
}

/** One entry of a snapshot. A `value` of `null` is a tombstone, and `ttlMs` a time to live. */
export type SnapshotEntry = readonly [
  key: string,
  value: string | null,
  timestamp: number,
  ttlMs?: number,
];

/** Leader to follower, or follower to recovering leader: a chunk of the sender's table. */
export class Snapshot extends Mensagem<"SNAPSHOT"> {
  /**
   * `entries` may be empty and are in any order. `last` marks the final chunk. With `replace`, on
   * the first chunk, the receiver discards its table. `floor` is that of the sender's table, 0 if
   * missing. A recovering leader also gets the `gaps` that the sender knows.
   */
  constructor(
    readonly entries: readonly SnapshotEntry[],
    readonly last: boolean,
    readonly replace?: boolean,
    readonly floor?: number,
    readonly gaps?: readonly Gap[],
  ) {
    super("SNAPSHOT");
  }
}

/** Receiver of a snapshot to its sender: one chunk is stored, send the next. */
export class SnapshotOk extends Mensagem<"SNAPSHOT_OK"> {
  /** Has no fields. */
  constructor() {
    super("SNAPSHOT_OK");
  }
}

/** Both directions between servers: the sender is alive. */
export class Heartbeat extends Mensagem<"HEARTBEAT"> {
  /** Has no fields. */
  constructor() {
    super("HEARTBEAT");
  }
}
