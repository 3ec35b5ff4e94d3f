/**
 * The errors of etcd, and whether a write may have been applied after each of them.
 *
 * @module
 */

import { isRecord } from "./json.ts";

/** The kind of an error. */
export type EtcdErrorKind =
  /** Nothing was sent: the connection could not be made. */
  | "unreachable"
  /** Nothing was sent: this process may not connect to etcd. */
  | "not permitted"
  /** Nothing was sent: etcd's certificate is not valid, or not for this address. */
  | "untrusted"
  /** The answer did not come in time, or the connection broke. */
  | "no answer"
  /** Fewer than a majority of etcd's members work together. */
  | "no leader"
  /** etcd's database is full. */
  | "no space"
  /** The request exceeds etcd's limit, which is below the limits of this wire. */
  | "too large"
  /** Too many requests wait, at etcd or in this server. */
  | "overloaded"
  /** The token is no longer valid. */
  | "token"
  /** The user is not permitted to do this. */
  | "denied"
  /** The answer is of another cluster or another store than before. */
  | "other data"
  /** The answer does not come from etcd's gateway, or its error is not known here. */
  | "unexpected";

/** A request to etcd has failed. */
export class EtcdError extends Error {
  /** The kind of the error. */
  readonly kind: EtcdErrorKind;
  /** Whether it is certain that nothing was written and nothing will be. */
  readonly notApplied: boolean;

  /** `notApplied` is false by default. */
  constructor(
    kind: EtcdErrorKind,
    message: string,
    options: ErrorOptions & { readonly notApplied?: boolean } = {},
  ) {
    super(message, options);
    this.name = "EtcdError";
    this.kind = kind;
    this.notApplied = options.notApplied ?? false;
  }
}

/**
 * The errors that etcd returns before it proposes a write to its members, or when all members
 * refuse to apply it. After these errors it is certain that nothing was written, except after "no
 * space". The write that fills the database is applied, and gets the same error as the writes after
 * it, which are not applied. After any other error the write may be applied.
 */
const knownErrors: readonly (readonly [message: string, kind: EtcdErrorKind])[] = [
  ["etcdserver: no leader", "no leader"],
  ["etcdserver: mvcc: database space exceeded", "no space"],
  ["etcdserver: request is too large", "too large"],
  ["etcdserver: too many requests", "overloaded"],
  ["etcdserver: invalid auth token", "token"],
  ["auth: revision in header is old", "token"],
  ["etcdserver: revision of auth store is old", "token"],
  ["etcdserver: permission denied", "denied"],
  ["etcdserver: user name is empty", "denied"],
  ["etcdserver: user name not found", "denied"],
  ["etcdserver: authentication failed, invalid user ID or password", "denied"],
  ["etcdserver: authentication is not enabled", "denied"],
];

const explanations: Readonly<Partial<Record<EtcdErrorKind, string>>> = {
  "unreachable": "etcd cannot be reached",
  "not permitted": "this process may not connect to etcd (--allow-net, or a firewall)",
  "untrusted":
    "etcd's certificate is not valid: the CA in --etcd-ca must have signed it, for the " +
    "host in --etcd and for today",
  "no leader": "etcd has no leader, fewer than a majority of its members work together",
  "no space":
    "etcd is out of space (alarm NOSPACE), until it is compacted, defragmented and disarmed",
  "too large": "the request is longer than etcd accepts (its flag --max-request-bytes)",
  "overloaded": "etcd is overloaded",
  "denied": "etcd does not let this server do that",
  "other data": "etcd has other data than before, restart this server",
};

/** An error in one sentence, for clients and operators. */
export function explain({ kind, message }: EtcdError): string {
  const explanation = explanations[kind];
  if (explanation === undefined) return message;
  return message === "" ? explanation : `${explanation}: ${message}`;
}

/** The error in a failed answer, or in a line of a watch. */
export function errorOf(status: number, body: string): EtcdError {
  const message = messageOf(body);
  if (message !== undefined) return errorFrom(message);
  const text = body.slice(0, messageCharsMax).trim();
  const reason = `not an answer of etcd's gateway, but HTTP ${status}`;
  return new EtcdError("unexpected", text === "" ? reason : `${reason}: ${text}`);
}

/** The error with a message of etcd. */
export function errorFrom(message: string): EtcdError {
  // The error that ends a watch is "rpc error: code = … desc = MESSAGE".
  const known = knownErrors.find(([text]) => message === text || message.endsWith(` = ${text}`));
  if (known === undefined) return new EtcdError("unexpected", message.slice(0, messageCharsMax));
  const [, kind] = known;
  return new EtcdError(kind, message, { notApplied: kind !== "no space" });
}

const messageCharsMax = 300;

function messageOf(body: string): string | undefined {
  try {
    const json: unknown = JSON.parse(body);
    const error = isRecord(json) ? json.error : undefined;
    // In a stream the gateway nests the error once more.
    const text = isRecord(error) ? error.message : error;
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined;
  }
}
