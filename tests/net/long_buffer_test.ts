import { assertStrictEquals } from "@std/assert";
import {
  LongBuffer,
  longBufferBytes,
  longBuffersMax,
  shortReadsMax,
} from "../../lib/net/long_buffer.ts";
import { bufferBytesKept } from "../../lib/wire/line_reader.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "a long frame claims a long buffer, and many short reads in a row end the claim",
  pure,
  () => {
    const buffer = new LongBuffer();
    buffer.noteRead(bufferBytesKept);
    assertStrictEquals(buffer.bytesKept, bufferBytesKept);
    buffer.noteRead(bufferBytesKept + 1);
    assertStrictEquals(buffer.bytesKept, longBufferBytes);
    for (let n = 1; n < shortReadsMax; n++) buffer.noteRead(100);
    buffer.noteRead(bufferBytesKept + 1); // begins the row again
    for (let n = 1; n < shortReadsMax; n++) buffer.noteRead(100);
    assertStrictEquals(buffer.bytesKept, longBufferBytes);
    buffer.noteRead(100);
    assertStrictEquals(buffer.bytesKept, bufferBytesKept);
  },
);

Deno.test("all connections together keep a bounded number of long buffers", pure, () => {
  const buffers = Array.from({ length: longBuffersMax + 1 }, () => new LongBuffer());
  for (const buffer of buffers) buffer.noteRead(1_000_000);
  const [first, last] = [buffers[0]!, buffers[longBuffersMax]!];
  assertStrictEquals(first.bytesKept, longBufferBytes);
  assertStrictEquals(last.bytesKept, bufferBytesKept);
  first.release();
  first.release(); // counts once
  last.noteRead(1_000_000);
  first.noteRead(1_000_000);
  assertStrictEquals(last.bytesKept, longBufferBytes);
  assertStrictEquals(first.bytesKept, bufferBytesKept);
  for (const buffer of buffers) buffer.release();
});
