/**
 * The interfaces between the protocol core and the world around it.
 *
 * The core opens no socket, reads no clock and draws no random number: messages and the time go in,
 * messages and prints come out. So the same code runs in a server and in a simulation.
 *
 * @module
 */

import type { WriteRequest } from "../mensagem.ts";
import type { FaultAction } from "../wire/events.ts";
import type { Frames } from "../wire/frames.ts";
import type { Value } from "../wire/long_value.ts";
import type { Journal } from "./journal.ts";

/** One end of a connection. Frames arrive whole and in order, or not at all. */
export interface Link {
  /** "ip:port" of the peer. */
  readonly peer: string;
  /**
   * Whether the peer is a server. A server stops reading from a client that does not read its
   * answers. Between two servers that would be a deadlock.
   */
  betweenServers: boolean;
  /** Queues one or more frames. Does nothing once the link has ended. */
  send(frames: Frames): void;
  /**
   * Takes no more messages. The connection ends once the queued frames, and the answers still due to
   * a client, have gone out.
   */
  close(): void;
}

/** The lines of the assignment that a server prints. `lib/cli/server_console.ts` has their exact text. */
export interface ServerPrints {
  /** The leader received a PUT. */
  put(client: string, key: string, value: Value): void;
  /** A follower forwards a PUT to the leader. */
  forwarding(key: string, value: Value): void;
  /** A follower received a REPLICATION. The `value` of a deletion is `null`. */
  replication(key: string, value: Value | null, timestamp: number): void;
  /** The leader answers a PUT that every in-sync server has applied. */
  putOk(client: string, key: string, timestamp: number): void;
  /** A server received a GET. `value` is `undefined` if it answers TRY_OTHER_SERVER_OR_LATER. */
  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: Value | null | undefined,
  ): void;
}

/** A receiver of the replication events that prints do not show. */
export interface ReplicationListener {
  /**
   * The leader has stamped and applied a PUT, and its REPLICATIONs leave. The PUT had waited for
   * `waitedMs`, to within a tick. The `value` of a deletion is `null`. `expired` says that the key was
   * deleted because its time to live was over.
   */
  written(
    key: string,
    value: Value | null,
    timestamp: number,
    waitedMs: number,
    expired?: boolean,
  ): void;
  /** The leader has received a WRITE. `client` is "ip:port" of the original client. */
  write(client: string, request: WriteRequest): void;
  /** A follower forwards a WRITE to the leader. */
  forwardingWrite(request: WriteRequest): void;
  /** The leader answers a WRITE with WRITE_OK. `wrote` says whether it made a write. */
  writeOk(client: string, key: string, timestamp: number, wrote: boolean): void;
  /** The leader answers a WRITE with CONFLICT. `value` and `timestamp` are what the key stands at. */
  conflict(
    client: string,
    key: string,
    expected: number,
    value: Value | null,
    timestamp: number,
  ): void;
  /** A follower has acknowledged every write up to a timestamp. */
  acknowledged(follower: string, timestamp: number): void;
  /** The followers that have joined, the servers in sync, and whether the leader is open. */
  members(joined: readonly string[], inSync: readonly string[], open: boolean): void;
  /** A fault has begun or ended. `delayMs` is given for "delay". */
  fault(follower: string, action: FaultAction, delayMs?: number): void;
  /** The table was brought up to date by other means than writes. */
  table(): void;
}

/** The receiver of the result of {@linkcode Host.dial}. */
export interface Dialler {
  /** The connection is made, and the leader has proved itself if it has to. */
  dialled(link: Link): void;
  /** The dial has failed. */
  dialFailed(reason: string): void;
}

/**
 * What a line for the operator is about. Of many lines on one topic some are only counted, so that no
 * peer can write without end.
 */
export type ReportTopic =
  /** JOINs that are refused. */
  | "refused"
  /** Followers that join, leave, or get in sync. */
  | "members"
  /** What a leader does before it is open. */
  | "recovery"
  /** A follower's connection to its leader. */
  | "leader"
  /** FAULT. */
  | "faults"
  /** PUTs for which no timestamp is left. */
  | "timestamps";

/** The world around the core. */
export interface Host {
  /** The receiver of the assignment's lines. May change between two reads. */
  readonly prints: ServerPrints;
  /** The receiver of further events, `undefined` if there is none. May change between two reads. */
  readonly listener?: ReplicationListener | undefined;
  /** The journal of this server. `undefined` if everything is in memory. */
  readonly journal?: Journal | undefined;
  /**
   * Tells the operator something that is not part of the assignment's output, in one line. Lines that
   * other servers and clients can cause have a topic: see {@linkcode ReportTopic}.
   */
  report(line: string, topic?: ReportTopic): void;
  /** Begins to connect to the leader. The result is a later call of the dialler's methods. */
  dial(dialler: Dialler): void;
  /** Calls back a moment later, after the PUTs that arrived meanwhile were received. The moment is
   * about as long as a sync of a fast disk. Returns a function that cancels the call.
   */
  waitForPuts(run: () => void): () => void;
  /** A random number from 0 up to, not including, 1. */
  random(): number;
  /** A cluster id that was never used before. */
  newClusterId(): string;
}
