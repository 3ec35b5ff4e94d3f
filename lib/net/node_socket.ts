/**
 * Sockets of Node.js and Bun, for the client library. Deno has its own.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import type { Socket as TcpSocket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { type Address, unmapped } from "../wire/address.ts";
import type { Tls } from "./dial.ts";
import type { Socket, SocketAddress } from "./socket.ts";

/**
 * Connects over TCP, and completes the TLS handshake if `tls` is given.
 *
 * @throws {Error} if the server cannot be reached, or its certificate is refused. It has the runtime's
 * `code`.
 * @throws {Error} the signal's reason if the signal is aborted first.
 */
export async function dialNode(
  address: Address,
  signal: AbortSignal,
  tls: Tls | undefined,
): Promise<Socket> {
  const { hostname: host, port } = address;
  const net = await import("node:net");
  signal.throwIfAborted();
  const tcp = net.connect({ host, port, noDelay: true, keepAlive: true, allowHalfOpen: true });
  await established(tcp, "connect", signal);
  if (tls === undefined) return new NodeSocket(tcp, false);
  const { checkServerIdentity, connect } = await import("node:tls");
  const options: ConnectionOptions = {
    ...tls,
    socket: tcp,
    host,
    // Checked below: Bun 1.3 does not call this for an IP address, and other versions of Bun call it
    // with another name than the one that was dialled.
    checkServerIdentity: () => undefined,
  };
  // A server name is for names only (RFC 6066, section 3).
  if (net.isIP(host) === 0) options.servername = host;
  const encrypted = connect(options);
  await established(encrypted, "secureConnect", signal);
  const refusal = refusalOf(encrypted, host, checkServerIdentity);
  if (refusal !== undefined) {
    encrypted.on("error", () => {});
    encrypted.destroy();
    throw refusal;
  }
  return new NodeSocket(encrypted, true);
}

/** The code of the platform for a certificate with other names. */
const altNameInvalid = "ERR_TLS_CERT_ALTNAME_INVALID";

/** Why the server is not the one that was dialled, by its certificate, which the CA has signed. */
function refusalOf(
  stream: TLSSocket,
  host: string,
  checkServerIdentity: typeof import("node:tls").checkServerIdentity,
): Error | undefined {
  const certificate = stream.getPeerCertificate() ?? {};
  if (Object.keys(certificate).length === 0) {
    // Bun 1.3 says that it is secure where the server does not speak TLS.
    const message = "the server has shown no certificate";
    return Object.assign(new Error(message), { code: "ERR_SSL_WRONG_VERSION_NUMBER" });
  }
  // The common name does not count, as on Deno.
  if (certificate.subjectaltname === undefined) {
    return Object.assign(new Error("the certificate names no host"), { code: altNameInvalid });
  }
  return checkServerIdentity(host, certificate);
}

/** Waits for an event of a stream. Destroys the stream if something else comes first. */
async function established(
  stream: TcpSocket | TLSSocket,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
): Promise<void> {
  let settled = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error) => reject(firstOf(error));
      const end = () => reject(lost("the connection was lost"));
      const abort = () => reject(signal.reason);
      stream.once(event, resolve).once("error", fail).once("close", end);
      signal.addEventListener("abort", abort);
      settled = () => {
        stream.off(event, resolve).off("error", fail).off("close", end);
        signal.removeEventListener("abort", abort);
      };
      if (signal.aborted) abort();
    });
    settled();
  } catch (error) {
    settled();
    stream.on("error", () => {}); // one that comes after the end
    stream.destroy();
    throw error;
  }
}

/** The error itself; of one for several addresses, the error for the first address. */
function firstOf(error: Error): Error {
  return error instanceof AggregateError ? error.errors[0] ?? error : error;
}

function lost(message: string): Error {
  return Object.assign(new Error(message), { code: "ECONNRESET" });
}

/**
 * A stream of Node.js as a {@linkcode Socket}.
 *
 * - Bytes stay in the stream until they are read, and the stream stops the peer if they are too many.
 * - At most one read and one write may be pending.
 */
class NodeSocket implements Socket {
  readonly remoteAddr: SocketAddress;
  readonly localAddr: SocketAddress;
  readonly encrypted: boolean;
  readonly #stream: TcpSocket | TLSSocket;
  /** Why nothing can be read or written any more; `undefined` before. */
  #failure: Error | undefined;
  /** Whether the peer has ended its side. */
  #ended = false;
  /** Wakes the read that waits for bytes. */
  #wakeReader: (() => void) | undefined;
  /** Rejects the write or closeWrite that waits. */
  #failWriter: ((error: Error) => void) | undefined;

  /** Takes over a stream that is connected. */
  constructor(stream: TcpSocket | TLSSocket, encrypted: boolean) {
    this.#stream = stream;
    this.encrypted = encrypted;
    this.remoteAddr = end(stream.remoteAddress, stream.remotePort);
    this.localAddr = end(stream.localAddress, stream.localPort);
    stream.on("readable", () => this.#wakeReader?.());
    stream.on("end", () => {
      this.#ended = true;
      this.#wakeReader?.();
    });
    stream.on("error", (error) => this.#fail(error));
    stream.on("close", () => this.#fail(lost("the connection was closed")));
  }

  async read(bytes: Uint8Array): Promise<number | null> {
    while (true) {
      const { readableLength } = this.#stream;
      // Without bytes, this read asks for more, or for the event of the end.
      const chunk: Uint8Array | null = readableLength === 0
        ? this.#stream.read()
        : this.#stream.read(Math.min(readableLength, bytes.length));
      if (chunk !== null && this.#failure === undefined) {
        if (chunk.length <= bytes.length) {
          bytes.set(chunk);
          return chunk.length;
        }
        bytes.set(chunk.subarray(0, bytes.length));
        this.#stream.unshift(chunk.subarray(bytes.length));
        return bytes.length;
      }
      if (this.#ended) return null;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
      this.#wakeReader = undefined;
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#writing((done) => this.#stream.write(bytes, done));
    return bytes.length;
  }

  async closeWrite(): Promise<void> {
    await this.#writing((done) => this.#stream.end(done));
  }

  close(): void {
    this.#fail(lost("the connection was closed"));
    this.#stream.destroy();
  }

  unref(): void {
    this.#stream.unref();
  }

  ref(): void {
    this.#stream.ref();
  }

  async #writing(begin: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await new Promise<void>((resolve, reject) => {
      this.#failWriter = reject;
      begin((error) => error ? reject(error) : resolve());
    });
    this.#failWriter = undefined;
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#wakeReader?.();
    this.#failWriter?.(error);
  }
}

function end(hostname = "", port = 0): SocketAddress {
  return { hostname: unmapped(hostname), port };
}
