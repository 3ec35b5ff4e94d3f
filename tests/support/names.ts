/**
 * Host names for tests. A test cannot add names to the system's, so `Deno.connect` is replaced.
 *
 * @module
 */

import { parseIp } from "../../lib/wire/address.ts";

/** Names, and no others, that `Deno.connect` finds until they are disposed of. */
export class Names implements Disposable {
  /** The address of each name. A test may change it while servers run. */
  readonly ips: Record<string, string>;
  /** Ports that lead to other ports. */
  readonly ports: Record<number, number> = {};
  /** The hosts that were dialled, in order. */
  readonly dialled: string[] = [];
  readonly #connect = Deno.connect;

  /** Makes names known. */
  constructor(ips: Record<string, string>) {
    this.ips = ips;
    const connect = async (options: Deno.ConnectOptions) => {
      const { hostname = "", port } = options;
      this.dialled.push(hostname);
      const ip = parseIp(hostname) ?? this.ips[hostname];
      if (ip === undefined) throw new Error("failed to lookup address information");
      const target = { hostname: ip, port: this.ports[port] ?? port };
      return await this.#connect({ ...options, ...target });
    };
    Deno.connect = connect as typeof Deno.connect;
  }

  [Symbol.dispose](): void {
    Deno.connect = this.#connect;
  }
}
