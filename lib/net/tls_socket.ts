/**
 * A TLS socket over an accepted TCP connection.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { Duplex } from "node:stream";
import { createServer, type TLSSocket } from "node:tls";
import { formatAddress } from "../wire/address.ts";
import type { Certificate } from "./certificate.ts";
import { certificateOf } from "./certificate_chain.ts";
import type { Tls } from "./dial.ts";
import { type Socket, type SocketAddress, tuneTcp } from "./socket.ts";

/** What a socket needs besides certificates. */
export interface TlsSocketOptions {
  /** A handshake that takes longer is cut off. */
  readonly handshakeMs: number;
  /** Sent to a peer that does not speak TLS, before it is cut off. */
  readonly plainAnswer: string;
  /** Reports a line to the operator. */
  report(line: string): void;
}

const bufferBytesFirst = 1024;
const bufferBytesMax = 16 * 1024;
/** Bytes of one write. A longer write would hide its progress from the stall detector. */
const writeBytesMax = 64 * 1024;
/** The first byte of every TLS connection: a handshake record. */
const handshakeRecord = 22;

/**
 * An accepted connection in TLS, with the interface of a plain socket.
 *
 * ```text
 * Connection ◀─ read, write ─▶ TLSSocket ◀─ #wire, encrypted ─▶ Deno.TcpConn
 * ```
 *
 * - While enough decrypted bytes wait to be read, nothing is read from the network.
 * - It fails once. After that nothing is pending and the TCP connection is closed.
 *
 * It has many fields because it joins the promises of connections and TCP to the streams of
 * node:tls.
 */
export class TlsSocket implements Socket {
  /** The address of the peer. */
  readonly remoteAddr: SocketAddress;
  /** The address of this end. */
  readonly localAddr: SocketAddress;

  readonly #conn: Deno.TcpConn;
  readonly #options: TlsSocketOptions;
  /** The encrypted side, as the stream that node:tls needs. */
  readonly #wire: Duplex;
  readonly #secured = Promise.withResolvers<TLSSocket>();
  /** Set once the handshake is done. */
  #socket: TLSSocket | undefined;
  #certificate: Certificate | undefined;
  #handshakeTimer: ReturnType<typeof setTimeout> | undefined;
  /** Why it has ended; `undefined` before. */
  #failure: Error | undefined;
  /** Decrypted bytes for which the last read had no room. */
  #rest: Uint8Array | undefined;
  /** Wakes the read that waits for bytes. */
  #wakeReader: (() => void) | undefined;
  /** Rejects the write or closeWrite that waits. */
  #failWriter: ((error: Error) => void) | undefined;
  #buffer = new Uint8Array(bufferBytesFirst);
  /** Whether the first byte has come, and was that of a handshake record. */
  #begun = false;
  /** Whether reading from the network pauses until decrypted bytes are read. */
  #held = false;
  /** The last write to the network. */
  #written: Promise<unknown> = Promise.resolve();

  /** Begins the handshake. */
  constructor(conn: Deno.TcpConn, { ca, cert, key }: Required<Tls>, options: TlsSocketOptions) {
    this.#conn = conn;
    this.#options = options;
    this.remoteAddr = conn.remoteAddr;
    this.localAddr = conn.localAddr;
    tuneTcp(conn);
    this.#secured.promise.catch(() => {}); // read and write throw the error
    this.#wire = new Duplex({
      read: () => this.#pull(),
      write: (bytes: Uint8Array, _, done) => {
        this.#written = this.#send(bytes).then(() => done(), (error) => this.#fail(error));
      },
    });
    // One server for each connection, so that its events are those of this connection.
    const server = createServer({
      ca,
      cert,
      key,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: -1, // its timer would outlive the connection
    });
    server.on("secureConnection", (socket) => this.#secure(socket));
    server.on("tlsClientError", (error) => this.#refuse(error.message));
    this.#handshakeTimer = setTimeout(
      () => this.#refuse(`no TLS handshake within ${options.handshakeMs} ms`),
      options.handshakeMs,
    );
    server.emit("connection", this.#wire);
  }

  /** Whether the peer has shown a certificate that the CA signed. */
  get certified(): boolean {
    return this.#certificate !== undefined;
  }

  /** The certificate that the peer has shown, if the CA signed it. */
  get certificate(): Certificate | undefined {
    return this.#certificate;
  }

  /** The memory that the encrypted and the decrypted bytes take, in bytes. */
  get heldBytes(): number {
    return this.#buffer.length + (this.#rest?.length ?? 0) + (this.#socket?.readableLength ?? 0);
  }

  /** Reads decrypted bytes. */
  async read(into: Uint8Array): Promise<number | null> {
    const socket = await this.#secured.promise;
    while (true) {
      if (this.#failure !== undefined) throw this.#failure;
      const bytes: Uint8Array | null = this.#rest ?? socket.read();
      if (bytes !== null) return this.#take(bytes, into);
      if (socket.readableEnded) return null;
      this.#resume();
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** Encrypts and sends some of the bytes. Returns how many. */
  async write(bytes: Uint8Array): Promise<number> {
    const part = bytes.subarray(0, writeBytesMax);
    await this.#onSocket((socket, done) => socket.write(part, done));
    return part.length;
  }

  /** Ends the sending side. */
  async closeWrite(): Promise<void> {
    if (this.#socket === undefined) throw new Deno.errors.NotConnected("no handshake yet");
    await this.#onSocket((socket, done) => socket.end(done));
    await this.#written;
  }

  /** Ends both directions at once. */
  close(): void {
    this.#fail(new Deno.errors.Interrupted("the connection was closed"));
  }

  #take(bytes: Uint8Array, into: Uint8Array): number {
    const part = bytes.subarray(0, into.length);
    into.set(part);
    this.#rest = part.length < bytes.length ? bytes.subarray(part.length) : undefined;
    if (this.#rest === undefined) this.#resume();
    return part.length;
  }

  /** Called once the handshake is done. Decides whether the peer counts as a server. */
  #secure(socket: TLSSocket): void {
    clearTimeout(this.#handshakeTimer);
    const shown = socket.getPeerCertificate(true);
    const { valid_to: end, ca = false } = shown ?? {};
    // With a resumed session node:tls of Deno 2.9 says `authorized` without checking a certificate.
    const resumed = socket.isSessionReused();
    // It accepts a CA's own certificate as well, although that one is not a server's.
    if (end !== undefined && socket.authorized && !resumed && !ca) {
      this.#certificate = certificateOf(shown);
    } else if (end !== undefined) {
      const reason = resumed
        ? "its session was resumed"
        : ca
        ? "its certificate is that of a CA"
        : Date.parse(end) < Date.now()
        ? "its certificate has expired"
        : `the CA has not signed its certificate (${socket.authorizationError})`;
      this.#report(`does not count as a server: ${reason}`);
    }
    this.#socket = socket;
    const wake = () => this.#wakeReader?.();
    socket.on("readable", wake);
    socket.on("end", wake);
    socket.on("error", (error) => this.#refuse(error.message));
    socket.on("close", () => {
      const ended = new Deno.errors.ConnectionReset("TLS has ended");
      this.#written.finally(() => this.#fail(ended));
    });
    this.#secured.resolve(socket);
  }

  /** Waits for the handshake, then for one operation with a callback. */
  async #onSocket(
    act: (socket: TLSSocket, done: (error?: Error | null) => void) => void,
  ): Promise<void> {
    const socket = await this.#secured.promise;
    await new Promise<void>((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      this.#failWriter = reject;
      act(socket, (error) => error ? reject(error) : resolve());
    });
  }

  #pull(): void {
    const socket = this.#socket;
    this.#held = socket !== undefined && socket.readableLength >= socket.readableHighWaterMark;
    if (!this.#held) this.#receive().catch((error) => this.#fail(error));
  }

  #resume(): void {
    if (this.#held) this.#pull();
  }

  async #receive(): Promise<void> {
    const count = await this.#conn.read(this.#buffer);
    if (count === null) {
      if (this.#socket === undefined) throw new Deno.errors.ConnectionReset("no handshake");
      this.#wire.push(null);
      return;
    }
    if (!this.#begun && this.#buffer[0] !== handshakeRecord) return await this.#refusePlain();
    this.#begun = true;
    const bytes = this.#buffer.slice(0, count);
    // The buffer was full: there is probably more to read.
    if (count === this.#buffer.length && count < bufferBytesMax) {
      this.#buffer = new Uint8Array(count * 2);
    }
    this.#wire.push(bytes);
  }

  async #refusePlain(): Promise<void> {
    await this.#send(new TextEncoder().encode(this.#options.plainAnswer));
    this.#refuse("it does not speak TLS");
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#conn.write(bytes.subarray(sent));
    }
  }

  #refuse(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#report(`was cut off: ${reason}`);
    this.#fail(new Deno.errors.ConnectionAborted(reason));
  }

  #report(what: string): void {
    this.#options.report(`${formatAddress(this.remoteAddr)} ${what}`);
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearTimeout(this.#handshakeTimer);
    this.#socket?.destroy();
    this.#wire.destroy();
    this.#conn.close();
    this.#secured.reject(error);
    this.#wakeReader?.();
    this.#failWriter?.(error);
  }
}
