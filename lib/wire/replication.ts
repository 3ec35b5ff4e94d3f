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

  /** A message for any key, value and timestamp. */
  static of(key: string, value: Value, timestamp: number): Replication {
    return new Replication(key, Write.of(key, value, timestamp));
  }

  /** The value of the write. */
  get value(): Value {
    return this.write.value;
  }

  /** The timestamp of the write. */
  get timestamp(): number {
    return this.write.timestamp;
  }

  /** The message as one frame, with a long value as a part of its own. */
  frame(): Frames {
    return this.write.frame('{"type":"REPLICATION",', this.key);
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

/** Follower to leader, first on its connection: its address and what it holds. */
export class Join extends Mensagem<"JOIN"> {
  /**
   * `server` is the follower's "host:port". `cluster` is the cluster id of its data, "" before its
   * first synchronisation. The follower holds everything up to `timestamp`, 0 if it is empty. After
   * an unfinished catch-up it also holds some later writes, up to `highest`.
   *
   * `instance` is a number that the follower's process draws once, at random. `attempt` counts the
   * JOINs of that process: the higher one is on the newer connection.
   */
  constructor(
    readonly server: string,
    readonly cluster: string,
    readonly timestamp: number,
    readonly highest?: number,
    readonly instance?: number,
    readonly attempt?: number,
  ) {
    super("JOIN");
  }
}

/** Leader to follower: the JOIN is accepted, PUTs may be forwarded. A refusal is an `ERROR`. */
export class JoinOk extends Mensagem<"JOIN_OK"> {
  /** Has no fields. */
  constructor() {
    super("JOIN_OK");
  }
}

/** Leader to follower: you now hold everything up to `timestamp`; the newest write is `latest`. */
export class Sync extends Mensagem<"SYNC"> {
  /**
   * `cluster` is the id of the cluster that the follower's data now belongs to. A follower that
   * started without data answers GETs once it holds `latest`.
   */
  constructor(readonly cluster: string, readonly timestamp: number, readonly latest: number) {
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

/** One entry of a snapshot: key, value, timestamp. */
export type SnapshotEntry = readonly [key: string, value: string, timestamp: number];

/** Leader to follower, or follower to recovering leader: a chunk of the sender's table. */
export class Snapshot extends Mensagem<"SNAPSHOT"> {
  /**
   * `entries` may be empty and are in any order. `last` marks the final chunk. With `replace`, on
   * the first chunk, the receiver discards its table.
   */
  constructor(
    readonly entries: readonly SnapshotEntry[],
    readonly last: boolean,
    readonly replace?: boolean,
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
