/**
 * A shared secret, and proofs that an end knows it. A proof does not reveal the secret.
 *
 * - A proof is the HMAC-SHA-256 of the side that makes it and of what the handshake is about: the
 *   role, both nonces and the address that was dialled. So a proof cannot be used a second time, for
 *   another role, by the other side, or towards another server.
 * - The key is made from the secret by PBKDF2 (RFC 8018). So each guess at a secret from a
 *   handshake costs an attacker {@linkcode workFactor} times as much.
 *
 * @module
 */

import { bytesOfHex, hexOf } from "./hex.ts";

/** What a proof grants: "server" may replicate, "client" may send requests. */
export type Role = "server" | "client";

/** The two ends of a handshake: the dialler connects to the acceptor. */
export type Side = "dialler" | "acceptor";

/** Which server the dialler means. */
export interface Dialled {
  /** "host:port", as the user of the dialler gave it. */
  readonly server: string;
  /** "ip:port" of the other end of the connection. */
  readonly peer: string;
  /** Whether the dialler speaks TLS: then it has checked the certificate of that server. */
  readonly tls?: boolean | undefined;
}

/** What a proof is about. */
export interface Terms {
  /** What the dialler wants to act as. */
  readonly role: Role;
  /** The dialler's nonce and the acceptor's. */
  readonly nonces: readonly [string, string];
  /** Which server was dialled; `undefined` with an acceptor of version 1. */
  readonly dialled: Dialled | undefined;
}

/**
 * The secrets that an acceptor asks for, by role: the secret of the servers and the password of the
 * clients. A role without a secret needs no proof.
 */
export type Secrets = Readonly<Partial<Record<Role, Secret>>>;

/** Rounds of PBKDF2. Part of the protocol: both ends must use the same number. */
export const workFactor = 300_000;

/** The version of the proofs that are made here. Version 1 had neither PBKDF2 nor the address. */
export const proofVersion = 2;

/**
 * The salt is the same everywhere, because both ends must make the same key before they have exchanged
 * anything. A table of guesses made for it would fit every cluster: a secret has to be long.
 */
const salt = "kv handshake 2";

/** The shortest secret that is not warned about, in characters. */
export const secretCharsSafe = 16;

/** Secrets whose keys are kept, so that a process makes each key once. */
const keptMax = 16;

const nonceBytes = 16;
const hmac = { name: "HMAC", hash: "SHA-256" };
const encoder = new TextEncoder();

/** A secret that both ends know, as keys for proofs. */
export class Secret {
  /** The last secrets that this process has used. */
  static readonly #kept = new Map<string, Secret>();

  readonly #text: string;
  #key: Promise<CryptoKey> | undefined;
  #keyOfVersion1: Promise<CryptoKey> | undefined;

  private constructor(text: string) {
    this.#text = text;
  }

  /** A secret with this text. Any text is accepted; a long random one is hard to guess. */
  static from(text: string): Secret {
    const kept = Secret.#kept.get(text);
    if (kept !== undefined) return kept;
    const [oldest] = Secret.#kept.keys();
    if (oldest !== undefined && Secret.#kept.size >= keptMax) Secret.#kept.delete(oldest);
    const secret = new Secret(text);
    Secret.#kept.set(text, secret);
    return secret;
  }

  /** Whether it is so short that it can be guessed: below {@linkcode secretCharsSafe}. */
  get short(): boolean {
    return [...this.#text].length < secretCharsSafe;
  }

  /**
   * Makes the key, which the first proof needs, ahead of time. It takes another thread about a tenth
   * of a second, once in a process.
   */
  async prepare(): Promise<void> {
    await (this.#key ??= stretched(this.#text));
  }

  /** Makes the proof of one side, in hexadecimal digits. */
  async prove(side: Side, terms: Terms): Promise<string> {
    const proof = await crypto.subtle.sign("HMAC", await this.#keyFor(terms), signed(side, terms));
    return hexOf(new Uint8Array(proof));
  }

  /** Whether this side has made the proof with this secret. Takes constant time. */
  async verify(proof: string, side: Side, terms: Terms): Promise<boolean> {
    const bytes = bytesOfHex(proof);
    return await crypto.subtle.verify(
      "HMAC",
      await this.#keyFor(terms),
      bytes,
      signed(side, terms),
    );
  }

  #keyFor({ dialled }: Terms): Promise<CryptoKey> {
    if (dialled !== undefined) return this.#key ??= stretched(this.#text);
    const bytes = encoder.encode(this.#text);
    return this.#keyOfVersion1 ??= crypto.subtle.importKey("raw", bytes, hmac, false, [
      "sign",
      "verify",
    ]);
  }
}

/** A fresh nonce of 128 random bits, in hexadecimal digits. */
export function newNonce(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(nonceBytes)));
}

async function stretched(text: string): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey("raw", encoder.encode(text), "PBKDF2", false, [
    "deriveKey",
  ]);
  return await crypto.subtle.deriveKey(
    { name: "PBKDF2", hash: "SHA-256", salt: encoder.encode(salt), iterations: workFactor },
    material,
    { ...hmac, length: 256 },
    false,
    ["sign", "verify"],
  );
}

function signed(side: Side, { role, nonces, dialled }: Terms): Uint8Array<ArrayBuffer> {
  const parts = dialled === undefined
    ? ["kv", side, role, ...nonces]
    : ["kv", `${proofVersion}`, side, role, ...nonces, dialled.server, dialled.peer];
  if (dialled?.tls) parts.push("tls");
  // No part can contain a line feed, so two different lists never give the same text.
  return encoder.encode(parts.join("\n"));
}
