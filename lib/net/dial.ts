/**
 * Connects to a server, over TCP or TLS.
 *
 * @module
 */

import { deferred } from "../deferred.ts";
import { type Address, formatAddress } from "../wire/address.ts";
import { Connection, type ConnectionLimits, connectionLimitsDefault } from "./connection.ts";
import { dialNode } from "./node_socket.ts";
import { type Socket, tuneTcp } from "./socket.ts";

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

/** Why a dial failed, if it would fail again and is no outage. */
export type DialMistake =
  /** The runtime does not allow this program to connect to the address. */
  | "permission"
  /** No connection can be made to such an address. */
  | "address"
  /** The two ends do not agree on TLS, or on the certificates. */
  | "tls";

/** A dial that fails until the caller or the operator has changed something. */
export class DialError extends Error {
  /** What is wrong. */
  readonly kind: DialMistake;

  /** An error with this message. */
  constructor(kind: DialMistake, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DialError";
    this.kind = kind;
  }
}

/** Whether the runtime is Deno, and not another one that the library runs on. */
const onDeno = typeof Deno === "object";

/**
 * Connects to a server. Encrypts if `tls` is given.
 *
 * @throws {DialError} if it would fail again: a missing permission, an address that cannot be dialled,
 * a server without TLS, a certificate that does not fit the address or the CA.
 * @throws {Error} if the server cannot be reached, or if the signal is aborted first.
 */
export async function dial(
  address: Address,
  signal: AbortSignal,
  tls?: Tls,
  limits: ConnectionLimits = connectionLimitsDefault,
): Promise<Connection> {
  const { hostname, port } = address;
  let conn: Socket;
  try {
    conn = !onDeno
      ? await dialNode(address, signal, tls)
      : tls === undefined
      ? await Deno.connect({ hostname, port, signal })
      : await dialTls(address, signal, tls);
  } catch (error) {
    signal.throwIfAborted();
    throw dialError(address, error);
  }
  if (signal.aborted) {
    conn.close(); // connected in the same turn in which the signal was aborted
    signal.throwIfAborted();
  }
  try {
    return new Connection(conn, limits);
  } catch (error) {
    conn.close(); // reset in the same turn in which it was made
    throw error;
  }
}

/** The error as a {@linkcode DialError}, if it is certain that the dial would fail again. */
function dialError(address: Address, error: unknown): unknown {
  const name = formatAddress(address);
  const { name: kind, code } = error as Error & { readonly code?: unknown };
  // On Deno, and on Node.js with --permission, whose --allow-net has no list.
  if (kind === "NotCapable" || code === "ERR_ACCESS_DENIED") {
    const list = onDeno ? `, or with ${name} in its list` : "";
    const reason = `no permission to connect to ${name}: start the program with --allow-net${list}`;
    return new DialError("permission", reason, { cause: error });
  }
  // What the runtime throws for a port, an address or a name that cannot exist.
  if (error instanceof RangeError || error instanceof TypeError || error instanceof URIError) {
    const reason = `cannot connect to ${name}: ${error.message}`;
    return new DialError("address", reason, { cause: error });
  }
  return tlsError(error) ?? error;
}

/**
 * What the runtime says about TLS, Deno in its messages and the others by their codes, and advice.
 * Without an entry the message has its words alone.
 */
const tlsAdvice: readonly (readonly [RegExp, string])[] = [
  [/corrupt message|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/, "the server does not speak TLS"],
  [
    /UnknownIssuer|UNABLE_TO_(?:VERIFY|GET_ISSUER)|SELF_SIGNED/,
    "the given CA has not signed the server's certificate",
  ],
  [
    /not valid for name|ALTNAME_INVALID/,
    "the certificate must name the address that is dialled",
  ],
  [/expired|HAS_EXPIRED/, "renew the certificate, or correct the clock of this machine"],
  [/not valid (?:yet|before)|NotValidYet|NOT_YET_VALID/, "correct the clock of this machine"],
  [/CaUsedAsEndEntity/, "the server shows the certificate of a CA: let the CA sign one for it"],
  [/KeyMismatch|KEY_VALUES_MISMATCH/, "the key does not belong to the certificate"],
];

/** The codes of Node.js and Bun by which TLS refuses the other end or a file. */
const tlsCodes =
  /^(?:ERR_(?:TLS_CERT|SSL|OSSL)_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|EPROTO$|INVALID_CA$)/;

/**
 * The error as a {@linkcode DialError}, if TLS has refused the server, the client or the files.
 * `undefined` if it may be an outage, such as a connection that was lost during the handshake.
 */
export function tlsError(error: unknown): DialError | undefined {
  const { name, message, constructor, code = "" } = error as Error & { readonly code?: string };
  const refused = name === "InvalidData" || tlsCodes.test(code) ||
    (constructor === Error && /certificate|KeyMismatch/.test(message));
  const said = `${code} ${message}`;
  // An internal error of the server may be over the next time.
  if (!refused || /InternalError|INTERNAL_ERROR/.test(said)) return undefined;
  const advice = tlsAdvice.find(([pattern]) => pattern.test(said))?.[1];
  const reason = advice === undefined ? message : `${advice} (${message})`;
  return new DialError("tls", `the TLS handshake failed: ${reason}`, { cause: error });
}

/** Connects and completes the TLS handshake, which checks the server's certificate. */
async function dialTls(address: Address, signal: AbortSignal, tls: Tls): Promise<Deno.TlsConn> {
  const { hostname, port } = address;
  const { ca, cert, key } = tls;
  // Deno.startTls takes no certificate, Deno.connectTls no signal.
  const conn = cert === undefined || key === undefined
    ? await Deno.startTls(await tcp(address, signal), { hostname, caCerts: [ca] })
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
    throw tlsError(cause) ??
      new Error(`the TLS handshake failed: ${(cause as Error).message}`, { cause });
  } finally {
    signal.removeEventListener("abort", close);
  }
}

async function tcp({ hostname, port }: Address, signal: AbortSignal): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port, signal });
  try {
    tuneTcp(conn);
  } catch (error) {
    conn.close();
    throw error;
  }
  return conn;
}

/** Returns the connection. If the signal is aborted first, closes the connection once it is made. */
async function unlessAborted(
  connecting: Promise<Deno.TlsConn>,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const aborted = deferred<never>();
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
