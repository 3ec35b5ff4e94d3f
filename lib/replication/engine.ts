/**
 * The interface of the part of a server that holds its data, and the answers that all such engines
 * share.
 *
 * The embedded engine is a {@linkcode Leader} or a {@linkcode Follower} of this folder. Another
 * engine may be anything that orders writes and gives them rising timestamps.
 *
 * @module
 */

import {
  type AnyMensagem,
  type ErrorReply,
  type Fault,
  type FaultOk,
  type FollowerStatus,
  type Get,
  type GetLatest,
  GetOk,
  type Put,
  TryOther,
  type WriteRequest,
} from "../mensagem.ts";
import type { Host, Link, ReplicationListener } from "./environment.ts";
import type { Tuning } from "./tuning.ts";
import type { Reading, Store } from "./store.ts";
import { textOfValue } from "../wire/long_value.ts";

/** What every engine is started with. */
export interface EngineOptions {
  /** "host:port" of this server. */
  readonly self: string;
  /** The world around the engine. */
  readonly host: Host;
  /** The operator's settings. */
  readonly tuning: Tuning;
  /** The time in milliseconds, on a clock that never goes back. */
  readonly now: number;
}

/** What requests of coordination have led to since the engine's start, where that is decided. */
export interface RequestCounts {
  /** WRITEs that changed nothing because their condition did not hold. */
  conflicts: number;
  /** GET_LATESTs that were answered. */
  latest: number;
  /** Keys that were deleted because their time to live was over. */
  expired: number;
}

/** The counts at the start. */
export function noRequests(): RequestCounts {
  return { conflicts: 0, latest: 0, expired: 0 };
}

/** Starts an engine. */
export type StartEngine = (options: EngineOptions) => Engine;

/**
 * The part of a server that holds its data.
 *
 * - Every request is answered on its link exactly once, at once or within a bounded time.
 * - All writes are in one order, and their timestamps rise with it. No key's timestamp ever falls.
 * - No call waits, and no link calls back from inside `send` or `close`.
 */
export interface Engine {
  /** This server's table. */
  readonly table: Store;
  /** "host:port" of the leader; this server's own if it leads. */
  readonly leader: string;
  /** Whether GETs are answered from the table. */
  readonly readable: boolean;
  /** The id of the data's cluster, "" before it is known. */
  readonly cluster: string;
  /** Every write up to this timestamp is applied. */
  readonly timestamp: number;
  /** The servers in sync, if this server leads and is open. Otherwise empty. */
  readonly inSync: readonly string[];
  /** The followers that have joined, if this server leads. Otherwise empty. */
  readonly followers: readonly FollowerStatus[];
  /** PUTs, WRITEs and GET_LATESTs without an answer. */
  readonly outstandingPuts: number;
  /** What requests of coordination have led to; zeros at a follower, which decides nothing. */
  readonly counts: Readonly<RequestCounts>;
  /** Milliseconds since this server lost its leader, `undefined` while it has one or leads. */
  readonly cutOffMs?: number | undefined;
  /** Tells a new listener of the present state. */
  describe(listener: ReplicationListener): void;
  /** A client asks for more than one key, and needs everything up to a timestamp. */
  wanted?(timestamp: number): void;
  /** Answers a GET. */
  get(link: Link, request: Get): void;
  /** Answers a PUT, of a client or of a follower that forwards it. */
  put(link: Link, request: Put): void;
  /** Answers a WRITE, of a client or of a follower that forwards it. */
  write(link: Link, request: WriteRequest): void;
  /** Answers a GET_LATEST, of a client or of a follower that forwards it. */
  getLatest(link: Link, request: GetLatest): void;
  /** Disturbs the replication on purpose, or returns why it does not. */
  fault(request: Fault): FaultOk | ErrorReply;
  /** Takes a message of another server. Returns why this link may not send it, if it may not. */
  receive(link: Link, message: AnyMensagem): string | undefined;
  /** The frames that arrived together are all received: one answer may cover all of them. */
  flush(): void;
  /** The first `count` messages that went into the host's journal are on the disk. */
  durable(count: number): void;
  /** A connection has ended. */
  closed(link: Link): void;
  /** Time has passed. `now` is in milliseconds and never goes back. */
  tick(now: number): void;
  /** Ends what runs in the background. Resolves when it has ended. */
  close(): Promise<void>;
}

/** enunciado 5.f: prints and answers a GET with what the engine has read. */
export function answerGet(
  host: Pick<Host, "prints">,
  link: Link,
  { id, key, timestamp: seen }: Get,
  reading: Reading,
): void {
  const value = reading.fresh ? reading.value : undefined;
  host.prints.get(link.peer, key, seen, reading.timestamp, value);
  if (!reading.fresh) link.send(new TryOther(id, key, reading.timestamp, reading.lost).encode());
  else if (reading.entry !== undefined) link.send(GetOk.frame(id, key, reading.entry));
  else {
    const text = reading.value === null ? null : textOfValue(reading.value);
    link.send(new GetOk(id, key, text, reading.timestamp).encode());
  }
}

/** enunciado 5.f: answers a GET from a table. Without `readable` the table may be old or half copied. */
export function answerGetFrom(
  table: Store,
  readable: boolean,
  host: Pick<Host, "prints">,
  link: Link,
  request: Get,
): void {
  const reading = readable ? table.read(request.key, request.timestamp, request.atLeast) : {
    fresh: false as const,
    timestamp: table.get(request.key)?.timestamp ?? table.absentSince(request.key),
  };
  answerGet(host, link, request, reading);
}

/** Why a message is refused that fits neither this server nor this connection. */
export function misdirected({ type }: AnyMensagem): string {
  return `${type} is not for this server, or not from this connection`;
}
