/**
 * A client of the demonstration. It sends each request to the server that the step names.
 *
 * @module
 */

import type { Terminal } from "../lib/cli/terminal.ts";
import { clientTexts, tryOther } from "../lib/cli/texts.ts";
import { within } from "../lib/client/deadlines.ts";
import { ServerConnection } from "../lib/client/server_connection.ts";
import { Session } from "../lib/client/session.ts";
import { Fault, Get, Put } from "../lib/mensagem.ts";
import type { KvServer } from "../lib/server/kv_server.ts";
import { formatAddress } from "../lib/wire/address.ts";

/** The key that all clients of the demonstration write and read. */
export const demoKey = "cor";

/** A client whose lines on the screen begin with its letter. */
export class DemoClient implements AsyncDisposable {
  readonly #letter: string;
  readonly #terminal: Terminal;
  readonly #timeoutMs: number;
  readonly #session = new Session();
  readonly #connections = new Map<KvServer, ServerConnection>();

  /** Creates a client without a connection. */
  constructor(letter: string, terminal: Terminal, timeoutMs: number) {
    this.#letter = letter;
    this.#terminal = terminal;
    this.#timeoutMs = timeoutMs;
  }

  /** PUTs a value and shows the answer. Returns "PUT_OK" and the timestamp. */
  async put(server: KvServer, value: string): Promise<string> {
    const { timestamp } = await this.#at(server).request(
      (id) => new Put(id, demoKey, value),
      within(this.#timeoutMs),
    );
    this.#say(clientTexts.putOk(demoKey, value, timestamp, formatAddress(server.address)));
    return `PUT_OK ${timestamp}`;
  }

  /** GETs the key and shows the answer. Returns the value or the refusal, and the timestamp. */
  async get(server: KvServer): Promise<string> {
    const seen = this.#session.timestamp(demoKey);
    const reply = await this.#at(server).request(
      (id) => new Get(id, demoKey, seen),
      within(this.#timeoutMs),
    );
    this.#session.learn(reply);
    const value = reply.type === "GET_OK" ? reply.value : undefined;
    const own = reply.timestamp;
    this.#say(clientTexts.get(demoKey, value, formatAddress(server.address), seen, own));
    return `${value === undefined ? tryOther : value} ${own}`;
  }

  /** Tells the leader to hold the REPLICATIONs to a follower, or to release them. */
  async fault(leader: KvServer, held: KvServer, action: "pause" | "resume"): Promise<void> {
    const follower = formatAddress(held.address);
    await this.#at(leader).request(
      (id) => new Fault(id, follower, action),
      within(this.#timeoutMs),
    );
  }

  /** Closes the connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    const connections = [...this.#connections.values()];
    for (const connection of connections) connection.close();
    await Promise.all(connections.map(({ ended }) => ended));
  }

  #at(server: KvServer): ServerConnection {
    let connection = this.#connections.get(server);
    if (connection === undefined) {
      connection = new ServerConnection(server.address);
      this.#connections.set(server, connection);
    }
    return connection;
  }

  #say(line: string): void {
    this.#terminal.out(`[${this.#letter}] ${line}\n`);
  }
}
