/**
 * A lean load client for any of the peers.
 *
 * It calls the system's own sockets and `epoll` (Linux). A client on `conn.read` costs as much as the
 * servers that it measures, and has pauses of its own from about 150 busy connections on: half of
 * each figure would be its own.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- it is of the runtime itself
import { setImmediate } from "node:timers/promises";
import { Histogram } from "../histogram.ts";
import type { Replies } from "./replies.ts";

/** What is asked of a peer. */
export interface Exchange {
  /** Where it listens on this machine. */
  readonly port: number;
  /** What a connection begins with, before the first request. */
  readonly hello?: Uint8Array<ArrayBuffer>;
  /** The requests; each connection takes them in turn, from a place of its own. */
  readonly requests: readonly Uint8Array<ArrayBuffer>[];
  /** Counts the replies on a new connection. */
  readonly replies: () => Replies;
}

/** How many ask, and for how long. */
export interface Effort {
  /** Connections. */
  readonly connections: number;
  /** Requests without an answer on each. */
  readonly inFlight: number;
  /** What is answered before does not count, in milliseconds. */
  readonly warmUpMs: number;
  /** How long it counts, in milliseconds. */
  readonly durationMs: number;
  /** So many replies end it earlier. */
  readonly repliesMax?: number;
  /** Ends it early, with an error. */
  readonly signal: AbortSignal;
}

/** What came of it. */
export interface Outcome {
  /** Replies per second. */
  readonly rate: number;
  /** From sending to reply, in microseconds. */
  readonly latencies: Histogram;
}

const bytesMax = 256 * 1024;
const eventsMax = 256;
/** No reply on any connection for this long: the peer hangs. */
const silenceMsMax = 5_000;
/** Signals and processes get their turn that often. */
const turnMs = 100;
// What the system's headers call AF_INET, SOCK_STREAM, IPPROTO_TCP, …
const [afInet, sockStream, ipprotoTcp, tcpNodelay] = [2, 1, 6, 1];
const [epollCtlAdd, epollIn, msgDontwait] = [1, 1, 0x40];
/** The size of an event, and where its data is: packed on x86-64. */
const [eventBytes, dataAt] = Deno.build.arch === "x86_64" ? [12, 4] : [16, 8];

const symbols = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
} as const;

/** One connection. */
interface Wire {
  readonly file: number;
  readonly replies: Replies;
  /** When the requests without an answer were sent, in milliseconds: a ring, oldest at #answered. */
  readonly sentMs: Float64Array;
  sent: number;
  answered: number;
  /** Which request is next. */
  next: number;
}

/** The client. It is the only one who uses the event loop while it measures. */
export class Client implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", symbols);
  readonly #received = new Uint8Array(bytesMax);
  readonly #sending = new Uint8Array(bytesMax);

  [Symbol.dispose](): void {
    this.#libc.close();
  }

  /**
   * Asks for some time, each answer at once followed by the next request.
   *
   * @throws {Error} where a peer hangs up, says something wrong or nothing for seconds.
   */
  async measure(exchange: Exchange, effort: Effort): Promise<Outcome> {
    const { epoll_create1, close } = this.#libc.symbols;
    const epoll = positive("epoll_create1", epoll_create1(0));
    const wires = new Map<number, Wire>();
    try {
      for (let n = 0; n < effort.connections; n++) {
        const wire = this.#connect(epoll, exchange, effort.inFlight);
        // Places far from each other, so that no key is asked for by all at once.
        wire.next = Math.floor(n * exchange.requests.length / effort.connections);
        wires.set(wire.file, wire);
      }
      return await this.#run(epoll, wires, exchange, effort);
    } finally {
      for (const file of wires.keys()) close(file);
      close(epoll);
    }
  }

  async #run(
    epoll: number,
    wires: ReadonlyMap<number, Wire>,
    { requests }: Exchange,
    { inFlight, warmUpMs, durationMs, repliesMax = Infinity, signal }: Effort,
  ): Promise<Outcome> {
    const events = new Uint8Array(eventBytes * eventsMax);
    const view = new DataView(events.buffer);
    const latencies = new Histogram();
    const fromMs = performance.now() + warmUpMs;
    const endMs = fromMs + durationMs;
    for (const wire of wires.values()) this.#ask(wire, requests, inFlight, performance.now());
    let turnAtMs = 0;
    while (true) {
      const nowMs = performance.now();
      if (nowMs >= endMs || latencies.count >= repliesMax) break;
      if (nowMs >= turnAtMs) {
        turnAtMs = nowMs + turnMs;
        await setImmediate();
        signal.throwIfAborted();
      }
      const count = this.#libc.symbols.epoll_wait(epoll, events, eventsMax, silenceMsMax);
      if (count === 0) throw new Error(`no reply for ${silenceMsMax} ms`);
      for (let n = 0; n < count; n++) {
        const wire = wires.get(view.getInt32(n * eventBytes + dataAt, true))!;
        const replies = this.#receive(wire);
        const atMs = performance.now();
        for (let reply = 0; reply < replies; reply++) {
          const sentMs = wire.sentMs[wire.answered++ % wire.sentMs.length]!;
          if (atMs >= fromMs && atMs < endMs) latencies.record((atMs - sentMs) * 1000);
        }
        if (replies > 0) this.#ask(wire, requests, replies, atMs);
      }
    }
    return { rate: latencies.count / (durationMs / 1000), latencies };
  }

  #connect(epoll: number, { port, hello, replies }: Exchange, inFlight: number): Wire {
    const { socket, connect, setsockopt, epoll_ctl } = this.#libc.symbols;
    const file = positive("socket", socket(afInet, sockStream, 0));
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, afInet, true);
    view.setUint16(2, port);
    address.set([127, 0, 0, 1], 4);
    positive(`connect to port ${port}`, connect(file, address, address.length));
    const on = new Uint8Array([1, 0, 0, 0]);
    positive("setsockopt", setsockopt(file, ipprotoTcp, tcpNodelay, on, on.length));
    const event = new Uint8Array(eventBytes);
    new DataView(event.buffer).setUint32(0, epollIn, true);
    new DataView(event.buffer).setInt32(dataAt, file, true);
    positive("epoll_ctl", epoll_ctl(epoll, epollCtlAdd, file, event));
    if (hello !== undefined) this.#send(file, hello, hello.length);
    const sentMs = new Float64Array(inFlight);
    return { file, replies: replies(), sentMs, sent: 0, answered: 0, next: 0 };
  }

  /** Sends so many requests in one write. They are small: the socket always has room for them. */
  #ask(wire: Wire, requests: Exchange["requests"], count: number, nowMs: number): void {
    let bytes = 0;
    for (let n = 0; n < count; n++) {
      const request = requests[wire.next++ % requests.length]!;
      this.#sending.set(request, bytes);
      bytes += request.length;
      wire.sentMs[wire.sent++ % wire.sentMs.length] = nowMs;
    }
    this.#send(wire.file, this.#sending, bytes);
  }

  #send(file: number, buffer: Uint8Array<ArrayBuffer>, bytes: number): void {
    const sent = Number(this.#libc.symbols.send(file, buffer, BigInt(bytes), msgDontwait));
    if (sent !== bytes) throw new Error(`sent ${sent} of ${bytes} bytes`);
  }

  #receive(wire: Wire): number {
    const { recv } = this.#libc.symbols;
    const count = Number(recv(wire.file, this.#received, BigInt(bytesMax), msgDontwait));
    if (count <= 0) throw new Error("the peer has closed the connection");
    return wire.replies.count(this.#received.subarray(0, count));
  }
}

function positive(what: string, result: number): number {
  if (result < 0) throw new Error(`${what} has failed`);
  return result;
}
