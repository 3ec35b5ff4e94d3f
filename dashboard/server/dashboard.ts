/**
 * The dashboard: observes the servers, acts as clients, and shows both to browsers.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import type { Access } from "../../lib/client/access.ts";
import type { FaultAction } from "../../lib/wire/events.ts";
import { boundedItem } from "./bounded_item.ts";
import { Clients } from "./clients.ts";
import { demonstrate } from "./demo.ts";
import { Feed } from "./feed.ts";
import type { HttpServer } from "../../lib/net/http_server.ts";
import { type Backend, serveHttp } from "./http.ts";
import type { Item } from "./item.ts";
import { Observer } from "./observer.ts";
import { ServerNames } from "./server_names.ts";

/**
 * How long the demonstration shows each step. Its PUT waits for three steps. The servers must still
 * answer it within their time limit for PUTs.
 */
export const demoStepMs = 1_300;

/** The options of a dashboard. */
export interface DashboardOptions extends Access {
  /** Where the dashboard listens. Port 0 takes a free one. */
  readonly listen: Address;
  /** The servers, in the order in which they are shown. */
  readonly servers: readonly Address[];
  /** How long the demonstration shows each step ({@linkcode demoStepMs}). */
  readonly demoStepMs?: number;
  /** Takes a line for the operator, such as that a connection cannot be accepted. */
  readonly report?: (line: string) => void;
}

/** A running dashboard. */
export class Dashboard implements AsyncDisposable, Backend {
  /** Where the dashboard listens. */
  readonly address: Address;
  /** What the browsers get. */
  readonly feed: Feed;
  /** The clients that send the browsers' PUTs and GETs. */
  readonly clients: Clients;
  readonly #observers: readonly Observer[];
  readonly #http: HttpServer;
  /** "ip:port" of the servers. */
  readonly #servers: readonly string[];
  readonly #demoStepMs: number;
  /** Ends the waits of the demonstration. */
  readonly #demoStop = new AbortController();
  /** The demonstration under way; `undefined` if there is none. */
  #demo: Promise<void> | undefined;

  /**
   * Listens, and starts to observe the servers.
   *
   * @throws {Deno.errors.AddrInUse} if the port is in use.
   * @throws {Deno.errors.AddrNotAvailable} if the address is not one of this machine.
   */
  constructor(options: DashboardOptions) {
    const { listen, servers } = options;
    this.#demoStepMs = options.demoStepMs ?? demoStepMs;
    this.#http = serveHttp(listen, this, options.report ?? (() => {}));
    this.address = this.#http.address;
    this.#servers = servers.map(formatAddress);
    this.feed = new Feed(this.#servers);
    const take = (item: Item) => this.#take(item);
    this.clients = new Clients(servers, options, take);
    const names = new ServerNames(this.#servers);
    this.#observers = servers.map((server) => new Observer(server, options, take, names));
  }

  /**
   * Pauses, delays or resumes the replication to a follower.
   *
   * @throws {Error} if no leader is known or connected, or the leader refuses the command.
   */
  async fault(follower: string, action: FaultAction, delayMs?: number): Promise<void> {
    const leader = this.#observers.find(({ server }) => server === this.feed.state.leader);
    if (leader === undefined) throw new Error("no leader is known: --servers must name it");
    await leader.fault(follower, action, delayMs);
  }

  /**
   * Runs the demonstration to its end, or waits for the end of the one under way.
   *
   * @throws {Error} if no follower is in sync.
   */
  async demo(): Promise<void> {
    const { leader, inSync } = this.feed.state;
    const follower = inSync.findLast((server) => server !== leader);
    if (follower === undefined) throw new Error("no follower is in sync: start the servers first");
    this.#demo ??= demonstrate({
      leader,
      follower,
      put: (...args) => this.clients.put(...args),
      get: (...args) => this.clients.get(...args),
      fault: (action) => this.fault(follower, action),
      show: (step) => this.#take({ kind: "demo", at: Date.now(), step }),
      wait: () => delay(this.#demoStepMs, { signal: this.#demoStop.signal }).catch(() => {}),
    }).finally(() => this.#demo = undefined);
    await this.#demo;
  }

  /** Stops listening and closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.feed[Symbol.dispose]();
    this.#demoStop.abort();
    await this.#demo;
    await this.clients[Symbol.asyncDispose]();
    await Promise.all(this.#observers.map((observer) => observer[Symbol.asyncDispose]()));
    await this.#http[Symbol.asyncDispose]();
  }

  #take(item: Item): void {
    this.feed.add(boundedItem(item, this.#servers));
    // Only a leader's: a follower may have data of another cluster, which its leader refuses.
    if (item.kind === "status" && item.status.leader === item.server) {
      this.clients.belongsTo(item.status.cluster);
    }
  }
}
