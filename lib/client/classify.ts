/**
 * The errors for what a dial or a server says: whose mistake it is if a server cannot be used.
 *
 * A mistake of the caller or the operator is an {@linkcode AccessError} or an
 * {@linkcode InvalidArgumentError}, but only if it is certain. A failure that a server may cause
 * because it is down, restarting or overloaded is an {@linkcode UnavailableError}.
 *
 * @module
 */

import type { ErrorCode, ErrorReply } from "../mensagem.ts";
import { DialError } from "../net/dial.ts";
import { tlsExpected, tlsUnexpected } from "../wire/errors.ts";
import {
  ForbiddenError,
  InvalidArgumentError,
  type KvError,
  PermissionError,
  ProtocolError,
  TlsError,
  UnavailableError,
  UnknownOutcomeError,
} from "./errors.ts";
import { isWrite, type Request } from "./requests.ts";

const withoutCertificates =
  "the server speaks TLS, and this client does not: give it the CA of the servers (tls, --tls-ca)";

/** The error for a server that could not be dialled, or whose connection broke. */
export function dialFailure(server: string, cause: unknown): KvError {
  const { message } = cause as Error;
  if (!(cause instanceof DialError)) return new UnavailableError(server, message, { cause });
  const options = { cause: cause.cause };
  switch (cause.kind) {
    case "permission":
      return new PermissionError(server, message, options);
    case "tls":
      return new TlsError(server, message, options);
    case "address":
      return new InvalidArgumentError(message, { ...options, server });
  }
}

/** What a server says about a message that it does not know. */
const unknownType = 'unknown "type"';

/**
 * The error for an ERROR of a server. The request it answers, if any, was not carried out. `checked`
 * is whether this end has checked the request. Then a wrong request is no mistake of the caller.
 */
export function refusal(
  server: string,
  code: ErrorCode | undefined,
  reason: string,
  checked = true,
): KvError {
  switch (code) {
    case "FORBIDDEN":
      // A server with TLS has no other way to tell a client without.
      return reason.endsWith(tlsExpected)
        ? new TlsError(server, withoutCertificates)
        : new ForbiddenError(server, reason);
    case "TOO_LARGE":
      return new InvalidArgumentError(reason, { code, server });
    case "BAD_MESSAGE":
      if (reason.includes(unknownType)) {
        const older = "the server has an older version, which does not know such a request";
        return new ProtocolError(server, `${older}: upgrade the servers. It said ${reason}`);
      }
      return checked
        ? new ProtocolError(server, reason)
        : new InvalidArgumentError(reason, { server });
    default:
      return new UnavailableError(server, reason, { code });
  }
}

/** The error of a request that a server has answered with an ERROR. */
export function failureOf(
  server: string,
  request: Request,
  { code, message }: ErrorReply,
): KvError {
  if (code === "UNKNOWN_OUTCOME" && isWrite(request)) {
    return new UnknownOutcomeError(server, message);
  }
  // Only the leader knows its followers, so only it can check a FAULT.
  return refusal(server, code, `${code}: ${message}`, request.type !== "FAULT");
}

/** The error for a peer whose first bytes are no message. */
export function notThisProtocol(server: string, cause: Error): KvError {
  if (cause.message === tlsUnexpected) return new TlsError(server, withoutCertificates, { cause });
  const reason = "the other end is no server of this store, or one of another version";
  return new ProtocolError(server, `${reason}: ${cause.message}`, { cause });
}
