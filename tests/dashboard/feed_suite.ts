/** The feed: the order of items, and what a slow browser gets. */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { browserBytesMax, browsersMax, itemsWaitingMax } from "../../dashboard/page/limits.js";
import { clockSkewMsMax, Feed } from "../../dashboard/server/feed.ts";
import type { Item } from "../../dashboard/server/item.ts";
import type { State } from "../../dashboard/server/state.ts";
import { apply, decode, encode } from "../../dashboard/page/state.js";
import { stepItem } from "../support/story_step.ts";
import { within } from "../support/waiting.ts";

const [leader, follower] = ["127.0.0.1:10097", "127.0.0.1:10098"] as const;
const now = 1_000_000;

/** An event that a browser receives. */
type Message =
  | { readonly event: "keyframe"; readonly data: { readonly lost: number; readonly state: State } }
  | { readonly event: "items"; readonly data: readonly Item[] }
  | { readonly event: "replaced"; readonly data: Record<string, never> };

/** A browser that reads only when a test says so. */
class SlowBrowser {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(feed: Feed, ip?: string) {
    this.#reader = feed.subscribe(ip).getReader();
  }

  async read(): Promise<Message> {
    const { value } = await within("the feed sends", this.#reader.read());
    const text = new TextDecoder().decode(value);
    const [, event, data] = /^event: (keyframe|items|replaced)\ndata: (.*)\n\n$/.exec(text)!;
    return { event, data: decode(data!) } as Message;
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
  }
}

function feedAt(time: () => number): Feed {
  return new Feed([leader, follower], time);
}

const written = (at: number, timestamp: number, value = "v"): Item => ({
  kind: "written",
  at,
  server: leader,
  key: "cor",
  value,
  timestamp,
});
const replicated = (at: number, timestamp: number): Item => ({
  kind: "replication",
  at,
  server: follower,
  key: "cor",
  value: "v",
  timestamp,
});

/** Delivers items to a browser. Returns their order, as `kind timestamp`. */
async function delivered(items: readonly Item[], time = now): Promise<string[]> {
  using feed = feedAt(() => time);
  const browser = new SlowBrowser(feed);
  await browser.read();
  for (const item of items) feed.add(item);
  feed.deliver(Infinity);
  const { data } = await browser.read() as Extract<Message, { event: "items" }>;
  return data.map((item) => `${item.kind} ${"timestamp" in item ? item.timestamp : ""}`.trim());
}

Deno.test("a step of a story comes before what happens in it within the same millisecond", async () => {
  const step: Item = { ...stepItem("write"), at: now - 5 };
  assertEquals(await delivered([written(now - 5, 1), step]), ["demo", "written 1"]);
});

Deno.test("items of different servers are ordered by time, in whatever order they arrive", async () => {
  const items = [replicated(now - 8, 1), replicated(now - 4, 2), written(now - 9, 1)];
  assertEquals(await delivered([...items, written(now - 5, 2)]), [
    "written 1",
    "replication 1",
    "written 2",
    "replication 2",
  ]);
});

Deno.test("within a millisecond a cause comes before its effect", async () => {
  const put: Item = {
    kind: "put",
    at: now,
    server: leader,
    client: "127.0.0.1:5",
    key: "cor",
    value: "v",
  };
  const acknowledged: Item = {
    kind: "acknowledged",
    at: now,
    server: leader,
    follower,
    timestamp: 1,
  };
  const items = [replicated(now, 1), put, written(now, 1), acknowledged];
  assertEquals(await delivered(items), ["put", "written 1", "replication 1", "acknowledged 1"]);
});

Deno.test("what other clients see by the answers to WRITEs is known, a CONFLICT's value too", () => {
  using feed = feedAt(() => now);
  const about = { at: now, server: leader, client: "127.0.0.1:5", key: "cor" } as const;
  const seen = () => feed.state.clients.get(0)?.seen.get("cor");
  feed.add(written(now, 1));
  feed.add({ ...about, kind: "write_ok", timestamp: 1 });
  feed.deliver(Infinity);
  assertEquals(seen(), { value: "v", timestamp: 1 });
  feed.add({ ...about, kind: "conflict", expected: 1, value: "w", timestamp: 2 });
  feed.deliver(Infinity);
  assertEquals(seen(), { value: "w", timestamp: 2 });
});

Deno.test("items of one server keep their order, even if its clock jumps back", async () => {
  const items = [written(now - 5, 1), written(now - 50, 2), written(now - 4, 3)];
  assertEquals(await delivered(items), ["written 1", "written 2", "written 3"]);
});

Deno.test("an item of a server whose clock is far off counts as happening now", () => {
  for (const wrong of [now + 60_000, now - clockSkewMsMax - 60_000]) {
    using feed = feedAt(() => now);
    feed.add(written(wrong, 1));
    feed.deliver(Infinity);
    assertEquals(feed.state.at, now);
  }
});

Deno.test("an item waits for earlier items of other servers, but only for a limited time", () => {
  let time = now;
  using feed = feedAt(() => time);
  feed.add(written(now, 1));
  feed.deliver();
  assertEquals(feed.state.table.size, 0);
  time += 1_000;
  feed.deliver();
  assertEquals(feed.state.table.size, 1);
});

Deno.test("if too many items wait, all of them are delivered at once", () => {
  using feed = feedAt(() => now);
  for (let n = 1; n <= itemsWaitingMax; n++) feed.add(written(now, n));
  assertEquals(feed.state.servers[0]!.timestamp, 0);
  feed.add(written(now, itemsWaitingMax + 1));
  assertEquals(feed.state.servers[0]!.timestamp, itemsWaitingMax + 1);
});

Deno.test("a browser that does not read loses items, uses bounded memory, and learns how many it lost", async () => {
  using feed = feedAt(() => now);
  const slow = new SlowBrowser(feed);
  const value = "v".repeat(1_000);
  const items = 3_000;
  for (let n = 1; n <= items; n++) {
    feed.add(written(now, n, value));
    feed.deliver(Infinity);
  }

  const first = await slow.read();
  assert(first.event === "keyframe" && first.data.lost === 0);
  const { state } = first.data;
  assertGreater(items * value.length, 2 * browserBytesMax);
  let [received, bytes] = [0, 0];
  let message = await slow.read();
  while (message.event === "items") {
    for (const item of message.data) apply(state, item);
    received += message.data.length;
    bytes += JSON.stringify(message.data).length;
    message = await slow.read();
  }
  assertGreater(received, 0);
  assertLess(bytes, browserBytesMax);
  assertEquals(message.data.lost, items - received);
  assertEquals(encode(message.data.state), encode(feed.state));

  // From here on the browser gets items again.
  feed.add(written(now, items + 1));
  feed.deliver(Infinity);
  const next = await slow.read();
  assertEquals(next.event, "items");
});

Deno.test("a browser that disconnects is removed, and a new browser starts with the state", async () => {
  using feed = feedAt(() => now);
  const first = new SlowBrowser(feed);
  await first.read();
  assertEquals(feed.browsers, 1);
  await first.leave();
  assertEquals(feed.browsers, 0);
  feed.add(written(now, 7));
  feed.deliver(Infinity);
  const second = await new SlowBrowser(feed).read();
  assert(second.event === "keyframe");
  assertEquals(second.data.state.servers[0]!.timestamp, 7);
});

Deno.test("one browser too many replaces the oldest of the address with the most, and tells it", async () => {
  using feed = feedAt(() => now);
  const teacher = new SlowBrowser(feed, "127.0.0.1");
  const [first, ...others] = Array.from(
    { length: browsersMax - 1 },
    () => new SlowBrowser(feed, "10.0.0.7"),
  );
  const late = new SlowBrowser(feed, "10.0.0.8");
  for (const browser of [teacher, first!, ...others, late]) {
    assertEquals((await browser.read()).event, "keyframe");
  }
  assertEquals((await first!.read()).event, "replaced");
  assertEquals(feed.browsers, browsersMax);
  feed.add(written(now, 1));
  feed.deliver(Infinity);
  for (const browser of [teacher, ...others, late]) {
    assertEquals((await browser.read()).event, "items");
  }
});
