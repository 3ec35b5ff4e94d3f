/**
 * One TCP connection that carries frames.
 *
 * @module
 */

import { deferred } from "../deferred.ts";
import { type Address, formatAddress, unmapped } from "../wire/address.ts";
import type { FrameError } from "../wire/errors.ts";
import type { Frames } from "../wire/frames.ts";
import { FrameReader } from "../wire/line_reader.ts";
import { frameBytesMax, inFlightMax, lingerMs } from "../limits.ts";
import type { Certificate } from "./certificate.ts";
import { FrameWriter } from "./frame_writer.ts";
import { LongBuffer } from "./long_buffer.ts";
import {
  hasTcpOptions,
  isDisconnection,
  type Socket,
  type SocketAddress,
  tuneTcp,
} from "./socket.ts";
import { StallDetector, type StallLimits, stallLimitsDefault } from "./stall_detector.ts";
import { budgetFor, strangerLineChars, strangers, type TurnBudget } from "./turn_budget.ts";

/** Unsent answers to a client above which its requests are not read: UTF-16 units and bytes. */
export const unsentPauseChars = 1024 * 1024;

/** What is unsent above which any connection is cut off: UTF-16 units and bytes. */
export const unsentCharsMax = 64 * 1024 * 1024;

/**
 * The longest frame of a peer before its proof of a secret or password, in bytes. The messages of the
 * handshake have less than 500.
 */
export const unprovenFrameBytesMax = 4 * 1024;

/** The size up to which the buffer of such a peer grows for many short frames. */
const unprovenBufferBytesKept = 1024;

/** The size up to which the buffer of a connection between servers grows for many short frames. */
const serverBufferBytesKept = 128 * 1024;

/** A frame longer than this takes time to read. */
const longFrameBytes = 64 * 1024;
/** Reading a long frame takes as long as parsing the most expensive text of this part of its length. */
const readingShare = 1 / 8;

/** Takes what a connection receives. */
export interface Receiver {
  /** Called before lines are handed out. */
  begin(): void;
  /**
   * Takes a line, and the bytes of a long one, which are valid during the call. If it returns a
   * promise, the next line waits for it, and `end` and `begin` are called in between.
   */
  receive(line: string, bytes?: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** Called after the last of the lines that were handed out without a pause. */
  end(): void;
  /** Takes the reason why the bytes that follow are not frames. Must close the connection. */
  fail(failure: FrameError): void;
}

/** What one connection may cost. */
export interface ConnectionLimits extends StallLimits {
  /**
   * The longest frame of a client, in bytes. At least 64 KiB. Between servers the limit of the wire
   * contract holds.
   */
  readonly frameBytesMax: number;
  /** The number of unanswered requests at which nothing more is read. */
  readonly inFlightMax: number;
  /** Unsent answers above which nothing more is read: UTF-16 units, and bytes of long values. */
  readonly unsentPauseChars: number;
  /** Unsent frames above which the connection is cut off: UTF-16 units, and bytes of long values. */
  readonly unsentCharsMax: number;
  /** How long the connection stays open after its last message, so that the peer can read it. */
  readonly lingerMs: number;
}

/** The default limits. */
export const connectionLimitsDefault: ConnectionLimits = {
  ...stallLimitsDefault,
  frameBytesMax,
  inFlightMax,
  unsentPauseChars,
  unsentCharsMax,
  lingerMs,
};

/**
 * One TCP connection that carries frames.
 *
 * - Frames that are sent in one turn of the event loop leave in one write.
 * - Memory is bounded. If a client does not read its answers, its requests are not read either. In
 *   the end it is cut off, and so is a peer that leaves a frame half sent.
 * - {@linkcode Connection.run} ends exactly once. After that the socket is closed and nothing is
 *   pending.
 *
 * Reading, writing and stall detection have files of their own. The other fields are the state of one
 * connection: what is due, and whether lines wait.
 */
export class Connection {
  /** "ip:port" of the peer. */
  readonly peer: string;
  /** The peer's IP address. */
  readonly ip: string;
  /** "ip:port" of this end. */
  readonly local: string;
  /** Whether this end speaks TLS. */
  readonly encrypted: boolean;
  /** Whether both ends are servers. Then reading never pauses, because two pauses could deadlock. */
  betweenServers = false;
  /** Whether the peer must prove a secret or password first. Until then its frames are short. */
  unproven = false;
  /** Is called when everything that the writer had taken is written. */
  onWritten: (() => void) | undefined;

  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #reader: FrameReader;
  readonly #longBuffer = new LongBuffer();
  readonly #writer: FrameWriter;
  readonly #stalls: StallDetector;
  /**
   * "finishing": takes no more requests, ends when no answer is due. "closing": sends what is
   * queued, then ends. Only moves forward.
   */
  #state: "open" | "finishing" | "closing" | "closed" = "open";
  /** Lines handed out minus answers sent. On a client's connection: the answers still due. */
  #due = 0;
  /** Chunks with whole lines that were read. */
  #reads = 0;
  /** The size of the lines that wait after the last read, in bytes. Nothing is read meanwhile. */
  #waitingBytes = 0;
  /** Counts the costly lines of the last read. */
  #budget: TurnBudget = budgetFor(0);
  /** How many writes had finished at the last sweep. */
  #writesSwept = 0;
  /** Set while lines wait, because too much is unsent or too many answers are due. */
  #room: PromiseWithResolvers<void> | undefined;
  /** What the peer gets after the last answer, if the owner has closed the connection with it. */
  #lastFrame: Frames | undefined;
  /** Runs in state "closing". */
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;

  /** Takes over an open socket. */
  constructor(socket: Socket, limits: ConnectionLimits = connectionLimitsDefault) {
    this.#socket = socket;
    this.#limits = limits;
    this.#reader = new FrameReader(limits.frameBytesMax);
    this.#writer = new FrameWriter(socket, () => this.#written(), () => this.abort());
    this.#stalls = new StallDetector(limits);
    const remote = addressOf(socket.remoteAddr);
    this.ip = remote.hostname;
    this.peer = formatAddress(remote);
    this.local = formatAddress(addressOf(socket.localAddr));
    // Accepted, or dialled by Deno.
    this.encrypted = socket.encrypted ?? ("certified" in socket || "handshake" in socket);
    if (hasTcpOptions(socket)) tuneTcp(socket);
  }

  /** Whether the peer showed a certificate of the CA; `undefined` if it was dialled, or without TLS. */
  get certified(): boolean | undefined {
    return this.#socket.certified;
  }

  /** The certificate that an accepted peer has shown, if the CA signed it. */
  get certificate(): Certificate | undefined {
    return this.#socket.certificate;
  }

  /** Whether lines are still handed out. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** An upper bound of the memory that the buffers, waiting lines and unsent text take, in bytes. */
  get heldBytes(): number {
    return this.#reader.heldBytes + 2 * this.#waitingBytes + this.#writer.heldBytes +
      (this.#socket.heldBytes ?? 0);
  }

  /** Queued frames that are not being written yet: UTF-16 units, and bytes of long values. */
  get unsentChars(): number {
    return this.#writer.unsentChars;
  }

  /** Queues an answer, or several frames. Ignored if the connection is closing. */
  send(frames: Frames): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#writer.queue(frames);
    this.#due--;
    if (this.#writer.unsentChars > this.#limits.unsentCharsMax) return this.abort();
    if (this.#room !== undefined && !this.#congested) this.#makeRoom();
    if (this.#state === "finishing" && this.#due <= 0) this.#end();
  }

  /** Queues a frame, or several, that is not an answer. */
  push(frames: Frames): void {
    this.#due++;
    this.send(frames);
  }

  /** A line that was handed out needs no answer. */
  needsNoAnswer(): void {
    this.#due--;
    if (this.#room !== undefined && !this.#congested) this.#makeRoom();
    if (this.#state === "finishing" && this.#due <= 0) this.#end();
  }

  /** Notes that a line was costly. Clients that send many such lines wait for each other's turn. */
  spend(chars: number): void {
    if (!this.betweenServers) this.#budget.spend(chars);
  }

  /**
   * Takes no more lines, and ends the connection once the answers still due are sent. After them the
   * peer gets `lastFrame`, if there is one. It does not get it if an answer is missing.
   */
  close(lastFrame?: Frames): void {
    if (this.#state !== "open") return;
    this.#state = "finishing";
    this.#lastFrame = lastFrame;
    if (this.#due <= 0 || this.betweenServers) this.#end();
  }

  /** Lets the program end while the connection is open. */
  unref(): void {
    this.#socket.unref?.();
  }

  /** Ends the connection at once. */
  abort(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#lingerTimer);
    this.#writer.drop();
    this.#makeRoom();
    this.#socket.ref?.(); // the end of the read is waited for
    this.#socket.close();
  }

  /**
   * Reads until the connection ends, and hands out the lines. To be called once.
   *
   * @throws {Error} if the receiver, a read or a write fails. A lost connection is not an error.
   */
  async run(receiver: Receiver): Promise<void> {
    try {
      while (true) {
        this.#boundReader();
        const count = await this.#socket.read(this.#reader.space);
        if (count === null) break;
        const bytes = this.#reader.partialBytes + count;
        if (!this.betweenServers) this.#longBuffer.noteRead(bytes);
        this.#budget = this.#strange ? strangers : budgetFor(bytes);
        while (this.#outOfTurn) await this.#waiting(count, this.#budget.nextTurn());
        if (this.#strange) this.spend(count);
        if (!this.open) {
          // Closing a socket with unread bytes resets it, and the peer would lose the last frames.
          this.#reader.clear();
          continue;
        }
        const lines = this.#reader.push(count);
        if (bytes > longFrameBytes && lines.length > 0) this.spend(bytes * readingShare);
        const { failure } = this.#reader;
        if (lines.length === 0 && failure === undefined) continue;
        this.#reads++;
        const rest = this.#handOut(lines, 0, receiver);
        if (rest !== undefined) await this.#waiting(bytes, rest);
        if (failure !== undefined && this.open) {
          this.#due++;
          receiver.fail(failure);
        }
      }
      // The peer sends nothing more, but may still wait for answers.
      this.close();
      await this.#writer.done;
    } catch (error) {
      if (!isDisconnection(error)) throw error;
    } finally {
      this.abort();
      this.#longBuffer.release();
      await this.#writer.stopped();
    }
    if (this.#writer.error !== undefined) throw this.#writer.error;
  }

  /**
   * Ends the connection if it has stalled. Returns any other verdict, for the owner to say it to the
   * peer and to close. To be called about once a second.
   */
  sweep(now: number): "unproven" | "idle" | undefined {
    const { writing, writes } = this.#writer;
    const frameDue = this.#reader.partialBytes > 0 && this.#waitingBytes === 0;
    const verdict = this.#stalls.look(now, {
      writing,
      writes,
      frameDue,
      reads: this.#reads,
      finishing: this.#state === "finishing",
      unproven: this.unproven && this.open,
      quiet: this.open && !this.betweenServers && !writing && this.#due <= 0 &&
        this.#reader.partialBytes === 0 && this.#waitingBytes === 0,
    });
    if (writes === this.#writesSwept) this.#writer.release();
    this.#writesSwept = writes;
    if (verdict === "stalled") this.abort();
    else if (verdict === "unanswered") this.#end();
    else return verdict;
    return undefined;
  }

  /** Sets the limits of the reader, which depend on the peer. */
  #boundReader(): void {
    const { betweenServers, unproven } = this;
    this.#reader.bytesMax = unproven
      ? unprovenFrameBytesMax
      : betweenServers
      ? frameBytesMax
      : this.#limits.frameBytesMax;
    this.#reader.bytesKept = betweenServers
      ? serverBufferBytesKept
      : unproven
      ? unprovenBufferBytesKept
      : this.#longBuffer.bytesKept;
  }

  /** Waits while this many bytes have been read and not been handed out. */
  async #waiting(bytes: number, until: Promise<void>): Promise<void> {
    this.#waitingBytes = bytes;
    await until;
    this.#waitingBytes = 0;
  }

  /** Whether a client has to read, or to be answered, before more of its lines are handed out. */
  get #congested(): boolean {
    const { inFlightMax, unsentPauseChars } = this.#limits;
    return (this.#writer.unsentChars > unsentPauseChars || this.#due >= inFlightMax) &&
      !this.betweenServers;
  }

  /** Whether the peer must prove something first, or what it sends is dropped. */
  get #strange(): boolean {
    return this.unproven || !this.open;
  }

  /** Whether lines have to wait for the next turn of the event loop. */
  get #outOfTurn(): boolean {
    return this.#budget.spent && !this.betweenServers;
  }

  /** Hands out the lines from `first` on. Returns a promise only if a line has to wait. */
  #handOut(lines: readonly string[], first: number, receiver: Receiver): void | Promise<void> {
    if (first === lines.length || !this.open) return;
    receiver.begin();
    let next = first;
    let pending: void | Promise<void>;
    try {
      do {
        this.#due++;
        if (this.unproven) this.spend(strangerLineChars);
        pending = receiver.receive(lines[next]!, this.#reader.longLines?.[next]);
        next++;
      } while (
        pending === undefined && next < lines.length && this.open && !this.#congested &&
        !this.#outOfTurn
      );
    } finally {
      receiver.end();
    }
    const mayGoOn = !this.#congested && (next === lines.length || !this.#outOfTurn);
    if (pending === undefined && mayGoOn) return this.#handOut(lines, next, receiver);
    return this.#handOutLater(pending, lines, next, receiver);
  }

  async #handOutLater(
    pending: void | Promise<void>,
    lines: readonly string[],
    next: number,
    receiver: Receiver,
  ): Promise<void> {
    await pending;
    if (this.#congested && this.open) {
      this.#room ??= deferred();
      await this.#room.promise;
    }
    while (this.#outOfTurn && next < lines.length) await this.#budget.nextTurn();
    await this.#handOut(lines, next, receiver);
  }

  #written(): void {
    this.onWritten?.();
    if (this.#room !== undefined && !this.#congested) this.#makeRoom();
  }

  #makeRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** Sends what is queued, then ends the connection. */
  #end(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    const complete = this.#due <= 0 || this.betweenServers;
    if (this.#lastFrame !== undefined && complete) this.#writer.queue(this.#lastFrame);
    this.#makeRoom();
    // A peer that neither reads nor closes cannot hold the socket for longer.
    this.#lingerTimer = setTimeout(() => this.abort(), this.#limits.lingerMs);
    this.#writer.end();
  }
}

function addressOf({ hostname, port }: SocketAddress): Address {
  return { hostname: unmapped(hostname), port };
}
