/** The state that the page shows: items, recording and playback. */

import { assert, assertEquals } from "@std/assert";
import type { Item } from "../../dashboard/server/item.ts";
import type { Second, State } from "../../dashboard/server/state.ts";
import { Cursor } from "../../dashboard/page/cursor.js";
import {
  itemsMax,
  keysMax,
  refusalsMax,
  secondsMax,
  segmentItemsMax,
  shownCharsMax,
} from "../../dashboard/page/limits.js";
import { storyDefault, storyOf } from "../../dashboard/stories/stories.js";
import { stepItem } from "../support/story_step.ts";
import { namesIn, readable } from "../../dashboard/page/format.js";
import { en } from "../../dashboard/page/texts_en.js";
import { pt } from "../../dashboard/page/texts_pt.js";
import { Recording } from "../../dashboard/page/recording.js";
import { apply, copyState, decode, emptyState, encode } from "../../dashboard/page/state.js";
import {
  cellOf,
  faultReason,
  messagesOf,
  storyReason,
  writesBehind,
} from "../../dashboard/page/selectors.js";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const [leader, near, far] = ["127.0.0.1:10097", "127.0.0.1:10098", "127.0.0.1:10099"] as const;
const servers = [leader, near, far];
const client = "127.0.0.1:50000";
const writeCounts = { writes: 4, writeOks: 3, conflicts: 1 };

function stateAfter(...items: Item[]): State {
  const state = emptyState(servers);
  for (const item of items) apply(state, item);
  return state;
}

const up = (server: string): Item => ({ kind: "up", at: 1, server });
const status = (server: string, keys = 0): Item => ({
  kind: "status",
  at: 1,
  server,
  status: {
    server,
    leader,
    cluster: "c",
    timestamp: 0,
    inSync: server === leader ? servers : [],
    followers: [],
    keys,
    connections: 1,
    uptimeMs: 1,
    memoryBytes: 1,
    faults: true,
  },
});
const written = (timestamp: number, key = "cor", value = `v${timestamp}`): Item => ({
  kind: "written",
  at: timestamp,
  server: leader,
  key,
  value,
  timestamp,
});
const replicated = (server: string, timestamp: number, key = "cor"): Item => ({
  kind: "replication",
  at: timestamp,
  server,
  key,
  value: `v${timestamp}`,
  timestamp,
});

const all = [leader, near, far].flatMap((server) => [up(server), status(server)]);
const cells = (state: State, key = "cor") =>
  state.servers.map((server) => cellOf(state, key, server).is);

Deno.test("a copy is stale while another server has a newer one", pure, () => {
  const state = stateAfter(...all, written(1), replicated(near, 1), replicated(far, 1));
  assertEquals(cells(state), ["current", "current", "current"]);
  apply(state, written(2));
  apply(state, replicated(near, 2));
  assertEquals(cells(state), ["current", "current", "stale"]);
  assertEquals(writesBehind(state, state.servers[2]!), 1);
  apply(state, replicated(far, 2));
  assertEquals(cells(state), ["current", "current", "current"]);
  assertEquals(writesBehind(state, state.servers[2]!), 0);
});

Deno.test("a key that a server has no copy of is shown as missing", pure, () => {
  assertEquals(cells(stateAfter(...all, written(1))), ["current", "missing", "missing"]);
});

Deno.test(
  "the copies of a server that is down are unknown, and other copies stay stale or current",
  pure,
  () => {
    const state = stateAfter(
      ...all,
      written(1),
      replicated(near, 1),
      replicated(far, 1),
      written(2),
    );
    apply(state, { kind: "down", at: 3, server: far, reason: "gone" });
    assertEquals(cells(state), ["current", "stale", "unknown"]);
    assertEquals(state.servers[2]!.reason, "gone");
  },
);

Deno.test("a copy is unknown if the server has more keys than it has reported", pure, () => {
  assertEquals(cells(stateAfter(...all, written(1), status(far, 1))), [
    "current",
    "missing",
    "unknown",
  ]);
});

Deno.test("a server that reconnects is known only by what it reports from then on", pure, () => {
  const state = stateAfter(...all, written(1), replicated(far, 1));
  apply(state, { kind: "down", at: 3, server: far, reason: "gone" });
  apply(state, up(far));
  assertEquals(cells(state)[2], "missing");
  assertEquals(state.servers[2]!.timestamp, 0);
  apply(state, { kind: "table", at: 4, server: far, key: "cor", value: "v1", timestamp: 1 });
  assertEquals(cells(state)[2], "current");
});

Deno.test("an older value never replaces a newer one", pure, () => {
  const state = stateAfter(...all, written(2), written(1));
  assertEquals(cellOf(state, "cor", state.servers[0]!).cell, { value: "v2", timestamp: 2 });
});

Deno.test("every list of the state is bounded", pure, () => {
  const state = stateAfter(...all);
  for (let n = 1; n <= 2_000; n++) {
    apply(state, written(n, `key${n}`));
    apply(state, { kind: "forwarding", at: n, server: near, key: `key${n}`, value: "" });
    apply(state, {
      kind: "put",
      at: n,
      server: leader,
      client: `1.1.1.1:${n}`,
      key: "",
      value: "",
    });
    apply(state, { kind: "client", at: n, client: 1, address: `1.1.1.1:${n}` });
    apply(state, { kind: "seen", at: n, client: 1, key: `key${n}`, value: "v", timestamp: n });
    const refused = { server: far, client, key: "cor", seen: 2, own: 1, refused: true } as const;
    apply(state, { kind: "get", at: n, ...refused });
    apply(state, {
      kind: "put_ok",
      at: n * 1000,
      server: leader,
      client,
      key: "",
      timestamp: n,
      ms: 1,
    });
  }
  assertEquals(state.table.size, keysMax);
  assertEquals(state.keysDropped, 2_000 - keysMax);
  assertEquals([...state.table.keys()].at(-1), "key2000");
  assertEquals(state.refusals.length, refusalsMax);
  assertEquals(state.seconds.length, secondsMax);
  assertEquals(state.clients.get(1)!.seen.size, keysMax);
  assert(encode(state).length < 200_000, `${encode(state).length} characters`);
});

Deno.test("a key with the name of an object's property is a key like any other", pure, () => {
  const state = stateAfter(...all, written(1, "__proto__"), written(2, "entries"));
  const copy: State = decode(encode(state));
  assertEquals(cells(copy, "__proto__"), ["current", "missing", "missing"]);
  assertEquals(encode(copy), encode(state));
});

Deno.test(
  "a PUT that a follower forwards, and its answer, are drawn by way of that follower",
  pure,
  () => {
    const state = stateAfter(...all);
    const forwarding: Item = { kind: "forwarding", at: 1, server: near, key: "cor", value: "azul" };
    const put: Item = { kind: "put", at: 1, server: leader, client, key: "cor", value: "azul" };
    const putOk: Item = {
      kind: "put_ok",
      at: 2,
      server: leader,
      client,
      key: "cor",
      timestamp: 1,
      ms: 1,
    };
    const hops = (item: Item) => {
      const messages = messagesOf(state, item);
      apply(state, item);
      return messages.map(({ from, to }) => [from, to]);
    };
    assertEquals(hops(forwarding), []);
    assertEquals(hops(put), [[client, near], [near, leader]]);
    assertEquals(hops(putOk), [[leader, near], [near, client]]);
    const other = { ...put, client: "127.0.0.1:50001" };
    assertEquals(hops(other), [["127.0.0.1:50001", leader]]);
  },
);

Deno.test(
  "a WRITE is drawn like a PUT, and its CONFLICT by way of the follower, with the reason",
  pure,
  () => {
    const state = stateAfter(...all);
    apply(state, { kind: "forwarding_write", at: 1, server: near, key: "cor", value: null });
    const write: Item = {
      ...{ kind: "write", at: 1, server: leader, client, key: "cor", value: null, expected: 3 },
    };
    const hops = (item: Item) => {
      const messages = messagesOf(state, item);
      apply(state, item);
      return messages.map(({ label, from, to }) => [label, from, to]);
    };
    assertEquals(hops(write), [["WRITE", client, near], ["WRITE", near, leader]]);
    const conflict: Item = {
      ...{ kind: "conflict", at: 2, server: leader, client, key: "cor", expected: 3 },
      ...{ value: "azul", timestamp: 5 },
    };
    assertEquals(hops(conflict), [["CONFLICT", leader, near], ["CONFLICT", near, client]]);
    const [refusal, ...more] = state.refusals;
    assertEquals(more, []);
    assert(refusal !== undefined && "expected" in refusal);
    const said = [en, pt].map((t) => t.conflict(refusal, namesIn(state, t)));
    assertEquals(said, [
      `${client} expected cor with timestamp 3, but the key has azul, with timestamp 5.`,
      `${client} esperava cor com timestamp 3, mas a chave tem azul, com timestamp 5.`,
    ]);
    const ok: Item = { kind: "write_ok", at: 3, server: leader, client, key: "cor", timestamp: 5 };
    assertEquals(hops(ok), [["WRITE_OK", leader, near], ["WRITE_OK", near, client]]);
  },
);

Deno.test("WRITE_OKs count among the answered writes, and have a time if it is known", pure, () => {
  const counts = { puts: 0, putOks: 2, gets: 0, refused: 0, replications: 0 };
  const ok = { kind: "write_ok", at: 1, server: leader, client, key: "cor", timestamp: 5 } as const;
  const state = stateAfter(
    ...all,
    { kind: "counts", at: 1, server: leader, counts: { ...counts, ...writeCounts }, missed: 0 },
    ok,
    { ...ok, ms: 7 },
  );
  const [{ putOks, timedPutOks, putMsMax }] = state.seconds as [Second];
  assertEquals([putOks, timedPutOks, putMsMax], [5, 1, 7]);
});

Deno.test("a key that expired is told as such, in both languages", pure, () => {
  const state = stateAfter(...all);
  const deleted: Item = {
    ...{ kind: "written", at: 1, server: leader, key: "lock", value: null, timestamp: 5 },
  };
  const said = (item: Item) => [en, pt].map((t) => t.item(item, namesIn(state, t)));
  assertEquals(said({ ...deleted, expired: true }), [
    "lock expired: deleted with timestamp 5",
    "lock expirou: apagada com timestamp 5",
  ]);
  assertEquals(said(deleted), ["deletes lock with timestamp 5", "apaga lock com timestamp 5"]);
});

Deno.test("the first step of a story replaces the steps of the last one", pure, () => {
  const names = (...steps: string[]) =>
    stateAfter(...steps.map((name) => stepItem(name))).demoSteps.map(({ name }) => name);
  assertEquals(names("write", "pause", "done", "write"), ["write"]);
  assertEquals(names("write", "failed", "write", "pause"), ["write", "pause"]);
  assertEquals(names("pause", "put", "write"), ["write"], "after a story whose end was lost");
});

Deno.test(
  "why a story cannot begin: one is under way, a follower is away, no server can be stopped",
  pure,
  () => {
    const state = stateAfter(...all);
    const [tryOther, followerReturns] = ["try-other", "follower-returns"].map((id) => storyOf(id)!);
    assertEquals(storyReason(state, tryOther!), undefined);
    assertEquals(storyReason(state, followerReturns!), "noControl");
    const controlled = { ...state, control: true };
    assertEquals(storyReason(controlled, followerReturns!), undefined);
    assertEquals(
      storyReason({ ...controlled, inSync: [leader, near] }, followerReturns!),
      "followerAway",
    );
    apply(state, stepItem("write"));
    assertEquals(storyReason(state, tryOther!), "running");
    apply(state, stepItem("failed"));
    assertEquals(storyReason(state, tryOther!), undefined);
  },
);

Deno.test("after the cluster has lost its data, the clients have seen nothing", pure, () => {
  const state = stateAfter({
    kind: "seen",
    at: 1,
    client: 1,
    key: "cor",
    value: "v",
    timestamp: 7,
  });
  assertEquals(state.clients.get(1)!.seen.get("cor")?.timestamp, 7);
  apply(state, { kind: "forgotten", at: 2 });
  assertEquals(state.clients.size, 0);
});

Deno.test("without its leader no follower is in sync, and nothing is held or behind", pure, () => {
  const state = stateAfter(...all, written(1), replicated(near, 1), written(2), {
    kind: "fault",
    at: 2,
    server: leader,
    follower: far,
    action: "pause",
  });
  assertEquals(writesBehind(state, state.servers[2]!), 2);
  assertEquals(faultReason(state, state.servers[2]!, "pause"), "alreadyHeld");
  assertEquals(faultReason(state, state.servers[1]!, "resume"), "nothingHeld");
  assertEquals(storyReason(state, storyDefault), undefined);
  apply(state, { kind: "down", at: 3, server: leader, reason: "gone" });
  assertEquals(state.inSync, []);
  assertEquals(state.open, false);
  assertEquals(state.servers.map(({ fault }) => fault), [undefined, undefined, undefined]);
  assertEquals(writesBehind(state, state.servers[2]!), 0);
  assertEquals(faultReason(state, state.servers[2]!, "pause"), "leaderDown");
  assertEquals(storyReason(state, storyDefault), "leaderDown");
});

Deno.test(
  "after all servers have restarted without data, nothing of the dead cluster is left",
  pure,
  () => {
    const refused = { server: far, client, key: "cor", seen: 2, own: 1, refused: true } as const;
    const state = stateAfter(...all, written(1), written(7), { kind: "get", at: 7, ...refused });
    for (const server of servers) apply(state, { kind: "down", at: 8, server, reason: "gone" });
    const restarted = status(leader);
    assert(restarted.kind === "status");
    apply(state, up(leader));
    apply(state, written(1));
    apply(state, { ...restarted, status: { ...restarted.status, cluster: "d" } });
    for (const server of [near, far]) {
      apply(state, up(server));
      apply(state, status(server));
      apply(state, replicated(server, 1));
    }
    assertEquals(cells(state), ["current", "current", "current"]);
    assertEquals(state.servers.map((server) => writesBehind(state, server)), [0, 0, 0]);
    assertEquals(state.refusals, []);
    assertEquals([...state.writtenKeys], [[1, "cor"]]);
  },
);

/** A random item. Its keys and servers are few, so that items often concern the same ones. */
function randomItem(random: Random, at: number): Item {
  const server = random.pick(servers);
  const key = `key${random.below(keysMax + 20)}`;
  const timestamp = random.below(1_000);
  const counts = {
    ...{ puts: 1, putOks: 1, gets: 2, refused: 1, replications: 1 },
    ...writeCounts,
  };
  return random.pick<Item>([
    { kind: "up", at, server },
    { kind: "down", at, server, reason: "gone" },
    { ...status(server, random.below(10)), at } as Item,
    { kind: "counts", at, server, counts, missed: random.below(2) },
    { kind: "table", at, server, key, value: "v", timestamp },
    { kind: "written", at, server, key, value: "v", timestamp },
    { kind: "replication", at, server, key, value: "v", timestamp },
    { kind: "forwarding", at, server, key, value: "v" },
    { kind: "put", at, server, client, key, value: "v" },
    { kind: "put_ok", at, server, client, key, timestamp, ms: random.next() },
    { kind: "forwarding_write", at, server, key, value: null },
    { kind: "write", at, server, client, key, value: null },
    { kind: "write_ok", at, server, client, key, timestamp },
    { kind: "conflict", at, server, client, key, expected: 1, value: "v", timestamp },
    { kind: "acknowledged", at, server, follower: random.pick(servers), timestamp },
    { kind: "get", at, server, client, key, seen: 1, own: timestamp, value: "v" },
    { kind: "get", at, server, client, key, seen: timestamp, own: 1, refused: true },
    { kind: "members", at, server, inSync: [near], open: random.chance(0.5) },
    { kind: "fault", at, server, follower: far, action: random.pick(["pause", "resume"]) },
    { kind: "seen", at, client: random.below(5), key, value: "v", timestamp },
    { kind: "client", at, client: 1, address: client },
    { kind: "forgotten", at },
  ]);
}

Deno.test(
  "the state at the cursor is the same as after a replay from the start",
  pure,
  seeded((random) => {
    const recording = new Recording(emptyState(servers));
    /** The state, computed without keyframes. */
    const replay = emptyState(servers);
    /** By position: the state there. */
    const expected = [encode(replay)];
    let cursor = new Cursor(recording);
    const isStep = (item: Item) => item.kind !== "counts" && item.kind !== "status";
    let at = 0;
    for (let round = 0; round < 600; round++) {
      for (let n = random.below(3); n > 0; n--) {
        const item = randomItem(random, at += random.below(400));
        recording.push(item);
        apply(replay, item);
        expected.push(encode(replay));
      }
      switch (random.below(5)) {
        case 0:
          cursor.moveTo(random.below(expected.length + 5));
          break;
        case 1:
          cursor = new Cursor(recording);
          assertEquals(encode(cursor.state), expected.at(-1));
          break;
        case 2:
          cursor.stay();
          break;
        case 3:
          cursor.forward(isStep);
          break;
        case 4:
          cursor.back(isStep);
      }
      assertEquals(encode(cursor.state), expected[cursor.position], `at ${cursor.position}`);
    }
    assert(recording.end > 2 * segmentItemsMax, "the recording is too short to need keyframes");
  }),
);

Deno.test("a step forward undoes a step back", pure, () => {
  const recording = new Recording(emptyState(servers));
  for (const item of [...all, written(1), status(far), replicated(far, 1)]) recording.push(item);
  const cursor = new Cursor(recording);
  const isStep = (item: Item) => item.kind === "written" || item.kind === "replication";
  assertEquals(cursor.back(isStep)?.kind, "replication");
  assertEquals(cells(cursor.state)[2], "missing");
  assertEquals(cursor.back(isStep)?.kind, "written");
  assertEquals(cells(cursor.state)[0], "missing");
  assertEquals(cursor.back(isStep), undefined);
  assertEquals(cursor.forward(isStep)?.kind, "written");
  assertEquals(cursor.forward(isStep)?.kind, "replication");
  assertEquals(cursor.forward(isStep), undefined);
  assertEquals(encode(cursor.state), encode(recording.last));
  assert(!cursor.live);
});

Deno.test(
  "the recording drops its oldest items, and a cursor at one of them moves to the oldest left",
  pure,
  () => {
    const recording = new Recording(emptyState(servers), 1_000);
    const cursor = new Cursor(recording);
    cursor.stay();
    for (let n = 1; n <= 5_000; n++) recording.push(written(n, `key${n % 7}`));
    assert(recording.end - recording.first >= 1_000, `${recording.first}`);
    assert(recording.end - recording.first < 1_000 + 2 * segmentItemsMax, `${recording.first}`);
    cursor.stay();
    assertEquals(cursor.position, recording.first);
    assertEquals(cursor.state.servers[0]!.timestamp, recording.first);
    assertEquals(recording.itemAt(recording.first - 1), undefined);
    assert(itemsMax >= 1_000);
  },
);

Deno.test("a keyframe of the feed replaces the items that were lost before it", pure, () => {
  const recording = new Recording(emptyState(servers));
  recording.push(up(leader));
  recording.push(written(1));
  const later = stateAfter(...all, written(9));
  recording.continueFrom(copyState(later));
  recording.push(written(10));
  const cursor = new Cursor(recording);
  cursor.moveTo(1);
  assertEquals(cursor.state.servers[0]!.timestamp, 0);
  cursor.forward(() => true);
  assertEquals(encode(cursor.state), encode(later));
  cursor.forward(() => true);
  assertEquals(cursor.state.servers[0]!.timestamp, 10);
  for (let n = 0; n < 2_000; n++) recording.continueFrom(copyState(later));
  assertEquals(encode(recording.stateAt(3)), encode(later));
});

Deno.test("a value is shortened, and not within an emoji", pure, () => {
  const start = (emoji: number) => "a".repeat(shownCharsMax - emoji);
  assertEquals(readable(`${start(2)}😀`), `${start(2)}😀`);
  assertEquals(readable(`${start(2)}😀b`), `${start(2)}😀…`);
  assertEquals(readable(`${start(1)}😀`), `${start(1)}…`);
  const family = "👨\u200d👩\u200d👧";
  assertEquals(readable(start(3) + family), `${start(3)}👨…`);
  assertEquals(readable(start(4) + family), `${start(4)}👨…`);
  assertEquals(readable(start(5) + family), `${start(5)}👨\u200d👩…`);
});
