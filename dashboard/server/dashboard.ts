/**
 * The dashboard: it observes the servers, plays clients, and shows all of it to browsers.
 *
 * @module
 */

import { type Address, formatAddress } from "../../lib/wire/address.ts";
import type { Access } from "../../lib/client/server_connection.ts";
import type { FaultAction } from "../../lib/wire/events.ts";
import { Clients } from "./clients.ts";
import { demonstrate } from "./demo.ts";
import { Feed } from "./feed.ts";
import { type Commands, serveHttp } from "./http.ts";
import type { Item } from "./item.ts";
import { Observer } from "./observer.ts";

/**
 * Pause between two steps of the dashboard's demonstration. The write that it holds back goes
 * through three of them, and must still be answered in time.
 */
export const demoStepMs = 1_300;

/** What a dashboard needs to know. */
export interface DashboardOptions extends Access {
  /** Where it listens. Port 0 takes a free one. */
  readonly listen: Address;
  /** The servers, in the order in which they are shown. */
  readonly servers: readonly Address[];
  /** What differs from the usual pause between two steps of the demonstration. */
  readonly demoStepMs?: number;
}

/** A running dashboard. */
export class Dashboard implements AsyncDisposable, Commands {
  /** Where it listens. */
  readonly address: Address;
  readonly #feed: Feed;
  readonly #clients: Clients;
  readonly #observers: readonly Observer[];
  readonly #http: ReturnType<typeof serveHttp>;
  readonly #stop = new AbortController();
  readonly #demoStepMs: number;
  readonly #demoPauses = new Set<() => void>();
  /** The demonstration that is being played. */
  #demo: Promise<void> | undefined;

  /**
   * Listens, and begins to observe.
   *
   * @throws {Deno.errors.AddrInUse} where the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} where the address is not this machine's.
   */
  constructor(options: DashboardOptions) {
    const { listen, servers } = options;
    this.#demoStepMs = options.demoStepMs ?? demoStepMs;
    this.#http = serveHttp(listen, this, this.#stop.signal);
    this.address = { hostname: listen.hostname, port: (this.#http.addr as Deno.NetAddr).port };
    this.#feed = new Feed(servers.map(formatAddress));
    const take = (item: Item) => this.#take(item);
    this.#clients = new Clients(servers, options, take);
    this.#observers = servers.map((server) => new Observer(server, options, take));
  }

  /** Browsers that watch. */
  get browsers(): number {
    return this.#feed.browsers;
  }

  /** The stream for one more browser. */
  subscribe(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#feed.subscribe();
  }

  /** Writes as one of the clients. */
  put(...args: Parameters<Clients["put"]>): ReturnType<Clients["put"]> {
    return this.#clients.put(...args);
  }

  /** Reads as one of the clients. */
  get(...args: Parameters<Clients["get"]>): ReturnType<Clients["get"]> {
    return this.#clients.get(...args);
  }

  /**
   * Disturbs the replication towards a follower, or ends that.
   *
   * @throws {Error} where no leader is known, or it does not take the command.
   */
  async fault(follower: string, action: FaultAction, delayMs?: number): Promise<void> {
    const leader = this.#observers.find(({ server }) => server === this.#feed.state.leader);
    if (leader === undefined) throw new Error("no leader can be reached");
    await leader.fault(follower, action, delayMs);
  }

  /**
   * Plays the demonstration to its end. One that is being played already is waited for.
   *
   * @throws {Error} where there is no leader, or no follower that counts.
   */
  async demo(): Promise<void> {
    const { leader, inSync } = this.#feed.state;
    const follower = inSync.findLast((server) => server !== leader);
    if (follower === undefined) throw new Error("no follower is in sync");
    this.#demo ??= demonstrate({
      leader,
      follower,
      put: (...args) => this.put(...args),
      get: (...args) => this.get(...args),
      fault: (action) => this.fault(follower, action),
      tell: (story) => this.#feed.take({ kind: "story", at: Date.now(), story }),
      pause: () => this.#pauseDemo(),
    }).finally(() => this.#demo = undefined);
    await this.#demo;
  }

  /** Ends all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#feed[Symbol.dispose]();
    for (const endPause of this.#demoPauses) endPause();
    await this.#demo;
    await this.#clients[Symbol.asyncDispose]();
    await Promise.all(this.#observers.map((observer) => observer[Symbol.asyncDispose]()));
    this.#stop.abort(); // a browser that does not read would hold a gentle end up
    await this.#http.finished;
  }

  #take(item: Item): void {
    this.#feed.take(item);
    if (item.kind === "status") this.#clients.belongsTo(item.status.cluster);
  }

  async #pauseDemo(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#demoStepMs);
    this.#demoPauses.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#demoPauses.delete(resolve);
  }
}
