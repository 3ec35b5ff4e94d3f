/**
 * Three servers inside the test's own process.
 *
 * @module
 */

import type { Tuning } from "../../lib/replication/tuning.ts";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { anyPort } from "./ports.ts";
import { TestServer } from "./test_server.ts";
import { eventually } from "./waiting.ts";

/** Three servers; the first one is the leader. */
export class Cluster implements AsyncDisposable {
  readonly servers: TestServer[];
  readonly #tuning: Partial<Tuning>;

  private constructor(servers: TestServer[], tuning: Partial<Tuning>) {
    this.servers = servers;
    this.#tuning = tuning;
  }

  /** Starts three servers. Resolves when all are in sync. */
  static async start(tuning: Partial<Tuning> = {}): Promise<Cluster> {
    const leader = new TestServer(anyPort, undefined, tuning);
    const followers = [1, 2].map(() => new TestServer(anyPort, leader.address, tuning));
    const cluster = new Cluster([leader, ...followers], tuning);
    await Promise.all(cluster.servers.map((server) => server.ready()));
    return cluster;
  }

  /** The leader. */
  get leader(): TestServer {
    return this.servers[0]!;
  }

  /** The followers. */
  get followers(): [TestServer, TestServer] {
    return [this.servers[1]!, this.servers[2]!];
  }

  /** The addresses on which the servers listen. */
  get addresses(): Address[] {
    return this.servers.map((server) => server.address);
  }

  /** Clears the leader's reports and stops servers. Resolves when the leader, if it is up, has noticed. */
  async kill(...indices: number[]): Promise<void> {
    this.leader.reports.length = 0;
    await Promise.all(indices.map((index) => this.servers[index]!.close()));
    if (indices.includes(0)) return;
    for (const index of indices) await this.leader.reported(`${this.servers[index]!.name} left`);
  }

  /**
   * Clears the leader's reports and starts a stopped server again, with an empty table, on its old
   * port. Does not wait until it is ready.
   */
  async restart(index: number): Promise<TestServer> {
    this.leader.reports.length = 0;
    const { address } = this.servers[index]!;
    const leader = index === 0 ? undefined : this.leader.address;
    // The system may have given the port to an outgoing connection for a moment.
    const server = await eventually(`${formatAddress(address)} is free`, () => {
      try {
        return new TestServer(address, leader, this.#tuning);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
        return undefined;
      }
    });
    this.servers[index] = server;
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }
}
