/**
 * Connects to a server, over TCP or TLS.
 *
 * @module
 */

import type { Address } from "../wire/address.ts";
import { Connection, type ConnectionLimits, connectionLimitsDefault } from "./connection.ts";

/** Certificates and key of one end of a TLS connection, all in PEM. */
export interface Tls {
  /** The certificates of the CA that signed the server's certificate. */
  readonly ca: string;
  /**
   * This end's own certificate, with those between it and the CA. A server needs one, a client does
   * not.
   */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
}

/**
 * Connects to a server. Encrypts if `tls` is given.
 *
 * @throws {Error} if the server cannot be reached, if its certificate is for another address or of
 * another CA, or if the signal is aborted first.
 */
export async function dial(
  { hostname, port }: Address,
  signal: AbortSignal,
  tls?: Tls,
  limits: ConnectionLimits = connectionLimitsDefault,
): Promise<Connection> {
  const conn = tls === undefined
    ? await Deno.connect({ hostname, port, signal })
    : await dialTls({ hostname, port }, signal, tls);
  if (signal.aborted) {
    conn.close(); // connected in the same turn in which the signal was aborted
    signal.throwIfAborted();
  }
  return new Connection(conn, limits);
}

/** Connects and completes the TLS handshake, which checks the server's certificate. */
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

/** Returns the connection. If the signal is aborted first, closes the connection once it is made. */
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
