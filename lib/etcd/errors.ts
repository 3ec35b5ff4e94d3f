/**
 * The errors of etcd, and whether a write may have been applied after each of them.
 *
 * @module
 */

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
  /** The name of the store in etcd was changed or removed. */
  | "other name"
  /** The member is a learner, which shows no writes. */
  | "learner"
  /** The revision that a read needs is compacted. */
  | "compacted"
  /** The member has not applied the revision that a read needs. */
  | "behind"
  /** A lease that a write names does not exist. */
  | "no lease"
  /** The answer is longer than is read. */
  | "long answer"
  /** The answer does not come from etcd, or its error is not known here. */
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
  ["etcdserver: rpc not supported for learner", "learner"],
  ["etcdserver: mvcc: required revision has been compacted", "compacted"],
  ["etcdserver: mvcc: required revision is a future revision", "behind"],
  ["etcdserver: requested lease not found", "no lease"],
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
  "behind": "this member of etcd has to catch up with what this server has shown",
  "learner": "this member of etcd is a learner, which shows no writes: promote it " +
    "(etcdctl member promote) or name another member in --etcd",
};

/** An error in one sentence, for clients and operators. */
export function explain({ kind, message }: EtcdError): string {
  const explanation = explanations[kind];
  if (explanation === undefined) return message;
  return message === "" ? explanation : `${explanation}: ${message}`;
}

/** The same error with more about it; what is no {@linkcode EtcdError} is a bug, and stays as it is. */
export function about(
  what: string,
  cause: unknown,
  options: { readonly notApplied?: boolean } = {},
): unknown {
  if (!(cause instanceof EtcdError)) return cause;
  return new EtcdError(cause.kind, `${what}: ${cause.message}`, { cause, ...options });
}

/** The longest text of etcd in an error, in UTF-16 units. */
const messageCharsMax = 300;

/** The error for an answer that does not come from etcd. */
export function unexpected(what: string): EtcdError {
  return new EtcdError("unexpected", `not an answer of etcd: ${what}`);
}

/** The error of a status of gRPC that is not 0, with its message. */
export function errorOf(status: number, text: string): EtcdError {
  return text === "" ? unexpected(`status ${status} of gRPC`) : errorFrom(text);
}

/** The error with a message of etcd. */
export function errorFrom(message: string): EtcdError {
  // The error that ends a watch is "rpc error: code = … desc = MESSAGE".
  const known = knownErrors.find(([text]) => message === text || message.endsWith(` = ${text}`));
  if (known === undefined) return new EtcdError("unexpected", message.slice(0, messageCharsMax));
  const [, kind] = known;
  return new EtcdError(kind, message, { notApplied: kind !== "no space" });
}
