/**
 * Which ports are connected to which server, as far as looks at the sockets have shown.
 *
 * @module
 */

import type { TcpSocket } from "./proc.ts";
import type { Server } from "./run.ts";

/** The connections of one trial. A closed connection stays known. */
export class Connections {
  /** For each local port of a connection: the servers' ports it is connected to. */
  readonly byPort: Map<number, Set<number>> = new Map();
  /** Ports on which programs other than the servers listen. */
  readonly otherListeners: Set<number> = new Set();
  readonly #servers: ReadonlySet<number>;

  constructor(servers: readonly Server[]) {
    this.#servers = new Set(servers.map(({ port }) => port));
  }

  /** Adds what the sockets show. */
  add(sockets: readonly TcpSocket[]): void {
    for (const { localPort, remotePort, listening } of sockets) {
      if (listening && !this.#servers.has(localPort)) this.otherListeners.add(localPort);
      for (const [own, server] of [[localPort, remotePort], [remotePort, localPort]] as const) {
        if (!this.#servers.has(server) || this.#servers.has(own) || own === 0) continue;
        const known = this.byPort.get(own);
        if (known === undefined) this.byPort.set(own, new Set([server]));
        else known.add(server);
      }
    }
  }
}
