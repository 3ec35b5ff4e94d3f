/**
 * A server whose answers a test scripts.
 *
 * @module
 */

import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { anyPort } from "./ports.ts";
import { EndOfWire, type Message, Wire } from "./wire_client.ts";

/** What a {@linkcode FakeServer} does with a connection; `index` counts its connections from 0. */
export type Script = (wire: Wire, index: number) => Promise<void> | void;

/**
 * A server on a free port that runs a script for each connection.
 *
 * - After the script the connection stays open until the other end closes it.
 * - A script that throws fails the test, unless it throws because its connection has ended.
 */
export class FakeServer implements AsyncDisposable {
  readonly address: Address;
  /** How many connections it has accepted. */
  accepted = 0;
  readonly #script: Script;
  readonly #answersStatus: boolean;
  readonly #listener: Deno.TcpListener;
  readonly #wires: Wire[] = [];
  readonly #tasks: Promise<void>[] = [];
  #failure: { readonly error: unknown } | undefined;
  #closed = false;

  /** Listens on a free port, or at `listen`. By default it answers each STATUS, hidden from the script. */
  constructor(script: Script, { answersStatus = true, listen = anyPort } = {}) {
    this.#script = script;
    this.#answersStatus = answersStatus;
    this.#listener = Deno.listen({ ...listen });
    this.address = { hostname: "127.0.0.1", port: this.#listener.addr.port };
    this.#tasks.push(this.#accept());
  }

  /** A server that sends what `answer` returns for a request. It closes the connection for `undefined`. */
  static answering(
    answer: (request: Message, index: number) => Message | string | undefined,
  ): FakeServer {
    return new FakeServer(async (wire, index) => {
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        const reply = answer(JSON.parse(line), index);
        if (reply === undefined) return wire.close();
        await wire.write(typeof reply === "string" ? reply : `${JSON.stringify(reply)}\n`);
      }
    });
  }

  /** "ip:port" */
  get name(): string {
    return formatAddress(this.address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    for (const wire of this.#wires) wire.close();
    await Promise.all(this.#tasks);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        // A connection may have been accepted just before the listener was closed.
        if (this.#closed) {
          conn.close();
          continue;
        }
        const wire = new Wire(conn, { answersStatus: this.#answersStatus });
        this.#wires.push(wire);
        this.#tasks.push(this.#run(wire, this.accepted++));
      }
    } catch (error) {
      if (!this.#closed) this.#failure ??= { error };
    }
  }

  async #run(wire: Wire, index: number): Promise<void> {
    try {
      await this.#script(wire, index);
      await wire.drain();
    } catch (error) {
      const gone = this.#closed || error instanceof EndOfWire ||
        error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset;
      if (!gone) this.#failure ??= { error };
      wire.close();
    }
  }
}
