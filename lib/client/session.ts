/**
 * What a client remembers for monotonic reads and for reading its own writes.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import { timestampMax } from "../limits.ts";
import { checkKey, type GetOk, type PutOk, type TryOther } from "../mensagem.ts";
import { quote } from "../wire/validate.ts";
import { SessionError } from "./errors.ts";

/** A session as plain data: `JSON.stringify` and `JSON.parse` keep all of it. */
export interface ExportedSession {
  /** The version of this format. */
  readonly version: 1;
  /** The id of the cluster that the timestamps belong to, "" if none is known. */
  readonly cluster: string;
  /** The highest timestamp that was seen for each key. */
  readonly timestamps: readonly (readonly [key: string, timestamp: number])[];
}

/**
 * The highest timestamp that a client has seen for each key (enunciado 4, Observações).
 *
 * - Monotonic reads: each GET carries the timestamp of its key, and no server answers with less.
 * - Read your writes: the timestamp of an acknowledged PUT counts as seen.
 */
export class Session {
  /** By key. No timestamp ever falls, and none is 0: a key that was never seen is not in here. */
  readonly #seen = new KeyMap<number>();
  /** The id of the cluster of the timestamps, "" until it is known. Then it never changes. */
  #cluster = "";

  /** This session as plain data. */
  exported(): ExportedSession {
    return { version: 1, cluster: this.#cluster, timestamps: [...this.#seen.entries()] };
  }

  /**
   * Adds all that another session has seen. If it throws, nothing was added.
   *
   * @throws {SessionError} if it is no exported session, or one of another cluster.
   */
  takeOver(exported: unknown): void {
    const { cluster, timestamps } = checkSession(exported);
    if (!this.belongsTo(cluster)) {
      throw new SessionError(
        `the session is of cluster "${cluster}", not of "${this.#cluster}"`,
      );
    }
    for (const [key, timestamp] of timestamps) this.#see(key, timestamp);
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

  /**
   * Learns from an answer. PUT_OK and GET_OK show a state of their key;
   * TRY_OTHER_SERVER_OR_LATER shows none.
   */
  learn(reply: PutOk | GetOk | TryOther): void {
    switch (reply.type) {
      case "PUT_OK":
      case "GET_OK":
        this.#see(reply.key, reply.timestamp);
    }
  }

  #see(key: string, timestamp: number): void {
    if (timestamp > this.timestamp(key)) this.#seen.set(key, timestamp);
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
  const { version, cluster, timestamps } = exported as Record<string, unknown>;
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
    if (timestamp < 0 || timestamp > timestampMax) {
      return refuse(`the timestamp of ${shown(key)} cannot be ${timestamp}`);
    }
    try {
      checkKey(key);
    } catch (error) {
      return refuse((error as Error).message, { cause: error });
    }
  }
  return { version, cluster, timestamps };
}

/** The value in JSON if it has one. */
function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? quote(value);
  } catch {
    return quote(value);
  }
}
