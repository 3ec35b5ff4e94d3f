/**
 * Limits on the connections of a server: how many, how many from one address, how much memory.
 *
 * @module
 */

import type { Connection } from "../net/connection.ts";

/** Connections to one server. */
export const connectionsMax = 16_384;

/** Connections to one server from one IP address. */
export const connectionsPerIpMax = 12_288;

/** Refused connections that may stay open for a moment, so that their peers can read the reason. */
export const refusedMax = 64;

/**
 * Memory that half-sent frames and unsent answers of all clients may take, in bytes. Above it the
 * connections that hold the most are cut off.
 */
export const heldBytesMax = 512 * 1024 * 1024;

/** What the connections of a server may cost in all. */
export interface AdmissionLimits {
  /** The number of connections. */
  readonly connectionsMax: number;
  /** The number of connections from one IP address. */
  readonly connectionsPerIpMax: number;
  /** Half-sent frames and unsent answers of all clients, in bytes. */
  readonly heldBytesMax: number;
}

/** The default limits. */
export const admissionLimitsDefault: AdmissionLimits = {
  connectionsMax,
  connectionsPerIpMax,
  heldBytesMax,
};

/** The part of a connection that {@linkcode Admission} needs. */
export type Counted = Pick<Connection, "ip" | "betweenServers" | "heldBytes" | "abort">;

/** Decides which connections a server takes, and which it cuts off. */
export class Admission {
  readonly #limits: AdmissionLimits;
  /** Refused connections that are still open. They count only for `refusedMax`. */
  readonly #refused = new Set<Counted>();
  /** Connections that count. Invariant: the sum of `#perIp`. */
  #count = 0;
  /** Connections that count, by IP address. Invariant: every number is at least 1. */
  readonly #perIp = new Map<string, number>();

  /** No connections yet. */
  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /**
   * Decides about an accepted connection. Returns the reason if it is refused, otherwise
   * `undefined`. In both cases call `remove` when it ends.
   */
  admit(connection: Counted): string | undefined {
    const reason = this.#reasonAgainst(connection.ip);
    if (reason === undefined) this.add(connection);
    else this.#refused.add(connection);
    return reason;
  }

  /** Counts a connection that this server has dialled. It is never refused. */
  add({ ip }: Counted): void {
    this.#count++;
    this.#perIp.set(ip, (this.#perIp.get(ip) ?? 0) + 1);
  }

  /** Forgets a connection that has ended. */
  remove(connection: Counted): void {
    if (this.#refused.delete(connection)) return;
    this.#count--;
    const left = this.#perIp.get(connection.ip)! - 1;
    if (left > 0) this.#perIp.set(connection.ip, left);
    else this.#perIp.delete(connection.ip);
  }

  /** Whether more than `refusedMax` refused connections are open. */
  get tooManyRefused(): boolean {
    return this.#refused.size > refusedMax;
  }

  /**
   * Cuts off the clients that hold the most, until all together are within the limit. Returns how many
   * were cut off. Each connection has a limit of its own, but thousands of them add up.
   */
  freeMemory(connections: Iterable<Counted>): number {
    const { heldBytesMax } = this.#limits;
    const holders: Counted[] = [];
    let heldBytes = 0;
    for (const connection of connections) {
      if (connection.betweenServers) continue;
      const { heldBytes: bytes } = connection;
      if (bytes === 0) continue;
      heldBytes += bytes;
      holders.push(connection);
    }
    if (heldBytes <= heldBytesMax) return 0;
    holders.sort((a, b) => b.heldBytes - a.heldBytes);
    let cut = 0;
    for (; heldBytes > heldBytesMax; cut++) {
      heldBytes -= holders[cut]!.heldBytes;
      holders[cut]!.abort();
    }
    return cut;
  }

  #reasonAgainst(ip: string): string | undefined {
    const { connectionsMax, connectionsPerIpMax } = this.#limits;
    if (this.#count >= connectionsMax) {
      return `this server has ${connectionsMax} connections already (--max-connections)`;
    }
    if ((this.#perIp.get(ip) ?? 0) >= connectionsPerIpMax) {
      return `this server has ${connectionsPerIpMax} connections from ${ip} already ` +
        "(--max-connections-per-ip)";
    }
    return undefined;
  }
}
