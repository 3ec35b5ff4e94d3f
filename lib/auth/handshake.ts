/**
 * The handshake: both ends of a connection prove that they know the same secret, without sending it.
 *
 * ```text
 * dialler                                        acceptor
 *    │  HELLO      role, nonce D, address dialled   │
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
 * A dialler accepts acceptors of version 1 too. An acceptor refuses diallers of version 1: it would
 * have to show anyone who asks a proof that is cheap to guess from. So diallers are upgraded first.
 *
 * The handshake does not encrypt. An attacker who can change bytes on the wire can use the connection
 * after the handshake; only TLS prevents that.
 *
 * @module
 */

import { type AnyMensagem, Challenge, type ErrorCode, Hello, Proof, ProofOk } from "../mensagem.ts";
import { formatAddress, parseAddress } from "../wire/address.ts";
import {
  type Dialled,
  newNonce,
  proofVersion,
  type Role,
  type Secret,
  type Secrets,
  type Terms,
} from "./secret.ts";

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
  readonly #dialled: Dialled;
  /** In this order: CHALLENGE is due, its proof is being checked, PROOF_OK is due, the end. */
  #state: "greeting" | "verifying" | "proving" | "over" = "greeting";

  /** Prepares to prove to the server that was dialled that this end knows `secret`, for `role`. */
  constructor(secret: Secret, role: Role, dialled: Dialled) {
    this.#secret = secret;
    const server = canonical(dialled.server);
    const peer = canonical(dialled.peer);
    this.#dialled = { ...dialled, server, peer };
    this.hello = new Hello(role, newNonce(), server, peer, dialled.tls || undefined);
  }

  /** Takes the next message of the acceptor. */
  async receive(message: AnyMensagem): Promise<DiallerStep> {
    if (message.type === "CHALLENGE" && this.#state === "greeting") {
      const { proofVersion: version = 1 } = message;
      if (version === 1 || version === proofVersion) return await this.#answer(message, version);
      this.#state = "over";
      return refused(`the other end has proofs of version ${version}: upgrade this end`);
    }
    if (message.type === "PROOF_OK" && this.#state === "proving") {
      this.#state = "over";
      return { kind: "accepted" };
    }
    return this.#refuse(message);
  }

  async #answer({ nonce, proof }: Challenge, version: number): Promise<DiallerStep> {
    this.#state = "verifying";
    const { role, nonce: own } = this.hello;
    const dialled = version === 1 ? undefined : this.#dialled;
    const terms: Terms = { role, nonces: [own, nonce], dialled };
    const right = await this.#secret.verify(proof, "acceptor", terms);
    const answer = right && new Proof(await this.#secret.prove("dialler", terms));
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

/** What an acceptor knows about itself. */
export interface AcceptorOptions {
  /** The secrets that it asks for. */
  readonly secrets: Secrets;
  /** Whether this server is the leader. */
  readonly leads: boolean;
  /** "host:port" of this server, then of this end of the connection. */
  readonly addresses: readonly string[];
  /** Whether the connection is encrypted. */
  readonly tls?: boolean | undefined;
}

/**
 * The acceptor's half of the handshake. Use one for each connection.
 *
 * - It proves nothing to a dialler that meant another address than this server's: an impostor there
 *   could be passing messages on. If both ends speak TLS, the certificate has shown the dialler that
 *   it reached the server that it meant. If only this end does, an impostor may be between them.
 * - A proof is checked against the last HELLO, and only once.
 * - A HELLO may come at any time. It starts the handshake again, for the same or another role.
 */
export class AcceptorHandshake {
  readonly #options: AcceptorOptions;
  /** The HELLO that was answered with a CHALLENGE; `undefined` if no PROOF is due. */
  #attempt: { readonly secret: Secret; readonly terms: Terms } | undefined;

  /** Waits for HELLO. */
  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Takes the next message of the dialler. */
  async receive(message: Hello | Proof): Promise<AcceptorStep> {
    return message.type === "HELLO"
      ? await this.#challenge(message)
      : await this.#verify(message.proof);
  }

  async #challenge({ role, nonce, server, peer, tls }: Hello): Promise<AcceptorStep> {
    const { secrets, leads, addresses } = this.#options;
    // Followers dial only the leader. If other servers answered too, an impostor of the leader could
    // forward their CHALLENGE to a follower, and the follower would believe it.
    if (role === "server" && !leads) return refused("this server is not the leader");
    const secret = secrets[role];
    if (secret === undefined) return refused(`this server has no ${nameOf(role)}`);
    if (server === undefined || peer === undefined) {
      // Followers that are restarted now would lose what this leader does not have yet.
      const advice = role === "client"
        ? "upgrade clients and dashboards before servers"
        : "start this leader's earlier version again, and upgrade the followers first";
      return refused(`the other end is older than this server: ${advice}`);
    }
    const certain = tls && this.#options.tls;
    if (!certain && !addresses.includes(server) && !addresses.includes(peer)) {
      const dialled = server === peer ? server : `${server} (${peer})`;
      return refused(
        `${dialled} was dialled, and this server is ${
          addresses[0]
        }: dial that address, start the ` +
          "server with --advertise, or use TLS at both ends",
      );
    }
    const terms: Terms = { role, nonces: [nonce, newNonce()], dialled: { server, peer, tls } };
    this.#attempt = { secret, terms };
    const proof = await secret.prove("acceptor", terms);
    return { kind: "send", message: new Challenge(terms.nonces[1], proof, proofVersion) };
  }

  async #verify(proof: string): Promise<AcceptorStep> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt === undefined) return refused("PROOF came without HELLO");
    const { secret, terms } = attempt;
    const { role } = terms;
    if (!await secret.verify(proof, "dialler", terms)) {
      return refused(`the ${nameOf(role)} is wrong`);
    }
    return { kind: "accepted", role, message: new ProofOk() };
  }
}

/** The address as the acceptor reads it. The proofs of both ends must be about the same text. */
function canonical(address: string): string {
  const parsed = parseAddress(address);
  return parsed === undefined ? address : formatAddress(parsed);
}

function refused(reason: string, code: ErrorCode = "FORBIDDEN"): Refused {
  return { kind: "refused", code, reason };
}

/** The name of a role's secret in messages to operators and users. */
function nameOf(role: Role): string {
  return role === "server" ? "secret" : "password";
}
