/**
 * The server's side of one connection: decodes its lines, runs the handshake, and hands the messages
 * to the engine.
 *
 * @module
 */

import { AcceptorHandshake, DiallerHandshake } from "../auth/handshake.ts";
import type { Secret } from "../auth/secret.ts";
import { keyBytesMax, valueBytesMax } from "../limits.ts";
import {
  type AnyMensagem,
  type Challenge,
  checkKey,
  checkValue,
  type DecodingPeer,
  type ErrorCode,
  ErrorReply,
  type Fault,
  FrameError,
  type Get,
  type GetLatest,
  Heartbeat,
  type Hello,
  type List,
  Mensagem,
  MensagemError,
  type Observe,
  type Proof,
  type ProofOk,
  type Put,
  type Status,
  StatusOk,
  textOfValue,
  type Unwatch,
  type Watch,
  type WriteRequest,
} from "../mensagem.ts";
import { whyNotFor } from "../net/certificate.ts";
import type { StallLimits } from "../net/stall_detector.ts";
import { serverRefusalCode } from "../replication/join_policy.ts";
import { stoppingReply } from "../replication/stopping.ts";
import { clientTokensMax, frameTokensMax } from "../wire/tokens.ts";
import { notFromLeaders, serversOnly } from "./directions.ts";
import { type HandledConnection, type ServerContext, statusOf } from "./server_context.ts";

const heartbeat = new Heartbeat().encode();

const needsPassword = "requests need the password: prove it with HELLO first. " +
  "The client takes it from --password-stdin or KV_PASSWORD";

/**
 * What a message costs that honest clients send rarely, in UTF-16 units of costly text: a STATUS, an
 * OBSERVE, a FAULT, a step of a handshake, or one that is wrong. It takes long whatever its length.
 * One turn handles 32 of them.
 */
const rareMessageChars = 8 * 1024;

/**
 * The handler of one connection.
 *
 * - Every request is answered on its connection exactly once, at once or later.
 * - A peer may send requests, or join, only after it has proved what this server asks for.
 * - On a connection that this server has dialled, no request is answered: a program at the leader's
 *   address could ask for the table.
 */
export class ConnectionHandler implements DecodingPeer {
  /** The connection. */
  readonly connection: HandledConnection;
  readonly #server: ServerContext;
  /** Whether the operator's limits are stricter than those that decoding checks. */
  readonly #stricter: boolean;
  /** Whether the peer may send requests: it has proved the password, or there is none. */
  #mayAsk: boolean;
  /** Whether the peer has proved that it is a server of the cluster. */
  #mayJoin: boolean;
  /** `undefined` until the peer sends HELLO or PROOF. */
  #acceptor: AcceptorHandshake | undefined;
  /** The handshake that this end has begun; `undefined` before and after it. */
  #dialler: {
    readonly handshake: DiallerHandshake;
    readonly done: PromiseWithResolvers<void>;
  } | undefined;

  /** Whether this end has dialled: then the peer is the leader, or claims to be. */
  readonly #dialled: boolean;

  /** A handler of a connection on which nothing was received yet. */
  constructor(connection: HandledConnection, server: ServerContext, dialled = false) {
    this.connection = connection;
    this.#server = server;
    this.#dialled = dialled;
    const { tuning, secrets } = server;
    this.#stricter = tuning.keyBytesMax < keyBytesMax || tuning.valueBytesMax < valueBytesMax;
    this.#mayAsk = secrets.client === undefined;
    this.#mayJoin = secrets.server === undefined;
    connection.unproven = !dialled && !this.#mayAsk;
  }

  /** The types that are refused without a look at their fields. */
  get unexpected(): ReadonlySet<string> | undefined {
    if (this.#dialled) return notFromLeaders;
    return this.#fromClient ? serversOnly : undefined;
  }

  /** How many tokens a line may have. */
  get tokensMax(): number {
    return this.#fromClient ? clientTokensMax : frameTokensMax;
  }

  /** Notes that a line is costly. */
  spend(chars: number): void {
    this.connection.spend?.(chars);
  }

  /**
   * Takes the mutex for the lines that follow.
   *
   * @throws {Error} if it is taken. That is a bug: another handler awaits while it has the mutex.
   */
  begin(): void {
    if (!this.#server.mutex.trySend(true)) throw new Error("the mutex of the engine is taken");
  }

  /**
   * Takes one line of the connection, and the bytes of a long one, which are valid during the call.
   * The next line waits for a returned promise.
   *
   * @throws {Error} if the engine fails.
   */
  receive(line: string, bytes?: Uint8Array<ArrayBuffer>): void | Promise<void> {
    let message: AnyMensagem;
    try {
      message = Mensagem.decode(line, this, bytes);
      if (this.#dialled && notFromLeaders.has(message.type)) {
        throw new MensagemError("FORBIDDEN", `a leader sends no ${message.type}`);
      }
      if (this.#stricter && !this.connection.betweenServers) this.#checkSizes(message);
    } catch (error) {
      return this.#notDecoded(error, line);
    }
    if (this.#dialler !== undefined) return this.#takeAnswer(message);
    switch (message.type) {
      case "GET":
      case "PUT":
      case "WRITE":
      case "GET_LATEST":
        return this.#request(message);
      case "LIST":
      case "UNWATCH":
        return this.#query(message);
      case "WATCH":
        this.#spendForRare();
        return this.#query(message);
      case "STATUS":
      case "OBSERVE":
      case "FAULT":
        this.#spendForRare();
        return this.#request(message);
      case "HELLO":
      case "CHALLENGE":
      case "PROOF":
      case "PROOF_OK":
        return this.#authenticate(message);
      default:
        return this.#fromServer(message);
    }
  }

  /** Gives the mutex back. */
  end(): void {
    this.#server.flush();
    // A follower that dials with a certificate cannot turn off Nagle's algorithm. Its next small write
    // would wait 40 ms for the TCP acknowledgement, which this answer carries.
    const { betweenServers, certified } = this.connection;
    if (betweenServers && certified === true) this.connection.send(heartbeat);
    this.#server.mutex.tryReceive();
  }

  /** Ends a connection whose bytes are not frames, and says why. */
  fail({ code, message }: FrameError): void {
    const mustProve = this.connection.unproven && !this.#dialled;
    const why = mustProve && code === "TOO_LARGE" ? `${message}. ${needsPassword}` : message;
    this.connection.send(new ErrorReply(code, why).encode());
    this.connection.close();
  }

  /** Ends a connection that has taken too long, and says why. No line is received after that. */
  endLate(verdict: "unproven" | "idle", { proofMs, idleMs }: StallLimits): void {
    const [code, reason] = verdict === "unproven"
      ? ["FORBIDDEN", `nothing was proved within ${proofMs} ms (--proof-timeout). ${needsPassword}`]
      : ["UNAVAILABLE", `idle for ${idleMs} ms (--idle-timeout): connect again`];
    this.endWith(code as ErrorCode, reason);
  }

  /** Ends the connection, and says why. No line is received after that. */
  endWith(code: ErrorCode, reason: string): void {
    this.connection.push(new ErrorReply(code, reason).encode());
    this.connection.close();
  }

  /**
   * Proves to the leader at `leader`, which was dialled, that this server knows the secret, and makes
   * it prove the same.
   *
   * @throws {Error} if one of the two proofs fails, or if the connection ends before.
   */
  async prove(secret: Secret, leader: string): Promise<void> {
    const { peer, encrypted: tls } = this.connection;
    const handshake = new DiallerHandshake(secret, "server", { server: leader, peer, tls });
    const done = Promise.withResolvers<void>();
    this.#dialler = { handshake, done };
    this.connection.unproven = true;
    this.connection.send(handshake.hello.encode());
    await done.promise;
  }

  /** The connection has ended. */
  ended(): void {
    this.#dialler?.done.reject(new Error("the connection ended during the handshake"));
  }

  /** Whether lines come from a client, or from a server that has not joined yet. */
  get #fromClient(): boolean {
    return !this.#dialled && !this.connection.betweenServers;
  }

  /** Strangers have a budget of their own, which counts every line of theirs. */
  #spendForRare(): void {
    if (!this.connection.unproven) this.spend(rareMessageChars);
  }

  #notDecoded(error: unknown, line: string): void {
    if (error instanceof FrameError) return this.fail(error);
    if (!(error instanceof MensagemError)) throw error;
    this.#spendForRare();
    const answer = new ErrorReply(error.code, error.message, error.id).encode();
    if (this.#fromClient) return this.connection.send(answer);
    // Between servers no message may be skipped: it could be a write.
    this.#dialler?.done.reject(error);
    this.#server.report(`refused ${this.connection.peer}: ${error.message}`);
    // Between servers an ERROR is never answered with an ERROR, not even one that cannot be read.
    if ((JSON.parse(line) as { type: unknown }).type !== "ERROR") this.connection.send(answer);
    this.connection.close();
  }

  /** Checks what a client writes against the operator's limits. */
  #checkSizes(message: AnyMensagem): void {
    if (message.type !== "PUT" && message.type !== "WRITE") return;
    const { id, key, value } = message;
    checkKey(key, id, this.#server.tuning.keyBytesMax);
    if (value !== null) checkValue(textOfValue(value), id, this.#server.tuning.valueBytesMax);
  }

  #request(request: Get | Put | WriteRequest | GetLatest | Status | Observe | Fault): void {
    const { connection } = this;
    const { engine } = this.#server;
    if (!this.#mayAsk && !connection.betweenServers) {
      connection.send(new ErrorReply("FORBIDDEN", needsPassword, request.id).encode());
    } else if (this.#isLateWrite(request)) {
      // Otherwise followers would keep a leader busy that has to end.
      const { code, message } = stoppingReply();
      connection.send(new ErrorReply(code, `not applied: ${message}`, request.id).encode());
    } else if (request.type === "GET") engine.get(connection, request);
    else if (request.type === "PUT") engine.put(connection, request);
    else if (request.type === "WRITE") engine.write(connection, request);
    else if (request.type === "GET_LATEST") engine.getLatest(connection, request);
    else if (request.type === "STATUS") this.#status(request);
    else if (request.type === "OBSERVE") this.#server.observers.add(connection, request);
    else this.#fault(request);
  }

  /** Whether a follower forwards a write to a leader that is being stopped. */
  #isLateWrite({ type }: { readonly type: string }): boolean {
    return this.connection.betweenServers && (type === "PUT" || type === "WRITE") &&
      this.#server.stopping();
  }

  /** Only clients ask for more than one key: a follower has a table of its own. */
  #query(request: List | Watch | Unwatch): void {
    const { connection } = this;
    const { engine, queries } = this.#server;
    if (connection.betweenServers || !this.#mayAsk) {
      const reason = connection.betweenServers
        ? `${request.type} is not for servers that have joined`
        : needsPassword;
      connection.send(new ErrorReply("FORBIDDEN", reason, request.id).encode());
    } else if (request.type === "LIST") {
      if (request.atLeast !== undefined) engine.wanted?.(request.atLeast);
      this.spend(queries.list(connection, request));
    } else if (request.type === "WATCH") {
      engine.wanted?.(request.after);
      this.spend(queries.watch(connection, request));
    } else queries.unwatch(connection, request);
  }

  #status({ id }: Status): void {
    const { self, engine } = this.#server;
    const status = statusOf(self, engine, this.#server.processStatus());
    this.connection.send(new StatusOk(id, status).encode());
  }

  #fault(request: Fault): void {
    const { self, engine } = this.#server;
    const answer = this.#server.processStatus().faults
      ? engine.fault(request)
      : new ErrorReply("FORBIDDEN", `${self} runs without --allow-faults`, request.id);
    this.connection.send(answer.encode());
  }

  /** Handles a message between servers, or a reply without a request. */
  #fromServer(message: AnyMensagem): void {
    const { connection } = this;
    if (this.#fromClient) this.#spendForRare();
    if (message.type === "JOIN" && this.#server.leads) {
      const refusal = this.#mayJoin && connection.certified !== false
        ? whyNotFor(connection.certificate, message.server)
        : "a server joins only with the secret and, with TLS, with a certificate";
      if (refusal !== undefined) {
        return this.#refuse(message.server, refusal, serverRefusalCode(message));
      }
    }
    const reason = this.#server.engine.receive(connection, message);
    if (connection.betweenServers) connection.unproven = false; // a JOIN needs no password
    if (reason === undefined) return;
    // Two servers that answer errors with errors might never end.
    if (message.type === "ERROR" && !this.#fromClient) return;
    const id = "id" in message ? message.id : undefined;
    const code = message.type === "JOIN" ? serverRefusalCode(message) : "FORBIDDEN";
    connection.send(new ErrorReply(code, reason, id).encode());
  }

  async #authenticate(message: Hello | Challenge | Proof | ProofOk): Promise<void> {
    const { connection } = this;
    if (message.type !== "HELLO" && message.type !== "PROOF") {
      const reason = `${message.type} came, but this server did not send HELLO`;
      return this.#refuse(connection.peer, reason);
    }
    this.#spendForRare();
    const { secrets, leads, self } = this.#server;
    const { local, encrypted: tls } = connection;
    this.#acceptor ??= new AcceptorHandshake({ secrets, leads, addresses: [self, local], tls });
    const step = await this.#acceptor.receive(message);
    if (step.kind === "refused") return this.#refuse(connection.peer, step.reason);
    if (step.kind === "accepted") {
      if (step.role === "server") this.#mayJoin = true;
      this.#mayAsk = true;
      connection.unproven = false;
    }
    connection.send(step.message.encode());
  }

  /** Takes a message during the handshake that this end has begun. */
  async #takeAnswer(message: AnyMensagem): Promise<void> {
    const { handshake, done } = this.#dialler!;
    const step = await handshake.receive(message);
    if (step.kind === "send") return this.connection.send(step.message.encode());
    this.#dialler = undefined;
    if (step.kind === "accepted") {
      this.connection.unproven = false;
      return done.resolve();
    }
    done.reject(new Error(step.reason));
    // An ERROR is never answered with an ERROR.
    if (message.type === "ERROR") this.connection.close();
    else this.#refuse(this.connection.peer, step.reason);
  }

  #refuse(peer: string, reason: string, code: ErrorCode = "FORBIDDEN"): void {
    this.#server.report(`refused ${peer}: ${reason}`);
    this.connection.send(new ErrorReply(code, reason).encode());
    this.connection.close();
  }
}
