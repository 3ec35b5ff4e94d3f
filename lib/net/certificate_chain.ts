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

/** What a peer has shown to `node:tls`. */
export function certificateOf(shown: DetailedPeerCertificate): Certificate {
  const own = new X509Certificate(shown.raw);
  const others: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = shown.issuerCertificate;
  while (next !== undefined && others.length < chainMax) {
    others.push(new X509Certificate(next.raw));
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return certificateWith(shown.subjectaltname, endOf(own, others));
}

/** This end's own certificate with its chain, and the CA, all in PEM. */
export function ownCertificate(chain: string, ca: string): Certificate {
  const parse = (pem: string) => new X509Certificate(pem);
  const [own, ...others] = certificatesIn(chain).map(parse);
  return certificateWith(
    own!.subjectAltName,
    endOf(own!, [...others, ...certificatesIn(ca).map(parse)]),
  );
}

/**
 * When a certificate expires, or those that sign it. If several do, such as an old and a renewed CA with
 * one key, the last one to expire counts. Others in a chain do not count: no peer looks at them.
 */
function endOf(certificate: X509Certificate, others: readonly X509Certificate[]): number {
  const endMs = Date.parse(certificate.validTo);
  const signers = others.filter((other) =>
    other.subject === certificate.issuer && certificate.verify(other.publicKey)
  );
  if (signers.length === 0) return endMs;
  const rest = others.filter((other) => !signers.includes(other));
  return Math.min(endMs, Math.max(...signers.map((signer) => endOf(signer, rest))));
}

function certificateWith(names: string | undefined, expiresAtMs: number): Certificate {
  // Without a subject the common name cannot stand in for the names.
  const certificate = { subject: {}, subjectaltname: names } as unknown as PeerCertificate;
  const isFor = (host: string) => checkServerIdentity(host, certificate) === undefined;
  return { names: names ?? "", expiresAtMs, isFor };
}
