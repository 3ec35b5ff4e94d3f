/** The cost of splitting bytes into lines. */

import { FrameReader } from "../../lib/wire/line_reader.ts";
import { Put } from "../../lib/mensagem.ts";

const encoder = new TextEncoder();
const put = encoder.encode(new Put(1, "key:000000001234", "x".repeat(100)).encode());
const large = encoder.encode(new Put(1, "key:000000001234", "x".repeat(1024 * 1024)).encode());
const pieceBytes = 64 * 1024;

/** Reads bytes in pieces, as from a socket. */
function read(reader: FrameReader, bytes: Uint8Array): number {
  let lines = 0;
  for (let from = 0; from < bytes.length;) {
    const { space } = reader;
    const piece = bytes.subarray(from, from + Math.min(space.length, pieceBytes));
    space.set(piece);
    lines += reader.push(piece.length).length;
    from += piece.length;
  }
  return lines;
}

for (const count of [1, 16]) {
  const chunk = encoder.encode(new TextDecoder().decode(put).repeat(count));
  const reader = new FrameReader();
  while (reader.space.length < chunk.length) read(reader, chunk); // its buffer grows with its input
  Deno.bench(`a chunk of ${count} messages of ${put.length} bytes`, { group: "frame" }, () => {
    read(reader, chunk);
  });
}

const reader = new FrameReader();
Deno.bench("a frame of 1 MiB in pieces of 64 KiB", { group: "frame" }, () => {
  read(reader, large);
});
