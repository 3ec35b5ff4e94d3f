import { assert, assertEquals } from "@std/assert";
import { type ErrorReply, Watch, Write } from "../../lib/mensagem.ts";
import { searchesMax, searchStallMs } from "../../lib/replication/watch_searches.ts";
import { watchUnsentChars } from "../../lib/replication/watch_sender.ts";
import { changesIntervalMs } from "../../lib/replication/watches.ts";
import { FakeLink, Fixture } from "../support/table_queries.ts";

const pure = { permissions: "none" } as const;

const many = { watchesMax: 20_000, watchesPerConnectionMax: 20_000, unsentChangesMax: 20_000 };

/** A table of 20,000 keys. */
function large(): Fixture {
  const f = new Fixture(many);
  for (let n = 1; n <= 20_000; n++) f.write(`k${n}`, "v");
  return f;
}

/** The number of messages that a connection hears in each of the slices that are due. */
function slices(f: Fixture): number[] {
  const heard: number[] = [];
  let more = true;
  while (more) {
    more = f.queries.run();
    heard.push(f.link.heard().length);
  }
  return heard.filter((count) => count > 0);
}

Deno.test("one change to 5,000 watchers leaves in slices, each in a turn of its own", pure, () => {
  const f = new Fixture(many);
  for (let id = 0; id < 5_000; id++) f.watch(id, { key: "k" }, 0);
  f.settle();
  f.link.heard();
  f.write("k", "v");
  const heard = slices(f);
  assertEquals(heard.reduce((sum, one) => sum + one), 5_000);
  assert(Math.max(...heard) < 2_000, `${heard}`);
});

Deno.test("a slice of work does not ask for another one in the same turn", pure, () => {
  const f = new Fixture(many);
  for (let n = 0; n < 200; n++) f.write(`k${n}`, "v");
  for (let id = 0; id < 100; id++) f.watch(id, { prefix: `k${id}` }, 0);
  f.woken = 0;
  assert(f.queries.run());
  assertEquals(f.woken, 0);
  f.settle();
  assertEquals(f.link.heard().length, 100);
});

Deno.test("5,000 watches that nothing happens to are not told so in one tick", pure, () => {
  const f = new Fixture(many);
  for (let id = 0; id < 5_000; id++) f.watch(id, { key: "k" }, 0);
  f.settle();
  f.link.heard();
  f.tick(changesIntervalMs);
  const told = [f.link.heard().length];
  for (let n = 1; n < 16; n++) {
    f.tick(50);
    told.push(f.link.heard().length);
  }
  assert(Math.max(...told) < 1_000, `${told}`);
  assertEquals(told.reduce((sum, one) => sum + one), 5_000);
});

Deno.test("a connection with many searches does not hold up that of another one", pure, () => {
  const f = large();
  const other = new FakeLink();
  for (let id = 0; id < 50; id++) f.watch(id, { prefix: "" }, 0);
  f.watch(1, { prefix: "" }, 0, other);
  while (other.changes().at(-1)?.more !== undefined || other.due > 0) f.queries.run();
  const done = new Set(f.link.changes().filter(({ more }) => !more).map(({ id }) => id));
  assert(done.size <= 2, `${done.size} were done before`);
  f.settle();
  assertEquals([f.link.due, other.due], [0, 0]);
});

Deno.test(
  "with many searches the index is made, and they need not look at the whole table",
  pure,
  () => {
    const f = large();
    for (let id = 0; id < 200; id++) f.watch(id, { prefix: `k${id}9999` }, 0);
    let turns = 1;
    while (f.queries.run()) turns++;
    assertEquals(f.link.due, 0);
    assert(turns < 200, `${turns} slices`);
  },
);

Deno.test("what was found and has changed again is left out slice by slice", pure, () => {
  const f = large();
  f.watch(1, { prefix: "" }, 0);
  f.link.unsentChars = watchUnsentChars + 1;
  f.settle();
  for (let n = 1; n <= 20_000; n++) f.write(`k${n}`, "w");
  f.write("k1", "one more");
  f.settle();
  assertEquals(f.link.heard(), []);
  f.link.unsentChars = 0;
  f.link.onWritten!();
  f.queries.run();
  const [first] = f.link.changes();
  assert(first!.timestamp < 20_000, "20,000 keys are looked at in one slice");
  f.settle();
  const told = f.link.changes();
  assertEquals(told.flatMap(({ changes }) => changes).length, 20_000);
  assertEquals([told.at(-1)?.more, told.at(-1)?.timestamp], [undefined, 40_001]);
});

Deno.test("a WATCH costs more the more recent changes it has to look at", pure, () => {
  const f = large();
  f.watch(1, { key: "k1" }, 0);
  const cost = (id: number, after: number) =>
    f.queries.watch(f.link, new Watch(id, { prefix: "z" }, after));
  const now = f.store.timestamp;
  for (let n = 1; n <= 1_000; n++) f.write("k1", "w");
  assertEquals(cost(2, now + 1_000), 0);
  assertEquals(cost(3, now), 10 * cost(4, now + 900));
});

Deno.test("a change that waited for others of its timestamp is told at the next tick", pure, () => {
  const f = new Fixture();
  f.watch(1, { key: "a" }, 0);
  f.settle();
  f.link.heard();
  f.store.keep("a", Write.of("a", "1", 5));
  f.store.advance(4); // more of 5 may follow
  f.settle();
  f.woken = 0;
  f.store.advance(5);
  f.queries.tick(10);
  assertEquals(f.woken, 1);
  f.settle();
  assertEquals(f.link.changes().map(({ changes }) => changes), [[["a", "1", 5]]]);
});

Deno.test("connections that read nothing give their places up to a search that waits", pure, () => {
  const f = large();
  const slow = Array.from({ length: searchesMax }, () => new FakeLink());
  for (const link of slow) {
    link.unsentChars = watchUnsentChars + 1;
    f.watch(1, { prefix: "" }, 0, link);
  }
  f.settle();
  f.watch(2, { prefix: "" }, 0);
  for (let ms = 0; ms < searchStallMs; ms += changesIntervalMs) f.tick(changesIntervalMs);
  for (const link of slow) {
    assertEquals((link.heard() as ErrorReply[]).map(({ code }) => code), ["OVERLOADED"]);
  }
  assertEquals(f.link.changes().at(-1)?.more, undefined);
  assertEquals(f.queries.counts.watching.watches, 1);
});
