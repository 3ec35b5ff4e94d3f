/**
 * What a server's brain asks of whatever holds its data, and what every such engine answers alike.
 *
 * The embedded engine is this project's own replication. An engine beside it may be anything that
 * orders writes and gives each of them a timestamp that rises.
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
  GetOk,
  type Put,
  TryOther,
} from "../mensagem.ts";
import type { Host, Link, Watch } from "./environment.ts";
import type { Tuning } from "./tuning.ts";
import type { Reading, Store } from "./store.ts";

/** The world that an engine is put into. */
export interface EngineWorld {
  /** "ip:port" of the server. */
  readonly self: string;
  /** Prints, reports and the rest of the world around it. */
  readonly host: Host;
  /** What an operator may set. */
  readonly tuning: Tuning;
  /** The time, in milliseconds on a clock that never falls. */
  readonly now: number;
}

/** Makes an engine for the server that it is called by. */
export type StartEngine = (world: EngineWorld) => Engine;

/**
 * Where the data of a server is.
 *
 * - Every request is answered on its link exactly once, at once or within a bounded time.
 * - All writes are in one order, and their timestamps rise with it. No key's timestamp ever falls.
 */
export interface Engine {
  /** What this server knows of the table, for looking at it; an engine may keep a part of it. */
  readonly table: Pick<Store, "get" | "entries" | "size">;
  /** "ip:port" of whoever leads; that of this server where its own part of the engine does. */
  readonly leader: string;
  /** True once GETs are answered with what is stored. */
  readonly readable: boolean;
  /** The id of the cluster that the data belongs to, "" before it is known. */
  readonly cluster: string;
  /** The highest timestamp that this server has seen applied. */
  readonly timestamp: number;
  /** Where this server leads: the servers that hold every acknowledged write. Else none. */
  readonly inSync: readonly string[];
  /** Where this server leads: the followers that have joined. Else none. */
  readonly followers: readonly FollowerStatus[];
  /** PUTs that have no answer yet. */
  readonly outstandingPuts: number;
  /** Tells somebody who begins to watch how things stand. */
  describe(watch: Watch): void;
  /** Answers a GET. */
  get(link: Link, request: Get): void;
  /** Answers a PUT. */
  put(link: Link, request: Put): void;
  /** Makes the replication bad on purpose, or says why not. */
  fault(request: Fault): FaultOk | ErrorReply;
  /** Takes a message of another server. Returns why this link may not send it, where it may not. */
  receive(link: Link, message: AnyMensagem): string | undefined;
  /** The frames that came together are all taken. */
  flush(): void;
  /** The first `count` messages that went into the host's journal are on the disk. */
  durable(count: number): void;
  /** A connection has ended. */
  closed(link: Link): void;
  /** The dial that the engine asked its host for has succeeded. */
  dialled(link: Link): void;
  /** The dial that the engine asked its host for has failed. */
  dialFailed(reason: string): void;
  /** Time has passed. `now` is in milliseconds and never falls. */
  tick(now: number): void;
  /** Ends what runs in the background, and resolves when it has ended. */
  close(): Promise<void>;
}

/** enunciado 5.f: the line and the answer of a GET, whatever holds the data. */
export function answerGet(
  host: Pick<Host, "prints">,
  link: Link,
  { id, key, timestamp: seen }: Get,
  reading: Reading,
): void {
  const value = reading.fresh ? reading.value : undefined;
  host.prints.get(link.peer, key, seen, reading.timestamp, value);
  if (!reading.fresh) link.send(new TryOther(id, key, reading.timestamp).encode());
  else if (reading.text !== undefined) link.send(GetOk.encodeText(id, reading.text));
  else link.send(new GetOk(id, key, reading.value, reading.timestamp).encode());
}

/** What a link may not send that is for no server here, or not from there. */
export function notForUs({ type }: AnyMensagem): string {
  return `${type} is not for this server, or not from this connection`;
}
