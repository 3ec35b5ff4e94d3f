import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import {
  Connection,
  type ConnectionLimits,
  connectionLimitsDefault,
  unprovenFrameBytesMax,
  unsentCharsMax,
  unsentPauseChars,
} from "../../lib/net/connection.ts";
import { strangerCharsMax, strangerLineChars, turnCharsMax } from "../../lib/net/turn_budget.ts";
import { halfFrameMs, stalledWriteMs } from "../../lib/net/stall_detector.ts";
import type { FrameError } from "../../lib/mensagem.ts";
import { finishMs, frameBytesMax } from "../../lib/limits.ts";
import { longBufferBytes, shortReadsMax } from "../../lib/net/long_buffer.ts";
import { bufferBytesKept } from "../../lib/wire/line_reader.ts";
import { anyPort } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";

/** The two ends of one TCP connection. */
async function pair(): Promise<{ near: Deno.TcpConn; wire: Wire }> {
  using listener = Deno.listen({ ...anyPort });
  const [near, far] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
  ]);
  return { near, wire: new Wire(far) };
}

/** A running connection, what it handed out, and a raw client at the other end. */
class Running implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly failures: FrameError[] = [];
  readonly ended: Promise<void>;
  /** Called for every line. The next one waits for a promise. */
  onLine: (line: string) => void | Promise<void> = () => {};
  /** Called for a failure. */
  onFailure: () => void = () => {};

  private constructor(readonly connection: Connection, readonly wire: Wire) {
    this.ended = connection.run({
      begin: () => {},
      receive: (line) => {
        this.lines.push(line);
        return this.onLine(line);
      },
      end: () => {},
      fail: (failure) => {
        this.failures.push(failure);
        this.onFailure();
      },
    });
    this.ended.catch(() => {}); // a test that expects an error awaits `ended` itself
  }

  static async start(
    wrap: (conn: Deno.TcpConn) => Deno.TcpConn = (conn) => conn,
    limits: Partial<ConnectionLimits> = {},
  ): Promise<Running> {
    const { near, wire } = await pair();
    const connection = new Connection(wrap(near), { ...connectionLimitsDefault, ...limits });
    return new Running(connection, wire);
  }

  async received(count: number): Promise<string[]> {
    return await eventually(`${count} lines`, () => this.lines.length >= count && this.lines);
  }

  async end(): Promise<void> {
    await within("the connection ends", this.ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.abort();
    this.wire.close();
    await this.ended.catch(() => {});
  }
}

/** The socket with another `write`. */
function withWrite(conn: Deno.TcpConn, write: Deno.Conn["write"]): Deno.TcpConn {
  return new Proxy(conn, {
    get(target, name) {
      if (name === "write") return write;
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

Deno.test("a connection knows both of its addresses", async () => {
  await using running = await Running.start();
  assertEquals(running.connection.peer, running.wire.local);
  assertStringIncludes(running.connection.local, "127.0.0.1:");
});

Deno.test("lines are handed out whole and in order, however the chunks are cut", async () => {
  await using running = await Running.start();
  const bytes = new TextEncoder().encode('{"a":"ação 🙂"}\n{"b":2}\r\n{"c":3}\n');
  for (const byte of bytes) await running.wire.write(Uint8Array.of(byte));
  assertEquals(await running.received(3), ['{"a":"ação 🙂"}', '{"b":2}\r', '{"c":3}']);
});

Deno.test("the frames of one turn leave in one write", async () => {
  const writes: string[] = [];
  await using running = await Running.start((conn) =>
    withWrite(conn, (bytes) => {
      writes.push(new TextDecoder().decode(bytes));
      return conn.write(bytes);
    })
  );
  for (let n = 1; n <= 3; n++) running.connection.send(`frame ${n}\n`);
  assertEquals(await running.wire.line(), "frame 1");
  assertEquals(writes, ["frame 1\nframe 2\nframe 3\n"]);
});

Deno.test("a write that takes only a part of the bytes is continued", async () => {
  await using running = await Running.start((conn) =>
    withWrite(conn, (bytes) => conn.write(bytes.subarray(0, 7)))
  );
  const frame = `é🙂`.repeat(1_000);
  running.connection.send(`${frame}\n`);
  assertEquals(await running.wire.line(), frame);
});

Deno.test("text longer than the write buffer arrives unchanged", async () => {
  await using running = await Running.start();
  const frame = "a🙂é".repeat(200_000);
  running.connection.send(`${frame}\n`);
  assert(await running.wire.line() === frame);
});

Deno.test("a line is handed out only when the one before is done", async () => {
  await using running = await Running.start();
  const gate = Promise.withResolvers<void>();
  running.onLine = () => gate.promise;
  await running.wire.write("1\n");
  await running.received(1);
  await running.wire.write("2\n");
  running.connection.send("still sending\n");
  await running.wire.line(); // by now the second line is at the socket
  assertEquals(running.lines, ["1"]);
  gate.resolve();
  assertEquals(await running.received(2), ["1", "2"]);
});

Deno.test("close sends what is queued, then the end", async () => {
  await using running = await Running.start();
  running.connection.send("last\n");
  running.connection.close();
  running.connection.send("too late\n");
  assertEquals(await running.wire.line(), "last");
  assertEquals(await running.wire.line(), undefined);
  running.wire.close();
  await running.end();
});

Deno.test("a closed connection ends even if the peer stays", async () => {
  await using running = await Running.start(undefined, { lingerMs: 20 });
  running.connection.close();
  await running.end();
});

Deno.test("lines that arrive after close are dropped", async () => {
  await using running = await Running.start();
  running.connection.close();
  await running.wire.write("too late\n");
  await running.wire.closeWrite();
  await running.end();
  assertEquals(running.lines, []);
});

Deno.test("a peer that has ended its sending side still gets the answers due", async () => {
  await using running = await Running.start();
  await running.wire.write("1\n2\n");
  await running.wire.closeWrite();
  await running.received(2);
  for (const answer of ["one", "two"]) {
    running.connection.send(`${answer}\n`);
    assertEquals(await running.wire.line(), answer);
  }
  assertEquals(await running.wire.line(), undefined);
  await running.end();
});

Deno.test("a pushed frame is not an answer: the connection waits for the answer still due", async () => {
  await using running = await Running.start();
  await running.wire.write("{}\n");
  await running.received(1);
  for (let n = 0; n < 3; n++) running.connection.push("news\n");
  await running.wire.closeWrite();
  await eventually("it takes no more requests", () => !running.connection.open);
  running.connection.push("more news\n");
  running.connection.send("answer\n");
  const lines = [];
  for (let line = await running.wire.line(); line !== undefined; line = await running.wire.line()) {
    lines.push(line);
  }
  assertEquals(lines, ["news", "news", "news", "more news", "answer"]);
});

Deno.test("unsentChars is the text behind a stalled write", async () => {
  const stuck = Promise.withResolvers<number>();
  await using running = await Running.start((conn) => withWrite(conn, () => stuck.promise));
  running.connection.send("first\n");
  await eventually("the first write has begun", () => running.connection.unsentChars === 0);
  running.connection.send("second\n");
  running.connection.push("third\n");
  assertEquals(running.connection.unsentChars, "second\nthird\n".length);
  stuck.reject(new Deno.errors.BrokenPipe());
});

Deno.test("close takes no more requests and ends with the last answer due", async () => {
  await using running = await Running.start();
  await running.wire.write("1\n");
  await running.received(1);
  running.connection.close();
  assert(!running.connection.open);
  await running.wire.write("2\n");
  running.connection.send("one\n");
  assertEquals(await running.wire.line(), "one");
  assertEquals(await running.wire.line(), undefined);
  await running.wire.closeWrite();
  await running.end();
  assertEquals(running.lines, ["1"]);
});

Deno.test("a last frame comes after the answers that are due", async () => {
  await using running = await Running.start();
  await running.wire.write("1\n");
  await running.received(1);
  running.connection.close("last\n");
  running.connection.send("one\n");
  assertEquals(await running.wire.line(), "one");
  assertEquals(await running.wire.line(), "last");
  assertEquals(await running.wire.line(), undefined);
});

Deno.test("no last frame comes if an answer is missing", async () => {
  await using running = await Running.start();
  await running.wire.write("1\n");
  await running.received(1);
  running.connection.close("last\n");
  const from = performance.now();
  for (let ms = 0; ms <= 60_000; ms += 500) running.connection.sweep(from + ms);
  assertEquals(await running.wire.line(), undefined);
});

Deno.test("close ends at once if no answer is due", async () => {
  await using running = await Running.start();
  running.connection.close();
  assertEquals(await running.wire.line(), undefined);
});

Deno.test("a connection between servers closes without waiting for answers", async () => {
  await using running = await Running.start();
  running.connection.betweenServers = true;
  await running.wire.write("1\n");
  await running.received(1);
  running.connection.close();
  assertEquals(await running.wire.line(), undefined);
});

Deno.test("abort ends the connection at once, and once", async () => {
  await using running = await Running.start();
  running.connection.abort();
  running.connection.abort();
  running.connection.close();
  running.connection.send("into the void\n");
  await running.end();
  assertEquals(await running.wire.line(), undefined);
});

Deno.test("a reset by the peer is not an error", async () => {
  await using running = await Running.start();
  running.connection.send("unread\n");
  await running.wire.write("1\n");
  await running.received(1);
  running.wire.close(); // over unread bytes: a reset
  await running.end();
});

Deno.test("an error in the receiver ends the connection, and run throws it", async () => {
  await using running = await Running.start();
  running.onLine = () => {
    throw new RangeError("a bug");
  };
  await running.wire.write("1\n");
  await assertRejects(() => running.end(), RangeError, "a bug");
  assertEquals(await running.wire.line(), undefined);
});

Deno.test("run throws the error of a write, unless it is a disconnection", async () => {
  await using running = await Running.start((conn) =>
    withWrite(conn, () => Promise.reject(new RangeError("a bug")))
  );
  running.connection.send("x\n");
  await assertRejects(() => running.end(), RangeError, "a bug");
});

Deno.test("a frame over the limit is a failure, after the lines before it", async () => {
  await using running = await Running.start();
  running.onFailure = () => running.connection.close();
  const filler = new Uint8Array(frameBytesMax).fill(120);
  await running.wire.write("good\n");
  await running.wire.write(filler);
  await eventually("the failure", () => running.failures.length > 0);
  assertEquals(running.failures.map(({ code }) => code), ["TOO_LARGE"]);
  assertEquals(running.lines, ["good"]);
});

/** A connection whose writes wait for `letGo`. Each line "big" gets an answer that stops reading. */
async function congested(): Promise<{ running: Running; letGo: () => void }> {
  const gate = Promise.withResolvers<void>();
  const running = await Running.start((conn) =>
    withWrite(conn, async (bytes) => {
      await gate.promise;
      return await conn.write(bytes);
    })
  );
  running.onLine = (line) => {
    if (line === "big") running.connection.send(`${"x".repeat(unsentPauseChars + 1)}\n`);
  };
  return { running, letGo: gate.resolve };
}

Deno.test("the requests of a peer that does not read answers wait until it reads them", async () => {
  const { running, letGo } = await congested();
  await using _ = running;
  await running.wire.write("big\nbig\nafter\n");
  await running.received(1);
  await running.wire.write("later\n");
  await eventually("a write that waits", () => running.lines.length <= 2);
  assert(!running.lines.includes("after"));
  letGo();
  for (let n = 0; n < 2; n++) await running.wire.line();
  assertEquals(await running.received(4), ["big", "big", "after", "later"]);
});

Deno.test("requests that wait for a peer to read are dropped when the connection ends", async () => {
  for (const end of ["close", "abort"] as const) {
    const { running, letGo } = await congested();
    await using _ = running;
    await running.wire.write("big\nbig\nafter\n");
    await running.received(1);
    running.connection[end]();
    letGo();
    running.wire.close();
    await running.end();
    assert(!running.lines.includes("after"));
  }
});

Deno.test("a connection between servers is read even if much is unsent", async () => {
  const { running, letGo } = await congested();
  await using _ = running;
  running.connection.betweenServers = true;
  await running.wire.write("big\nbig\nafter\n");
  await running.received(3);
  letGo();
});

Deno.test("a connection with too many requests in flight is not read until one is answered", async () => {
  const { near, wire } = await pair();
  const connection = new Connection(near, { ...connectionLimitsDefault, inFlightMax: 2 });
  const lines: string[] = [];
  const ended = connection.run({
    begin: () => {},
    receive: (line) => void lines.push(line),
    end: () => {},
    fail: () => {},
  });
  await wire.write("1\n2\n3\n4\n");
  await eventually("two lines", () => lines.length >= 2);
  assertEquals(lines, ["1", "2"]);
  connection.send("one\n");
  await eventually("a third line", () => lines.length >= 3);
  assertEquals(lines, ["1", "2", "3"]);
  connection.abort();
  wire.close();
  await ended;
});

Deno.test("more unsent text than the limit cuts the connection off", async () => {
  await using running = await Running.start();
  running.connection.betweenServers = true;
  running.connection.send("x".repeat(unsentCharsMax));
  assert(running.connection.open);
  running.connection.send("x");
  assert(!running.connection.open);
  await running.end();
});

Deno.test("a write that makes no progress for too long is cut off", async () => {
  await using running = await Running.start((conn) =>
    withWrite(conn, () => new Promise((_, reject) => stuck.push(reject)))
  );
  const stuck: ((error: Error) => void)[] = [];
  running.connection.send("x\n");
  await eventually("the write", () => stuck.length === 1);
  running.connection.sweep(0);
  running.connection.sweep(stalledWriteMs);
  assert(running.connection.open);
  running.connection.sweep(stalledWriteMs + 1);
  assert(!running.connection.open);
  stuck[0]!(new Deno.errors.BadResource("closed")); // as the socket would
  await running.end();
});

Deno.test("a slow reader that does read is not cut off", async () => {
  const stuck: (() => void)[] = [];
  await using running = await Running.start((conn) =>
    withWrite(conn, (bytes) => new Promise((resolve) => stuck.push(() => resolve(bytes.length))))
  );
  running.connection.send("1\n");
  await eventually("the first write", () => stuck.length === 1);
  running.connection.sweep(0);
  running.connection.send("2\n");
  stuck[0]!();
  await eventually("the second write", () => stuck.length === 2);
  running.connection.sweep(stalledWriteMs);
  running.connection.sweep(stalledWriteMs + 1);
  assert(running.connection.open);
  stuck[1]!();
});

Deno.test("half a frame that stays half is cut off", async () => {
  await using running = await Running.start();
  await running.wire.write("whole\nhalf");
  await running.received(1);
  running.connection.sweep(0);
  running.connection.sweep(halfFrameMs);
  assert(running.connection.open);
  running.connection.sweep(halfFrameMs + 1);
  assert(!running.connection.open);
  await running.end();
});

Deno.test("half a frame is not cut off while this end does not read", async () => {
  await using running = await Running.start();
  const answered = Promise.withResolvers<void>();
  running.onLine = () => answered.promise;
  await running.wire.write("whole\nhalf");
  await running.received(1);
  running.connection.sweep(0);
  running.connection.sweep(10 * halfFrameMs);
  assert(running.connection.open, "this end waits for the answer to the first line");
  await running.wire.write(" of it\n");
  answered.resolve();
  assertEquals(await running.received(2), ["whole", "half of it"]);
});

Deno.test("the first sweep cuts no connection off, even if it comes late", async () => {
  const late = 100 * Math.max(stalledWriteMs, finishMs);
  await using writing = await Running.start((conn) =>
    withWrite(conn, () => new Promise((_, reject) => stuck.push(reject)))
  );
  const stuck: ((error: Error) => void)[] = [];
  writing.connection.send("x\n");
  await eventually("the write", () => stuck.length === 1);
  writing.connection.sweep(late);
  assert(writing.connection.open);
  stuck[0]!(new Deno.errors.BrokenPipe());

  await using finishing = await Running.start();
  await finishing.wire.write("{}\n");
  await finishing.wire.closeWrite();
  await finishing.received(1);
  await eventually("it takes no more requests", () => !finishing.connection.open);
  finishing.connection.sweep(late);
  finishing.connection.send("answer\n");
  assertEquals(await finishing.wire.line(), "answer");
});

Deno.test("an idle connection is not cut off", async () => {
  await using running = await Running.start();
  await running.wire.write("whole\n");
  await running.received(1);
  running.connection.sweep(0);
  running.connection.sweep(100 * halfFrameMs);
  assert(running.connection.open);
});

Deno.test("the kernel is told to probe a plain connection, and to send small frames at once", async () => {
  const calls: string[] = [];
  await using _running = await Running.start((conn) =>
    new Proxy(conn, {
      get(target, name) {
        if (name === "setNoDelay" || name === "setKeepAlive") {
          return (on: boolean) => calls.push(`${name} ${on}`);
        }
        const member = Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    })
  );
  assertEquals(calls.sort(), ["setKeepAlive true", "setNoDelay true"]);
});

Deno.test("frames are short until the peer has proved what it must", async () => {
  const line = "x".repeat(unprovenFrameBytesMax);
  await using running = await Running.start();
  running.connection.unproven = true;
  running.onLine = (line) => {
    if (line === "proof") running.connection.unproven = false;
  };
  await running.wire.write(`${line.slice(1)}\nproof\n${line}\n`);
  assertEquals(await running.received(3), [line.slice(1), "proof", line]);
  await using strict = await Running.start();
  strict.connection.unproven = true;
  strict.onFailure = () => strict.connection.abort();
  await strict.wire.write(`${line}\n`);
  await strict.end();
  assertEquals([strict.lines, strict.failures.map(({ code }) => code)], [[], ["TOO_LARGE"]]);
  assertLess(strict.connection.heldBytes, 2 * unprovenFrameBytesMax);
});

Deno.test("what a connection holds is small again after a long frame, and counted before", async () => {
  await using running = await Running.start();
  const gate = Promise.withResolvers<void>();
  running.onLine = () => gate.promise;
  const bytes = 1_000_000;
  await running.wire.write("x".repeat(bytes));
  await eventually("it is counted", () => running.connection.heldBytes >= bytes);
  await running.wire.write("\n");
  await running.received(1);
  assert(running.connection.heldBytes >= bytes, "a line that waits is counted");
  gate.resolve();
  await eventually("most is given back", () => running.connection.heldBytes === longBufferBytes);
  for (let n = 2; n <= shortReadsMax + 2; n++) {
    await running.wire.write("short\n");
    await running.received(n);
  }
  await eventually("the rest too", () => running.connection.heldBytes === bufferBytesKept);
});

Deno.test("the buffer of a client that sent many short lines is bounded and counted", async () => {
  await using running = await Running.start();
  running.onLine = () => running.connection.send("answer\n");
  await running.wire.write("line\n".repeat(50_000));
  await running.received(50_000);
  await eventually("all is written", () => running.connection.unsentChars === 0);
  const { heldBytes } = running.connection;
  assert(heldBytes >= 256 && heldBytes <= bufferBytesKept, `${heldBytes} bytes`);
});

Deno.test("sweep tells of a peer that proves nothing, and of one that is idle", async () => {
  await using running = await Running.start(undefined, { proofMs: 100, idleMs: 300 });
  const { connection, wire } = running;
  connection.unproven = true;
  assertEquals([0, 100, 101].map((now) => connection.sweep(now)), [
    undefined,
    undefined,
    "unproven",
  ]);
  connection.unproven = false;
  connection.push("hello\n");
  assertEquals(await wire.line(), "hello");
  assertEquals([1_000, 1_300, 1_301].map((now) => connection.sweep(now)), [
    undefined,
    undefined,
    "idle",
  ]);
  // An answer is due: the peer waits, it is not idle.
  await wire.write("request\n");
  await running.received(1);
  assertEquals([2_000, 9_000].map((now) => connection.sweep(now)), [undefined, undefined]);
  connection.send("answer\n");
  assertEquals(await wire.line(), "answer");
  assertEquals([9_001, 9_301].map((now) => connection.sweep(now)), [undefined, undefined]);
  // Frames that are pushed to an observer count as well.
  connection.push("event\n");
  assertEquals(await wire.line(), "event");
  assertEquals([9_302, 9_602].map((now) => connection.sweep(now)), [undefined, undefined]);
  connection.betweenServers = true;
  assertEquals([20_000, 90_000].map((now) => connection.sweep(now)), [undefined, undefined]);
  assert(connection.open, "sweep leaves the end to the owner");
});

Deno.test("a peer that sends costly lines without end leaves turns to the others", async () => {
  await using greedy = await Running.start();
  await using modest = await Running.start();
  let turns = 0;
  greedy.onLine = () => greedy.connection.spend(turnCharsMax);
  modest.onLine = () => modest.connection.send(`${turns}\n`);
  const counter = setInterval(() => turns++, 1);
  const count = 200;
  await greedy.wire.write(`${"costly".padEnd(1_000)}\n`.repeat(count));
  await greedy.received(1);
  await modest.wire.write("cheap\n");
  await modest.wire.line();
  const done = greedy.lines.length;
  await greedy.received(count);
  clearInterval(counter);
  assertLess(done, count / 2, "another peer is answered long before");
  assertLess(3, turns, "and timers have run");
});

Deno.test("peers that have proved nothing, and those whose bytes are dropped, leave turns to the others", async () => {
  let turns = 0;
  const counter = setInterval(() => turns++, 1);
  await using unproven = await Running.start();
  unproven.connection.unproven = true;
  const lines = 10 * strangerCharsMax / strangerLineChars;
  await unproven.wire.write("x\n".repeat(lines));
  await unproven.received(lines);
  assertLess(5, turns, "for lines");
  await using closed = await Running.start();
  closed.connection.close();
  turns = 0;
  await closed.wire.write("x".repeat(10 * strangerCharsMax));
  await closed.wire.closeWrite();
  await closed.end();
  clearInterval(counter);
  assertLess(5, turns, "for bytes");
});
