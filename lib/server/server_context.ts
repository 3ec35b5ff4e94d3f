/**
 * What the handlers of all connections of a server share, and what each needs of its connection.
 *
 * @module
 */

import type { Channel } from "@std/async/channel";
import type { Secrets } from "../auth/secret.ts";
import type { Observe, ServerStatus } from "../mensagem.ts";
import type { Certificate } from "../net/certificate.ts";
import type { Engine } from "../replication/engine.ts";
import type { QueryLink, TableQueries } from "../replication/table_queries.ts";
import type { Tuning } from "../replication/tuning.ts";
import type { Frames } from "../wire/frames.ts";
import type { ObserverLink } from "./observers.ts";

/** The fields of STATUS that belong to the process and not to the engine. */
export type ProcessStatus = Pick<
  ServerStatus,
  "connections" | "uptimeMs" | "memoryBytes" | "faults" | "watches" | "version"
>;

/** What a handler needs of its connection. */
export interface HandledConnection extends QueryLink, ObserverLink {
  /** Queues an answer. */
  send(frames: Frames): void;
  /** "ip:port" of this end. */
  readonly local: string;
  /** Whether this end speaks TLS. */
  readonly encrypted?: boolean;
  /** Whether the peer showed a certificate of the CA; `undefined` if it was dialled, or without TLS. */
  readonly certified?: boolean | undefined;
  /** That certificate. */
  readonly certificate?: Certificate | undefined;
  /** Whether the peer must prove a secret or password first. Until then its frames are short. */
  unproven?: boolean;
  /** Notes that a line was costly: such lines of all clients share a budget. */
  spend?(chars: number): void;
}

/** What all connections of a server share. */
export interface ServerContext {
  /** "ip:port" of this server. */
  readonly self: string;
  /** Orders writes and keeps the table. */
  readonly engine: Engine;
  /** Answers LIST and WATCH. */
  readonly queries: Pick<TableQueries, "list" | "watch" | "unwatch">;
  /** Takes each OBSERVE. */
  readonly observers: { add(link: ObserverLink, request: Observe): void };
  /** The operator's limits for keys and values. */
  readonly tuning: Pick<Tuning, "keyBytesMax" | "valueBytesMax">;
  /**
   * The mutex of the engine (enunciado, Perguntas Frequentes 2): a channel with room for one token. A
   * handler puts the token in before it hands over messages, and takes it out afterwards.
   *
   * No handler ever waits for it. JavaScript runs one turn at a time, and nothing awaits while it uses
   * the engine. A handshake does await, but only after the token is taken out.
   */
  readonly mutex: Pick<Channel<true>, "trySend" | "tryReceive">;
  /** The secrets that peers have to prove. */
  readonly secrets: Secrets;
  /** Whether this server is the leader that others join. */
  readonly leads: boolean;
  /** Whether this server is being stopped. Then it takes no more writes from followers. */
  stopping(): boolean;
  /** The fields of STATUS that belong to the process. */
  processStatus(): ProcessStatus;
  /** Flushes the engine after it has received everything of this turn of the event loop. */
  flush(): void;
  /** Reports a line to the operator. */
  report(line: string): void;
}

/** The status of a server: what it is and what it holds. */
export function statusOf(self: string, engine: Engine, process: ProcessStatus): ServerStatus {
  const { leader, cluster, timestamp, inSync, followers, table, cutOffMs } = engine;
  return {
    server: self,
    leader,
    cluster,
    timestamp,
    inSync,
    followers,
    keys: table.size,
    ...(cutOffMs === undefined ? {} : { cutOffMs: Math.round(cutOffMs) }),
    ...process,
  };
}
