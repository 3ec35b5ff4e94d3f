import { assert, assertEquals } from "@std/assert";
import {
  List,
  type ListOk,
  type TryOther,
  Unwatch,
  type WatchTarget,
  Write,
} from "../../lib/mensagem.ts";
import { watchUnsentChars } from "../../lib/replication/watch_sender.ts";
import { changesIntervalMs } from "../../lib/replication/watches.ts";
import { compareKeys } from "../../lib/wire/key_order.ts";
import { type Random, seeded } from "../support/random.ts";
import { FakeLink, Fixture } from "../support/table_queries.ts";
import { stateAt, WatchModel, type Written } from "../support/watch_model.ts";

const pure = { permissions: "none" } as const;

const keys = ["a", "a1", "a2", "b", "b/1", "b/2", "b/😀", "1", "#", "😀"];
const targets: readonly WatchTarget[] = [
  { prefix: "" },
  { prefix: "a" },
  { prefix: "b/" },
  { prefix: "z" },
  { key: "a" },
  { key: "b/1" },
];

/** Runs watchers, lists, writes, snapshots and slow connections at random, against the model. */
function randomRun(random: Random): void {
  const f = new Fixture({ unsentChangesMax: random.pick([5, 1_000]) }, random.pick([2, 1_000]));
  const links = [f.link, new FakeLink(), new FakeLink()];
  const watchers = new Map<FakeLink, Map<number, WatchModel>>(
    links.map((link) => [link, new Map()]),
  );
  let nextId = 1;
  const hear = (link: FakeLink) => {
    for (const message of link.heard()) {
      const ofLink = watchers.get(link)!;
      if (message.type === "CHANGES") ofLink.get(message.id)?.take(message, f.writes);
      else if (message.type === "LIST_OK") assertListed(message, f);
      else ofLink.delete((message as TryOther).id);
    }
  };
  for (let step = 0; step < 60; step++) {
    const link = random.pick(links);
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2: {
        for (let n = random.between(1, 8); n > 0; n--) {
          f.write(random.pick(keys), random.chance(0.3) ? null : `v${f.writes.length}`);
        }
        break;
      }
      case 3:
      case 4: {
        const target = random.pick(targets);
        const after = random.chance(0.4) ? 0 : random.between(0, f.store.timestamp);
        const id = nextId++;
        watchers.get(link)!.set(id, new WatchModel(target, after, f.writes));
        f.watch(id, target, after, link);
        break;
      }
      case 5: {
        const [id] = watchers.get(link)!.keys();
        if (id === undefined) break;
        link.due++;
        f.queries.unwatch(link, new Unwatch(id));
        watchers.get(link)!.delete(id);
        break;
      }
      case 6:
        link.unsentChars = link.unsentChars === 0 ? watchUnsentChars + 1 : 0;
        if (link.unsentChars === 0) link.onWritten?.();
        break;
      case 7:
        f.list(new List(nextId++, random.pick(["", "a", "b/"]), undefined, 3), link);
        break;
      case 8:
        if (random.chance(0.5)) copySnapshot(f, random);
        else f.tick(random.pick([10, changesIntervalMs]));
    }
    if (random.chance(0.5)) f.queries.run();
    f.queries.checkInvariants();
    for (const link of links) hear(link);
  }
  for (const link of links) {
    link.unsentChars = 0;
    link.onWritten?.();
  }
  f.settle();
  for (let n = 0; n < 3; n++) f.tick(changesIntervalMs);
  for (const link of links) {
    hear(link);
    assertEquals(link.due, 0);
    for (const [id, model] of watchers.get(link)!) {
      assert(model.begun, `watch ${id} never began`);
      assertEquals(model.timestamp, f.store.timestamp);
    }
  }
}

/** A leader copies a part of its writes as a snapshot, and the rest follows. */
function copySnapshot(f: Fixture, random: Random): void {
  const more: Written[] = [];
  for (let n = random.between(2, 8); n > 0; n--) {
    const timestamp = f.store.timestamp + more.length + 1;
    const value = random.chance(0.3) ? null : `s${timestamp}`;
    more.push({ key: random.pick(keys), value, timestamp });
  }
  const newest = new Map(more.map((write) => [write.key, write]));
  f.store.unsettle();
  for (const { key, value, timestamp } of shuffled([...newest.values()], random)) {
    f.store.put(key, value, timestamp);
    if (random.chance(0.2)) f.queries.run();
  }
  const base = random.pick(more).timestamp;
  f.store.synchronise({ latest: more.at(-1)!.timestamp, floor: f.store.floor });
  f.store.advance(base);
  for (const write of more) {
    const { key, value, timestamp } = write;
    const applied = timestamp > base && f.store.apply(key, Write.of(key, value, timestamp));
    f.writes.push({ ...write, optional: !applied });
    if (random.chance(0.2)) f.queries.run();
  }
}

function shuffled<T>(list: T[], random: Random): T[] {
  return list.map((one) => [random.next(), one] as const)
    .sort(([a], [b]) => a - b).map(([, one]) => one);
}

function assertListed({ entries, timestamp }: ListOk, f: Fixture): void {
  assertEquals(timestamp, f.store.timestamp);
  const listed = entries.map(([key]) => key);
  assertEquals(listed, listed.toSorted(compareKeys));
  const state = stateAt(f.writes, timestamp);
  for (const [key, value, stamp] of entries) {
    assertEquals([state.get(key)?.value, state.get(key)?.timestamp], [value, stamp]);
  }
}

Deno.test(
  "40 random runs tell every watcher what the model says",
  pure,
  seeded((random) => {
    for (let n = 0; n < 40; n++) randomRun(random);
  }),
);
