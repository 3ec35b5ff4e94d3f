import { assert, assertEquals, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { bufferBytesKept, FrameReader } from "../../lib/wire/line_reader.ts";
import { longValueChars } from "../../lib/wire/long_value.ts";
import { frameBytesMax } from "../../lib/limits.ts";
import { Heartbeat, Mensagem } from "../../lib/mensagem.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const LF = 10;
const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text);

/** Feeds chunks as a socket does: into the reader's space, in parts if the space is too small. */
function feed(reader: FrameReader, ...chunks: Uint8Array[]): string[] {
  const lines: string[] = [];
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length && reader.failure === undefined;) {
      const { space } = reader;
      assert(space.length > 0, "space is never empty");
      const part = chunk.subarray(at, at + space.length);
      // The reader must ignore an old LF after the new bytes.
      space.subarray(0, part.length + 8).fill(LF);
      space.set(part);
      lines.push(...reader.push(part.length));
      at += part.length;
    }
  }
  return lines;
}

function assertFailure(reader: FrameReader, code: "BAD_MESSAGE" | "TOO_LARGE"): void {
  assertStrictEquals(reader.failure?.name, "FrameError");
  assertStrictEquals(reader.failure?.code, code);
}

Deno.test("a stream that begins as TLS fails at its second byte, wherever it is cut", pure, () => {
  for (const type of [21, 22]) {
    for (const chunks of [[[type, 3, 1, 0]], [[type], [3, 1]], [[type, 3], [1]], [[type, 3, LF]]]) {
      const reader = new FrameReader();
      assertEquals(feed(reader, ...chunks.map((bytes) => Uint8Array.from(bytes))), []);
      assertFailure(reader, "BAD_MESSAGE");
    }
  }
  for (const bytes of [[22, LF], [22, 4, LF], [3, 22, LF], [LF, 22, 3, LF]]) {
    const reader = new FrameReader();
    assertEquals(feed(reader, Uint8Array.from(bytes)).length, bytes.filter((b) => b === LF).length);
    assertStrictEquals(reader.failure, undefined);
  }
});

const multiByte = "aé€😀\n{}\n\u2028\0\n👩‍👩‍👧\r\n";
const multiByteLines = ["aé€😀", "{}", "\u2028\0", "👩‍👩‍👧\r"];

Deno.test("lines are the same wherever a multi-byte text is cut in two", pure, () => {
  const bytes = bytesOf(multiByte);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new FrameReader();
    assertEquals(feed(reader, bytes.slice(0, cut), bytes.slice(cut)), multiByteLines);
    assertStrictEquals(reader.partialBytes > 0, false);
  }
});

Deno.test("lines are the same wherever a multi-byte text is cut in three", pure, () => {
  const bytes = bytesOf(multiByte);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const chunks = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
      assertEquals(feed(new FrameReader(), ...chunks), multiByteLines);
    }
  }
});

Deno.test("a line is returned with its last byte, not before", pure, () => {
  const reader = new FrameReader();
  const returned: string[][] = [];
  for (const byte of bytesOf("é\nb\n\n")) {
    returned.push(feed(reader, new Uint8Array([byte])));
  }
  assertEquals(returned, [[], [], ["é"], [], ["b"], [""]]);
});

Deno.test("all frames of a chunk are returned together and in order, empty lines too", pure, () => {
  const lines = Array.from({ length: 30 }, (_, n) => n % 7 === 0 ? "" : `line ${n}`);
  const bytes = bytesOf(lines.map((line) => `${line}\n`).join(""));
  const reader = new FrameReader();
  reader.space.set(bytes);
  assertEquals(reader.push(bytes.length), lines);
});

Deno.test("partialBytes is above 0 from the first byte of a frame to its last", pure, () => {
  const reader = new FrameReader();
  assertStrictEquals(reader.partialBytes > 0, false);
  feed(reader, bytesOf("a\nb"));
  assertStrictEquals(reader.partialBytes > 0, true);
  assertEquals(feed(reader, bytesOf("\n")), ["b"]);
  assertStrictEquals(reader.partialBytes > 0, false);
});

Deno.test("an incomplete frame is not returned, and clear discards it", pure, () => {
  const reader = new FrameReader();
  assertEquals(feed(reader, bytesOf(`one\n{"type":"PUT","id":1`)), ["one"]);
  assertStrictEquals(reader.failure, undefined);
  reader.clear();
  assertStrictEquals(reader.partialBytes > 0, false);
  assertEquals(feed(reader, bytesOf("two\n")), ["two"]);
});

Deno.test("a CR before the LF stays in the line, and decode accepts it", pure, () => {
  const [line] = feed(new FrameReader(), bytesOf(`{"type":"HEARTBEAT"}\r\n`));
  assertStrictEquals(line, `{"type":"HEARTBEAT"}\r`);
  assertEquals(Mensagem.decode(line), new Heartbeat());
});

Deno.test("a byte order mark stays in its line, wherever the chunks are cut", pure, () => {
  const bytes = bytesOf("\ufeffa\n\ufeffb\n");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const lines = feed(new FrameReader(), bytes.slice(0, cut), bytes.slice(cut));
    assertEquals(lines, ["\ufeffa", "\ufeffb"]);
  }
});

/** Byte sequences that are not UTF-8. */
const notUtf8: Record<string, number[]> = {
  "a lone continuation byte": [0x80],
  "an overlong slash": [0xc0, 0xaf],
  "a surrogate": [0xed, 0xa0, 0x80],
  "a code point over U+10FFFF": [0xf4, 0x90, 0x80, 0x80],
  "a character cut off by the line end": [0xe2, 0x82],
  "a byte that never occurs": [0xff],
};

for (const [name, bad] of Object.entries(notUtf8)) {
  Deno.test(`${name} is a failure, and the lines before it are returned`, pure, () => {
    const bytes = new Uint8Array([...bytesOf("um\nédois\n{"), ...bad, ...bytesOf("\nquatro\n")]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new FrameReader();
      assertEquals(feed(reader, bytes.slice(0, cut), bytes.slice(cut)), ["um", "édois"]);
      assertFailure(reader, "BAD_MESSAGE");
      assert(reader.failure?.cause instanceof TypeError);
    }
  });
}

Deno.test("after a failure no more lines are returned", pure, () => {
  const reader = new FrameReader();
  feed(reader, new Uint8Array([0xff, LF]));
  const { failure } = reader;
  reader.clear();
  reader.space.set(bytesOf("a\n"));
  assertEquals(reader.push(2), []);
  assertStrictEquals(reader.failure, failure);
});

for (const cut of [frameBytesMax, frameBytesMax - 1, 1]) {
  Deno.test(
    `a frame of exactly the limit, LF included, is a line; cut after ${cut} bytes`,
    pure,
    () => {
      const reader = new FrameReader();
      const frame = new Uint8Array(frameBytesMax).fill(0x78);
      frame[frameBytesMax - 1] = LF;
      const chunks = [frame.subarray(0, cut), frame.subarray(cut)];
      const lines = feed(reader, bytesOf("before\n"), ...chunks, bytesOf("after\n"));
      assertEquals(lines.map((line) => line.length), [6, frameBytesMax - 1, 5]);
      assertStrictEquals(reader.failure, undefined);
    },
  );
}

for (const ending of ["with its LF right after", "with its LF in the same chunk", "without LF"]) {
  Deno.test(`a frame one byte over the limit is TOO_LARGE, ${ending}`, pure, () => {
    const reader = new FrameReader();
    const frame = new Uint8Array(frameBytesMax + 1).fill(0x78);
    if (ending !== "without LF") frame[frameBytesMax] = LF;
    const chunks = ending === "with its LF right after"
      ? [frame.subarray(0, frameBytesMax), frame.subarray(frameBytesMax)]
      : [frame];
    assertEquals(feed(reader, bytesOf("before\n"), ...chunks), ["before"]);
    assertFailure(reader, "TOO_LARGE");
  });
}

Deno.test("an endless frame takes no more memory than the longest one", pure, () => {
  const reader = new FrameReader();
  const chunk = new Uint8Array(64 * 1024).fill(0x78);
  let fed = 0;
  while (reader.failure === undefined) {
    assertLessOrEqual(reader.space.buffer.byteLength, frameBytesMax);
    feed(reader, chunk);
    fed += chunk.length;
    assertLessOrEqual(fed, frameBytesMax);
  }
  assertStrictEquals(fed, frameBytesMax);
  assertFailure(reader, "TOO_LARGE");
  assertLessOrEqual(reader.space.buffer.byteLength, frameBytesMax);
  reader.clear();
  assertLessOrEqual(reader.space.buffer.byteLength, frameBytesMax);
});

Deno.test("a buffer that grew for a long frame shrinks again", pure, () => {
  const longBytes = 1024 * 1024;
  const reader = new FrameReader();
  feed(reader, new Uint8Array(longBytes).fill(0x78));
  assert(reader.space.buffer.byteLength > longBytes);
  assertEquals(feed(reader, new Uint8Array([LF])).map((line) => line.length), [longBytes]);
  assertLessOrEqual(reader.space.buffer.byteLength, longBytes / 16);
});

/** A dumb second version, which looks at every byte. */
function dumbLines(bytes: Uint8Array): { lines: string[]; failed: boolean; partial: boolean } {
  const lines: string[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== LF) continue;
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      lines.push(decoder.decode(bytes.slice(start, at)));
    } catch {
      return { lines, failed: true, partial: false };
    }
    start = at + 1;
  }
  return { lines, failed: false, partial: start < bytes.length };
}

function randomStream(random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let lines = random.below(12); lines > 0; lines--) {
    const long = random.chance(0.1) ? "x€".repeat(random.below(10_000)) : "";
    parts.push(bytesOf(`${random.text(random.below(8)).replaceAll("\n", "")}${long}`));
    if (random.chance(0.05)) parts.push(new Uint8Array(random.pick(Object.values(notUtf8))));
    parts.push(new Uint8Array([LF]));
  }
  if (random.chance(0.5)) parts.push(bytesOf(random.text(3)));
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test(
  "200 random streams in random chunks give the lines of a dumb second version",
  pure,
  seeded((random) => {
    for (let round = 0; round < 200; round++) {
      const stream = randomStream(random);
      const chunkBytesMax = random.pick([3, 50, 5_000, 100_000]);
      const reader = new FrameReader();
      const lines: string[] = [];
      for (let at = 0; at < stream.length;) {
        const chunk = stream.subarray(at, at + random.between(1, chunkBytesMax));
        lines.push(...feed(reader, chunk));
        at += chunk.length;
      }
      const expected = dumbLines(stream);
      assertEquals(lines, expected.lines);
      assertStrictEquals(reader.failure !== undefined, expected.failed);
      if (!expected.failed) assertStrictEquals(reader.partialBytes > 0, expected.partial);
    }
  }),
);

/** Feeds as a socket does that has all bytes at once. */
function feedAll(reader: FrameReader, bytes: Uint8Array): string[][] {
  const returned: string[][] = [];
  for (let start = 0; start < bytes.length;) {
    const { space } = reader;
    const part = bytes.subarray(start, start + space.length);
    space.set(part);
    returned.push(reader.push(part.length));
    start += part.length;
  }
  return returned;
}

Deno.test("after a long frame the buffer is given back, with or without a rest", pure, () => {
  for (const rest of ["", "the rest"]) {
    const reader = new FrameReader();
    feedAll(reader, bytesOf(`${"x".repeat(3_000_000)}\n${rest}`));
    assertStrictEquals(reader.heldBytes, bufferBytesKept);
    assertStrictEquals(reader.space.buffer.byteLength, bufferBytesKept);
    assertEquals(feed(reader, bytesOf("\n")), [rest]);
  }
});

Deno.test("a buffer that many short frames have filled is bounded and counted", pure, () => {
  const reader = new FrameReader();
  feedAll(reader, bytesOf("line\n".repeat(100_000)));
  assertStrictEquals(reader.heldBytes, bufferBytesKept);
  assertStrictEquals(reader.space.buffer.byteLength, bufferBytesKept);
  feed(reader, bytesOf("y".repeat(100_000)));
  assertStrictEquals(reader.heldBytes, 100_000);
  reader.clear();
  assert(reader.heldBytes <= 256);
});

Deno.test("after a long frame one read brings few lines at once", pure, () => {
  const reader = new FrameReader();
  const returned = feedAll(reader, bytesOf(`${"x".repeat(5_000_000)}\n${"{}\n".repeat(200_000)}`));
  assertStrictEquals(returned.flat().length, 200_001);
  for (const lines of returned) assert(lines.length <= 64 * 1024 / 3 + 1);
});

Deno.test("the limit of a frame may be small at first and rise between two reads", pure, () => {
  const reader = new FrameReader(1_000);
  const bytes = bytesOf(`${"a".repeat(999)}\n${"b".repeat(5_000)}\n`);
  assertEquals(feed(reader, bytes.subarray(0, 1_500)), ["a".repeat(999)]);
  reader.bytesMax = 10_000;
  assertEquals(feed(reader, bytes.subarray(1_500)), ["b".repeat(5_000)]);
  const strict = new FrameReader(1_000);
  feed(strict, bytesOf("a".repeat(1_000)));
  assertFailure(strict, "TOO_LARGE");
  assert(strict.heldBytes <= 1_000);
});

Deno.test(
  "the bytes of long lines are those of their text, in 300 random streams",
  pure,
  seeded((random) => {
    for (let round = 0; round < 300; round++) {
      const lines = Array.from({ length: random.between(1, 8) }, () => {
        const length = random.chance(0.5)
          ? random.below(300)
          : longValueChars + random.between(-2, 20_000);
        return random.pick(["x", "é", "😀"]).repeat(length);
      });
      const reader = new FrameReader();
      const bytes = bytesOf(lines.map((line) => `${line}\n`).join(""));
      const read: string[] = [];
      for (let start = 0; start < bytes.length;) {
        const { space } = reader;
        const part = bytes.subarray(start, start + random.between(1, space.length));
        space.set(part);
        start += part.length;
        const some = reader.push(part.length);
        for (const [index, line] of some.entries()) {
          const long = reader.longLines?.[index];
          assertStrictEquals(long !== undefined, line.length >= longValueChars);
          if (long !== undefined) assertStrictEquals(new TextDecoder().decode(long), line);
        }
        read.push(...some);
      }
      assertEquals(read, lines);
    }
  }),
);
