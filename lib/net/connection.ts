/**
 * TCP, and TLS for whoever dials. With tls.ts, which is TLS for whoever listens, the only file of
 * `lib` that touches the network.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../wire/address.ts";
import type { FrameError } from "../mensagem.ts";
import { FrameReader } from "../wire/line_reader.ts";
import type { Link } from "../replication/environment.ts";
import { finishMs, frameBytesMax, inFlightMax, lingerMs } from "../limits.ts";

/**
 * Unsent answers of a client's connection at which its requests are no longer read, in UTF-16
 * units.
 */
export const unsentPauseChars = 1024 * 1024;

/** Unsent text at which any connection is cut off, in UTF-16 units. */
export const unsentCharsMax = 64 * 1024 * 1024;

/**
 * A write that makes no progress for this long means that nobody reads: the connection is cut off.
 */
export const stalledWriteMs = 10_000;

/** The rest of a frame must follow its first byte within this time. */
export const halfFrameMs = 30_000;

/** Pause after a connection could not be accepted. */
export const acceptPauseMs = 100;

/** Who takes what a connection receives. */
export interface Receiver {
  /** Is called before lines are handed out; they wait for a returned promise. */
  begin(): void | Promise<void>;
  /**
   * Takes a line. The next one waits for a returned promise; `begin` and `end` are then called
   * anew.
   */
  receive(line: string): void | Promise<void>;
  /** Is called after lines that were handed out without a pause. */
  end(): void;
  /** The bytes that follow are no frames. */
  fail(failure: FrameError): void;
}

/** What a connection needs of a socket. */
export interface Socket
  extends Pick<Deno.Conn, "read" | "write" | "close" | "closeWrite" | "remoteAddr" | "localAddr"> {
  /**
   * Where the other end may show a certificate: it has shown one of the CA. Settled before the
   * first byte comes. Left out, there is nothing to show.
   */
  readonly certified?: boolean;
}

/** How a connection is encrypted, and who the ends are. All in PEM. */
export interface Tls {
  /** The certificates of the CA; the server's must be signed by it. */
  readonly ca: string;
  /**
   * This end's own certificate, with those between it and the CA. Servers need one, clients need
   * none.
   */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
}

/** What one connection may cost. */
export interface ConnectionLimits {
  /**
   * The longest frame of a client, in bytes: 64 KiB or more. Between servers the contract's limit
   * holds.
   */
  readonly frameBytesMax: number;
  /** Requests without an answer; beyond that nothing more is read. */
  readonly inFlightMax: number;
  /** Unsent answers, in UTF-16 units; beyond that nothing more is read. */
  readonly unsentPauseChars: number;
  /** Unsent text, in UTF-16 units; beyond that the connection is cut off. */
  readonly unsentCharsMax: number;
  /** For how long a write may make no progress. */
  readonly stalledWriteMs: number;
  /** For how long a frame may stay unfinished. */
  readonly halfFrameMs: number;
  /** For how long a connection on which no more requests come waits for the answers still due. */
  readonly finishMs: number;
}

/** The limits that hold where nothing else is said. */
export const connectionLimitsDefault: ConnectionLimits = {
  frameBytesMax,
  inFlightMax,
  unsentPauseChars,
  unsentCharsMax,
  stalledWriteMs,
  halfFrameMs,
  finishMs,
};

const encoder = new TextEncoder();
const noBytes = new Uint8Array(0);
const writeBytesKept = 16 * 1024;
const writeBytesMax = 256 * 1024;

/**
 * One TCP connection that carries frames.
 *
 * - All frames that are sent in one turn of the event loop leave in one write.
 * - What is read and written is bounded: a peer that does not read is first not read either, and in
 *   the end cut off; so is one that leaves a frame half sent.
 * - {@linkcode Connection.run} ends exactly once, after which the socket is closed and nothing is
 *   pending.
 */
export class Connection implements Link {
  readonly peer: string;
  /** The other end's IP address. */
  readonly ip: string;
  /** "ip:port" of this end. */
  readonly local: string;
  betweenServers = false;

  readonly #conn: Socket;
  readonly #limits: ConnectionLimits;
  readonly #reader: FrameReader;
  /**
   * "finishing": no more requests, ends once nothing is due. "closing": ends once nothing is
   * unsent. "closed": the socket is. It only moves forward.
   */
  #state: "open" | "finishing" | "closing" | "closed" = "open";
  /** Lines handed out less frames sent. On a client's connection: the answers still due. */
  #due = 0;
  /** Frames that no write has taken yet. */
  #unsent = "";
  /** What writing has taken of it, as it was then, and where the rest of that begins. */
  #taken = "";
  #takenFrom = 0;
  #writeBuffer: Uint8Array<ArrayBuffer> = noBytes;
  /** The part of #writeBuffer that is still to be sent. */
  #writeFrom = 0;
  #writeEnd = 0;
  /** #unsent is being written, step by step. No two steps are ever under way at once. */
  #writing = false;
  #writeError: unknown;
  /** Is called when #writing ends, while somebody waits for that. */
  #writeEnded: (() => void) | undefined;
  /** Resolved when everything is sent that ever will be. */
  readonly #allSent = Promise.withResolvers<void>();
  #room: PromiseWithResolvers<void> | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #writes = 0;
  #chunks = 0;
  /** Lines are handed out, or wait for that: meanwhile nothing is read. */
  #handingOut = false;
  /** What {@linkcode Connection.sweep} saw when something last moved. */
  #swept: {
    writes: number;
    writesAt: number;
    chunks: number;
    chunksAt: number;
    openAt: number;
  } | undefined;

  /** Takes over an open connection. */
  constructor(conn: Socket, limits: ConnectionLimits = connectionLimitsDefault) {
    this.#conn = conn;
    this.#limits = limits;
    this.#reader = new FrameReader(limits.frameBytesMax);
    const remote = conn.remoteAddr as Deno.NetAddr;
    this.ip = remote.hostname;
    this.peer = formatAddress(remote);
    this.local = formatAddress(conn.localAddr as Deno.NetAddr);
    // The frames of a turn are gathered here already: the kernel need not wait for more.
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
  }

  /**
   * Connects to a server, encrypted where `tls` is given.
   *
   * @throws {Error} where it cannot be reached, is not the one that its certificate names, or the
   * signal is aborted first.
   */
  static async dial(
    { hostname, port }: Address,
    signal: AbortSignal,
    tls?: Tls,
    limits: ConnectionLimits = connectionLimitsDefault,
  ): Promise<Connection> {
    const conn = tls === undefined
      ? await Deno.connect({ hostname, port, signal })
      : await dialTls({ hostname, port }, signal, tls);
    if (signal.aborted) {
      conn.close(); // it came in the same turn
      signal.throwIfAborted();
    }
    return new Connection(conn, limits);
  }

  /** Whether the peer has shown a certificate of the CA, `undefined` if it cannot show one. */
  get certified(): boolean | undefined {
    return this.#conn.certified;
  }

  /** False once the connection is ending: what is received from here on does not count. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** What is half received, and what is not sent yet, in bytes at the most. */
  get heldBytes(): number {
    const writing = this.#writeEnd - this.#writeFrom;
    return this.#reader.partialBytes + 2 * (this.#unsent.length + this.#taken.length) + writing;
  }

  send(frame: string): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#unsent += frame;
    this.#due--;
    if (this.#unsent.length > this.#limits.unsentCharsMax) return this.abort();
    if (!this.#writing) this.#startWriting();
    if (this.#room !== undefined && !this.#congested) this.#roomMade();
    if (this.#state === "finishing" && this.#due <= 0) this.#end();
  }

  /** Queues a frame that answers nothing. */
  push(frame: string): void {
    this.#due++;
    this.send(frame);
  }

  /** Text that no write has taken yet, in UTF-16 units. */
  get unsentChars(): number {
    return this.#unsent.length;
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "finishing";
    if (this.#due <= 0 || this.betweenServers) this.#end();
  }

  /** Ends the connection at once. */
  abort(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#linger);
    this.#unsent = "";
    this.#roomMade();
    this.#allSent.resolve();
    this.#conn.close();
  }

  /**
   * Reads until the connection ends, for whatever reason, and hands out the lines. To be called
   * once.
   */
  async run(receiver: Receiver): Promise<void> {
    try {
      while (true) {
        if (this.betweenServers) this.#reader.bytesMax = frameBytesMax;
        const count = await this.#conn.read(this.#reader.space);
        if (count === null) break;
        if (!this.open) {
          // Closing over unread bytes would destroy what was sent last.
          this.#reader.clear();
          continue;
        }
        const lines = this.#reader.push(count);
        const { failure } = this.#reader;
        if (lines.length === 0 && failure === undefined) continue;
        this.#chunks++;
        const rest = this.#handOut(lines, 0, receiver);
        if (rest !== undefined) {
          this.#handingOut = true;
          await rest;
          this.#handingOut = false;
        }
        if (failure !== undefined && this.open) {
          this.#due++;
          receiver.fail(failure);
        }
      }
      // The peer asks no more, but may still wait for answers.
      this.close();
      await this.#allSent.promise;
    } catch (error) {
      if (!isDisconnection(error)) throw error;
    } finally {
      this.abort();
      if (this.#writing) await new Promise<void>((resolve) => this.#writeEnded = resolve);
    }
    if (this.#writeError !== undefined) throw this.#writeError;
  }

  /**
   * Cuts off a peer that does not read, or leaves a frame half sent. To be called about once a
   * second.
   */
  sweep(now: number): void {
    // What is already stuck at the first look counts from then on.
    const swept = this.#swept ??= {
      writes: this.#writes,
      writesAt: now,
      chunks: this.#chunks,
      chunksAt: now,
      openAt: now,
    };
    if (!this.#writing || swept.writes !== this.#writes) {
      swept.writes = this.#writes;
      swept.writesAt = now;
    }
    // While nothing is read the peer cannot be blamed for what is missing.
    if (this.#reader.partialBytes === 0 || swept.chunks !== this.#chunks || this.#handingOut) {
      swept.chunks = this.#chunks;
      swept.chunksAt = now;
    }
    if (this.#state !== "finishing") swept.openAt = now;
    const { stalledWriteMs, halfFrameMs, finishMs } = this.#limits;
    if (now - swept.openAt > finishMs) this.#end();
    if (now - swept.writesAt > stalledWriteMs || now - swept.chunksAt > halfFrameMs) this.abort();
  }

  /**
   * True where the peer asks faster than it reads or than it can be answered: nothing more is done
   * for it now.
   */
  get #congested(): boolean {
    const { inFlightMax, unsentPauseChars } = this.#limits;
    return (this.#unsent.length > unsentPauseChars || this.#due >= inFlightMax) &&
      !this.betweenServers;
  }

  /** Hands out the lines from `first` on. Most often all of it is done on return, without a promise. */
  #handOut(lines: readonly string[], first: number, receiver: Receiver): void | Promise<void> {
    if (first === lines.length || !this.open) return;
    const turn = receiver.begin();
    return turn === undefined
      ? this.#handOutTurn(lines, first, receiver)
      : turn.then(() => this.#handOutTurn(lines, first, receiver));
  }

  #handOutTurn(lines: readonly string[], first: number, receiver: Receiver): void | Promise<void> {
    let next = first;
    let pending: void | Promise<void>;
    try {
      do {
        this.#due++;
        pending = receiver.receive(lines[next++]!);
      } while (pending === undefined && next < lines.length && this.open && !this.#congested);
    } finally {
      receiver.end();
    }
    if (pending === undefined && !this.#congested) return this.#handOut(lines, next, receiver);
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
      this.#room ??= Promise.withResolvers();
      await this.#room.promise;
    }
    await this.#handOut(lines, next, receiver);
  }

  /** Sends what is unsent, and then nothing more. */
  #end(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#roomMade();
    // A peer that neither reads nor closes holds the socket no longer than this.
    this.#linger = setTimeout(() => this.abort(), lingerMs);
    if (!this.#writing) this.#sendEnd();
  }

  #startWriting(): void {
    this.#writing = true;
    // What the rest of this turn sends goes into the same write.
    queueMicrotask(this.#writeNext);
  }

  // Called back instead of awaited: there is one promise for each write less.
  readonly #writeNext = (): void => {
    if (this.#writeFrom === this.#writeEnd) {
      if (this.#taken === "") {
        if (this.#unsent === "") return this.#stopWriting();
        this.#taken = this.#unsent;
        this.#unsent = "";
      }
      this.#encode();
    }
    this.#conn.write(this.#writeBuffer.subarray(this.#writeFrom, this.#writeEnd))
      .then(this.#written, this.#writeFailed);
  };

  readonly #written = (bytes: number): void => {
    this.#writes++;
    this.#writeFrom += bytes;
    if (this.#writeFrom === this.#writeEnd && !this.#congested) this.#roomMade();
    this.#writeNext();
  };

  readonly #writeFailed = (error: unknown): void => {
    if (!isDisconnection(error)) this.#writeError = error;
    this.abort();
    this.#dropTaken();
    this.#stopWriting();
  };

  /** Encodes as much of what is taken as one write may send. */
  #encode(): void {
    const rest = this.#takenFrom === 0 ? this.#taken : this.#taken.slice(this.#takenFrom);
    // One UTF-16 unit is at most three bytes of UTF-8.
    const bytes = Math.min(rest.length * 3, writeBytesMax);
    if (this.#writeBuffer.length < bytes) this.#writeBuffer = new Uint8Array(bytes);
    const { read, written } = encoder.encodeInto(rest, this.#writeBuffer);
    this.#writeFrom = 0;
    this.#writeEnd = written;
    if (read === rest.length) this.#dropTaken();
    else this.#takenFrom += read;
  }

  #dropTaken(): void {
    this.#taken = "";
    this.#takenFrom = 0;
  }

  #stopWriting(): void {
    this.#writing = false;
    if (this.#writeBuffer.length > writeBytesKept) this.#writeBuffer = noBytes;
    if (this.#state === "closing") this.#sendEnd();
    this.#writeEnded?.();
  }

  /** Everything is sent: tells the peer so. It gets until the end of the linger time to read it. */
  #sendEnd(): void {
    this.#conn.closeWrite().catch(() => this.abort()).finally(() => this.#allSent.resolve());
  }

  #roomMade(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

/** Connects and shakes hands: from here on the server is the one that its certificate names. */
async function dialTls(address: Address, signal: AbortSignal, tls: Tls): Promise<Deno.TlsConn> {
  const { hostname, port } = address;
  const { ca, cert, key } = tls;
  // Deno.startTls takes no certificate, Deno.connectTls no signal.
  const conn = cert === undefined || key === undefined
    ? await Deno.startTls(await tcpWithoutDelay(address, signal), { hostname, caCerts: [ca] })
    : await unlessAborted(Deno.connectTls({ hostname, port, caCerts: [ca], cert, key }), signal);
  let closed = false;
  const close = () => {
    if (!closed) conn.close();
    closed = true;
  };
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted();
    await conn.handshake();
    return conn;
  } catch (cause) {
    close();
    signal.throwIfAborted();
    throw new Error(`the TLS handshake failed: ${(cause as Error).message}`, { cause });
  } finally {
    signal.removeEventListener("abort", close);
  }
}

async function tcpWithoutDelay(
  { hostname, port }: Address,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port, signal });
  conn.setNoDelay(true);
  return conn;
}

/** What connects too late is closed again. */
async function unlessAborted(
  connecting: Promise<Deno.TlsConn>,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([connecting, aborted.promise]);
  } catch (error) {
    connecting.then((conn) => conn.close(), () => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Where connections come in. */
export class Listener {
  /** Where it listens, with the port that was taken where 0 was asked for. */
  readonly address: Address;
  readonly #listener: Deno.TcpListener;

  /**
   * Listens from here on.
   *
   * @throws {Deno.errors.AddrInUse} where the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} where the address is not this machine's.
   */
  constructor({ hostname, port }: Address) {
    this.#listener = Deno.listen({ hostname, port });
    this.address = { hostname, port: this.#listener.addr.port };
  }

  /**
   * Accepts connections until the listener is closed. An accept that fails (no file descriptor
   * left, say) is reported and tried again.
   */
  async accept(
    onConnection: (conn: Deno.TcpConn) => void,
    report: (line: string) => void,
  ): Promise<void> {
    while (true) {
      try {
        onConnection(await this.#listener.accept());
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        if (isDisconnection(error)) continue;
        report(`cannot accept a connection: ${(error as Error).message}`);
        await delay(acceptPauseMs);
      }
    }
  }

  /** Accepts no more. */
  close(): void {
    this.#listener.close();
  }
}

/** True for the errors with which a peer's going away shows itself, or this end's own closing. */
function isDisconnection(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted;
}
