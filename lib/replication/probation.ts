/**
 * The rule by which commits do not wait for a follower that stalls again and again.
 *
 * @module
 */

import { assert } from "./invariant.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import { type Pace, Progress } from "./progress.ts";
import { Standing } from "./standing.ts";
import type { Tuning } from "./tuning.ts";

/** The most servers whose losses are remembered. The one with the oldest loss is forgotten first. */
const standingsMax = 64;

/** The state of one member. */
interface Trial {
  readonly progress: Progress;
  readonly standing: Standing;
}

/** The state of the leader at a tick. */
export interface LeaderPace extends Omit<Pace, "acked" | "heardAt"> {
  /** Every write up to here is committed. */
  readonly committed: number;
}

/**
 * The probation of followers, once the leader is open.
 *
 * - A follower on probation gets every write, and no commit waits for it. It is not in sync.
 * - It is waited for again once it has kept up for {@linkcode Standing.probationMs}.
 * - A follower that is waited for goes on probation if the others suffice for `minInSync`, and if it
 *   acknowledges nothing for longer than {@linkcode Standing.patienceMs}, or after a stall of more than
 *   the heartbeat interval, or if it does not keep up in another way ({@linkcode Progress}).
 * - After a loss it gives way at its next stall to a follower on probation that has everything. That is
 *   no loss, and as many servers are in sync as before.
 * - If too few servers are in sync, a follower on probation counts at once.
 */
export class Probation {
  readonly #members: Members;
  readonly #tuning: Tuning;
  /** Invariant: one for each member. */
  readonly #trials = new Map<Member, Trial>();
  /** By "host:port". Invariant: at most standingsMax, the last one lost at the end. */
  readonly #standings = new Map<string, Standing>();

  /** Every follower has a clean record. */
  constructor(members: Members, tuning: Tuning) {
    this.#members = members;
    this.#tuning = tuning;
  }

  /** A follower has joined. Returns its probation in words, "" if it has none. */
  joined(member: Member): string {
    const standing = this.#standings.get(member.server) ?? new Standing(this.#tuning);
    this.#trials.set(member, { progress: new Progress(this.#tuning, member.heardAt), standing });
    if (standing.probationMs === 0) return "";
    member.beginProbation();
    return `, PUTs wait for it once it has kept up for ${standing.probationMs} ms`;
  }

  /** A follower has left at `now`. `open` is whether the leader is open. */
  left(member: Member, now: number, open: boolean): void {
    const silent = member.silentMs(now) > 2 * this.#tuning.heartbeatMs; // one heartbeat may be late
    const late = silent || this.#trials.get(member)!.progress.isLate();
    if (open && member.waitedFor && late) this.#lost(member);
    this.#trials.delete(member);
  }

  /** Time has passed at an open leader. Returns the probations that begin, in words. */
  tick({ committed, ...pace }: LeaderPace): string[] {
    const begun: string[] = [];
    for (const [member, trial] of this.#trials) {
      const { progress, standing } = trial;
      const { acked, heardAt } = member;
      if (!member.ready || member.faultDelayMs !== undefined) {
        progress.restart(heardAt);
        continue;
      }
      const endedMs = progress.tick({ ...pace, acked, heardAt });
      if (standing.forget(progress.steadyMs)) progress.restartSteady();
      if (!member.waitedFor) {
        const keepsUp = progress.stalledMs === 0 && progress.steadyMs >= standing.probationMs;
        if (keepsUp) member.endProbation();
        continue;
      }
      const late = progress.isLate(standing.patienceMs) || progress.stallsOften || endedMs > 0;
      const replaceable = late && this.#replaceable(member, committed, endedMs);
      if (endedMs > 0 || replaceable) this.#lost(member);
      if (!replaceable && !this.#givesWay(member, trial, committed)) continue;
      this.#members.beginProbation(member);
      const why = progress.why(endedMs);
      begun.push(
        `${member.server} ${why}, PUTs wait for it again once it has kept up for ${standing.probationMs} ms`,
      );
    }
    return begun;
  }

  /**
   * The followers to put in sync now: those with every committed write that are waited for, or that
   * are needed for `minInSync`.
   */
  *due(committed: number): Iterable<Member> {
    for (const member of this.#byStall) {
      if (member.inSync || !member.ready || member.acked < committed) continue;
      if (member.waitedFor) yield member;
      else if (this.#members.serversInSync < this.#tuning.minInSync) {
        member.endProbation();
        yield member;
      }
    }
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    const [trials, members] = [this.#trials.size, this.#members.size];
    assert(trials === members, `${trials} followers are watched, and ${members} have joined`);
    assert(this.#standings.size <= standingsMax, `${this.#standings.size} standings are kept`);
    for (const { progress } of this.#trials.values()) progress.checkInvariants();
  }

  /** The members, sorted by the length of their present stall. */
  get #byStall(): Member[] {
    const stalledMs = (member: Member) => this.#trials.get(member)!.progress.stalledMs;
    return [...this.#members].sort((a, b) => stalledMs(a) - stalledMs(b));
  }

  /**
   * Whether enough servers keep up without this member: in sync, or fit to be at once. If the member
   * only stalls often, they must stall for less than half of its time.
   */
  #replaceable(member: Member, committed: number, endedMs: number): boolean {
    const own = this.#trials.get(member)!.progress;
    const stallsMax = endedMs > 0 || own.isLate() ? Infinity : own.shortStallsMs / 2;
    let servers = 1;
    for (const [other, { progress }] of this.#trials) {
      const late = progress.isLate() || progress.shortStallsMs > stallsMax;
      const keepsUp = !late && other.faultDelayMs === undefined;
      const fit = other.inSync || (other.ready && other.acked >= committed);
      if (other !== member && keepsUp && fit) servers++;
    }
    return servers >= this.#tuning.minInSync;
  }

  /**
   * Whether a follower with a recent loss stalls while one on probation has everything. That one is in
   * sync at once if it is needed, so it must be needed.
   */
  #givesWay(member: Member, { progress, standing }: Trial, committed: number): boolean {
    const needed = member.inSync && this.#members.serversInSync <= this.#tuning.minInSync;
    const lost = standing.probationMs > 0;
    if (!needed || !lost || !progress.isLate(this.#tuning.heartbeatMs / 4)) return false;
    return [...this.#trials].some(([other, trial]) =>
      other.ready && !other.waitedFor && other.acked >= committed &&
      other.faultDelayMs === undefined && trial.progress.stalledMs === 0
    );
  }

  #lost(member: Member): void {
    const { server } = member;
    const { standing } = this.#trials.get(member)!;
    standing.lost();
    this.#standings.delete(server);
    this.#standings.set(server, standing);
    if (this.#standings.size <= standingsMax) return;
    this.#standings.delete(this.#standings.keys().next().value!);
  }
}
