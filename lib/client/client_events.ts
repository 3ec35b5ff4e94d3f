/**
 * What goes on in a client, for the logger of its program.
 *
 * @module
 */

import type { ServerConnectionOptions } from "./access.ts";
import { ClientClosedError, type KvError, type KvErrorCode } from "./errors.ts";
import { StaleAttempt } from "./stale_attempt.ts";

/** A connection to a server is open: what can be asked of the server is sent. */
export interface ServerConnected {
  /** The kind of the event. */
  readonly type: "connected";
  /** "ip:port" of the server. */
  readonly server: string;
  /** Whether the client was connected to it before. */
  readonly again: boolean;
}

/** The last open connection to a server has ended, but not because the client was closed. */
export interface ServerDisconnected {
  /** The kind of the event. */
  readonly type: "disconnected";
  /** "ip:port" of the server. */
  readonly server: string;
  /** Why it ended. */
  readonly reason: string;
  /** The code of the error with that reason, if it has one. */
  readonly code: KvErrorCode | undefined;
}

/** No connection to a server could be opened. */
export interface ServerUnreachable {
  /** The kind of the event. */
  readonly type: "unreachable";
  /** "ip:port" of the server. */
  readonly server: string;
  /** Why not. */
  readonly reason: string;
  /** The code of the error, if it is the mistake of the caller or the operator. */
  readonly code: KvErrorCode | undefined;
}

/** What is tried again. */
export type RetriedRequest = "read" | "write" | "watch";

/** A request or a watch goes on at `next`, because `server` has failed or refused it. */
export interface RequestRetried {
  /** The kind of the event. */
  readonly type: "retried";
  /** "ip:port" of the server that failed. */
  readonly server: string;
  /** "ip:port" of the server that is asked now. It may be the same one. */
  readonly next: string;
  /** What is tried again. */
  readonly request: RetriedRequest;
  /** Why `server` failed. */
  readonly reason: string;
  /** The code of the error with that reason, if it has one. */
  readonly code: KvErrorCode | undefined;
}

/** A read or a watch goes on at `next`, because `server` is behind what this client has seen. */
export interface StaleRetried {
  /** The kind of the event. */
  readonly type: "stale";
  /** "ip:port" of the server that is behind. */
  readonly server: string;
  /** "ip:port" of the server that is asked now. It may be the same one. */
  readonly next: string;
  /** What is tried again. */
  readonly request: RetriedRequest;
  /** The key that is read or watched, `undefined` if there are several. */
  readonly key: string | undefined;
  /**
   * The server's timestamp: of the key that is read; of everything for a list or a watch. A server that
   * copies its table refuses a watch whatever its timestamp.
   */
  readonly timestamp: number;
  /** The timestamp that the client has seen of the same. */
  readonly seen: number;
}

/** A server belongs to another cluster than the client's session: requests to it fail. */
export interface ClusterReset {
  /** The kind of the event. */
  readonly type: "reset";
  /** "ip:port" of the server. */
  readonly server: string;
}

/** One thing that happened in a client. */
export type KvEvent =
  | ServerConnected
  | ServerDisconnected
  | ServerUnreachable
  | RequestRetried
  | StaleRetried
  | ClusterReset;

/** Tells an event. It never throws. The program's function is called in a microtask. */
export type Tell = (event: KvEvent) => void;

/**
 * The way to a program's function; `undefined` if there is none, so that no event is made.
 *
 * What the function throws, or its promise rejects with, is dropped: a logger must not harm a request,
 * and this library has no other place to report it.
 */
export function tellTo(onEvent: ((event: KvEvent) => unknown) | undefined): Tell | undefined {
  if (onEvent === undefined) return undefined;
  const call = async (event: KvEvent) => await onEvent(event);
  // In a microtask the function may call the client, whose state is then complete.
  return (event) => queueMicrotask(() => void call(event).catch(() => {}));
}

/** The event of a request that goes on at another server after this end of an attempt. */
export function retried(
  server: string,
  next: string,
  request: RetriedRequest,
  end: StaleAttempt | KvError,
): RequestRetried | StaleRetried {
  if (end instanceof StaleAttempt) {
    const { key, seen, answer: { timestamp } } = end;
    return { type: "stale", server, next, request, key, timestamp, seen };
  }
  return { type: "retried", server, next, request, reason: end.message, code: end.code };
}

/** What tells of the connections of a client. */
export class ConnectionTeller {
  readonly #tell: Tell;
  /** The servers to which a connection was open. */
  readonly #known = new Set<string>();
  /** By server: the open connections. A silent one may live on beside the one that follows it. */
  readonly #open = new Map<string, number>();

  /** Tells by `tell`. */
  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** The options of a connection to a server that tell of it. */
  options(server: string): Pick<ServerConnectionOptions, "onOpen" | "onFailure"> {
    return {
      onOpen: () => {
        this.#open.set(server, this.#openTo(server) + 1);
        this.#tell({ type: "connected", server, again: this.#known.has(server) });
        this.#known.add(server);
      },
      onFailure: (failure, wasOpen) => {
        if (wasOpen) this.#open.set(server, this.#openTo(server) - 1);
        const isLeft = wasOpen && this.#openTo(server) > 0;
        if (isLeft || failure instanceof ClientClosedError) return;
        const { message: reason, code } = failure;
        this.#tell({ type: wasOpen ? "disconnected" : "unreachable", server, reason, code });
      },
    };
  }

  #openTo(server: string): number {
    return this.#open.get(server) ?? 0;
  }
}
