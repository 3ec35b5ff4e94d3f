import { assertEquals, assertStrictEquals } from "@std/assert";
import { type Entry, type Reading, Store } from "../../lib/replication/store.ts";
import { type Random, seeded } from "../support/random.ts";
import { textOf } from "../../lib/wire/frames.ts";
import { textOfValue } from "../../lib/wire/long_value.ts";

const pure = { permissions: "none" } as const;

/** The fields of an entry. */
function held(entry: Entry | undefined): { value: string | null; timestamp: number } | undefined {
  return entry && { value: textOfValue(entry.value), timestamp: entry.timestamp };
}

/** All of a table. */
function heldIn(store: Store): unknown[] {
  return Array.from(store.entries(), ([key, entry]) => [key, held(entry)]);
}

/** The fields of a reading without its entry, whose frame repeats them. */
function read(store: Store, key: string, seen: number): Reading {
  const reading = store.read(key, seen);
  if (!reading.fresh) return reading;
  const { entry, ...rest } = reading;
  if (entry !== undefined) {
    const { value, timestamp } = rest;
    assertEquals(JSON.parse(textOf(entry.frame("{", key))), { key, value, timestamp });
  }
  return rest;
}

/** The GET rule (enunciado 5.f). `own` is the table's timestamp of the key, 0 if it has none. */
const rule: { own: number; seen: number; reading: Reading; because: string }[] = [
  {
    own: 0,
    seen: 0,
    reading: { fresh: true, value: null, timestamp: 0 },
    because: "an absent key is NULL to a client that never saw it",
  },
  {
    own: 0,
    seen: 1,
    reading: { fresh: false, timestamp: 0 },
    because: "an absent key is refused to a client that has seen it",
  },
  {
    own: 5,
    seen: 0,
    reading: { fresh: true, value: "v5", timestamp: 5 },
    because: "a client that has seen nothing gets what there is",
  },
  {
    own: 5,
    seen: 4,
    reading: { fresh: true, value: "v5", timestamp: 5 },
    because: "a client gets a newer value",
  },
  {
    own: 5,
    seen: 5,
    reading: { fresh: true, value: "v5", timestamp: 5 },
    because: "a client gets the value that it has seen",
  },
  {
    own: 5,
    seen: 6,
    reading: { fresh: false, timestamp: 5 },
    because: "a client is refused an older value than it has seen",
  },
];

for (const { own, seen, reading, because } of rule) {
  Deno.test(`GET rule, own ${own}, seen ${seen}: ${because}`, pure, () => {
    const store = new Store();
    store.put("other", "x", 9);
    if (own > 0) store.put("k", `v${own}`, own);
    assertEquals(read(store, "k", seen), reading);
  });
}

Deno.test("a value that is empty text is not an absent key", pure, () => {
  const store = new Store();
  store.put("k", "", 1);
  assertEquals(read(store, "k", 0), { fresh: true, value: "", timestamp: 1 });
});

Deno.test("an older write does not replace a newer one, and put returns false", pure, () => {
  const store = new Store();
  assertStrictEquals(store.put("k", "new", 7), true);
  assertStrictEquals(store.put("k", "old", 6), false);
  assertEquals(held(store.get("k")), { value: "new", timestamp: 7 });
  assertStrictEquals(store.put("k", "newer", 8), true);
  assertEquals(held(store.get("k")), { value: "newer", timestamp: 8 });
});

Deno.test("the same write twice is one write", pure, () => {
  const store = new Store();
  store.put("k", "v", 7);
  assertStrictEquals(store.put("k", "v", 7), true);
  assertEquals(heldIn(store), [["k", { value: "v", timestamp: 7 }]]);
});

const oddKeys = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "size",
  "0",
  " ",
  "a\0b",
  "é",
  "e\u0301",
  "😀",
];

Deno.test("a key with a meaning in JavaScript is absent until it is written", pure, () => {
  const store = new Store();
  for (const key of oddKeys) {
    assertStrictEquals(store.get(key), undefined, key);
    assertEquals(read(store, key, 0), { fresh: true, value: null, timestamp: 0 }, key);
  }
});

Deno.test("odd keys are ordinary keys, and each is different", pure, () => {
  const store = new Store();
  oddKeys.forEach((key, index) => store.put(key, `value ${index}`, index + 1));
  assertStrictEquals(store.size, oddKeys.length);
  assertEquals(
    heldIn(store),
    oddKeys.map((key, index) => [key, { value: `value ${index}`, timestamp: index + 1 }]),
  );
  assertStrictEquals(Object.hasOwn(Object.prototype, "value"), false);
});

Deno.test("a walk over the table meets each key once, with the value of that moment", pure, () => {
  const store = new Store();
  for (let n = 1; n <= 4; n++) store.put(`k${n}`, "before", n);
  const met: string[] = [];
  for (const [key, { value }] of store.entries()) {
    met.push(`${key} ${value}`);
    if (key !== "k2") continue;
    store.put("k1", "after", 11); // behind the walk
    store.put("k4", "after", 14); // ahead of the walk
  }
  assertEquals(met, ["k1 before", "k2 before", "k3 before", "k4 after"]);
});

/** The dumb second version: a list of all writes, searched from end to end. */
class WriteList {
  writes: { key: string; value: string; timestamp: number }[] = [];

  get(key: string): { value: string; timestamp: number } | undefined {
    let best: { value: string; timestamp: number } | undefined;
    for (const write of this.writes) {
      if (write.key === key && (best === undefined || write.timestamp >= best.timestamp)) {
        best = { value: write.value, timestamp: write.timestamp };
      }
    }
    return best;
  }

  put(key: string, value: string, timestamp: number): boolean {
    const newest = (this.get(key)?.timestamp ?? 0) <= timestamp;
    this.writes.push({ key, value, timestamp });
    return newest;
  }

  read(key: string, seen: number): Reading {
    const { value, timestamp } = this.get(key) ?? { value: null, timestamp: 0 };
    return timestamp >= seen ? { fresh: true, value, timestamp } : { fresh: false, timestamp };
  }

  keys(): string[] {
    return [...new Set(this.writes.map(({ key }) => key))];
  }
}

Deno.test(
  "a store answers like a list of all writes, over 50,000 random operations",
  pure,
  seeded((random) => {
    for (let round = 0; round < 200; round++) compare(random, 250);
  }),
);

function compare(random: Random, operations: number): void {
  const store = new Store();
  const list = new WriteList();
  for (let n = 0; n < operations; n++) {
    const key = random.pick(oddKeys);
    const timestamp = random.below(40);
    const dice = random.next();
    if (dice < 0.4) {
      const value = `${key} at ${timestamp}`; // one (key, timestamp) means one value (G5)
      assertStrictEquals(store.put(key, value, timestamp), list.put(key, value, timestamp));
    } else if (dice < 0.8) {
      assertEquals(read(store, key, timestamp), list.read(key, timestamp));
    } else if (dice < 0.99) {
      assertEquals(held(store.get(key)), list.get(key));
    } else {
      store.clear();
      list.writes = [];
    }
    assertStrictEquals(store.size, list.keys().length);
  }
  assertEquals(heldIn(store), list.keys().map((key) => [key, list.get(key)!]));
}
