/**
 * What callers of the library give to a request, and what they get.
 *
 * @module
 */

import type { ServerStatus } from "../mensagem.ts";
import type { KvErrorCode } from "./errors.ts";

/** The options of one request. */
export interface RequestOptions {
  /** How long this request may take, in milliseconds. The client's `timeoutMs` by default. */
  readonly timeoutMs?: number | undefined;
  /**
   * Gives the request up. It then fails with the signal's reason. A write that was sent already fails
   * with {@linkcode UnknownOutcomeError} instead, because it may be applied.
   */
  readonly signal?: AbortSignal | undefined;
}

/** The options of a write that creates a key. */
export interface CreateOptions extends RequestOptions {
  /**
   * The key is deleted this time after its last write, in milliseconds: 1,000 to 2³¹. It is never
   * deleted earlier, and on etcd mostly 1 to 2.5 s later. A later write sets another time, or none. By default
   * the key stays.
   */
  readonly ttlMs?: number | undefined;
}

/** The options of a deletion. */
export interface DeleteOptions extends RequestOptions {
  /**
   * The write is made only if the key stands at exactly this timestamp. 0: only if the key does not
   * exist. By default it is made in any case.
   */
  readonly ifTimestamp?: number | undefined;
}

/** The options of a write. */
export interface WriteOptions extends CreateOptions, DeleteOptions {}

/** The options of a read. */
export interface GetOptions extends RequestOptions {
  /**
   * Whether the leader answers, with every write that was acknowledged before. `false` by default: any
   * server answers, with nothing older than what this client has seen.
   */
  readonly latest?: boolean | undefined;
}

/** The options of a list. `timeoutMs` is the time of each page. */
export interface ListOptions extends RequestOptions {
  /** Keys in one request, 1 to 1,000. 500 by default. A server may send fewer. */
  readonly pageSize?: number | undefined;
  /** Begins after this key. */
  readonly after?: string | undefined;
}

/** One entry of a list. */
export interface ListedEntry {
  /** The key. */
  readonly key: string;
  /** Its value. */
  readonly value: string;
  /** The timestamp of the value. */
  readonly timestamp: number;
}

/** The options of a watch. */
export interface WatchOptions {
  /**
   * Begins with the changes after this timestamp. By default with what there is now. On etcd several
   * keys may share a timestamp: to go on after an event, give its timestamp less 1.
   */
  readonly since?: number | undefined;
  /**
   * Whether the entries that exist now come first. `true` by default; `false` begins with what changes
   * from now on. Not together with `since`.
   */
  readonly initial?: boolean | undefined;
  /** Ends the watch. Its loop then ends without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** What a watch tells, tagged by `type`. */
export type WatchEvent =
  | {
    /** A key has a new value. */
    readonly type: "put";
    readonly key: string;
    readonly value: string;
    /** The timestamp of the write. */
    readonly timestamp: number;
  }
  | {
    /** A key was deleted, or its time to live is over. */
    readonly type: "delete";
    readonly key: string;
    /** The timestamp of the deletion. */
    readonly timestamp: number;
  }
  | {
    /** All that existed at `timestamp` has been told, also if that is nothing. */
    readonly type: "ready";
    readonly timestamp: number;
  }
  | {
    /** What was told before no longer counts. The state follows, and then `ready`. */
    readonly type: "reset";
    readonly timestamp: number;
  }
  | {
    /** No server sends changes. The watch goes on trying. */
    readonly type: "disconnected";
    /** When a server was heard last. */
    readonly since: Date;
    readonly reason: string;
  }
  | {
    /** A server sends changes again, without a gap. Follows a `disconnected`. */
    readonly type: "connected";
    /** "ip:port" of the server. */
    readonly server: string;
  };

/** The events of one watch. Each event is given once, to whichever loop or `next` asks first. */
export interface WatchEvents<E = WatchEvent>
  extends AsyncIterableIterator<E, undefined>, AsyncDisposable {
  /** Ends the watch, also while its next event is waited for. */
  return(): Promise<IteratorResult<E, undefined>>;
}

/** The result of an update: what the key stands at now. */
export interface UpdateResult {
  /** "ip:port" of the server that was asked last. */
  readonly server: string;
  /** The value, `null` if the key does not exist. */
  readonly value: string | null;
  /** The timestamp of the value or of the deletion, 0 if the key never existed. */
  readonly timestamp: number;
}

/** The answer to a write: every in-sync server holds it. */
export interface PutResult {
  /** "ip:port" of the server that was asked. */
  readonly server: string;
  /** The timestamp of the write. */
  readonly timestamp: number;
}

/** The answer to a GET. */
export interface GetResult {
  /** "ip:port" of the server that was asked. */
  readonly server: string;
  /** The value, `null` if the key does not exist. */
  readonly value: string | null;
  /**
   * The timestamp of the value. If the key does not exist, a timestamp not older than its deletion; 0
   * if no deletion is known.
   */
  readonly timestamp: number;
  /** The timestamp that this client had for the key when it asked, 0 if it had none. */
  readonly seen: number;
}

/** A server that answers. */
export interface ReachableServer {
  /** "ip:port", as this client was given it. */
  readonly server: string;
  /** The server has answered. */
  readonly reachable: true;
  /** What the server says about itself. Its addresses are those that the servers were given. */
  readonly status: ServerStatus;
}

/** A server that does not answer. */
export interface UnreachableServer {
  /** "ip:port", as this client was given it. */
  readonly server: string;
  /** The server has not answered. */
  readonly reachable: false;
  /** Why it has not answered. */
  readonly reason: string;
  /** The code of the error. One of an {@linkcode AccessError} means a mistake, and not an outage. */
  readonly code?: KvErrorCode | undefined;
}

/** The state of one server, tagged by `reachable`. */
export type StatusResult = ReachableServer | UnreachableServer;
