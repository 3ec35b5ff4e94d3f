/**
 * The leader's half of the replication: timestamps, and the rule by which a write is committed.
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
  type Join,
  JoinOk,
  type Put,
  type Replication,
  Sync,
} from "../mensagem.ts";
import { timestampMax } from "../limits.ts";
import { CatchUp } from "./catch_up.ts";
import { answerGetFrom, type Engine, type EngineOptions, misdirected } from "./engine.ts";
import { Entrance } from "./entrance.ts";
import type { Host, Link, ReplicationListener, ReportTopic } from "./environment.ts";
import { Faults } from "./faults.ts";
import { GroupCommit } from "./group_commit.ts";
import { assert } from "./invariant.ts";
import { Ledger } from "./ledger.ts";
import { Member } from "./member.ts";
import { Members } from "./members.ts";
import { Outbox } from "./outbox.ts";
import { type PendingPut, PendingPuts, whyLate } from "./pending_puts.ts";
import { Probation } from "./probation.ts";
import type { RecoveredState } from "./recovered_state.ts";
import { type Origin, Recovery } from "./recovery.ts";
import { Store } from "./store.ts";
import { TickClock } from "./tick_clock.ts";
import { noTimestampLeft, whyNotHeld } from "./timestamps.ts";
import { decideBy, type Tuning } from "./tuning.ts";

/**
 * The one server that gives timestamps.
 *
 * Most of the work is in its parts, each in a file of its own. The leader itself keeps four
 * numbers: how far writes are stamped (now and at the last tick), applied and committed.
 */
export class Leader implements Engine {
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
  readonly #pending: PendingPuts;
  /** `undefined` without a journal: then a PUT waits only until the leader takes PUTs. */
  readonly #group: GroupCommit | undefined;
  readonly #outbox: Outbox;
  readonly #catchUp: CatchUp;
  readonly #entrance: Entrance;

  /** The highest timestamp given. Invariant: never falls. */
  #stamped = 0;
  /** The highest timestamp given before the last tick. */
  #stampedAtTick = 0;
  /** Every write up to here is applied, after the journal has it. Invariant: never above #stamped. */
  #timestamp = 0;
  /** Writes up to here count as committed. Invariant: never above #timestamp. */
  #committed = 0;

  /** A leader that begins to recover, with what its journal held. */
  constructor({ self, host, tuning, now }: EngineOptions, recovered?: RecoveredState) {
    this.#self = self;
    this.#host = host;
    this.#tuning = tuning;
    this.#store = recovered?.store ?? new Store();
    this.#ledger = new Ledger(host.journal);
    this.#clock = new TickClock(now, tuning);
    this.#pending = new PendingPuts(host);
    if (this.#ledger.hasJournal) {
      this.#group = new GroupCommit(this.#pending, host, {
        readyForGroup: () => this.#writable && this.#stamped === this.#committed,
        stampWaiting: () => this.#stampWaiting(),
      });
    }
    this.#probation = new Probation(this.#members, tuning);
    this.#faults = new Faults(this.#members, host, this.#clock);
    this.#outbox = new Outbox(this.#members, tuning.logBytesMax);
    const [members, store, ledger] = [this.#members, this.#store, this.#ledger];
    this.#recovery = new Recovery({ members, store, ledger, host, tuning, recovered });
    this.#catchUp = new CatchUp({ store, outbox: this.#outbox, recovery: this.#recovery, tuning });
    this.#entrance = new Entrance({ self, members, recovery: this.#recovery, host, tuning });
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
    return this.#timestamp;
  }

  get outstandingPuts(): number {
    return this.#pending.unanswered;
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
    const client = this.#members.has(link) ? put.client ?? link.peer : link.peer;
    const full = this.#pending.whyFull(this.#tuning);
    if (full !== undefined) {
      return link.send(new ErrorReply("OVERLOADED", `not applied: ${full}`, put.id).encode());
    }
    this.#host.prints.put(client, put.key, put.value);
    const deadline = decideBy(this.#clock.now, this.#tuning.putTimeoutMs);
    const next = { link, id: put.id, put, key: "", timestamp: 0, client, deadline };
    const group = this.#group;
    if (this.#writable && (group?.admits() ?? true)) this.#stamp(next, put);
    else this.#pending.wait(next);
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
    this.#group?.endTurn();
    this.#outbox.send();
  }

  durable(count: number): void {
    this.#ledger.durable(count);
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
    const busy = this.#writable && this.#stamped > this.#stampedAtTick;
    this.#stampedAtTick = this.#stamped;
    for (const member of [...this.#members]) {
      member.tick(now, busy);
      if (this.#clock.stoodStill) member.heard(now);
      else if (member.silentMs(now) > silenceMs) {
        this.#drop(member, `it was silent for over ${silenceMs} ms`);
      }
    }
    if (this.#recovery.open) this.#judge();
    if (this.#clock.takeHeartbeat()) this.#members.sendHeartbeats();
    this.#pending.expire(now, whyLate(this.#recovery.open, this.#members, this.#tuning));
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
    const [stamped, timestamp, committed] = [this.#stamped, this.#timestamp, this.#committed];
    assert(timestamp <= stamped, `applied up to ${timestamp}, stamped up to ${stamped}`);
    assert(committed <= timestamp, `committed up to ${committed}, applied up to ${timestamp}`);
    const { size: followers } = this.#members;
    assert(followers < this.#tuning.clusterSize, `${followers} followers have joined`);
    this.#members.checkInvariants(timestamp, committed);
    this.#probation.checkInvariants();
    this.#ledger.checkInvariants();
    this.#recovery.checkInvariants();
    this.#pending.checkInvariants(committed, stamped);
    if (this.#recovery.cluster !== "") this.#outbox.checkInvariants(timestamp);
    const mayWait = !this.#writable || this.#group !== undefined;
    assert(mayWait || this.#pending.waiting === 0, "PUTs wait although they could be stamped");
  }

  /** Whether the leader is open and enough servers are in sync to take PUTs (G2, G3). */
  get #writable(): boolean {
    return this.#recovery.open && this.#members.serversInSync >= this.#tuning.minInSync;
  }

  #stampWaiting(): void {
    const pending = this.#pending;
    for (let next = pending.nextWaiting(); next !== undefined; next = pending.nextWaiting()) {
      this.#stamp(next, next.put!);
    }
  }

  /**
   * enunciado 5.c: the PUT gets its timestamp, is applied here, and leaves with the next flush. With a
   * journal it is on the disk first: a client must not see a write that this server could forget.
   */
  #stamp(pending: PendingPut, put: Put): void {
    if (this.#stamped === timestampMax) return this.#refuseAtEnd(pending);
    const written = put.stamped(++this.#stamped);
    pending.put = undefined;
    pending.key = written.key;
    pending.timestamp = this.#stamped;
    this.#pending.stamped(pending);
    if (this.#group === undefined) return this.#apply(pending, written);
    this.#ledger.append(written);
    this.#ledger.whenDurable(() => this.#apply(pending, written));
  }

  #refuseAtEnd({ link, id }: PendingPut): void {
    link.send(new ErrorReply("UNAVAILABLE", `not applied: ${noTimestampLeft}`, id).encode());
    this.#host.report(noTimestampLeft, "timestamps");
  }

  #apply(pending: PendingPut, written: Replication): void {
    const { key, write } = written;
    this.#timestamp = write.timestamp;
    this.#store.keep(key, write);
    this.#outbox.add(written);
    const { listener } = this.#host;
    if (listener !== undefined) {
      const waitedMs = decideBy(this.#clock.now, this.#tuning.putTimeoutMs) - pending.deadline;
      listener.written(key, write.value, write.timestamp, waitedMs);
    }
    if (this.#members.serversInSync === 1) this.#commit();
  }

  #acknowledged(member: Member, timestamp: number): void {
    if (timestamp < member.acked || timestamp > this.#timestamp) {
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
    for (const member of this.#probation.due(this.#committed)) {
      this.#members.putInSync(member);
      this.#report(`${member.server} is in sync`);
      this.#openIfCaughtUp();
    }
    return this.#members.serversInSync > before;
  }

  /** Time has passed. Begins the probation of followers that stall, and ends that of steady ones. */
  #judge(): void {
    const [timestamp, committed] = [this.#timestamp, this.#committed];
    const [{ elapsedMs }, { sentChars }] = [this.#clock, this.#outbox];
    const begun = this.#probation.tick({ elapsedMs, timestamp, committed, sentChars });
    for (const probation of begun) this.#report(probation);
    if (this.#putInSync() || begun.length > 0) this.#commit();
  }

  /** enunciado 5.e: a write is committed once every in-sync server has acknowledged it. */
  #commit(): void {
    if (!this.#writable) return;
    const timestamp = this.#members.acknowledgedByAll(this.#timestamp);
    if (timestamp > this.#committed) {
      this.#group?.committing();
      this.#committed = timestamp;
      this.#pending.commit(timestamp);
    }
    if (this.#pending.waiting === 0) return;
    if (this.#group === undefined) this.#stampWaiting();
    else this.#group.stampIfComplete();
  }

  #join(link: Link, join: Join): void {
    const leaving = this.#entrance.decide(link, join, this.#timestamp);
    if (leaving === undefined) return; // it is refused
    for (const { member, reason } of leaving) this.#drop(member, reason);
    const member = new Member(link, join, this.#clock.now);
    link.betweenServers = true;
    this.#members.add(member);
    link.send(new JoinOk().encode());
    const trial = this.#probation.joined(member);
    this.#report(`${join.server} joined with timestamp ${join.timestamp}${trial}`);
    if (this.#recovery.originDurable) this.#catchUp.begin(member, this.#timestamp, this.#writable);
    else this.#begin(this.#recovery.joined());
  }

  /** Begins with the recovered table: every follower is brought up to it. */
  #begin(origin: Origin | undefined): void {
    if (origin === undefined) return;
    const { cluster, table, timestamp, source } = origin;
    this.#stamped = timestamp;
    this.#timestamp = timestamp;
    this.#committed = timestamp;
    this.#host.listener?.table();
    this.#outbox.begin(timestamp);
    // The timestamp is on the disk before it is sent or used (G5). Otherwise the next process would
    // draw another one.
    this.#ledger.append(new JoinOk());
    this.#ledger.append(new Sync(cluster, table, timestamp));
    this.#ledger.whenDurable(() => {
      this.#recovery.markOriginDurable();
      for (const member of this.#members) {
        if (member === source) this.#catchUp.goOn(member, member.joined.timestamp, timestamp);
        else this.#catchUp.begin(member, timestamp, this.#writable);
      }
      this.#openIfCaughtUp();
    });
  }

  #openIfCaughtUp(): void {
    if (!this.#recovery.openIfCaughtUp(this.#members.serversInSync)) return;
    this.#report(`open, cluster ${this.cluster}, timestamp ${this.#timestamp}`, "recovery");
    this.#commit(); // PUTs may be waiting, and no acknowledgement may come
  }

  #snapshotConfirmed(member: Member): void {
    if (member.owesSnapshotOk) this.#catchUp.confirmed(member, this.#timestamp);
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
