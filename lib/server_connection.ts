/**
 * A client's connection to one server.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";
import { DiallerProof, type Secret } from "./auth.ts";
import { Connection, type Receiver, type Tls } from "./connection.ts";
import { type FrameError, UnavailableError, UnknownOutcomeError } from "./errors.ts";
import { type AnyMensagem, Mensagem } from "./mensagem.ts";
import { answers, type Reply, type ReplyTo, type Request } from "./session.ts";

interface InFlight {
  readonly request: Request;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: UnavailableError | UnknownOutcomeError) => void;
}

/** How far client and server have got in proving to each other that they know the password. */
interface ServerProof {
  readonly proof: DiallerProof;
  readonly done: PromiseWithResolvers<void>;
  /** The server has proved itself. */
  trusted: boolean;
}

/**
 * One connection that carries any number of requests at once.
 *
 * - A request is sent once and never again.
 * - A server that leaves a request without an answer, or answers what was not asked, is given up:
 *   the connection ends, and all requests on it fail.
 */
export class ServerConnection implements Receiver {
  /** "ip:port" of the server. */
  readonly server: string;

  readonly #timeoutMs: number;
  readonly #closed = new AbortController();
  /** Set once there is a connection. */
  #connection: Connection | undefined;
  readonly #connected: Promise<Connection>;
  #reading: Promise<void> | undefined;
  /** Requests without an answer, by id. Empty once the connection has failed. */
  readonly #inFlight = new Map<number, InFlight>();
  #nextId = 1;
  #failed = false;
  /** While the server has not accepted this client's proof. */
  #proof: ServerProof | undefined;

  /**
   * Begins to connect, encrypted where `tls` is given, and to prove that it knows the password
   * where there is one. A request may take `timeoutMs`, the rest of the connecting included.
   */
  constructor(address: Address, timeoutMs: number, password?: Secret, tls?: Tls) {
    this.server = formatAddress(address);
    this.#timeoutMs = timeoutMs;
    this.#connected = this.#connect(address, password, tls);
    this.#connected.catch(() => {}); // whoever asks is told; nobody may be asking
  }

  /** False once the connection has failed or was closed. */
  get open(): boolean {
    return !this.#failed && (this.#connection === undefined || this.#connection.open);
  }

  /**
   * Sends the request that `make` makes of an id, and resolves with its answer. `deadline` is on
   * the clock of `performance.now()`.
   *
   * @throws {UnavailableError} where it is certain that nothing was written.
   * @throws {UnknownOutcomeError} where that is not certain.
   */
  async request<R extends Request>(
    make: (id: number) => R,
    deadline = performance.now() + this.#timeoutMs,
  ): Promise<ReplyTo<R>> {
    const connection = await this.#connected;
    const reply = await new Promise<Reply>((resolve, reject) => {
      if (!this.open) throw new UnavailableError(this.server, "the connection was lost");
      const request = make(this.#nextId++);
      const timeout = () => this.#fail(`no answer within ${this.#timeoutMs} ms`);
      const timer = setTimeout(timeout, deadline - performance.now());
      this.#inFlight.set(request.id, { request, timer, resolve, reject });
      connection.send(request.encode());
    });
    return reply as ReplyTo<R>; // `answers` has seen to that
  }

  /** Ends the connection. Requests without an answer fail. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#fail("the client was closed");
    await this.#connected.catch(() => {});
    await this.#reading;
  }

  /** Nothing to wait for. */
  begin(): void {}

  /** Takes an answer. */
  receive(line: string): void | Promise<void> {
    try {
      return this.#take(line);
    } catch (error) {
      this.#broken(error as Error);
    }
  }

  /** Nothing to do. */
  end(): void {}

  /** The server sends what is no answer. */
  fail(failure: FrameError): void {
    this.#broken(failure);
  }

  async #connect(
    address: Address,
    password: Secret | undefined,
    tls: Tls | undefined,
  ): Promise<Connection> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = AbortSignal.any([this.#closed.signal, timeout]);
    const giveUp = () => this.#connection?.abort();
    signal.addEventListener("abort", giveUp);
    try {
      signal.throwIfAborted();
      this.#connection = await Connection.dial(address, signal, tls);
      this.#reading = this.#read(this.#connection);
      if (password !== undefined) await this.#prove(this.#connection, password);
      return this.#connection;
    } catch (cause) {
      this.#failed = true;
      this.#connection?.abort();
      const reason = this.#closed.signal.aborted
        ? "the client was closed"
        : timeout.aborted
        ? `no connection within ${this.#timeoutMs} ms`
        : (cause as Error).message;
      throw new UnavailableError(this.server, reason, { cause });
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async #prove(connection: Connection, password: Secret): Promise<void> {
    const proof = new DiallerProof(password, "client");
    this.#proof = { proof, done: Promise.withResolvers(), trusted: false };
    connection.send(proof.hello.encode());
    await this.#proof.done.promise;
    this.#proof = undefined;
  }

  async #read(connection: Connection): Promise<void> {
    try {
      await connection.run(this);
      this.#fail("the connection was lost");
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  /** Throws where the line is no answer to anything that was asked. */
  #take(line: string): void | Promise<void> {
    const reply = Mensagem.decode(line);
    if (this.#proof !== undefined) return this.#takeProof(reply, this.#proof);
    const inFlight = "id" in reply && reply.id !== undefined
      ? this.#inFlight.get(reply.id)
      : undefined;
    if (inFlight === undefined) {
      throw new Error(reply.type === "ERROR" ? `${reply.code}: ${reply.message}` : reply.type);
    }
    const { request, timer, resolve, reject } = inFlight;
    if (answers(reply, request)) resolve(reply);
    else if (reply.type !== "ERROR") throw new Error(`${reply.type} to a ${request.type}`);
    else if (reply.code === "UNKNOWN_OUTCOME" && request.type === "PUT") {
      reject(new UnknownOutcomeError(this.server, reply.message));
    } else reject(new UnavailableError(this.server, `${reply.code}: ${reply.message}`));
    clearTimeout(timer);
    this.#inFlight.delete(request.id);
  }

  async #takeProof(reply: AnyMensagem, server: ServerProof): Promise<void> {
    const { proof, done } = server;
    if (reply.type === "PROOF_OK" && server.trusted) return done.resolve();
    const answer = reply.type === "CHALLENGE" ? await proof.answer(reply) : undefined;
    if (answer !== undefined) {
      server.trusted = true;
      this.#connection?.send(answer.encode());
    } else if (reply.type === "ERROR") done.reject(new Error(`${reply.code}: ${reply.message}`));
    else done.reject(new Error("the password is wrong, or this is another server"));
  }

  #broken(error: Error): void {
    this.#fail(`the server broke the protocol: ${error.message}`);
  }

  #fail(reason: string): void {
    this.#failed = true;
    this.#connection?.abort();
    this.#proof?.done.reject(new Error(reason));
    for (const { request, timer, reject } of this.#inFlight.values()) {
      clearTimeout(timer);
      reject(
        request.type === "PUT"
          ? new UnknownOutcomeError(this.server, reason)
          : new UnavailableError(this.server, reason),
      );
    }
    this.#inFlight.clear();
  }
}
