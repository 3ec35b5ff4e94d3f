/**
 * Where a story is played: a cluster, four clients, and a place to tell it. Types only.
 *
 * @module
 */

import type { FaultAction } from "../../lib/wire/events.ts";
import type { Client, Copy, Role, ShownStep } from "./story.ts";

/** The answer to a request of a story. */
export interface Answer {
  /** The type of the message. */
  readonly type: "PUT_OK" | "WRITE_OK" | "GET_OK" | "CONFLICT" | "TRY_OTHER_SERVER_OR_LATER";
  /** The value in a GET_OK or CONFLICT; `null` if the key does not exist. */
  readonly value?: string | null;
  /** The timestamp in the message. */
  readonly timestamp: number;
}

/** A write under a condition, or with a time to live. */
export interface ConditionalWrite {
  /** The value; `null` deletes the key. */
  readonly value: string | null;
  /** The timestamp at which the key must stand; 0 if it must not exist. */
  readonly expected: number;
  /** The time to live, in milliseconds; left out if the key does not expire. */
  readonly ttlMs?: number;
}

/**
 * What a story needs. Servers are given as "ip:port".
 *
 * A request rejects with an `UnavailableError` if it was not carried out.
 */
export interface Stage {
  /** The server in each role. */
  readonly servers: Readonly<Record<Role, string>>;
  /** Ends the story early. */
  readonly signal: AbortSignal;
  /** Tells a step, once there was time to read the one before it. */
  show(step: ShownStep): Promise<void>;
  /** PUTs a value. */
  put(client: Client, key: string, value: string, server: string): Promise<Answer>;
  /** GETs a key. */
  get(client: Client, key: string, server: string): Promise<Answer>;
  /** Writes under a condition. */
  write(client: Client, key: string, write: ConditionalWrite, server: string): Promise<Answer>;
  /** Holds or resumes the replication to a follower. */
  fault(follower: string, action: FaultAction): Promise<void>;
  /** Stops a server. */
  stop(server: string): Promise<void>;
  /** Starts a server with an empty memory. Does nothing if it runs. */
  start(server: string): Promise<void>;
  /** Whether a server is known to run. */
  isUp(server: string): boolean;
  /** What a server has of a key; `undefined` if that is not known. */
  copy(server: string, key: string): Copy | undefined;
  /** How many servers are in sync, the leader included; 0 while it takes no writes. */
  inSync(): number | Promise<number>;
  /** The timestamp that a client has seen for a key. */
  seen(client: Client, key: string): number;
}
