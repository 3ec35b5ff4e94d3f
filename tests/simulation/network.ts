/**
 * A network and a clock that only exist in memory: connections carry bytes, late, in pieces, or not
 * at all.
 *
 * Within one direction of one connection bytes arrive once and in order, as with TCP, until the
 * connection breaks. Two connections have no order between them.
 */

import type { FrameError } from "../../lib/mensagem.ts";
import { longValueChars } from "../../lib/wire/long_value.ts";
import { FrameReader, type LongLines } from "../../lib/wire/line_reader.ts";
import type { HandledConnection } from "../../lib/server/server_context.ts";
import type { Random } from "../support/random.ts";
import { type Frames, textOf } from "../../lib/wire/frames.ts";

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Simulated time. It jumps from one event to the next. */
export class Clock {
  /** Simulated milliseconds since the start. */
  now = 0;
  /** A binary heap by time, then by the order in which the events were made. */
  readonly #heap: Event[] = [];
  #order = 0;
  readonly #endOfTurn: (() => void)[] = [];

  /** Runs an action `ms` milliseconds from now. */
  after(ms: number, run: () => void): void {
    const event = { at: this.now + ms, order: this.#order++, run };
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  /** Runs an action at the end of the present event. */
  atEndOfTurn(run: () => void): void {
    this.#endOfTurn.push(run);
  }

  /** Lets time pass. */
  runUntil(until: number): void {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= until) {
      const { at, run } = this.#take();
      this.now = at;
      run();
      for (let last = this.#endOfTurn.pop(); last !== undefined; last = this.#endOfTurn.pop()) {
        last();
      }
    }
    this.now = until;
  }

  #take(): Event {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A machine with at most one living process. */
export interface Host {
  /** Its IP address. */
  readonly ip: string;
  /** The process stands still until this time. */
  readonly stopUntil: number;
  /** What arrives is read this much later. */
  readonly readDelayMs: number;
}

/** A process that has ends of connections. */
export interface Process {
  /** Lines that arrived together, and the bytes of the long ones. */
  receive(link: Endpoint, lines: string[], failure?: FrameError, longLines?: LongLines): void;
  /** The other end has closed, or the connection broke. */
  ended(link: Endpoint): void;
}

const encoder = new TextEncoder();
/** Whole frames travel as text, which becomes bytes when it is read. A part of a frame is bytes. */
type Chunk = string | Uint8Array;

function bytesOf(chunk: Chunk): Uint8Array {
  return typeof chunk === "string" ? encoder.encode(chunk) : chunk;
}

/** What was lost in a cut is sent again within this time after it. */
const resendMsMax = 100;

/** One end of a simulated connection. */
export class Endpoint implements HandledConnection {
  betweenServers = false;
  readonly unsentChars = 0;
  readonly local = "";
  readonly peer: string;
  readonly host: Host;
  /** The other end. */
  other!: Endpoint;
  /** Whether this end sends and receives. `false` once it is closed or its process is dead. */
  open = true;
  /** Called with the frames that this end sends together. */
  onSend: ((frames: string) => void) | undefined;
  readonly #network: Network;
  readonly #process: Process;
  readonly #reader = new FrameReader();
  #unsent = "";
  #flushing = false;
  /**
   * Chunks on their way to this end, in order, with their times of arrival. `undefined` ends the
   * stream.
   */
  readonly #inbox: { chunk: Chunk | undefined; at: number }[] = [];
  #pumping = false;

  constructor(network: Network, host: Host, peer: string, process: Process) {
    this.#network = network;
    this.host = host;
    this.peer = peer;
    this.#process = process;
  }

  send(parts: Frames): void {
    if (!this.open) return;
    const frames = textOf(parts);
    this.onSend?.(frames);
    this.#unsent += frames;
    if (this.#flushing) return;
    this.#flushing = true;
    const { clock, random } = this.#network;
    // Usually with the turn; now and then later, so that frames of several turns share a chunk.
    if (random.chance(0.1)) clock.after(random.next() * 5, () => this.#flush());
    else clock.atEndOfTurn(() => this.#flush());
  }

  push(frames: string): void {
    this.send(frames);
  }

  close(): void {
    if (!this.open) return;
    this.#flush();
    this.open = false;
    this.other.arrive(undefined);
    this.#network.clock.after(0, () => this.#process.ended(this));
  }

  /** The process dies: what it sent may be lost from any byte on, and what was sent to it is lost. */
  break(): void {
    this.open = false;
    this.other.cut();
  }

  /** Loses some of what is on its way to this end, from any byte on, and ends the stream there. */
  cut(): void {
    const { random } = this.#network;
    if (this.#inbox.length > 0) {
      const kept = random.between(0, this.#inbox.length - 1);
      const last = this.#inbox[kept]!;
      this.#inbox.length = kept + 1;
      if (last.chunk !== undefined) {
        const bytes = bytesOf(last.chunk);
        last.chunk = bytes.subarray(0, random.between(0, bytes.length));
      }
    }
    this.arrive(undefined);
  }

  /** Bytes begin their way to this end. */
  arrive(chunk: Chunk | undefined): void {
    if (!this.open) return;
    const { clock, random } = this.#network;
    const delay = random.chance(0.05) ? random.next() * 60 : 1 + random.next() * 4;
    const last = this.#inbox.at(-1)?.at ?? 0;
    this.#inbox.push({ chunk, at: Math.max(last, clock.now + delay + this.host.readDelayMs) });
    if (!this.#pumping) this.#pumpAt(this.#inbox[0]!.at);
  }

  #pumpAt(at: number): void {
    this.#pumping = true;
    this.#network.clock.after(Math.max(0, at - this.#network.clock.now), () => this.#pump());
  }

  #pump(): void {
    this.#pumping = false;
    const { clock, random } = this.#network;
    const blockedUntil = this.#network.blockedUntil(this.other.host, this.host);
    // TCP sends again only after a pause. A new connection may be faster than one that was cut.
    if (blockedUntil > clock.now) return this.#pumpAt(blockedUntil + random.next() * resendMsMax);
    if (this.host.stopUntil > clock.now) return this.#pumpAt(this.host.stopUntil);
    while (this.open && this.#inbox.length > 0 && this.#inbox[0]!.at <= clock.now) {
      const { chunk } = this.#inbox.shift()!;
      if (chunk === undefined) {
        this.open = false;
        this.#process.ended(this);
        return;
      }
      this.#read(chunk);
    }
    if (this.open && this.#inbox.length > 0) this.#pumpAt(this.#inbox[0]!.at);
  }

  /**
   * Reads as much at a time as the reader has room for, as from a socket. Short whole frames need no
   * reader: they are lines already.
   */
  #read(chunk: Chunk): void {
    const { partialBytes } = this.#reader;
    if (typeof chunk === "string" && partialBytes === 0 && chunk.length < longValueChars) {
      return this.#process.receive(this, chunk.slice(0, -1).split("\n"));
    }
    for (let start = 0; start < chunk.length && this.open;) {
      const { space } = this.#reader;
      let written: number;
      if (typeof chunk === "string") {
        const encoded = encoder.encodeInto(start === 0 ? chunk : chunk.slice(start), space);
        // No room for the next character: as if the system had split it.
        if (encoded.written === 0) return this.#read(encoder.encode(chunk.slice(start)));
        start += encoded.read;
        written = encoded.written;
      } else {
        const part = chunk.subarray(start, start + space.length);
        space.set(part);
        start += written = part.length;
      }
      const lines = this.#reader.push(written);
      const { failure, longLines } = this.#reader;
      if (lines.length > 0 || failure !== undefined) {
        this.#process.receive(this, lines, failure, longLines);
      }
    }
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.open || this.#unsent === "") return;
    const text = this.#unsent;
    this.#unsent = "";
    const { random } = this.#network;
    if (!random.chance(0.2)) return this.other.arrive(text);
    const bytes = bytesOf(text);
    const middle = random.between(0, bytes.length);
    this.other.arrive(bytes.subarray(0, middle));
    this.other.arrive(bytes.subarray(middle));
  }
}

/** All connections, and the ways between hosts that are blocked. */
export class Network {
  readonly clock: Clock;
  readonly random: Random;
  /** Connections that were made, newest last. */
  readonly connections: Endpoint[] = [];
  /** The time until which nothing gets from one host to another, by "from>to". */
  readonly #blocked = new Map<string, number>();
  #nextPort = 40_000;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** Lets nothing through from one host to another. */
  block(from: Host, to: Host, until: number): void {
    const way = `${from.ip}>${to.ip}`;
    this.#blocked.set(way, Math.max(until, this.#blocked.get(way) ?? 0));
  }

  /** The time until which nothing gets from one host to another; 0 if the way is free. */
  blockedUntil(from: Host, to: Host): number {
    return this.#blocked.size === 0 ? 0 : this.#blocked.get(`${from.ip}>${to.ip}`) ?? 0;
  }

  /** Ends all blocks. */
  heal(): void {
    this.#blocked.clear();
  }

  /** Connects two processes. Returns both ends, the caller's first. */
  connect(
    caller: Host,
    callerProcess: Process,
    callee: Host,
    calleeAddress: string,
    calleeProcess: Process,
  ): [Endpoint, Endpoint] {
    const near = new Endpoint(this, caller, calleeAddress, callerProcess);
    const far = new Endpoint(this, callee, `${caller.ip}:${this.#nextPort++}`, calleeProcess);
    near.other = far;
    far.other = near;
    this.connections.push(near);
    return [near, far];
  }
}
