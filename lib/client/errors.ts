/**
 * The errors of the client library. All have the base class {@linkcode KvError}.
 *
 * | Error                  | Meaning                                            | Is trying again safe?       |
 * | ---------------------- | -------------------------------------------------- | --------------------------- |
 * | `UnavailableError`     | not done: no write was or will be applied          | yes                         |
 * | `StaleError`           | every server that answered is behind the client    | yes, later                  |
 * | `LostError`            | what the client saw was lost with a leader         | no: forget it first         |
 * | `ConflictError`        | the key does not stand where the condition says    | with what is there instead  |
 * | `UnknownOutcomeError`  | a write may or may not be applied                  | only the caller can tell    |
 * | `ClusterResetError`    | the servers belong to another cluster              | no: a new session is needed |
 * | `AccessError`          | this client cannot use a server as it is set up    | no: it fails again          |
 * | `InvalidArgumentError` | an argument or option is wrong                     | no                          |
 * | `ClientClosedError`    | the client was closed                              | no                          |
 *
 * The subclasses of `AccessError` are `ForbiddenError`, `TlsError`, `ProtocolError` and
 * `PermissionError`. `SessionError` is an `InvalidArgumentError`.
 *
 * @module
 */

import type { ErrorCode } from "../mensagem.ts";

/** The kind of an error, for programs. */
export type KvErrorCode =
  | ErrorCode
  | AccessErrorCode
  | InvalidArgumentCode
  | "STALE"
  | "LOST"
  | "CONFLICT"
  | "LOCK_LOST"
  | "INVALID_VALUE"
  | "CLUSTER_RESET"
  | "CLOSED";

/** The base class of all errors of the library. */
export abstract class KvError extends Error {
  /** The kind of the error; `undefined` if no server answered, or several disagreed. */
  abstract readonly code: KvErrorCode | undefined;

  static {
    // On the prototype the name is known before the stack is made, which shows it.
    this.prototype.name = "KvError";
  }
}

/** The options of an error about a server. */
export interface ServerErrorOptions extends ErrorOptions {
  /** The code that the server answered with. Left out if the server did not answer. */
  readonly code?: ErrorCode | undefined;
}

/**
 * A request was not carried out: no write was applied, and none will be. Trying again is safe.
 */
export class UnavailableError extends KvError {
  /** "ip:port" of the server that was asked, or of the last one if several were asked. */
  readonly server: string;
  /**
   * The code that the server answered with, `undefined` if it did not answer. If several servers
   * were asked, the code that all of them answered with, otherwise `undefined`.
   */
  readonly code: ErrorCode | undefined;

  /** An error about `server`. `reason` becomes the message. */
  constructor(server: string, reason: string, options?: ServerErrorOptions) {
    super(reason, options);
    this.server = server;
    this.code = options?.code;
  }

  static {
    this.prototype.name = "UnavailableError";
  }
}

/** What a server that is behind the client has for a key. */
export interface StaleAnswer {
  /** "ip:port" of the server. */
  readonly server: string;
  /** The server's timestamp for the key, 0 if it has none. */
  readonly timestamp: number;
}

/**
 * Every server that answered a read is behind what the client has seen, or is not synchronised yet
 * (TRY_OTHER_SERVER_OR_LATER). Trying again later is safe.
 */
export class StaleError extends KvError {
  /** Always "STALE". */
  readonly code = "STALE";
  /** The key that was read, `undefined` if it was a list. */
  readonly key: string | undefined;
  /** The timestamp that the client has seen: of the key, or of anything if it was a list. */
  readonly seen: number;
  /** The last answer of each server that was behind. The other servers failed. */
  readonly answers: readonly StaleAnswer[];
  /**
   * Whether all servers of the client have answered. If all are in sync too, what the client saw
   * (`seen` is above 0) was lost before it was acknowledged, and waiting does not help.
   */
  readonly allAnswered: boolean;

  /** An error about a key, or a list, of which the client has seen timestamp `seen`. */
  constructor(
    key: string | undefined,
    seen: number,
    answers: readonly StaleAnswer[],
    allAnswered = false,
  ) {
    const list = answers.map(({ server, timestamp }) => `${server} has ${timestamp}`).join(", ");
    const lost = " If status shows all servers in sync, the value that this client saw was lost " +
      "before it was acknowledged: write the key again, or use a new session.";
    super(
      seen === 0
        ? `no server that answered is synchronised with its leader yet: ${
          answers.map(({ server }) => server).join(", ")
        }. Try again later.`
        : `no server that answered has ${key === undefined ? "everything up to" : "the key at"} ` +
          `timestamp ${seen}${key === undefined ? "" : " or later"}: ${list}. ` +
          `Try again later.${allAnswered ? lost : ""}`,
    );
    this.key = key;
    this.seen = seen;
    this.answers = answers;
    this.allAnswered = allAnswered;
  }

  static {
    this.prototype.name = "StaleError";
  }
}

/**
 * What this client saw was lost: a leader died with a write that was not acknowledged yet, and no
 * server has it. Waiting does not help. `KvClient.forgetLost` lets the client forget it, and then it
 * reads what there is.
 */
export class LostError extends KvError {
  /** Always "LOST". */
  readonly code = "LOST";
  /** "ip:port" of the server that knows it. */
  readonly server: string;
  /** The key that was read, `undefined` if it was a list. */
  readonly key: string | undefined;
  /** The timestamp that this client has seen for the key, or of anything if it was a list. */
  readonly seen: number;

  /** An error about a key, or a list, of which the client has seen timestamp `seen`. */
  constructor(server: string, key: string | undefined, seen: number) {
    super(
      `a write that this client saw was lost with its leader, before it was acknowledged (seen: ` +
        `timestamp ${seen}, by ${server}). Let the client forget it (forgetLost), then read again.`,
    );
    this.server = server;
    this.key = key;
    this.seen = seen;
  }

  static {
    this.prototype.name = "LostError";
  }
}

/**
 * A conditional write was not made: the key does not stand at the timestamp of its condition. It will
 * not be made later either.
 */
export class ConflictError extends KvError {
  /** Always "CONFLICT". */
  readonly code = "CONFLICT";
  /** "ip:port" of the server that was asked. */
  readonly server: string;
  /** The key. */
  readonly key: string;
  /** What the key has instead, `null` if it does not exist. */
  readonly value: string | null;
  /** The timestamp of that value, or of the deletion; 0 if no deletion is known. */
  readonly timestamp: number;

  /** An error about a key that has this value and timestamp instead of `expected`, 0 for no key. */
  constructor(
    server: string,
    key: string,
    value: string | null,
    timestamp: number,
    expected: number,
  ) {
    const is = value === null ? "it does not exist" : `it stands at timestamp ${timestamp}`;
    const wanted = expected === 0 ? "it must not exist" : `it must stand at timestamp ${expected}`;
    super(`the key was not written: ${wanted}, and ${is}`);
    this.server = server;
    this.key = key;
    this.value = value;
    this.timestamp = timestamp;
  }

  static {
    this.prototype.name = "ConflictError";
  }
}

/**
 * A write may or may not be applied, now or later. Only the caller can tell whether writing again is
 * right. `get` with `latest` may show the write by its timestamp. A write with the same condition is
 * safe: of all writes with one condition at most one is applied.
 */
export class UnknownOutcomeError extends KvError {
  /** Always "UNKNOWN_OUTCOME". */
  readonly code = "UNKNOWN_OUTCOME";
  /** "ip:port" of the server that was asked. */
  readonly server: string;

  /** An error about a write that was sent to `server`. `reason` becomes the message. */
  constructor(server: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.server = server;
  }

  static {
    this.prototype.name = "UnknownOutcomeError";
  }
}

/**
 * A server belongs to another cluster than the one that this client knows: all servers have lost
 * their data, or the address is wrong. The timestamps of the session mean nothing there. Use a new
 * client without that session.
 */
export class ClusterResetError extends KvError {
  /** Always "CLUSTER_RESET". */
  readonly code = "CLUSTER_RESET";
  /** "ip:port" of the server. */
  readonly server: string;

  /** An error about `server`. */
  constructor(server: string) {
    super(
      `${server} belongs to another cluster than before: its servers have lost their data, or the ` +
        "address is wrong. Use a new client or session.",
    );
    this.server = server;
  }

  static {
    this.prototype.name = "ClusterResetError";
  }
}

/** The codes of {@linkcode AccessError}. */
export type AccessErrorCode = "FORBIDDEN" | "TLS" | "PROTOCOL" | "PERMISSION";

/**
 * This client cannot use a server as the two are set up. Nothing was written. Trying again fails
 * again: the caller or the operator has to change something.
 *
 * A request fails with it at once if no server can be used, and later if the others do not answer.
 */
export abstract class AccessError extends KvError {
  /** What is wrong. */
  abstract override readonly code: AccessErrorCode;
  /** "ip:port" of the server. */
  readonly server: string;

  /** An error about `server`. `reason` becomes the message. */
  constructor(server: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.server = server;
  }

  static {
    this.prototype.name = "AccessError";
  }
}

/** The server refuses this client: its password is wrong or missing, or the server has none. */
export class ForbiddenError extends AccessError {
  /** Always "FORBIDDEN". */
  readonly code = "FORBIDDEN";

  static {
    this.prototype.name = "ForbiddenError";
  }
}

/**
 * No connection with TLS is possible: only one end speaks TLS, or one end does not accept the
 * certificate of the other.
 */
export class TlsError extends AccessError {
  /** Always "TLS". */
  readonly code = "TLS";

  static {
    this.prototype.name = "TlsError";
  }
}

/** The other end is no server of this store, or one of another version of the protocol. */
export class ProtocolError extends AccessError {
  /** Always "PROTOCOL". */
  readonly code = "PROTOCOL";

  static {
    this.prototype.name = "ProtocolError";
  }
}

/** The runtime does not allow this program to connect to the server: `--allow-net` is missing. */
export class PermissionError extends AccessError {
  /** Always "PERMISSION". */
  readonly code = "PERMISSION";

  static {
    this.prototype.name = "PermissionError";
  }
}

/** The codes of {@linkcode InvalidArgumentError}. */
export type InvalidArgumentCode = "INVALID_ARGUMENT" | "TOO_LARGE" | "SESSION";

/** The options of an {@linkcode InvalidArgumentError}. */
export interface InvalidArgumentOptions extends ErrorOptions {
  /** "INVALID_ARGUMENT" by default. */
  readonly code?: InvalidArgumentCode;
  /** "ip:port" of the server that refused the argument, or that has the wrong address. */
  readonly server?: string;
}

/**
 * A key, a value, an address or an option is wrong. Nothing was written.
 *
 * Mostly nothing was sent either. A server may have a stricter limit for keys or values, and some
 * addresses prove to be wrong only when they are dialled.
 */
export class InvalidArgumentError extends KvError {
  /** "TOO_LARGE" if a key or a value is over a limit, "SESSION" for {@linkcode SessionError}. */
  readonly code: InvalidArgumentCode;
  /** "ip:port" of the server that refused it or has the wrong address; `undefined` if none. */
  readonly server: string | undefined;

  /** An error with this message. */
  constructor(message: string, options?: InvalidArgumentOptions) {
    super(message, options);
    this.code = options?.code ?? "INVALID_ARGUMENT";
    this.server = options?.server;
  }

  static {
    this.prototype.name = "InvalidArgumentError";
  }
}

/** The given session is no exported session, or is one of another cluster. */
export class SessionError extends InvalidArgumentError {
  /** An error with this message. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, { ...options, code: "SESSION" });
  }

  static {
    this.prototype.name = "SessionError";
  }
}

/** The client was closed before the request was carried out. Nothing was written. */
export class ClientClosedError extends KvError {
  /** Always "CLOSED". */
  readonly code = "CLOSED";

  /** An error with this message. */
  constructor(message = "the client was closed") {
    super(message);
  }

  static {
    this.prototype.name = "ClientClosedError";
  }
}
