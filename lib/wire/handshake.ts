/**
 * The handshake: both ends prove that they know the secret or the password.
 *
 * `lib/auth` computes and checks the proofs.
 *
 * @module
 */

import { Mensagem } from "./message.ts";

/** Dialler to acceptor, first on the connection if a secret or password is set. */
export class Hello extends Mensagem<"HELLO"> {
  /**
   * `role` is what the dialler wants to act as. `nonce` is 32 random hexadecimal digits. `server` is
   * the "host:port" that was dialled, `peer` the "ip:port" of the connection's other end; version 1
   * has neither. `tls` is `true` if the dialler has checked a certificate, else left out.
   */
  constructor(
    readonly role: "server" | "client",
    readonly nonce: string,
    readonly server?: string,
    readonly peer?: string,
    readonly tls?: boolean,
  ) {
    super("HELLO");
  }
}

/** Answer to HELLO: the acceptor's own proof, and its nonce for the dialler's proof. */
export class Challenge extends Mensagem<"CHALLENGE"> {
  /**
   * `nonce` is 32 hexadecimal digits, `proof` 64. `proofVersion` is that of both proofs,
   * 1 if missing.
   */
  constructor(readonly nonce: string, readonly proof: string, readonly proofVersion?: number) {
    super("CHALLENGE");
  }
}

/** Answer to CHALLENGE. A wrong proof ends the connection. */
export class Proof extends Mensagem<"PROOF"> {
  /** `proof` is 64 hexadecimal digits. */
  constructor(readonly proof: string) {
    super("PROOF");
  }
}

/** Answer to PROOF: the proof is right, and the dialler may act in its role. */
export class ProofOk extends Mensagem<"PROOF_OK"> {
  /** Has no fields. */
  constructor() {
    super("PROOF_OK");
  }
}
