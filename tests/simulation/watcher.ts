/** A simulated watcher: goes on after its last timestamp, at another server if need be. */

import { type AnyMensagem, Unwatch, Watch } from "../../lib/mensagem.ts";
import type { Endpoint } from "./network.ts";
import type { Server } from "./server.ts";
import { covers, type Known, learnChanges, type Target } from "./watch_checker.ts";
import type { World } from "./world.ts";

/** The pause before a watcher asks another server. */
const againMs = 60;

/** What a watcher needs of its client. */
export interface WatcherClient {
  /** A connection to a server, `undefined` if it is refused. */
  connect(server: Server): Endpoint | undefined;
  /** The client has seen everything up to a timestamp. */
  saw(timestamp: number): void;
}

/** A watch of a client, over all of its connections. */
export class Watcher {
  readonly target: Target;
  /** What it was told of its keys. */
  readonly known: Known = new Map();
  /** Whether the client has ended it. */
  ended = false;
  readonly #world: World;
  readonly #ip: string;
  readonly #client: WatcherClient;
  /** It was told every change up to here. */
  #timestamp = 0;
  /** The number of its present WATCH. */
  #op = 0;
  #link: Endpoint | undefined;
  /** The last server that it asked. */
  #server = 0;

  constructor(world: World, ip: string, target: Target, client: WatcherClient) {
    this.#world = world;
    this.#ip = ip;
    this.target = target;
    this.#client = client;
  }

  /** Asks a server for changes. */
  begin(server: Server): void {
    if (this.ended) return;
    this.#server = this.#world.servers.indexOf(server);
    const link = this.#client.connect(server);
    if (link === undefined) return this.#again();
    this.#link = link;
    const op = this.#op = this.#world.nextOp();
    const { target, known } = this;
    this.#world.observe({ kind: "watching", op, target, after: this.#timestamp, known });
    const about = target.key === undefined ? { prefix: target.prefix! } : { key: target.key };
    link.send(new Watch(op, about, this.#timestamp).encode());
  }

  /** The client wants no more changes. */
  end(): void {
    this.ended = true;
    this.#link?.send(new Unwatch(this.#op).encode());
    this.#link = undefined;
  }

  /** Takes an answer on a connection. Returns whether it was for this watch. */
  receive(link: Endpoint, reply: AnyMensagem): boolean {
    if (!("id" in reply) || reply.id !== this.#op || this.#op === 0) return false;
    if (link !== this.#link) return true; // it has ended the watch
    if (reply.type !== "CHANGES") {
      this.#again();
      return true;
    }
    const { changes, timestamp, reset } = reply;
    learnChanges(this.known, changes, reset === true);
    this.#timestamp = timestamp;
    if (reply.more === true) return true;
    const versions = new Map<string, number>();
    for (const key of this.#world.history.keys) {
      if (covers(this.target, key)) versions.set(key, this.known.get(key)?.timestamp ?? 0);
    }
    this.#world.observe({ kind: "watched", client: this.#ip, versions });
    this.#client.saw(timestamp);
    return true;
  }

  /** A connection of the client has ended. */
  disconnected(link: Endpoint): void {
    if (link === this.#link) this.#again();
  }

  #again(): void {
    this.#link = undefined;
    this.#op = 0;
    const { servers, clock } = this.#world;
    const next = servers[(this.#server + 1) % servers.length]!;
    clock.after(againMs, () => this.begin(next));
  }
}
