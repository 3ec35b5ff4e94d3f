/**
 * One running server: a node with sockets and a clock.
 *
 * @module
 */

import { Channel } from "@std/async/channel";
import { delay } from "@std/async/delay";
import { type Address, formatAddress, parseAddress } from "../wire/address.ts";
import type { Secret } from "../auth/proof.ts";
import {
  Connection,
  type ConnectionLimits,
  connectionLimitsDefault,
  Listener,
  type Tls,
} from "../net/connection.ts";
import type { Engine, StartEngine } from "../replication/engine.ts";
import type { OpenJournal } from "../replication/recovered_state.ts";
import { ErrorReply, type ServerStatus } from "../mensagem.ts";
import { startReplica } from "../replication/replica.ts";
import { Observers } from "./observers.ts";
import {
  ConnectionHandler,
  type Secrets,
  type ServerContext,
  statusOf,
} from "./connection_handler.ts";
import type {
  Dialler,
  Host,
  ReplicationListener,
  ServerPrints,
} from "../replication/environment.ts";
import { type Tuning, tuningDefault } from "../replication/tuning.ts";
import { TlsAcceptor } from "../net/tls.ts";
import { dialTimeoutMs, lingerMs } from "../limits.ts";

/**
 * So long a leader with a journal waits, in milliseconds, for those to ask again whom it has just
 * answered: about as long as a quick disk takes for a sync.
 */
export const pauseMs = 0.2;

/** Pause between two ticks of a server's clock. Deadlines are that coarse. */
export const tickMs = 50;

/** Connections to one server, all together. */
export const connectionsMax = 16_384;

/** Connections to one server from one IP address. */
export const connectionsPerIpMax = 12_288;

/** Connections over the limit that are still being told so. */
export const refusedMax = 64;

/**
 * Half-sent frames and unsent answers of all clients' connections together, in bytes. Beyond it
 * those that hold most are cut off.
 */
export const heldBytesMax = 512 * 1024 * 1024;

/** When a server stops, how long it waits for the answers that it still owes. */
export const shutdownMs = 1_000;

/** Pause between two looks at the connections that do not move. */
export const sweepMs = 1_000;

/** Who connects with TLS must have shaken hands within this time. */
export const tlsHandshakeMs = 5_000;

/** What a server needs to know. */
export interface KvServerOptions {
  /** Where it listens. Port 0 takes a free one. */
  readonly listen: Address;
  /** Where the leader listens. Left out, or equal to `listen`, this server is the leader. */
  readonly leader?: Address;
  /**
   * Where the data is. Left out, in the embedded engine. Another one knows itself who leads, and no
   * server joins.
   */
  readonly engine?: StartEngine;
  /** Where the lines of the assignment go. */
  readonly prints: ServerPrints;
  /** Is told what prints do not tell, whether somebody observes or not. */
  readonly watch?: ReplicationListener;
  /** Takes everything else that an operator may want to know, line by line. */
  readonly report: (line: string) => void;
  /** True where FAULT is taken: REPLICATIONs can be held, so that one can see what that does. */
  readonly allowFaults?: boolean;
  /** What differs from {@linkcode tuningDefault}. */
  readonly tuning?: Partial<Tuning>;
  /** What differs from {@linkcode serverLimitsDefault}. */
  readonly limits?: Partial<ServerLimits>;
  /**
   * What servers must know to join, and clients to ask. Nobody has to prove anything where it is
   * left out.
   */
  readonly secrets?: Secrets;
  /**
   * Where it is given, everybody must speak TLS, and servers join only with a certificate of the
   * CA.
   */
  readonly tls?: Required<Tls>;
  /**
   * Where the server writes down what it holds. It stays the caller's, to be closed after the server.
   * Left out, everything is in memory.
   */
  readonly journal?: OpenJournal;
}

/** What the connections of a server may cost, each of them and together. */
export interface ServerLimits extends ConnectionLimits {
  /** Connections, all together. */
  readonly connectionsMax: number;
  /** Connections from one IP address. */
  readonly connectionsPerIpMax: number;
  /** Half-sent frames and unsent answers of all clients' connections together, in bytes. */
  readonly heldBytesMax: number;
  /** For how long the TLS handshake of a connection may take. */
  readonly tlsHandshakeMs: number;
}

/** The limits that hold where nothing else is said. */
export const serverLimitsDefault: ServerLimits = {
  ...connectionLimitsDefault,
  connectionsMax,
  connectionsPerIpMax,
  heldBytesMax,
  tlsHandshakeMs,
};

/** Prints and watch change while the server runs. */
type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * A server of the cluster.
 *
 * ```ts
 * import { KvServer } from "./kv_server.ts";
 * import { ServerConsole } from "../cli/console.ts";
 *
 * await using leader = KvServer.start({
 *   listen: { hostname: "127.0.0.1", port: 10097 },
 *   prints: new ServerConsole((text) => Deno.stdout.writeSync(new TextEncoder().encode(text))),
 *   report: console.error,
 *   tuning: { clusterSize: 1, minInSync: 1 },
 * });
 * ```
 */
export class KvServer implements AsyncDisposable {
  /** Where it listens. */
  readonly address: Address;

  readonly #listener: Listener;
  readonly #leader: string;
  readonly #engine: Engine;
  readonly #context: ServerContext;
  readonly #observers: Observers;
  readonly #report: (line: string) => void;
  #lastReport = "";
  readonly #limits: ServerLimits;
  readonly #secrets: Secrets;
  readonly #tls: Required<Tls> | undefined;
  readonly #acceptor: TlsAcceptor | undefined;
  readonly #mutex = new Channel<true>({ capacity: 1 });
  readonly #peers = new Map<Connection, ConnectionHandler>();
  /**
   * Those of them that are over a limit and are being told so: for the limits they are not there.
   */
  readonly #refused = new Set<Connection>();
  /** How many of the others come from each IP address. */
  readonly #perIp = new Map<string, number>();
  /**
   * Everything that runs in the background: one task for each connection, one that accepts, one
   * that dials.
   */
  readonly #tasks = new Set<Promise<void>>();
  readonly #stopDialling = new AbortController();
  readonly #ticker: ReturnType<typeof setInterval>;
  readonly #startedAt = performance.now();
  #sweptAt = this.#startedAt;
  readonly #ready = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<Error>();
  /** Resolves when a connection ends, while somebody waits for that. */
  #gone: PromiseWithResolvers<void> | undefined;
  #closing: Promise<void> | undefined;
  /** The node will be flushed at the end of this turn. */
  #flushing = false;

  /**
   * Listens and serves.
   *
   * @throws {Deno.errors.AddrInUse} where the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} where the address is not this machine's.
   * @throws {TypeError} where the options do not fit together, or certificates and key are none.
   */
  static start(options: KvServerOptions): KvServer {
    return new KvServer(options);
  }

  private constructor(options: KvServerOptions) {
    const { listen, leader, prints, watch, report, tuning, limits, tls } = options;
    const { secrets = {}, allowFaults = false, journal } = options;
    const joins = options.engine === undefined;
    if (joins && secrets.client !== undefined && secrets.server === undefined && !tls) {
      throw new TypeError(
        "Cannot ask clients for a password without a secret for servers: who joins may ask",
      );
    }
    this.#report = report;
    this.#limits = { ...serverLimitsDefault, ...limits };
    this.#secrets = secrets;
    this.#tls = tls;
    this.#acceptor = tls && this.#newAcceptor(tls);
    this.#listener = new Listener(listen);
    this.address = this.#listener.address;
    const self = formatAddress(this.address);
    this.#leader = leader === undefined ? self : formatAddress(leader);
    const host: Mutable<Host> = {
      prints,
      listener: watch,
      journal,
      report: (line) => this.#say(line),
      dial: (dialler) => this.#start(this.#dial(dialler)),
      waitForPuts: pauseBriefly,
      random: Math.random,
      newClusterId: () => crypto.randomUUID(),
    };
    const now = performance.now();
    const started = { self, host, tuning: { ...tuningDefault, ...tuning }, now };
    const { recovered } = journal ?? {};
    this.#engine = options.engine?.(started) ??
      startReplica({ ...started, leader: this.#leader, recovered });
    this.#observers = new Observers(self, this.#engine, { prints, watch }, (recording) => {
      host.prints = recording ?? prints;
      host.listener = recording ?? watch;
    });
    this.#context = {
      self,
      engine: this.#engine,
      observers: this.#observers,
      tuning: started.tuning,
      mutex: this.#mutex,
      secrets,
      leads: this.#leader === self,
      processStatus: () => ({
        connections: this.#peers.size,
        uptimeMs: Math.round(performance.now() - this.#startedAt),
        memoryBytes: Deno.memoryUsage().rss,
        faults: allowFaults,
      }),
      flush: () => this.#flush(),
      report: (line) => this.#say(line),
    };
    if (allowFaults) {
      this.#say("warning: FAULT is taken: any client may hold the replication to a follower");
    }
    this.#start(this.#listener.accept((conn) => this.#accept(conn), (line) => this.#say(line)));
    journal?.begin({
      durable: (count) => this.#engine.durable(count),
      failed: (error) => this.#failed.resolve(error),
    });
    this.#tick();
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  /** The table, to look at. */
  get table(): Engine["table"] {
    return this.#engine.table;
  }

  /** Whether this server answers GETs from its table. */
  get readable(): boolean {
    return this.#engine.readable;
  }

  /** What this server is and what it holds. */
  get status(): ServerStatus {
    return statusOf(this.#context.self, this.#engine, this.#context.processStatus());
  }

  /** Resolves once this server answers GETs from its table. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when the journal can no longer be written: nothing more is confirmed. */
  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  /** Stops accepting, answers what it can, and closes. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as {@linkcode KvServer.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#listener.close();
    this.#stopDialling.abort();
    // Clients first: their answers may still need the connections between the servers.
    const clients = [...this.#peers.keys()].filter((connection) => !connection.betweenServers);
    for (const connection of clients) connection.close();
    const until = performance.now() + shutdownMs;
    await this.#whenGone(clients, until);
    // PUTs that came through other servers.
    while (this.#engine.outstandingPuts > 0 && performance.now() < until) await delay(tickMs);
    clearInterval(this.#ticker);
    for (const connection of this.#peers.keys()) connection.close();
    await this.#whenGone([...this.#peers.keys()], performance.now() + lingerMs);
    for (const connection of this.#peers.keys()) connection.abort();
    await Promise.all(this.#tasks);
    await this.#engine.close();
  }

  /** Waits until the connections have ended, but no longer than until a time. */
  async #whenGone(connections: Connection[], until: number): Promise<void> {
    while (performance.now() < until && connections.some((one) => this.#peers.has(one))) {
      this.#gone = Promise.withResolvers();
      const timer = setTimeout(this.#gone.resolve, Math.max(0, until - performance.now()));
      await this.#gone.promise;
      clearTimeout(timer);
    }
  }

  #newAcceptor(tls: Required<Tls>): TlsAcceptor {
    const plain = "this server speaks TLS, and this connection does not";
    return new TlsAcceptor(tls, {
      handshakeMs: this.#limits.tlsHandshakeMs,
      plainAnswer: new ErrorReply("FORBIDDEN", plain).encode(),
      report: (line) => this.#say(line),
    });
  }

  #accept(conn: Deno.TcpConn): void {
    const connection = new Connection(this.#acceptor?.secure(conn) ?? conn, this.#limits);
    const { connectionsMax, connectionsPerIpMax } = this.#limits;
    const fromThere = this.#perIp.get(connection.ip) ?? 0;
    const reason = this.#peers.size - this.#refused.size >= connectionsMax
      ? `this server has its ${connectionsMax} connections`
      : fromThere >= connectionsPerIpMax
      ? `this server has ${connectionsPerIpMax} connections from ${connection.ip}`
      : undefined;
    if (reason !== undefined) this.#refused.add(connection);
    this.#serve(connection);
    if (reason === undefined) return;
    this.#say(`refused a connection: ${reason}`);
    connection.send(new ErrorReply("OVERLOADED", reason).encode());
    connection.close();
    // It may take a moment to read that; when too many do, it may not.
    if (this.#refused.size > refusedMax) connection.abort();
  }

  /** Each connection is served in a task of its own (enunciado 5.b). */
  #serve(connection: Connection): ConnectionHandler {
    const peer = new ConnectionHandler(connection, this.#context);
    this.#peers.set(connection, peer);
    if (!this.#refused.has(connection)) this.#count(connection.ip, 1);
    this.#start(this.#run(connection, peer));
    return peer;
  }

  #count(ip: string, change: 1 | -1): void {
    const count = (this.#perIp.get(ip) ?? 0) + change;
    if (count > 0) this.#perIp.set(ip, count);
    else this.#perIp.delete(ip);
  }

  async #run(connection: Connection, peer: ConnectionHandler): Promise<void> {
    try {
      await connection.run(peer);
    } catch (error) {
      this.#say(`connection of ${connection.peer} ended: ${(error as Error).stack}`);
    } finally {
      if (!this.#refused.delete(connection)) this.#count(connection.ip, -1);
      this.#peers.delete(connection);
      peer.ended();
      this.#engine.closed(connection);
      this.#observers.closed(connection);
      this.#gone?.resolve();
    }
  }

  /**
   * Chunks that arrive together are handed out one after the other, each in a microtask that is queued
   * already: what is queued now comes behind them all.
   */
  #flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#engine.flush();
    });
  }

  #tick(): void {
    const now = performance.now();
    this.#engine.tick(now);
    this.#observers.tick(now);
    if (this.#engine.readable) this.#ready.resolve();
    this.#relieve();
    if (now - this.#sweptAt < sweepMs) return;
    this.#sweptAt = now;
    for (const connection of this.#peers.keys()) connection.sweep(now);
  }

  /** Each connection is bounded, but many times a little is much: who holds most goes first. */
  #relieve(): void {
    let heldBytes = 0;
    for (const { betweenServers, heldBytes: bytes } of this.#peers.keys()) {
      if (!betweenServers) heldBytes += bytes;
    }
    if (heldBytes <= this.#limits.heldBytesMax) return;
    const clients = [...this.#peers.keys()].filter(({ betweenServers }) => !betweenServers)
      .sort((a, b) => b.heldBytes - a.heldBytes);
    let cut = 0;
    for (; heldBytes > this.#limits.heldBytesMax; cut++) {
      heldBytes -= clients[cut]!.heldBytes;
      clients[cut]!.abort();
    }
    this.#say(`cut off ${cut} connections that held most of what clients left half sent or unread`);
  }

  async #dial(dialler: Dialler): Promise<void> {
    const address = parseAddress(this.#leader)!;
    const stop = this.#stopDialling.signal;
    const signal = AbortSignal.any([stop, AbortSignal.timeout(dialTimeoutMs)]);
    try {
      const connection = await Connection.dial(address, signal, this.#tls, this.#limits);
      const peer = this.#serve(connection);
      const secret = this.#secrets.server;
      if (secret !== undefined) await this.#prove(connection, peer, secret, signal);
      dialler.dialled(connection);
    } catch (error) {
      if (!stop.aborted) dialler.dialFailed((error as Error).message);
    }
  }

  async #prove(
    connection: Connection,
    peer: ConnectionHandler,
    secret: Secret,
    signal: AbortSignal,
  ): Promise<void> {
    const giveUp = () => connection.abort();
    signal.addEventListener("abort", giveUp);
    try {
      await peer.prove(secret, "server");
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  #start(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task));
  }

  /** Reports a line, but not the same one again and again. */
  #say(line: string): void {
    if (line === this.#lastReport) return;
    this.#lastReport = line;
    this.#report(line);
  }
}

/**
 * Timers are exact to a millisecond or two, which is too long. So the event loop goes round again and
 * again, and looks for what has arrived meanwhile. The answers that are due go out first.
 */
function pauseBriefly(run: () => void): () => void {
  let endMs: number | undefined;
  let ended = false;
  const turn = () => {
    if (ended) return;
    endMs ??= performance.now() + pauseMs;
    if (performance.now() < endMs) setImmediate(turn);
    else run();
  };
  setImmediate(turn);
  return () => ended = true;
}
