/**
 * A running server: the engine with sockets, a clock and limits.
 *
 * @module
 */

import { Channel } from "@std/async/channel";
import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../wire/address.ts";
import { tlsExpected } from "../wire/errors.ts";
import { Connection } from "../net/connection.ts";
import { Listener } from "../net/listener.ts";
import type { ReportLimiter } from "../net/report_limiter.ts";
import type { TlsAcceptor } from "../net/tls.ts";
import type { TlsSocketOptions } from "../net/tls_socket.ts";
import type { Engine, RequestCounts } from "../replication/engine.ts";
import { ErrorReply, type ServerStatus } from "../mensagem.ts";
import { startReplica } from "../replication/replica.ts";
import { stoppingReply } from "../replication/stopping.ts";
import { type QueryCounts, TableQueries } from "../replication/table_queries.ts";
import type { Host } from "../replication/environment.ts";
import { tuningDefault } from "../replication/tuning.ts";
import { version } from "../version.ts";
import { Admission } from "./admission.ts";
import { CertificateWatch } from "./certificate_watch.ts";
import { ConnectionHandler } from "./connection_handler.ts";
import { waitForGroup } from "./group_wait.ts";
import type { KvServerOptions } from "./kv_server_options.ts";
import { LeaderDialler } from "./leader_dialler.ts";
import { Observers } from "./observers.ts";
import { limitedReports, type Topic } from "./report_topics.ts";
import { type ServerContext, statusOf } from "./server_context.ts";
import { type ServerLimits, serverLimitsDefault } from "./server_limits.ts";

export type { KvServerOptions } from "./kv_server_options.ts";

/** The host's `prints` and `listener` change while the server runs. */
type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * A server of the cluster.
 *
 * ```ts
 * import { KvServer } from "./kv_server.ts";
 * import { ServerConsole } from "../cli/server_console.ts";
 *
 * await using leader = KvServer.start({
 *   listen: { hostname: "127.0.0.1", port: 10097 },
 *   prints: new ServerConsole((text) => Deno.stdout.writeSync(new TextEncoder().encode(text))),
 *   report: console.error,
 *   tuning: { clusterSize: 1, minInSync: 1 },
 * });
 * ```
 *
 * It has many fields because it puts the parts together. Each part keeps its own state.
 */
export class KvServer implements AsyncDisposable {
  /** The address it listens on. */
  readonly address: Address;

  readonly #reports: ReportLimiter<Topic>;
  readonly #limits: ServerLimits;
  readonly #listener: Listener;
  readonly #tls: TlsAcceptor | undefined;
  readonly #tlsOptions: TlsSocketOptions;
  /** `undefined` without TLS. */
  readonly #certificates: CertificateWatch | undefined;
  readonly #admission: Admission;
  readonly #leaderDialler: LeaderDialler;
  readonly #engine: Engine;
  readonly #queries: TableQueries;
  readonly #observers: Observers;
  readonly #context: ServerContext;
  /** All open connections, the refused ones included. */
  readonly #handlers = new Map<Connection, ConnectionHandler>();
  /** Background tasks: one accepts, one may dial, and one serves each connection. */
  readonly #tasks = new Set<Promise<void>>();
  readonly #ticker: ReturnType<typeof setInterval>;
  #sweptAt = performance.now();
  /** Whether the engine will be flushed at the end of this turn. */
  #flushQueued = false;
  /** Whether LIST and WATCH have work to do, at the end of this turn or in the next. */
  #queriesDue = false;
  #queriesTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #ready = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<Error>();
  /** Set while closing waits for a connection to end. */
  #oneEnded: PromiseWithResolvers<void> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Listens and serves.
   *
   * @throws {Deno.errors.AddrInUse} if the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} if the address is not one of this machine.
   * @throws {TypeError} if clients need a password, but servers can join without a proof.
   */
  static start(options: KvServerOptions): KvServer {
    return new KvServer(options);
  }

  private constructor(options: KvServerOptions) {
    const { listen, advertise, leader, prints, watch, tuning, limits, tls } = options;
    const { secrets = {}, allowFaults = false, journal } = options;
    const joins = options.engine === undefined;
    if (joins && secrets.client !== undefined && secrets.server === undefined && !tls) {
      throw new TypeError(
        "Clients need a password, but servers can join without a secret, and read everything: " +
          "give servers a secret or TLS too",
      );
    }
    const reports = this.#reports = limitedReports(options.report);
    this.#limits = { ...serverLimitsDefault, ...limits };
    this.#admission = new Admission(this.#limits);
    this.#tls = tls;
    this.#tlsOptions = {
      handshakeMs: this.#limits.tlsHandshakeMs,
      plainAnswer: new ErrorReply("FORBIDDEN", tlsExpected).encode(),
      report: reports.about("TLS"),
    };
    this.#listener = new Listener(listen);
    this.address = this.#listener.address;
    const self = formatAddress(advertise ?? this.address);
    const aboutCertificates = reports.about("certificates");
    this.#certificates = tls && new CertificateWatch(self, tls.certificate, aboutCertificates);
    this.#certificates?.sweep([], Date.now());
    // enunciado 5.a: the server whose address is the leader's is the leader.
    const leaderName = leader === undefined ? self : formatAddress(leader);
    this.#leaderDialler = new LeaderDialler({
      self,
      leader: leaderName,
      secret: secrets.server,
      tls: tls?.tls,
      limits: this.#limits,
      report: reports.about("dial"),
      serve: (connection) => {
        this.#admission.add(connection);
        return this.#serve(connection, true);
      },
      connections: () => this.#handlers.keys(),
      failed: (error) => this.#failed.resolve(error),
    });
    const startedAt = performance.now();
    const host: Mutable<Host> = {
      prints,
      listener: watch,
      journal,
      report: (line, topic) => reports.report(line, topic ?? "engine"),
      dial: (caller) => this.#start(this.#leaderDialler.dial(caller)),
      waitForPuts: waitForGroup,
      random: Math.random,
      newClusterId: () => crypto.randomUUID(),
    };
    const engineOptions = { self, host, tuning: { ...tuningDefault, ...tuning }, now: startedAt };
    const { recovered } = journal ?? {};
    this.#engine = options.engine?.(engineOptions) ??
      startReplica({ ...engineOptions, leader: leaderName, recovered });
    this.#queries = new TableQueries(this.#engine, {
      limits: engineOptions.tuning,
      wake: () => {
        this.#queriesDue = true;
        this.#flush();
      },
    });
    this.#observers = new Observers(self, this.#engine, { prints, watch }, (sink) => {
      host.prints = sink ?? prints;
      host.listener = sink ?? watch;
    });
    this.#context = {
      self,
      engine: this.#engine,
      queries: this.#queries,
      observers: this.#observers,
      tuning: engineOptions.tuning,
      mutex: new Channel<true>({ capacity: 1 }),
      secrets,
      leads: joins && leaderName === self,
      stopping: () => this.#closing !== undefined,
      processStatus: () => ({
        connections: this.#handlers.size,
        uptimeMs: Math.round(performance.now() - startedAt),
        memoryBytes: Deno.memoryUsage().rss,
        faults: allowFaults,
        watches: this.#queries.counts.watching.watches,
        version,
      }),
      flush: () => this.#flush(),
      report: reports.about("refused"),
    };
    if (allowFaults) {
      options.report(
        "warning: FAULT is accepted (--allow-faults): any client can hold the replication to a follower",
      );
    }
    const makeRoom = () =>
      reports.report(this.#admission.makeRoom(this.#handlers.keys()), "open files");
    const accept = (conn: Deno.TcpConn) => this.#accept(conn);
    this.#start(this.#listener.accept(accept, reports.about("accept"), makeRoom));
    journal?.begin({
      durable: (count) => this.#engine.durable(count),
      failed: (error) => this.#failed.resolve(error),
    });
    this.#tick();
    this.#ticker = setInterval(() => this.#tick(), this.#limits.tickMs);
  }

  /** The table, for inspection. */
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

  /** What the messages of coordination have led to since the start. */
  get counts(): QueryCounts & RequestCounts {
    return { ...this.#queries.counts, ...this.#engine.counts };
  }

  /** Resolves once this server answers GETs from its table. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves if the journal cannot be written any more, or the leader's address leads to itself. */
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
    const { shutdownMs, tickMs, lingerMs } = this.#limits;
    this.#listener.close();
    this.#leaderDialler.stop();
    // Clients first: their answers may still need the connections between the servers.
    const clients = [...this.#handlers.keys()].filter((connection) => !connection.betweenServers);
    const goodbye = stoppingReply().encode();
    for (const connection of clients) {
      // A stranger hears nothing: it may be in the middle of a handshake.
      if (connection.unproven) connection.close();
      else connection.close(goodbye);
    }
    const until = performance.now() + shutdownMs;
    await this.#ended(clients, until);
    // PUTs that followers have forwarded.
    while (this.#engine.outstandingPuts > 0 && performance.now() < until) await delay(tickMs);
    clearInterval(this.#ticker);
    // With a PUT still under way the followers must not hear that all of theirs are answered.
    const last = this.#context.leads && this.#engine.outstandingPuts === 0 ? goodbye : undefined;
    for (const connection of this.#handlers.keys()) connection.close(last);
    await this.#ended([...this.#handlers.keys()], performance.now() + lingerMs);
    for (const connection of this.#handlers.keys()) connection.abort();
    await Promise.all(this.#tasks);
    clearTimeout(this.#queriesTimer); // what is left to do is for no connection
    await this.#engine.close();
    this.#reports.close();
  }

  /** Waits until the connections have ended, at most until a time. */
  async #ended(connections: Connection[], until: number): Promise<void> {
    while (performance.now() < until && connections.some((one) => this.#handlers.has(one))) {
      this.#oneEnded = Promise.withResolvers();
      const timer = setTimeout(this.#oneEnded.resolve, Math.max(0, until - performance.now()));
      await this.#oneEnded.promise;
      clearTimeout(timer);
    }
  }

  #accept(conn: Deno.TcpConn): void {
    const socket = this.#tls?.secure(conn, this.#tlsOptions) ?? conn;
    const connection = new Connection(socket, this.#limits);
    this.#leaderDialler.compare(connection);
    const reason = this.#admission.admit(connection);
    if (reason === undefined) return void this.#serve(connection);
    this.#reports.report(`refused a connection: ${reason}`, "connections");
    if (!this.#admission.mayLinger(connection)) { // cut off before a read holds its descriptor for a moment
      this.#admission.remove(connection);
      return connection.abort();
    }
    this.#serve(connection);
    connection.send(new ErrorReply("OVERLOADED", reason).encode());
    connection.close();
  }

  /** enunciado 5.b: each connection is served in a task of its own. */
  #serve(connection: Connection, dialled = false): ConnectionHandler {
    const handler = new ConnectionHandler(connection, this.#context, dialled);
    this.#handlers.set(connection, handler);
    this.#start(this.#run(connection, handler));
    return handler;
  }

  async #run(connection: Connection, handler: ConnectionHandler): Promise<void> {
    try {
      await connection.run(handler);
    } catch (error) {
      const line = `connection of ${connection.peer} ended: ${(error as Error).stack}`;
      this.#reports.report(line, "failures");
    } finally {
      this.#admission.remove(connection);
      this.#handlers.delete(connection);
      handler.ended();
      this.#engine.closed(connection);
      this.#observers.closed(connection);
      this.#queries.closed(connection);
      this.#oneEnded?.resolve();
    }
  }

  /**
   * Flushes the engine once for all reads of this turn. Their microtasks are queued already, so this
   * one runs after them.
   */
  #flush(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      this.#engine.flush();
      if (this.#queriesDue) this.#runQueries();
    });
  }

  /** Does a slice of the work of LIST and WATCH. What is left waits for a turn of its own. */
  #runQueries(): void {
    this.#queriesDue = false;
    if (!this.#queries.run() || this.#queriesTimer !== undefined) return;
    this.#queriesTimer = setTimeout(() => {
      this.#queriesTimer = undefined;
      this.#runQueries();
    });
  }

  #tick(): void {
    const now = performance.now();
    this.#engine.tick(now);
    this.#queries.tick(now);
    this.#observers.tick(now);
    if (this.#engine.readable) this.#ready.resolve();
    const cut = this.#admission.freeMemory(this.#handlers.keys());
    if (cut > 0) {
      this.#reports.report(
        `cut off ${cut} connections with the most half-sent frames and unread answers: all clients ` +
          `together held more than ${this.#limits.heldBytesMax} bytes (--max-buffered)`,
        "memory",
      );
    }
    if (now - this.#sweptAt < this.#limits.sweepMs) return;
    this.#sweptAt = now;
    this.#reports.tick();
    this.#certificates?.sweep(this.#handlers, Date.now());
    for (const [connection, handler] of this.#handlers) {
      const verdict = connection.sweep(now);
      if (verdict === undefined) continue;
      const waits = this.#observers.has(connection) || this.#queries.has(connection);
      if (verdict === "idle" && waits) continue;
      handler.endLate(verdict, this.#limits);
    }
  }

  #start(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task));
  }
}
