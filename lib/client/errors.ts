/**
 * The errors of the client library.
 *
 * | Error                 | Meaning                                         | Is trying again safe?       |
 * | --------------------- | ----------------------------------------------- | --------------------------- |
 * | `UnavailableError`    | not done: no write was or will be applied       | yes                         |
 * | `StaleError`          | every server that answered is behind the client | yes, later                  |
 * | `UnknownOutcomeError` | a PUT may or may not be applied                 | only the caller can tell    |
 * | `ClusterResetError`   | the servers belong to another cluster           | no: a new session is needed |
 * | `SessionError`        | no exported session, or one of another cluster  | no                          |
 *
 * @module
 */

import type { ErrorCode } from "../mensagem.ts";

/** The options of an error about a server. */
export interface ServerErrorOptions extends ErrorOptions {
  /** The code that the server answered with. Left out if the server did not answer. */
  readonly code?: ErrorCode;
}

/**
 * A request was not carried out: no write was applied, and none will be. Trying again is safe.
 */
export class UnavailableError extends Error {
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
    this.name = "UnavailableError";
    this.server = server;
    this.code = options?.code;
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
 * Every server that answered a GET is behind what the client has seen, or is not synchronised yet
 * (TRY_OTHER_SERVER_OR_LATER). Trying again later is safe.
 */
export class StaleError extends Error {
  /** The key of the GET. */
  readonly key: string;
  /** The timestamp that the client has for the key. */
  readonly seen: number;
  /** The last answer of each server that was behind. The other servers failed. */
  readonly answers: readonly StaleAnswer[];

  /** An error about a key of which the client has seen timestamp `seen`. */
  constructor(key: string, seen: number, answers: readonly StaleAnswer[]) {
    const list = answers.map(({ server, timestamp }) => `${server} has ${timestamp}`).join(", ");
    super(
      `no server that answered has the key at timestamp ${seen} or later: ${list}. Try again later.`,
    );
    this.name = "StaleError";
    this.key = key;
    this.seen = seen;
    this.answers = answers;
  }
}

/**
 * A PUT may or may not be applied, now or later. Only the caller can tell whether writing again is
 * right. A GET may show whether the PUT was applied.
 */
export class UnknownOutcomeError extends Error {
  /** "ip:port" of the server that was asked. */
  readonly server: string;

  /** An error about a PUT that was sent to `server`. `reason` becomes the message. */
  constructor(server: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "UnknownOutcomeError";
    this.server = server;
  }
}

/**
 * A server belongs to another cluster than the one that this client knows. Most likely all servers
 * have lost their data. The timestamps of the session mean nothing there. Use a new client without
 * that session.
 */
export class ClusterResetError extends Error {
  /** "ip:port" of the server. */
  readonly server: string;

  /** An error about `server`. */
  constructor(server: string) {
    super(
      `${server} belongs to another cluster than before: its servers have lost their data, or the ` +
        "address is wrong. Use a new client or session.",
    );
    this.name = "ClusterResetError";
    this.server = server;
  }
}

/** The given session is no exported session, or is one of another cluster. */
export class SessionError extends Error {
  /** An error with this message. */
  constructor(message: string) {
    super(message);
    this.name = "SessionError";
  }
}
