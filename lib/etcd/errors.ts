/**
 * What can be wrong with etcd, and what that leaves certain.
 *
 * @module
 */

/** What kind of trouble it is. */
export type EtcdTrouble =
  /** Nothing was sent: nobody listens, or the connection could not be made. */
  | "unreachable"
  /** No answer in time, or a connection that broke. */
  | "silent"
  /** Fewer than a majority of etcd's members work together. */
  | "no leader"
  /** etcd's database is full. */
  | "no space"
  /** etcd's limit for one request is below the contract's. */
  | "too large"
  /** etcd, or this server towards it, has too much to do. */
  | "too many"
  /** The token is not valid any more. */
  | "token"
  /** The user may not do this. */
  | "denied"
  /** The history that a watch needs is gone. */
  | "compacted"
  /** Other data than before answers there. */
  | "another cluster"
  /** What came is no answer of etcd's gateway, or one that is not known here. */
  | "strange";

/** etcd did not do what it was asked to do. */
export class EtcdError extends Error {
  /** What kind of trouble it is. */
  readonly trouble: EtcdTrouble;
  /** Nothing was written, and nothing will be. */
  readonly notApplied: boolean;

  /** Says what is wrong. */
  constructor(
    trouble: EtcdTrouble,
    message: string,
    options: ErrorOptions & { readonly notApplied?: boolean } = {},
  ) {
    super(message, options);
    this.name = "EtcdError";
    this.trouble = trouble;
    this.notApplied = options.notApplied ?? false;
  }
}

/**
 * The errors after which it is certain that nothing was written: etcd gives them before it proposes
 * a write to its members, or when all of them refuse to apply it alike. Any other error may come
 * after the write has begun. So may "no space": the write that finds the quota used up is applied,
 * and answered in the same words as those after it, which are not.
 */
const refusals: readonly (readonly [message: string, trouble: EtcdTrouble])[] = [
  ["etcdserver: no leader", "no leader"],
  ["etcdserver: mvcc: database space exceeded", "no space"],
  ["etcdserver: request is too large", "too large"],
  ["etcdserver: too many requests", "too many"],
  ["etcdserver: invalid auth token", "token"],
  ["auth: revision in header is old", "token"],
  ["etcdserver: revision of auth store is old", "token"],
  ["etcdserver: permission denied", "denied"],
  ["etcdserver: user name is empty", "denied"],
  ["etcdserver: user name not found", "denied"],
  ["etcdserver: authentication failed, invalid user ID or password", "denied"],
  ["etcdserver: authentication is not enabled", "denied"],
];

const explanations: Readonly<Partial<Record<EtcdTrouble, string>>> = {
  "unreachable": "etcd cannot be reached",
  "no leader": "etcd has no leader, fewer than a majority of its members work together",
  "no space":
    "etcd is out of space (alarm NOSPACE), until it is compacted, defragmented and disarmed",
  "too large": "etcd takes no request that long (its flag --max-request-bytes)",
  "too many": "etcd has too much to do",
  "denied": "etcd does not let this server do that",
  "another cluster": "other data than before answers at etcd, start this server anew",
};

/** An error of etcd in one sentence, for clients and operators. */
export function explain({ trouble, message }: EtcdError): string {
  const explanation = explanations[trouble];
  return explanation === undefined ? message : `${explanation}: ${message}`;
}

/** What an answer that is no success says. */
export function errorOf(status: number, body: string): EtcdError {
  const said = etcdMessage(body);
  if (said === undefined) {
    const text = body.slice(0, messageCharsMax).trim();
    const reason = `no answer of etcd's gateway, but HTTP ${status}`;
    return new EtcdError("strange", text === "" ? reason : `${reason}: ${text}`);
  }
  return errorFrom(said);
}

/** What a text of etcd's says. */
export function errorFrom(said: string): EtcdError {
  // In the end of a watch the message stands behind "rpc error: code = … desc = ".
  const refusal = refusals.find(([message]) => said === message || said.endsWith(` = ${message}`));
  if (refusal !== undefined) {
    const [, trouble] = refusal;
    return new EtcdError(trouble, said, { notApplied: trouble !== "no space" });
  }
  return new EtcdError("strange", said.slice(0, messageCharsMax));
}

const messageCharsMax = 300;

function etcdMessage(body: string): string | undefined {
  try {
    const json: unknown = JSON.parse(body);
    const error = isRecord(json) ? json.error : undefined;
    // For a stream the gateway wraps it once more.
    const text = isRecord(error) ? error.message : error;
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined;
  }
}

/** An object of JSON. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** True for what is an object in JSON. */
export function isRecord(json: unknown): json is JsonRecord {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
