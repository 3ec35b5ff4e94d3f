/**
 * A load client that costs little, the same for all systems.
 *
 * It calls the sockets and `epoll` of Linux directly. A client on `conn.read` costs as much as a
 * server, and it pauses with about 150 busy connections or more. It would halve each figure.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a part of the runtime
import { setImmediate } from "node:timers/promises";
import { Histogram } from "../histogram.ts";
import type { Replies } from "./replies.ts";

/** The requests to a system and their replies. */
export interface Exchange {
  /** The port on 127.0.0.1. */
  readonly port: number;
  /** The bytes before the first request of a connection. */
  readonly hello?: Uint8Array<ArrayBuffer>;
  /** The requests. Each connection sends them in this order, but starts at another one. */
  readonly requests: readonly Uint8Array<ArrayBuffer>[];
  /** Makes the counter of replies for a connection. */
  readonly replies: () => Replies;
}

/** The load and its duration. */
export interface Effort {
  /** The number of connections. */
  readonly connections: number;
  /** The requests in flight on each. */
  readonly inFlight: number;
  /** The time before the measurement, in milliseconds. */
  readonly warmUpMs: number;
  /** The time of the measurement, in milliseconds. */
  readonly durationMs: number;
  /** The number of replies that ends it early. */
  readonly repliesMax?: number;
  /** Ends it early, with an error. */
  readonly signal: AbortSignal;
}

/** The result of a measurement. */
export interface Outcome {
  /** Replies per second. */
  readonly rate: number;
  /** The latencies from sending to reply. */
  readonly latencies: Histogram;
}

/** The size of the buffers for sending and receiving. Longer requests are sent from their own memory. */
const bytesMax = 256 * 1024;
const eventsMax = 256;
/** The longest wait for a reply on any connection. */
const silenceMsMax = 5_000;
/** How often the event loop may handle signals and processes. */
const turnMs = 100;
// AF_INET, SOCK_STREAM, IPPROTO_TCP, … in the headers of the system.
const [afInet, sockStream, ipprotoTcp, tcpNodelay] = [2, 1, 6, 1];
const [epollCtlAdd, epollCtlMod, epollIn, epollOut, msgDontwait] = [1, 3, 1, 4, 0x40];
/** The size of an event and the offset of its data. It is packed on x86-64. */
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
  /** The send times of requests in flight, in milliseconds: a ring, the oldest at `answered`. */
  readonly sentMs: Float64Array;
  sent: number;
  answered: number;
  /** The index of the next request. */
  next: number;
  /** What the socket had no room for yet, in its order. */
  readonly unsent: Uint8Array<ArrayBuffer>[];
}

/** The client. It blocks the event loop during a measurement. */
export class Client implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", symbols);
  readonly #received = new Uint8Array(bytesMax);
  readonly #sending = new Uint8Array(bytesMax);

  [Symbol.dispose](): void {
    this.#libc.close();
  }

  /**
   * Sends requests for some time, the next one after each reply.
   *
   * @throws {Error} if a system closes a connection, sends a wrong reply, or none for seconds.
   */
  async measure(exchange: Exchange, effort: Effort): Promise<Outcome> {
    const { epoll_create1, close } = this.#libc.symbols;
    const epoll = checked("epoll_create1", epoll_create1(0));
    const wires = new Map<number, Wire>();
    try {
      for (let n = 0; n < effort.connections; n++) {
        const wire = this.#connect(epoll, exchange, effort.inFlight);
        // The starts are far apart, so that the connections do not request the same keys.
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
    for (const wire of wires.values()) {
      this.#ask(epoll, wire, requests, inFlight, performance.now());
    }
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
        const happened = view.getUint32(n * eventBytes, true);
        if ((happened & epollOut) !== 0) this.#sendRest(epoll, wire);
        if (happened === epollOut) continue;
        const replies = this.#receive(wire);
        const atMs = performance.now();
        for (let reply = 0; reply < replies; reply++) {
          const sentMs = wire.sentMs[wire.answered++ % wire.sentMs.length]!;
          if (atMs >= fromMs && atMs < endMs) latencies.record((atMs - sentMs) * 1000);
        }
        if (replies > 0) this.#ask(epoll, wire, requests, replies, atMs);
      }
    }
    return { rate: latencies.count / (durationMs / 1000), latencies };
  }

  #connect(epoll: number, { port, hello, replies }: Exchange, inFlight: number): Wire {
    const { socket, connect, setsockopt } = this.#libc.symbols;
    const file = checked("socket", socket(afInet, sockStream, 0));
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, afInet, true);
    view.setUint16(2, port);
    address.set([127, 0, 0, 1], 4);
    checked(`connect to port ${port}`, connect(file, address, address.length));
    const on = new Uint8Array([1, 0, 0, 0]);
    checked("setsockopt", setsockopt(file, ipprotoTcp, tcpNodelay, on, on.length));
    this.#watch(epoll, epollCtlAdd, file, epollIn);
    const sentMs = new Float64Array(inFlight);
    const wire = { file, replies: replies(), sentMs, sent: 0, answered: 0, next: 0, unsent: [] };
    if (hello !== undefined) this.#send(epoll, wire, hello);
    return wire;
  }

  /** Waits for these events of a socket from now on. */
  #watch(epoll: number, operation: number, file: number, events: number): void {
    const event = new Uint8Array(eventBytes);
    const view = new DataView(event.buffer);
    view.setUint32(0, events, true);
    view.setInt32(dataAt, file, true);
    checked("epoll_ctl", this.#libc.symbols.epoll_ctl(epoll, operation, file, event));
  }

  /** Sends requests, small ones in one write. */
  #ask(
    epoll: number,
    wire: Wire,
    requests: Exchange["requests"],
    count: number,
    nowMs: number,
  ): void {
    let bytes = 0;
    const sendGathered = () => {
      if (bytes > 0) this.#send(epoll, wire, this.#sending.subarray(0, bytes));
      bytes = 0;
    };
    for (let n = 0; n < count; n++) {
      const request = requests[wire.next++ % requests.length]!;
      wire.sentMs[wire.sent++ % wire.sentMs.length] = nowMs;
      if (bytes + request.length > bytesMax) sendGathered();
      if (request.length > bytesMax) this.#send(epoll, wire, request);
      else {
        this.#sending.set(request, bytes);
        bytes += request.length;
      }
    }
    sendGathered();
  }

  /** Sends bytes. What the socket has no room for is sent later. */
  #send(epoll: number, wire: Wire, bytes: Uint8Array<ArrayBuffer>): void {
    const sent = wire.unsent.length > 0 ? 0 : this.#sendSome(wire, bytes);
    if (sent === bytes.length) return;
    const isShared = bytes.buffer === this.#sending.buffer;
    wire.unsent.push(isShared ? bytes.slice(sent) : bytes.subarray(sent));
    if (wire.unsent.length === 1) this.#watch(epoll, epollCtlMod, wire.file, epollIn | epollOut);
  }

  #sendRest(epoll: number, wire: Wire): void {
    for (let first = wire.unsent[0]; first !== undefined; first = wire.unsent[0]) {
      const sent = this.#sendSome(wire, first);
      if (sent < first.length) {
        wire.unsent[0] = first.subarray(sent);
        return;
      }
      wire.unsent.shift();
    }
    this.#watch(epoll, epollCtlMod, wire.file, epollIn);
  }

  /** Returns how many bytes were sent. A lost connection is noticed by the next read. */
  #sendSome({ file }: Wire, bytes: Uint8Array<ArrayBuffer>): number {
    const sent = this.#libc.symbols.send(file, bytes, BigInt(bytes.length), msgDontwait);
    return Math.max(0, Number(sent));
  }

  #receive(wire: Wire): number {
    const { recv } = this.#libc.symbols;
    const count = Number(recv(wire.file, this.#received, BigInt(bytesMax), msgDontwait));
    if (count <= 0) throw new Error("the system has closed the connection");
    return wire.replies.count(this.#received.subarray(0, count));
  }
}

function checked(what: string, result: number): number {
  if (result < 0) throw new Error(`${what} has failed`);
  return result;
}
