/** What a server that lies can make the dashboard keep, send and draw. */

import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { boundedItem, cut } from "../../dashboard/server/bounded_item.ts";
import { Clients } from "../../dashboard/server/clients.ts";
import { Dashboard } from "../../dashboard/server/dashboard.ts";
import type { Item } from "../../dashboard/server/item.ts";
import { Observer, observerSilenceMs } from "../../dashboard/server/observer.ts";
import { Pace } from "../../dashboard/server/pace.ts";
import { ServerNames } from "../../dashboard/server/server_names.ts";
import type { State } from "../../dashboard/server/state.ts";
import {
  burstMs,
  charsPerSecondMax,
  countMax,
  demoStepsMax,
  durationMsMax,
  eventsPerSecondMax,
  keysSeenMax,
  listedServersMax,
  reasonCharsMax,
  textCharsMax,
  timeShareMax,
} from "../../dashboard/page/limits.js";
import { apply, emptyState, encode } from "../../dashboard/page/state.js";
import { stepItem } from "../support/story_step.ts";
import { Traffic } from "../../dashboard/page/traffic.js";
import { eventTextCharsMax, frameBytesMax } from "../../lib/limits.ts";
import { eventsPerFrameMax } from "../../lib/wire/events.ts";
import { cut as cutByServer } from "../../lib/server/event_recorder.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import type { Message } from "../support/wire_client.ts";

const pure = { permissions: "none" } as const;
const servers = ["127.0.0.1:10097", "127.0.0.1:10098", "127.0.0.1:10099"];
const server = servers[0]!;
const client = "127.0.0.1:5";
const at = 1_000_000;
const huge = Number.MAX_SAFE_INTEGER;
const zero = {
  ...{ puts: 0, putOks: 0, gets: 0, refused: 0, replications: 0 },
  ...{ writes: 0, writeOks: 0, conflicts: 0 },
};
const status = {
  ...{ server, leader: server, cluster: "c", timestamp: 1, keys: 1, connections: 1 },
  ...{ uptimeMs: 1, memoryBytes: 1, faults: true },
};

/** The most characters of an item in JSON: a key and a value of escapes, and an address. */
const itemCharsMax = 2 * 6 * textCharsMax + 600;

/** Items of every kind, as large as a server can make them. `n` makes them differ. */
function largest(n: number): Item[] {
  const [key, value] = [`${n}${"\u0001".repeat(1_000)}`, "\u202e".repeat(300_000)];
  const names = Array.from({ length: 256 }, (_, i) => `${"n".repeat(60)}.${n}-${i}:1`);
  const followers = names.slice(0, 12_000).map((name) => ({
    server: name,
    timestamp: huge,
    inSync: true,
  }));
  const kinds = [
    ...["table", "written", "replication", "put", "forwarding", "get"] as const,
    ...["write", "forwarding_write", "conflict"] as const,
  ];
  const counts = Object.fromEntries(Object.keys(zero).map((name) => [name, huge]));
  return [
    ...kinds.map((kind) => ({
      kind,
      at,
      server,
      client,
      key,
      value,
      timestamp: n,
      seen: 1,
      own: 2,
      expected: huge,
    })),
    { kind: "get", at, server, client, key, seen: huge, own: huge, refused: true },
    { kind: "put_ok", at, server, client, key, timestamp: huge, ms: 1e308 },
    { kind: "write_ok", at, server, client, key, timestamp: huge, ms: 1e308 },
    { kind: "members", at, server, inSync: names, open: true },
    { kind: "fault", at, server, follower: server, action: "delay", delayMs: huge },
    { kind: "status", at, server, status: { ...status, inSync: names, followers } },
    { kind: "counts", at, server, counts, missed: huge },
    { kind: "counts", at, server, counts: { ...zero, gets: -huge }, missed: 0 },
    { kind: "down", at, server, reason: value },
    { kind: "seen", at, client: 1, key, value: "v", timestamp: n },
    stepItem("failed", { failure: { reason: value } }),
    stepItem("failed", { failure: { expected: value, got: value } }),
  ] as Item[];
}

Deno.test("an item of any server has bounded texts, lists and numbers", pure, () => {
  for (const item of largest(1)) {
    const bounded = boundedItem(item, servers);
    assertLess(JSON.stringify(bounded).length, itemCharsMax + 6 * reasonCharsMax, item.kind);
  }
  const bounded = <Kind extends Item["kind"]>(item: Extract<Item, { kind: Kind }>) =>
    boundedItem(item, servers) as Extract<Item, { kind: Kind }>;
  const [late, later, over] = [
    bounded<"put_ok">({ kind: "put_ok", at, server, client, key: "k", timestamp: 1, ms: 1e308 }),
    bounded<"write_ok">({
      kind: "write_ok",
      at,
      server,
      client,
      key: "k",
      timestamp: 1,
      ms: 1e308,
    }),
    bounded<"counts">({ kind: "counts", at, server, counts: { ...zero, gets: -1 }, missed: huge }),
  ];
  assertEquals(later.ms, durationMsMax);
  assertEquals([late.ms, over.missed, over.counts.gets], [durationMsMax, countMax, 0]);
});

Deno.test("an item of an honest server stays as it is", pure, () => {
  const longest = cutByServer("v".repeat(1_000));
  assertEquals([longest.length, textCharsMax], [eventTextCharsMax + 1, eventTextCharsMax + 1]);
  const honest: Item[] = [
    { kind: "written", at, server, key: longest, value: longest, timestamp: 1 },
    { kind: "get", at, server, client, key: "cor", seen: 1, own: 2, value: null },
    { kind: "put_ok", at, server, client, key: "cor", timestamp: 1, ms: 2.5 },
    { kind: "write_ok", at, server, client, key: "cor", timestamp: 1 },
    { kind: "write", at, server, client, key: "cor", value: null, expected: 7 },
    { kind: "conflict", at, server, client, key: "cor", expected: 7, value: null, timestamp: 0 },
    { kind: "fault", at, server, follower: server, action: "pause" },
    { kind: "counts", at, server, counts: { ...zero, gets: 7 }, missed: 3 },
    { kind: "down", at, server, reason: "gone" },
    { kind: "up", at, server },
  ];
  for (const item of honest) assertEquals(boundedItem(item, servers), item);
});

Deno.test("of a long list the servers of the page are kept, and the others counted", pure, () => {
  const others = Array.from({ length: 253 }, (_, n) => `kv-${n}:1`);
  const members: Item = {
    kind: "members",
    at,
    server,
    inSync: [...others, ...servers],
    open: true,
  };
  const bounded = boundedItem(members, servers);
  assert(bounded.kind === "members");
  assertEquals(bounded.inSync, [...servers, "kv-0:1", "kv-1:1"].slice(0, listedServersMax));
  assertEquals(bounded.others, 256 - listedServersMax);
});

Deno.test("a text that is cut stays Unicode text, and says so with an ellipsis", pure, () => {
  assertEquals(cut("áéí", 3), "áéí");
  assertEquals(cut("áéíó", 3), "áé…");
  const halves = cut("x😀😀", 3);
  assert(halves.isWellFormed());
  assertEquals(halves, "x\ufffd…");
});

Deno.test("the state stays small whatever servers send", pure, () => {
  const state = emptyState(servers);
  let chars = 0;
  for (let n = 0; n < 200; n++) {
    for (const item of largest(n)) apply(state, boundedItem(item, servers));
    if (n === 150) chars = encode(state).length;
  }
  const now = encode(state).length;
  assertLess(now, 3_000_000);
  assertLess(now, chars * 2);
  assert(!encode(state.seconds).includes("null"), "a sum is no finite number");
  assertEquals(state.demoSteps.length, 1);
});

Deno.test("a story that fails again and again keeps one step", pure, () => {
  const state = emptyState(servers);
  for (let n = 0; n < 50; n++) apply(state, stepItem("failed"));
  assertEquals(state.demoSteps.map(({ name }) => name), ["failed"]);
  apply(state, stepItem("write"));
  for (let n = 0; n < 50; n++) apply(state, stepItem("put"));
  assertEquals(state.demoSteps.length, demoStepsMax);
});

Deno.test("the number of messages is counted in a bounded number of steps", pure, () => {
  const traffic = new Traffic();
  for (let ms = 0; ms < 10_000; ms++) traffic.add(ms, 3, 1);
  assertEquals(traffic.last(9_999), { all: 3_000, drawn: 1_000 });
  assertEquals(traffic.last(20_000), { all: 0, drawn: 0 });
});

Deno.test(
  "an honest server is never read slowly, and a flood at the rate of an honest one",
  pure,
  () => {
    let now = 0;
    const honest = new Pace(() => now);
    assertEquals(honest.take({ events: 1_256, chars: 400_000, ms: 20 }), 0, "its table");
    for (; now < 60_000; now += 50) {
      assertEquals(honest.take({ events: 256, chars: 100_000, ms: 2 }), 0, `at ${now} ms`);
    }
    const floods = [
      { events: eventsPerFrameMax, chars: 300_000, ms: 5 },
      { events: 0, chars: frameBytesMax, ms: 100 },
      { events: 1, chars: 150, ms: 0 },
      { events: 100, chars: 4_000_000, ms: 280 },
    ];
    for (const flood of floods) {
      now = 0;
      const pace = new Pace(() => now);
      let frames = 0;
      for (; now < 60_000; frames++) {
        const waitMs = pace.take(flood);
        assertLess(waitMs, observerSilenceMs - burstMs, "STATUS would get no answer in time");
        now += waitMs + 0.001;
      }
      assertLess(frames * flood.events, 64 * eventsPerSecondMax);
      assertLess(frames * flood.chars, 64 * charsPerSecondMax);
      assertLess(frames * flood.ms, 64_000 * timeShareMax);
      assertLess(frames, 64 * eventsPerSecondMax);
    }
  },
);

/** Answers STATUS as `name`, and hands over each OBSERVE. */
function liar(
  name: (self: string) => string,
  observed: (send: (events: Message) => Promise<void>, self: string) => Promise<void>,
): FakeServer {
  const fake: FakeServer = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const { type, id } = JSON.parse(line);
      const self = name(fake.name);
      if (type === "STATUS") {
        const lists = { inSync: [], followers: [] };
        await wire.send({ type: "STATUS_OK", id, ...status, server: self, leader: self, ...lists });
      } else {
        const head = { type: "EVENTS", id, server: self, at: 1, missed: 0, counts: zero };
        await observed((events) => wire.send({ ...head, ...events }), self);
      }
    }
  }, { answersStatus: false });
  return fake;
}

Deno.test("a server that floods is read slowly, shown as such, and keeps no other from being shown", async () => {
  let sent = 0;
  await using flooding = liar((self) => self, async (send) => {
    const value = "v".repeat(1_000_000);
    const event = { kind: "written", at: 1, value, timestamp: 1 };
    // Ends with the connection.
    for (;; sent++) {
      await send({ events: [0, 1, 2].map((n) => ({ ...event, key: `${n} ${sent}` })) });
    }
  });
  const key = "k".repeat(1_000);
  await using honest = liar((self) => self, async (send) => {
    await send({ events: [{ kind: "table", at: 1, key, value: "azul", timestamp: 1 }] });
  });
  await using dashboard = new Dashboard({
    listen: anyPort,
    servers: [flooding.address, honest.address],
  });
  const shows = (condition: (state: Readonly<State>) => boolean) => () =>
    condition(dashboard.feed.state);
  await eventually("it is slow", shows(({ servers }) => servers[0]!.slow));
  const shown = `${key.slice(0, textCharsMax - 1)}…`;
  await eventually("the other's table", shows(({ table }) => table.has(shown)));
  // 3 MB a frame. The sockets of both ends hold a few of them.
  assertLess(sent, 20);
  assertGreater(sent, 1);
  assertLess(encode(dashboard.feed.state).length, 100_000);
  assert(!dashboard.feed.state.servers[1]!.slow);
});

Deno.test("a server that says that it is another one is not shown, and the reason is", async () => {
  const other = "127.0.0.1:1";
  await using named = liar(() => other, async () => {});
  await using events = liar((self) => self, async (send) => {
    const event = { kind: "written", at: 1, key: "cor", value: "azul", timestamp: 1 };
    await send({ server: other, events: [event] });
  });
  for (const fake of [named, events]) {
    const items: Item[] = [];
    const names = new ServerNames([fake.name, other]);
    await using _observer = new Observer(fake.address, {}, (item) => items.push(item), names);
    const down = await eventually("it is down", () => items.find(({ kind }) => kind === "down"));
    assert(down.kind === "down");
    assertEquals(
      down.reason,
      `the server says that it is ${other}, which is another one of --servers`,
    );
    const kept = items.filter(({ kind }) => kind !== "down" && kind !== "status");
    assertEquals(kept, [], "events of another server");
    const answers = items.filter((item) => item.kind === "status");
    assert(answers.every(({ status }) => status.server === fake.name));
  }
});

Deno.test("a STATUS_OK with lists without end is refused, and the reason is short", async () => {
  const names = Array.from({ length: 40_000 }, (_, n) => `kv-${n}:1`);
  const followers = names.slice(0, 12_000).map((name) => ({
    server: name,
    timestamp: 1,
    inSync: true,
  }));
  const lists: Message[] = [
    { inSync: [], followers },
    { inSync: names, followers: [] },
    { inSync: [], followers: followers.slice(0, 257) },
    { inSync: names.slice(0, 257), followers: [] },
  ];
  for (const list of lists) {
    await using fake = new FakeServer(async (wire) => {
      const { id } = await wire.messageOf("STATUS");
      await wire.send({ type: "STATUS_OK", id, ...status, ...list });
      await wire.drain();
    }, { answersStatus: false });
    const items: Item[] = [];
    await using _observer = new Observer(fake.address, {}, (item) => items.push(item));
    const down = await eventually("it is down", () => items.find((item) => item.kind === "down"));
    assert(/ more than \d+/.test(down.reason), down.reason);
    assertLess(down.reason.length, reasonCharsMax);
    assertEquals(items.filter(({ kind }) => kind === "status"), []);
  }
});

Deno.test("a server with no place for an observer is asked again more and more rarely, on one connection", async () => {
  let open = 0;
  let most = 0;
  const dials: number[] = [];
  await using full: FakeServer = new FakeServer(async (wire) => {
    most = Math.max(most, ++open);
    dials.push(performance.now());
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const { type, id } = JSON.parse(line);
      if (type !== "OBSERVE") continue;
      const message = "this server has 16 observers already";
      await wire.send({ type: "ERROR", code: "OVERLOADED", message, id });
    }
    open--;
  });
  const items: Item[] = [];
  const observer = new Observer(full.address, {}, (item) => items.push(item));
  await eventually("it dials again", () => dials.length >= 4);
  const down = items.filter((item) => item.kind === "down");
  assertEquals(down.length, 1, "the same reason once");
  assert(down[0]!.reason.endsWith("OVERLOADED: this server has 16 observers already"));
  assertGreater(dials[3]! - dials[2]!, 1.5 * (dials[1]! - dials[0]!));
  await within("it closes", observer[Symbol.asyncDispose]());
  await eventually("the server notices", () => open === 0);
  assertEquals(most, 1);
});

Deno.test("a client of the dashboard sees a bounded number of keys, and forgets none of them", async () => {
  await using fake = FakeServer.answering(({ id, key }) => (
    { type: "GET_OK", id, key, value: "azul", timestamp: 1 }
  ));
  await using clients = new Clients([fake.address], {}, () => {});
  const keys = Array.from({ length: keysSeenMax }, (_, n) => `${n}`);
  for (let n = 0; n < keys.length; n += 500) {
    await Promise.all(keys.slice(n, n + 500).map((key) => clients.get(1, key)));
  }
  await assertRejects(() => clients.get(1, "one more"), RangeError, `${keysSeenMax} keys`);
  assertEquals((await clients.get(1, "0")).seen, 1);
  assertEquals((await clients.get(2, "one more")).seen, 0);
});
