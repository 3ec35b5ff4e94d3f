/**
 * What the certificate of a server says. Who reads certificates is `certificate_chain.ts`, which only
 * servers with TLS load.
 *
 * @module
 */

import { parseAddress, unmapped } from "../wire/address.ts";

/** The part of a certificate that is used after the handshake. */
export interface Certificate {
  /** Its subject alternative names, as OpenSSL writes them; "" if there are none. */
  readonly names: string;
  /** When it expires, or one of those that sign it, in milliseconds since the Unix epoch. */
  readonly expiresAtMs: number;
  /** Whether it names this IP address or DNS name. The common name does not count. */
  isFor(host: string): boolean;
}

/** The names of a certificate that a message shows, in UTF-16 units. */
const namesCharsMax = 200;

/** Why a certificate is not that of the server "host:port". `undefined` if it is, or without TLS. */
export function whyNotFor(shown: Certificate | undefined, server: string): string | undefined {
  const host = unmapped(parseAddress(server)!.hostname);
  if (shown === undefined || shown.isFor(host)) return undefined;
  const names = shown.names === "" ? "no IP address and no DNS name" : shown.names;
  const cut = names.length <= namesCharsMax ? names : `${names.slice(0, namesCharsMax)}…`;
  return `its certificate names ${cut}, and not ${host}`;
}
