/**
 * A TCP proxy that keeps every byte of both directions.
 *
 * @module
 */

import type { Address } from "../../../../lib/wire/address.ts";
import { anyPort } from "../../../support/ports.ts";

/** Passes connections on to a server, and records them. */
export class RecordingProxy implements AsyncDisposable {
  readonly address: Address;
  /** Everything that passed, each byte as a character. */
  recorded = "";
  readonly #target: Address;
  readonly #listener = Deno.listen({ ...anyPort });
  readonly #open = new Set<Deno.Conn>();
  readonly #tasks: Promise<unknown>[] = [];

  /** Listens on a free port. */
  constructor(target: Address) {
    this.#target = target;
    this.address = { hostname: "127.0.0.1", port: this.#listener.addr.port };
    this.#tasks.push(this.#accept());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) this.#tasks.push(this.#pass(conn));
    } catch { // closed
    }
  }

  async #pass(near: Deno.Conn): Promise<void> {
    const { hostname, port } = this.#target;
    const far = await Deno.connect({ hostname, port });
    this.#open.add(near).add(far);
    await Promise.all([this.#copy(near, far), this.#copy(far, near)]);
    for (const conn of [near, far]) {
      close(conn);
      this.#open.delete(conn);
    }
  }

  async #copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const latin1 = new TextDecoder("latin1");
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        this.recorded += latin1.decode(buffer.subarray(0, count));
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
      }
      await to.closeWrite();
    } catch {
      close(from);
      close(to);
    }
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch { // closed already
  }
}
