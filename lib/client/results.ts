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
   * Gives the request up. It then fails with the signal's reason. A PUT that was sent already fails
   * with {@linkcode UnknownOutcomeError} instead, because it may be applied.
   */
  readonly signal?: AbortSignal | undefined;
}

/** The answer to a PUT: every in-sync server holds the write. */
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
  /** The timestamp of the value, 0 if the key does not exist. */
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
