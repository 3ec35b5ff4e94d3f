/**
 * How a follower reaches its leader: connect, prove the secret, tell the engine.
 *
 * @module
 */

import type { Secret } from "../auth/secret.ts";
import type { Connection, ConnectionLimits } from "../net/connection.ts";
import { dial, type Tls } from "../net/dial.ts";
import { parseAddress } from "../wire/address.ts";
import type { Dialler } from "../replication/environment.ts";
import type { ConnectionHandler } from "./connection_handler.ts";

/** What a dial needs. */
export interface LeaderDiallerOptions {
  /** "host:port" of this server. */
  readonly self: string;
  /** "host:port" of the leader. */
  readonly leader: string;
  /** The secret of the servers; `undefined` if there is none. */
  readonly secret: Secret | undefined;
  /** This server's certificates; `undefined` if the servers do not speak TLS. */
  readonly tls: Tls | undefined;
  /** What the connection may cost, and how long a dial may take. */
  readonly limits: ConnectionLimits & { readonly dialTimeoutMs: number };
  /** Reports a line to the operator. */
  report(line: string): void;
  /** Begins to serve the connection. */
  serve(connection: Connection): ConnectionHandler;
  /** The connections that this server has, those that it accepted among them. */
  connections(): Iterable<Connection>;
  /** Takes the error of a server whose leader's address leads to itself: it can never join. */
  failed(error: Error): void;
}

/** Dials the leader each time it is asked to. */
export class LeaderDialler {
  readonly #options: LeaderDiallerOptions;
  readonly #stop = new AbortController();
  /** The last connection to the leader. */
  #connection: Connection | undefined;
  /** Whether the connection before that one led to another server. */
  #foundBefore = false;

  /** Does not dial yet. */
  constructor(options: LeaderDiallerOptions) {
    this.#options = options;
  }

  /** Dials once. Tells the caller the connection, or the reason for a failure. */
  async dial(caller: Dialler): Promise<void> {
    const { leader, tls, limits, secret } = this.#options;
    const late = AbortSignal.timeout(limits.dialTimeoutMs);
    const signal = AbortSignal.any([this.#stop.signal, late]);
    try {
      const connection = await dial(parseAddress(leader)!, signal, tls, limits);
      const handler = this.#options.serve(connection);
      this.#foundBefore = this.#connection !== undefined;
      this.#connection = connection;
      for (const other of this.#options.connections()) this.compare(other);
      if (secret !== undefined) await prove(connection, handler, { secret, leader }, signal);
      caller.dialled(connection);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const reason = late.aborted
        ? `no answer within ${limits.dialTimeoutMs} ms`
        : (error as Error).message;
      caller.dialFailed(reason);
    }
  }

  /**
   * Compares an accepted connection with the last one that was dialled. If they are the two ends of
   * one, this server has dialled itself. It did not know that it is the leader, because the leader's
   * address is spelled in another way than its own.
   */
  compare(accepted: Connection): void {
    const { peer, local } = this.#connection ?? {};
    if (accepted.peer !== local || accepted.local !== peer) return;
    const { self, leader, report, failed } = this.#options;
    const reason = `The leader's address ${leader} leads to this server itself, ${self}`;
    // After a move a name may be out of date for a while, and this server may hold data.
    if (this.#foundBefore) return report(`${reason}: trying again`);
    failed(new Error(`${reason}. Give the leader the same --advertise and --leader-ip`));
  }

  /** Gives up a dial that is under way. Its failure is not told. */
  stop(): void {
    this.#stop.abort();
  }
}

async function prove(
  connection: Connection,
  handler: ConnectionHandler,
  { secret, leader }: { readonly secret: Secret; readonly leader: string },
  signal: AbortSignal,
): Promise<void> {
  const giveUp = () => connection.abort();
  signal.addEventListener("abort", giveUp);
  try {
    await handler.prove(secret, leader);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
