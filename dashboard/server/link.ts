/**
 * A connection of the dashboard to one server: requests with their answers, and events.
 *
 * @module
 */

import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { DiallerHandshake } from "../../lib/auth/handshake.ts";
import type { Secret } from "../../lib/auth/secret.ts";
import type { Connection, Receiver } from "../../lib/net/connection.ts";
import { dial, type Tls } from "../../lib/net/dial.ts";
import { UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import { requestTimeoutMs } from "../../lib/limits.ts";
import {
  type AnyMensagem,
  type Events,
  type Fault,
  type Get,
  Mensagem,
  type Observe,
  type Put,
  type Status,
} from "../../lib/mensagem.ts";

/** How to be let in. */
export interface Entry {
  /** What clients must prove to know. */
  readonly password?: Secret | undefined;
  /** Where it is given, everything is encrypted. */
  readonly tls?: Tls | undefined;
}

/** What is asked of a server. */
type Request = Put | Get | Status | Fault;

interface Waiting {
  readonly type: Request["type"];
  readonly timer: ReturnType<typeof setTimeout>;
  readonly resolve: (reply: AnyMensagem) => void;
  readonly reject: (error: Error) => void;
}

interface Proving {
  readonly handshake: DiallerHandshake;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * A connection to one server, from the proof on.
 *
 * Unlike the client library's it can be observed through, takes fault commands, and asks the one
 * server that it is told to.
 */
export class ServerLink implements Receiver {
  /** "ip:port" of the server. */
  readonly server: string;
  /** Is called with what an observed server tells. */
  onEvents: (events: Events) => void = () => {};
  /** When the server was heard last, on the clock of `performance.now()`. */
  heardAt = performance.now();

  readonly #connection: Connection;
  readonly #running: Promise<void>;
  /** Requests without an answer, by id. Empty once the connection has ended. */
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  /** While the server has not accepted the proof. */
  #proof: Proving | undefined;
  #ended = false;
  /** Why the connection ends, where one of the ends has said so. */
  #reason = "the connection was lost";

  private constructor(server: string, connection: Connection) {
    this.server = server;
    this.#connection = connection;
    // Here too nothing that comes is a request, for which the connection would wait to be answered.
    connection.betweenServers = true;
    this.#running = this.#run();
  }

  /**
   * Connects, and proves that it knows the password where there is one.
   *
   * @throws {Error} where that does not succeed before the signal is aborted.
   */
  static async open(address: Address, entry: Entry, signal: AbortSignal): Promise<ServerLink> {
    const connection = await dial(address, signal, entry.tls);
    const link = new ServerLink(formatAddress(address), connection);
    const giveUp = () => link.#fail("no answer in time");
    signal.addEventListener("abort", giveUp);
    try {
      if (entry.password !== undefined) await link.#prove(entry.password);
      return link;
    } catch (error) {
      await link.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** "ip:port" of this end. */
  get local(): string {
    return this.#connection.local;
  }

  /** False once the connection has ended. */
  get open(): boolean {
    return !this.#ended;
  }

  /** Asks for events. They come until the connection ends. */
  observe(make: (id: number) => Observe): void {
    this.#connection.send(make(this.#nextId++).encode());
  }

  /**
   * Sends a request, once. The answer may be an ERROR.
   *
   * @throws {UnknownOutcomeError} where a PUT gets no answer.
   * @throws {UnavailableError} where anything else gets none.
   */
  async request(make: (id: number) => Request): Promise<AnyMensagem> {
    if (this.#ended) throw new UnavailableError(this.server, this.#reason);
    const request = make(this.#nextId++);
    const { promise, resolve, reject } = Promise.withResolvers<AnyMensagem>();
    const timer = setTimeout(
      () => this.#fail(`no answer within ${requestTimeoutMs} ms`),
      requestTimeoutMs,
    );
    this.#waiting.set(request.id, { type: request.type, timer, resolve, reject });
    this.#connection.send(request.encode());
    return await promise;
  }

  /** Resolves with the reason once the connection has ended. */
  async ended(): Promise<string> {
    await this.#running;
    return this.#reason;
  }

  /** Ends the connection. */
  async close(reason = "closed"): Promise<void> {
    this.#fail(reason);
    await this.#running;
  }

  /** Nothing to wait for. */
  begin(): void {}

  /** Takes what the server sends. */
  receive(line: string): void | Promise<void> {
    this.heardAt = performance.now();
    try {
      return this.#take(Mensagem.decode(line));
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Nothing to do. */
  end(): void {}

  /** The server sends what is no message. */
  fail({ message }: Error): void {
    this.#fail(`the server broke the protocol: ${message}`);
  }

  async #run(): Promise<void> {
    try {
      await this.#connection.run(this);
      this.#fail(this.#reason);
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  #take(reply: AnyMensagem): void | Promise<void> {
    if (this.#proof !== undefined) return this.#takeProof(reply, this.#proof);
    if (reply.type === "EVENTS") return this.onEvents(reply);
    const id = "id" in reply ? reply.id : undefined;
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) {
      const said = reply.type === "ERROR" ? `${reply.code}: ${reply.message}` : reply.type;
      return this.#fail(said);
    }
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    waiting.resolve(reply);
  }

  async #prove(password: Secret): Promise<void> {
    const handshake = new DiallerHandshake(password, "client");
    this.#proof = { handshake, done: Promise.withResolvers() };
    this.#connection.send(handshake.hello.encode());
    await this.#proof.done.promise;
  }

  async #takeProof(reply: AnyMensagem, { handshake, done }: Proving): Promise<void> {
    const step = await handshake.receive(reply);
    if (step.kind === "send") this.#connection.send(step.message.encode());
    else if (step.kind === "refused") this.#fail(step.reason);
    else {
      this.#proof = undefined;
      done.resolve();
    }
  }

  #fail(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    this.#connection.abort();
    this.#proof?.done.reject(new UnavailableError(this.server, reason));
    for (const { type, timer, reject } of this.#waiting.values()) {
      clearTimeout(timer);
      const Unanswered = type === "PUT" ? UnknownOutcomeError : UnavailableError;
      reject(new Unanswered(this.server, reason));
    }
    this.#waiting.clear();
  }
}
