import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type ByteSink, encodeLines, Output } from "../../lib/cli/output.ts";
import { StandardStream } from "../../lib/cli/standard_stream.ts";
import { Random, seeded } from "../support/random.ts";
import { within } from "../support/waiting.ts";

const pure = { permissions: "none" } as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A stream whose reader the test controls. */
class Sink implements ByteSink {
  text = "";
  writes = 0;
  /** What the next writes do: fail, or lose what they write. Then all is written. */
  readonly script: (Error | false)[] = [];
  readonly #decoder = new TextDecoder();
  #reads = Promise.withResolvers<void>();

  constructor(reading = true) {
    if (reading) this.#reads.resolve();
  }

  /** Stops reading, until the function that is returned is called. */
  stop(): () => void {
    this.#reads = Promise.withResolvers();
    return this.#reads.resolve;
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    this.writes++;
    await this.#reads.promise;
    const next = this.script.shift();
    if (next instanceof Error) throw next;
    if (next === undefined) this.text += this.#decoder.decode(bytes.slice(), { stream: true });
    return next === undefined;
  }
}

/** An output and its stream. */
function output(unsentCharsMax = 100) {
  const sink = new Sink();
  const resumed: unknown[] = [];
  const failures: Error[] = [];
  const out: Output = new Output(sink, {
    unsentCharsMax,
    onResume: () => resumed.push(out.takeDropped()?.lines),
    onFailure: (error) => failures.push(error),
  });
  return { sink, out, resumed, failures };
}

Deno.test("texts are written in their order, those of a busy time together", pure, async () => {
  const { sink, out } = output();
  for (const text of ["a\n", "", "b", "\n", "ção 😀\n"]) out.write(text);
  await out.flushed();
  assertStrictEquals(sink.text, "a\nb\nção 😀\n");
  assertStrictEquals(sink.writes, 2);
});

Deno.test("parts are written as one text, and dropped as one", pure, async () => {
  const { sink, out, resumed } = output(30);
  out.write(["é ", encoder.encode("1é\n2"), "\n"]);
  await out.flushed();
  assertStrictEquals(sink.text, "é 1é\n2\n");
  const read = sink.stop();
  out.write("first\n");
  out.write(["a", encoder.encode("b".repeat(20)), "\n"]);
  out.write(["c\n", encoder.encode("not shown\n"), "\n"]);
  read();
  await out.flushed();
  assertStrictEquals(sink.text, `é 1é\n2\nfirst\na${"b".repeat(20)}\n`);
  assertEquals(resumed, [3]);
  sink.script.push(false);
  out.write(["d\n", encoder.encode("lost\n"), "e\n"]);
  await out.flushed();
  assertEquals(resumed, [3, 3]);
});

Deno.test("a file gets its texts at once, and none is dropped", pure, async () => {
  const { sink, out, resumed } = output(30);
  const read = sink.stop();
  out.write("first\n");
  let file = "";
  Object.assign(sink, { writeSync: (bytes: Uint8Array) => file += decoder.decode(bytes) });
  const texts = Array.from(
    { length: 20 },
    (_, n) => `line ${n}, longer than a third of the bound\n`,
  );
  for (const text of texts) out.write(text);
  assertStrictEquals(file, "", "a text overtakes the first one");
  read();
  await out.flushed();
  assertStrictEquals(sink.text + file, `first\n${texts.join("")}`);
  out.write("now\n");
  assertStrictEquals(file.endsWith("now\n"), true);
  assertEquals(resumed, []);
});

Deno.test("a file that cannot be written is a failure, told once", pure, async () => {
  const { sink, out, failures } = output();
  Object.assign(sink, {
    writeSync: () => {
      throw new Error("the disk is full");
    },
  });
  out.write("a\n");
  out.write("b\n");
  await out.flushed();
  assertEquals([failures.map(({ message }) => message), out.closed], [["the disk is full"], true]);
});

Deno.test(
  "standard output is looked at after a MiB, and a file is written in full",
  pure,
  async () => {
    let [asked, file] = [0, ""];
    const stream = new StandardStream({ write: (bytes) => Promise.resolve(bytes.length) }, {
      lineBuffered: true,
      fileWriter: () => {
        asked++;
        return Promise.resolve((bytes) => {
          file += decoder.decode(bytes.subarray(0, 3));
          return Math.min(bytes.length, 3);
        });
      },
    });
    const line = encoder.encode(`${"x".repeat(1023)}\n`);
    for (let n = 0; n < 1023; n++) await stream.write(line);
    assertEquals([asked, stream.writeSync], [0, undefined]);
    for (let n = 0; n < 3; n++) await stream.write(line);
    stream.writeSync!(encoder.encode("in pieces\n"));
    assertEquals([asked, file], [1, "in pieces\n"]);
  },
);

Deno.test("flushed waits for the texts so far, not for those that follow", pure, async () => {
  let written = 0;
  const out = new Output({
    async write() {
      await Promise.resolve();
      if (++written < 10_000) out.write("more\n");
      return true;
    },
  }, { unsentCharsMax: 100 });
  out.write("first\n");
  out.write("second\n");
  await out.flushed();
  assert(written >= 2 && written < 100, `${written}`);
});

Deno.test("a part of which is not known what was written counts as dropped", pure, async () => {
  const { sink, out, resumed } = output();
  sink.script.push(false);
  out.write("a\nb\n");
  out.write("c\n");
  await out.flushed();
  assertEquals([sink.text, resumed], ["c\n", [2]]);
});

Deno.test(
  "a text longer than the buffer and the bound is written whole if none waits",
  pure,
  async () => {
    const { sink, out } = output();
    const text = `${"x😀é\0".repeat(300_000)}\n`;
    out.write(text);
    await out.flushed();
    assert(sink.text === text, "changed");
    assert(sink.writes >= 3);
  },
);

Deno.test(
  "a reader that stops: what fits waits, the rest is one gap that is counted",
  pure,
  async () => {
    const { sink, out, resumed } = output();
    const read = sink.stop();
    out.write("0\n");
    for (let n = 1; n <= 9; n++) out.write(`${n}234567890\n`); // 8 of them fit
    assert(out.dropping);
    out.write("small\n"); // would fit, but the gap would be two
    out.write("two\nlines\n");
    assertStrictEquals(out.takeDropped(), undefined);
    await out.flushed(1);
    assertStrictEquals(sink.text, "");
    read();
    await out.flushed();
    const kept = Array.from({ length: 8 }, (_, n) => `${n + 1}234567890\n`).join("");
    assertStrictEquals(sink.text, `0\n${kept}`);
    assertEquals(resumed, [4]);
    out.write("again\n");
    await out.flushed();
    assertStrictEquals(sink.text, `0\n${kept}again\n`);
    assertEquals([resumed, out.takeDropped()], [[4], undefined]);
  },
);

Deno.test(
  "a reader that stops and reads, many times: never more than the bound waits",
  pure,
  async () => {
    const { sink, out, resumed } = output(50);
    for (let round = 0; round < 20; round++) {
      const read = sink.stop();
      for (let n = 0; n < 1_000; n++) out.write("0123456789\n");
      read();
      await out.flushed();
    }
    assertEquals(resumed, Array(20).fill(1_000 - 4));
    assertStrictEquals(sink.text.length, 20 * 44);
  },
);

Deno.test(
  "a reader that closes, and a stream that fails: later texts are dropped",
  pure,
  async () => {
    for (const error of [new Deno.errors.BrokenPipe("closed"), new Error("No space left")]) {
      const { sink, out, failures } = output();
      sink.script.push(error);
      out.write("a\n");
      out.write("b\n");
      await out.flushed();
      out.write("c\n");
      await out.flushed();
      assertEquals([out.closed, sink.text, sink.writes], [true, "", 1]);
      const failed = error instanceof Deno.errors.BrokenPipe ? [] : [error];
      assertEquals([failures, out.failure], [failed, failed[0]]);
    }
  },
);

Deno.test("two outputs keep their order, unless one of them is not read", pure, async () => {
  const [a, b] = [output(), output()];
  Output.inOrder(a.out, b.out);
  let seen = "";
  for (const { sink } of [a, b]) {
    const write = sink.write.bind(sink);
    sink.write = async (bytes) => {
      const text = new TextDecoder().decode(bytes);
      await write(bytes);
      seen += text;
      return true;
    };
  }
  const readA = a.sink.stop();
  a.out.write("1");
  b.out.write("2");
  a.out.write("3");
  readA();
  await Promise.all([a.out.flushed(), b.out.flushed()]);
  assertStrictEquals(seen, "123");

  const read = a.sink.stop();
  a.out.write("4");
  b.out.write("5");
  await within("the other one goes on", b.out.flushed());
  assertStrictEquals(seen, "1235");
  read();
  await a.out.flushed();
});

Deno.test(
  "encodeLines gives the result of TextEncoder.encodeInto, for any text and any room",
  pure,
  seeded((random) => {
    const pieces = [
      "a",
      "Meu ts é 5",
      "é",
      "\0",
      "ç",
      "é\0é",
      "😀",
      "\n",
      "\u2028",
      "x".repeat(20),
    ];
    for (let round = 0; round < 20_000; round++) {
      const usual = random.chance(0.3) ? 4 : pieces.length;
      const length = random.below(6);
      const text = Array.from({ length }, () => pieces[random.below(usual)]!).join("");
      const room = random.below(40);
      const [bytes, expected] = [new Uint8Array(room), new Uint8Array(room)];
      const result = encodeLines(text, bytes);
      assertEquals(result, encoder.encodeInto(text, expected), JSON.stringify(text));
      assertEquals(bytes.subarray(0, result.written), expected.subarray(0, result.written));
    }
  }),
);

/**
 * A non-blocking pipe behind the runtime's buffer for lines, as Rust's `LineWriter` works.
 *
 * Each write of the runtime may find that another process has read some of the pipe.
 */
class LineWriter {
  text = "";
  readonly #random: Random;
  readonly #pipeBytes: number;
  #unread = 0;
  #held: Uint8Array = new Uint8Array();

  constructor(random: Random, pipeBytes: number) {
    this.#random = random;
    this.#pipeBytes = pipeBytes;
  }

  write(bytes: Uint8Array): Promise<number> {
    try {
      const written = this.#write(bytes);
      this.#flush();
      return Promise.resolve(written);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #write(bytes: Uint8Array): number {
    const end = bytes.lastIndexOf(10) + 1;
    if (end === 0) {
      if (this.#held.at(-1) === 10 || this.#held.length + bytes.length > 1024) this.#flush();
      return bytes.length >= 1024 ? this.#toPipe(bytes) : this.#hold(bytes);
    }
    this.#flush();
    const flushed = this.#toPipe(bytes.subarray(0, end));
    if (flushed === 0) return 0;
    if (flushed >= end) return flushed + this.#hold(bytes.subarray(flushed, flushed + 1024));
    const rest = bytes.subarray(flushed, end);
    if (rest.length <= 1024) return flushed + this.#hold(rest);
    const some = rest.subarray(0, 1024);
    return flushed + this.#hold(some.subarray(0, some.lastIndexOf(10) + 1 || 1024));
  }

  #hold(bytes: Uint8Array): number {
    this.#held = Uint8Array.from([...this.#held, ...bytes]);
    return bytes.length;
  }

  #flush(): void {
    while (this.#held.length > 0) this.#held = this.#held.subarray(this.#toPipe(this.#held));
  }

  /** What the kernel does: short writes are whole or not at all. */
  #toPipe(bytes: Uint8Array): number {
    if (this.#random.chance(0.5)) this.#unread -= this.#random.below(this.#unread + 1);
    const room = this.#pipeBytes - this.#unread;
    if (room === 0 || (bytes.length <= 4096 && bytes.length > room)) {
      throw new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");
    }
    const count = Math.min(room, bytes.length);
    this.#unread += count;
    this.text += new TextDecoder("latin1").decode(bytes.slice(0, count));
    return count;
  }
}

Deno.test(
  "a non-blocking pipe: each byte is written once, however lines and reads fall",
  pure,
  seeded(async (random) => {
    const round = async (seed: number) => {
      const random = new Random(seed);
      const pipe = new LineWriter(random, 8192);
      const stream = new StandardStream(pipe, { lineBuffered: true });
      let expected = "";
      for (let n = 0; n < 10; n++) {
        const line = () => "x".repeat(random.below(random.pick([50, 6_000])));
        const text = Array.from({ length: random.below(6) }, line).join("\n") +
          (random.chance(0.7) ? "\n" : "");
        expected += text;
        assert(await stream.write(encoder.encode(text)));
      }
      assert(pipe.text === expected, `${pipe.text.length} bytes, not ${expected.length}`);
    };
    // At once, because each waits for its reader most of the time.
    await Promise.all(Array.from({ length: 40 }, () => round(random.below(2 ** 32))));
  }),
);

Deno.test(
  "a stream that becomes non-blocking after a MiB: what was written is not known, once",
  pure,
  async () => {
    const late = new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");
    const script: (Error | undefined)[] = [];
    const sizes: number[] = [];
    const stream = new StandardStream({
      write(bytes) {
        sizes.push(bytes.length);
        const error = script.shift();
        return error === undefined ? Promise.resolve(bytes.length) : Promise.reject(error);
      },
    }, { lineBuffered: true });
    const lines = encoder.encode("0123456789\n".repeat(10_000));
    for (let n = 0; n < 9; n++) assert(await stream.write(lines));
    assert(sizes.every((size) => size <= 4096));
    assert(await stream.write(lines)); // the MiB ends within it
    sizes.length = 0;
    assert(await stream.write(lines));
    assertEquals(sizes, [lines.length]);
    script.push(late, late);
    sizes.length = 0;
    assertEquals(await stream.write(lines), false);
    assertEquals(sizes, [lines.length, 0, 0]);
    sizes.length = 0;
    assert(await stream.write(lines));
    assert(sizes.every((size) => size <= 4096));
  },
);

Deno.test(
  "standard error that is non-blocking: partial writes go on where they ended",
  pure,
  async () => {
    const late = new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");
    const script = [3, late, 1, late, 100];
    let text = "";
    const stream = new StandardStream({
      write(bytes) {
        const next = script.shift()!;
        if (typeof next !== "number") return Promise.reject(next);
        const part = bytes.subarray(0, next);
        text += new TextDecoder("latin1").decode(part);
        return Promise.resolve(part.length);
      },
    }, { lineBuffered: false });
    assert(await stream.write(encoder.encode("ab\ncdef\n")));
    assertStrictEquals(text, "ab\ncdef\n");
  },
);
