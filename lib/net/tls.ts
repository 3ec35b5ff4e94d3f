/**
 * TLS for the acceptor. Only a server with certificates loads this file, because `node:tls` and
 * `node:crypto` take time to load.
 *
 * `Deno.listenTls` cannot ask for a client's certificate, but `node:tls` can. So Deno accepts the
 * TCP connections, and `node:tls` encrypts what goes over them.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Certificate } from "./certificate.ts";
import { certificatesIn, ownCertificate } from "./certificate_chain.ts";
import type { Tls } from "./dial.ts";
import type { Socket } from "./socket.ts";
import { TlsSocket, type TlsSocketOptions } from "./tls_socket.ts";

/** Makes TLS sockets of accepted connections. */
export class TlsAcceptor {
  /** The server's certificates and key. */
  readonly tls: Required<Tls>;
  /** What the server's certificate says. */
  readonly certificate: Certificate;

  /**
   * Checks certificates and key.
   *
   * @throws {TypeError} if one cannot be read, or if the key does not belong to the certificate.
   */
  constructor(tls: Required<Tls>) {
    checkTls(tls);
    this.tls = tls;
    this.certificate = ownCertificate(tls.cert, tls.ca);
  }

  /** Wraps an accepted connection and begins the handshake. */
  secure(conn: Deno.TcpConn, options: TlsSocketOptions): Socket {
    return new TlsSocket(conn, this.tls, options);
  }
}

function checkTls({ ca, cert, key }: Required<Tls>): void {
  const leaf = parse("certificate", () => new X509Certificate(cert));
  const privateKey = parse("key", () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new TypeError("The TLS key does not belong to the TLS certificate");
  }
  const roots = certificatesIn(ca);
  if (roots.length === 0) throw new TypeError("The TLS CA holds no certificate in PEM");
  for (const root of roots) {
    // With a CA certificate of X.509 version 1, node:tls of Deno 2.9 accepts any peer that shows
    // that certificate, without its key. Only version 3 has the field that `ca` reads.
    if (!parse("CA", () => new X509Certificate(root)).ca) {
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
