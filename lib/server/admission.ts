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
 * Memory that the buffers, half-sent frames and unsent answers of all clients may take, in bytes.
 * Above it the connections that hold the most are cut off. The buffers of `connectionsMax` clients
 * that were busy and then became idle take half of it.
 */
export const heldBytesMax = 512 * 1024 * 1024;

/**
 * Connections that a server gives up when its process can open no more. Their descriptors serve the
 * journal, the port for metrics, and the connections of servers.
 */
export const reservedMax = 32;

/** A process that can open no more still takes this number of connections. */
const connectionsMin = 4;

/** It also keeps this share of the connections that it had. */
const keptShare = 1 / 4;

/** After this time without a failure, a limit that was lowered rises by a step. */
export const raiseMs = 60_000;

/** A step is this share of the limit, and at least {@linkcode reservedMax}. */
const raiseShare = 1 / 2;

/** Of connections that the process bounds, one IP address may have this share. */
const perIpShare = 3 / 4;

/** What the connections of a server may cost in all. */
export interface AdmissionLimits {
  /** The number of connections. */
  readonly connectionsMax: number;
  /** The number of connections from one IP address. */
  readonly connectionsPerIpMax: number;
  /** Buffers, half-sent frames and unsent answers of all clients, in bytes. */
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
  /** Invariant: never above that of #limits. Lower if the process could open no more. */
  #connectionsMax: number;
  /** #connectionsMax is not lowered below this number. */
  #keptMin = 0;
  /** The time of the last failure, or of the last step up after it. */
  #lastMs = 0;
  /** What the operator was told last about a lowered limit. */
  #loweredLine = "";
  /** Refused connections that are still open. They count only for `refusedMax`. */
  readonly #refused = new Set<Counted>();
  /** Connections that count. Invariant: the sum of `#perIp`. */
  #count = 0;
  /** Connections that count, by IP address. Invariant: every number is at least 1. */
  readonly #perIp = new Map<string, number>();

  /** No connections yet. */
  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#connectionsMax = limits.connectionsMax;
  }

  /**
   * Decides about an accepted connection. Returns the reason if it is refused, otherwise
   * `undefined`. In both cases call `remove` when it ends.
   */
  admit(connection: Counted, nowMs = performance.now()): string | undefined {
    this.#raise(nowMs);
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

  /** Whether a refused connection may stay open for a moment. One IP address has half of the places. */
  mayLinger({ ip }: Pick<Counted, "ip">): boolean {
    if (this.tooManyRefused) return false;
    let ofIp = 0;
    for (const refused of this.#refused) if (refused.ip === ip) ofIp++;
    return ofIp <= this.#refusedMax / 2;
  }

  /** Whether more refused connections are open than may be. They must leave most of the reserve. */
  get tooManyRefused(): boolean {
    return this.#refused.size > this.#refusedMax;
  }

  get #refusedMax(): number {
    return this.#lowered ? reservedMax / 4 : refusedMax;
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
      heldBytes += connection.heldBytes;
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

  /**
   * Lowers the limits below what the process can open, and cuts off clients until they hold. They are
   * the newest of the IP addresses with the most connections. `connections` has the oldest first.
   * Returns what the operator should know.
   *
   * While the clients that were cut off before are still there, it changes nothing. It leaves at
   * least a quarter of the connections. The limits rise again, see {@linkcode raiseMs}.
   */
  makeRoom(connections: Iterable<Counted>, nowMs = performance.now()): string {
    this.#raise(nowMs);
    this.#lastMs = nowMs;
    const count = this.#count;
    if (this.#lowered && count > this.#connectionsMax) return this.#loweredLine;
    this.#keptMin = Math.max(this.#keptMin, connectionsMin, Math.ceil(count * keptShare));
    const lowered = Math.max(this.#keptMin, count - reservedMax);
    if (this.#lowered && lowered >= this.#connectionsMax) return this.#loweredLine;
    this.#connectionsMax = Math.min(this.#connectionsMax, lowered);
    const cut = this.#cutOff(connections);
    return this.#loweredLine =
      `this process can open no more files: it takes ${this.#connectionsMax} connections for now, ` +
      `and ${cut} clients were cut off. The number rises again step by step after a minute without ` +
      "a failure. Raise the limit of open files (ulimit -n, LimitNOFILE), or lower --max-connections";
  }

  /** Cuts off clients until the limit holds. Returns how many. */
  #cutOff(connections: Iterable<Counted>): number {
    const byIp = Map.groupBy(
      [...connections].filter((one) => !one.betweenServers && !this.#refused.has(one)),
      ({ ip }) => ip,
    );
    let cut = 0;
    for (; this.#count - cut > this.#connectionsMax; cut++) {
      let most: Counted[] = [];
      for (const ofIp of byIp.values()) if (ofIp.length > most.length) most = ofIp;
      const newest = most.pop();
      if (newest === undefined) break;
      newest.abort();
    }
    return cut;
  }

  /** Raises a limit that was lowered by the steps that are due. */
  #raise(nowMs: number): void {
    while (this.#lowered && nowMs - this.#lastMs >= raiseMs) {
      const step = Math.max(reservedMax, Math.floor(this.#connectionsMax * raiseShare));
      this.#connectionsMax = Math.min(this.#limits.connectionsMax, this.#connectionsMax + step);
      this.#lastMs += raiseMs;
    }
    if (!this.#lowered) this.#keptMin = 0;
  }

  /** Whether the process could open no more, so that the limits are lower than the flags say. */
  get #lowered(): boolean {
    return this.#connectionsMax < this.#limits.connectionsMax;
  }

  get #connectionsPerIpMax(): number {
    const { connectionsPerIpMax } = this.#limits;
    if (!this.#lowered) return connectionsPerIpMax;
    const share = Math.max(connectionsMin, Math.floor(this.#connectionsMax * perIpShare));
    return Math.min(connectionsPerIpMax, share);
  }

  #reasonAgainst(ip: string): string | undefined {
    const by = (flag: string) => this.#lowered ? "its process can open no more files" : flag;
    if (this.#count >= this.#connectionsMax) {
      return `this server has ${this.#connectionsMax} connections already (${
        by("--max-connections")
      })`;
    }
    if ((this.#perIp.get(ip) ?? 0) >= this.#connectionsPerIpMax) {
      return `this server has ${this.#connectionsPerIpMax} connections from ${ip} already ` +
        `(${by("--max-connections-per-ip")})`;
    }
    return undefined;
  }
}
