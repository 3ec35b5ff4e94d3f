import { assertEquals } from "@std/assert";
import type { WatchEvent } from "../../lib/etcd/protocol.ts";
import { WatchCursor } from "../../lib/etcd/watch_cursor.ts";

const pure = { permissions: "none" } as const;

function event(revision: number, key: string, more: Partial<WatchEvent> = {}): WatchEvent {
  return { key, value: "v", revision, created: false, deleted: false, ...more };
}

Deno.test("a watch that starts again within a revision shows only the rest of it", pure, () => {
  const cursor = new WatchCursor();
  cursor.skipTo(4, 0);
  const [a, b, c] = [event(5, "a"), event(5, "b"), event(5, "c")];
  assertEquals(cursor.advance([a, b], true), [a, b]);
  assertEquals([cursor.next, cursor.revision], [5, 5]);
  assertEquals(cursor.advance([a, b, c], false), [c]);
  assertEquals([cursor.next, cursor.revision], [6, 5]);
  assertEquals(cursor.advance([event(4, "a"), a], false), []);
});

Deno.test("progress and skips move the position forward, never back", pure, () => {
  const cursor = new WatchCursor();
  assertEquals([cursor.started, cursor.revision], [false, 0]);
  cursor.skipTo(10, 3);
  cursor.progress(8);
  assertEquals([cursor.started, cursor.next, cursor.revision], [true, 11, 10]);
  cursor.progress(12);
  cursor.skipTo(9, 3);
  assertEquals(cursor.next, 13);
});

Deno.test("keys are counted by creations and removals, and never below 0", pure, () => {
  const cursor = new WatchCursor();
  cursor.skipTo(1, 1);
  cursor.advance([event(2, "a", { created: true }), event(3, "a")], false);
  assertEquals(cursor.keys, 2);
  const removal = { deleted: true } as const;
  cursor.advance([event(4, "a", removal), event(5, "b", removal), event(6, "c", removal)], false);
  assertEquals(cursor.keys, 0);
});
