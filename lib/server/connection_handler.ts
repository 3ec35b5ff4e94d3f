/**
 * One connection of a server: its turns at the node, and what its other end has proved.
 *
 * @module
 */

import type { Channel } from "@std/async/channel";
import { AcceptorProof, DiallerProof, type Role, type Secret } from "../auth/proof.ts";
import type { Connection, Receiver } from "../net/connection.ts";
import type { FrameError } from "../mensagem.ts";
import {
  type Challenge,
  ErrorReply,
  Heartbeat,
  type Hello,
  type Proof,
  ProofOk,
} from "../mensagem.ts";
import type { Node } from "../replication/node.ts";

/** The secrets that a server knows, by what they open. Where there is none, all is open. */
export type Secrets = Readonly<Partial<Record<Role, Secret>>>;

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
  /** The other end has said HELLO. */
  #acceptor: AcceptorProof | undefined;
  /** This end has said HELLO, and waits for the other to accept its proof. */
  #dialler: {
    readonly proof: DiallerProof;
    readonly done: PromiseWithResolvers<void>;
    /** The other end has proved itself. */
    trusted: boolean;
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
    const proof = new DiallerProof(secret, role);
    this.#dialler = { proof, done: Promise.withResolvers(), trusted: false };
    this.connection.send(proof.hello.encode());
    await this.#dialler.done.promise;
  }

  /** The connection has ended. */
  ended(): void {
    this.#dialler?.done.reject(new Error("the other end has another secret, or is not the leader"));
  }

  /** Takes a message about secrets. */
  async authenticate(message: Hello | Challenge | Proof | ProofOk): Promise<void> {
    switch (message.type) {
      case "HELLO": {
        // Servers dial the leader alone. A challenge of another server could be passed on to one
        // that dials an impostor, who would then be taken for the leader.
        if (message.role === "server" && !this.#shared.leads) {
          return this.#refuse("this server is not the leader");
        }
        const secret = this.#shared.secrets[message.role];
        if (secret === undefined) {
          return this.#refuse(`this server has no secret for a ${message.role}`);
        }
        this.#acceptor = new AcceptorProof(secret, message);
        this.connection.send((await this.#acceptor.challenge()).encode());
        return;
      }
      case "PROOF": {
        const acceptor = this.#acceptor;
        this.#acceptor = undefined;
        if (acceptor === undefined || !await acceptor.accepts(message)) {
          return this.#refuse("the secret is wrong");
        }
        if (acceptor.role === "server") this.connection.mayJoin = true;
        this.connection.mayAsk = true;
        this.connection.send(new ProofOk().encode());
        return;
      }
      case "CHALLENGE": {
        const dialler = this.#dialler;
        const answer = await dialler?.proof.answer(message);
        if (dialler === undefined || answer === undefined) {
          return this.#refuse("the secret is not the same here");
        }
        dialler.trusted = true;
        this.connection.send(answer.encode());
        return;
      }
      case "PROOF_OK":
        if (this.#dialler?.trusted !== true) return this.#refuse("nothing was proved");
        this.#dialler.done.resolve();
    }
  }

  #refuse(reason: string): void {
    this.#shared.report(`refused ${this.connection.peer}: ${reason}`);
    this.connection.send(new ErrorReply("FORBIDDEN", reason).encode());
    this.connection.close();
  }
}
