/**
 * The dashboard: observes the servers, acts as clients, and shows both to browsers.
 *
 * @module
 */

import { type Address, formatAddress } from "../../lib/wire/address.ts";
import type { Access } from "../../lib/client/access.ts";
import type { FaultAction } from "../../lib/wire/events.ts";
import type { ServerControl } from "../stories/local_servers.ts";
import { play } from "../stories/play.ts";
import { stopsServers, storyDefault, storyOf } from "../stories/stories.js";
import type { Role, Story } from "../stories/story.ts";
import { boundedItem } from "./bounded_item.ts";
import { Clients } from "./clients.ts";
import { DashboardStage } from "./dashboard_stage.ts";
import { Feed } from "./feed.ts";
import type { HttpServer } from "../../lib/net/http_server.ts";
import { type Backend, serveHttp } from "./http.ts";
import type { Item } from "./item.ts";
import { Observer } from "./observer.ts";
import { ServerNames } from "./server_names.ts";

/** How long a story shows each step, unless a PUT waits. */
export const demoStepMs = 1_300;

/** The options of a dashboard. */
export interface DashboardOptions extends Access {
  /** Where the dashboard listens. Port 0 takes a free one. */
  readonly listen: Address;
  /** The servers, in the order in which they are shown. */
  readonly servers: readonly Address[];
  /** How long a story shows each step ({@linkcode demoStepMs}). */
  readonly demoStepMs?: number;
  /** Stops and starts the servers. Without it, no story that needs this can be played. */
  readonly control?: ServerControl;
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
  readonly #control: ServerControl | undefined;
  /** Ends the story under way. */
  readonly #demoStop = new AbortController();
  /** The story under way; `undefined` if there is none. */
  #demo: { readonly story: string; readonly played: Promise<unknown> } | undefined;

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
    this.#control = options.control;
    this.feed = new Feed(this.#servers, Date.now, this.#control !== undefined);
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
   * Plays a story to its end, or waits for the end of the same one under way.
   *
   * @throws {RangeError} if there is no such story, or it stops servers and this dashboard cannot.
   * @throws {Error} if another story is under way, or fewer than two followers are in sync.
   */
  async demo(id: string = storyDefault.id): Promise<void> {
    const story = storyOf(id);
    if (story === undefined) throw new RangeError(`there is no story ${JSON.stringify(id)}`);
    if (this.#demo !== undefined && this.#demo.story !== id) {
      throw new Error(`the story ${this.#demo.story} is under way: wait for its end`);
    }
    if (this.#control === undefined && stopsServers(story)) {
      throw new RangeError(
        `the story ${id} stops servers: it needs servers that were started with --start`,
      );
    }
    if (stopsServers(story) && this.#servers.length !== 3) {
      throw new RangeError(`the story ${id} is about three servers, not ${this.#servers.length}`);
    }
    this.#demo ??= { story: id, played: this.#play(story, this.#roles()) };
    await this.#demo.played;
  }

  /** Plays a story. Its failure is shown as its last step. */
  async #play(story: Story, servers: Readonly<Record<Role, string>>): Promise<void> {
    const run = Date.now();
    const stage = new DashboardStage({
      servers,
      signal: this.#demoStop.signal,
      stepMs: this.#demoStepMs,
      clients: this.clients,
      control: this.#control,
      state: this.feed.state,
      show: (step) => this.#take({ kind: "demo", at: Date.now(), step: { ...step, run } }),
      fault: (follower, action) => this.fault(follower, action),
    });
    await play(story, stage);
    this.#demo = undefined;
  }

  /** The servers of a story. */
  #roles(): Record<Role, string> {
    const { leader, inSync } = this.feed.state;
    const followers = this.#servers.filter((name) => name !== leader && inSync.includes(name));
    const [near, far] = [followers[0], followers.at(-1)];
    if (near === undefined || far === undefined || near === far) {
      throw new Error("a story needs two followers in sync: start the servers first");
    }
    return { leader, near, far };
  }

  /** Stops listening and closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.feed[Symbol.dispose]();
    this.#demoStop.abort();
    await this.#demo?.played;
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
