import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Change,
  type Changes,
  type ErrorReply,
  TryOther,
  Unwatch,
  type WatchTarget,
  Write,
} from "../../lib/mensagem.ts";
import { watchUnsentChars } from "../../lib/replication/watch_sender.ts";
import { changesIntervalMs } from "../../lib/replication/watches.ts";
import { FakeLink, Fixture } from "../support/table_queries.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "a watcher of a key gets its state and then every change, and nothing of others",
  pure,
  () => {
    const f = new Fixture();
    f.write("a", "1");
    f.write("b", "2");
    f.watch(7, { key: "a" }, 0);
    f.settle();
    f.write("a", "3");
    f.write("ab", "4");
    f.write("a", "5");
    f.settle();
    f.write("a", null);
    f.settle();
    assertEquals(
      f.link.changes().map(({ id, changes, timestamp, more }) => [id, changes, timestamp, more]),
      [
        [7, [["a", "1", 1]], 2, undefined],
        [7, [["a", "3", 3], ["a", "5", 5]], 5, undefined],
        [7, [["a", null, 6]], 6, undefined],
      ],
    );
    assertEquals(f.link.due, 0);
  },
);

Deno.test("where there is nothing, the first CHANGES comes at once and says so", pure, () => {
  const f = new Fixture();
  f.write("b", "2");
  for (const target of [{ key: "a" }, { prefix: "a" }, { prefix: "" }]) {
    f.watch(7, target, 1);
    f.settle();
    const [first] = f.link.changes();
    assertEquals([first?.changes, first?.timestamp, first?.more], [[], 1, undefined]);
    f.queries.unwatch(f.link, new Unwatch(7));
  }
});

Deno.test(
  "from a timestamp on, only newer states come, deletions too, in their order",
  pure,
  () => {
    for (const target of [{ prefix: "k" }, { prefix: "" }]) {
      const f = new Fixture();
      for (let n = 1; n <= 9; n++) f.write(`k${n}`, `${n}`);
      f.write("k3", null);
      f.write("k1", "again");
      f.watch(7, target, 8);
      f.settle();
      const changes = f.link.changes().flatMap(({ changes }) => changes);
      assertEquals(changes, [["k9", "9", 9], ["k3", null, 10], ["k1", "again", 11]]);
    }
  },
);

Deno.test("from 0 on no deletions come", pure, () => {
  const f = new Fixture();
  f.write("k1", "1");
  f.write("k1", null);
  for (const target of [{ key: "k1" }, { prefix: "k" }, { prefix: "" }]) {
    f.watch(7, target, 0);
    f.settle();
    assertEquals(f.link.changes().map(({ changes }) => changes), [[]]);
    f.queries.unwatch(f.link, new Unwatch(7));
  }
});

Deno.test("below the floor a watch begins with reset, and at the floor it does not", pure, () => {
  const f = new Fixture({}, 2);
  for (let n = 1; n <= 4; n++) f.write(`k${n}`, "v");
  for (let n = 1; n <= 3; n++) f.write(`k${n}`, null);
  assertEquals(f.store.floor, 5);
  for (const [after, reset] of [[4, true], [5, undefined], [0, undefined]] as const) {
    f.watch(after, { prefix: "k" }, after);
    f.settle();
    assertEquals(f.link.changes().map((one) => one.reset), [reset], `${after}`);
  }
});

Deno.test("in a gap a watch begins with reset, above the table it is refused", pure, () => {
  const f = new Fixture();
  f.write("k", "v", 3);
  f.store.synchronise({ latest: 3, gaps: [[5, 20]] });
  f.watch(1, { key: "k" }, 8);
  f.watch(2, { key: "k" }, 4);
  f.watch(3, { prefix: "k" }, 4);
  f.settle();
  const [refused, refusedToo, first] = f.link.heard() as [TryOther, TryOther, Changes];
  assertEquals(refused, new TryOther(2, "k", 3));
  assertEquals(refusedToo, new TryOther(3, undefined, 3));
  assertEquals([first.id, first.reset, first.changes], [1, true, [["k", "v", 3]]]);
});

Deno.test(
  "while the table is not readable a watch is refused, and those that run are ended",
  pure,
  () => {
    const f = new Fixture();
    f.write("k", "v");
    f.watch(1, { key: "k" }, 0);
    f.settle();
    f.readable = false;
    f.watch(2, { key: "k" }, 0);
    f.tick(10);
    const [, refused, ended] = f.link.heard();
    assertEquals([refused, ended], [new TryOther(2, "k", 1), new TryOther(1, "k", 1)]);
    const { watches, refused: refusals, interrupted } = f.queries.counts.watching;
    assertEquals([watches, refusals, interrupted, f.link.due], [0, 1, 1, 0]);
  },
);

Deno.test("a watch that nothing happens to is told the timestamp once a second", pure, () => {
  const f = new Fixture();
  f.watch(1, { key: "a" }, 0);
  f.watch(2, { prefix: "a" }, 0);
  f.settle();
  f.link.heard();
  f.write("b", "v");
  f.tick(changesIntervalMs - 1);
  assertEquals(f.link.heard(), []);
  f.tick(1);
  assertEquals(f.link.changes().map(({ id, changes, timestamp }) => [id, changes, timestamp]), [
    [1, [], 1],
    [2, [], 1],
  ]);
});

Deno.test("an UNWATCH ends a watch without an answer, also of one that has not begun", pure, () => {
  const f = new Fixture();
  f.watch(1, { key: "a" }, 0);
  f.link.due++;
  f.queries.unwatch(f.link, new Unwatch(1));
  f.link.due++;
  f.queries.unwatch(f.link, new Unwatch(9));
  f.write("a", "v");
  f.settle();
  assertEquals(f.link.heard(), []);
  assertEquals(f.link.due, 0);
  f.queries.checkInvariants();
});

Deno.test(
  "watches are bounded in all and for each connection, and an id is used once",
  pure,
  () => {
    const f = new Fixture({ watchesMax: 3, watchesPerConnectionMax: 2 });
    const other = new FakeLink();
    for (const id of [1, 2, 3]) f.watch(id, { key: "a" }, 0);
    f.watch(1, { key: "a" }, 0, other);
    f.watch(1, { key: "a" }, 0, other);
    f.watch(2, { key: "a" }, 0, other);
    const errors = [...f.link.heard(), ...other.heard()] as ErrorReply[];
    assertEquals(errors.map(({ id, code }) => [id, code]), [[3, "OVERLOADED"], [1, "BAD_MESSAGE"], [
      2,
      "OVERLOADED",
    ]]);
    assertStringIncludes(errors[0]!.message, "--max-watches-per-connection");
    assertStringIncludes(errors[2]!.message, "--max-watches)");
    f.queries.closed(other);
    f.watch(4, { key: "a" }, 0);
    const { watches, refused } = f.queries.counts.watching;
    assertEquals([watches, refused], [2, 4]);
  },
);

Deno.test("the text of a change is made once for all watchers", pure, () => {
  const f = new Fixture();
  for (let id = 0; id < 50; id++) f.watch(id, id % 2 === 0 ? { key: "key" } : { prefix: "k" }, 0);
  f.settle();
  let made = 0;
  const write = Write.of("key", "v", 1);
  const counted = Object.create(write, { element: { value: () => (made++, `["key","v",1]`) } });
  f.store.listener!.changed("key", counted, false);
  f.store.advance(1);
  f.settle();
  assertEquals(made, 1);
});

Deno.test("watchers that are told the same share its text, and others have their own", pure, () => {
  const f = new Fixture();
  const targets: WatchTarget[] = [{ key: "a" }, { key: "b" }, { prefix: "a" }, { prefix: "b" }];
  for (const [id, target] of targets.entries()) f.watch(id, target, 0);
  f.settle();
  f.link.heard();
  f.write("a", "1");
  f.write("b", "2");
  f.settle();
  const a: Change = ["a", "1", 1];
  const b: Change = ["b", "2", 2];
  const told = f.link.changes().map(({ id, changes }) => [id, changes] as const);
  assertEquals(told.toSorted(([one], [other]) => one - other), [
    [0, [a]],
    [1, [b]],
    [2, [a]],
    [3, [b]],
  ]);
});

Deno.test(
  "a watcher that does not read is ended with OVERLOADED at the bound, and costs others nothing",
  pure,
  () => {
    const f = new Fixture({ unsentChangesMax: 100 });
    const slow = new FakeLink();
    f.watch(1, { prefix: "" }, 0, slow);
    f.watch(2, { prefix: "" }, 0);
    f.settle();
    slow.heard();
    slow.unsentChars = watchUnsentChars + 1;
    for (let n = 1; n <= 100; n++) {
      f.write("k", `${n}`);
      f.settle();
    }
    assertEquals(slow.heard(), []);
    f.write("k", "one too many");
    f.settle();
    const [ended] = slow.heard() as ErrorReply[];
    assertEquals([ended?.id, ended?.code], [1, "OVERLOADED"]);
    assertStringIncludes(ended!.message, "--max-unsent-changes");
    assertEquals(f.link.changes().flatMap(({ changes }) => changes).length, 101);
    const { overloaded, restarted } = f.queries.counts.watching;
    assertEquals([overloaded, restarted], [1, 0]);
    f.queries.checkInvariants();
  },
);

Deno.test(
  "a beginning that takes too long is told again, and from nothing if deletions are forgotten",
  pure,
  () => {
    const f = new Fixture({ unsentChangesMax: 3 }, 2);
    for (let n = 1; n <= 3; n++) f.write(`k${n}`, "v");
    f.link.unsentChars = watchUnsentChars + 1;
    f.watch(1, { prefix: "k" }, 2);
    for (let n = 4; n <= 8; n++) f.write(`k${n}`, "v");
    f.settle();
    for (let n = 1; n <= 4; n++) f.write(`k${n}`, null);
    assertEquals(f.store.floor, 10);
    f.link.unsentChars = 0;
    f.link.onWritten!();
    f.settle();
    const told = f.link.changes();
    assertEquals(told.map(({ reset, more }) => [reset, more]), [[undefined, true], [
      true,
      undefined,
    ]]);
    assertEquals(told[1]!.changes.map(([key]) => key), ["k5", "k6", "k7", "k8"]);
    const { changes, overloaded, restarted } = f.queries.counts.watching;
    assertEquals([changes, overloaded], [told.flatMap(({ changes }) => changes).length, 0]);
    assert(restarted > 0);
  },
);

Deno.test("a watcher that reads again gets everything that waited", pure, () => {
  const f = new Fixture();
  f.watch(1, { prefix: "" }, 0);
  f.settle();
  f.link.heard();
  f.link.unsentChars = watchUnsentChars + 1;
  for (let n = 1; n <= 30; n++) f.write("k", `${n}`);
  f.settle();
  assertEquals(f.link.heard(), []);
  f.link.unsentChars = 0;
  f.link.onWritten!();
  f.settle();
  assertEquals(f.link.changes().flatMap(({ changes }) => changes).length, 30);
});

Deno.test("a snapshot is told in order when the table is whole again", pure, () => {
  const f = new Fixture();
  f.write("a", "1");
  f.watch(1, { prefix: "" }, 0);
  f.settle();
  f.link.heard();
  f.store.unsettle();
  f.store.put("c", "3", 5);
  f.store.put("b", "2", 3);
  f.tick(changesIntervalMs);
  assertEquals(f.link.changes().map(({ changes, timestamp }) => [changes, timestamp]), [[[], 1]]);
  f.store.synchronise({ latest: 5 });
  f.store.advance(4);
  f.settle();
  assertEquals(f.link.heard(), [], "it is not whole before 5");
  f.write("c", "3", 5);
  f.write("a", null, 6);
  f.settle();
  assertEquals(f.link.changes().map(({ changes, timestamp }) => [changes, timestamp]), [
    [[["b", "2", 3]], 4],
    [[["c", "3", 5], ["a", null, 6]], 6],
  ]);
});

Deno.test("changes of one timestamp are not torn apart", pure, () => {
  const f = new Fixture();
  f.watch(1, { prefix: "" }, 0);
  f.settle();
  f.link.heard();
  f.store.keep("a", Write.of("a", "1", 5));
  f.store.advance(4); // more of 5 follows
  f.settle();
  assertEquals(f.link.heard(), []);
  f.store.keep("b", Write.of("b", "2", 5));
  f.store.advance(5);
  f.settle();
  assertEquals(f.link.changes().map(({ changes, timestamp }) => [changes, timestamp]), [
    [[["a", "1", 5], ["b", "2", 5]], 5],
  ]);
});
