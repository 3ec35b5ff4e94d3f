/**
 * The leader's half of the replication.
 *
 * ```text
 * gathering ──all followers joined──▶ copying ──table is here──▶ levelling ──all in sync──▶ open
 *     ▲    └───────all of them new────────────────────────────────▶ ▲
 *     └──────the followed one left──────┘
 * ```
 *
 * A leader without memory cannot know whether it is new or restarted. So it gathers all followers,
 * copies the table of the one that is furthest ahead, brings the others level, and only then opens.
 *
 * @module
 */

import {
  type AnyMensagem,
  ErrorReply,
  type Fault,
  type FollowerStatus,
  Heartbeat,
  type Join,
  JoinOk,
  type Put,
  type Replication,
  type Snapshot,
  SnapshotOk,
  SnapshotRequest,
  Sync,
} from "../mensagem.ts";
import { forgetting, type Gap, Ledger, type Saved } from "./journal.ts";
import { HeldStream } from "./held_stream.ts";
import { timestampMax } from "../limits.ts";
import { type PendingPut, PutWindow } from "./pending_puts.ts";
import type { Host, Link, Replica, Watch } from "./environment.ts";
import { decideBy, type Tuning } from "./tuning.ts";
import { SnapshotSender } from "./snapshot.ts";
import type { Store } from "./store.ts";
import { WriteLog } from "./write_log.ts";

/**
 * How far a recovered leader skips ahead on average; half as far, or half as far again, at the most.
 * Half of it must be larger than the number of writes that a crashed leader can have stamped and
 * that no surviving follower has heard of. How far exactly is drawn at random: of two leaders that
 * go on from the same timestamp, because one of them was started with an old disk, neither can take
 * what the other has written for its own.
 */
export const recoverySkip = 2 ** 32;

/** For more PUTs than these, which share a sync, nobody waits. */
export const groupPuts = 64;

/** PUTs that wait for those before them, in UTF-16 units; with more they do no longer. */
export const groupCharsMax = 1024 * 1024;

/** REPLICATIONs of one turn leave in texts of about this size, in UTF-16 units. */
export const batchChars = 32 * 1024;

const heartbeat = new Heartbeat().encode();

/** A follower with a live connection. */
interface Member {
  readonly link: Link;
  /** "ip:port" of the follower. No two members share one. */
  readonly server: string;
  /** What it said it held when it joined. */
  readonly joined: Join;
  /** It has confirmed everything up to here on this connection; -1 before its first word. */
  acked: number;
  /**
   * It gets every write after this timestamp as it happens. Infinity before, while the log or a
   * snapshot brings it there.
   */
  liveFrom: number;
  /** Where REPLICATIONs go: the link, or in its place a fault. */
  stream: Pick<Link, "send">;
  /** The fault, while there is one. Then it is the stream. */
  held: HeldStream | undefined;
  /** Writes are acknowledged only when it holds them, and it holds every acknowledged write. */
  inSync: boolean;
  /** When it was last heard of. */
  heardAt: number;
  /** The snapshot on its way to it, and the timestamp at which that began. */
  snapshot: { readonly sender: SnapshotSender; readonly timestamp: number } | undefined;
}

/** The one server that gives timestamps. */
export class Leader implements Replica {
  readonly #self: string;
  readonly #store: Store;
  readonly #host: Host;
  readonly #tuning: Tuning;
  readonly #window: PutWindow;
  readonly #members = new Map<Link, Member>();
  #phase: "gathering" | "copying" | "levelling" | "open" = "gathering";
  /** The follower whose table is copied. Set exactly while the phase is "copying". */
  #source: Member | undefined;
  /**
   * The cluster id; "" until the table is here, that is while the phase is "gathering" or
   * "copying".
   */
  #cluster = "";
  /** The highest timestamp ever given: it only rises. */
  #stamped = 0;
  /** The highest timestamp given before the last tick. */
  #stampedAtTick = 0;
  /** Writes up to here are on the disk, where there is a journal, and in the table; never above #stamped. */
  #timestamp = 0;
  /** The timestamp at which this process took over, and that of the table which it took over. */
  #origin = { timestamp: 0, table: 0 };
  readonly #ledger: Ledger;
  /** What this server held when it last followed: as good as what a follower holds. */
  #own: Saved | undefined;
  /** The table is this server's own, and nobody can have more. */
  #alone = false;
  /** Where leaders before this one skipped ahead. */
  #gaps: readonly Gap[] = [];
  /** A group of PUTs was stamped, and what comes in the same turn belongs to it. */
  #gathering = false;
  /** A group is complete with so many: all that had no answer when PUTs were last answered. */
  #expected = 1;
  /** Ends the wait for those that are expected, while there is one. */
  #stopPause: (() => void) | undefined;
  /** The timestamp at which this process took over is on the disk, where there is a journal. */
  #kept = false;
  /** All writes up to here were acknowledged, or may have been. Never above #timestamp. */
  #committed = 0;
  /** The members that are in sync. */
  #inSyncCount = 0;
  /** REPLICATIONs that leave with the next flush at the latest. They end with the one of #timestamp. */
  #batch = "";
  #batchWrites = 0;
  #log: WriteLog;
  #now: number;
  #heartbeatAt = 0;

  /**
   * A leader that knows nothing yet but what was saved, with `store` as its table. `self` is its
   * "ip:port".
   */
  constructor(
    self: string,
    store: Store,
    host: Host,
    tuning: Tuning,
    now: number,
    saved?: Saved,
  ) {
    this.#self = self;
    this.#store = store;
    this.#host = host;
    this.#tuning = tuning;
    this.#window = new PutWindow(host);
    this.#log = new WriteLog(0, tuning.logBytesMax);
    this.#now = now;
    this.#ledger = new Ledger(host.journal);
    if (saved !== undefined && saved.cluster !== "") {
      this.#own = saved;
      this.#gaps = [...saved.gaps];
      this.#alone = saved.led;
    }
    if (this.#alone) this.#levelFromOwn(saved!);
    else this.#recoverWhenComplete();
  }

  get readable(): boolean {
    return this.#phase === "open";
  }

  get cluster(): string {
    return this.#cluster;
  }

  get timestamp(): number {
    return this.#timestamp;
  }

  get outstandingPuts(): number {
    return this.#window.unanswered;
  }

  get inSync(): string[] {
    if (this.#phase !== "open") return [];
    const members = [...this.#members.values()].filter((member) => member.inSync);
    return [this.#self, ...members.map((member) => member.server)];
  }

  get followers(): FollowerStatus[] {
    return Array.from(this.#members.values(), ({ server, acked, inSync }) => ({
      server,
      timestamp: Math.max(acked, 0),
      inSync,
    }));
  }

  put(link: Link, put: Put): void {
    const client = this.#members.has(link) ? put.client ?? link.peer : link.peer;
    const { outstandingPutsMax, waitingCharsMax, putTimeoutMs } = this.#tuning;
    if (
      this.#window.length >= outstandingPutsMax || this.#window.waitingChars >= waitingCharsMax
    ) {
      const reason = `not applied: ${this.#window.length} PUTs are waiting already`;
      link.send(new ErrorReply("OVERLOADED", reason, put.id).encode());
      return;
    }
    this.#host.prints.put(client, put.key, put.value);
    const deadline = decideBy(this.#now, putTimeoutMs);
    const pending = { link, id: put.id, put, key: "", timestamp: 0, client, deadline };
    if (this.#writable && this.#mayStamp()) this.#apply(pending, put);
    else this.#window.wait(pending);
  }

  describe(watch: Watch): void {
    this.#tellMembers(watch);
    for (const { server, held } of this.#members.values()) {
      if (held === undefined) continue;
      if (held.delayMs === Infinity) watch.fault(server, "pause");
      else watch.fault(server, "delay", held.delayMs);
    }
  }

  /**
   * Holds the REPLICATIONs towards a follower, sends them late, or no longer does either. Returns
   * false where no such follower has joined.
   */
  fault({ follower, action, delayMs = 0 }: Fault): boolean {
    const member = [...this.#members.values()].find(({ server }) => server === follower);
    if (member === undefined) return false;
    if (action === "resume") {
      this.#endFault(member, "it was resumed");
      return true;
    }
    const lateMs = action === "pause" ? Infinity : delayMs;
    if (member.held === undefined) {
      const overflowed = () => this.#endFault(member, "too much is held");
      member.stream = member.held = new HeldStream(member.link, lateMs, this.#now, overflowed);
    } else member.held.delayMs = lateMs;
    const effect = action === "pause" ? "are held" : `come ${delayMs} ms late`;
    this.#host.report(`fault: REPLICATIONs to ${follower} ${effect}`);
    if (action === "pause") this.#host.watch?.fault(follower, action);
    else this.#host.watch?.fault(follower, action, delayMs);
    return true;
  }

  receive(link: Link, message: AnyMensagem): boolean {
    if (message.type === "JOIN") {
      this.#join(link, message);
      return true;
    }
    const member = this.#members.get(link);
    if (member === undefined) return false;
    member.heardAt = this.#now;
    switch (message.type) {
      case "HEARTBEAT":
        return true;
      case "REPLICATION_OK":
        this.#acknowledged(member, message.timestamp);
        return true;
      case "SNAPSHOT_OK":
        this.#snapshotConfirmed(member);
        return true;
      case "SNAPSHOT":
        if (member !== this.#source) return false;
        this.#copy(member, message);
        return true;
      default:
        return false;
    }
  }

  flush(): void {
    this.#gathering = false;
    this.#sendBatch();
  }

  durable(count: number): void {
    this.#ledger.durable(count);
    this.#sendBatch();
  }

  /** Sends what has gathered to all members, in one text, which the log keeps too. */
  #sendBatch(): void {
    if (this.#batchWrites === 0) return;
    const frames = this.#batch;
    this.#log.append(this.#timestamp - this.#batchWrites + 1, this.#timestamp, frames);
    this.#batch = "";
    this.#batchWrites = 0;
    for (const member of this.#members.values()) {
      if (member.liveFrom !== Infinity) member.stream.send(frames);
    }
  }

  closed(link: Link): void {
    const member = this.#members.get(link);
    if (member !== undefined) this.#drop(member, "its connection ended");
    this.#sendBatch();
  }

  tick(now: number): void {
    const { heartbeatMs, silenceMs } = this.#tuning;
    // After a pause of this process the silence was its own, and what arrived meanwhile is still
    // unread.
    const paused = now - this.#now > silenceMs / 2;
    this.#now = now;
    const busy = this.#writable && this.#stamped > this.#stampedAtTick;
    this.#stampedAtTick = this.#stamped;
    for (const member of [...this.#members.values()]) {
      member.held?.tick(now);
      member.snapshot?.sender.tick(busy);
      if (paused) member.heardAt = now;
      else if (now - member.heardAt > silenceMs) {
        this.#drop(member, `it was silent for ${silenceMs} ms`);
      }
    }
    if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + heartbeatMs;
      for (const member of this.#members.values()) member.link.send(heartbeat);
    }
    this.#window.expire(now, this.#whyLate());
    this.#sendBatch();
  }

  /**
   * A sync costs the same for one write as for many. So where there is a journal PUTs are stamped in
   * groups, one group after the other: what comes while the group before is on its way waits for it,
   * and then for those that are answered to come back, as long as that is not long.
   */
  #mayStamp(): boolean {
    if (!this.#ledger.kept || this.#gathering) return true;
    const inTime = this.#stamped !== this.#committed || this.#window.waiting + 1 < this.#expected;
    if (inTime && this.#window.waitingChars <= groupCharsMax) {
      if (this.#stamped === this.#committed) this.#pause();
      return false;
    }
    this.#stampWaiting();
    return this.#gathering = true;
  }

  #pause(): void {
    this.#stopPause ??= this.#host.pause(() => {
      this.#stopPause = undefined;
      if (this.#writable && this.#stamped === this.#committed) this.#stampWaiting();
    });
  }

  #stampWaiting(): void {
    this.#stopPause?.();
    this.#stopPause = undefined;
    for (let next = this.#window.nextWaiting(); next; next = this.#window.nextWaiting()) {
      this.#apply(next, next.put!);
    }
  }

  /** G2 and G3 hold only while enough servers take part. */
  get #writable(): boolean {
    return this.#phase === "open" && 1 + this.#inSyncCount >= this.#tuning.minInSync;
  }

  #whyLate(): string {
    const { clusterSize, minInSync } = this.#tuning;
    if (this.#writable) return "not every server in sync confirmed it in time";
    return this.#phase === "open"
      ? `${1 + this.#inSyncCount} of ${clusterSize} servers are in sync, and ${minInSync} must be`
      : `the leader waits for all ${clusterSize} servers, ${1 + this.#members.size} are there`;
  }

  /**
   * enunciado 5.c: a timestamp, the leader's own table, then (with the next flush) the other servers.
   * Where there is a journal, the disk comes before the table: nobody ever sees what this server could
   * forget.
   */
  #apply(pending: PendingPut, put: Put): void {
    const written = put.stamped(++this.#stamped);
    pending.put = undefined;
    pending.key = written.key;
    pending.timestamp = this.#stamped;
    this.#window.applied(pending);
    if (!this.#ledger.kept) return this.#publish(pending, written);
    this.#ledger.append(written);
    this.#ledger.whenDurable(() => this.#publish(pending, written));
  }

  #publish(pending: PendingPut, written: Replication): void {
    const { key, write } = written;
    this.#timestamp = write.timestamp;
    this.#store.keep(key, write);
    this.#batch += written.encode();
    this.#batchWrites++;
    if (this.#batch.length > batchChars) this.#sendBatch();
    const { watch } = this.#host;
    if (watch !== undefined) {
      const waitedMs = decideBy(this.#now, this.#tuning.putTimeoutMs) - pending.deadline;
      watch.written(key, write.value, write.timestamp, waitedMs);
    }
    if (this.#inSyncCount === 0) this.#commit();
  }

  #acknowledged(member: Member, timestamp: number): void {
    if (timestamp < member.acked || timestamp > this.#timestamp) {
      return this.#drop(member, `it confirmed timestamp ${timestamp}, which it was never sent`);
    }
    if (timestamp > member.acked) this.#host.watch?.acknowledged(member.server, timestamp);
    member.acked = timestamp;
    if (!member.inSync && isReady(member) && timestamp >= this.#committed) {
      member.inSync = true;
      this.#inSyncCount++;
      this.#report(`${member.server} is in sync`);
      this.#openWhenLevel();
    }
    this.#commit();
  }

  /** enunciado 5.e: a write is acknowledged once every in-sync server has confirmed it. */
  #commit(): void {
    if (!this.#writable) return;
    let timestamp = this.#timestamp;
    for (const member of this.#members.values()) {
      // One that is ready is waited for even before it is in sync, or a faster one could keep it
      // out for ever.
      if (isReady(member) && member.acked < timestamp) timestamp = member.acked;
    }
    if (timestamp > this.#committed) {
      this.#expected = Math.min(this.#window.length, groupPuts);
      this.#committed = timestamp;
      this.#window.commit(timestamp);
    }
    const { waiting } = this.#window;
    if (waiting === 0) return;
    if (!this.#ledger.kept || waiting >= this.#expected) this.#stampWaiting();
    else if (this.#stamped === this.#committed) this.#pause();
  }

  #join(link: Link, join: Join): void {
    const reason = this.#whyRefused(link, join);
    if (reason !== undefined) {
      link.send(new ErrorReply("FORBIDDEN", reason).encode());
      link.close();
      this.#host.report(`refused ${join.server}: ${reason}`);
      return;
    }
    const member: Member = {
      link,
      server: join.server,
      joined: join,
      acked: -1,
      liveFrom: Infinity,
      stream: link,
      held: undefined,
      inSync: false,
      heardAt: this.#now,
      snapshot: undefined,
    };
    link.betweenServers = true;
    this.#members.set(link, member);
    link.send(new JoinOk().encode());
    this.#report(`${join.server} joined with timestamp ${join.timestamp}`);
    if (this.#phase === "gathering") this.#recoverWhenComplete();
    else if (this.#kept) this.#bringIn(member);
  }

  #whyRefused(link: Link, join: Join): string | undefined {
    const { server, cluster, timestamp, highest = timestamp } = join;
    const members = [...this.#members.values()];
    if (!link.mayJoin) return "only members may join, by the secret and, with TLS, by certificate";
    if (this.#members.has(link)) return "this connection has joined already";
    if (server === this.#self) return `${server} is the leader itself`;
    if (members.some((member) => member.server === server)) return `${server} has joined already`;
    if (members.length >= this.#tuning.clusterSize - 1) {
      return `the cluster has its ${this.#tuning.clusterSize} servers`;
    }
    if (highest < timestamp || highest > timestampMax) return "no such timestamp";
    if (highest > 0 && cluster === "") return "data without a cluster id";
    // Another cluster's data is never mixed in, and never wiped silently. Where there is none,
    // nothing is lost.
    const mine = this.#cluster !== ""
      ? this.#cluster
      : members.find(({ joined }) => (joined.highest ?? joined.timestamp) > 0)?.joined.cluster ??
        (this.#own !== undefined && this.#own.highest > 0 ? this.#own.cluster : cluster);
    if (highest > 0 && cluster !== mine) {
      return `${server} holds data of cluster ${cluster}, this is cluster ${mine}: start it anew, ` +
        "with an empty data directory where it has one";
    }
    const lost = this.#gaps.some(([from, to]) => timestamp > from && timestamp < to);
    if (this.#cluster !== "" && (lost || timestamp > this.#timestamp)) {
      return `${server} holds timestamp ${timestamp}, which this leader knows nothing of. If this ` +
        "leader was started with an old data directory, stop it and start it with an empty one: it " +
        `takes over what the others hold. Else start ${server} anew, with an empty one`;
    }
    return undefined;
  }

  /** The member to recover from; none where all are new. */
  #furthest(): Member | undefined {
    let furthest: Member | undefined;
    for (const member of this.#members.values()) {
      // A cluster id without data counts too: its leader may have given timestamps that got lost.
      if (member.joined.cluster === "") continue;
      if (furthest === undefined || member.joined.timestamp > furthest.joined.timestamp) {
        furthest = member;
      }
    }
    return furthest;
  }

  #recoverWhenComplete(): void {
    if (this.#members.size < this.#tuning.clusterSize - 1) return;
    const source = this.#furthest();
    const own = this.#own;
    if (own !== undefined && !(source !== undefined && source.joined.timestamp > own.timestamp)) {
      return this.#levelFromOwn(own);
    }
    // What is complete up to some timestamp can take in what is complete up to a later one.
    if (own === undefined || own.highest > own.timestamp) {
      this.#own = undefined;
      this.#store.clear();
      this.#ledger.append(forgetting());
    }
    if (source === undefined) return this.#level(this.#host.newClusterId(), 0, undefined);
    this.#phase = "copying";
    this.#source = source;
    this.#host.report(`recovering from ${source.server} at timestamp ${source.joined.timestamp}`);
    source.link.send(new SnapshotRequest().encode());
  }

  #copy(source: Member, chunk: Snapshot): void {
    for (const [key, value, timestamp] of chunk.entries) this.#store.put(key, value, timestamp);
    this.#ledger.append(chunk);
    this.#ledger.whenDurable(() => source.link.send(new SnapshotOk().encode()));
    if (!chunk.last) return;
    this.#source = undefined;
    // Somebody further ahead may have joined meanwhile, in the place of one that left.
    if (this.#furthest() !== source) {
      this.#phase = "gathering";
      return this.#recoverWhenComplete();
    }
    // Far above anything that the leader before may have given out (G5).
    this.#level(source.joined.cluster, this.#skipFrom(source.joined.timestamp), source);
  }

  #skipFrom(timestamp: number): number {
    return timestamp + Math.floor(recoverySkip * (0.5 + this.#host.random()));
  }

  /** Above what may have been stamped, and above what an unfinished catch-up has left. */
  #levelFromOwn({ cluster, timestamp, highest }: Saved): void {
    this.#level(cluster, this.#skipFrom(highest), undefined, timestamp);
  }

  /**
   * The table is complete up to `table`: from here on every follower is brought up to it, and
   * timestamps go on after `timestamp`.
   */
  #level(
    cluster: string,
    timestamp: number,
    source: Member | undefined,
    table = source?.joined.timestamp ?? 0,
  ): void {
    this.#phase = "levelling";
    this.#origin = { timestamp, table };
    this.#gaps = [...this.#gaps, [table, timestamp]];
    this.#cluster = cluster;
    this.#stamped = timestamp;
    this.#timestamp = timestamp;
    this.#committed = timestamp;
    this.#host.watch?.table();
    this.#log = new WriteLog(timestamp, this.#tuning.logBytesMax);
    // Nobody is told of a timestamp, and none is used, before the disk has the one that it comes
    // after (G5): the next process would draw another.
    this.#ledger.append(new JoinOk());
    this.#ledger.append(new Sync(cluster, table, timestamp));
    this.#ledger.whenDurable(() => {
      this.#kept = true;
      for (const member of this.#members.values()) {
        if (member === source) this.#catchUp(member, member.joined.timestamp);
        else this.#bringIn(member);
      }
      this.#openWhenLevel();
    });
  }

  /**
   * All of them, not just enough: each must hold the new timestamp before it is used, or a second
   * crash could bring it back. A leader that comes back with its own table knows it without them.
   */
  #openWhenLevel(): void {
    if (this.#phase !== "levelling" || !this.#kept) return;
    if (!this.#alone && this.#inSyncCount < this.#tuning.clusterSize - 1) return;
    this.#phase = "open";
    this.#report(`open, cluster ${this.#cluster}, timestamp ${this.#timestamp}`);
    this.#commit(); // PUTs may be waiting, and nobody be there to confirm anything
  }

  /**
   * Brings a member up to date from what it said it holds. An unfinished catch-up from a leader
   * before this one may have left writes in its table that the table taken over does not have: then
   * nothing in it can be kept (G6).
   */
  #bringIn(member: Member): void {
    const { timestamp, highest = timestamp } = member.joined;
    const forked = highest > timestamp && timestamp < this.#origin.timestamp;
    // In steps while PUTs go on. What is written meanwhile follows without them, or it might grow as
    // fast as it leaves.
    this.#catchUp(member, forked ? undefined : timestamp, this.#writable);
  }

  /**
   * Brings a member from `timestamp`, up to which it holds everything, or from nothing, into the
   * live stream.
   */
  #catchUp(member: Member, timestamp: number | undefined, paced = false): void {
    this.#sendBatch(); // what has not left yet must be in the log
    if (timestamp === undefined || !this.#log.reaches(timestamp)) {
      const sender = new SnapshotSender(member.link, this.#store, timestamp, this.#tuning, paced);
      member.snapshot = { sender, timestamp: this.#timestamp };
      return;
    }
    member.snapshot = undefined;
    member.link.send(new Sync(this.#cluster, timestamp, this.#timestamp).encode());
    for (const frames of this.#log.after(timestamp)) member.stream.send(frames);
    member.liveFrom = this.#timestamp;
  }

  #snapshotConfirmed(member: Member): void {
    const { snapshot } = member;
    if (snapshot === undefined || snapshot.sender.unconfirmed === 0) {
      return this.#drop(member, "it confirmed a snapshot it was not sent");
    }
    if (snapshot.sender.confirmed()) this.#catchUp(member, snapshot.timestamp);
  }

  #tellMembers(watch: Watch): void {
    watch.members(this.followers.map(({ server }) => server), this.inSync, this.readable);
  }

  /** What was held leaves now. */
  #endFault(member: Member, reason: string): void {
    const { held, link, server } = member;
    if (held === undefined) return;
    member.held = undefined;
    member.stream = link;
    held.release();
    this.#host.report(`fault: it has ended for ${server}: ${reason}`);
    this.#host.watch?.fault(server, "resume");
  }

  #drop(member: Member, reason: string): void {
    if (!this.#members.delete(member.link)) return;
    if (member.inSync) this.#inSyncCount--;
    member.link.close();
    this.#endFault(member, "it left");
    this.#report(`${member.server} left: ${reason}`);
    if (member === this.#source) {
      this.#source = undefined;
      this.#phase = "gathering";
    }
    this.#commit();
  }

  #report(event: string): void {
    this.#host.report(
      `${event} (${1 + this.#inSyncCount} of ${this.#tuning.clusterSize} in sync)`,
    );
    // Whatever changes who takes part is reported.
    const { watch } = this.#host;
    if (watch !== undefined) this.#tellMembers(watch);
  }
}

/**
 * True once a member has confirmed all that was written before it went live. In sync implies it.
 */
function isReady({ acked, liveFrom }: Member): boolean {
  return acked >= liveFrom;
}
