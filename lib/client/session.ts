/**
 * What a client remembers for monotonic reads and for reading its own writes.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import { timestampMax } from "../limits.ts";
import {
  checkKey,
  type Conflict,
  type GetOk,
  type PutOk,
  type TryOther,
  type WriteOk,
} from "../mensagem.ts";
import { quote } from "../wire/validate.ts";
import { SessionError } from "./errors.ts";
import { HighestByLeader, leadersMax } from "./highest_by_leader.ts";

/** Keys in a session. Timestamps of further keys are forgotten into one number. */
export const sessionKeysMax = 65_536;

/** The length of the keys in a session together, in UTF-16 units. */
export const sessionCharsMax = 4 * 1024 * 1024;

/** The share of the keys that is forgotten at a time, so that a full session costs little for each key. */
const forgottenShare = 1 / 64;

/** A session as plain data: `JSON.stringify` and `JSON.parse` keep all of it. */
export interface ExportedSession {
  /** The version of this format. */
  readonly version: 1;
  /** The id of the cluster that the timestamps belong to, "" if none is known. */
  readonly cluster: string;
  /** The highest timestamp that was seen for each key. */
  readonly timestamps: readonly (readonly [key: string, timestamp: number])[];
  /**
   * The highest timestamp of lists, watches and forgotten keys, after those of earlier leaders. Left
   * out if there is none.
   */
  readonly applied?: readonly number[];
}

/**
 * What a client has seen: the highest timestamp of each key (enunciado 4, Observações), and one of
 * everything.
 *
 * - Monotonic reads: each GET carries the timestamp of its key, and no server answers with less. It
 *   also carries the timestamp of everything, and no server answers that has not applied all up to it.
 * - Read your writes: the timestamp of an acknowledged write counts as seen.
 * - Bounded: the timestamps of the oldest keys are forgotten into the timestamp of everything. It asks
 *   for no less than they did.
 * - What was seen and lost with a leader is noticed, also if it is forgotten. Servers check the
 *   timestamps of a request alone. So the highest one of each earlier leader stays in doubt until a
 *   server has confirmed that it lies in no gap.
 */
export class Session {
  /** By key. No timestamp ever falls, and none is 0: a key that was never seen is not in here. */
  readonly #seen = new KeyMap<number>();
  /** The length of all keys of `#seen`. */
  #chars = 0;
  /** Of everything that was seen. */
  readonly #all = new HighestByLeader();
  /** Of lists, watches and forgotten keys. */
  readonly #applied = new HighestByLeader();
  /** Of what lists and watches have shown, nothing up to this timestamp is lost, and none will be. */
  #acknowledged = 0;
  /** The id of the cluster of the timestamps, "" until it is known. Then it never changes. */
  #cluster = "";
  readonly #keysMax: number;

  /** An empty session of at most `keysMax` keys. */
  constructor(keysMax: number = sessionKeysMax) {
    this.#keysMax = keysMax;
  }

  /** The number of keys whose timestamp is known. */
  get size(): number {
    return this.#seen.size;
  }

  /** What a GET of any key must carry as `atLeast`, `undefined` if nothing. */
  get atLeast(): number | undefined {
    return this.#applied.newest;
  }

  /** What a LIST must carry as `atLeast`: the highest timestamp of all, `undefined` if there is none. */
  get highest(): number | undefined {
    return this.#all.newest;
  }

  /**
   * A timestamp of an earlier leader that may be lost, `undefined` if there is none. For a GET only
   * those count that its key does not tell. A server that has applied everything up to
   * {@linkcode Session.highest} knows.
   */
  doubtful(forList: boolean): number | undefined {
    return (forList ? this.#all : this.#applied).doubtful;
  }

  /**
   * The highest timestamp that lists and watches have shown, if it is not known to be acknowledged;
   * else `undefined`.
   */
  get unacknowledged(): number | undefined {
    const { newest = 0 } = this.#applied;
    return newest > this.#acknowledged ? newest : undefined;
  }

  /** Notes that what was shown up to a timestamp is acknowledged. */
  acknowledge(timestamp: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, timestamp);
  }

  /** Notes that a doubtful timestamp was not lost. */
  confirm(timestamp: number): void {
    this.#all.confirm(timestamp);
    this.#applied.confirm(timestamp);
  }

  /** This session as plain data. */
  exported(): ExportedSession {
    const timestamps = [...this.#seen.entries()];
    const applied = [...this.#applied.all];
    const more = applied.length > 0 ? { applied } : {};
    return { version: 1, cluster: this.#cluster, timestamps, ...more };
  }

  /**
   * Adds all that another session has seen. If it throws, nothing was added.
   *
   * @throws {SessionError} if it is no exported session, or one of another cluster.
   */
  takeOver(exported: unknown): void {
    const { cluster, timestamps, applied = [] } = checkSession(exported);
    if (!this.belongsTo(cluster)) {
      throw new SessionError(
        `the session is of cluster "${cluster}", not of "${this.#cluster}"`,
      );
    }
    for (const timestamp of applied) this.sawAll(timestamp);
    for (const [key, timestamp] of timestamps) this.see(key, timestamp);
  }

  /** The timestamp that a GET of the key must carry, 0 if the key was never seen. */
  timestamp(key: string): number {
    return this.#seen.get(key) ?? 0;
  }

  /**
   * Whether the session may be used with this cluster. The first id that is given becomes the
   * session's own; at other clusters its timestamps mean nothing. "" (no cluster yet) always fits.
   */
  belongsTo(cluster: string): boolean {
    if (cluster === "") return true;
    if (this.#cluster === "") this.#cluster = cluster;
    return cluster === this.#cluster;
  }

  /** Learns from an answer. TRY_OTHER_SERVER_OR_LATER shows no state, the others that of their key. */
  learn(reply: PutOk | WriteOk | Conflict | GetOk | TryOther): void {
    if (reply.type !== "TRY_OTHER_SERVER_OR_LATER") this.see(reply.key, reply.timestamp);
  }

  /** Notes that the caller has seen a list or a change: everything up to this timestamp counts. */
  sawAll(timestamp: number): void {
    this.#all.add(timestamp);
    this.#applied.add(timestamp);
  }

  /**
   * Forgets what may be lost: the timestamp of a key and that of everything, or all timestamps if no
   * key is given. The next reads may be older.
   */
  forget(key?: string): void {
    this.#applied.clear();
    this.#all.clear();
    this.#acknowledged = 0;
    if (key === undefined) {
      this.#seen.clear();
      this.#chars = 0;
    } else if (this.#seen.delete(key)) this.#chars -= key.length;
    for (const [, timestamp] of this.#seen.entries()) this.#all.add(timestamp);
  }

  /** Notes that an answer has shown a key at this timestamp. */
  see(key: string, timestamp: number): void {
    const known = this.#seen.get(key) ?? 0;
    if (timestamp <= known) return;
    this.#seen.set(key, timestamp);
    this.#all.add(timestamp);
    if (known > 0) return;
    this.#chars += key.length;
    if (this.#seen.size > this.#keysMax || this.#chars > sessionCharsMax) this.#forgetOldest();
  }

  /** Moves the timestamps of the keys that were seen first into that of everything. */
  #forgetOldest(): void {
    const count = Math.max(this.#keysMax * forgottenShare, 1);
    const oldest = [];
    for (const entry of this.#seen.entries()) {
      oldest.push(entry);
      if (oldest.length >= count) break;
    }
    for (const [key, timestamp] of oldest) {
      this.#seen.delete(key);
      this.#chars -= key.length;
      this.sawAll(timestamp);
    }
  }
}

/** The value as an exported session. Throws {@linkcode SessionError} if it is none. */
function checkSession(exported: unknown): ExportedSession {
  const refuse = (what: string, options?: ErrorOptions): never => {
    throw new SessionError(`not an exported session: ${what}`, options);
  };
  if (typeof exported !== "object" || exported === null) {
    return refuse(`an object is expected, not ${shown(exported)}`);
  }
  const { version, cluster, timestamps, applied = [] } = exported as Record<string, unknown>;
  if (version !== 1) return refuse(`"version" must be 1, not ${shown(version)}`);
  if (typeof cluster !== "string" || !/^[\w-]{0,64}$/.test(cluster)) {
    return refuse(`"cluster" is no cluster id: ${shown(cluster)}`);
  }
  if (!Array.isArray(timestamps)) return refuse(`"timestamps" must be a list`);
  for (const entry of timestamps) {
    const [key, timestamp] = Array.isArray(entry) && entry.length === 2 ? entry : [];
    if (typeof key !== "string" || !Number.isInteger(timestamp)) {
      return refuse(`"timestamps" holds ${shown(entry)}, no pair of key and timestamp`);
    }
    if (!isTimestamp(timestamp)) {
      return refuse(`the timestamp of ${shown(key)} cannot be ${timestamp}`);
    }
    try {
      checkKey(key);
    } catch (error) {
      return refuse((error as Error).message, { cause: error });
    }
  }
  if (!Array.isArray(applied) || applied.length > leadersMax || !applied.every(isTimestamp)) {
    return refuse(`"applied" must be a list of at most ${leadersMax} timestamps`);
  }
  return { version, cluster, timestamps, applied };
}

function isTimestamp(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= timestampMax;
}

/** The value in JSON if it has one. */
function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? quote(value);
  } catch {
    return quote(value);
  }
}
