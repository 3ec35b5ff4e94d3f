import { assert, assertEquals } from "@std/assert";
import { Write } from "../../lib/mensagem.ts";
import { indexSliceKeys, KeyIndex } from "../../lib/replication/key_index.ts";
import { Store, type StoreListener } from "../../lib/replication/store.ts";
import { compareKeys } from "../../lib/wire/key_order.ts";
import { Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

/** A table with its index. */
class Fixture {
  readonly store = new Store();
  readonly index = new KeyIndex(this.store);

  constructor() {
    const listener: StoreListener = {
      changed: (key, write, existed) => {
        if (existed === write.deletes) this.index.touched(key, existed);
      },
      cleared: () => this.index.clear(),
    };
    this.store.listener = listener;
  }

  write(key: string, value: string | null): void {
    this.store.apply(key, Write.of(key, value, this.store.timestamp + 1));
  }

  /** Random writes, some of which delete. */
  writes(random: Random, count: number): void {
    for (let n = 0; n < count; n++) {
      const key = `${random.pick(["a/", "b", "é", "😀", "\uffff"])}${random.below(20_000)}`;
      this.write(key, random.chance(0.3) ? null : "v");
    }
  }

  complete(): void {
    this.index.need();
    while (!this.index.complete) this.index.step();
  }

  assertOrdered(): void {
    const keys = [...this.store.entries()].map(([key]) => key).sort(compareKeys);
    assertEquals([...this.index.from("")], keys);
  }
}

Deno.test(
  "the index has the keys of the table, however they come and go while it is made",
  pure,
  seeded((random) => {
    const f = new Fixture();
    f.writes(random, 15_000);
    f.index.need();
    while (!f.index.complete) {
      if (random.chance(0.7)) f.writes(random, random.below(300));
      f.index.step();
    }
    f.assertOrdered();
    for (let round = 0; round < 3; round++) {
      f.writes(random, random.below(3_000));
      f.complete();
      f.assertOrdered();
    }
    f.store.clear();
    f.writes(random, 50);
    f.complete();
    f.assertOrdered();
  }),
);

Deno.test("an index that is being made gets complete, whatever number of keys come", pure, () => {
  const f = new Fixture();
  for (let n = 0; n < 2 * indexSliceKeys; n++) f.write(`a${n}`, "v");
  f.index.need();
  for (let n = 0; n < 8 * indexSliceKeys; n++) f.index.touched("b", true);
  let turns = 0;
  for (; !f.index.complete && turns < 20; turns++) {
    for (let n = 0; n < 2 * indexSliceKeys; n++) f.write(`b${turns}/${n}`, "v");
    f.index.step();
  }
  assert(f.index.complete, `${f.index.missing} keys are missing after ${turns} turns`);
  f.assertOrdered();
});

Deno.test(
  "a complete index stays complete, and takes many keys into its tree in slices",
  pure,
  () => {
    const f = new Fixture();
    f.complete();
    const keys = 70 * indexSliceKeys;
    const write = (from: number) => {
      for (let n = from; n < from + keys; n++) f.write(`k${n * 7_919 % (2 * keys)}`, "v");
    };
    write(0);
    assert(!f.index.due);
    f.assertOrdered();
    f.index.settle();
    let turns = 0;
    for (; f.index.due; turns++) {
      f.write(`k${turns}`, turns % 2 === 0 ? null : "v");
      f.index.step();
    }
    assert(turns > 60, `${turns} turns`);
    assert(f.index.complete);
    f.assertOrdered();
    write(keys);
    f.assertOrdered();
  },
);

Deno.test("a million keys that came are taken in, whether there is time or not", pure, () => {
  const store = { get: () => undefined, entries: () => new Map().entries(), size: 0 };
  const index = new KeyIndex(store as unknown as Store);
  index.need();
  while (!index.complete) index.step();
  for (let n = 0; n < 2 ** 20; n++) index.touched(`k${n}`, false);
  assert(index.due);
  let turns = 0;
  for (; index.due; turns++) index.step();
  assertEquals(turns, 2 ** 20 / indexSliceKeys);
});

Deno.test(
  "keys come and go while others are taken into the tree",
  pure,
  seeded((random) => {
    const f = new Fixture();
    f.complete();
    let next = 0;
    for (let round = 0; round < 40; round++) {
      // more than the runs that are taken over together, and part of a slice more
      for (let n = 0; n < 5_000; n++) f.write(`k${(next++ * 7_919) % 1_000_003}`, "v");
      if (random.chance(0.3)) f.index.settle();
      f.writes(random, random.below(600));
      for (let left = random.below(8); left > 0 && f.index.due; left--) {
        f.index.step();
        f.write(`k${random.below(1_000_003)}`, null);
      }
    }
    f.assertOrdered();
    for (const [key] of [...f.store.entries()]) {
      if (random.chance(0.9)) f.write(key, null);
      if (f.index.due) f.index.step();
    }
    while (f.index.due) f.index.step();
    f.assertOrdered();
  }),
);

Deno.test(
  "a key that was removed shifts the slices, and all keys stay in their order",
  pure,
  () => {
    const f = new Fixture();
    f.complete();
    let next = 0;
    const add = (count: number) => {
      for (let n = 0; n < count; n++) f.write(`k${(next++ * 7_919) % 1_000_003}`, "v");
    };
    add(17 * 4_096);
    f.write("k0", null);
    f.index.settle();
    for (let slices = 0; f.index.due && slices < 200; slices++) {
      f.index.step();
      if (slices < 70) add(1_100);
      if (slices === 60) f.index.settle();
    }
    f.assertOrdered();
  },
);

Deno.test("keys that come and go at once do not pile up", pure, () => {
  const f = new Fixture();
  f.complete();
  for (let n = 0; n < 100 * indexSliceKeys; n++) {
    f.write(`job${n}`, "v");
    f.write(`job${n}`, null);
    if (f.index.due) f.index.step();
  }
  f.write("job", "v");
  f.assertOrdered();
  while (f.index.due) f.index.step();
  assertEquals(f.index.due, false);
});

Deno.test("before it is needed, the index notes nothing", pure, () => {
  const f = new Fixture();
  f.write("b", "v");
  assertEquals([f.index.due, f.index.complete], [false, false]);
});

Deno.test("an empty table has a complete index, if it was needed before", pure, () => {
  const f = new Fixture();
  f.writes(new Random(1), 10_000);
  f.index.need();
  f.index.step();
  f.store.clear();
  f.write("a", "v");
  assert(f.index.complete);
  f.assertOrdered();
});
