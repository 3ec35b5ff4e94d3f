/**
 * A follower's half of the replication: it dials the leader and keeps that one connection.
 *
 * @module
 */

import {
  type AnyMensagem,
  ErrorReply,
  type FollowerStatus,
  Heartbeat,
  Join,
  type Put,
  PutOk,
  type Replication,
  ReplicationOk,
  type Snapshot,
  SnapshotOk,
} from "../mensagem.ts";
import { forgetting, Ledger, type Saved } from "./journal.ts";
import type { Host, Link, Replica } from "./environment.ts";
import { answerBy, type Tuning } from "./tuning.ts";
import { SnapshotSender } from "./snapshot.ts";
import type { Store } from "./store.ts";

const heartbeat = new Heartbeat().encode();

/** A PUT that was passed on to the leader. */
interface Forwarded {
  readonly link: Link;
  readonly id: number;
  readonly deadline: number;
}

/** A server that applies the leader's writes, in the leader's order. */
export class Follower implements Replica {
  readonly #self: string;
  readonly #leader: string;
  readonly #store: Store;
  readonly #host: Host;
  readonly #tuning: Tuning;
  /** The connection to the leader, and whether the leader has accepted this server on it. */
  #link: Link | undefined;
  #accepted = false;
  /** A dial is under way. Then there is no link. */
  #dialling = false;
  #redialAt = 0;
  #redialMs: number;
  /**
   * "" until the leader has said that the table is complete up to #timestamp: until then it counts
   * for nothing.
   */
  #cluster = "";
  /** The first synchronisation is done once everything up to here is applied. */
  #readableFrom = Infinity;
  /** Every write up to here is applied. It never falls. */
  #timestamp = 0;
  /** No write in the table is newer. Above #timestamp while a catch-up is not finished. */
  #highest = 0;
  #acknowledgementDue = false;
  /** The leader does not want this server: what it holds may be of another cluster. */
  #excluded = false;
  /** The operator was told that this server answers GETs. */
  #synchronised = false;
  /** The table on its way to a recovering leader. */
  #snapshot: SnapshotSender | undefined;
  /** By the id used towards the leader, oldest first. */
  readonly #forwarded = new Map<number, Forwarded>();
  #nextId = 1;
  #heardAt = 0;
  #heartbeatAt = 0;
  #now: number;
  readonly #ledger: Ledger;
  /** The journal says that this server follows. */
  #marked = false;

  /**
   * A follower that knows nothing yet but what was saved, with `store` as its table. `self` and
   * `leader` are "ip:port".
   */
  constructor(
    self: string,
    leader: string,
    store: Store,
    host: Host,
    tuning: Tuning,
    now: number,
    saved?: Saved,
  ) {
    this.#self = self;
    this.#leader = leader;
    this.#store = store;
    this.#host = host;
    this.#ledger = new Ledger(host.journal);
    if (saved !== undefined) {
      this.#cluster = saved.cluster;
      this.#timestamp = saved.timestamp;
      this.#highest = saved.highest;
    }
    this.#tuning = tuning;
    this.#redialMs = tuning.redialFirstMs;
    this.#now = now;
  }

  /** Followers do not decide who is in sync. */
  readonly inSync: readonly string[] = [];
  /** Nor do they know of each other. */
  readonly followers: readonly FollowerStatus[] = [];

  get readable(): boolean {
    return this.#timestamp >= this.#readableFrom && !this.#excluded;
  }

  get outstandingPuts(): number {
    return this.#forwarded.size;
  }

  get cluster(): string {
    return this.#cluster;
  }

  get timestamp(): number {
    return this.#timestamp;
  }

  /** A follower has nothing to tell: what it knows of others, the leader knows better. */
  describe(): void {}

  /**
   * enunciado 5.c: who is not the leader passes the request on, with the client's address for the
   * leader's print.
   */
  put(link: Link, put: Put): void {
    const { id } = put;
    if (this.#link === undefined || !this.#accepted) {
      const reason = `not applied: no connection to the leader ${this.#leader}`;
      link.send(new ErrorReply("UNAVAILABLE", reason, id).encode());
      return;
    }
    if (this.#forwarded.size >= this.#tuning.outstandingPutsMax) {
      const reason = `not applied: ${this.#forwarded.size} PUTs are waiting already`;
      link.send(new ErrorReply("OVERLOADED", reason, id).encode());
      return;
    }
    this.#host.prints.forwarding(put.key, put.value);
    const deadline = answerBy(this.#now, this.#tuning.putTimeoutMs);
    const leaderId = this.#nextId++;
    this.#forwarded.set(leaderId, { link, id, deadline });
    this.#link.send(put.forwarded(leaderId, link.peer).encode());
  }

  receive(link: Link, message: AnyMensagem): boolean {
    if (link !== this.#link) return false;
    this.#heardAt = this.#now;
    switch (message.type) {
      case "REPLICATION":
        this.#ledger.append(message);
        this.#apply(message);
        return true;
      case "PUT_OK":
        this.#answer(message.id, (id) => new PutOk(id, message.key, message.timestamp));
        return true;
      case "HEARTBEAT":
        return true;
      case "JOIN_OK":
        this.#accepted = true;
        this.#excluded = false;
        this.#redialMs = this.#tuning.redialFirstMs;
        this.#host.report(`joined the leader ${this.#leader}`);
        this.#mark();
        return true;
      case "SYNC":
        this.#ledger.append(message);
        this.#cluster = message.cluster;
        if (!this.readable) this.#readableFrom = message.latest;
        this.#advance(message.timestamp);
        this.#host.watch?.table();
        return true;
      case "SNAPSHOT":
        this.#ledger.append(message);
        this.#merge(message);
        // Nor does a slow disk let them pile up here.
        this.#ledger.whenDurable(() => link.send(new SnapshotOk().encode()));
        return true;
      case "SNAPSHOT_REQUEST":
        this.#snapshot = new SnapshotSender(link, this.#store, 0, this.#tuning);
        return true;
      case "SNAPSHOT_OK":
        if (this.#snapshot?.confirmed()) this.#snapshot = undefined;
        return true;
      case "ERROR":
        this.#refused(message);
        return true;
      default:
        return false;
    }
  }

  flush(): void {
    if (!this.#acknowledgementDue) return;
    this.#acknowledgementDue = false;
    const link = this.#link;
    const timestamp = this.#timestamp;
    // What came on a connection is confirmed on that connection.
    this.#ledger.whenDurable(() => link?.send(new ReplicationOk(timestamp).encode()));
  }

  durable(count: number): void {
    this.#ledger.durable(count);
  }

  closed(link: Link): void {
    if (link === this.#link) this.#disconnect("the connection ended");
  }

  /** The dial that the host began has succeeded. */
  dialled(link: Link): void {
    if (!this.#dialling) return link.close();
    this.#dialling = false;
    this.#link = link;
    this.#heardAt = this.#now;
    this.#heartbeatAt = this.#now + this.#tuning.heartbeatMs;
    link.betweenServers = true;
    // A table that was never complete must not be taken for one: with it in place, an old value
    // could stand over a newer one of another cluster.
    if (this.#cluster === "") {
      if (this.#store.size > 0) this.#ledger.append(forgetting());
      this.#forget();
    }
    const highest = this.#highest > this.#timestamp ? this.#highest : undefined;
    link.send(new Join(this.#self, this.#cluster, this.#timestamp, highest).encode());
  }

  /** The dial that the host began has failed. */
  dialFailed(reason: string): void {
    if (!this.#dialling) return;
    this.#dialling = false;
    // Said once per outage, not once per try.
    if (this.#redialMs === this.#tuning.redialFirstMs) {
      this.#host.report(`cannot reach the leader ${this.#leader}, trying on: ${reason}`);
    }
    this.#redialLater();
  }

  tick(now: number): void {
    const { heartbeatMs, silenceMs } = this.#tuning;
    // After a pause of this process the silence was its own, and what arrived meanwhile is still
    // unread.
    if (now - this.#now > silenceMs / 2) this.#heardAt = now;
    this.#now = now;
    if (this.#link !== undefined) {
      if (now - this.#heardAt > silenceMs) {
        this.#disconnect(`it was silent for ${silenceMs} ms`);
      } else if (now >= this.#heartbeatAt) {
        this.#heartbeatAt = now + heartbeatMs;
        this.#link.send(heartbeat);
      }
    } else if (!this.#dialling && now >= this.#redialAt) {
      this.#dialling = true;
      this.#host.dial();
    }
    for (const [leaderId, { deadline }] of this.#forwarded) {
      if (deadline > now) break;
      this.#answer(leaderId, (id) => unknownOutcome(`the leader did not answer`, id));
    }
  }

  /** What a leader knows of its followers does not hold for a server that has followed since. */
  #mark(): void {
    if (this.#marked) return;
    this.#marked = true;
    this.#ledger.append(new Join(this.#self, this.#cluster, this.#timestamp));
  }

  /**
   * enunciado 5.d: into the table, then REPLICATION_OK (with the next flush, one for all that came
   * together).
   */
  #apply({ key, write }: Replication): void {
    this.#host.prints.replication(key, write.value, write.timestamp);
    this.#store.keep(key, write);
    this.#advance(write.timestamp);
  }

  #merge({ entries, replace }: Snapshot): void {
    if (replace === true) {
      this.#host.report("what this server held is replaced by the leader's table");
      this.#forget();
    }
    for (const [key, value, timestamp] of entries) {
      this.#store.put(key, value, timestamp);
      if (timestamp > this.#highest) this.#highest = timestamp;
    }
  }

  /** Begins anew, as if this server had just started. */
  #forget(): void {
    this.#store.clear();
    this.#cluster = "";
    this.#timestamp = 0;
    this.#highest = 0;
    this.#readableFrom = Infinity;
    this.#synchronised = false;
  }

  #advance(timestamp: number): void {
    if (timestamp > this.#timestamp) this.#timestamp = timestamp;
    if (timestamp > this.#highest) this.#highest = timestamp;
    this.#acknowledgementDue = true;
    if (this.#synchronised || !this.readable) return;
    this.#synchronised = true;
    this.#host.report(`synchronised at timestamp ${this.#timestamp}, cluster ${this.#cluster}`);
  }

  #refused(error: ErrorReply): void {
    if (error.id !== undefined) {
      this.#answer(error.id, (id) => new ErrorReply(error.code, error.message, id));
    } else {
      this.#excluded = error.code === "FORBIDDEN";
      this.#disconnect(`${error.code}: ${error.message}`);
    }
  }

  #answer(leaderId: number, reply: (id: number) => PutOk | ErrorReply): void {
    const forwarded = this.#forwarded.get(leaderId);
    if (forwarded === undefined) return; // answered already, when its time ran out
    this.#forwarded.delete(leaderId);
    forwarded.link.send(reply(forwarded.id).encode());
  }

  #disconnect(reason: string): void {
    this.#link?.close();
    this.#link = undefined;
    this.#accepted = false;
    this.#acknowledgementDue = false;
    this.#snapshot = undefined;
    this.#host.report(`lost the leader ${this.#leader}: ${reason}`);
    for (const leaderId of this.#forwarded.keys()) {
      this.#answer(leaderId, (id) => unknownOutcome(`the connection to the leader was lost`, id));
    }
    this.#redialLater();
  }

  /** Growing pauses, jittered so that followers do not come all at once. */
  #redialLater(): void {
    this.#redialAt = this.#now + this.#redialMs * (0.5 + this.#host.random() / 2);
    this.#redialMs = Math.min(this.#redialMs * 2, this.#tuning.redialLongestMs);
  }
}

function unknownOutcome(reason: string, id: number): ErrorReply {
  return new ErrorReply("UNKNOWN_OUTCOME", `may or may not be applied: ${reason}`, id);
}
