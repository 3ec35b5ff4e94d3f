/**
 * A server inside the test's own process.
 *
 * @module
 */

import { ServerConsole } from "../../lib/cli/server_console.ts";
import type { Tuning } from "../../lib/replication/tuning.ts";
import { KvServer, type KvServerOptions } from "../../lib/server/kv_server.ts";
import type { ServerLimits } from "../../lib/server/server_limits.ts";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { linesOf } from "./lines.ts";
import { anyPort } from "./ports.ts";
import { eventually, within } from "./waiting.ts";
import { textOf } from "../../lib/wire/frames.ts";
import { textOfValue } from "../../lib/wire/long_value.ts";

/** A server with everything that it printed and reported. It redials and ticks faster than by default. */
export class TestServer implements AsyncDisposable {
  readonly address: Address;
  /** The lines that a server process would write to standard error. */
  readonly reports: string[] = [];
  readonly #server: KvServer;
  #printed = "";

  /** Starts a server; without `leader` it is the leader. */
  constructor(
    listen: Address,
    leader: Address | undefined,
    tuning: Partial<Tuning>,
    limits: Partial<ServerLimits> = {},
    more: Partial<KvServerOptions> = {},
  ) {
    this.#server = KvServer.start({
      ...more,
      listen,
      ...(leader === undefined ? {} : { leader }),
      prints: new ServerConsole((text) => this.#printed += textOf(text)),
      report: (line) => this.reports.push(line),
      tuning: { redialFirstMs: 10, redialLongestMs: 100, ...tuning },
      limits: { tickMs: 10, ...limits },
    });
    this.address = this.#server.address;
  }

  /** Starts a leader that is the whole cluster. Resolves when it is ready. */
  static async alone(
    tuning: Partial<Tuning> = {},
    limits: Partial<ServerLimits> = {},
  ): Promise<TestServer> {
    const alone = { clusterSize: 1, minInSync: 1, ...tuning };
    const server = new TestServer(anyPort, undefined, alone, limits);
    await server.ready();
    return server;
  }

  /** "ip:port" */
  get name(): string {
    return formatAddress(this.address);
  }

  /** The lines on its console. */
  get prints(): string[] {
    return linesOf(this.#printed);
  }

  /** The lines on its console that begin with this text. */
  printsOf(start: string): string[] {
    return this.prints.filter((line) => line.startsWith(start));
  }

  /** The entry in its table; `undefined` if there is none. */
  holds(key: string): { value: string | null; timestamp: number } | undefined {
    const entry = this.#server.table.get(key);
    return entry && { value: textOfValue(entry.value), timestamp: entry.timestamp };
  }

  /** Whether it answers GETs from its table. */
  get readable(): boolean {
    return this.#server.readable;
  }

  /** What the messages of coordination have led to. */
  get counts(): KvServer["counts"] {
    return this.#server.counts;
  }

  /** Resolves with the reason if it cannot go on. */
  get failed(): Promise<Error> {
    return within(`${this.name} fails`, this.#server.failed);
  }

  /** Resolves when it answers GETs from its table. */
  async ready(): Promise<void> {
    await within(`${this.name} is ready`, this.#server.ready);
  }

  /** Resolves with the first report that contains this text. */
  async reported(text: string): Promise<string> {
    return await eventually(
      `${this.name} reports "${text}"`,
      () => this.reports.find((line) => line.includes(text)),
    );
  }

  /** Stops it as SIGTERM would. */
  async close(): Promise<void> {
    await within(`${this.name} closes`, this.#server.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
