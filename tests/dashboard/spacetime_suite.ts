/** The space-time diagram of a recording. */

import { assert, assertEquals, assertLess } from "@std/assert";
import type { Item } from "../../dashboard/server/item.ts";
import type { DiagramMessage } from "../../dashboard/server/state.ts";
import { spaceTimeRowsMax } from "../../dashboard/page/limits.js";
import { Recording } from "../../dashboard/page/recording.js";
import { spaceTime } from "../../dashboard/page/spacetime.js";
import { emptyState } from "../../dashboard/page/state.js";
import { type Random, seeded } from "../support/random.ts";
import { stepItem } from "../support/story_step.ts";

type Diagram = ReturnType<typeof spaceTime>;

const pure = { permissions: "none" } as const;
const [leader, near, far] = ["127.0.0.1:10097", "127.0.0.1:10098", "127.0.0.1:10099"] as const;
const [first, second, stranger] = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"] as const;

function recordingOf(...items: readonly Item[]): Recording {
  // The leader is not the first of the servers, so that its column is the leader's and not the first.
  const state = emptyState([near, leader, far]);
  state.leader = leader;
  state.inSync = [leader, near, far];
  for (const server of state.servers) server.up = true;
  const recording = new Recording(state);
  const clients: Item[] = [
    { kind: "client", at: 0, client: 1, address: first },
    { kind: "client", at: 0, client: 2, address: second },
  ];
  for (const item of [...clients, ...items]) recording.push(item);
  return recording;
}

function diagramOf(...items: readonly Item[]): Diagram {
  const recording = recordingOf(...items);
  return spaceTime(recording, recording.end);
}

let at = 0;
const put = (client: string, server = leader): Item => (
  { kind: "put", at: ++at, server, client, key: "cor", value: "azul" }
);
const written = (timestamp: number): Item => (
  { kind: "written", at: ++at, server: leader, key: "cor", value: "azul", timestamp }
);
const replication = (server: string, timestamp: number): Item => (
  { kind: "replication", at: ++at, server, key: "cor", value: "azul", timestamp }
);
const acknowledged = (follower: string, timestamp: number): Item => (
  { kind: "acknowledged", at: ++at, server: leader, follower, timestamp }
);
const putOk = (client: string, timestamp: number): Item => (
  { kind: "put_ok", at: ++at, server: leader, client, key: "cor", timestamp, ms: 1 }
);
const refused = (client: string, server: string): Item => (
  { kind: "get", at: ++at, server, client, key: "cor", seen: 2, own: 1, refused: true }
);

/** The name of a column: the port of a server, or the number of a client. */
function nameOf({ columns }: Diagram, index: number): string {
  const column = columns[index]!;
  return "server" in column ? column.server.split(":")[1]! : `client ${column.client}`;
}

/** Each arrow as "LABEL from>to begin-end". */
const arrowsOf = (diagram: Diagram) =>
  diagram.arrows.map(({ message, from, to, begin, end }) =>
    `${message.label} ${nameOf(diagram, from)}>${nameOf(diagram, to)} ${begin ?? ""}-${end ?? ""}`
  );

Deno.test(
  "each message of a PUT goes from the row of its cause to the row of its effect",
  pure,
  () => {
    const diagram = diagramOf(
      ...[put(second), written(1), replication(near, 1), replication(far, 1)],
      ...[acknowledged(near, 1), acknowledged(far, 1), putOk(second, 1)],
    );
    assertEquals(arrowsOf(diagram), [
      "PUT client 2>10097 0-1",
      "REPLICATION 10097>10098 2-3",
      "REPLICATION 10097>10099 2-4",
      "REPLICATION_OK 10098>10097 3-5",
      "REPLICATION_OK 10099>10097 4-6",
      "PUT_OK 10097>client 2 7-8",
    ]);
    assertEquals(
      diagram.dots.map(({ item, column, row }) => `${item.kind} ${nameOf(diagram, column)} ${row}`),
      ["written 10097 2", "replication 10098 3", "replication 10099 4"],
    );
    assertEquals(diagram.rows.length, 9);
    assertEquals(diagram.rows.map(({ at }) => at === undefined), [
      ...[true, false, false, false, false, false, false, false, true],
    ]);
  },
);

Deno.test("a forwarded PUT leaves its client before the follower forwards it", pure, () => {
  const forwarding: Item = { kind: "forwarding", at: 1, server: far, key: "cor", value: "azul" };
  const diagram = diagramOf(forwarding, refused(second, near), put(first), putOk(first, 1));
  assertEquals(arrowsOf(diagram), [
    "GET client 2>10098 2-3",
    "TRY_OTHER 10098>client 2 3-4",
    "PUT client 1>10099 0-1",
    "PUT 10099>10097 1-5",
    "PUT_OK 10097>10099 6-7",
    "PUT_OK 10099>client 1 7-8",
  ]);
});

Deno.test(
  "a WRITE, its CONFLICT and its WRITE_OK are messages, and a CONFLICT is a dot",
  pure,
  () => {
    const write = { kind: "write", at: 2, server: leader, key: "cor", value: null } as const;
    const answer = { at: 3, server: leader, key: "cor", timestamp: 1 } as const;
    const diagram = diagramOf(
      { kind: "forwarding_write", at: 1, server: far, key: "cor", value: null },
      { ...write, client: first },
      { ...write, client: second, expected: 7 },
      { ...answer, kind: "write_ok", client: first, ms: 1 },
      { ...answer, kind: "conflict", client: second, expected: 7, value: "azul" },
    );
    assertEquals(arrowsOf(diagram), [
      "WRITE client 1>10099 0-1",
      "WRITE 10099>10097 1-2",
      "WRITE client 2>10097 3-4",
      "WRITE_OK 10097>10099 5-6",
      "WRITE_OK 10099>client 1 6-7",
      "CONFLICT 10097>client 2 8-9",
    ]);
    assertEquals(diagram.dots.map(({ item, row }) => `${item.kind} ${row}`), [
      "forwarding_write 1",
      "conflict 8",
    ]);
  },
);

Deno.test("the columns are the clients that took part, the leader and the followers", pure, () => {
  const diagram = diagramOf(refused(stranger, far), refused(second, far), refused(first, far));
  assertEquals(diagram.columns, [
    { client: 1 },
    { client: 2 },
    { client: 0 },
    { server: leader, leads: true },
    { server: near, leads: false },
    { server: far, leads: false },
  ]);
  assertEquals(diagramOf(written(1)).columns.length, 3);
});

Deno.test("a held REPLICATION is under way until its follower has applied it", pure, () => {
  const late = [put(first), written(1), replication(near, 1), refused(second, far)];
  const before = arrowsOf(diagramOf(...late));
  assertEquals(before.filter((one) => one.endsWith("-")), ["REPLICATION 10097>10099 2-"]);
  const after = arrowsOf(diagramOf(...late, replication(far, 1)));
  assertEquals(after.filter((one) => one.startsWith("REPLICATION 10097>10099")), [
    "REPLICATION 10097>10099 2-7",
  ]);
});

Deno.test("no message is under way to a follower that is down or not in sync", pure, () => {
  const down: Item = { kind: "down", at: 1, server: far, reason: "gone" };
  const inSync = [leader, near];
  const members: Item = { kind: "members", at: 1, server: leader, inSync, open: true };
  for (const item of [down, members]) {
    const diagram = diagramOf(written(1), replication(near, 1), item);
    assertEquals(arrowsOf(diagram), ["REPLICATION 10097>10098 0-1"], item.kind);
  }
});

Deno.test("a step of a demonstration and other news have a row of their own", pure, () => {
  const fault: Item = { kind: "fault", at: 8, server: leader, follower: far, action: "pause" };
  const { rows } = diagramOf({ ...stepItem("pause"), at: 7 }, fault, written(1));
  assertEquals(rows.map(({ note }) => note?.kind), ["demo", "fault", undefined]);
  assertEquals(rows.map(({ at }) => at).slice(0, 2), [7, 8]);
});

Deno.test(
  "it shows the past up to a position, and follows the recording after lost items",
  pure,
  () => {
    const recording = recordingOf(written(1), replication(near, 1), written(2));
    assertEquals(arrowsOf(spaceTime(recording, 4)), [
      "REPLICATION 10097>10098 0-1",
      "REPLICATION 10097>10099 0-",
    ]);
    const state = emptyState([far]);
    state.leader = far;
    recording.continueFrom(state);
    recording.push({ ...refused(first, far), at: 9 });
    const diagram = spaceTime(recording, recording.end);
    assertEquals(diagram.columns, [{ client: 0 }, { server: far, leads: true }]);
    assertEquals(arrowsOf(diagram), ["GET client 0>10099 3-4", "TRY_OTHER 10099>client 0 4-5"]);
  },
);

Deno.test("the cause of a message is left out if it is above the first row", pure, () => {
  const recording = recordingOf(written(1), written(2), replication(near, 1), replication(near, 2));
  const diagram = spaceTime(recording, recording.end, 3);
  assertEquals(diagram.rows.length, 3);
  assertEquals(arrowsOf(diagram).filter((one) => one.includes("10098")), [
    "REPLICATION 10097>10098 -1",
    "REPLICATION 10097>10098 0-2",
  ]);
  const cut = recordingOf(written(1), refused(first, far), replication(near, 1));
  assertEquals(arrowsOf(spaceTime(cut, cut.end, 3)).filter((one) => !one.endsWith("-")), [
    "GET client 1>10099 -0",
    "TRY_OTHER 10099>client 1 0-1",
    "REPLICATION 10097>10098 -2",
  ]);
});

Deno.test(
  "nothing is drawn of a leader that is not known, nor of servers that are not shown",
  pure,
  () => {
    const recording = new Recording(emptyState([near]));
    recording.push(replication(near, 1));
    recording.push(replication(far, 1));
    const { arrows, dots, columns } = spaceTime(recording, recording.end);
    assertEquals([arrows, dots.length, columns.length], [[], 1, 1]);
  },
);

/** Items of a cluster that works, with several writes under way, and any GETs. */
function randomItems(random: Random, count: number): Item[] {
  const items: Item[] = [];
  const waiting: (() => Item[])[] = [];
  for (let timestamp = 1; items.length < count; timestamp++) {
    const client = random.pick([first, second, stranger]);
    items.push(put(client), written(timestamp));
    for (const follower of [near, far]) {
      waiting.push(
        () => [replication(follower, timestamp)],
        () => [acknowledged(follower, timestamp)],
      );
    }
    waiting.push(() => [putOk(client, timestamp), { ...stepItem("pause"), at: ++at }]);
    while (waiting.length > 0 && random.chance(0.8)) items.push(...waiting.shift()!());
    if (random.chance(0.5)) {
      items.push(refused(random.pick([first, stranger]), random.pick([near, far])));
    }
  }
  return items;
}

Deno.test(
  "no message arrives above its beginning, each row has one event, and the size is bounded",
  pure,
  seeded((random) => {
    const recording = recordingOf(...randomItems(random, 400));
    for (let n = 0; n < 60; n++) {
      const position = random.between(recording.first, recording.end);
      const { rows, arrows, dots, columns } = spaceTime(recording, position);
      assertLess(rows.length, spaceTimeRowsMax + 1);
      const ends = new Map<number, DiagramMessage>();
      for (const { message, begin = -1, end = rows.length, from, to } of arrows) {
        assertLess(begin, end, JSON.stringify(message));
        assert(from !== to && Math.max(from, to) < columns.length);
        assert(end === rows.length || !ends.has(end), `two messages arrive in row ${end}`);
        ends.set(end, message);
      }
      assertEquals(new Set(dots.map(({ row }) => row)).size, dots.length);
      for (const { row } of dots) assertEquals(rows[row]!.note, undefined);
    }
  }),
);
