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
  /** "ip:port" of the leader. */
  readonly leader: string;
  /** The secret of the servers; `undefined` if there is none. */
  readonly secret: Secret | undefined;
  /** This server's certificates; `undefined` if the servers do not speak TLS. */
  readonly tls: Tls | undefined;
  /** What the connection may cost, and how long a dial may take. */
  readonly limits: ConnectionLimits & { readonly dialTimeoutMs: number };
  /** Begins to serve the connection. */
  serve(connection: Connection): ConnectionHandler;
}

/** Dials the leader each time it is asked to. */
export class LeaderDialler {
  readonly #options: LeaderDiallerOptions;
  readonly #stop = new AbortController();

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
      if (secret !== undefined) await prove(connection, handler, secret, signal);
      caller.dialled(connection);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const reason = late.aborted
        ? `no answer within ${limits.dialTimeoutMs} ms`
        : (error as Error).message;
      caller.dialFailed(reason);
    }
  }

  /** Gives up a dial that is under way. Its failure is not told. */
  stop(): void {
    this.#stop.abort();
  }
}

async function prove(
  connection: Connection,
  handler: ConnectionHandler,
  secret: Secret,
  signal: AbortSignal,
): Promise<void> {
  const giveUp = () => connection.abort();
  signal.addEventListener("abort", giveUp);
  try {
    await handler.prove(secret, "server");
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
