/**
 * The options of the engine on etcd.
 *
 * @module
 */

import { etcdPrefixBytesMax } from "../limits.ts";
import type { Login } from "./token_cache.ts";

/** Certificates in PEM. */
export interface EtcdTls {
  /** The CAs to trust; the runtime's own if left out. */
  readonly ca?: string | undefined;
  /** The certificate to show, if the other end requires one. */
  readonly cert?: string | undefined;
  /** Its private key. */
  readonly key?: string | undefined;
}

const usualPorts: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/** The port in a URL of etcd, which leaves out the usual one; "" if it has another protocol. */
export function portOf({ port, protocol }: URL): string {
  return port || (usualPorts[protocol] ?? "");
}

/** Which etcd, and as which user. */
export interface EtcdOptions {
  /** "http://host:port" or "https://host:port" of one member. */
  readonly url: string;
  /**
   * All keys of this store begin with this text in etcd: 1 to {@linkcode etcdPrefixBytesMax} bytes
   * of UTF-8.
   */
  readonly prefix: string;
  /** The user; left out if etcd's authentication is off. */
  readonly login?: Login | undefined;
  /** The CA that has signed etcd's certificate, and this server's certificate, for https. */
  readonly tls?: EtcdTls | undefined;
}

/**
 * Checks the options, and whether this process may connect to etcd.
 *
 * @throws {TypeError} if it may not, or an option is wrong. The message contains no secret.
 */
export function checkOptions({ url, prefix, tls = {} }: EtcdOptions): void {
  checkUrl(url);
  const bytes = new TextEncoder().encode(prefix).length;
  if (bytes < 1 || bytes > etcdPrefixBytesMax || !prefix.isWellFormed()) {
    throw new TypeError(
      `The prefix of the keys in etcd must be text of 1 to ${etcdPrefixBytesMax} bytes, not ${bytes}`,
    );
  }
  checkTls(tls);
}

function checkUrl(text: string): void {
  const url = URL.parse(text);
  const valid = url !== null && /^https?:$/.test(url.protocol) && url.hostname !== "" &&
    url.pathname === "/" && !/[?#@]/.test(text);
  if (!valid) {
    // The text may contain a password.
    throw new TypeError(
      "The URL of etcd must be http://host:port or https://host:port, without user, password, " +
        "path, query or fragment. A user and a password are the option login",
    );
  }
  const host = `${url.hostname}:${portOf(url)}`;
  if (Deno.permissions.querySync({ name: "net", host }).state !== "granted") {
    throw new TypeError(
      `This process may not connect to etcd at ${host}. Allow it: --allow-net or --allow-net=${host}`,
    );
  }
}

function checkTls({ ca, cert, key }: EtcdTls): void {
  if (ca === undefined && cert === undefined) return;
  try {
    // `node:tls` would fail only at the first connection, and not say which part is wrong.
    Deno.createHttpClient({
      ...(ca === undefined ? {} : { caCerts: [ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    }).close();
  } catch (cause) {
    const reason = `The CA, certificate or key for etcd cannot be used: ${
      (cause as Error).message
    }`;
    throw new TypeError(reason, { cause });
  }
  const certificates = ca?.match(/(?<=-----BEGIN CERTIFICATE-----)[^-]*/g) ?? [];
  if (ca !== undefined && certificates.length === 0) {
    throw new TypeError("The CA for etcd contains no certificate in PEM");
  }
  if (!certificates.every(isVersion3)) {
    throw new TypeError("The CA for etcd is not a certificate of X.509 version 3");
  }
}

/**
 * Whether a certificate is of X.509 version 3. With a CA of version 1, `node:tls` of Deno 2.9
 * accepts any peer that shows the CA's certificate, without its key.
 */
function isVersion3(base64: string): boolean {
  const der = Uint8Array.fromBase64(base64);
  // Two SEQUENCEs begin the certificate. The version follows as [0] INTEGER, and is 2 for version 3.
  const inner = headerBytes(der, 0);
  const at = inner + headerBytes(der, inner);
  return der[at] === 0xa0 && der[at + 4] === 2;
}

/** The length of the tag and the length at a position of DER. */
function headerBytes(der: Uint8Array, at: number): number {
  const length = der[at + 1] ?? 0;
  return length < 0x80 ? 2 : 2 + (length & 0x7f);
}
