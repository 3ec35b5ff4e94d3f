import { assert, assertEquals } from "@std/assert";
import { FrameWriter, spareBuffersMax, writeBytesMax } from "../../lib/net/frame_writer.ts";
import { eventually, within } from "../support/waiting.ts";

const pure = { permissions: "none" } as const;

/** A socket whose writes end when the test says so. */
class FakeSocket {
  readonly texts: string[] = [];
  readonly buffers: ArrayBufferLike[] = [];
  ended = false;
  #pending: PromiseWithResolvers<number> | undefined;
  #bytes = 0;

  write(bytes: Uint8Array): Promise<number> {
    assert(this.#pending === undefined, "two writes at once");
    this.texts.push(new TextDecoder().decode(bytes));
    this.buffers.push(bytes.buffer);
    this.#bytes = bytes.length;
    this.#pending = Promise.withResolvers();
    return this.#pending.promise;
  }

  closeWrite(): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }

  /** Ends the write under way, after some or all of its bytes. */
  accept(bytes = this.#bytes): void {
    const pending = this.#pending!;
    this.#pending = undefined;
    pending.resolve(bytes);
  }

  fail(error: Error): void {
    this.#pending!.reject(error);
  }
}

function start() {
  const socket = new FakeSocket();
  const calls: string[] = [];
  const writer = new FrameWriter(
    socket,
    () => calls.push("written"),
    () => {
      calls.push("failed");
      writer.drop();
    },
  );
  const wrote = (count: number) => eventually("a write", () => socket.texts.length >= count);
  return { socket, calls, writer, wrote };
}

Deno.test(
  "frames of one turn share a write, those queued during a write share the next",
  pure,
  async () => {
    const { socket, writer, wrote } = start();
    writer.queue("1\n");
    writer.queue("2\n");
    await wrote(1);
    assertEquals([writer.unsentChars, writer.writing], [0, true]);
    writer.queue("3\n");
    writer.queue("4\n");
    assertEquals(writer.unsentChars, 4);
    socket.accept();
    await wrote(2);
    socket.accept();
    await within("it stops", writer.stopped());
    assertEquals(socket.texts, ["1\n2\n", "3\n4\n"]);
    assertEquals([writer.writes, writer.writing, writer.heldBytes], [2, false, 0]);
  },
);

Deno.test("frames with bytes leave in their order, and count by their size", pure, async () => {
  const { socket, writer, wrote } = start();
  const bytes = new TextEncoder().encode("x".repeat(writeBytesMax));
  writer.queue("1\n");
  writer.queue(["2", bytes, "\n"]);
  writer.queue("3\n");
  assertEquals(writer.unsentChars, 6 + bytes.length);
  for (let count = 1; writer.heldBytes > 0; count++) {
    await wrote(count);
    socket.accept();
    await Promise.resolve();
  }
  await within("it stops", writer.stopped());
  assert(socket.texts.join("") === `1\n2${"x".repeat(writeBytesMax)}\n3\n`);
});

Deno.test("a write that took only a part is continued, and counts as progress", pure, async () => {
  const { socket, calls, writer, wrote } = start();
  writer.queue("abcdef\n");
  await wrote(1);
  socket.accept(3);
  await wrote(2);
  assertEquals([writer.writes, writer.heldBytes, calls.length], [1, 4, 0]);
  socket.accept();
  await within("it stops", writer.stopped());
  assertEquals(socket.texts, ["abcdef\n", "def\n"]);
  assertEquals(calls, ["written"]);
});

Deno.test(
  "a long text is cut between characters, and no write is over the limit",
  pure,
  async () => {
    const { socket, writer, wrote } = start();
    const text = "é🙂".repeat(writeBytesMax / 4);
    writer.queue(text);
    for (let count = 1; writer.heldBytes > 0; count++) {
      await wrote(count);
      socket.accept();
      await Promise.resolve();
    }
    await within("it stops", writer.stopped());
    assert(socket.texts.join("") === text);
    for (const part of socket.texts) assert(new TextEncoder().encode(part).length <= writeBytesMax);
  },
);

Deno.test(
  "the sending side ends after everything queued, or at once if nothing is queued",
  pure,
  async () => {
    const { socket, writer, wrote } = start();
    writer.queue("last\n");
    writer.end();
    await wrote(1);
    assert(!socket.ended);
    socket.accept();
    await within("it is done", writer.done);
    assert(socket.ended);

    const empty = start();
    empty.writer.end();
    assert(empty.socket.ended);
    await within("it is done", empty.writer.done);
  },
);

Deno.test("drop discards what is queued and does not end the sending side", pure, async () => {
  const { socket, writer, wrote } = start();
  writer.queue("going\n");
  await wrote(1);
  writer.queue("dropped\n");
  writer.end();
  writer.drop();
  await within("it is done", writer.done);
  socket.accept();
  await within("it stops", writer.stopped());
  assertEquals([socket.texts.length, socket.ended], [1, false]);
});

Deno.test("a failed write calls back once; a lost connection is not an error", pure, async () => {
  for (const error of [new RangeError("a bug"), new Deno.errors.BrokenPipe("gone")]) {
    const { socket, calls, writer, wrote } = start();
    writer.queue("x\n");
    await wrote(1);
    socket.fail(error);
    await within("it stops", writer.stopped());
    assertEquals(calls, ["failed"]);
    assertEquals(writer.error, error instanceof RangeError ? error : undefined);
  }
});

Deno.test("long writes of all connections share a bounded number of buffers", pure, async () => {
  const text = (name: string) => `${name.repeat(100_000)}\n`;
  const begin = async (name: string) => {
    const one = start();
    one.writer.queue(text(name));
    await one.wrote(1);
    return one;
  };
  const end = async ({ socket, writer }: ReturnType<typeof start>) => {
    socket.accept();
    await within("it stops", writer.stopped());
  };
  const [first, beside] = [await begin("a"), await begin("b")];
  assert(first.socket.buffers[0] !== beside.socket.buffers[0], "two writes share a buffer");
  await end(first);
  const next = await begin("c");
  assertEquals(next.socket.buffers[0] === first.socket.buffers[0], true);
  assertEquals([beside.socket.texts, next.socket.texts], [[text("b")], [text("c")]]);
  await end(beside);
  await end(next);
  const many = await Promise.all(Array.from({ length: spareBuffersMax + 4 }, () => begin("d")));
  const buffers = new Set(many.map(({ socket }) => socket.buffers[0]));
  for (const one of many) await end(one);
  const again = await Promise.all(Array.from({ length: spareBuffersMax + 4 }, () => begin("e")));
  const reused = again.filter(({ socket }) => buffers.has(socket.buffers[0]!));
  assertEquals([buffers.size, reused.length], [spareBuffersMax + 4, spareBuffersMax]);
  for (const one of again) await end(one);
});
