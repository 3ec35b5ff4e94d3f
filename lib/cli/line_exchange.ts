/**
 * Lines that are sent as they are, and the lines that answer them.
 *
 * @module
 */

import { DiallerHandshake } from "../auth/handshake.ts";
import type { Secret } from "../auth/secret.ts";
import { notThisProtocol, refusal } from "../client/classify.ts";
import type { KvError } from "../client/errors.ts";
import { type AnyMensagem, Mensagem } from "../mensagem.ts";
import type { Connection, Receiver } from "../net/connection.ts";
import { tlsExpected } from "../wire/errors.ts";

/**
 * Sends lines over a connection, and takes one line for each.
 *
 * - If there is a password, both ends prove that they know it before the first line leaves. These
 *   messages are not shown.
 * - The first line that comes back must be a message. Otherwise the other end is another program.
 * - It ends the connection once all answers came, or the server has refused this client.
 */
export class LineExchange implements Receiver {
  /** Why it has failed; `undefined` if it has not. */
  failure: KvError | undefined;
  /** How many answers are missing. */
  left: number;
  /** Whether anything came back. */
  answered = false;
  readonly #connection: Connection;
  readonly #server: string;
  readonly #lines: readonly string[];
  readonly #show: (line: string) => void;
  /** Set until client and server have proved to each other that they know the password. */
  #handshake: DiallerHandshake | undefined;

  /** Prepares to send `lines`. `show` takes those that come back. */
  constructor(
    connection: Connection,
    server: string,
    lines: readonly string[],
    show: (line: string) => void,
  ) {
    this.#connection = connection;
    this.#server = server;
    this.#lines = lines;
    this.#show = show;
    this.left = lines.length;
  }

  /** Sends the lines, or first what proves the password. */
  start(secret: Secret | undefined): void {
    this.#connection.betweenServers = true; // reading never pauses
    if (secret === undefined) return this.#sendLines();
    this.#connection.unproven = true;
    const { peer, encrypted: tls } = this.#connection;
    const dialled = { server: this.#server, peer, tls };
    this.#handshake = new DiallerHandshake(secret, "client", dialled);
    this.#connection.send(this.#handshake.hello.encode());
  }

  /** Nothing to do. */
  begin(): void {}

  /** Takes a line of the server. */
  receive(line: string): void | Promise<void> {
    if (this.#handshake === undefined) {
      this.#show(line);
      this.left--;
    }
    let message: AnyMensagem | undefined;
    try {
      message = Mensagem.decode(line);
    } catch (error) {
      if (!this.answered || this.#handshake !== undefined) return this.fail(error as Error);
    }
    this.answered = true;
    if (this.#handshake !== undefined) return this.#prove(message!, this.#handshake);
    // What ends a connection is no answer to one line.
    if (message?.type === "ERROR" && message.id === undefined) {
      const { code, message: reason } = message;
      const refused = code === "OVERLOADED" || code === "UNAVAILABLE" || reason === tlsExpected;
      if (refused) this.#refuse(refusal(this.#server, code, `${code}: ${reason}`));
    }
    if (this.left === 0) this.#connection.abort();
  }

  /** Nothing to do. */
  end(): void {}

  /** Ends the connection, because the other end does not speak the protocol. */
  fail(cause: Error): void {
    this.#refuse(notThisProtocol(this.#server, cause));
  }

  async #prove(message: AnyMensagem, handshake: DiallerHandshake): Promise<void> {
    const step = await handshake.receive(message);
    if (step.kind === "send") this.#connection.send(step.message.encode());
    else if (step.kind === "refused") {
      this.#refuse(refusal(this.#server, step.code, step.reason));
    } else {
      this.#handshake = undefined;
      this.#connection.unproven = false;
      this.#sendLines();
    }
  }

  #sendLines(): void {
    this.#connection.send(this.#lines.map((line) => `${line}\n`).join(""));
  }

  #refuse(failure: KvError): void {
    this.failure = failure;
    this.#connection.abort();
  }
}
