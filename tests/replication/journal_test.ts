/** Records, what they add up to, and what waits for them. */

import { assertEquals } from "@std/assert";
import { type JournalMessage, Ledger, Saved, Standing } from "../../lib/replication/journal.ts";
import { headerLine, recordOf, RecordReader, versionOf } from "../../lib/journal/record.ts";
import { Get, Heartbeat, Join, JoinOk, Replication, Snapshot, Sync } from "../../lib/mensagem.ts";
import { givenSeed, Random } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const encoder = new TextEncoder();

const frames = [
  new Heartbeat(),
  Replication.of("cor", "azul", 1),
  Replication.of("é\u{1F642}", "linha\nlinha", 2),
  new Snapshot([["cor", "", 3]], true),
].map((message) => message.encode());

const file = encoder.encode(headerLine + frames.map(recordOf).join(""));

Deno.test("a record is a checksum and the frame of the wire", pure, () => {
  assertEquals(recordOf(`{"type":"HEARTBEAT"}\n`), `6b46a508 {"type":"HEARTBEAT"}\n`);
  assertEquals(versionOf("replicated-kv journal 1"), 1);
  assertEquals([versionOf("replicated-kv journal x"), versionOf("hello")], [0, 0]);
});

Deno.test("records are found wherever the bytes are split, with their offsets", pure, () => {
  for (let size = 1; size <= file.length; size++) {
    const reader = new RecordReader();
    const lines = [];
    for (let start = 0; start < file.length; start += size) {
      lines.push(...reader.push(file.slice(start, start + size)));
    }
    assertEquals(reader.header, headerLine.slice(0, -1));
    assertEquals(lines.map(({ frame }) => `${frame}\n`), frames);
    let offset = headerLine.length;
    for (const [index, line] of lines.entries()) {
      assertEquals(line.offset, offset);
      offset += encoder.encode(recordOf(frames[index]!)).length;
    }
    assertEquals([reader.offset, reader.partialBytes], [file.length, 0]);
  }
});

Deno.test("every changed bit of a record is noticed, and of no other record", pure, () => {
  const random = new Random(givenSeed(Deno.args) ?? 1);
  for (let at = headerLine.length; at < file.length; at++) {
    const damaged = file.slice();
    damaged[at]! ^= 1 << random.below(8);
    const reader = new RecordReader();
    const found = reader.push(damaged).map(({ frame }) => `${frame}\n`);
    const whole = frames.filter((frame) => found.includes(frame));
    // An LF that is none any more makes two records one.
    assertEquals(whole.length >= frames.length - 2 && whole.length < frames.length, true, `${at}`);
    assertEquals(found.every((frame) => frame === "undefined\n" || whole.includes(frame)), true);
  }
});

Deno.test(
  "a line that is longer than any record is damage, and what follows is found",
  pure,
  () => {
    const reader = new RecordReader();
    reader.push(encoder.encode(headerLine));
    const part = new Uint8Array(3 * 1024 * 1024).fill(65);
    for (let n = 0; n < 5; n++) assertEquals(reader.push(part), []);
    const [long, next] = reader.push(encoder.encode(`\n${recordOf(frames[0]!)}`));
    assertEquals([long!.frame, next!.frame], [undefined, `{"type":"HEARTBEAT"}`]);
    assertEquals(next!.offset, headerLine.length + 5 * part.length + 1);
  },
);

Deno.test("what was saved is what the messages add up to", pure, () => {
  const saved = new Saved();
  const take = (...messages: JournalMessage[]) => {
    for (const message of messages) assertEquals(saved.take(message), true);
    const { cluster, timestamp, highest, led, store } = saved;
    return [cluster, timestamp, highest, led, store.size];
  };
  assertEquals(take(), ["", 0, 0, false, 0]);
  assertEquals(take(new Snapshot([["a", "1", 9]], false)), ["", 0, 9, false, 1]);
  assertEquals(take(new Sync("c", 5, 12)), ["c", 5, 9, false, 1]);
  assertEquals(take(Replication.of("b", "2", 6)), ["c", 6, 9, false, 2]);
  assertEquals(take(new Heartbeat(), new JoinOk()), ["c", 6, 9, true, 2]);
  assertEquals(take(new Sync("c", 9, 100)), ["c", 100, 100, true, 2]);
  assertEquals(saved.gaps, [[9, 100]]);
  assertEquals(take(new Join("1.1.1.1:1", "c", 100)), ["c", 100, 100, false, 2]);
  assertEquals(take(new Snapshot([["c", "3", 4]], true, true)), ["", 0, 4, false, 1]);
  assertEquals(saved.gaps, []);
  assertEquals(saved.take(new Get(1, "a", 0)), false);
});

Deno.test(
  "messages of a standing lead to the same standing, also after what led to it",
  pure,
  () => {
    const random = new Random(givenSeed(Deno.args) ?? 1);
    const follows = new Join("1.1.1.1:1", "", 0);
    for (let run = 0; run < 500; run++) {
      const standing = new Standing();
      const all: JournalMessage[] = [];
      let timestamp = 0;
      for (let n = random.between(0, 12); n > 0; n--) {
        const to = timestamp + random.between(0, 9);
        const message = random.pick([
          new JoinOk(),
          follows,
          new Sync("c", timestamp, to),
          Replication.of("a", "1", to),
        ]);
        standing.note(message);
        all.push(message);
        timestamp = standing.timestamp;
      }
      const again = new Standing();
      for (const message of standing.messages(follows)) again.note(message);
      if (standing.cluster === "") continue; // counts for nothing
      assertEquals(again, standing);
      // A table may already have what comes after it in the segments; that is of one process.
      const role = Math.max(0, all.findLastIndex(({ type }) => type.startsWith("JOIN")));
      for (const message of all.slice(random.between(role, all.length))) again.note(message);
      assertEquals([again.timestamp, again.gaps], [standing.timestamp, standing.gaps]);
    }
  },
);

Deno.test(
  "without a journal everything happens at once, with one when the disk has it",
  pure,
  () => {
    const ran: string[] = [];
    const memory = new Ledger(undefined);
    memory.append(new JoinOk());
    memory.whenDurable(() => ran.push("at once"));
    assertEquals([memory.kept, ran], [false, ["at once"]]);

    const ledger = new Ledger({ append: () => {} });
    ledger.whenDurable(() => ran.push("nothing to wait for"));
    ledger.append(new JoinOk());
    ledger.whenDurable(() => ran.push("one"));
    ledger.append(new JoinOk());
    ledger.whenDurable(() => ran.push("two"));
    assertEquals(ran.splice(0), ["at once", "nothing to wait for"]);
    ledger.durable(1);
    assertEquals(ran.splice(0), ["one"]);
    ledger.durable(2);
    ledger.whenDurable(() => ran.push("on the disk already"));
    assertEquals(ran, ["two", "on the disk already"]);
  },
);
