/**
 * Accepts TCP connections.
 *
 * @module
 */

import { systemMessage } from "../descriptors.ts";
import type { Address } from "../wire/address.ts";
import { isDisconnection } from "./socket.ts";

/** Pause after a connection could not be accepted. */
export const acceptPauseMs = 100;

/** The time between two reports of the same failure. */
const reportMs = 60_000;

/** A TCP socket that accepts connections. */
export class Listener {
  /** The address it listens on, with the port that the system chose if 0 was asked for. */
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  #closed = false;

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
   * Accepts connections until the listener is closed, none after that. A failure (no file descriptor left, for
   * example) is reported, at most once a minute, and accepting goes on after a pause. If
   * `onConnection` throws, for example because the peer has reset the connection, the connection is
   * closed. If it returns a promise, the next connection waits for it.
   *
   * @param onExhausted is called if the process may open no more sockets. If the whole machine has
   *   no descriptor left, it is not: closing connections of this process would not end that.
   */
  async accept(
    onConnection: (conn: Deno.TcpConn) => unknown,
    report: (line: string) => void,
    onExhausted: () => void = () => {},
  ): Promise<void> {
    let reportedAt = -Infinity;
    while (true) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        if (isDisconnection(error)) continue;
        const now = performance.now();
        if (now - reportedAt >= reportMs) {
          reportedAt = now;
          report(`cannot accept a connection: ${reasonOf(error)}`);
        }
        if (codeOf(error) === "EMFILE") onExhausted();
        await new Promise((resolve) => setTimeout(resolve, acceptPauseMs));
        continue;
      }
      if (this.#closed) { // accepted just before
        conn.close();
        continue;
      }
      try {
        await onConnection(conn);
      } catch (error) {
        try {
          conn.close();
        } catch { // it is closed already
        }
        if (!isDisconnection(error)) {
          report(`cannot serve an accepted connection: ${(error as Error).message}`);
        }
      }
    }
  }

  /** Stops accepting. Connections that were accepted stay open. */
  close(): void {
    this.#closed = true;
    this.#listener.close();
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

function reasonOf(error: unknown): string {
  if (codeOf(error) !== "ENFILE") return systemMessage(error);
  return `${(error as Error).message}. The whole machine has no file descriptor left (fs.file-max)`;
}
