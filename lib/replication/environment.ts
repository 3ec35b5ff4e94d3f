/**
 * What the protocol core needs from the world, and what the two roles of it have in common.
 *
 * The core (leader, follower, node) opens no socket, reads no clock and draws no number: messages
 * and the time go in, messages and prints come out. So the same code runs in a server and in a
 * simulation.
 *
 * @module
 */

import type {
  AnyMensagem,
  Challenge,
  FollowerStatus,
  Hello,
  Observe,
  Proof,
  ProofOk,
  Put,
} from "../mensagem.ts";
import type { FaultAction } from "../wire/events.ts";
import type { Journal } from "./journal.ts";

/** One end of a connection, as the core sees it. Frames arrive whole, in order, or not at all. */
export interface Link {
  /** "ip:port" of the other end. */
  readonly peer: string;
  /**
   * Marks a connection between servers. A client that does not read its answers is not read either;
   * between two servers that would be a deadlock.
   */
  betweenServers: boolean;
  /** False where the other end has yet to prove that it belongs to the cluster. */
  readonly mayJoin: boolean;
  /** False where the other end has yet to prove that it may PUT and GET. */
  readonly mayAsk: boolean;
  /** Queues a frame, or several in one text. Does nothing once the link has ended. */
  send(frames: string): void;
  /**
   * Takes nothing more, and ends the connection after what is queued, and the answers that are still due to a client,
   * have gone out.
   */
  close(): void;
}

/** The lines of the assignment that a server prints. `console.ts` has their exact text. */
export interface ServerPrints {
  /** The leader received a PUT. */
  put(client: string, key: string, value: string): void;
  /** A follower passes a PUT on. */
  forwarding(key: string, value: string): void;
  /** A follower received a REPLICATION. */
  replication(key: string, value: string, timestamp: number): void;
  /** The leader answers a PUT that all in-sync servers hold. */
  putOk(client: string, key: string, timestamp: number): void;
  /**
   * A server received a GET. `value` is `undefined` where the answer is TRY_OTHER_SERVER_OR_LATER.
   */
  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: string | null | undefined,
  ): void;
}

/** Is told what prints do not tell. */
export interface Watch {
  /**
   * The leader has stamped and applied a PUT, and its REPLICATIONs leave. It had waited so long, to
   * within a tick.
   */
  written(key: string, value: string, timestamp: number, waitedMs: number): void;
  /** The leader has learned that a follower holds everything up to a timestamp. */
  acknowledged(follower: string, timestamp: number): void;
  /** Who takes part: the followers that have joined, who is in sync, and whether PUTs are taken. */
  members(joined: readonly string[], inSync: readonly string[], open: boolean): void;
  /** A fault has begun or ended. `delayMs` belongs to "delay". */
  fault(follower: string, action: FaultAction, delayMs?: number): void;
  /** The table was brought up to date by other means than writes. */
  table(): void;
}

/** How a server's process is. */
export interface Vitals {
  /** Open connections, those between servers included. */
  readonly connections: number;
  /** Milliseconds since it was started. */
  readonly uptimeMs: number;
  /** Memory of the process that is in RAM. */
  readonly memoryBytes: number;
  /** It was started so that it takes FAULT. */
  readonly faults: boolean;
}

/** The world around the core. */
export interface Host {
  /** Where the lines of the assignment go. It may be another object at each look. */
  readonly prints: ServerPrints;
  /** There while somebody observes this server. It may be another object at each look. */
  readonly watch?: Watch | undefined;
  /** Where this server writes down what must outlive it. Left out, everything is in memory. */
  readonly journal?: Journal | undefined;
  /** Tells the operator, in one line, what is not part of the assignment's output. */
  report(line: string): void;
  /** Begins to connect to the leader; the answer is a call of `dialled` or `dialFailed`, later. */
  dial(): void;
  /** Takes a message about secrets. The next line of this link waits for the promise. */
  authenticate(link: Link, message: Hello | Challenge | Proof | ProofOk): Promise<void>;
  /** Answers an OBSERVE: from here on the link is told what happens. */
  observe(link: Link, request: Observe): void;
  /**
   * Calls back in a moment, when what has arrived until then was received. The moment is short beside
   * a write to a disk. What is returned takes that back.
   */
  pause(run: () => void): () => void;
  /** A number from 0 up to, not including, 1. */
  random(): number;
  /** A cluster id that was never used before. */
  newClusterId(): string;
  /** How the process is now. */
  vitals(): Vitals;
}

/** A server's part in the replication: that of the leader or that of a follower. */
export interface Replica {
  /**
   * True once the table may answer GETs: before the first synchronisation nothing in it can be
   * trusted.
   */
  readonly readable: boolean;
  /** The id of the cluster that the table belongs to, "" before it belongs to any. */
  readonly cluster: string;
  /** Every write up to here is applied. */
  readonly timestamp: number;
  /**
   * Where this server leads and is open: the servers that hold every acknowledged write. Else none.
   */
  readonly inSync: readonly string[];
  /** Where this server leads: the followers that have joined. Else none. */
  readonly followers: readonly FollowerStatus[];
  /** PUTs that have no answer yet. */
  readonly outstandingPuts: number;
  /** Tells somebody who begins to watch how things stand. */
  describe(watch: Watch): void;
  /**
   * Takes a PUT of a client or of a member. It is answered on `link`, sooner or later, exactly
   * once.
   */
  put(link: Link, put: Put): void;
  /** Takes a message of another server. Returns false where this link may not send it. */
  receive(link: Link, message: AnyMensagem): boolean;
  /** The frames that came together are all taken: what can be said once for many is said now. */
  flush(): void;
  /** The first `count` messages that went into the journal are on the disk. */
  durable(count: number): void;
  /** The connection has ended. */
  closed(link: Link): void;
  /** Time has passed. `now` is in milliseconds and never falls. */
  tick(now: number): void;
}
