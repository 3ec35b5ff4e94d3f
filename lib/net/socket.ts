/**
 * What a connection needs of a socket, plain or encrypted.
 *
 * @module
 */

import type { Certificate } from "./certificate.ts";

/** An end of a TCP connection. */
export interface SocketAddress {
  /** The IP address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/** What a connection uses of a socket: the part of `Deno.TcpConn` that other runtimes offer too. */
export interface Socket {
  /** Reads some bytes. Resolves with their number, `null` once the peer has ended its side. */
  read(bytes: Uint8Array): Promise<number | null>;
  /** Writes some of the bytes. Resolves with their number. */
  write(bytes: Uint8Array): Promise<number>;
  /** Closes the socket at once. What is pending is rejected. */
  close(): void;
  /** Ends this side. The peer may still send. */
  closeWrite(): Promise<void>;
  /** Lets the program end while the socket is open. Sockets of servers lack it. */
  unref?(): void;
  /** Takes that back. */
  ref?(): void;
  /** The other end. */
  readonly remoteAddr: SocketAddress;
  /** This end. */
  readonly localAddr: SocketAddress;
  /** Whether this end speaks TLS. Sockets of Deno do not tell. */
  readonly encrypted?: boolean;
  /**
   * Whether the peer has shown a certificate that the CA signed. Known before the first byte can be
   * read. `undefined` if the peer was dialled, or if the socket is not encrypted.
   */
  readonly certified?: boolean;
  /** That certificate; `undefined` if the peer has not shown one that counts. */
  readonly certificate?: Certificate | undefined;
  /** The memory that the buffers of an encrypted socket take, in bytes. */
  readonly heldBytes?: number;
}

/** The errors of a lost connection: their names on Deno, their codes on Node.js and Bun. */
const disconnections = new Set<unknown>([
  ...["ConnectionReset", "ConnectionAborted", "BrokenPipe", "NotConnected", "TimedOut"],
  ...["UnexpectedEof", "BadResource", "Interrupted"],
  ...["ECONNRESET", "ECONNABORTED", "EPIPE", "ENOTCONN", "ETIMEDOUT"],
]);

/** Whether an error only says that the connection was closed or lost. */
export function isDisconnection(error: unknown): boolean {
  const { name, code } = error as Error & { readonly code?: unknown };
  return disconnections.has(name) || disconnections.has(code);
}

/** What can be set at a TCP connection. */
export interface TcpOptions {
  /** Sends small frames at once. */
  setNoDelay(noDelay?: boolean): void;
  /** Lets the kernel probe an idle peer. */
  setKeepAlive(keepAlive?: boolean): void;
}

/** Whether the options of a socket are still to be set, see {@linkcode tuneTcp}. */
export function hasTcpOptions(socket: Socket): socket is Socket & TcpOptions {
  return "setNoDelay" in socket;
}

/**
 * Sets the options of a TCP connection. Small frames leave at once, because the writer already
 * gathers those of a turn. The kernel probes an idle peer, and notices a vanished one after about two
 * hours. Deno cannot shorten that time.
 *
 * @throws {Error} if the peer has reset the connection.
 */
export function tuneTcp(conn: TcpOptions): void {
  conn.setNoDelay(true);
  conn.setKeepAlive(true);
}
