/**
 * The errors of the client library.
 *
 * @module
 */

import type { ErrorCode } from "../mensagem.ts";

/** What an error about a server may carry besides its reason. */
export interface ServerErrorOptions extends ErrorOptions {
  /** What the server itself said. Left out where it said nothing. */
  readonly code?: ErrorCode;
}

/**
 * A request was not carried out: a write was not applied and never will be. Trying again is safe.
 */
export class UnavailableError extends Error {
  /** "ip:port" of the server that was asked, the last one where several were. */
  readonly server: string;
  /** What the server itself said, `undefined` where it said nothing. */
  readonly code: ErrorCode | undefined;

  /** Says why `server` did not do it. */
  constructor(server: string, reason: string, options?: ServerErrorOptions) {
    super(reason, options);
    this.name = "UnavailableError";
    this.server = server;
    this.code = options?.code;
  }
}

/** What a server that is behind has for a key. */
export interface StaleAnswer {
  /** "ip:port" of the server. */
  readonly server: string;
  /** Its timestamp for the key, 0 where it has none. */
  readonly timestamp: number;
}

/**
 * Every server that answered a GET is behind what the client has seen, or not synchronised yet
 * (TRY_OTHER_SERVER_OR_LATER). Trying again later is safe.
 */
export class StaleError extends Error {
  /** The key that was asked for. */
  readonly key: string;
  /** The timestamp that the client has for the key. */
  readonly seen: number;
  /** The last answer of each server that answered; the others could not be reached. */
  readonly answers: readonly StaleAnswer[];

  /** Says who is behind. */
  constructor(key: string, seen: number, answers: readonly StaleAnswer[]) {
    const list = answers.map(({ server, timestamp }) => `${server} has ${timestamp}`).join(", ");
    super(`no server that answered may show the key at timestamp ${seen} or later: ${list}`);
    this.name = "StaleError";
    this.key = key;
    this.seen = seen;
    this.answers = answers;
  }
}

/**
 * A write may or may not be applied, now or later. Only the caller can tell whether writing again
 * is right.
 */
export class UnknownOutcomeError extends Error {
  /** "ip:port" of the server that was asked. */
  readonly server: string;

  /** Says why nobody can tell what became of a write that `server` was sent. */
  constructor(server: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "UnknownOutcomeError";
    this.server = server;
  }
}

/**
 * The whole cluster has lost its memory since this client first asked, so what the client remembers
 * means nothing any more. A new client, or a new session, begins anew.
 */
export class ClusterResetError extends Error {
  /** "ip:port" of the server that belongs to the new cluster. */
  readonly server: string;

  /** Says that `server` belongs to another cluster than the one that the client knows. */
  constructor(server: string) {
    super(
      "the cluster was reset: its servers have lost what they held, or this one belongs to another",
    );
    this.name = "ClusterResetError";
    this.server = server;
  }
}

/** What was given as an exported session is none. */
export class SessionError extends Error {
  /** Says what is wrong with it. */
  constructor(message: string) {
    super(message);
    this.name = "SessionError";
  }
}
