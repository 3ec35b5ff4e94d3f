/**
 * The handshake: both ends of a connection prove that they know the same secret, without sending it.
 *
 * ```text
 * dialler                                        acceptor
 *    │  HELLO      role, nonce D                    │
 *    │ ───────────────────────────────────────────▶ │
 *    │  CHALLENGE  nonce A, proof of the acceptor   │
 *    │ ◀─────────────────────────────────────────── │
 *    │  PROOF      proof of the dialler             │
 *    │ ───────────────────────────────────────────▶ │
 *    │  PROOF_OK                                    │
 *    │ ◀─────────────────────────────────────────── │
 * ```
 *
 * Each half is a state machine without a socket: messages go in, and the next step comes out. The
 * caller sends, and hands in one message at a time.
 *
 * The handshake does not encrypt. An attacker who can change bytes on the wire can use the connection
 * after the handshake; only TLS prevents that.
 *
 * @module
 */

import { type AnyMensagem, Challenge, type ErrorCode, Hello, Proof, ProofOk } from "../mensagem.ts";
import { newNonce, type Role, type Secret, type Secrets } from "./secret.ts";

/** The handshake has failed. The caller must end the connection. */
export interface Refused {
  /** Tells the steps apart. */
  readonly kind: "refused";
  /** The code of the acceptor's ERROR; "FORBIDDEN" if there was none. */
  readonly code: ErrorCode;
  /** Why, for the operator or the user. */
  readonly reason: string;
}

/** What the dialler does next. */
export type DiallerStep =
  /** Send the message, and wait for the answer. */
  | { readonly kind: "send"; readonly message: Proof }
  /** The handshake is over: both ends know the secret. */
  | { readonly kind: "accepted" }
  | Refused;

/** What the acceptor does next. */
export type AcceptorStep =
  /** Send the message, and wait for the answer. */
  | { readonly kind: "send"; readonly message: Challenge }
  /** Send the message. The dialler knows the secret of this role. */
  | { readonly kind: "accepted"; readonly role: Role; readonly message: ProofOk }
  | Refused;

/**
 * The dialler's half of the handshake. Use one for each connection.
 *
 * - PROOF_OK is accepted only after the acceptor's own proof was verified.
 * - An unexpected message ends the handshake for good.
 */
export class DiallerHandshake {
  /** The first message to send. */
  readonly hello: Hello;
  readonly #secret: Secret;
  /** In this order: CHALLENGE is due, its proof is being checked, PROOF_OK is due, the end. */
  #state: "greeting" | "verifying" | "proving" | "over" = "greeting";

  /** Prepares to prove knowledge of `secret` for `role`. */
  constructor(secret: Secret, role: Role) {
    this.#secret = secret;
    this.hello = new Hello(role, newNonce());
  }

  /** Takes the next message of the acceptor. */
  async receive(message: AnyMensagem): Promise<DiallerStep> {
    if (message.type === "CHALLENGE" && this.#state === "greeting") {
      return await this.#answer(message);
    }
    if (message.type === "PROOF_OK" && this.#state === "proving") {
      this.#state = "over";
      return { kind: "accepted" };
    }
    return this.#refuse(message);
  }

  async #answer({ nonce, proof }: Challenge): Promise<DiallerStep> {
    this.#state = "verifying";
    const { role } = this.hello;
    const nonces = [this.hello.nonce, nonce];
    const right = await this.#secret.verify(proof, "acceptor", role, nonces);
    const answer = right && new Proof(await this.#secret.prove("dialler", role, nonces));
    // A message that came during the check has ended the handshake.
    if (answer && this.#state === "verifying") {
      this.#state = "proving";
      return { kind: "send", message: answer };
    }
    this.#state = "over";
    return refused(`the ${nameOf(role)} is wrong, or the other end is an impostor`);
  }

  #refuse(message: AnyMensagem): Refused {
    const { type } = message;
    const greeting = this.#state === "greeting";
    this.#state = "over";
    if (type === "ERROR") return refused(`${message.code}: ${message.message}`, message.code);
    const name = nameOf(this.hello.role);
    return refused(
      greeting
        ? `the other end did not prove that it knows the ${name}: ${type} came instead of CHALLENGE`
        : `the other end did not accept the proof of the ${name}: ${type} came instead of PROOF_OK`,
    );
  }
}

/**
 * The acceptor's half of the handshake. Use one for each connection.
 *
 * - A proof is checked against the last HELLO, and only once.
 * - A HELLO may come at any time. It starts the handshake again, for the same or another role.
 */
export class AcceptorHandshake {
  readonly #secrets: Secrets;
  readonly #leads: boolean;
  /** The HELLO that was answered with a CHALLENGE; `undefined` if no PROOF is due. */
  #attempt: { readonly role: Role; readonly secret: Secret; readonly nonces: string[] } | undefined;

  /** Waits for HELLO. `leads` says whether this server is the leader. */
  constructor(secrets: Secrets, leads: boolean) {
    this.#secrets = secrets;
    this.#leads = leads;
  }

  /** Takes the next message of the dialler. */
  async receive(message: Hello | Proof): Promise<AcceptorStep> {
    return message.type === "HELLO"
      ? await this.#challenge(message)
      : await this.#verify(message.proof);
  }

  async #challenge({ role, nonce }: Hello): Promise<AcceptorStep> {
    // Followers dial only the leader. If other servers answered too, an impostor of the leader could
    // forward their CHALLENGE to a follower, and the follower would believe it.
    if (role === "server" && !this.#leads) return refused("this server is not the leader");
    const secret = this.#secrets[role];
    if (secret === undefined) return refused(`this server has no ${nameOf(role)}`);
    const nonces = [nonce, newNonce()];
    this.#attempt = { role, secret, nonces };
    const proof = await secret.prove("acceptor", role, nonces);
    return { kind: "send", message: new Challenge(nonces[1]!, proof) };
  }

  async #verify(proof: string): Promise<AcceptorStep> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt === undefined) return refused("PROOF came without HELLO");
    const { role, secret, nonces } = attempt;
    if (!await secret.verify(proof, "dialler", role, nonces)) {
      return refused(`the ${nameOf(role)} is wrong`);
    }
    return { kind: "accepted", role, message: new ProofOk() };
  }
}

function refused(reason: string, code: ErrorCode = "FORBIDDEN"): Refused {
  return { kind: "refused", code, reason };
}

/** The name of a role's secret in messages to operators and users. */
function nameOf(role: Role): string {
  return role === "server" ? "secret" : "password";
}
