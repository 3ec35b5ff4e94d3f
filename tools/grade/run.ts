/**
 * What the trials hand to the verdict rules: the transcript, and what was asked for in it.
 *
 * @module
 */

import type { ConsoleEvent, Reason, Trial } from "./types.ts";

/** One PUT or GET that was typed to a client. */
export interface Request {
  readonly client: string;
  readonly op: "PUT" | "GET";
  readonly key: string;
  /** The typed value of a PUT. */
  readonly value?: string;
  /** Index of the event with which typing began. */
  readonly from: number;
  /** Index after the last typed line: what stands before it are prompts. */
  typed: number;
  /** Index after the last event before the grader went on. */
  to: number;
  /** Whether the grader waited for an answer for as long as the profile allows. */
  waited: boolean;
}

/** A server of the trial. `S1` is the leader. */
export interface Server {
  readonly name: string;
  readonly ip: string;
  readonly port: number;
}

/** A time during which one follower was stopped, as indexes of events. */
export interface Stop {
  readonly server: string;
  readonly from: number;
  readonly to: number;
  readonly durationMs: number;
  /** Whether all other programs had come to rest before the follower went on. */
  readonly rested: boolean;
}

/** One finished trial. */
export interface Run {
  readonly trial: Trial;
  readonly events: readonly ConsoleEvent[];
  /** Indexes of lines from standard error. */
  readonly errorLines: ReadonlySet<number>;
  readonly requests: readonly Request[];
  readonly servers: readonly Server[];
  /** Names of the clients that were started. */
  readonly clients: readonly string[];
  readonly stops: readonly Stop[];
  /** For each local port of a connection: the servers' ports it is connected to. */
  readonly connections: ReadonlyMap<number, ReadonlySet<number>>;
  /** Ports on which programs other than the servers listen. */
  readonly otherListeners: ReadonlySet<number>;
  /** Indexes of events at which all servers were started again without data. */
  readonly restarts: readonly number[];
  /** Index of the first event after all servers and clients were started. */
  readonly ready: number;
  /** Index after the last event that the grader did not disturb. */
  readonly undisturbed: number;
  /** Why the trial ended early. */
  readonly failed?: Reason;
}
