/**
 * The errors of decoding, and the codes of an `ERROR`.
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
