import { assert, assertEquals, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { frameBytesMax, keyBytesMax, valueBytesMax } from "../../lib/limits.ts";
import { snapshotChunksInFlight } from "../../lib/replication/snapshot.ts";
import { Mensagem, Snapshot } from "../../lib/mensagem.ts";
import type { Link } from "../../lib/replication/environment.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import { SnapshotSender } from "../../lib/replication/snapshot.ts";
import { Store } from "../../lib/replication/store.ts";
import { type Random, seeded } from "../support/random.ts";

const { snapshotChunkChars, snapshotChunkVisits } = tuningDefault;
const pure = { permissions: "none" } as const;

/** Receives the frames of a snapshot. The test confirms a chunk after it has taken it. */
class Receiver implements Link {
  readonly peer = "127.0.0.1:1";
  betweenServers = true;
  readonly frames: string[] = [];

  send(frame: string): void {
    this.frames.push(frame);
  }

  close(): void {}

  take(): Snapshot {
    return Mensagem.decode(this.frames.shift()!.trimEnd()) as Snapshot;
  }
}

/** All chunks, each confirmed after it is taken. `between` happens before each confirmation. */
function receiveAll(
  store: Store,
  base: number,
  { between = () => {}, tuning = tuningDefault } = {},
): Snapshot[] {
  const receiver = new Receiver();
  const sender = new SnapshotSender(receiver, store, base, tuning);
  const chunks: Snapshot[] = [];
  for (let done = false; !done;) {
    assert(receiver.frames.length > 0, "nothing to confirm, and not done");
    assertLessOrEqual(receiver.frames.length, snapshotChunksInFlight);
    chunks.push(receiver.take());
    between();
    done = sender.confirmed();
  }
  assertEquals(receiver.frames, []);
  return chunks;
}

function storeOf(keys: number, value = "v"): Store {
  const store = new Store();
  for (let n = 1; n <= keys; n++) store.put(`k${n}`, value, n);
  return store;
}

Deno.test("an empty table is one empty chunk, the last", pure, () => {
  assertEquals(receiveAll(new Store(), 0), [new Snapshot([], true)]);
});

Deno.test("a small table is one chunk with every entry", pure, () => {
  const chunk = new Snapshot([["k1", "v", 1], ["k2", "v", 2]], true);
  assertEquals(receiveAll(storeOf(2), 0), [chunk]);
});

Deno.test("only entries newer than the base are sent", pure, () => {
  assertEquals(receiveAll(storeOf(4), 2), [new Snapshot([["k3", "v", 3], ["k4", "v", 4]], true)]);
  assertEquals(receiveAll(storeOf(4), 4), [new Snapshot([], true)]);
});

Deno.test(
  "every entry of a large table is sent once, and only the last chunk says that it is the last",
  pure,
  () => {
    const store = storeOf(50, "x".repeat(snapshotChunkChars / 4));
    const chunks = receiveAll(store, 0);
    const keys = chunks.flatMap(({ entries }) => entries.map(([key]) => key));
    assertEquals(keys, [...store.entries()].map(([key]) => key));
    assertEquals(
      chunks.map(({ last }) => last),
      chunks.map((_, index) => index === chunks.length - 1),
    );
    assert(chunks.length > 10);
  },
);

Deno.test("a table that ends with a full chunk has no empty chunk after it", pure, () => {
  const chunks = receiveAll(storeOf(2, "x".repeat(snapshotChunkChars)), 0);
  assertEquals(chunks.map(({ entries, last }) => [entries.length, last]), [[1, false], [1, true]]);
});

Deno.test("no chunk visits more keys than the limit, even if it sends none", pure, () => {
  const chunks = receiveAll(storeOf(2 * snapshotChunkVisits + 1), 2 * snapshotChunkVisits);
  assertEquals(chunks.map(({ entries }) => entries.length), [0, 0, 1]);
  assertEquals(chunks.map(({ last }) => last), [false, false, true]);
});

Deno.test("only a limited number of chunks is under way", pure, () => {
  const receiver = new Receiver();
  const sender = new SnapshotSender(receiver, storeOf(5, "x".repeat(snapshotChunkChars)), 0);
  assertStrictEquals(receiver.frames.length, snapshotChunksInFlight);
  const answers: boolean[] = [];
  for (let sent = snapshotChunksInFlight; sent < 5; sent++) {
    answers.push(sender.confirmed());
    assertStrictEquals(receiver.frames.length, sent + 1);
  }
  while (!answers.at(-1)) answers.push(sender.confirmed());
  assertEquals(answers, [false, false, false, false, true]);
  assertStrictEquals(receiver.frames.length, 5);
});

Deno.test("an entry is sent with the value that it has when its turn comes", pure, () => {
  const store = storeOf(4, "x".repeat(snapshotChunkChars));
  let timestamp = 10;
  const between = () => {
    store.put("k4", `at ${timestamp}`, timestamp);
    timestamp++;
  };
  const chunks = receiveAll(store, 0, { between });
  const sent = chunks.flatMap(({ entries }) => entries).find(([key]) => key === "k4");
  // Two chunks leave at once, so the fourth is made when the second is confirmed.
  assertEquals(sent, ["k4", "at 11", 11]);
});

Deno.test(
  "keys that are first written during a snapshot are not part of it, so it ends",
  pure,
  () => {
    const store = storeOf(5, "x".repeat(snapshotChunkChars));
    let n = 100;
    const between = () => {
      store.put(`new ${n}`, "v", n);
      n++;
    };
    const chunks = receiveAll(store, 0, { between });
    assertEquals(
      chunks.flatMap(({ entries }) => entries.map(([key]) => key)),
      ["k1", "k2", "k3", "k4", "k5"],
    );
  },
);

for (const char of ["\0", "€", "😀"]) {
  Deno.test(`the largest chunk fits into a frame, all of it ${JSON.stringify(char)}`, pure, () => {
    const bytes = new TextEncoder().encode(char).length;
    const store = new Store();
    // One character short of full, and then the largest entry.
    const room = snapshotChunkChars - "k".length - 24 - 1;
    store.put("k", "a".repeat(room % char.length) + char.repeat(room / char.length), 2 ** 53 - 2);
    const largestKey = char.repeat(keyBytesMax / bytes);
    store.put(largestKey, char.repeat(valueBytesMax / bytes), 2 ** 53 - 1);
    const receiver = new Receiver();
    new SnapshotSender(receiver, store, 0);
    const [frame] = receiver.frames;
    assertLessOrEqual(new TextEncoder().encode(frame).length, frameBytesMax);
    assertStrictEquals(receiver.take().entries.length, 2);
  });
}

Deno.test(
  "a snapshot and the writes made meanwhile add up to the same table, in 1,000 random histories",
  pure,
  seeded((random) => {
    for (let round = 0; round < 1_000; round++) copyWhileWriting(random);
  }),
);

/** The snapshot may arrive before or after the live writes: the newest value of a key stays. */
function copyWhileWriting(random: Random): void {
  const tuning = {
    ...tuningDefault,
    snapshotChunkChars: random.between(1, 300),
    snapshotChunkVisits: random.between(1, 20),
  };
  const store = new Store();
  const copy = new Store();
  const writes: [key: string, value: string, timestamp: number][] = [];
  let timestamp = 0;
  const write = () => {
    writes.push([`k${random.below(30)}`, random.text(random.below(9)), ++timestamp]);
    store.put(...writes.at(-1)!);
  };
  for (let n = random.below(60); n > 0; n--) write();
  const base = random.between(0, timestamp);
  // The copy holds everything up to the base already.
  for (const old of writes.splice(0)) if (old[2] <= base) copy.put(...old);

  const between = () => {
    for (let n = random.below(4); n > 0; n--) write();
  };
  const entries = receiveAll(store, base, { between, tuning }).flatMap((chunk) => chunk.entries);
  const parts = random.chance(0.5) ? [...entries, ...writes] : [...writes, ...entries];
  for (const [key, value, timestamp] of parts) copy.put(key, value, timestamp);
  assertEquals(new Map(copy.entries()), new Map(store.entries()));
}

Deno.test(
  "a paced snapshot sends a limited number of entries in a tick, and all in the end",
  pure,
  () => {
    const receiver = new Receiver();
    const tuning = { ...tuningDefault, snapshotChunkVisits: 2, snapshotEntriesPerTick: 4 };
    const sender = new SnapshotSender(receiver, storeOf(10), 0, tuning, true);
    const perTick: number[] = [];
    for (let done = false; !done; sender.tick(true)) {
      let entries = 0;
      while (receiver.frames.length > 0) {
        entries += receiver.take().entries.length;
        done = sender.confirmed();
      }
      perTick.push(entries);
    }
    assertEquals(perTick, [4, 4, 2]);
  },
);

Deno.test("a paced snapshot leaves without a break while the sender is not busy", pure, () => {
  const receiver = new Receiver();
  const tuning = { ...tuningDefault, snapshotChunkVisits: 2, snapshotEntriesPerTick: 4 };
  const sender = new SnapshotSender(receiver, storeOf(20), 0, tuning, true);
  sender.tick(false);
  let entries = 0;
  for (let done = false; !done;) {
    entries += receiver.take().entries.length;
    done = sender.confirmed();
  }
  assertStrictEquals(entries, 20);
});

Deno.test("a tick sends no more chunks than may be under way", pure, () => {
  const receiver = new Receiver();
  const sender = new SnapshotSender(
    receiver,
    storeOf(5, "x".repeat(snapshotChunkChars)),
    0,
    tuningDefault,
    true,
  );
  sender.tick(false);
  assertStrictEquals(receiver.frames.length, snapshotChunksInFlight);
});
