/**
 * The follower's half of the replication: applies the leader's writes in the leader's order.
 *
 * @module
 */

import {
  type AnyMensagem,
  ErrorReply,
  type Fault,
  type FollowerStatus,
  type Get,
  GetLatest,
  Join,
  type JoinOk,
  protocolVersion,
  type Put,
  type Replication,
  ReplicationOk,
  type Snapshot,
  SnapshotOk,
  type Sync,
  type WriteRequest,
} from "../mensagem.ts";
import {
  answerGetFrom,
  type Engine,
  type EngineOptions,
  misdirected,
  noRequests,
  type RequestCounts,
} from "./engine.ts";
import type { Dialler, Host, Link } from "./environment.ts";
import { ForwardedRequests } from "./forwarded_requests.ts";
import { assert } from "./invariant.ts";
import { isOutdated, outdatedReason, refusesData } from "./join_policy.ts";
import { clearTable } from "./journal.ts";
import { LeaderConnection } from "./leader_connection.ts";
import { Ledger } from "./ledger.ts";
import { notApplied, type OrderedRequest } from "./pending_requests.ts";
import type { RecoveredState } from "./recovered_state.ts";
import { SnapshotSender } from "./snapshot.ts";
import { saysStopping } from "./stopping.ts";
import { Store } from "./store.ts";
import { SyncState } from "./sync_state.ts";
import { TickClock } from "./tick_clock.ts";
import { whyNotNext, whyNotSynced } from "./timestamps.ts";
import { answerBy, type Tuning } from "./tuning.ts";

/**
 * A server that dials the leader and keeps that one connection.
 *
 * Its connection, its state of synchronisation and the PUTs that it forwards have files of their own.
 */
export class Follower implements Engine, Dialler {
  readonly #self: string;
  readonly #host: Host;
  readonly #tuning: Tuning;
  readonly #store: Store;
  /** "host:port" of the leader. */
  readonly leader: string;

  readonly #ledger: Ledger;
  readonly #clock: TickClock;
  readonly #connection: LeaderConnection;
  readonly #sync: SyncState;
  readonly #forwarded = new ForwardedRequests();
  /** The number of this process. Its JOIN replaces the connection of an earlier one with the same. */
  readonly #instance: number;
  /** JOINs that this process has sent. */
  #attempts = 0;

  /** This server's table on its way to a recovering leader. Invariant: only while connected. */
  #snapshot: SnapshotSender | undefined;
  /** Whether the next flush acknowledges. Invariant: only while connected. */
  #acknowledgementDue = false;
  /** Whether the operator was told that this server answers GETs. */
  #reportedReadable = false;
  /** Whether this process has written to its journal that it follows. */
  #journalSaysFollower = false;

  /** Followers do not decide which servers are in sync. */
  readonly inSync: readonly string[] = [];
  /** The leader decides all requests. */
  readonly counts: Readonly<RequestCounts> = noRequests();
  /** Followers do not know of each other. */
  readonly followers: readonly FollowerStatus[] = [];

  /** A follower that is about to dial `leader`, with what its journal held. */
  constructor(
    { self, host, tuning, now }: EngineOptions,
    leader: string,
    recovered?: RecoveredState,
  ) {
    this.#self = self;
    this.leader = leader;
    this.#host = host;
    this.#tuning = tuning;
    this.#store = recovered?.store ?? new Store();
    this.#store.tombstonesMax = tuning.tombstonesMax;
    this.#ledger = new Ledger(host.journal);
    this.#clock = new TickClock(now, tuning);
    this.#connection = new LeaderConnection(leader, host, tuning, this.#clock);
    this.#sync = new SyncState(this.#store, recovered);
    this.#instance = Math.floor(host.random() * 2 ** 52);
  }

  get table(): Store {
    return this.#store;
  }

  get readable(): boolean {
    return this.#sync.readable;
  }

  get cluster(): string {
    return this.#sync.cluster;
  }

  get timestamp(): number {
    return this.#sync.timestamp;
  }

  get outstandingPuts(): number {
    return this.#forwarded.size;
  }

  get cutOffMs(): number | undefined {
    return this.#connection.lostForMs;
  }

  /** Does nothing: only the leader knows of the other servers. */
  describe(): void {}

  get(link: Link, request: Get): void {
    answerGetFrom(this.#store, this.#sync.readable, this.#host, link, request);
  }

  /** enunciado 5.c: forwards the request to the leader, with the client's address for its print. */
  put(link: Link, put: Put): void {
    const forwarding = this.#forward(link, put);
    if (forwarding === undefined) return; // it is answered
    this.#host.prints.forwarding(put.key, put.value);
    forwarding.leader.send(put.forwarded(forwarding.id, link.peer).frame());
  }

  write(link: Link, write: WriteRequest): void {
    const forwarding = this.#forward(link, write);
    if (forwarding === undefined) return; // it is answered
    this.#host.listener?.forwardingWrite(write);
    forwarding.leader.send(write.forwarded(forwarding.id, link.peer).frame());
  }

  getLatest(link: Link, request: GetLatest): void {
    const forwarding = this.#forward(link, request);
    forwarding?.leader.send(new GetLatest(forwarding.id, request.key).encode());
  }

  fault({ id }: Fault): ErrorReply {
    return new ErrorReply("FORBIDDEN", this.#notLeader, id);
  }

  receive(link: Link, message: AnyMensagem): string | undefined {
    if (link !== this.#connection.link) {
      return message.type === "JOIN" ? this.#notLeader : misdirected(message);
    }
    this.#connection.heard();
    switch (message.type) {
      case "REPLICATION":
        this.#write(message);
        return undefined;
      case "PUT_OK":
      case "WRITE_OK":
      case "CONFLICT":
      case "GET_OK":
        this.#forwarded.answer(message);
        return undefined;
      case "HEARTBEAT":
        return undefined;
      case "JOIN_OK":
        this.#joined(message);
        return undefined;
      case "SYNC":
        this.#synchronise(message);
        return undefined;
      case "SNAPSHOT":
        this.#ledger.append(message);
        this.#merge(message);
        // Confirmed only once it is on the disk: chunks must not pile up before a slow disk.
        this.#ledger.whenDurable(() => link.send(new SnapshotOk().encode()));
        return undefined;
      case "SNAPSHOT_REQUEST":
        this.#snapshot = new SnapshotSender(link, this.#store, "empty", this.#tuning);
        return undefined;
      case "SNAPSHOT_OK":
        this.#snapshotConfirmed();
        return undefined;
      case "ERROR":
        this.#refused(message);
        return undefined;
      default:
        return message.type === "JOIN" ? this.#notLeader : misdirected(message);
    }
  }

  flush(): void {
    if (!this.#acknowledgementDue) return;
    this.#acknowledgementDue = false;
    // What came on a connection is acknowledged on that connection.
    const { link } = this.#connection;
    const { timestamp } = this.#sync;
    this.#ledger.whenDurable(() => link?.send(new ReplicationOk(timestamp).encode()));
  }

  durable(count: number): void {
    this.#ledger.durable(count);
  }

  closed(link: Link): void {
    if (link === this.#connection.link) this.#disconnect("the connection ended");
  }

  dialled(link: Link): void {
    if (!this.#connection.dialled(link)) return;
    // A table that was never complete must not count: an entry in it could hide the entry of another
    // cluster.
    if (this.#sync.cluster === "") {
      if (this.#sync.highest > 0) this.#ledger.append(clearTable());
      this.#clear();
    }
    const { cluster, timestamp, unfinished } = this.#sync;
    const [instance, attempt] = [this.#instance, ++this.#attempts];
    const join = [this.#self, cluster, timestamp, unfinished, instance, attempt] as const;
    link.send(new Join(...join, protocolVersion).encode());
  }

  dialFailed(reason: string): void {
    this.#connection.dialFailed(reason);
  }

  tick(now: number): void {
    this.#clock.tick(now);
    if (this.#clock.stoodStill) this.#connection.heard();
    if (this.#connection.silent) {
      this.#disconnect(`it was silent for over ${this.#tuning.silenceMs} ms`);
    } else this.#connection.tick(this);
    this.#forwarded.expire(now);
  }

  /** Nothing runs in the background. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant of the follower or of one of its parts is broken.
   */
  checkInvariants(): void {
    this.#connection.checkInvariants();
    this.#sync.checkInvariants();
    this.#ledger.checkInvariants();
    const connected = this.#connection.link !== undefined;
    assert(
      connected || this.#snapshot === undefined,
      "a snapshot is under way without a connection",
    );
    assert(
      connected || !this.#acknowledgementDue,
      "an acknowledgement is due without a connection",
    );
    const joined = this.#connection.joinedLink !== undefined;
    assert(joined || this.#forwarded.size === 0, "PUTs are forwarded without a leader");
  }

  get #notLeader(): string {
    return `${this.#self} is not the leader, ${this.leader} is`;
  }

  /** A server that led before must not open alone later: its journal has to say that it follows. */
  #noteFollower(): void {
    if (this.#journalSaysFollower) return;
    this.#journalSaysFollower = true;
    this.#ledger.append(new Join(this.#self, this.#sync.cluster, this.#sync.timestamp));
  }

  #write(message: Replication): void {
    const reason = whyNotNext(message, this.#sync.timestamp);
    if (reason !== undefined) return this.#disconnect(reason);
    this.#ledger.append(message);
    this.#apply(message);
  }

  #synchronise(message: Sync): void {
    const reason = whyNotSynced(message, this.#sync.highest);
    if (reason !== undefined) {
      // An entry above all of the leader's would hide its later writes: the leader sends its table.
      this.#ledger.append(clearTable());
      this.#clear();
      return this.#disconnect(reason);
    }
    this.#ledger.append(message);
    this.#sync.synchronise(message);
    this.#advanced();
    this.#host.listener?.table();
  }

  /**
   * enunciado 5.d: prints, applies, and acknowledges with the next flush, once for all writes that
   * came together.
   */
  #apply({ key, write }: Replication): void {
    this.#host.prints.replication(key, write.value, write.timestamp);
    this.#store.apply(key, write);
    this.#sync.sawEntry(write.timestamp);
    this.#advanced();
  }

  /**
   * The leader's link, and the id of the request towards it. `undefined` if the request cannot be
   * forwarded: then its client has the answer.
   */
  #forward(link: Link, request: OrderedRequest): { leader: Link; id: number } | undefined {
    const { id } = request;
    const leader = this.#connection.joinedLink;
    if (leader === undefined) {
      link.send(notApplied(id, `no connection to the leader ${this.leader}`));
      return undefined;
    }
    if (request.type !== "PUT" && this.#connection.outdated) {
      const reason = `the leader ${this.leader} runs a version that knows only PUT and GET`;
      link.send(notApplied(id, `${reason}: upgrade it`));
      return undefined;
    }
    const { outstandingPutsMax, putTimeoutMs } = this.#tuning;
    if (this.#forwarded.size >= outstandingPutsMax) {
      const waiting = `${this.#forwarded.size} PUTs are waiting already, try again later`;
      link.send(new ErrorReply("OVERLOADED", `not applied: ${waiting}`, id).encode());
      return undefined;
    }
    const deadline = answerBy(this.#clock.now, putTimeoutMs);
    return { leader, id: this.#forwarded.add(link, request, deadline) };
  }

  /** The leader accepts this server, unless it could not hold this server's table. */
  #joined({ protocol }: JoinOk): void {
    if (isOutdated({ protocol }) && this.#store.beyondPuts) {
      return this.#disconnect(`${outdatedReason(this.leader)}. This server holds some of them`);
    }
    this.#sync.include();
    this.#connection.joined(protocol);
    this.#noteFollower();
  }

  #snapshotConfirmed(): void {
    if (this.#snapshot === undefined || this.#snapshot.unconfirmed === 0) {
      return this.#disconnect("it confirmed a snapshot chunk that was not sent");
    }
    if (this.#snapshot.confirmed()) this.#snapshot = undefined;
  }

  #merge({ entries, replace, floor }: Snapshot): void {
    if (replace === true) {
      this.#host.report("what this server held is replaced by the leader's table", "leader");
      this.#clear();
    }
    this.#store.unsettle(floor);
    for (const [key, value, timestamp, ttlMs] of entries) {
      this.#store.put(key, value, timestamp, ttlMs);
      this.#sync.sawEntry(timestamp);
    }
  }

  #clear(): void {
    this.#snapshot = undefined; // it walks through the table that is gone
    this.#sync.clear();
    this.#reportedReadable = false;
  }

  /** An acknowledgement is due, and the table may have become readable. */
  #advanced(): void {
    this.#acknowledgementDue = true;
    if (this.#reportedReadable || !this.#sync.readable) return;
    this.#reportedReadable = true;
    const { cluster, timestamp } = this.#sync;
    this.#host.report(`synchronised at timestamp ${timestamp}, cluster ${cluster}`, "leader");
  }

  /**
   * An ERROR with an id answers a forwarded PUT. One without ends the connection. This server goes on
   * answering GETs, unless the leader refuses its data.
   */
  #refused(error: ErrorReply): void {
    const { id, code, message } = error;
    if (id !== undefined) {
      this.#forwarded.refused(id, code, message);
      return;
    }
    if (this.#connection.joinedLink === undefined && refusesData(error)) {
      if (this.#sync.readable) {
        this.#host.report("GETs are refused until the leader takes this server", "leader");
      }
      this.#sync.exclude();
    }
    if (saysStopping(error)) this.#forwarded.notRead(message);
    this.#disconnect(`${code}: ${message}`);
  }

  #disconnect(reason: string): void {
    this.#acknowledgementDue = false;
    this.#snapshot = undefined;
    this.#connection.lose(reason);
    this.#forwarded.fail();
  }
}
