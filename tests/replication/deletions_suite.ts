import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Write } from "../../lib/wire/encoded_write.ts";
import type { Gap } from "../../lib/wire/replication.ts";
import { type Reading, Store } from "../../lib/replication/store.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const keys = ["a", "b", "c", "d", "1", "__proto__", "a long key of more than 13"];

interface Logged {
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
}

/** The dumb second version: all writes, and the floor as the rule says it, one write after the other. */
class DumbTable {
  readonly log: Logged[] = [];
  floor = 0;
  timestamp = 0;
  gaps: Gap[] = [];
  #remembered: Logged[] = [];

  constructor(readonly tombstonesMax: number) {}

  apply(write: Logged): void {
    this.log.push(write);
    this.timestamp = write.timestamp;
    this.#remembered = this.#remembered.filter(({ key }) => key !== write.key);
    if (write.value === null) this.#remembered.push(write);
    if (this.#remembered.length <= this.tombstonesMax) return;
    this.floor = this.#remembered.shift()!.timestamp;
  }

  newest(key: string): Logged | undefined {
    return this.log.findLast((write) => write.key === key);
  }

  read(key: string, seen: number, atLeast: number): Reading {
    const lost = (at: number) => this.gaps.some(([first, last]) => at >= first && at <= last);
    const newest = this.newest(key);
    const known = newest !== undefined &&
      (newest.value !== null || newest.timestamp > this.floor);
    const timestamp = known ? newest.timestamp : this.floor;
    const enough = atLeast <= this.timestamp && !lost(atLeast);
    const shown = enough &&
      (known ? newest.timestamp >= seen : seen <= this.timestamp && !lost(seen));
    if (shown) return { fresh: true, value: newest?.value ?? null, timestamp };
    return lost(seen) || lost(atLeast)
      ? { fresh: false, timestamp, lost: true }
      : { fresh: false, timestamp };
  }
}

/** The log and floor of a table that grows by random writes, with gaps as a recovery leaves them. */
function grow(random: Random, dumb: DumbTable, writes: number, each: (write: Logged) => void) {
  for (let n = 0; n < writes; n++) {
    const step = random.next() < 0.1 ? 1 + random.below(50) : 1; // etcd's timestamps are sparse
    const timestamp = dumb.timestamp + step;
    const key = random.pick(keys);
    const write = { key, value: random.next() < 0.5 ? null : `${key} ${timestamp}`, timestamp };
    dumb.apply(write);
    each(write);
  }
}

function apply(store: Store, { key, value, timestamp }: Logged): void {
  store.apply(key, Write.of(key, value, timestamp));
}

function read(store: Store, key: string, seen: number, atLeast: number): Reading {
  const reading = store.read(key, seen, atLeast);
  if (!reading.fresh) return reading;
  const { entry: _, ...rest } = reading;
  return rest;
}

/** Everything that a table holds, without the order of its keys. */
function contents(store: Store): unknown {
  const held = Array.from(store.held(), ([key, { value, timestamp }]) => [key, value, timestamp]);
  return { held: held.sort(), floor: store.floor, timestamp: store.timestamp, size: store.size };
}

Deno.test(
  "a store with deletions answers like the list of all writes, over 40,000 reads",
  pure,
  seeded((random) => {
    for (let round = 0; round < 100; round++) {
      const max = random.below(5);
      const [store, dumb] = [new Store(max), new DumbTable(max)];
      grow(random, dumb, 100, (write) => {
        apply(store, write);
        if (random.next() < 0.05) {
          const [first, last] = [dumb.timestamp + 1, dumb.timestamp + 20];
          dumb.gaps.push([first, last]);
          store.synchronise({ latest: last + 1, gaps: [...dumb.gaps] });
          store.advance(dumb.timestamp = last + 1);
        }
        for (let n = 0; n < 4; n++) {
          const key = random.pick(keys);
          const [seen, atLeast] = [
            random.below(dumb.timestamp + 3),
            random.below(dumb.timestamp + 3),
          ];
          const needed = random.next() < 0.5 ? 0 : atLeast;
          const expected = dumb.read(key, seen, needed);
          assertEquals(read(store, key, seen, needed), expected, JSON.stringify(dumb.log));
        }
        store.checkInvariants();
      });
    }
  }),
);

Deno.test(
  "a table that gets a snapshot in any order while writes go on ends as its leader's",
  pure,
  seeded((random) => {
    for (let round = 0; round < 300; round++) {
      const max = 1 + random.below(4);
      const [leader, follower, dumb] = [new Store(max), new Store(max), new DumbTable(max)];
      const missed: Logged[] = [];
      grow(random, dumb, random.below(30), (write) => {
        apply(leader, write);
        apply(follower, write);
      });
      grow(random, dumb, random.below(30), (write) => apply(leader, write));
      // As the leader does: a table that is older than its floor is replaced.
      let base = follower.timestamp;
      if (base < leader.floor) {
        follower.clear();
        base = 0;
      }
      follower.unsettle();
      const startedAt = leader.timestamp;
      const left = [...leader.held()].map(([key]) => key);
      while (left.length > 0) {
        const [key] = left.splice(random.below(left.length), 1) as [string];
        const deletedAt = leader.absentSince(key);
        const entry = leader.get(key) ??
          (deletedAt > leader.floor ? { value: null, timestamp: deletedAt } : undefined);
        if (entry && entry.timestamp > base) follower.put(key, entry.value, entry.timestamp);
        grow(random, dumb, random.below(3), (write) => {
          apply(leader, write);
          missed.push(write);
        });
        if (base > 0 && base < leader.floor) break;
      }
      if (base > 0 && base < leader.floor) continue; // a further, whole snapshot would follow
      const { timestamp: latest, floor } = leader;
      follower.advance(startedAt);
      follower.synchronise({ latest, floor });
      for (const write of missed) apply(follower, write);
      assertEquals(contents(follower), contents(leader), JSON.stringify(dumb.log));
      assertStrictEquals(leader.floor, dumb.floor);
      follower.checkInvariants();
    }
  }),
);

Deno.test("what a leader never gave was lost with another leader", pure, () => {
  const store = new Store();
  store.put("a", "1", 5);
  store.advance(5);
  assertEquals(store.read("a", 6), { fresh: false, timestamp: 5 });
  assertEquals(store.isLost(6), false);
  store.leads = true;
  // Without a gap no leader has taken over from another one: such a timestamp is made up.
  assertEquals(store.read("a", 6), { fresh: false, timestamp: 5 });
  store.synchronise({ latest: 5, gaps: [[2, 3]] });
  assertEquals(store.read("a", 6), { fresh: false, timestamp: 5, lost: true });
  assertEquals(store.read("b", 0, 6), { fresh: false, timestamp: 0, lost: true });
  assertEquals([store.isLost(5), store.isLost(6)], [false, true]);
});

Deno.test("a deleted key is NULL with the deletion's timestamp, and written again", pure, () => {
  const store = new Store();
  apply(store, { key: "k", value: "v", timestamp: 1 });
  apply(store, { key: "k", value: null, timestamp: 2 });
  assertStrictEquals(store.get("k"), undefined);
  assertEquals([store.size, store.tombstones, store.chars], [0, 1, 0]);
  assertEquals(store.read("k", 2), { fresh: true, value: null, timestamp: 2 });
  assertEquals(store.read("k", 3), { fresh: false, timestamp: 2 });
  apply(store, { key: "k", value: "w", timestamp: 3 });
  assertEquals([store.size, store.tombstones], [1, 0]);
});

Deno.test("a write that is older than a tombstone does not come back", pure, () => {
  const store = new Store();
  store.put("k", null, 7);
  assertStrictEquals(store.put("k", "old", 6), false);
  assertStrictEquals(store.get("k"), undefined);
  assertStrictEquals(store.put("k", null, 6), false);
  assertStrictEquals(store.absentSince("k"), 7);
});

Deno.test(
  "a table that is not settled remembers at most four times as many deletions",
  pure,
  () => {
    const store = new Store(10);
    store.unsettle();
    for (let n = 1; n <= 1_000; n++) apply(store, { key: `k${n}`, value: null, timestamp: n });
    assertStrictEquals(store.tombstones, 40);
    assertStrictEquals(store.floor, 960);
    store.synchronise({ latest: 1_000, floor: 5 });
    assertEquals([store.tombstones, store.floor], [10, 990]);
  },
);

Deno.test("a listener is told of each change once, with whether the key existed", pure, () => {
  const store = new Store();
  const told: string[] = [];
  store.listener = {
    changed: (key, { value, timestamp }, existed) =>
      told.push(`${key} ${value} ${timestamp} ${existed}`),
    advanced: (timestamp) => told.push(`at ${timestamp}`),
    cleared: () => told.push("cleared"),
  };
  apply(store, { key: "k", value: "v", timestamp: 1 });
  apply(store, { key: "k", value: "w", timestamp: 2 });
  apply(store, { key: "k", value: null, timestamp: 3 });
  store.put("k", "late", 2);
  store.clear();
  assertEquals(told, [
    ...["k v 1 false", "at 1", "k w 2 true", "at 2", "k null 3 true", "at 3", "cleared"],
  ]);
});

Deno.test("a time to live is kept with its entry, and ends with a write without one", pure, () => {
  const store = new Store();
  store.put("k", "v", 1, 5_000);
  assertStrictEquals(store.get("k")?.ttlMs, 5_000);
  assert(store.beyondPuts);
  store.put("k", "w", 2);
  assertStrictEquals(store.get("k")?.ttlMs, undefined);
});
