/**
 * Makes certificates for tests: of any validity, with any names.
 *
 * @module
 */

import type { Tls } from "../../lib/net/dial.ts";
import { isIpv4 } from "../../lib/wire/ipv6.ts";

/** What a certificate says. */
export interface CertificateOptions {
  /** Subject alternative names: IP addresses and DNS names. Without names there is no such extension. */
  readonly names?: readonly string[];
  /** The subject's common name. */
  readonly commonName?: string;
  /** How long it is valid from now, in milliseconds. X.509 counts whole seconds. */
  readonly validMs?: number;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
const encoder = new TextEncoder();
const dayMs = 24 * 60 * 60 * 1_000;

/** A CA that signs certificates. */
export class TestCa {
  /** Its certificate, in PEM. */
  readonly pem: string;
  readonly #keys: CryptoKeyPair;

  private constructor(pem: string, keys: CryptoKeyPair) {
    this.pem = pem;
    this.#keys = keys;
  }

  /** Makes a CA. */
  static async make(validMs = 365 * dayMs): Promise<TestCa> {
    const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const extensions = [
      extension([0x55, 0x1d, 0x13], der(0x30, [0x01, 0x01, 0xff])), // CA:TRUE
      extension([0x55, 0x1d, 0x0f], [0x03, 0x02, 0x02, 0x04]), // keyCertSign
    ];
    const options = { commonName: "ca", validMs };
    return new TestCa(await sign(keys.privateKey, keys.publicKey, options, extensions), keys);
  }

  /** Makes a certificate and its key, for the usual use of a server. */
  async issue(options: CertificateOptions): Promise<Required<Tls>> {
    const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const usages = [1, 2].map((use) => der(0x06, [0x2b, 6, 1, 5, 5, 7, 3, use]));
    const extensions = [extension([0x55, 0x1d, 0x25], der(0x30, usages.flat()))];
    const names = (options.names ?? []).map((name) => {
      const ip = bytesOf(name);
      return ip === undefined ? der(0x82, [...encoder.encode(name)]) : der(0x87, ip);
    });
    if (names.length > 0) extensions.push(extension([0x55, 0x1d, 0x11], der(0x30, names.flat())));
    const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
      ca: this.pem,
      cert: await sign(this.#keys.privateKey, keys.publicKey, options, extensions),
      key: pem("PRIVATE KEY", new Uint8Array(key)),
    };
  }
}

async function sign(
  issuer: CryptoKey,
  subject: CryptoKey,
  { commonName = "server", validMs = 365 * dayMs }: CertificateOptions,
  extensions: readonly number[][],
): Promise<string> {
  const signature = der(0x30, [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
  const [from, to] = [Date.now() - dayMs, Date.now() + validMs];
  const serial = [0x01, ...crypto.getRandomValues(new Uint8Array(8))];
  const publicKey = await crypto.subtle.exportKey("spki", subject);
  const body = der(
    0x30,
    [
      der(0xa0, [0x02, 0x01, 0x02]), // version 3
      der(0x02, serial),
      signature,
      nameOf("ca"),
      der(0x30, [...time(from), ...time(to)]),
      nameOf(commonName),
      [...new Uint8Array(publicKey)],
      der(0xa3, der(0x30, extensions.flat())),
    ].flat(),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, issuer, new Uint8Array(body)),
  );
  const pair = der(0x30, [...integer(raw.subarray(0, 32)), ...integer(raw.subarray(32))]);
  return pem(
    "CERTIFICATE",
    new Uint8Array(der(0x30, [...body, ...signature, ...der(0x03, [0, ...pair])])),
  );
}

/** A value with its tag and its length. */
function der(tag: number, value: readonly number[]): number[] {
  const { length } = value;
  if (length < 0x80) return [tag, length, ...value];
  return length < 0x100
    ? [tag, 0x81, length, ...value]
    : [tag, 0x82, length >> 8, length & 0xff, ...value];
}

function extension(id: readonly number[], value: readonly number[]): number[] {
  return der(0x30, [...der(0x06, id), ...der(0x04, value)]);
}

function nameOf(commonName: string): number[] {
  const text = der(0x0c, [...encoder.encode(commonName)]);
  return der(0x30, der(0x31, der(0x30, [...der(0x06, [0x55, 0x04, 0x03]), ...text])));
}

/** A time as GeneralizedTime, or UTCTime before 2050, as X.509 wants it. */
function time(ms: number): number[] {
  const text = `${new Date(ms).toISOString().replace(/\.\d+Z|[-:T]/g, "")}Z`;
  return text < "2050"
    ? der(0x17, [...encoder.encode(text.slice(2))])
    : der(0x18, [...encoder.encode(text)]);
}

function integer(bytes: Uint8Array): number[] {
  const start = Math.max(0, bytes.findIndex((byte) => byte !== 0));
  const short = [...bytes.subarray(start)];
  return der(0x02, short[0]! >= 0x80 ? [0, ...short] : short);
}

/** The bytes of an IP address, `undefined` if it is a DNS name. */
function bytesOf(name: string): number[] | undefined {
  if (isIpv4(name)) return name.split(".").map(Number);
  if (!/^[\da-f:]+$/.test(name) || !name.includes(":")) return undefined;
  const [head = "", tail = ""] = name.split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":").map((g) => parseInt(g, 16));
  const [first, last] = [groups(head), groups(tail)];
  const zeros = Array(8 - first.length - last.length).fill(0);
  return [...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]);
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!.join("\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
