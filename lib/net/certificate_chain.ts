/**
 * Reads the certificates of `node:tls` and of files in PEM.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { X509Certificate } from "node:crypto";
import { checkServerIdentity, type DetailedPeerCertificate, type PeerCertificate } from "node:tls";
import type { Certificate } from "./certificate.ts";

/** The longest chain of certificates that is followed. */
const chainMax = 10;

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The certificates in a text in PEM. */
export function certificatesIn(pem: string): string[] {
  return pem.match(pemCertificate) ?? [];
}

/** What a peer has shown to `node:tls`. It ends with the first certificate of its chain that does. */
export function certificateOf(shown: DetailedPeerCertificate): Certificate {
  let expiresAtMs = Infinity;
  let next: DetailedPeerCertificate | undefined = shown;
  for (let length = 0; next?.valid_to !== undefined && length < chainMax; length++) {
    expiresAtMs = Math.min(expiresAtMs, Date.parse(next.valid_to));
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return certificateWith(shown.subjectaltname, expiresAtMs);
}

/**
 * This end's own certificate with its chain, and the CA, all in PEM. Of several CAs it is not known
 * which one counts, so the last one to expire does.
 */
export function ownCertificate(chain: string, ca: string): Certificate {
  const own = certificatesIn(chain).map((pem) => new X509Certificate(pem));
  const end = ({ validTo }: X509Certificate) => Date.parse(validTo);
  const caEndsMs = Math.max(...certificatesIn(ca).map((pem) => end(new X509Certificate(pem))));
  const expiresAtMs = Math.min(...own.map(end), caEndsMs);
  return certificateWith(own[0]!.subjectAltName, expiresAtMs);
}

function certificateWith(names: string | undefined, expiresAtMs: number): Certificate {
  // Without a subject the common name cannot stand in for the names.
  const certificate = { subject: {}, subjectaltname: names } as unknown as PeerCertificate;
  const isFor = (host: string) => checkServerIdentity(host, certificate) === undefined;
  return { names: names ?? "", expiresAtMs, isFor };
}
