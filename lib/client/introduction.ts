/**
 * The proof of the password at the beginning of a connection.
 *
 * @module
 */

import { DiallerHandshake } from "../auth/handshake.ts";
import type { Secret } from "../auth/secret.ts";
import type { AnyMensagem } from "../mensagem.ts";
import type { Connection } from "../net/connection.ts";
import { refusal } from "./classify.ts";
import type { KvError } from "./errors.ts";

/** Client and server prove to each other that they know the password. It begins when it is made. */
export class Introduction {
  readonly #server: string;
  readonly #connection: Connection;
  readonly #handshake: DiallerHandshake;

  /** Sends the first message on a connection to `server`. */
  constructor(server: string, secret: Secret, connection: Connection) {
    this.#server = server;
    this.#connection = connection;
    connection.unproven = true;
    const { peer, encrypted: tls } = connection;
    this.#handshake = new DiallerHandshake(secret, "client", { server, peer, tls });
    connection.send(this.#handshake.hello.encode());
  }

  /** Takes a message. "proved" if both ends have proved it, `undefined` if more has to come. */
  async take(message: AnyMensagem): Promise<"proved" | KvError | undefined> {
    const step = await this.#handshake.receive(message);
    if (step.kind === "refused") return refusal(this.#server, step.code, step.reason);
    if (step.kind === "send") {
      if (this.#connection.open) this.#connection.send(step.message.encode());
      return undefined;
    }
    this.#connection.unproven = false;
    return "proved";
  }
}
