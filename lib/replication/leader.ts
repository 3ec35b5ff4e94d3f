/**
 * The leader's half of the replication: timestamps, and the rule by which a write is committed.
 *
 * @module
 */

import {
  type AnyMensagem,
  type ErrorReply,
  type Fault,
  type FaultOk,
  type FollowerStatus,
  type Get,
  type GetLatest,
  type Join,
  JoinOk,
  protocolVersion,
  type Put,
  Sync,
  type WriteRequest,
} from "../mensagem.ts";
import { gapsMax } from "../wire/parse.ts";
import { CatchUp } from "./catch_up.ts";
import {
  answerGetFrom,
  type Engine,
  type EngineOptions,
  misdirected,
  type RequestCounts,
} from "./engine.ts";
import { Entrance } from "./entrance.ts";
import type { Host, Link, ReplicationListener, ReportTopic } from "./environment.ts";
import { Faults } from "./faults.ts";
import { assert } from "./invariant.ts";
import { outdatedReason } from "./join_policy.ts";
import { Ledger } from "./ledger.ts";
import { Member } from "./member.ts";
import { Members } from "./members.ts";
import { Outbox } from "./outbox.ts";
import { type OrderedRequest, whyLate } from "./pending_requests.ts";
import { Probation } from "./probation.ts";
import type { RecoveredState } from "./recovered_state.ts";
import { type Origin, Recovery } from "./recovery.ts";
import { type Cluster, Sequencer } from "./sequencer.ts";
import { Store } from "./store.ts";
import { TickClock } from "./tick_clock.ts";
import { whyNotHeld } from "./timestamps.ts";
import type { Tuning } from "./tuning.ts";

/**
 * The one server that gives timestamps.
 *
 * The work is in its parts, each in a file of its own. The leader hands them messages and the time.
 */
export class Leader implements Engine, Cluster {
  readonly #self: string;
  readonly #host: Host;
  readonly #tuning: Tuning;
  readonly #store: Store;

  readonly #ledger: Ledger;
  readonly #clock: TickClock;
  readonly #members = new Members();
  readonly #probation: Probation;
  readonly #faults: Faults;
  readonly #recovery: Recovery;
  readonly #outbox: Outbox;
  readonly #catchUp: CatchUp;
  readonly #entrance: Entrance;
  readonly #sequencer: Sequencer;

  /** A leader that begins to recover, with what its journal held. */
  constructor({ self, host, tuning, now }: EngineOptions, recovered?: RecoveredState) {
    this.#self = self;
    this.#host = host;
    this.#tuning = tuning;
    this.#store = recovered?.store ?? new Store();
    this.#store.tombstonesMax = tuning.tombstonesMax;
    this.#ledger = new Ledger(host.journal);
    this.#clock = new TickClock(now, tuning);
    this.#probation = new Probation(this.#members, tuning);
    this.#faults = new Faults(this.#members, host, this.#clock);
    this.#outbox = new Outbox(this.#members, tuning.logBytesMax);
    const [members, store, ledger] = [this.#members, this.#store, this.#ledger];
    this.#recovery = new Recovery({ members, store, ledger, host, tuning, recovered });
    this.#catchUp = new CatchUp({ store, outbox: this.#outbox, recovery: this.#recovery, tuning });
    this.#entrance = new Entrance({ self, members, recovery: this.#recovery, host, tuning });
    const [outbox, clock] = [this.#outbox, this.#clock];
    this.#sequencer = new Sequencer({ store, ledger, outbox, clock, host, tuning, cluster: this });
    this.#begin(this.#recovery.begin());
  }

  get table(): Store {
    return this.#store;
  }

  get leader(): string {
    return this.#self;
  }

  get readable(): boolean {
    return this.#recovery.open;
  }

  get cluster(): string {
    return this.#recovery.cluster;
  }

  get timestamp(): number {
    return this.#store.timestamp;
  }

  get outstandingPuts(): number {
    return this.#sequencer.unanswered;
  }

  get counts(): Readonly<RequestCounts> {
    return this.#sequencer.counts;
  }

  get inSync(): readonly string[] {
    return this.#recovery.open ? [this.#self, ...this.#members.inSync] : [];
  }

  get followers(): FollowerStatus[] {
    return this.#members.statuses;
  }

  describe(listener: ReplicationListener): void {
    this.#tellMembers(listener);
    this.#faults.describe(listener);
  }

  get(link: Link, request: Get): void {
    answerGetFrom(this.#store, this.readable, this.#host, link, request);
  }

  /** enunciado 5.c: a PUT of a client, or of a follower that forwards it with the client's address. */
  put(link: Link, put: Put): void {
    this.#order(link, put, put.client);
  }

  write(link: Link, write: WriteRequest): void {
    this.#order(link, write, write.client);
  }

  getLatest(link: Link, request: GetLatest): void {
    this.#order(link, request, undefined);
  }

  fault(request: Fault): FaultOk | ErrorReply {
    return this.#faults.take(request);
  }

  receive(link: Link, message: AnyMensagem): string | undefined {
    if (message.type === "JOIN") {
      this.#join(link, message);
      return undefined;
    }
    const member = this.#members.get(link);
    if (member === undefined) return misdirected(message);
    member.heard(this.#clock.now);
    if (message.type === "REPLICATION_OK") this.#acknowledged(member, message.timestamp);
    else if (message.type === "SNAPSHOT_OK") this.#snapshotConfirmed(member);
    else if (message.type === "SNAPSHOT" && this.#recovery.copiesFrom(member)) {
      const reason = whyNotHeld(message, member.joined);
      if (reason !== undefined) this.#drop(member, reason);
      else this.#begin(this.#recovery.copy(member, message));
    } else if (message.type !== "HEARTBEAT") return misdirected(message);
    return undefined;
  }

  flush(): void {
    this.#sequencer.endTurn();
    this.#outbox.send();
  }

  durable(count: number): void {
    this.#ledger.durable(count);
    this.#sequencer.deleteExpired();
    this.#outbox.send();
  }

  closed(link: Link): void {
    const member = this.#members.get(link);
    if (member !== undefined) this.#drop(member, "its connection ended");
    this.#outbox.send();
  }

  tick(now: number): void {
    const { silenceMs } = this.#tuning;
    this.#clock.tick(now);
    const busy = this.#sequencer.takeBusy();
    for (const member of [...this.#members]) {
      member.tick(now, busy);
      if (this.#clock.stoodStill) member.heard(now);
      else if (member.silentMs(now) > silenceMs) {
        this.#drop(member, `it was silent for over ${silenceMs} ms`);
      }
    }
    if (this.#recovery.open) this.#judge();
    if (this.#clock.takeHeartbeat()) this.#members.sendHeartbeats();
    this.#sequencer.tick(now, whyLate(this.#recovery.open, this.#members, this.#tuning));
    this.#outbox.send();
  }

  /** Resolves at once: nothing runs in the background. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant of the leader or of one of its parts is broken.
   */
  checkInvariants(): void {
    const [{ timestamp }, { committed }] = [this.#store, this.#sequencer];
    const { size: followers } = this.#members;
    assert(followers < this.#tuning.clusterSize, `${followers} followers have joined`);
    this.#members.checkInvariants(timestamp, committed);
    this.#probation.checkInvariants();
    this.#ledger.checkInvariants();
    this.#recovery.checkInvariants();
    this.#sequencer.checkInvariants();
    if (this.#recovery.cluster !== "") this.#outbox.checkInvariants(timestamp);
  }

  /** Whether the leader is open and enough servers are in sync to take writes (G2, G3). */
  get writable(): boolean {
    return this.#recovery.open && this.#members.serversInSync >= this.#tuning.minInSync;
  }

  /** Why no WRITE is taken although PUTs are: a follower could not hold what it writes. */
  get whyNoWrites(): string | undefined {
    const [outdated] = this.#members.outdated;
    return outdated && outdatedReason(outdated.server);
  }

  /** A write was applied here. It is committed at once if no other server is in sync. */
  applied(): void {
    if (this.#members.serversInSync === 1) this.#commit();
  }

  #order(link: Link, request: OrderedRequest, client: string | undefined): void {
    const forwarded = client !== undefined && this.#members.has(link);
    this.#sequencer.receive(request, link, forwarded ? client : link.peer);
  }

  #acknowledged(member: Member, timestamp: number): void {
    if (timestamp < member.acked || timestamp > this.timestamp) {
      return this.#drop(member, `it acknowledged timestamp ${timestamp} out of order`);
    }
    if (timestamp > member.acked) this.#host.listener?.acknowledged(member.server, timestamp);
    member.acknowledge(timestamp);
    if (!member.inSync) this.#putInSync();
    this.#commit();
  }

  /** Puts the followers in sync that have every committed write and are waited for or needed. */
  #putInSync(): boolean {
    const before = this.#members.serversInSync;
    for (const member of this.#probation.due(this.#sequencer.committed)) {
      this.#members.putInSync(member);
      this.#report(`${member.server} is in sync`);
      this.#openIfCaughtUp();
    }
    return this.#members.serversInSync > before;
  }

  /** Time has passed. Begins the probation of followers that stall, and ends that of steady ones. */
  #judge(): void {
    const [{ timestamp }, { committed }] = [this.#store, this.#sequencer];
    const [{ elapsedMs }, { sentChars }] = [this.#clock, this.#outbox];
    const begun = this.#probation.tick({ elapsedMs, timestamp, committed, sentChars });
    for (const probation of begun) this.#report(probation);
    if (this.#putInSync() || begun.length > 0) this.#commit();
  }

  /** enunciado 5.e: a write is committed once every in-sync server has acknowledged it. */
  #commit(): void {
    if (this.writable) this.#sequencer.commit(this.#members.acknowledgedByAll(this.timestamp));
  }

  #join(link: Link, join: Join): void {
    const leaving = this.#entrance.decide(link, join, this.#sequencer);
    if (leaving === undefined) return; // it is refused
    for (const { member, reason } of leaving) this.#drop(member, reason);
    const member = new Member(link, join, this.#clock.now);
    link.betweenServers = true;
    this.#members.add(member);
    link.send(new JoinOk(protocolVersion).encode());
    const trial = this.#probation.joined(member);
    this.#report(`${join.server} joined with timestamp ${join.timestamp}${trial}`);
    if (this.#recovery.originDurable) this.#catchUp.begin(member, this.timestamp, this.writable);
    else this.#begin(this.#recovery.joined());
  }

  /** Begins with the recovered table: every follower is brought up to it. */
  #begin(origin: Origin | undefined): void {
    if (origin === undefined) return;
    const { cluster, table, timestamp, source } = origin;
    this.#sequencer.begin(timestamp);
    this.#host.listener?.table();
    this.#outbox.begin(timestamp);
    // The timestamp is on the disk before it is sent or used (G5). Otherwise the next process would
    // draw another one.
    this.#ledger.append(new JoinOk());
    const { floor } = this.#store;
    const { gaps } = this.#recovery;
    const known = gaps.length === 0 ? undefined : gaps.slice(-gapsMax);
    this.#ledger.append(new Sync(cluster, table, timestamp, floor || undefined, known));
    for (const member of this.#members.outdated) {
      if (this.#sequencer.beyondPuts) this.#drop(member, outdatedReason(member.server));
    }
    this.#ledger.whenDurable(() => {
      this.#recovery.markOriginDurable();
      for (const member of this.#members) {
        if (member === source) this.#catchUp.goOn(member, member.joined.timestamp, timestamp);
        else this.#catchUp.begin(member, timestamp, this.writable);
      }
      this.#openIfCaughtUp();
    });
  }

  #openIfCaughtUp(): void {
    if (!this.#recovery.openIfCaughtUp(this.#members.serversInSync)) return;
    this.#store.leads = true;
    this.#report(`open, cluster ${this.cluster}, timestamp ${this.timestamp}`, "recovery");
    this.#commit(); // PUTs may be waiting, and no acknowledgement may come
  }

  #snapshotConfirmed(member: Member): void {
    if (member.owesSnapshotOk) this.#catchUp.confirmed(member, this.timestamp);
    else this.#drop(member, "it confirmed a snapshot chunk that was not sent");
  }

  #drop(member: Member, reason: string): void {
    if (!this.#members.remove(member)) return;
    this.#probation.left(member, this.#clock.now, this.#recovery.open);
    member.link.close();
    this.#faults.end(member, "it left");
    this.#report(`${member.server} left: ${reason}`);
    this.#recovery.left(member);
    this.#putInSync();
    this.#commit();
  }

  /** Reports a change of the members or their state, to the operator and to the listener. */
  #report(event: string, topic: ReportTopic = "members"): void {
    const { serversInSync } = this.#members;
    this.#host.report(
      `${event} (${serversInSync} of ${this.#tuning.clusterSize} in sync)`,
      topic,
    );
    if (this.#host.listener !== undefined) this.#tellMembers(this.#host.listener);
  }

  #tellMembers(listener: ReplicationListener): void {
    listener.members(this.#members.joined.map(({ server }) => server), this.inSync, this.readable);
  }
}
