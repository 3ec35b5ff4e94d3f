import { assertEquals } from "@std/assert";
import { headerLine, recordOf, RecordReader, versionOf } from "../../lib/journal/record.ts";
import { Heartbeat, Replication, Snapshot } from "../../lib/mensagem.ts";
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

Deno.test("a changed bit damages the record that it is in, and no other record", pure, () => {
  const random = new Random(givenSeed(Deno.args) ?? 1);
  for (let at = headerLine.length; at < file.length; at++) {
    const damaged = file.slice();
    damaged[at]! ^= 1 << random.below(8);
    const reader = new RecordReader();
    const found = reader.push(damaged).map(({ frame }) => `${frame}\n`);
    const whole = frames.filter((frame) => found.includes(frame));
    // A damaged LF joins two records.
    assertEquals(whole.length >= frames.length - 2 && whole.length < frames.length, true, `${at}`);
    assertEquals(found.every((frame) => frame === "undefined\n" || whole.includes(frame)), true);
  }
});

Deno.test(
  "a line that is longer than any record is damage, and the record after it is found",
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
