/**
 * A shared secret, and proofs that an end knows it. A proof does not reveal the secret.
 *
 * A proof is the HMAC-SHA-256 of the side that makes it, the role and both nonces. So a proof cannot
 * be used a second time, for another role, or by the other side.
 *
 * @module
 */

/** What a proof grants: "server" may replicate, "client" may send requests. */
export type Role = "server" | "client";

/** The two ends of a handshake: the dialler connects to the acceptor. */
export type Side = "dialler" | "acceptor";

/**
 * The secrets that an acceptor asks for, by role: the secret of the servers and the password of the
 * clients. A role without a secret needs no proof.
 */
export type Secrets = Readonly<Partial<Record<Role, Secret>>>;

const nonceBytes = 16;
const encoder = new TextEncoder();

/** A secret that both ends know, imported as a key for HMAC. */
export class Secret {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** Imports a secret. Any text is accepted; a long random one is hard to guess. */
  static async from(text: string): Promise<Secret> {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const bytes = encoder.encode(text);
    return new Secret(
      await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign", "verify"]),
    );
  }

  /** Makes the proof of one side, in hexadecimal digits. */
  async prove(side: Side, role: Role, nonces: readonly string[]): Promise<string> {
    const proof = await crypto.subtle.sign("HMAC", this.#key, signedBytes(side, role, nonces));
    return new Uint8Array(proof).toHex();
  }

  /** Whether this side has made the proof with this secret. Takes constant time. */
  async verify(proof: string, side: Side, role: Role, nonces: readonly string[]): Promise<boolean> {
    const bytes = Uint8Array.fromHex(proof);
    return await crypto.subtle.verify("HMAC", this.#key, bytes, signedBytes(side, role, nonces));
  }
}

/** A fresh nonce of 128 random bits, in hexadecimal digits. */
export function newNonce(): string {
  return crypto.getRandomValues(new Uint8Array(nonceBytes)).toHex();
}

function signedBytes(side: Side, role: Role, nonces: readonly string[]): Uint8Array<ArrayBuffer> {
  // No part can contain a line feed, so two different lists never give the same text.
  return encoder.encode(["kv", side, role, ...nonces].join("\n"));
}
