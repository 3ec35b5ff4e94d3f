/** Frames of HTTP/2 that no etcd sends: every request ends in its time, and nothing is left open. */

import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { EtcdClient } from "../../lib/etcd/client.ts";
import { EtcdError } from "../../lib/etcd/errors.ts";
import { message } from "../../lib/etcd/protobuf.ts";
import { anyPort } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";

/** The time limit of a request. */
const limitMs = 300;
/** Longer than any request needs, even on a busy machine. */
const soonMs = 5_000;

const encoder = new TextEncoder();
const prefaceBytes = 24;
const headBytes = 9;
const [data, headers, reset, settings, ping, goAway, windowUpdate, continuation] = [
  ...[0, 1, 3, 4, 6, 7, 8, 9],
] as [number, number, number, number, number, number, number, number];
const [endStream, endHeaders] = [1, 4];

function number(value: number): Uint8Array {
  const four = new Uint8Array(4);
  new DataView(four.buffer).setUint32(0, value);
  return four;
}

function frame(type: number, flags: number, stream: number, ...content: Uint8Array[]): Uint8Array {
  const body = message(...content);
  return message(number(body.length).subarray(1), Uint8Array.of(type, flags), number(stream), body);
}

/** A header, as HPACK writes one that it does not remember. */
function header(name: string, value: string): Uint8Array {
  const part = (text: string) => message(Uint8Array.of(text.length), encoder.encode(text));
  return message(Uint8Array.of(0), part(name), part(value));
}

const status200 = Uint8Array.of(0x88);

/** A server that answers each request with frames of the test's choice. */
class FrameServer implements AsyncDisposable {
  /** The number of open connections. */
  open = 0;
  readonly #listener = Deno.listen({ ...anyPort });
  readonly #tasks: Promise<void>[] = [];
  readonly #first: Uint8Array;
  readonly #answer: (stream: number) => Uint8Array | undefined;

  /** Sends `first` on each connection, and what `answer` returns for each request; no more after `undefined`. */
  constructor(first: Uint8Array, answer: (stream: number) => Uint8Array | undefined) {
    this.#first = first;
    this.#answer = answer;
    this.#tasks.push(this.#accept());
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) this.#tasks.push(this.#serve(conn));
    } catch {
      // The listener is closed.
    }
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    this.open++;
    try {
      await this.#send(conn, this.#first);
      let got = new Uint8Array(0);
      let skipped = false;
      const bytes = new Uint8Array(64 * 1024);
      for (let n = await conn.read(bytes); n !== null; n = await conn.read(bytes)) {
        got = message(got, bytes.subarray(0, n));
        if (!skipped && got.length < prefaceBytes) continue;
        if (!skipped) got = got.slice(prefaceBytes);
        skipped = true;
        while (got.length >= headBytes) {
          const view = new DataView(got.buffer);
          const length = view.getUint32(0) >>> 8;
          if (got.length < headBytes + length) break;
          const [type, stream] = [got[3], view.getUint32(5)];
          got = got.slice(headBytes + length);
          if (type !== headers) continue;
          const answer = this.#answer(stream);
          if (answer === undefined) return;
          await this.#send(conn, answer);
        }
      }
    } catch {
      // The other end has closed the connection.
    } finally {
      this.open--;
      conn.close();
    }
  }

  async #send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Promise.all(this.#tasks);
  }
}

const usual = frame(settings, 0, 0);
const nothing = new Uint8Array(0);
const answered = (stream: number) => frame(headers, endHeaders, stream, status200);
const many = (count: number, one: Uint8Array) => message(...new Array(count).fill(one));
const flood = header("x", "y".repeat(100));

const hostile: readonly (readonly [
  what: string,
  first: Uint8Array,
  answer: (stream: number) => Uint8Array | undefined,
])[] = [
  ["never answers", usual, () => nothing],
  ["closes the connection", usual, () => undefined],
  ["sends no settings", nothing, () => nothing],
  ["allows no stream", frame(settings, 0, 0, Uint8Array.of(0, 3, 0, 0, 0, 0)), () => nothing],
  ["allows no data", frame(settings, 0, 0, Uint8Array.of(0, 4, 0, 0, 0, 0)), () => nothing],
  ["goes away at once", message(usual, frame(goAway, 0, 0, number(0), number(0))), () => nothing],
  ["goes away, with no error", usual, () => frame(goAway, 0, 0, number(0), number(0))],
  ["goes away, with an error", usual, () => frame(goAway, 0, 0, number(0), number(11))],
  [
    "goes away but keeps the stream",
    usual,
    (stream) => frame(goAway, 0, 0, number(stream), number(0)),
  ],
  ...[0, 1, 2, 7, 8, 11, 4_294_967_295].map((code) =>
    [
      `resets the stream with ${code}`,
      usual,
      (stream: number) => frame(reset, 0, stream, number(code)),
    ] as const
  ),
  [
    "ends the stream without a status",
    usual,
    (stream) => message(answered(stream), frame(data, endStream, stream)),
  ],
  ["sends a status that is no number", usual, (stream) =>
    frame(
      headers,
      endHeaders | endStream,
      stream,
      status200,
      header("grpc-status", "x"),
      header("grpc-message", "%"),
    )],
  ["sends two answers", usual, (stream) => message(answered(stream), answered(stream))],
  ["sends data without headers", usual, (stream) => frame(data, 0, stream, number(0))],
  ["sends data of another stream", usual, (stream) => frame(data, 0, stream + 2, number(0))],
  [
    "sends 10,000 empty frames",
    usual,
    (stream) => message(answered(stream), many(10_000, frame(data, 0, stream))),
  ],
  ["sends 10,000 pings", usual, () => many(10_000, frame(ping, 0, 0, number(0), number(0)))],
  ["sends 10,000 settings", usual, () => many(10_000, usual)],
  ["sends headers without an end", usual, (stream) =>
    message(
      frame(headers, 0, stream, status200),
      many(5_000, frame(continuation, 0, stream, flood)),
    )],
  [
    "sends very many headers",
    usual,
    (stream) => frame(headers, endHeaders, stream, status200, many(150, flood)),
  ],
  [
    "opens the window too far",
    usual,
    (stream) => many(2, frame(windowUpdate, 0, stream, number(2 ** 31 - 1))),
  ],
  [
    "sends a frame that is too long",
    usual,
    (stream) => frame(data, 0, stream, new Uint8Array(100_000)),
  ],
  ["sends more than the window", usual, (stream) =>
    message(
      answered(stream),
      many(400, frame(data, 0, stream, Uint8Array.of(0, 0, 0, 0, 0), new Uint8Array(16_000))),
    )],
];

for (const [what, first, answer] of hostile) {
  Deno.test(`a server that ${what} holds no request up, and no connection is left`, async () => {
    await using server = new FrameServer(first, answer);
    {
      using client = new EtcdClient({ url: server.url, prefix: "kv/" });
      for (const value of ["azul", "x".repeat(1_000_000)]) {
        const startMs = performance.now();
        const error = await assertRejects(
          () => client.write({ key: "cor", value }, limitMs),
          EtcdError,
        );
        assertLess(performance.now() - startMs, soonMs);
        assert(error.kind !== "no leader", error.message);
        client.renew();
      }
      const failed = new AbortController();
      const watch = client.watch(() => 1, limitMs, failed.signal, () => {});
      await assertRejects(() => watch, EtcdError);
      client.renew();
      await eventually("no connection is left", () => server.open === 0);
    }
    assertEquals(server.open, 0);
  });
}
