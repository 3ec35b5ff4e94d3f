/**
 * Proving that one knows a shared secret, in both directions, without ever sending it.
 *
 * ```text
 * dialler                                       acceptor
 *    │ HELLO    role, nonce D                      │
 *    │──────────────────────────────────────────▶ │
 *    │ CHALLENGE nonce A, proof of the acceptor    │
 *    │ ◀──────────────────────────────────────────│
 *    │ PROOF    proof of the dialler               │
 *    │──────────────────────────────────────────▶ │
 *    │ PROOF_OK                                    │
 *    │ ◀──────────────────────────────────────────│
 * ```
 *
 * A proof is HMAC-SHA-256 over the side that makes it, the role and both nonces, so that none can
 * be used twice, for another role, or sent back to the side that made it. The connection itself is
 * not encrypted by this: who can change what is on the wire needs TLS to be kept out.
 *
 * @module
 */

import { Challenge, Hello, Proof } from "../mensagem.ts";

/** What a proof opens: replication, or requests of clients. */
export type Role = "server" | "client";

/** Who makes a proof: who connected, or who was connected to. */
export type Side = "dialler" | "acceptor";

const encoder = new TextEncoder();

/** A secret that both ends know, imported for signing. */
export class Secret {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** Takes over a secret. Any text will do; the longer and the more random, the better. */
  static async from(text: string): Promise<Secret> {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const bytes = encoder.encode(text);
    return new Secret(
      await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign", "verify"]),
    );
  }

  /** The proof of one side, in hexadecimal digits. */
  async prove(side: Side, role: Role, nonces: readonly string[]): Promise<string> {
    const proof = await crypto.subtle.sign("HMAC", this.#key, text(side, role, nonces));
    return new Uint8Array(proof).toHex();
  }

  /** True where the proof is that of the side. Takes the same time whether it is or not. */
  async verify(proof: string, side: Side, role: Role, nonces: readonly string[]): Promise<boolean> {
    const bytes = Uint8Array.fromHex(proof);
    return await crypto.subtle.verify("HMAC", this.#key, bytes, text(side, role, nonces));
  }
}

function text(side: Side, role: Role, nonces: readonly string[]): Uint8Array<ArrayBuffer> {
  // None of the parts can contain the separator, so no two different lists give the same text.
  return encoder.encode(["kv", side, role, ...nonces].join("\n"));
}

/** The side that connects. */
export class DiallerProof {
  readonly #secret: Secret;
  readonly #role: Role;
  readonly #nonce = newNonce();

  /** Wants to prove, for a role, that it knows the secret. */
  constructor(secret: Secret, role: Role) {
    this.#secret = secret;
    this.#role = role;
  }

  /** The message to begin with. */
  get hello(): Hello {
    return new Hello(this.#role, this.#nonce);
  }

  /**
   * The answer to the acceptor's challenge, `undefined` where the acceptor does not know the secret
   * itself.
   */
  async answer({ nonce, proof }: Challenge): Promise<Proof | undefined> {
    const nonces = [this.#nonce, nonce];
    if (!await this.#secret.verify(proof, "acceptor", this.#role, nonces)) return undefined;
    return new Proof(await this.#secret.prove("dialler", this.#role, nonces));
  }
}

/** The side that is connected to. One for each attempt. */
export class AcceptorProof {
  /** What a right proof opens. */
  readonly role: Role;
  readonly #secret: Secret;
  readonly #nonces: readonly [dialler: string, acceptor: string];

  /** Has received a greeting. */
  constructor(secret: Secret, { role, nonce }: Hello) {
    this.#secret = secret;
    this.role = role;
    this.#nonces = [nonce, newNonce()];
  }

  /** The challenge for the dialler, with a proof of this side's own. */
  async challenge(): Promise<Challenge> {
    const proof = await this.#secret.prove("acceptor", this.role, this.#nonces);
    return new Challenge(this.#nonces[1], proof);
  }

  /** True where the dialler knows the secret. */
  async accepts({ proof }: Proof): Promise<boolean> {
    return await this.#secret.verify(proof, "dialler", this.role, this.#nonces);
  }
}

/** 128 random bits that were never used before. */
function newNonce(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}
