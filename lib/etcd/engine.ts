/**
 * The engine that keeps its data in etcd. The entry module of this folder.
 *
 * A server on etcd is a follower whose leader is etcd: it has the table of any follower, filled from
 * one member of etcd, and answers GETs from it. etcd orders the writes, and the revision of a write is
 * its timestamp. Wire, console lines and clients are the same as with the embedded engine.
 *
 * @module
 */

import {
  type AnyMensagem,
  ErrorReply,
  type Fault,
  type FaultOk,
  type FollowerStatus,
  type Get,
  type GetLatest,
  type Put,
  type WriteRequest,
} from "../mensagem.ts";
import {
  answerGet,
  answerGetFrom,
  type Engine,
  type EngineOptions,
  misdirected,
  type RequestCounts,
  type StartEngine,
} from "../replication/engine.ts";
import type { Host, Link, ReplicationListener } from "../replication/environment.ts";
import { Store } from "../replication/store.ts";
import { Beat } from "./beat.ts";
import { EtcdClient } from "./client.ts";
import { EtcdMember, type MemberOptions } from "./member.ts";
import { checkOptions, type EtcdOptions } from "./options.ts";
import { EtcdRequests, refuse, unreadable } from "./requests.ts";
import { TableFeed } from "./table_feed.ts";

/** The leader's address in STATUS_OK while it is unknown. No server can listen there. */
const unknownLeader = "0.0.0.0:1";

/** Shorter times, for tests. */
type Pace = Partial<Pick<MemberOptions, "pollMs" | "watchIdleMs">>;

/** An engine that keeps its data in etcd. */
export class EtcdEngine implements Engine {
  readonly #self: string;
  readonly #host: Host;
  readonly #client: EtcdClient;
  readonly #store = new Store();
  readonly #feed: TableFeed;
  readonly #member: EtcdMember;
  readonly #requests: EtcdRequests;
  readonly #beat: Beat;

  /**
   * Returns a function that starts such an engine.
   *
   * ```ts
   * import { EtcdEngine } from "./engine.ts";
   * import { KvServer } from "../server/kv_server.ts";
   * import { ServerConsole } from "../cli/server_console.ts";
   *
   * await using server = KvServer.start({
   *   listen: { hostname: "127.0.0.1", port: 10097 },
   *   engine: EtcdEngine.at({ url: "http://127.0.0.1:2379", prefix: "kv/" }),
   *   prints: new ServerConsole((text) => Deno.stdout.writeSync(new TextEncoder().encode(text))),
   *   report: console.error,
   * });
   * ```
   *
   * @throws {TypeError} if an option is not valid, or this process may not connect to etcd.
   */
  static at(options: EtcdOptions, pace: Pace = {}): StartEngine {
    checkOptions(options);
    return (world) => new EtcdEngine(world, options, pace);
  }

  private constructor({ self, host, tuning }: EngineOptions, options: EtcdOptions, pace: Pace) {
    this.#self = self;
    this.#host = host;
    const { silenceMs, redialFirstMs, redialLongestMs } = tuning;
    const client = this.#client = new EtcdClient(options);
    const store = this.#store;
    const report = (line: string) => host.report(line);
    this.#feed = new TableFeed(store, client, report);
    this.#requests = new EtcdRequests({
      host,
      tuning,
      client,
      store,
      member: () => this.#member,
      seen: (revision) => this.#beat.want(revision),
    });
    this.#member = new EtcdMember(options.url, client, this.#feed, {
      silenceMs,
      redialFirstMs,
      redialLongestMs,
      ...pace,
      random: () => host.random(),
      newName: () => host.newClusterId().replaceAll("-", "").slice(0, 12),
    }, {
      applied: (events) => this.#requests.applied(events),
      advanced: (read) => this.#advanced(read),
      changed: () => {
        if (host.listener !== undefined) this.describe(host.listener);
      },
      report,
    });
    this.#beat = new Beat(client, this.#member, store, silenceMs);
  }

  get table(): Store {
    return this.#store;
  }

  /** This server's address if its member leads etcd, else that of the leading member. */
  get leader(): string {
    return this.#member.leads ? this.#self : this.#member.leader || unknownLeader;
  }

  get readable(): boolean {
    return this.#feed.loaded && this.#member.wasOpen;
  }

  get cluster(): string {
    return this.#member.cluster;
  }

  get timestamp(): number {
    return this.#store.timestamp;
  }

  /** How long etcd has been lost, `undefined` while it is not. */
  get cutOffMs(): number | undefined {
    return this.#member.lostForMs;
  }

  /** The leader alone: only etcd knows which other members are in sync with it. */
  get inSync(): readonly string[] {
    return this.#member.leads ? [this.#self] : [];
  }

  /** Servers on etcd do not know each other. */
  readonly followers: readonly FollowerStatus[] = [];

  get outstandingPuts(): number {
    return this.#requests.outstanding;
  }

  get counts(): Readonly<RequestCounts> {
    return this.#requests.counts;
  }

  describe(listener: ReplicationListener): void {
    if (this.#member.leads) listener.members([], this.inSync, this.readable);
  }

  wanted(timestamp: number): void {
    if (timestamp > this.#store.timestamp) this.#beat.want(timestamp);
  }

  get(link: Link, request: Get): void {
    const { id, key, timestamp: seen, atLeast = 0 } = request;
    if (this.#feed.isUnreadable(key)) return refuse(link, id, "UNAVAILABLE", unreadable);
    this.wanted(Math.max(seen, atLeast));
    if (this.readable && this.#isAbsentSince(key, seen) && this.#store.covers(atLeast)) {
      return answerGet(this.#host, link, request, { fresh: true, value: null, timestamp: seen });
    }
    answerGetFrom(this.#store, this.readable, this.#host, link, request);
  }

  /** enunciado 5.c: if this server's member is not etcd's leader, the member forwards the PUT. */
  put(link: Link, request: Put): void {
    this.#requests.write(link, request);
  }

  /** A PUT under a condition, with a time to live, or a deletion. */
  write(link: Link, request: WriteRequest): void {
    this.#requests.write(link, request);
  }

  /** Reads from etcd's majority. */
  getLatest(link: Link, request: GetLatest): void {
    this.#requests.getLatest(link, request);
  }

  fault({ id }: Fault): ErrorReply | FaultOk {
    const reason = `${this.#self} keeps its data in etcd and replicates nothing`;
    return new ErrorReply("FORBIDDEN", reason, id);
  }

  receive(_link: Link, message: AnyMensagem): string {
    return message.type === "JOIN"
      ? `${this.#self} keeps its data in etcd: no server joins another`
      : misdirected(message);
  }

  // Nothing to do: etcd replicates and has its own journal.
  flush(): void {}
  closed(): void {}
  durable(): void {}

  tick(): void {
    this.#requests.tick();
    this.#beat.tick();
  }

  async close(): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.#member.close();
    await this.#requests.close();
    await this.#beat.close();
  }

  /**
   * Whether a key did not exist at `seen` and does not exist now. A client may have been told the revision
   * of a read, or the floor of another server: both are above the removal that this table remembers.
   */
  #isAbsentSince(key: string, seen: number): boolean {
    const store = this.#store;
    return seen > 0 && store.get(key) === undefined && store.absentSince(key) < seen &&
      store.covers(seen);
  }

  /** More is in the table than events have shown: all of it, if it was `read`. */
  #advanced(read: boolean): void {
    this.#requests.appliedUpTo(this.#store.timestamp);
    if (read) this.#host.listener?.table();
  }
}
