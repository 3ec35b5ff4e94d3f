/**
 * The messages of the wire: one class for each `type`, and the class that they share.
 *
 * Constructors trust their arguments; decoding, in `mensagem.ts`, trusts nothing.
 *
 * @module
 */

import type { ErrorCode } from "./errors.ts";
import type { Counts, FaultAction, ServerEvent } from "./events.ts";
import { plain, Write } from "./encoded_write.ts";

/**
 * A message of any kind: the class that all of them share (enunciado 4, Observações: "a classe
 * Mensagem").
 */
export abstract class Mensagem<Type extends string = string> {
  /** What kind of message it is. */
  readonly type: Type;

  /** Only the kinds below exist. */
  constructor(type: Type) {
    this.type = type;
  }

  /** The message as one frame: a line of JSON with its LF. */
  encode(): string {
    return `${JSON.stringify(this)}\n`;
  }
}

/** Client to server, follower to leader: store `value` under `key`. */
export class Put extends Mensagem<"PUT"> {
  /** Key and value as the frame has them, where both are plain: they need not be encoded again. */
  readonly #fields: string | undefined;

  /**
   * `client` is "ip:port" of the original client where a follower forwards the request. `fields` is
   * for the decoder.
   */
  constructor(
    readonly id: number,
    readonly key: string,
    readonly value: string,
    readonly client?: string,
    fields?: string,
  ) {
    super("PUT");
    this.#fields = fields;
  }

  /** The same request, as a follower passes it on. */
  forwarded(id: number, client: string): Put {
    return new Put(id, this.key, this.value, client, this.#fields);
  }

  /** The write that this request asks for. */
  stamped(timestamp: number): Replication {
    const { key, value } = this;
    const fields = this.#fields;
    if (fields === undefined) return Replication.of(key, value, timestamp);
    const write = Write.ofFields(fields, key.length, timestamp);
    // Not the key of the chunk.
    return new Replication(write.plainKey, write);
  }

  /** Whether key and value are parts of the chunk they came in, which stays in memory with them. */
  sharesChunk(): boolean {
    return this.#fields !== undefined;
  }

  /** The message as one frame, faster than by JSON.stringify. */
  override encode(): string {
    const { id, client } = this;
    const fields = this.#fields;
    if (fields === undefined) return super.encode();
    return client === undefined
      ? `{"type":"PUT","id":${id},${fields}}\n`
      : `{"type":"PUT","id":${id},${fields},"client":"${client}"}\n`;
  }
}

/** Server to client, leader to follower: every in-sync server holds the write. */
export class PutOk extends Mensagem<"PUT_OK"> {
  /** `timestamp` is the one that the leader gave to the write. */
  constructor(readonly id: number, readonly key: string, readonly timestamp: number) {
    super("PUT_OK");
  }

  /** The message as one frame, faster than by JSON.stringify. */
  override encode(): string {
    const { id, key, timestamp } = this;
    return plain.test(key)
      ? `{"type":"PUT_OK","id":${id},"key":"${key}","timestamp":${timestamp}}\n`
      : super.encode();
  }
}

/** Client to server: the value of `key`, not older than `timestamp`. */
export class Get extends Mensagem<"GET"> {
  /** `timestamp` is the last one that the client has for the key, 0 at first. */
  constructor(readonly id: number, readonly key: string, readonly timestamp: number) {
    super("GET");
  }
}

/** Server to client: the server's value and its timestamp; `null` and 0 where it has none. */
export class GetOk extends Mensagem<"GET_OK"> {
  /** `value` is `null` where the key does not exist. */
  constructor(
    readonly id: number,
    readonly key: string,
    readonly value: string | null,
    readonly timestamp: number,
  ) {
    super("GET_OK");
  }

  /** The frame that answers a GET with what a table holds, see {@linkcode Write.text}. */
  static encodeText(id: number, text: string): string {
    return `{"type":"GET_OK","id":${id},${text}`;
  }
}

/**
 * Server to client: this server is behind what the client has seen. `timestamp` is the server's
 * own.
 */
export class TryOther extends Mensagem<"TRY_OTHER_SERVER_OR_LATER"> {
  /** `timestamp` is what the server has for the key, 0 where it has nothing. */
  constructor(readonly id: number, readonly key: string, readonly timestamp: number) {
    super("TRY_OTHER_SERVER_OR_LATER");
  }
}

/** Leader to follower: apply this write. They come in the order of their timestamps. */
export class Replication extends Mensagem<"REPLICATION"> {
  /** The timestamp of `write` is higher than that of every write before. */
  constructor(readonly key: string, readonly write: Write) {
    super("REPLICATION");
  }

  /** A message of any key, value and timestamp. */
  static of(key: string, value: string, timestamp: number): Replication {
    return new Replication(key, Write.of(key, value, timestamp));
  }

  /** The value of the write. */
  get value(): string {
    return this.write.value;
  }

  /** The timestamp of the write. */
  get timestamp(): number {
    return this.write.timestamp;
  }

  /** The message as one frame. */
  override encode(): string {
    return `{"type":"REPLICATION",${this.write.text}`;
  }
}

/** Follower to leader: everything up to `timestamp` is applied. One answers for many. */
export class ReplicationOk extends Mensagem<"REPLICATION_OK"> {
  /** `timestamp` never falls on one connection. */
  constructor(readonly timestamp: number) {
    super("REPLICATION_OK");
  }

  /** The message as one frame, faster than by JSON.stringify. */
  override encode(): string {
    return `{"type":"REPLICATION_OK","timestamp":${this.timestamp}}\n`;
  }
}

/** Follower to leader, first on its connection: who it is and what it holds. */
export class Join extends Mensagem<"JOIN"> {
  /**
   * `server` is its "ip:port"; `cluster` the id of the cluster that its data belongs to ("" before
   * its first synchronisation). It holds everything up to `timestamp` (0 when empty), and, where a
   * catch-up was not finished, some writes after that, up to `highest`.
   */
  constructor(
    readonly server: string,
    readonly cluster: string,
    readonly timestamp: number,
    readonly highest?: number,
  ) {
    super("JOIN");
  }
}

/**
 * Leader to follower: the JOIN is accepted. Forwarded PUTs may follow; a refusal is an `ERROR`
 * instead.
 */
export class JoinOk extends Mensagem<"JOIN_OK"> {
  /** It has no fields. */
  constructor() {
    super("JOIN_OK");
  }
}

/**
 * Leader to follower: "you now hold everything up to `timestamp`, and the newest write is
 * `latest`".
 */
export class Sync extends Mensagem<"SYNC"> {
  /**
   * `cluster` is the id of the cluster that the follower's data now belongs to. A follower that
   * starts without memory answers GETs once it holds `latest`.
   */
  constructor(readonly cluster: string, readonly timestamp: number, readonly latest: number) {
    super("SYNC");
  }
}

/** Recovering leader to the follower that is furthest ahead: send me your table. */
export class SnapshotRequest extends Mensagem<"SNAPSHOT_REQUEST"> {
  /** It has no fields. */
  constructor() {
    super("SNAPSHOT_REQUEST");
  }
}

/** One key of a snapshot: key, value, timestamp. */
export type SnapshotEntry = readonly [key: string, value: string, timestamp: number];

/**
 * Leader to follower, or follower to a recovering leader: a part of the sender's table, in any
 * order.
 */
export class Snapshot extends Mensagem<"SNAPSHOT"> {
  /**
   * `last` marks the final chunk; a chunk may be empty. With `replace`, on the first chunk, the
   * receiver throws away what it holds.
   */
  constructor(
    readonly entries: readonly SnapshotEntry[],
    readonly last: boolean,
    readonly replace?: boolean,
  ) {
    super("SNAPSHOT");
  }
}

/** Receiver of a snapshot to its sender: one chunk is stored, send another. */
export class SnapshotOk extends Mensagem<"SNAPSHOT_OK"> {
  /** It has no fields. */
  constructor() {
    super("SNAPSHOT_OK");
  }
}

/** Both ways between servers: I am alive. */
export class Heartbeat extends Mensagem<"HEARTBEAT"> {
  /** It has no fields. */
  constructor() {
    super("HEARTBEAT");
  }
}

/**
 * Whoever connects, first of all where a secret is set: it wants to prove that it knows the secret.
 * See `auth.ts`.
 */
export class Hello extends Mensagem<"HELLO"> {
  /** `role` is what it wants to be allowed, `nonce` is random. */
  constructor(readonly role: "server" | "client", readonly nonce: string) {
    super("HELLO");
  }
}

/** Answer to HELLO: a proof of the server's own, and what the other side has to prove. */
export class Challenge extends Mensagem<"CHALLENGE"> {
  /** `nonce` and `proof` are hexadecimal digits. */
  constructor(readonly nonce: string, readonly proof: string) {
    super("CHALLENGE");
  }
}

/** Answer to CHALLENGE. A wrong one ends the connection. */
export class Proof extends Mensagem<"PROOF"> {
  /** `proof` is hexadecimal digits. */
  constructor(readonly proof: string) {
    super("PROOF");
  }
}

/** Answer to PROOF: it is right, and opens what HELLO asked for. */
export class ProofOk extends Mensagem<"PROOF_OK"> {
  /** It has no fields. */
  constructor() {
    super("PROOF_OK");
  }
}

/** Client to server: how are you? */
export class Status extends Mensagem<"STATUS"> {
  /** `id` is the request's. */
  constructor(readonly id: number) {
    super("STATUS");
  }
}

/** How far a follower has got, as its leader knows it. */
export interface FollowerStatus {
  /** Its "ip:port". */
  readonly server: string;
  /** It has confirmed everything up to here; 0 before its first word. */
  readonly timestamp: number;
  /** Writes are acknowledged only when it holds them. */
  readonly inSync: boolean;
}

/** What a server is and what it holds. */
export interface ServerStatus {
  /** Its "ip:port". */
  readonly server: string;
  /** Its leader's "ip:port". */
  readonly leader: string;
  /** The id of the cluster that its data belongs to, "" before it has any. */
  readonly cluster: string;
  /** The highest timestamp that it has applied. */
  readonly timestamp: number;
  /** The servers that hold every acknowledged write, where this one leads and is open. */
  readonly inSync: readonly string[];
  /** The followers that have joined, where this one leads. */
  readonly followers: readonly FollowerStatus[];
  /** Keys in its table. */
  readonly keys: number;
  /** Open connections, those between servers included. */
  readonly connections: number;
  /** Milliseconds since it was started. */
  readonly uptimeMs: number;
  /** Memory of its process that is in RAM. */
  readonly memoryBytes: number;
  /** It was started so that it takes FAULT. */
  readonly faults: boolean;
}

/** Server to client: what it is and what it holds. */
export class StatusOk extends Mensagem<"STATUS_OK"> implements ServerStatus {
  /** The request's. */
  readonly id: number;
  /** See {@linkcode ServerStatus.server}. */
  readonly server: string;
  /** See {@linkcode ServerStatus.leader}. */
  readonly leader: string;
  /** See {@linkcode ServerStatus.cluster}. */
  readonly cluster: string;
  /** See {@linkcode ServerStatus.timestamp}. */
  readonly timestamp: number;
  /** See {@linkcode ServerStatus.inSync}. */
  readonly inSync: readonly string[];
  /** See {@linkcode ServerStatus.followers}. */
  readonly followers: readonly FollowerStatus[];
  /** See {@linkcode ServerStatus.keys}. */
  readonly keys: number;
  /** See {@linkcode ServerStatus.connections}. */
  readonly connections: number;
  /** See {@linkcode ServerStatus.uptimeMs}. */
  readonly uptimeMs: number;
  /** See {@linkcode ServerStatus.memoryBytes}. */
  readonly memoryBytes: number;
  /** See {@linkcode ServerStatus.faults}. */
  readonly faults: boolean;

  /** `id` is the request's. */
  constructor(id: number, status: ServerStatus) {
    super("STATUS_OK");
    this.id = id;
    this.server = status.server;
    this.leader = status.leader;
    this.cluster = status.cluster;
    this.timestamp = status.timestamp;
    this.inSync = status.inSync;
    this.followers = status.followers;
    this.keys = status.keys;
    this.connections = status.connections;
    this.uptimeMs = status.uptimeMs;
    this.memoryBytes = status.memoryBytes;
    this.faults = status.faults;
  }
}

/** Client to server: tell me what happens, from now until the connection ends. */
export class Observe extends Mensagem<"OBSERVE"> {
  /** `id` is the request's. */
  constructor(readonly id: number) {
    super("OBSERVE");
  }
}

/** Server to observer: what has happened since the last EVENTS. It comes again and again. */
export class Events extends Mensagem<"EVENTS"> {
  /**
   * `id` is that of the OBSERVE, `server` the sender's "ip:port", `at` the time of sending in
   * milliseconds since the Unix epoch. So many events were `missed`, because there were too many or
   * the observer is slow; the `counts` are exact all the same. Of `events` the oldest is the first.
   */
  constructor(
    readonly id: number,
    readonly server: string,
    readonly at: number,
    readonly missed: number,
    readonly counts: Counts,
    readonly events: readonly ServerEvent[],
  ) {
    super("EVENTS");
  }
}

/**
 * Client to leader: hold the REPLICATIONs towards one follower, send them late, or no longer do
 * either.
 */
export class Fault extends Mensagem<"FAULT"> {
  /** `follower` is its "ip:port". `delayMs` belongs to "delay" and has no meaning elsewhere. */
  constructor(
    readonly id: number,
    readonly follower: string,
    readonly action: FaultAction,
    readonly delayMs?: number,
  ) {
    super("FAULT");
  }
}

/** Leader to client: the fault is in effect, or has ended. */
export class FaultOk extends Mensagem<"FAULT_OK"> {
  /** `id` is the request's. */
  constructor(readonly id: number) {
    super("FAULT_OK");
  }
}

/** Server to anybody: what it did not do, or cannot tell. */
export class ErrorReply extends Mensagem<"ERROR"> {
  /** `id` is the request's, where it is known. */
  constructor(
    readonly code: ErrorCode,
    readonly message: string,
    readonly id?: number,
  ) {
    super("ERROR");
  }
}

/** The tagged union of all messages. */
export type AnyMensagem =
  | Put
  | PutOk
  | Get
  | GetOk
  | TryOther
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
