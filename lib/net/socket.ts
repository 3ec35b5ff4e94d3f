/**
 * What a connection needs of a socket, plain or encrypted.
 *
 * @module
 */

import type { Certificate } from "./certificate.ts";

/** The part of `Deno.Conn` that a connection uses. */
export interface Socket
  extends Pick<Deno.Conn, "read" | "write" | "close" | "closeWrite" | "remoteAddr" | "localAddr"> {
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

/** Whether an error only says that the connection was closed or lost. */
export function isDisconnection(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted;
}

/**
 * Sets the options of a TCP connection. Small frames leave at once, because the writer already
 * gathers those of a turn. The kernel probes an idle peer, and notices a vanished one after about two
 * hours. Deno cannot shorten that time.
 *
 * @throws {Error} if the peer has reset the connection.
 */
export function tuneTcp(conn: Pick<Deno.TcpConn, "setNoDelay" | "setKeepAlive">): void {
  conn.setNoDelay(true);
  conn.setKeepAlive(true);
}
