/**
 * A ClientHello of TLS 1.2 or older, byte by byte, so that it offers what no library offers any more.
 *
 * @module
 */

import type { Address } from "../../../../lib/wire/address.ts";

/** What a ClientHello offers. */
export interface Offer {
  /** The highest version (TLS 1.2). */
  readonly version?: number;
  /** The cipher suites. */
  readonly ciphers: readonly number[];
  /** The compression methods (0: none). */
  readonly compressions?: readonly number[];
}

/** Cipher suites by the reason for which a server has to refuse them. */
export const cipherSuites = {
  good: [0xc02b, 0xc02f], // ECDHE-ECDSA and ECDHE-RSA with AES-128-GCM
  "without encryption": [0x0001, 0x0002, 0x003b, 0xc006, 0xc010],
  "without a certificate": [0x0018, 0x0034, 0x006c, 0x00a6, 0xc018],
  "of 40 or 56 bits, for export": [0x0003, 0x0006, 0x0008, 0x0009, 0x0011, 0x0014, 0x0062, 0x0064],
  "with RC4": [0x0004, 0x0005, 0xc007, 0xc011],
  "with DES or 3DES": [0x000a, 0x0013, 0x0016, 0xc008, 0xc012],
  "without forward secrecy (static RSA)": [0x002f, 0x0035, 0x003c, 0x003d, 0x009c, 0x009d],
  "in CBC mode": [0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc024, 0xc027, 0xc028],
} as const;

function bytes16(...numbers: readonly number[]): number[] {
  return numbers.flatMap((number) => [number >> 8, number & 0xff]);
}

function extension(type: number, ...body: number[]): number[] {
  return [...bytes16(type, body.length), ...body];
}

function clientHello({ version = 0x0303, ciphers, compressions = [0] }: Offer): Uint8Array {
  const extensions = [
    ...extension(10, ...bytes16(4, 0x001d, 0x0017)), // groups: x25519, P-256
    ...extension(11, 1, 0), // points: uncompressed
    ...extension(13, ...bytes16(10, 0x0403, 0x0804, 0x0401, 0x0203, 0x0201)), // signatures
    ...extension(23), // extended master secret
    ...extension(0xff01, 0), // secure renegotiation
  ];
  const body = [
    ...bytes16(version),
    ...crypto.getRandomValues(new Uint8Array(32)),
    0, // no session
    ...bytes16(ciphers.length * 2, ...ciphers),
    compressions.length,
    ...compressions,
    ...bytes16(extensions.length),
    ...extensions,
  ];
  const handshake = [1, 0, ...bytes16(body.length), ...body];
  return Uint8Array.from([22, 3, 1, ...bytes16(handshake.length), ...handshake]);
}

/** What a server does with a ClientHello. */
export type HelloAnswer =
  | { readonly kind: "refused" }
  | {
    readonly kind: "accepted";
    readonly version: number;
    readonly cipher: number;
    readonly compression: number;
  };

/** Sends a ClientHello and reads the answer: a ServerHello, or an alert or the end. */
export async function helloAnswer(
  { hostname, port }: Address,
  offer: Offer,
): Promise<HelloAnswer> {
  using conn = await Deno.connect({ hostname, port });
  await conn.write(clientHello(offer));
  const answer = new Uint8Array(16 * 1024);
  let length = 0;
  // A record has 5 bytes before its text; the ServerHello's fields are within the next 80.
  while (length < 85) {
    const count = await conn.read(answer.subarray(length)).catch(() => null);
    if (count === null) break;
    length += count;
    if (answer[0] !== 22) break;
  }
  if (answer[0] !== 22 || answer[5] !== 2) return { kind: "refused" };
  const view = new DataView(answer.buffer);
  const cipherAt = 5 + 4 + 2 + 32 + 1 + answer[5 + 4 + 2 + 32]!;
  return {
    kind: "accepted",
    version: view.getUint16(9),
    cipher: view.getUint16(cipherAt),
    compression: answer[cipherAt + 2]!,
  };
}
