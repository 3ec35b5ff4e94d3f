/**
 * The engine that is built in: a table in memory, and its replication by leader and followers.
 *
 * @module
 */

import { answerGet, type Engine, type EngineWorld, notForUs } from "./engine.ts";
import { Follower } from "./follower.ts";
import type { Saved } from "./journal.ts";
import { Leader } from "./leader.ts";
import {
  type AnyMensagem,
  ErrorReply,
  type Fault,
  FaultOk,
  type FollowerStatus,
  type Get,
  type Put,
} from "../mensagem.ts";
import type { Host, Link, Replica, Watch } from "./environment.ts";
import { Store } from "./store.ts";

/** By how much a fault may make REPLICATIONs late. */
export const faultDelayMsMax = 60_000;

/** A table and a part in its replication. Nothing in here waits: what it is asked it does at once. */
export class EmbeddedEngine implements Engine {
  readonly #self: string;
  readonly #host: Host;
  readonly #store: Store;
  readonly #replica: Replica;
  readonly #leader: Leader | undefined;
  readonly #follower: Follower | undefined;

  /** "ip:port" of the leader. This server leads where that is its own (enunciado 5.a). */
  readonly leader: string;

  /** An engine without memory, or with what was saved. */
  constructor({ self, host, tuning, now }: EngineWorld, leader: string, saved?: Saved) {
    this.#store = saved?.store ?? new Store();
    this.#self = self;
    this.#host = host;
    this.leader = leader;
    if (self === leader) {
      this.#leader = new Leader(self, this.#store, host, tuning, now, saved);
      this.#replica = this.#leader;
    } else {
      this.#follower = new Follower(self, leader, this.#store, host, tuning, now, saved);
      this.#replica = this.#follower;
    }
  }

  get table(): Pick<Store, "get" | "entries" | "size"> {
    return this.#store;
  }

  get readable(): boolean {
    return this.#replica.readable;
  }

  get cluster(): string {
    return this.#replica.cluster;
  }

  get timestamp(): number {
    return this.#replica.timestamp;
  }

  get inSync(): readonly string[] {
    return this.#replica.inSync;
  }

  get followers(): readonly FollowerStatus[] {
    return this.#replica.followers;
  }

  get outstandingPuts(): number {
    return this.#replica.outstandingPuts;
  }

  describe(watch: Watch): void {
    this.#replica.describe(watch);
  }

  /** enunciado 5.f. */
  get(link: Link, request: Get): void {
    const reading = this.#replica.readable
      ? this.#store.read(request.key, request.timestamp)
      : { fresh: false as const, timestamp: this.#store.read(request.key, 0).timestamp };
    answerGet(this.#host, link, request, reading);
  }

  put(link: Link, request: Put): void {
    this.#replica.put(link, request);
  }

  fault(request: Fault): FaultOk | ErrorReply {
    const { id, follower, action, delayMs } = request;
    if (this.#leader === undefined) return new ErrorReply("FORBIDDEN", this.#notLeader, id);
    if (action === "delay" && (delayMs === undefined || delayMs > faultDelayMsMax)) {
      const reason = `"delayMs" must be at most ${faultDelayMsMax}, not ${delayMs}`;
      return new ErrorReply("BAD_MESSAGE", reason, id);
    }
    if (!this.#leader.fault(request)) {
      return new ErrorReply("BAD_MESSAGE", `no follower ${follower} has joined`, id);
    }
    return new FaultOk(id);
  }

  receive(link: Link, message: AnyMensagem): string | undefined {
    if (this.#replica.receive(link, message)) return undefined;
    return message.type === "JOIN" ? this.#notLeader : notForUs(message);
  }

  flush(): void {
    this.#replica.flush();
  }

  durable(count: number): void {
    this.#replica.durable(count);
  }

  closed(link: Link): void {
    this.#replica.closed(link);
  }

  dialled(link: Link): void {
    this.#follower?.dialled(link);
  }

  dialFailed(reason: string): void {
    this.#follower?.dialFailed(reason);
  }

  tick(now: number): void {
    this.#replica.tick(now);
  }

  /** Nothing runs in the background. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  get #notLeader(): string {
    return `${this.#self} is not the leader, ${this.leader} is`;
  }
}
