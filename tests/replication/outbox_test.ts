import { assertEquals, assertThrows } from "@std/assert";
import { Join, Replication } from "../../lib/mensagem.ts";
import { type Frames, sizeOf, textOf } from "../../lib/wire/frames.ts";
import { Member } from "../../lib/replication/member.ts";
import { batchChars, Outbox } from "../../lib/replication/outbox.ts";

import { tableAt } from "../support/core_fixture.ts";

const pure = { permissions: "none" } as const;

/** A member, and the texts that it was sent. */
function member(live: boolean): { member: Member; sent: string[] } {
  const sent: string[] = [];
  const link = {
    peer: "10.0.0.2:40001",
    betweenServers: true,
    send: (frames: Frames) => void sent.push(textOf(frames)),
    close: () => {},
  };
  const member = new Member(link, new Join("10.0.0.2:2", "c", 0), 0);
  if (live) member.goLive("c", 0, tableAt(0), []);
  sent.length = 0;
  return { member, sent };
}

const frame = (timestamp: number, value = "v"): string =>
  Replication.of("k", value, timestamp).encode();

Deno.test("the writes of a turn leave in one text, only to live members", pure, () => {
  const [live, late] = [member(true), member(false)];
  const outbox = new Outbox([live.member, late.member], 1_000);
  for (const timestamp of [1, 2]) outbox.add(Replication.of("k", "v", timestamp));
  assertEquals(live.sent, []);
  outbox.send();
  outbox.send();
  assertEquals([live.sent, late.sent], [[frame(1) + frame(2)], []]);
});

Deno.test("a large batch leaves before its turn ends", pure, () => {
  const { member: live, sent } = member(true);
  const outbox = new Outbox([live], 1_000_000);
  outbox.add(Replication.of("k", "x".repeat(batchChars), 1));
  assertEquals(sent.length, 1);
});

Deno.test("a write with a long value leaves alone, in its place, and is in the log", pure, () => {
  const { member: live, sent } = member(true);
  const outbox = new Outbox([live], 1_000_000);
  const values = ["a", "é".repeat(batchChars), "b", "c", "x".repeat(300_000), "y".repeat(3_000)];
  let size = 0;
  for (const [index, value] of values.entries()) {
    const written = Replication.of("k", value, index + 1);
    size += sizeOf(written.frame());
    outbox.add(written);
    outbox.checkInvariants(index + 1);
  }
  outbox.send();
  const frames = values.map((value, index) => frame(index + 1, value));
  assertEquals(sent.map((text) => text.split("\n").length - 1), [1, 1, 2, 1, 1]);
  assertEquals(sent.join(""), frames.join(""));
  assertEquals(outbox.sentChars, size);
  for (let from = 0; from <= values.length; from++) {
    assertEquals([...outbox.after(from)].join(""), frames.slice(from).join(""));
  }
});

Deno.test("the log has the writes that have left, and begins where it is told to", pure, () => {
  const outbox = new Outbox([], 1_000);
  outbox.begin(100);
  outbox.add(Replication.of("k", "v", 101));
  assertEquals([...outbox.after(100)], []);
  outbox.send();
  outbox.add(Replication.of("k", "v", 102));
  outbox.send();
  assertEquals([outbox.reaches(99), outbox.reaches(100)], [false, true]);
  assertEquals([[...outbox.after(100)].join(""), [...outbox.after(101)].join("")], [
    frame(101) + frame(102),
    frame(102),
  ]);
});

Deno.test("an outbox that is not at its leader's timestamp breaks an invariant", pure, () => {
  const outbox = new Outbox([], 1_000);
  outbox.add(Replication.of("k", "v", 1));
  outbox.checkInvariants(1);
  assertThrows(
    () => outbox.checkInvariants(2),
    Error,
    "broken invariant: the outbox is at 1, not 2",
  );
});
