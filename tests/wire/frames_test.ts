import { assert, assertEquals, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { FrameQueue, type Frames, type Part, sizeOf, textOf } from "../../lib/wire/frames.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function randomText(random: Random): string {
  const length = random.between(0, 12);
  return Array.from({ length }, () => random.pick(["a", "é", "€", "😀", "\n", "\ufeff"])).join("");
}

function randomFrames(random: Random): Frames {
  if (random.chance(0.5)) return randomText(random);
  return Array.from({ length: random.between(0, 4) }, (): Part => {
    const text = randomText(random);
    return random.chance(0.5) ? text : encoder.encode(text);
  });
}

/** Takes everything, into buffers of random sizes. Text is never cut within a character. */
function takeAll(queue: FrameQueue, random: Random): Uint8Array {
  const taken: number[] = [];
  while (queue.size > 0) {
    const { size, bytesMax, heldBytes } = queue;
    assertLessOrEqual(size, heldBytes);
    const buffer = new Uint8Array(random.between(4, 20));
    const filled = queue.fill(buffer);
    assert(filled > 0 && queue.size < size, "something leaves each time");
    assertLessOrEqual(filled, bytesMax);
    taken.push(...buffer.subarray(0, filled));
  }
  return Uint8Array.from(taken);
}

Deno.test(
  "a queue gives back text and bytes in their order, in 2,000 random mixtures",
  pure,
  seeded((random) => {
    const queue = new FrameQueue();
    for (let round = 0; round < 2_000; round++) {
      let expected = "";
      let size = 0;
      for (let n = random.between(0, 5); n > 0; n--) {
        const frames = randomFrames(random);
        queue.push(frames);
        expected += textOf(frames);
        size += sizeOf(frames);
      }
      assertStrictEquals(queue.size, size);
      assertStrictEquals(decoder.decode(takeAll(queue, random)), expected);
      assertEquals([queue.size, queue.bytesMax, queue.heldBytes], [0, 0, 0]);
    }
  }),
);

Deno.test("a queue takes more while it is half taken, and clear discards all of it", pure, () => {
  const queue = new FrameQueue();
  queue.push(["head ", encoder.encode("bytes"), " tail"]);
  const bytes = new Uint8Array(7);
  assertStrictEquals(decoder.decode(bytes.subarray(0, queue.fill(bytes))), "head by");
  queue.push("more");
  queue.push([encoder.encode("!")]);
  const rest = new Uint8Array(100);
  assertStrictEquals(decoder.decode(rest.subarray(0, queue.fill(rest))), "tes tailmore!");
  queue.push(["text", encoder.encode("bytes")]);
  queue.fill(bytes);
  queue.clear();
  assertEquals([queue.size, queue.fill(rest)], [0, 0]);
  queue.push("next");
  assertStrictEquals(decoder.decode(rest.subarray(0, queue.fill(rest))), "next");
});

Deno.test("a character that does not fit any more is left whole for the next buffer", pure, () => {
  for (const text of ["aé", "a€", "a😀"]) {
    const queue = new FrameQueue();
    queue.push(text);
    const two = new Uint8Array(2);
    assertStrictEquals(queue.fill(two), 1);
    const four = new Uint8Array(4);
    assertStrictEquals(decoder.decode(four.subarray(0, queue.fill(four))), text.slice(1));
  }
});
