/** Recordings as files, and files that are no recordings. */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { boundedItem } from "../../dashboard/server/bounded_item.ts";
import type { Item } from "../../dashboard/server/item.ts";
import type { State } from "../../dashboard/server/state.ts";
import {
  itemsMax,
  recordingBytesMax,
  segmentItemsMax,
  textCharsMax,
} from "../../dashboard/page/limits.js";
import { Recording } from "../../dashboard/page/recording.js";
import { spaceTime } from "../../dashboard/page/spacetime.js";
import { copyState, emptyState, encode } from "../../dashboard/page/state.js";
import { decodeRecording, encodeRecording } from "../../dashboard/page/story_file.js";
import { type Random, seeded } from "../support/random.ts";
import { stepItem } from "../support/story_step.ts";

const pure = { permissions: "none" } as const;
const [leader, near, far] = ["127.0.0.1:10097", "127.0.0.1:10098", "127.0.0.1:10099"] as const;
const servers = [leader, near, far];
const at = 1_000_000;
const client = "127.0.0.1:5";
const [key, value, timestamp] = ["cor", "azul", 1];
const writes = { old: { value, timestamp }, gone: { value: null, timestamp: 2 } };
const counts = {
  ...{ puts: 1, putOks: 2, gets: 3, refused: 4, replications: 5 },
  ...{ writes: 6, writeOks: 7, conflicts: 8 },
};
const status = {
  ...{ server: leader, leader, cluster: "c", timestamp, inSync: servers, followers: [], keys: 1 },
  ...{ connections: 1, uptimeMs: 1, memoryBytes: 1, faults: true, watches: 0, version: "0.2.0" },
};

/** Items of every kind, in an order that fills every part of the state. */
const every: Readonly<Record<Item["kind"], readonly Item[]>> = {
  up: servers.map((server) => ({ kind: "up", at, server })),
  status: [
    { kind: "status", at, server: leader, status },
    { kind: "status", at, server: near, status: { ...status, server: near, cutOffMs: 5 } },
  ],
  members: [
    { kind: "members", at, server: leader, inSync: servers, open: true },
    { kind: "members", at, server: leader, inSync: servers, others: 3, open: true },
  ],
  client: [{ kind: "client", at, client: 1, address: client }],
  table: [{ kind: "table", at, server: near, key: "__proto__", value: null, timestamp }],
  forwarding: [
    { kind: "forwarding", at, server: near, key, value },
    { kind: "forwarding", at, server: far, key: "turma", value },
  ],
  forwarding_write: [{ kind: "forwarding_write", at, server: far, key, value: null }],
  put: [{ kind: "put", at, server: leader, client, key, value }],
  write: [
    { kind: "write", at, server: leader, client, key, value, expected: 0, ttlMs: 1_000 },
    { kind: "write", at, server: leader, client: "127.0.0.1:6", key: "fila", value: null },
  ],
  written: [
    { kind: "written", at, server: leader, key, value, timestamp: 2 },
    { kind: "written", at, server: leader, key: "turma", value: null, timestamp: 3 },
    { kind: "written", at, server: leader, key: "fila", value: null, timestamp: 4, expired: true },
  ],
  replication: [{ kind: "replication", at, server: near, key, value, timestamp: 2 }],
  acknowledged: [{ kind: "acknowledged", at, server: leader, follower: near, timestamp: 2 }],
  put_ok: [{ kind: "put_ok", at, server: leader, client, key, timestamp: 2, ms: 1.25 }],
  write_ok: [
    { kind: "write_ok", at, server: leader, client, key, timestamp: 2, ms: 1.25 },
    { kind: "write_ok", at, server: leader, client, key: "turma", timestamp: 3 },
  ],
  conflict: [
    { kind: "conflict", at, server: leader, client, key, expected: 0, value, timestamp: 2 },
    { kind: "conflict", at, server: leader, client, key, expected: 2, value: null, timestamp: 3 },
  ],
  get: [
    { kind: "get", at, server: near, client, key, seen: 2, own: 2, value: null },
    { kind: "get", at, server: far, client, key, seen: 2, own: 0, refused: true },
  ],
  fault: [
    { kind: "fault", at, server: leader, follower: near, action: "pause" },
    { kind: "fault", at, server: leader, follower: far, action: "delay", delayMs: 5 },
    { kind: "fault", at, server: leader, follower: near, action: "resume" },
  ],
  counts: [{ kind: "counts", at, server: leader, counts, missed: 1 }],
  slow: [{ kind: "slow", at, server: near, slow: true }],
  seen: [{ kind: "seen", at, client: 1, key, value, timestamp: 2 }],
  demo: [
    stepItem("pause"),
    stepItem("refused", { writes }),
    stepItem("failed", { failure: { reason: "no follower" } }),
    stepItem("failed", { failure: { expected: "azul", got: "verde" } }),
  ],
  down: [{ kind: "down", at, server: far, reason: "gone" }],
  forgotten: [{ kind: "forgotten", at }],
};
/** Without the last one: it clears what clients have seen. */
const items = Object.values(every).flat().filter(({ kind }) => kind !== "forgotten");

function recorded(count: number): Recording {
  const recording = new Recording(emptyState(servers));
  for (let n = 0; n < count; n++) recording.push(items[n % items.length]!);
  return recording;
}

function opened(text: string): Recording {
  const result = decodeRecording(text);
  assert("recording" in result, JSON.stringify(result));
  return result.recording;
}

/** A state or a file as JSON, whatever the order of the fields. The order in maps counts. */
function canonical(json: string): string {
  return JSON.stringify(
    JSON.parse(json),
    (_, one) =>
      typeof one === "object" && one !== null && !Array.isArray(one)
        ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1))
        : one,
  );
}

function assertSame(actual: State | Recording, expected: State | Recording): void {
  const [one, other] = [actual, expected].map((value) =>
    canonical(value instanceof Recording ? encodeRecording(value) : encode(value))
  );
  assert(one === other, `${one}\nis not\n${other}`);
}

/** The result of a file that is not opened. */
function problemOf(file: unknown): unknown {
  const result = decodeRecording(typeof file === "string" ? file : JSON.stringify(file));
  return "problem" in result ? result.problem : "opened";
}

/** A valid file, as its fields. */
// deno-lint-ignore no-explicit-any
const validFile = (): any => JSON.parse(encodeRecording(recorded(items.length)));

Deno.test("a recording comes out of its file as it was: items, states, lost items", pure, () => {
  const recording = recorded(2 * segmentItemsMax + 5);
  const later = copyState(recording.last);
  later.table.set("perdida", new Map([[leader, { value: "v", timestamp: 9 }]]));
  recording.continueFrom(later);
  for (const item of Object.values(every).flat()) recording.push(item);
  const copy = opened(encodeRecording(recording));
  assertEquals([copy.first, copy.end], [0, recording.end]);
  for (let position = 0; position <= copy.end; position++) {
    assertEquals(copy.itemAt(position), recording.itemAt(position));
    if (position % 50 > 0 && position < copy.end - 60) continue;
    assertSame(copy.stateAt(position), recording.stateAt(position));
  }
  assertSame(copy, recording);
});

Deno.test(
  "a recording of a page that knew no WRITEs is opened: it has no counts of them",
  pure,
  () => {
    const file = validFile();
    for (const { items } of file.parts) {
      for (const { counts } of items) {
        for (const name of ["writes", "writeOks", "conflicts"]) delete counts?.[name];
      }
    }
    const { seconds } = opened(JSON.stringify(file)).last;
    assertEquals(seconds.map(({ putOks }) => putOks), [counts.putOks]);
  },
);

Deno.test(
  "a recording that has dropped its oldest items begins at the oldest one left",
  pure,
  () => {
    const recording = recorded(itemsMax + 3 * segmentItemsMax);
    assertGreater(recording.first, 0);
    const copy = opened(encodeRecording(recording));
    assertEquals(copy.end, recording.end - recording.first);
    assertEquals(copy.first, 0);
    assertSame(copy.stateAt(0), recording.stateAt(recording.first));
    assertSame(copy.last, recording.last);
  },
);

Deno.test("the largest recording is smaller than the largest file", pure, () => {
  const [worst, long] = ["\u0001".repeat(1_000), "\u0001".repeat(10_000)];
  const largest = Object.values(every).flat().map((item) => {
    const filled: Record<string, unknown> = { ...item };
    if ("key" in filled) filled.key = worst;
    if (typeof filled.value === "string") filled.value = worst;
    if ("reason" in filled) filled.reason = long;
    return JSON.stringify(boundedItem(filled as unknown as Item, servers)).length;
  });
  const texts = Math.max(...largest);
  assertGreater(texts, 2 * 6 * (textCharsMax - 1));
  assertLess(texts * (itemsMax + segmentItemsMax), recordingBytesMax);
});

Deno.test("what is no recording is not opened, and the reason is named", pure, () => {
  const format = { is: "format" };
  for (const text of ["", "{", "null", "[]", "1", '"x"', "{}", '{"format":"other"}', "\u0000"]) {
    assertEquals(problemOf(text), format, text);
  }
  const nested = "[".repeat(1_000_000);
  assertEquals(problemOf(nested), format);
  assertEquals(problemOf({ ...validFile(), format: ["kv-dashboard-recording"] }), format);
  assertEquals(problemOf({ ...validFile(), version: 2 }), { is: "version", version: 2 });
  assertEquals(problemOf({ ...validFile(), version: "1" }), { is: "shape", place: "version" });
  const large = " ".repeat(recordingBytesMax) + JSON.stringify(validFile());
  assertEquals(problemOf(large), { is: "large" });
});

/** A change of a valid file, and the place that the problem names. */
// deno-lint-ignore no-explicit-any
const changes: readonly (readonly [place: string, change: (file: any) => void])[] = [
  ["parts", (file) => delete file.parts],
  ["parts", (file) => file.parts = []],
  ["parts", (file) => file.parts = { length: 1 }],
  ["parts", (file) => file.parts = Array(1_000).fill(file.parts[0])],
  ["parts[0]", (file) => file.parts[0] = null],
  ["parts[0].more", (file) => file.parts[0].more = 1],
  ["parts[0].keyframe", (file) => delete file.parts[0].keyframe],
  ["parts[0].items", (file) => file.parts[0].items = "x"],
  ["parts[0].items", (file) => file.parts[0].items = Array(30_000).fill(items[0])],
  ["parts.items", (file) => {
    const many = { ...file.parts[0], items: Array(15_000).fill(items[0]) };
    file.parts = [many, many];
  }],
  ["parts[0].items[0].kind", (file) => file.parts[0].items[0] = 7],
  ["parts[0].items[0].kind", (file) => file.parts[0].items[0] = []],
  ["parts[0].items[0].kind", (file) => file.parts[0].items[0].kind = "unknown"],
  ["parts[0].items[0].kind", (file) => file.parts[0].items[0].kind = "constructor"],
  ["parts[0].items[0].kind", (file) => file.parts[0].items[0].kind = "__proto__"],
  ["parts[0].items[0].kind", (file) => file.parts[0].items[0].kind = ["up"]],
  ["parts[0].items[0].at", (file) => delete file.parts[0].items[0].at],
  ["parts[0].items[0].at", (file) => file.parts[0].items[0].at = -1],
  ["parts[0].items[0].at", (file) => file.parts[0].items[0].at = 1.5],
  ["parts[0].items[0].at", (file) => file.parts[0].items[0].at = 9e15],
  ["parts[0].items[0].server", (file) => file.parts[0].items[0].server = "s".repeat(300)],
  ["parts[0].items[0].server", (file) => file.parts[0].items[0].server = { toString: "x" }],
  ["parts[0].items[0].extra", (file) => file.parts[0].items[0].extra = 1],
  ["parts[0].items[0].value", (file) => {
    file.parts[0].items[0] = { ...items.find(({ kind }) => kind === "get"), refused: true };
  }],
  ["parts[0].items[0].value", (file) => {
    file.parts[0].items[0] = { ...items.find(({ kind }) => kind === "get"), value: undefined };
  }],
  ["parts[0].keyframe.servers", (file) => file.parts[0].keyframe.servers = []],
  ["parts[0].keyframe.servers", (file) => file.parts[0].keyframe.servers[1].name = leader],
  ["parts[0].keyframe.table", (file) => file.parts[0].keyframe.table = {}],
  ["parts[0].keyframe.table.entries[0]", (file) => file.parts[0].keyframe.table.entries = ["ab"]],
  ["parts[0].keyframe.table.entries", (file) => {
    file.parts[0].keyframe.table.entries = Array(300).fill(["k", { entries: [] }]);
  }],
  ["parts[0].keyframe.clients.entries[0][0]", (file) => {
    file.parts[0].keyframe.clients.entries = [["1", { seen: { entries: [] } }]];
  }],
  ["parts[0].keyframe.demoSteps[0].story", (file) => {
    file.parts[0].keyframe.demoSteps = [{ ...stepItem("pause").step, story: "toString" }];
  }],
  ["parts[0].keyframe.demoSteps[0].index", (file) => {
    file.parts[0].keyframe.demoSteps = [{ ...stepItem("pause").step, index: -1 }];
  }],
  ["parts[0].keyframe.demoSteps[0].failure.got", (file) => {
    const step = stepItem("failed", { failure: { expected: "a", got: "b" } }).step;
    file.parts[0].keyframe.demoSteps = [{ ...step, failure: { expected: "a" } }];
  }],
  ["parts[0].keyframe.demoSteps[0].writes.entries[0][1].timestamp", (file) => {
    const writes = JSON.parse('{ "__proto__": { "value": "azul", "timestamp": -1 } }');
    file.parts[0].keyframe.demoSteps = [{ ...stepItem("pause").step, writes }];
  }],
  ["parts[0].keyframe.servers[0].fault.action", (file) => {
    file.parts[0].keyframe.servers[0].fault = { action: "resume", delayMs: 1 };
  }],
];

Deno.test("a file with one wrong place is not opened, and the place is named", pure, () => {
  assertEquals(problemOf(validFile()), "opened");
  for (const [place, change] of changes) {
    const file = validFile();
    change(file);
    const actual = problemOf(file) as { place?: string };
    assert(
      actual.place === place || actual.place?.startsWith(`${place}.`),
      `${place}: ${change} gives ${JSON.stringify(actual)}`,
    );
  }
});

Deno.test("each field of each item is needed, and has the right type", pure, () => {
  const optional = new Set([
    ...["delayMs", "others", "seen", "own", "reason", "value", "refused", "expired", "ttlMs"],
    ...["write.expected", "write_ok.ms"],
  ]);
  for (const [index, item] of items.entries()) {
    for (const field of Object.keys(item)) {
      const wrong = (change: unknown) => {
        const file = validFile();
        file.parts[0].items[index] = { ...item, [field]: change };
        return (problemOf(file) as { place?: string }).place;
      };
      const mayMiss = optional.has(field) || optional.has(`${item.kind}.${field}`);
      const expected = field === "kind" || !mayMiss;
      if (expected) assert(wrong(undefined) !== undefined, `${item.kind} without ${field}`);
      for (const odd of [{ length: 3 }, [[]], -1, "x".repeat(1_000)]) {
        const place = wrong(odd);
        assert(
          place?.startsWith(`parts[0].items[${index}].${field}`),
          `${item.kind} ${field} ${odd}`,
        );
      }
    }
  }
});

Deno.test("names of the prototype in a file change no other object", pure, () => {
  const text = JSON.stringify(validFile());
  const evil = '"__proto__":{"server":"x","polluted":true},"constructor":{"polluted":true},';
  for (const before of ['"kind":', '"keyframe":', '"table":', '"name":', '"entries":']) {
    const result = decodeRecording(text.replace(before, evil + before));
    assert("problem" in result, before);
  }
  assertEquals("polluted" in {}, false);
  const copy = opened(text); // it has a key with the name __proto__
  assertEquals(copy.last.table.get("__proto__")?.get(near), { value: null, timestamp: 1 });
  assertEquals(Object.getPrototypeOf(copy.last), Object.prototype);
});

/** Replaces a random place of a JSON value. */
function damage(random: Random, value: unknown): unknown {
  const children = typeof value === "object" && value !== null ? Object.keys(value) : [];
  if (children.length === 0 || random.chance(0.05)) {
    return random.pick<unknown>([
      ...[null, true, -1, 0, 1.5, 1e308, 2 ** 53, "", random.text(3), [], {}, { entries: [] }],
      ...[leader, "put", "demo", items[random.below(items.length)]],
    ]);
  }
  const name = random.pick(children);
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[name] = damage(random, copy[name]);
  return copy;
}

Deno.test(
  "a damaged file is refused, or plays to its end",
  pure,
  seeded((random) => {
    let refused = 0;
    for (let n = 0; n < 600; n++) {
      const result = decodeRecording(JSON.stringify(damage(random, validFile())));
      if ("problem" in result) {
        refused++;
        continue;
      }
      const { recording } = result;
      for (let position = recording.first; position <= recording.end; position += 7) {
        spaceTime(recording, position);
      }
      assertSame(opened(encodeRecording(recording)), recording);
    }
    assert(refused > 100 && refused < 600, `${refused} refused`);
  }),
);
