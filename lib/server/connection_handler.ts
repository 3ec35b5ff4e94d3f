/**
 * One connection of a server: its turns at the node, and what its other end has proved.
 *
 * @module
 */

import type { Channel } from "@std/async/channel";
import { AcceptorHandshake, DiallerHandshake } from "../auth/handshake.ts";
import type { Role, Secret, Secrets } from "../auth/secret.ts";
import type { Connection, Receiver } from "../net/connection.ts";
import type { FrameError } from "../mensagem.ts";
import {
  type AnyMensagem,
  type Challenge,
  ErrorReply,
  Heartbeat,
  type Hello,
  Mensagem,
  type Proof,
  type ProofOk,
} from "../mensagem.ts";
import type { Node } from "../replication/node.ts";

/** Says nothing but that this end is there. */
const heartbeat = new Heartbeat().encode();

/** What the connections of a server share. */
export interface Shared {
  /** Takes the lines. */
  readonly node: Node;
  /**
   * Whoever has put its one token in here works on the node; nobody else does (enunciado, Perguntas
   * Frequentes 2). It is taken once for all requests of a chunk, and never while waiting for the
   * network.
   */
  readonly mutex: Channel<true>;
  /** What has to be proved. */
  readonly secrets: Secrets;
  /** This server is the leader. */
  readonly leads: boolean;
  /** Flushes the node once everything that came in this turn of the event loop was received. */
  flush(): void;
  /** Tells the operator. */
  report(line: string): void;
}

/** The other end of a connection. */
export class Peer implements Receiver {
  /** The connection. */
  readonly connection: Connection;
  readonly #shared: Shared;
  /** `undefined` until the other end sends HELLO or PROOF. */
  #acceptor: AcceptorHandshake | undefined;
  /** `undefined` if this end is not proving anything. */
  #dialler: {
    readonly handshake: DiallerHandshake;
    readonly done: PromiseWithResolvers<void>;
  } | undefined;

  /** Knows nothing of the other end yet. */
  constructor(connection: Connection, shared: Shared) {
    this.connection = connection;
    this.#shared = shared;
    connection.mayJoin = shared.secrets.server === undefined;
    connection.mayAsk = shared.secrets.client === undefined;
  }

  /** Waits for the mutex. */
  begin(): void | Promise<void> {
    if (!this.#shared.mutex.trySend(true)) return this.#shared.mutex.send(true);
  }

  /** Hands a line to the node. */
  receive(line: string): void | Promise<void> {
    if (this.#dialler !== undefined) return this.#takeAnswer(line);
    return this.#shared.node.receive(this.connection, line);
  }

  /** Gives the mutex back. */
  end(): void {
    this.#shared.flush();
    // A follower that dials with a certificate cannot turn off Nagle's algorithm: without an answer
    // that carries the acknowledgement its next small write would wait 40 ms.
    const { betweenServers, certified } = this.connection;
    if (betweenServers && certified) this.connection.send(heartbeat);
    this.#shared.mutex.tryReceive();
  }

  /** Ends the connection, and says why. */
  fail(failure: FrameError): void {
    this.#shared.node.refuse(this.connection, failure);
  }

  /**
   * Proves to the other end that this one knows a secret, and has it prove the same.
   *
   * @throws {Error} where that does not succeed.
   */
  async prove(secret: Secret, role: Role): Promise<void> {
    const handshake = new DiallerHandshake(secret, role);
    const done = Promise.withResolvers<void>();
    this.#dialler = { handshake, done };
    this.connection.send(handshake.hello.encode());
    await done.promise;
  }

  /** The connection has ended. */
  ended(): void {
    this.#dialler?.done.reject(new Error("the connection ended during the handshake"));
  }

  /** Takes a message about secrets. */
  async authenticate(message: Hello | Challenge | Proof | ProofOk): Promise<void> {
    if (message.type !== "HELLO" && message.type !== "PROOF") {
      return this.#refuse(`${message.type} came, but this server did not send HELLO`);
    }
    this.#acceptor ??= new AcceptorHandshake(this.#shared.secrets, this.#shared.leads);
    const step = await this.#acceptor.receive(message);
    if (step.kind === "refused") return this.#refuse(step.reason);
    if (step.kind === "accepted") {
      if (step.role === "server") this.connection.mayJoin = true;
      this.connection.mayAsk = true;
    }
    this.connection.send(step.message.encode());
  }

  /** Takes a line while this end proves that it knows the secret. */
  async #takeAnswer(line: string): Promise<void> {
    const { handshake, done } = this.#dialler!;
    let message: AnyMensagem;
    try {
      message = Mensagem.decode(line);
    } catch (error) {
      this.#dialler = undefined;
      done.reject(error);
      return this.#refuse((error as Error).message);
    }
    const step = await handshake.receive(message);
    if (step.kind === "send") return this.connection.send(step.message.encode());
    this.#dialler = undefined;
    if (step.kind === "accepted") return done.resolve();
    done.reject(new Error(step.reason));
    // An ERROR is never answered with an ERROR.
    if (message.type === "ERROR") this.connection.close();
    else this.#refuse(step.reason);
  }

  #refuse(reason: string): void {
    this.#shared.report(`refused ${this.connection.peer}: ${reason}`);
    this.connection.send(new ErrorReply("FORBIDDEN", reason).encode());
    this.connection.close();
  }
}
