/**
 * The codes of an `ERROR`, and the errors of decoding.
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

/** The code of an `ERROR`. What each means for the sender is in `docs/wire.md`. */
export type ErrorCode = typeof errorCodes[number];

/** The message of the FORBIDDEN that a server with TLS sends, unencrypted, to a peer without. */
export const tlsExpected = "this server speaks TLS, and this connection does not";

/** The message for a peer that sends TLS on a connection without. */
export const tlsUnexpected = "the other end speaks TLS, and this connection does not";

/** A message, or a caller's key or value, that is not valid. The sender gets an `ERROR`, the connection goes on. */
export class MensagemError extends Error {
  /** The code of the `ERROR`. */
  readonly code: ErrorCode;
  /** The request's `id`; `undefined` if it could not be read. */
  readonly id: number | undefined;

  /** `id` is the request's, left out if it could not be read. */
  constructor(code: ErrorCode, message: string, id?: number) {
    super(message);
    this.name = "MensagemError";
    this.code = code;
    this.id = id;
  }
}

/**
 * A line that is not a JSON object, is not UTF-8, or is too long. The sender does not speak the
 * protocol, so it gets one `ERROR` and the connection ends.
 */
export class FrameError extends Error {
  /** The code of the `ERROR`. */
  readonly code: "BAD_MESSAGE" | "TOO_LARGE";

  /** `options` may carry the cause. */
  constructor(code: "BAD_MESSAGE" | "TOO_LARGE", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FrameError";
    this.code = code;
  }
}
