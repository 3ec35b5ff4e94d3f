/**
 * The order of all writes: which requests get which timestamps, and when each is answered.
 *
 * @module
 */

import {
  Conflict,
  ErrorReply,
  GetOk,
  Replication,
  WriteOk,
  type WriteRequest,
} from "../mensagem.ts";
import { KeyMap } from "../key_map.ts";
import { timestampMax } from "../limits.ts";
import { detached, type Write } from "../wire/encoded_write.ts";
import type { Frames } from "../wire/frames.ts";
import type { Value } from "../wire/long_value.ts";
import { noRequests, type RequestCounts } from "./engine.ts";
import type { Host, Link } from "./environment.ts";
import { Expirations } from "./expirations.ts";
import { ExpiryPace } from "./expiry_pace.ts";
import { GroupCommit } from "./group_commit.ts";
import { assert } from "./invariant.ts";
import type { Ledger } from "./ledger.ts";
import type { Outbox } from "./outbox.ts";
import {
  type Decision,
  notApplied,
  type OrderedRequest,
  type PendingRequest,
  PendingRequests,
} from "./pending_requests.ts";
import type { Store } from "./store.ts";
import type { TickClock } from "./tick_clock.ts";
import { noTimestampLeft } from "./timestamps.ts";
import { decideBy, type Tuning } from "./tuning.ts";

/** Slices of deletions in one tick at most, if each is committed at once. */
const slicesPerTick = 8;

/** The leader as its sequencer sees it. */
export interface Cluster {
  /** Whether the leader is open and enough servers are in sync to take writes (G2, G3). */
  readonly writable: boolean;
  /** Why no WRITE is taken although PUTs are, `undefined` if it is taken. */
  readonly whyNoWrites: string | undefined;
  /** A write was applied here: it may be committed at once. */
  applied(): void;
}

/** The parts of the leader that a sequencer works with. */
export interface SequencerOptions {
  /** The leader's table. */
  readonly store: Store;
  /** The leader's journal. */
  readonly ledger: Ledger;
  /** Where writes leave for the followers. */
  readonly outbox: Outbox;
  /** The time of the ticks. */
  readonly clock: TickClock;
  /** Where prints, events and reports go. */
  readonly host: Pick<Host, "prints" | "listener" | "report" | "waitForPuts">;
  /** The operator's settings. */
  readonly tuning: Tuning;
  /** The leader. */
  readonly cluster: Cluster;
}

/**
 * The one place where a leader gives timestamps.
 *
 * - A request has its place in the order of all writes when it is stamped or decided. A WRITE is decided
 *   against what is stamped by then, also where that still waits for the disk (G8).
 * - What makes no write (a refused WRITE, the deletion of an absent key, a GET_LATEST) is decided at its
 *   place, and answered once everything stamped before it is committed: its answer may tell only of
 *   writes that cannot be lost (G8, G11).
 */
export class Sequencer {
  readonly #options: SequencerOptions;
  readonly #store: Store;
  readonly #pending: PendingRequests;
  /** `undefined` without a journal: then a write waits only until the leader takes writes. */
  readonly #group: GroupCommit | undefined;
  readonly #expirations: Expirations;
  readonly #expiryPace = new ExpiryPace();
  /** The newest write of each key whose newest write waits for the disk. */
  readonly #unapplied = new KeyMap<Write>();
  /** What was decided since the start. */
  readonly counts: RequestCounts = noRequests();

  /** The highest timestamp given. Invariant: never falls, and is at least that of the table. */
  #stamped = 0;
  /** The highest timestamp given before the last tick. */
  #stampedAtTick = 0;
  /** Writes up to here count as committed. Invariant: never above the timestamp of the table. */
  #committed = 0;
  /** The timestamp of the last deletion of a key that had expired. */
  #lastExpired = 0;
  /** The time of the last tick. */
  #tickedAt = 0;
  /** Whether the table is complete, so that timestamps may be given. */
  #begun = false;
  /** Whether a deletion or a time to live was ever stamped. */
  #beyondPuts = false;

  /** A sequencer that has given no timestamp. */
  constructor(options: SequencerOptions) {
    const { store, ledger, host, tuning, cluster } = this.#options = options;
    this.#store = store;
    this.#pending = new PendingRequests(host);
    this.#expirations = new Expirations(tuning.expiringKeysMax);
    if (!ledger.hasJournal) return;
    this.#group = new GroupCommit(this.#pending, host, {
      readyForGroup: () => cluster.writable && this.#stamped === this.#committed,
      stampWaiting: () => this.#placeWaiting(),
    });
  }

  /** The highest timestamp given. */
  get stamped(): number {
    return this.#stamped;
  }

  /** Every write up to here is applied. */
  get timestamp(): number {
    return this.#store.timestamp;
  }

  /** Writes up to here are committed. */
  get committed(): number {
    return this.#committed;
  }

  /** Requests without an answer. */
  get unanswered(): number {
    return this.#pending.unanswered;
  }

  /** Whether a follower must know deletions and times to live to take part. */
  get beyondPuts(): boolean {
    return this.#beyondPuts || this.#store.beyondPuts;
  }

  /** Timestamps go on after this one, and every write of the table counts as committed. */
  begin(timestamp: number): void {
    this.#begun = true;
    this.#stamped = timestamp;
    this.#committed = timestamp;
    this.#expirations.begin(this.#store, this.#options.clock.now);
  }

  /** Takes a request. `client` is "ip:port" of the client that sent it. */
  receive(request: OrderedRequest, link: Link, client: string): void {
    const { tuning, host, clock } = this.#options;
    const { id } = request;
    const full = this.#pending.whyFull(tuning);
    if (full !== undefined) {
      return link.send(new ErrorReply("OVERLOADED", `not applied: ${full}`, id).encode());
    }
    const isPut = request.type === "PUT";
    if (isPut) host.prints.put(client, request.key, request.value);
    else if (request.type === "WRITE") host.listener?.write(client, request);
    const deadline = decideBy(clock.now, tuning.putTimeoutMs);
    const pending: PendingRequest = {
      link,
      id,
      isPut,
      request,
      key: "",
      timestamp: 0,
      answer: undefined,
      client,
      deadline,
    };
    this.#expiryPace.requested();
    if (this.#mayPlace(request)) this.#place(pending, request);
    else this.#pending.wait(pending);
  }

  /**
   * enunciado 5.e: every write up to `timestamp` is committed, so their requests are answered. Those
   * that waited for it get their place.
   */
  commit(timestamp: number): void {
    if (timestamp > this.#committed) {
      this.#group?.committing();
      this.#committed = timestamp;
      this.#pending.commit(timestamp);
    }
    if (this.#pending.waiting === 0) return;
    if (this.#group === undefined) this.#placeWaiting();
    else this.#group.stampIfComplete();
  }

  /** The messages of this turn are all received. */
  endTurn(): void {
    this.#group?.endTurn();
    this.deleteExpired();
  }

  /** Whether the leader takes writes and has stamped some since the last call. Called at each tick. */
  takeBusy(): boolean {
    const busy = this.#options.cluster.writable && this.#stamped > this.#stampedAtTick;
    this.#stampedAtTick = this.#stamped;
    return busy;
  }

  /** Time has passed: answers what is late, for the reason given, and deletes keys that have expired. */
  tick(now: number, whyLate: string): void {
    this.#pending.expire(now, whyLate);
    this.#expirations.tick(now);
    this.#tickedAt = now;
    this.#expiryPace.tick();
    // a server alone commits at once: then no confirmation comes that begins the next slice
    for (let slices = 0; slices < slicesPerTick && this.deleteExpired(); slices++);
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    if (!this.#begun) return this.#pending.checkInvariants(0, 0);
    const [stamped, committed, { timestamp }] = [this.#stamped, this.#committed, this.#store];
    assert(timestamp <= stamped, `applied up to ${timestamp}, stamped up to ${stamped}`);
    assert(committed <= timestamp, `committed up to ${committed}, applied up to ${timestamp}`);
    this.#pending.checkInvariants(committed, stamped);
    this.#store.checkInvariants();
    this.#expirations.checkInvariants(this.#store, (key) => this.#unapplied.get(key) !== undefined);
    const mayWait = !this.#options.cluster.writable || this.#group !== undefined;
    assert(
      mayWait || this.#pending.waiting === 0,
      "requests wait although they could have a place",
    );
    for (const [key, write] of this.#unapplied.entries()) {
      const waits = write.timestamp > timestamp && write.timestamp <= stamped;
      assert(waits, `"${key}" waits with timestamp ${write.timestamp}, applied is ${timestamp}`);
    }
  }

  /** Whether a request that comes now has its place at once. Those that wait have theirs before it. */
  #mayPlace({ type }: OrderedRequest): boolean {
    if (!this.#options.cluster.writable) return false;
    if (this.#group === undefined) return true;
    return type === "GET_LATEST" ? this.#pending.waiting === 0 : this.#group.admits();
  }

  #placeWaiting(): void {
    const pending = this.#pending;
    for (let next = pending.nextWaiting(); next !== undefined; next = pending.nextWaiting()) {
      this.#place(next, next.request!);
    }
  }

  /**
   * enunciado 5.c: the PUT gets its timestamp, is applied here, and leaves with the next flush. So does
   * a WRITE whose condition holds.
   */
  #place(pending: PendingRequest, request: OrderedRequest): void {
    if (request.type !== "PUT") {
      if (request.type === "GET_LATEST") {
        return this.#decide(pending, { frame: this.#latest(request) });
      }
      const refusal = this.#refusal(request);
      if (refusal !== undefined) return pending.link.send(refusal.encode());
      const answer = this.#answerWithoutWrite(request);
      if (answer !== undefined) return this.#decide(pending, answer);
      if (request.value === null || request.ttlMs !== undefined) this.#beyondPuts = true;
    }
    if (this.#stamped === timestampMax) return this.#refuseAtEnd(pending);
    const written = request.stamped(++this.#stamped);
    pending.request = undefined;
    pending.key = written.key;
    pending.timestamp = this.#stamped;
    this.#pending.placed(pending);
    this.#write(written, pending.deadline);
  }

  /** What makes no write is answered once everything stamped before it is committed. */
  #decide(pending: PendingRequest, answer: Decision): void {
    if (this.#committed === this.#stamped) return this.#pending.answer(pending, answer);
    pending.request = undefined;
    pending.answer = answer;
    pending.timestamp = this.#stamped;
    this.#pending.placed(pending);
  }

  /** Why a WRITE is not taken now, `undefined` if it is. */
  #refusal({ id, key, ttlMs }: WriteRequest): ErrorReply | undefined {
    const { whyNoWrites } = this.#options.cluster;
    if (whyNoWrites !== undefined) {
      return new ErrorReply("UNAVAILABLE", `not applied: ${whyNoWrites}`, id);
    }
    const full = ttlMs === undefined ? undefined : this.#expirations.whyFull(key);
    return full === undefined
      ? undefined
      : new ErrorReply("OVERLOADED", `not applied: ${full}`, id);
  }

  /**
   * The answer to a WRITE that changes nothing: its condition does not hold, or it deletes a key that
   * does not exist. `undefined` if a write is due.
   */
  #answerWithoutWrite({ id, key, value, expected }: WriteRequest): Decision | undefined {
    if (value !== null && expected === undefined) return undefined;
    const entry = this.#entry(key);
    if (entry === undefined) {
      if (value !== null && expected === 0) return undefined;
      const since = this.#absentSince(key);
      if (expected === undefined || expected === 0) {
        const own = detached(key);
        return {
          frame: new WriteOk(id, key, since).encode(),
          tell: (listener, client) => listener.writeOk(client, own, since, false),
        };
      }
      return this.#conflict(key, expected, new Conflict(id, key, null, since).encode(), since);
    }
    if (expected === undefined || expected === entry.timestamp) return undefined;
    const { value: found, timestamp } = entry;
    return this.#conflict(key, expected, Conflict.frame(id, key, entry), timestamp, found);
  }

  #conflict(
    key: string,
    expected: number,
    frame: Frames,
    timestamp: number,
    value: Value | null = null,
  ): Decision {
    this.counts.conflicts++;
    const own = detached(key);
    return {
      frame,
      tell: (listener, client) => listener.conflict(client, own, expected, value, timestamp),
    };
  }

  #latest({ id, key }: { readonly id: number; readonly key: string }): Frames {
    this.counts.latest++;
    const entry = this.#entry(key);
    return entry === undefined
      ? new GetOk(id, key, null, this.#absentSince(key)).encode()
      : GetOk.frame(id, key, entry);
  }

  /** The newest stamped write of a key, `undefined` if the key does not exist. */
  #entry(key: string): Pick<Write, "timestamp" | "frame" | "value"> | undefined {
    const unapplied = this.#group === undefined ? undefined : this.#unapplied.get(key);
    if (unapplied !== undefined) return unapplied.deletes ? undefined : unapplied;
    return this.#store.get(key);
  }

  /** Since when a key does not exist, by what is stamped. */
  #absentSince(key: string): number {
    return this.#unapplied.get(key)?.timestamp ?? this.#store.absentSince(key);
  }

  #refuseAtEnd({ link, id }: PendingRequest): void {
    link.send(notApplied(id, noTimestampLeft));
    this.#options.host.report(noTimestampLeft, "timestamps");
  }

  /**
   * Deletes a slice of the keys that have expired, and returns whether it did. The next slice waits until
   * this one is committed, so that they never pile up.
   */
  deleteExpired(): boolean {
    const { cluster, clock, tuning } = this.#options;
    if (!cluster.writable || this.#lastExpired > this.#committed) return false;
    const lateMs = this.#expirations.lateMs(this.#tickedAt);
    if (lateMs < 0) return false;
    let deleted = false;
    for (let left = this.#expiryPace.next(lateMs); left > 0; left--) {
      if (this.#stamped === timestampMax) break;
      const key = this.#expirations.next(this.#tickedAt);
      if (key === undefined) break;
      if (this.#unapplied.get(key) !== undefined) continue; // its time begins again, or ends
      this.#lastExpired = ++this.#stamped;
      this.counts.expired++;
      this.#write(
        Replication.of(key, null, this.#stamped),
        decideBy(clock.now, tuning.putTimeoutMs),
        true,
      );
      deleted = true;
    }
    return deleted;
  }

  /**
   * Applies a stamped write. With a journal it is on the disk first: a client must not see a write that
   * this server could forget.
   */
  #write(written: Replication, deadline: number, expired = false): void {
    if (this.#group === undefined) return this.#apply(written, deadline, expired);
    const { ledger } = this.#options;
    this.#unapplied.set(written.key, written.write);
    ledger.append(written);
    ledger.whenDurable(() => this.#apply(written, deadline, expired));
  }

  #apply(written: Replication, deadline: number, expired: boolean): void {
    const { key, write } = written;
    const { outbox, host, clock, tuning, cluster } = this.#options;
    if (this.#group !== undefined && this.#unapplied.get(key) === write) {
      this.#unapplied.delete(key);
    }
    this.#store.apply(key, write);
    this.#expirations.applied(key, write);
    outbox.add(written);
    const { listener } = host;
    if (listener !== undefined) {
      const waitedMs = decideBy(clock.now, tuning.putTimeoutMs) - deadline;
      listener.written(key, write.value, write.timestamp, waitedMs, expired);
    }
    cluster.applied();
  }
}
