/**
 * Accepts TCP connections.
 *
 * @module
 */

import type { Address } from "../wire/address.ts";
import { isDisconnection } from "./socket.ts";

/** Pause after a connection could not be accepted. */
export const acceptPauseMs = 100;

/** A TCP socket that accepts connections. */
export class Listener {
  /** The address it listens on, with the port that the system chose if 0 was asked for. */
  readonly address: Address;
  readonly #listener: Deno.TcpListener;

  /**
   * Listens on an address.
   *
   * @throws {Deno.errors.AddrInUse} if the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} if the address is not one of this machine.
   */
  constructor({ hostname, port }: Address) {
    this.#listener = Deno.listen({ hostname, port });
    this.address = { hostname, port: this.#listener.addr.port };
  }

  /**
   * Accepts connections until the listener is closed. A failure (no file descriptor left, for
   * example) is reported, and accepting goes on after a pause.
   */
  async accept(
    onConnection: (conn: Deno.TcpConn) => void,
    report: (line: string) => void,
  ): Promise<void> {
    while (true) {
      try {
        onConnection(await this.#listener.accept());
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        if (isDisconnection(error)) continue;
        report(`cannot accept a connection: ${(error as Error).message}`);
        await new Promise((resolve) => setTimeout(resolve, acceptPauseMs));
      }
    }
  }

  /** Stops accepting. Connections that were accepted stay open. */
  close(): void {
    this.#listener.close();
  }
}
