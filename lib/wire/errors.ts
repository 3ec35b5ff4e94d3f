/**
 * The errors that a caller may want to catch by class.
 *
 * @module
 */

/** The codes of an `ERROR` on the wire. */
export const errorCodes = [
  "BAD_MESSAGE",
  "TOO_LARGE",
  "UNAVAILABLE",
  "UNKNOWN_OUTCOME",
  "OVERLOADED",
  "FORBIDDEN",
] as const;

/**
 * What an `ERROR` on the wire says.
 *
 * - `BAD_MESSAGE`: not a message of this protocol, or not one for this receiver; nothing was done.
 * - `TOO_LARGE`: over a limit; nothing was done.
 * - `UNAVAILABLE`: the write was not applied and never will be.
 * - `UNKNOWN_OUTCOME`: the write may or may not be applied, now or later.
 * - `OVERLOADED`: too many requests at once; nothing was done.
 * - `FORBIDDEN`: the sender may not do this; nothing was done.
 */
export type ErrorCode = typeof errorCodes[number];

/** A frame is an object in JSON but no valid message. The connection goes on after an `ERROR`. */
export class MensagemError extends Error {
  /** Why, as a code of the wire. */
  readonly code: ErrorCode;
  /** The request's `id`, where it could be read. */
  readonly id: number | undefined;

  /** An error with the code of the wire, and the request's `id` where it is known. */
  constructor(code: ErrorCode, message: string, id?: number) {
    super(message);
    this.name = "MensagemError";
    this.code = code;
    this.id = id;
  }
}

/**
 * The bytes of a connection are beyond repair: a line that is no object in JSON, is not UTF-8 or is
 * too long. The connection ends after one `ERROR`, because whoever sent this does not speak the
 * protocol.
 */
export class FrameError extends Error {
  /** Why, as a code of the wire. */
  readonly code: "BAD_MESSAGE" | "TOO_LARGE";

  /** An error with the code of the wire. */
  constructor(code: "BAD_MESSAGE" | "TOO_LARGE", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FrameError";
    this.code = code;
  }
}

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

/** A data directory cannot be used, or no longer. Nothing in it was changed because of that. */
export class JournalError extends Error {
  /** Says what is wrong, and with which file. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "JournalError";
  }
}
