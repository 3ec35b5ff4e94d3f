/**
 * The followers of a leader, and the writes that all of them have acknowledged.
 *
 * @module
 */

import type { FollowerStatus, Join } from "../mensagem.ts";
import type { Link } from "./environment.ts";
import { assert } from "./invariant.ts";
import { isOutdated, isRedial } from "./join_policy.ts";
import type { Member } from "./member.ts";

/** The followers that have joined. */
export class Members implements Iterable<Member> {
  /** Invariant: each member is under its own link, and no two have the same server. */
  readonly #members = new Map<Link, Member>();
  /** Invariant: the number of members in sync, plus one for the leader. */
  #serversInSync = 1;
  /** Invariant: the members that know only PUT and GET. */
  #outdated: readonly Member[] = [];

  /** The number of followers that have joined. */
  get size(): number {
    return this.#members.size;
  }

  /** The number of servers in sync, the leader included. */
  get serversInSync(): number {
    return this.#serversInSync;
  }

  /** The followers in sync, by their "host:port". */
  get inSync(): string[] {
    return [...this].filter((member) => member.inSync).map((member) => member.server);
  }

  /** The followers as STATUS shows them. */
  get statuses(): FollowerStatus[] {
    return Array.from(this, ({ server, acked, inSync }) => ({
      server,
      timestamp: Math.max(acked, 0),
      inSync,
    }));
  }

  /** The followers that know no deletions and no times to live. */
  get outdated(): readonly Member[] {
    return this.#outdated;
  }

  /** The JOINs of the followers. */
  get joined(): Join[] {
    return Array.from(this, (member) => member.joined);
  }

  /** The members, in the order in which they joined. */
  [Symbol.iterator](): IterableIterator<Member> {
    return this.#members.values();
  }

  /** The member with this connection, `undefined` if it is not the connection of a member. */
  get(link: Link): Member | undefined {
    return this.#members.get(link);
  }

  /** Whether the connection is that of a member. */
  has(link: Link): boolean {
    return this.#members.has(link);
  }

  /** The member at "host:port", `undefined` if no such follower has joined. */
  find(server: string): Member | undefined {
    return [...this].find((member) => member.server === server);
  }

  /** The member that sends this JOIN again, on a newer connection; `undefined` if there is none. */
  findRedialling(join: Join): Member | undefined {
    const earlier = this.find(join.server);
    return earlier !== undefined && isRedial(join, earlier.joined) ? earlier : undefined;
  }

  /** Sends a heartbeat to each follower. */
  sendHeartbeats(): void {
    for (const member of this.#members.values()) member.sendHeartbeat();
  }

  /** Adds a follower that has just joined. */
  add(member: Member): void {
    this.#members.set(member.link, member);
    this.#findOutdated();
  }

  /** Removes a member. Returns `false` if it was removed before. */
  remove(member: Member): boolean {
    if (!this.#members.delete(member.link)) return false;
    this.#findOutdated();
    if (member.inSync) this.#serversInSync--;
    return true;
  }

  /** Puts a member in sync that is waited for. */
  putInSync(member: Member): void {
    member.putInSync();
    this.#serversInSync++;
  }

  /** No commit waits for this member from here on, and it is not in sync. */
  beginProbation(member: Member): void {
    if (member.inSync) this.#serversInSync--;
    member.beginProbation();
  }

  /**
   * The timestamp up to which all followers that are waited for have acknowledged, at most the leader's
   * `timestamp`.
   *
   * A follower that is waited for counts even before it is in sync. Otherwise faster ones could keep it
   * out for ever.
   */
  acknowledgedByAll(timestamp: number): number {
    let lowest = timestamp;
    for (const member of this.#members.values()) {
      if (member.waitedFor && member.acked < lowest) lowest = member.acked;
    }
    return lowest;
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken, for a leader at these timestamps.
   */
  checkInvariants(timestamp: number, committed: number): void {
    const names = new Set<string>();
    let servers = 1;
    for (const [link, member] of this.#members) {
      assert(member.link === link, `${member.server} is stored under the link of another member`);
      member.checkInvariants(timestamp, committed);
      names.add(member.server);
      if (member.inSync) servers++;
    }
    assert(
      this.#serversInSync === servers,
      `${servers} in sync, counted as ${this.#serversInSync}`,
    );
    assert(names.size === this.size, "two members have the same server");
  }

  #findOutdated(): void {
    this.#outdated = [...this].filter(({ joined }) => isOutdated(joined));
  }
}
