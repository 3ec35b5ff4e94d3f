import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type ErrorReply, List, type ListOk, TryOther, Write } from "../../lib/mensagem.ts";
import { waitingListsPerConnectionMax } from "../../lib/replication/lists.ts";
import { FakeLink, Fixture } from "../support/table_queries.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "a page has its limit, says whether there is more, and goes on after its last key",
  pure,
  () => {
    const f = new Fixture();
    for (const key of ["b/2", "a", "b/😀", "b/\uffff", "b/1", "c"]) f.write(key, `of ${key}`);
    f.write("b/1", null);
    f.list(new List(1, "b/", undefined, 2));
    f.list(new List(2, "b/", "b/\uffff", 2));
    f.list(new List(3, ""));
    f.list(new List(4, "b/", "a"));
    f.list(new List(5, "b", "c"));
    const pages = f.link.heard() as ListOk[];
    assertEquals(pages.map(({ id, entries, more }) => [id, entries.map(([key]) => key), more]), [
      [1, ["b/2", "b/\uffff"], true],
      [2, ["b/😀"], false],
      [3, ["a", "b/2", "b/\uffff", "b/😀", "c"], false],
      [4, ["b/2", "b/\uffff", "b/😀"], false],
      [5, [], false],
    ]);
    assertEquals(pages[0]!.entries[0], ["b/2", "of b/2", 1]);
    assertEquals([pages[0]!.timestamp, f.link.due], [7, 0]);
  },
);

Deno.test("a page with long values ends early", pure, () => {
  const f = new Fixture();
  for (let n = 0; n < 20; n++) f.write(`k${n}`, "x".repeat(100_000));
  f.list(new List(1, ""));
  const [page] = f.link.heard() as ListOk[];
  assertEquals([page!.entries.length, page!.more], [6, true]);
});

Deno.test("a LIST needs what the client has seen, and says if that is lost", pure, () => {
  const f = new Fixture();
  f.write("k", "v", 3);
  f.store.synchronise({ latest: 3, gaps: [[5, 20]] });
  for (const [id, atLeast] of [[1, 3], [2, 4], [3, 5]] as const) {
    f.list(new List(id, "", undefined, undefined, atLeast));
  }
  f.readable = false;
  f.list(new List(4, ""));
  const [page, behind, lost, unreadable] = f.link.heard();
  assertEquals(page?.type, "LIST_OK");
  assertEquals(behind, new TryOther(2, undefined, 3));
  assertEquals(lost, new TryOther(3, undefined, 3, true));
  assertEquals(unreadable, new TryOther(4, undefined, 3));
  const { lists, listsRefused } = f.queries.counts;
  assertEquals([lists, listsRefused], [1, 3]);
});

Deno.test(
  "the first LIST of many keys waits for the order of the keys, slice by slice",
  pure,
  () => {
    const f = new Fixture();
    for (let n = 1; n <= 20_000; n++) f.store.apply(`k${n}`, Write.of(`k${n}`, "v", n));
    f.list(new List(1, "", undefined, 3));
    assertEquals(f.link.heard(), []);
    let turns = 1;
    while (f.queries.run()) turns++;
    assert(turns > 10, `${turns} turns`);
    const [page] = f.link.heard() as ListOk[];
    assertEquals(page!.entries.map(([key]) => key), ["k1", "k10", "k100"]);
    f.list(new List(2, "", undefined, 3));
    assertEquals(f.link.heard().length, 1);
  },
);

/** A table that is so large that the first LIST waits. */
function large(): Fixture {
  const f = new Fixture();
  for (let n = 1; n <= 5_000; n++) f.store.apply(`k${n}`, Write.of(`k${n}`, "v", n));
  return f;
}

Deno.test("a LIST that waits is answered, however many keys come meanwhile", pure, () => {
  const f = large();
  f.list(new List(1, ""));
  const write = Write.of("k1", "v", 1);
  for (let n = 0; n < 300_000; n++) f.store.listener!.changed("k1", write, false);
  for (let turns = 0; turns < 400 && f.queries.run(); turns++) {
    f.store.listener!.changed("k1", write, false);
  }
  assertEquals(f.link.heard().length, 1);
});

Deno.test("a connection with many LISTs that wait does not hold up another one", pure, () => {
  const f = large();
  const other = new FakeLink();
  for (let id = 0; id <= waitingListsPerConnectionMax; id++) {
    f.list(new List(id, "k", undefined, 1));
  }
  f.list(new List(1, "k"), other);
  const [refused] = f.link.heard() as ErrorReply[];
  assertEquals([refused?.id, refused?.code], [waitingListsPerConnectionMax, "OVERLOADED"]);
  assertEquals(f.queries.counts.listsRefused, 1);
  assertStringIncludes(
    refused!.message,
    `${waitingListsPerConnectionMax} LISTs of this connection`,
  );
  const answers: number[] = [];
  let toOther = 0;
  while (f.queries.run()) {
    const count = f.link.heard().length;
    if (count > 0) answers.push(count);
    if (other.heard().length > 0) toOther = answers.length;
  }
  assertEquals(toOther, 1);
  assert(Math.max(...answers) <= 100, `${answers} in the slices`);
  f.settle();
  assertEquals([f.link.due, other.due], [0, 0]);
});

Deno.test("the LISTs of a connection that has ended no longer wait", pure, () => {
  const f = large();
  f.list(new List(1, ""));
  f.queries.closed(f.link);
  f.settle();
  assertEquals(f.link.heard(), []);
});

Deno.test("while LISTs come, new keys are taken into the index in between", pure, () => {
  const f = large();
  f.list(new List(1, "", undefined, 1));
  f.settle();
  f.link.heard();
  f.woken = 0;
  for (let n = 5_001; n <= 25_000; n++) {
    f.write(`k${n}`, "v");
    if (f.woken > 0) f.settle();
  }
  f.list(new List(2, "k25000"));
  assertEquals((f.link.heard() as ListOk[]).map(({ entries }) => entries.length), [1]);
});
