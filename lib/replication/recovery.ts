/**
 * The way of a leader from its start to the first PUT.
 *
 * ```text
 * waiting ──all followers joined──▶ copying ──the table is here──▶ catching up ──all in sync──▶ open
 *    ▲  └──no follower has more data than its disk─────────────────▲
 *    └────the source has left────────┘
 * ```
 *
 * A leader without data cannot know whether it is new or restarted. So it waits for all followers
 * and copies the table of the one that is furthest ahead. It opens only when the others have caught
 * up too. A leader that led last, and has its journal, knows that no other server has more.
 *
 * @module
 */

import { type Gap, type Join, type Snapshot, SnapshotOk, SnapshotRequest } from "../mensagem.ts";
import type { Host } from "./environment.ts";
import { assert } from "./invariant.ts";
import { clearTable } from "./journal.ts";
import type { Ledger } from "./ledger.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import { gapBetween, joinedGaps } from "./gaps.ts";
import type { RecoveredState } from "./recovered_state.ts";
import type { Store } from "./store.ts";
import { highestOf, skipFrom, warningOfEnd } from "./timestamps.ts";
import type { Tuning } from "./tuning.ts";

export { recoverySkip } from "./timestamps.ts";

/** Where a leader begins: its table is complete up to `table`, its timestamps go on after `timestamp`. */
export interface Origin {
  /** The id of the cluster. */
  readonly cluster: string;
  /** The table is complete up to this timestamp. */
  readonly table: number;
  /** The timestamp after which this leader's own begin. */
  readonly timestamp: number;
  /** The follower whose table was copied, `undefined` if none was. */
  readonly source: Member | undefined;
}

/** What a recovery works with. */
export interface RecoveryOptions {
  /** The followers that have joined. */
  readonly members: Members;
  /** The leader's table. */
  readonly store: Store;
  /** The leader's journal. */
  readonly ledger: Ledger;
  /** Where random numbers and cluster ids come from, and reports go. */
  readonly host: Pick<Host, "random" | "newClusterId" | "report">;
  /** How many servers the cluster has, and how many hold a committed write at least. */
  readonly tuning: Pick<Tuning, "clusterSize" | "minInSync">;
  /** What the leader's journal held. */
  readonly recovered: RecoveredState | undefined;
}

/**
 * The recovery of a leader.
 *
 * A method that can complete the table returns the {@linkcode Origin} from which the leader goes on,
 * `undefined` if the table is not complete yet.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  #phase: "waiting" | "copying" | "catching up" | "open" = "waiting";
  /** The follower whose table is copied. Invariant: defined only while the phase is "copying". */
  #source: Member | undefined;
  /** The leader's own table from its disk. Invariant: `undefined` if its cluster id is "". */
  #own: RecoveredState | undefined;
  /** Whether this server led last, so that no other server can have more than its own table. */
  readonly #ledLast: boolean;
  /** The ranges that this leader and earlier ones have skipped. */
  #gaps: readonly Gap[];
  /** Invariant: `undefined` exactly while the phase is "waiting" or "copying". */
  #origin: Origin | undefined;
  /** Whether the origin is on the disk, or there is no journal. Invariant: only with #origin. */
  #originDurable = false;

  /** A recovery that has not begun. */
  constructor(options: RecoveryOptions) {
    this.#options = options;
    const { recovered } = options;
    if (recovered !== undefined && recovered.cluster !== "") this.#own = recovered;
    this.#ledLast = this.#own?.led ?? false;
    this.#gaps = this.#own?.gaps ?? [];
  }

  /** Whether the leader is open. */
  get open(): boolean {
    return this.#phase === "open";
  }

  /** Whether a follower that joins can be brought into the live stream. */
  get originDurable(): boolean {
    return this.#originDurable;
  }

  /** The cluster id, "" until the table is here. */
  get cluster(): string {
    return this.#origin?.cluster ?? "";
  }

  /** The ranges of timestamps that leaders have skipped. */
  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  /** The cluster of the data on this leader's own disk, `undefined` if it has none. */
  get ownCluster(): string | undefined {
    return this.#own !== undefined && this.#own.highest > 0 ? this.#own.cluster : undefined;
  }

  /** The newest write on this leader's own disk, 0 if it has none. */
  get ownHighest(): number {
    return this.#own?.highest ?? 0;
  }

  /** Begins with its own table if no other server can have more. Otherwise waits for followers. */
  begin(): Origin | undefined {
    return this.#ledLast ? this.#beginWithOwn(this.#own!) : this.#chooseSource();
  }

  /** A follower has joined. */
  joined(): Origin | undefined {
    return this.#phase === "waiting" ? this.#chooseSource() : undefined;
  }

  /** A follower has left. A copy of its table has to begin again. */
  left(member: Member): void {
    if (member !== this.#source) return;
    this.#source = undefined;
    this.#phase = "waiting";
  }

  /** Whether this follower's table is being copied. */
  copiesFrom(member: Member): boolean {
    return member === this.#source;
  }

  /** Stores a chunk of the source's table. */
  copy(source: Member, chunk: Snapshot): Origin | undefined {
    const { store, ledger } = this.#options;
    // The leader's own table may have keys whose deletion the source has forgotten.
    if (this.#own !== undefined && (chunk.floor ?? 0) > this.#own.timestamp) this.#forgetOwn();
    store.unsettle(chunk.floor);
    for (const [key, value, timestamp, ttlMs] of chunk.entries) {
      store.put(key, value, timestamp, ttlMs);
      this.#own?.saw(timestamp); // the source may leave before its table is complete here
    }
    this.#gaps = joinedGaps(this.#gaps, chunk.gaps);
    ledger.append(chunk);
    ledger.whenDurable(() => source.link.send(new SnapshotOk().encode()));
    if (!chunk.last) return undefined;
    this.#source = undefined;
    // A follower that is further ahead may have joined meanwhile, in the place of one that left.
    if (this.#furthest() !== source) {
      this.#phase = "waiting";
      return this.#chooseSource();
    }
    const { cluster, timestamp: table } = source.joined;
    // Far above every timestamp that the previous leader may have given (G5).
    const timestamp = this.#skipFrom(highestOf(source.joined));
    return this.#begin({ cluster, table, timestamp, source });
  }

  /** The origin is on the disk now, or there is no journal. */
  markOriginDurable(): void {
    this.#originDurable = true;
  }

  /** Opens once every follower is in sync, or at once if this server led last. Returns whether it just
   * opened.
   *
   * Every follower, not only as many as PUTs need: each must hold the new timestamp before it is
   * used. Otherwise a leader that crashes again could use it a second time. A leader that led last
   * has the timestamp on its own disk.
   */
  openIfCaughtUp(serversInSync: number): boolean {
    if (this.#phase !== "catching up" || !this.#originDurable) return false;
    if (!this.#ledLast && serversInSync < this.#options.tuning.clusterSize) return false;
    this.#phase = "open";
    return true;
  }

  /**
   * Whether a follower needs the whole table in place of its own. An unfinished catch-up from an
   * earlier leader may have left writes that the recovered table does not have (G6).
   */
  isForked({ timestamp, highest = timestamp }: Join): boolean {
    return highest > timestamp && timestamp < this.#origin!.timestamp;
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    const phase = this.#phase;
    const hasTable = phase === "catching up" || phase === "open";
    assert(
      (phase === "copying") === (this.#source !== undefined),
      `the source does not fit the phase "${phase}"`,
    );
    assert(
      hasTable === (this.#origin !== undefined),
      `the origin does not fit the phase "${phase}"`,
    );
    assert(!this.#originDurable || hasTable, `the origin is durable in the phase "${phase}"`);
    assert(!this.open || this.#originDurable, "open before the origin is on the disk");
    assert(this.#own?.cluster !== "", "the leader's own table has no cluster id");
  }

  /** Decides what to begin with once all followers have joined. */
  #chooseSource(): Origin | undefined {
    const { members, host, tuning } = this.#options;
    if (members.size < tuning.clusterSize - 1) return undefined;
    const source = this.#furthest();
    const own = this.#own;
    const ownIsNewest = own !== undefined && (source?.joined.timestamp ?? 0) <= own.timestamp;
    this.#warnOfLoss(ownIsNewest ? undefined : source);
    if (ownIsNewest) return this.#beginWithOwn(own);
    // The source's entries may be merged only into a complete table. Any other is cleared first.
    if (own === undefined || own.highest > own.timestamp) this.#forgetOwn();
    if (source === undefined) {
      return this.#begin({ cluster: host.newClusterId(), table: 0, timestamp: 0, source });
    }
    this.#phase = "copying";
    this.#source = source;
    host.report(
      `recovering from ${source.server} at timestamp ${source.joined.timestamp}`,
      "recovery",
    );
    source.link.send(new SnapshotRequest().encode());
    return undefined;
  }

  /**
   * Warns if every copy of a committed write may be gone: it was on `minInSync` servers at least, and as
   * many have come back without data. The table that is left cannot tell.
   */
  #warnOfLoss(source: Member | undefined): void {
    const { members, host, tuning: { minInSync, clusterSize } } = this.#options;
    const empty = [...members].filter(({ joined }) => joined.cluster === "").map((one) =>
      one.server
    );
    if (this.#own === undefined) empty.unshift("this leader");
    if (empty.length < minInSync || empty.length === clusterSize) return;
    const { server, joined: { timestamp } } = source ??
      { server: "this leader", joined: this.#own! };
    host.report(
      `warning: ${empty.length} of ${clusterSize} servers came back without data: ` +
        `${empty.join(" and ")}. Acknowledged writes that only they had are lost. The table of ` +
        `${server}, up to timestamp ${timestamp}, is taken over: it is complete if that server was in sync`,
      "recovery",
    );
  }

  /** The follower to recover from, `undefined` if all are new. */
  #furthest(): Member | undefined {
    let furthest: Member | undefined;
    for (const member of this.#options.members) {
      // A cluster id without data counts too: its leader may have given timestamps that were lost.
      if (member.joined.cluster === "") continue;
      if (furthest === undefined || member.joined.timestamp > furthest.joined.timestamp) {
        furthest = member;
      }
    }
    return furthest;
  }

  /** Goes on above every timestamp on the disk, those of an unfinished catch-up included. */
  #beginWithOwn({ cluster, timestamp, highest }: RecoveredState): Origin {
    const skipped = this.#skipFrom(highest);
    return this.#begin({ cluster, table: timestamp, timestamp: skipped, source: undefined });
  }

  #forgetOwn(): void {
    const { store, ledger } = this.#options;
    this.#own = undefined;
    store.clear();
    ledger.append(clearTable());
  }

  /** The table is complete, and every timestamp that the leader before may have given counts as gone. */
  #begin(origin: Origin): Origin {
    const { store } = this.#options;
    this.#phase = "catching up";
    this.#origin = origin;
    // A source that left before its table was complete here may have told of later gaps.
    const known = this.#gaps.filter(([, last]) => last <= origin.table);
    this.#gaps = joinedGaps(known, gapBetween(origin.table, origin.timestamp));
    store.synchronise({ latest: origin.timestamp, gaps: this.#gaps });
    store.advance(origin.timestamp);
    const warning = warningOfEnd(origin.timestamp);
    if (warning !== undefined) this.#options.host.report(warning);
    return origin;
  }

  #skipFrom(timestamp: number): number {
    return skipFrom(timestamp, this.#options.host.random());
  }
}
