/**
 * TLS for whoever listens.
 *
 * `Deno.listenTls` cannot ask for a client's certificate, `node:tls` can. So connections are
 * accepted by Deno as ever, and what comes over them goes through `node:tls`.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- these are of the runtime itself

import { createPrivateKey, X509Certificate } from "node:crypto";
import { Duplex } from "node:stream";
import { createServer, type TLSSocket } from "node:tls";
import { formatAddress } from "../wire/address.ts";
import type { Tls } from "./dial.ts";
import type { Socket } from "./socket.ts";

/** What an acceptor needs besides certificates. */
export interface TlsAcceptorOptions {
  /** A handshake takes no longer. */
  readonly handshakeMs: number;
  /** What is sent to one that does not speak TLS, before it is cut off. */
  readonly plainAnswer: string;
  /** Tells the operator, in one line. */
  report(line: string): void;
}

const bufferBytesFirst = 1024;
const bufferBytesMax = 64 * 1024;
/** A write takes no more at once, so that its progress can be seen. */
const writeBytesMax = 64 * 1024;
/** The first byte of every TLS connection: a handshake record. */
const handshakeRecord = 22;

/** Makes TLS sockets of accepted connections. */
export class TlsAcceptor {
  readonly #tls: Required<Tls>;
  readonly #options: TlsAcceptorOptions;

  /**
   * Takes over the server's certificates.
   *
   * @throws {TypeError} where they are no certificates, or the key is not that of the certificate.
   */
  constructor(tls: Required<Tls>, options: TlsAcceptorOptions) {
    checkTls(tls);
    this.#tls = tls;
    this.#options = options;
  }

  /** The socket on which the connection's text is plain. Its handshake goes on by itself. */
  secure(conn: Deno.TcpConn): Socket {
    return new TlsSocket(conn, this.#tls, this.#options);
  }
}

/**
 * Sees to it that a server can start with these.
 *
 * @throws {TypeError} where they are no certificates, or the key is not that of the certificate.
 */
export function checkTls({ ca, cert, key }: Required<Tls>): void {
  const leaf = parse("certificate", () => new X509Certificate(cert));
  const privateKey = parse("key", () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new TypeError("The TLS key is not that of the TLS certificate");
  }
  const cas = ca.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (cas.length === 0) throw new TypeError("The TLS CA holds no certificate in PEM");
  for (const one of cas) {
    // node:tls of Deno 2.9 lets anybody who shows a CA certificate of X.509 version 1 pass for its
    // owner. Version 3 alone can say that it is a CA.
    if (!parse("CA", () => new X509Certificate(one)).ca) {
      throw new TypeError("The TLS CA is not a CA certificate of X.509 version 3");
    }
  }
}

function parse<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new TypeError(`The TLS ${what} cannot be read as PEM`, { cause });
  }
}

/**
 * One accepted connection in TLS, with the interface of Deno's own.
 *
 * ```text
 * Connection ◀─ read, write ─▶ TLSSocket ◀─ encrypted, a Duplex ─▶ Deno.TcpConn
 * ```
 *
 * - Nothing is read from the network while decrypted bytes wait to be taken.
 * - It fails once: after that nothing is pending and the TCP connection is closed.
 */
class TlsSocket implements Socket {
  readonly remoteAddr: Deno.Addr;
  readonly localAddr: Deno.Addr;

  readonly #conn: Deno.TcpConn;
  readonly #options: TlsAcceptorOptions;
  readonly #wire: Duplex;
  readonly #secured = Promise.withResolvers<TLSSocket>();
  /** Set once the handshake is done. */
  #socket: TLSSocket | undefined;
  #certified = false;
  #handshakeTimer: ReturnType<typeof setTimeout> | undefined;
  /** Set once this has ended. */
  #failure: Error | undefined;
  /** Decrypted bytes that were too many for the last read. */
  #rest: Uint8Array | undefined;
  /** The read that waits for bytes. */
  #wakeReader: (() => void) | undefined;
  /** Ends the write or closeWrite that waits. */
  #failWriter: ((error: Error) => void) | undefined;
  #buffer = new Uint8Array(bufferBytesFirst);
  #begun = false;
  /** More encrypted bytes are wanted as soon as the decrypted ones are taken. */
  #held = false;
  /** The last write to the network. */
  #written: Promise<unknown> = Promise.resolve();

  /** Begins the handshake. */
  constructor(conn: Deno.TcpConn, { ca, cert, key }: Required<Tls>, options: TlsAcceptorOptions) {
    this.#conn = conn;
    this.#options = options;
    this.remoteAddr = conn.remoteAddr;
    this.localAddr = conn.localAddr;
    conn.setNoDelay(true);
    this.#secured.promise.catch(() => {}); // whoever reads or writes is told
    this.#wire = new Duplex({
      read: () => this.#pull(),
      write: (bytes: Uint8Array, _, done) => {
        this.#written = this.#send(bytes).then(() => done(), (error) => this.#fail(error));
      },
    });
    // A server for each connection: its events belong to nobody else.
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

  /** True once the other end has shown a certificate that the CA signed. */
  get certified(): boolean {
    return this.#certified;
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

  /** Encrypts and sends some of the bytes. */
  async write(bytes: Uint8Array): Promise<number> {
    const part = bytes.subarray(0, writeBytesMax);
    await this.#onSocket((socket, done) => socket.write(part, done));
    return part.length;
  }

  /** Says that nothing more is sent. */
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

  /** What the other end may do here is settled now. */
  #secure(socket: TLSSocket): void {
    clearTimeout(this.#handshakeTimer);
    const end = socket.getPeerCertificate()?.valid_to;
    // node:tls of Deno 2.9 checks no certificate where a session is resumed, and says authorized.
    const resumed = socket.isSessionReused();
    this.#certified = socket.authorized && !resumed;
    if (end !== undefined && !this.#certified) {
      const reason = resumed
        ? "its session was resumed"
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

  /** Does one thing that is done when its callback is called. */
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
    // More had been there to read.
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
    this.#options.report(`${formatAddress(this.remoteAddr as Deno.NetAddr)} ${what}`);
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
