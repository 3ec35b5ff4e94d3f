/**
 * The table of one server: key to value and timestamp, what it remembers of deletions, and the rule for
 * answering a GET.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import { detached, Write } from "../wire/encoded_write.ts";
import type { Value } from "../wire/long_value.ts";
import type { Gap } from "../wire/replication.ts";
import type { Entry, Held, Reading } from "./entry.ts";
import { isInGap } from "./gaps.ts";
import { assert } from "./invariant.ts";
import { KeyedHeap } from "./keyed_heap.ts";

export type { Entry, Held, Reading };

/** A receiver of the changes of a table, in the order in which they take effect. */
export interface StoreListener {
  /**
   * A write has taken effect: it is the newest of its key. `existed` is whether the key existed before.
   * During a catch-up its timestamp may be above that of the table, and later ones may be lower.
   */
  changed(key: string, write: Write, existed: boolean): void;
  /** Every write up to this timestamp is applied. */
  advanced?(timestamp: number): void;
  /** The table is empty. */
  cleared(): void;
}

/** What a leader says about its table in a SYNC. */
export interface TableState {
  /** The newest write of the leader. */
  readonly latest: number;
  /** The leader's floor at that write. */
  readonly floor?: number | undefined;
  /** The gaps that the leader knows, `undefined` if it says nothing about them. */
  readonly gaps?: readonly Gap[] | undefined;
}

/** Deletions that a table remembers, by default. One takes some 70 bytes and its key. */
export const tombstonesMax = 262_144;

/** While a table is a mix of different times, it may remember this many times as many deletions. */
const unsettledFactor = 4;

/**
 * A hash table (enunciado 5.c.1) in which no key's timestamp ever falls.
 *
 * Any text is an ordinary key, `__proto__` and `constructor` included.
 *
 * - A deletion leaves a tombstone. With more than `tombstonesMax` of them the oldest is forgotten, and
 *   its timestamp is the new floor. So tables with the same writes in the same order forget the same.
 * - A table that gets a snapshot is a mix of different times. It forgets nothing until it is _settled_:
 *   it has every write that the leader had at its SYNC. Then it takes over the leader's floor.
 */
export class Store {
  /** Is told of every change. */
  listener: StoreListener | undefined;
  /**
   * Whether this is the table of an open leader. Then no server has a higher timestamp, except one that a
   * leader gave which died before all servers knew it.
   */
  leads = false;

  /**
   * The newest write of each key that exists. The objects are the table's own: a newer write is copied
   * in. Invariant: none of them deletes, and no such key is in #tombstones.
   */
  readonly #table = new KeyMap<Write>();
  /** The timestamps of deletions. Invariant: each is above #floor. */
  readonly #tombstones = new KeyedHeap();
  #tombstonesMax: number;
  /** Invariant: the text of all writes in #table. */
  #chars = 0;
  /** Every write up to here is applied. Invariant: falls only when the table is cleared. */
  #timestamp = 0;
  /**
   * The highest timestamp of a deletion that is forgotten. Invariant: at most #timestamp once the table
   * is settled.
   */
  #floor = 0;
  /** Timestamps that were lost with leaders. Invariant: in rising order. */
  #gaps: readonly Gap[] = [];
  /** The table is settled once #timestamp is at least this; 0 if it is settled. */
  #settledAt = 0;
  /** The floor to take over when the table is settled. */
  #floorThen = 0;
  /** Whether the table ever held a deletion or a time to live. */
  #beyondPuts = false;

  /** An empty table that remembers this many deletions. */
  constructor(deletionsMax = tombstonesMax) {
    this.#tombstonesMax = deletionsMax;
  }

  /** The length of all keys and values in JSON: UTF-16 units, and bytes of long values. */
  get chars(): number {
    return this.#chars;
  }

  /** The number of keys that exist. */
  get size(): number {
    return this.#table.size;
  }

  /** The number of deletions that are remembered. */
  get tombstones(): number {
    return this.#tombstones.size;
  }

  /** Sets how many deletions are remembered. More of them are forgotten at the next one. */
  set tombstonesMax(deletionsMax: number) {
    this.#tombstonesMax = deletionsMax;
  }

  /** Every write up to this timestamp is applied. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** The highest timestamp of a deletion that is forgotten, 0 if none is. */
  get floor(): number {
    return this.#floor;
  }

  /** The timestamps that were lost with leaders, in rising order. */
  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  /** Whether a server that knows only PUTs cannot hold this table. */
  get beyondPuts(): boolean {
    return this.#beyondPuts || this.#floor > 0;
  }

  /** Whether the entries of a snapshot come, in any order. */
  get merging(): boolean {
    return this.#settledAt === Infinity;
  }

  /** The entry of a key, `undefined` if the key does not exist. */
  get(key: string): Entry & Pick<Write, "frame" | "element"> | undefined {
    return this.#table.get(key) as Entry & Write | undefined;
  }

  /** The timestamp of a key that does not exist: that of its tombstone, or the floor. */
  absentSince(key: string): number {
    return this.#tombstones.get(key) ?? this.#floor;
  }

  /**
   * Applies the next write in the order of all writes. Returns `false` if the table has a newer one of
   * the key, as it may have during a catch-up.
   */
  apply(key: string, write: Write): boolean {
    const kept = this.keep(key, write);
    this.advance(write.timestamp);
    return kept;
  }

  /** Stores a write given by its parts, see {@linkcode Store.keep}. */
  put(key: string, value: Value | null, timestamp: number, ttlMs?: number): boolean {
    return this.keep(key, Write.of(key, value, timestamp, ttlMs));
  }

  /**
   * Stores a write, in any order: the table need not have the writes before it. Returns `false`, and
   * changes nothing, if the table has a newer one.
   */
  keep(key: string, write: Write): boolean {
    if (write.deletes) return this.#delete(key, write);
    const newest = this.#table.get(key);
    if (newest === undefined) return this.#create(key, write);
    if (write.timestamp < newest.timestamp) return false;
    this.#chars += write.chars - newest.chars;
    newest.become(write);
    if (write.ttlMs !== undefined) this.#beyondPuts = true;
    this.listener?.changed(key, write, true);
    return true;
  }

  /** Every write up to `timestamp` is applied. */
  advance(timestamp: number): void {
    if (timestamp <= this.#timestamp) return;
    this.#timestamp = timestamp;
    if (this.#settledAt > 0 && timestamp >= this.#settledAt) this.#settle();
    this.listener?.advanced?.(timestamp);
  }

  /**
   * The entries of a snapshot follow, in any order: the table is not settled until a SYNC. The floor of
   * the sender is taken over then.
   */
  unsettle(floor = 0): void {
    this.#settledAt = Infinity;
    this.#floorThen = Math.max(this.#floorThen, floor);
  }

  /** The floor of this table once it is settled: what a copy of the table needs to know. */
  get floorSettled(): number {
    return Math.max(this.#floor, this.#floorThen);
  }

  /** The leader's table is known: this one is settled once it has every write up to `latest`. */
  synchronise({ latest, floor = 0, gaps }: TableState): void {
    if (gaps !== undefined) this.#gaps = gaps;
    this.#floorThen = Math.max(this.#floorThen, floor);
    this.#settledAt = latest;
    if (this.#timestamp >= latest) this.#settle();
  }

  /** Forgets every deletion up to `floor`: the state before it is not known. */
  raiseFloor(floor: number): void {
    if (floor <= this.#floor) return;
    this.#floor = floor;
    while (this.#tombstones.lowest <= floor) this.#tombstones.delete(this.#tombstones.first!);
  }

  /**
   * Answers a GET of a client that has seen timestamp `seen` for the key, 0 if it has seen none, and
   * needs everything up to `atLeast`.
   *
   * enunciado 5.f: a value with an equal or higher timestamp, otherwise TRY_OTHER_SERVER_OR_LATER. The
   * client must never get an earlier state than it has seen (5.f.1). So a key without entry and
   * tombstone is NULL only if everything that the client can have seen of it is applied here. Its
   * timestamp is the floor: a server that still has the deleted value then refuses it to this client.
   */
  read(key: string, seen: number, atLeast = 0): Reading {
    const entry = this.#table.get(key);
    if (atLeast > 0 && !this.covers(atLeast)) {
      return this.#refusal(entry?.timestamp ?? this.absentSince(key), seen, atLeast);
    }
    if (entry !== undefined) {
      const { timestamp } = entry;
      return timestamp < seen
        ? this.#refusal(timestamp, seen, 0)
        : { fresh: true, value: entry.value, timestamp, entry };
    }
    const deletedAt = this.#tombstones.get(key);
    const timestamp = deletedAt ?? this.#floor;
    const shown = deletedAt === undefined ? this.covers(seen) : deletedAt >= seen;
    return shown ? { fresh: true, value: null, timestamp } : this.#refusal(timestamp, seen, 0);
  }

  /** Whether everything up to `timestamp` is applied here, and `timestamp` lies in no gap. */
  covers(timestamp: number): boolean {
    return timestamp <= this.#timestamp && !this.isLost(timestamp);
  }

  /**
   * Whether what `timestamp` showed was lost with a leader: it lies in a gap, or above everything that a
   * leader has given which took over from another one.
   */
  isLost(timestamp: number): boolean {
    const above = this.leads && this.#gaps.length > 0 && timestamp > this.#timestamp;
    return above || isInGap(this.#gaps, timestamp);
  }

  /**
   * The entries, in the order of their keys' first writes. Writes may go on during the walk: a key
   * that existed at its start, and still exists, is visited once, with its value of that moment.
   */
  entries(): IterableIterator<[key: string, entry: Entry]> {
    return this.#table.entries() as IterableIterator<[string, Entry]>;
  }

  /** The deletions that are remembered, in any order. Writes may go on during the walk. */
  deletions(): IterableIterator<[key: string, timestamp: number]> {
    return this.#tombstones.entries();
  }

  /**
   * Everything that the table holds: entries, then tombstones. Writes may go on during the walk; it
   * leaves out keys that are added after it has begun, so that it ends.
   */
  *held(): Generator<[key: string, held: Held], undefined> {
    let left = this.size;
    for (const entry of this.entries()) {
      if (left-- === 0) break;
      yield entry;
    }
    left = this.tombstones;
    for (const [key, timestamp] of this.deletions()) {
      if (left-- === 0) break;
      yield [key, { value: null, timestamp }];
    }
  }

  /** Removes everything: the table is as a new one. */
  clear(): void {
    this.#chars = 0;
    this.#table.clear();
    this.#tombstones.clear();
    this.#timestamp =
      this.#floor =
      this.#settledAt =
      this.#floorThen =
        0;
    this.#gaps = [];
    this.#beyondPuts = false;
    this.listener?.cleared();
  }

  /**
   * Checks the invariants, except for those that need a walk over the table.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    const [timestamp, floor, settled] = [this.#timestamp, this.#floor, this.#settledAt === 0];
    assert(!settled || floor <= timestamp, `the floor is ${floor}, applied is ${timestamp}`);
    assert(this.#tombstones.lowest > floor, `a tombstone is not above the floor ${floor}`);
    const most = this.#tombstonesMax;
    assert(!settled || this.tombstones <= most, `${this.tombstones} tombstones of ${most}`);
    for (const [key] of this.#tombstones.entries()) {
      assert(this.#table.get(key) === undefined, `"${key}" exists and has a tombstone`);
    }
    this.#tombstones.checkInvariants();
  }

  #create(key: string, write: Write): boolean {
    if (this.#tombstones.size > 0) {
      const deletedAt = this.#tombstones.get(key);
      if (deletedAt !== undefined && write.timestamp < deletedAt) return false;
      this.#tombstones.delete(key);
    }
    const own = detached(key);
    this.#table.set(own, write.copy());
    this.#chars += write.chars;
    if (write.ttlMs !== undefined) this.#beyondPuts = true;
    this.listener?.changed(own, write, false);
    return true;
  }

  #delete(key: string, write: Write): boolean {
    const { timestamp } = write;
    const newest = this.#table.get(key);
    if (timestamp < (newest?.timestamp ?? this.absentSince(key))) return false;
    this.#beyondPuts = true;
    if (newest !== undefined) {
      this.#chars -= newest.chars;
      this.#table.delete(key);
    }
    const own = detached(key);
    if (timestamp > this.#floor) {
      this.#tombstones.set(own, timestamp);
      this.#forget();
    }
    this.listener?.changed(own, write, newest !== undefined);
    return true;
  }

  /**
   * Forgets the oldest deletions if there are too many. Those above #timestamp stay: the floor must not
   * refuse a client what it has just been shown here.
   */
  #forget(): void {
    const most = this.#settledAt === 0
      ? this.#tombstonesMax
      : this.#tombstonesMax * unsettledFactor;
    while (this.#tombstones.size > most && this.#mayForget()) {
      this.raiseFloor(this.#tombstones.lowest);
    }
  }

  #mayForget(): boolean {
    return this.#settledAt === 0 || this.#tombstones.lowest <= this.#timestamp;
  }

  #settle(): void {
    this.#settledAt = 0;
    this.raiseFloor(this.#floorThen);
    this.#floorThen = 0;
    this.#forget();
  }

  #refusal(timestamp: number, seen: number, atLeast: number): Reading {
    return this.isLost(seen) || this.isLost(atLeast)
      ? { fresh: false, timestamp, lost: true }
      : { fresh: false, timestamp };
  }
}
