/**
 * A client of a story. It sends each request to the server that the story names.
 *
 * @module
 */

import type { Answer, ConditionalWrite } from "../dashboard/stories/stage.ts";
import { portugueseReason } from "../lib/cli/reasons.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { clientTexts } from "../lib/cli/texts.ts";
import { within } from "../lib/client/deadlines.ts";
import { UnavailableError } from "../lib/client/errors.ts";
import { ServerConnection } from "../lib/client/server_connection.ts";
import { Session } from "../lib/client/session.ts";
import { Fault, Get, Put, Status, WriteRequest } from "../lib/mensagem.ts";
import { parseAddress } from "../lib/wire/address.ts";
import type { FaultAction } from "../lib/wire/events.ts";
import { conditionTexts } from "./demo_texts.ts";

/** A client whose lines on the screen begin with its letter. Servers are given as "ip:port". */
export class DemoClient implements AsyncDisposable {
  readonly #letter: string;
  readonly #terminal: Terminal;
  readonly #timeoutMs: number;
  readonly #session = new Session();
  /** By server: its last connection, open or not. */
  readonly #connections = new Map<string, ServerConnection>();
  /** All connections, those that have ended included. */
  readonly #all: ServerConnection[] = [];

  /** Creates a client without a connection. */
  constructor(letter: string, terminal: Terminal, timeoutMs: number) {
    this.#letter = letter;
    this.#terminal = terminal;
    this.#timeoutMs = timeoutMs;
  }

  /** The timestamp that the client has seen for a key. */
  seen(key: string): number {
    return this.#session.timestamp(key);
  }

  /** PUTs a value and shows the answer. */
  async put(key: string, value: string, server: string): Promise<Answer> {
    const asked = this.#at(server).request(
      (id) => new Put(id, key, value),
      within(this.#timeoutMs),
    );
    const reply = await asked.catch((error) => {
      if (error instanceof UnavailableError) {
        const reason = portugueseReason(error.message, error.code ?? "UNAVAILABLE");
        this.#say(clientTexts.unavailable("PUT", server, reason));
      }
      throw error;
    });
    this.#session.learn(reply);
    this.#say(clientTexts.putOk(key, value, reply.timestamp, server));
    return reply;
  }

  /** GETs a key and shows the answer. */
  async get(key: string, server: string): Promise<Answer> {
    const seen = this.seen(key);
    const reply = await this.#at(server).request(
      (id) => new Get(id, key, seen),
      within(this.#timeoutMs),
    );
    this.#session.learn(reply);
    const value = reply.type === "GET_OK" ? reply.value : undefined;
    this.#say(clientTexts.get(key, value, server, seen, reply.timestamp));
    return reply;
  }

  /** Writes under a condition and shows the answer. */
  async write(key: string, write: ConditionalWrite, server: string): Promise<Answer> {
    const { value, expected, ttlMs } = write;
    const reply = await this.#at(server).request(
      (id) => new WriteRequest(id, key, value, expected, ttlMs),
      within(this.#timeoutMs),
    );
    this.#session.learn(reply);
    this.#say(
      reply.type === "WRITE_OK"
        ? conditionTexts.writeOk(key, value, reply.timestamp, server, expected)
        : conditionTexts.conflict(key, reply.value, reply.timestamp, server, expected),
    );
    return reply;
  }

  /** Tells the leader to hold the REPLICATIONs to a follower, or to release them. */
  async fault(leader: string, follower: string, action: FaultAction): Promise<void> {
    await this.#at(leader).request(
      (id) => new Fault(id, follower, action),
      within(this.#timeoutMs),
    );
  }

  /** How many servers are in sync, as the leader says. */
  async inSync(leader: string): Promise<number> {
    const { inSync } = await this.#at(leader).request(
      (id) => new Status(id),
      within(this.#timeoutMs),
    );
    return inSync.length;
  }

  /** Closes the connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#all) connection.close();
    await Promise.all(this.#all.map(({ ended }) => ended));
  }

  /** The connection to a server. One that has ended is replaced. */
  #at(server: string): ServerConnection {
    const present = this.#connections.get(server);
    if (present?.usable) return present;
    const connection = new ServerConnection(parseAddress(server)!);
    this.#connections.set(server, connection);
    this.#all.push(connection);
    return connection;
  }

  #say(line: string): void {
    this.#terminal.out(`[${this.#letter}] ${line}\n`);
  }
}
