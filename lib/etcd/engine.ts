/**
 * The engine for those who outgrow three fixed servers: the data is in etcd.
 *
 * Each server asks one member of etcd. etcd orders the writes, and the revision of a write is its
 * timestamp. Wire, prints and clients are those of the embedded engine.
 *
 * @module
 */

import {
  answerGet,
  type Engine,
  type EngineOptions,
  misdirected,
  type StartEngine,
} from "../replication/engine.ts";
import type { ErrorCode } from "../mensagem.ts";
import { EtcdClient, type EtcdOptions } from "./client.ts";
import { EtcdMember, type EtcdPace } from "./member.ts";
import { EtcdError, explain } from "./errors.ts";
import type { EtcdEvent } from "./protocol.ts";
import { eventTextCharsMax } from "../limits.ts";
import {
  type AnyMensagem,
  ErrorReply,
  type Fault,
  type FaultOk,
  type FollowerStatus,
  type Get,
  type Put,
  PutOk,
} from "../mensagem.ts";
import { type OwnWrite, OwnWrites } from "./own_writes.ts";
import type { Host, Link, ReplicationListener } from "../replication/environment.ts";
import { answerBy, type Tuning } from "../replication/tuning.ts";
import type { Entry, Store } from "../replication/store.ts";

/** Writes of a watch that wait for the answer to the PUT that may have caused them. */
export const etcdEventsHeldMax = 10_000;

/** The keys that a server on etcd remembers for its observers: those written last. */
export const etcdRecentKeysMax = 1_000;

/** Where a server says that the leader is while nobody knows. No server listens there. */
const nowhere = "0.0.0.0:1";

/** How long requests and watches of the tests may take where that is not what `Tuning` says. */
type Pace = Partial<Pick<EtcdPace, "pollMs" | "watchIdleMs">>;

/** A server's data in etcd. */
export class EtcdEngine implements Engine {
  readonly #self: string;
  readonly #host: Host;
  readonly #tuning: Tuning;
  readonly #client: EtcdClient;
  readonly #member: EtcdMember;
  readonly #own: OwnWrites;
  /**
   * What observers are told of the table: the keys written last, in that order, their values cut.
   */
  readonly #recent = new Map<string, Entry>();
  /** PUTs without an answer, and their text in UTF-16 units. */
  #puts = 0;
  #putChars = 0;
  /** The highest revision that an answer or the watch has shown. */
  #timestamp = 0;
  /** Requests that wait for etcd. */
  readonly #tasks = new Set<Promise<void>>();

  /**
   * What starts such engines.
   *
   * ```ts
   * import { EtcdEngine } from "./engine.ts";
   * import { KvServer } from "../server/kv_server.ts";
   * import { ServerConsole } from "../cli/console.ts";
   *
   * await using server = KvServer.start({
   *   listen: { hostname: "127.0.0.1", port: 10097 },
   *   engine: EtcdEngine.at({ url: "http://127.0.0.1:2379", prefix: "kv/" }),
   *   prints: new ServerConsole((text) => Deno.stdout.writeSync(new TextEncoder().encode(text))),
   *   report: console.error,
   * });
   * ```
   *
   * @throws {TypeError} where certificates or key are none.
   */
  static at(options: EtcdOptions, pace: Pace = {}): StartEngine {
    new EtcdClient(options)[Symbol.dispose](); // so that nothing is open when it throws
    return (started) => new EtcdEngine(started, options, pace);
  }

  private constructor({ self, host, tuning }: EngineOptions, options: EtcdOptions, pace: Pace) {
    this.#self = self;
    this.#host = host;
    this.#tuning = tuning;
    this.#client = new EtcdClient(options);
    this.#own = new OwnWrites((event) => this.#replicated(event), etcdEventsHeldMax);
    const { silenceMs, redialFirstMs, redialLongestMs } = tuning;
    this.#member = new EtcdMember(options.url, this.#client, {
      silenceMs,
      redialFirstMs,
      redialLongestMs,
      ...pace,
      random: () => host.random(),
      newName: () => host.newClusterId().replaceAll("-", "").slice(0, 12),
    }, {
      written: (event) => this.#written(event),
      table: () => host.listener?.table(),
      changed: () => {
        if (host.listener !== undefined) this.describe(host.listener);
      },
      report: (line) => host.report(line),
    });
  }

  /** The keys written last since this server began, but the number of all. */
  get table(): Pick<Store, "get" | "entries" | "size"> {
    const [recent, size] = [this.#recent, this.#member.keys];
    return { get: (key) => recent.get(key), entries: () => recent.entries(), size };
  }

  /** Its own address where its member leads, else that of the member that does. */
  get leader(): string {
    return this.#member.leads ? this.#self : this.#member.leader || nowhere;
  }

  get readable(): boolean {
    return this.#member.whyNot === undefined;
  }

  get cluster(): string {
    return this.#member.cluster;
  }

  get timestamp(): number {
    return Math.max(this.#timestamp, this.#member.revision);
  }

  /** Who is in sync with etcd's leader, etcd alone knows; the leader itself is. */
  get inSync(): readonly string[] {
    return this.#member.leads ? [this.#self] : [];
  }

  /** Servers do not know of each other. */
  readonly followers: readonly FollowerStatus[] = [];

  get outstandingPuts(): number {
    return this.#puts;
  }

  describe(listener: ReplicationListener): void {
    if (this.#member.leads) listener.members([], this.inSync, this.readable);
  }

  get(link: Link, request: Get): void {
    const { whyNot } = this.#member;
    if (whyNot !== undefined) return refuse(link, request.id, "UNAVAILABLE", whyNot);
    this.#start(this.#get(link, request));
  }

  /**
   * enunciado 5.c: where this server's member is not etcd's leader, the member passes the PUT on.
   */
  put(link: Link, request: Put): void {
    const { id, key, value } = request;
    const { whyNot, leads } = this.#member;
    if (whyNot !== undefined) return refuse(link, id, "UNAVAILABLE", `not applied: ${whyNot}`);
    const { outstandingPutsMax, waitingCharsMax } = this.#tuning;
    if (this.#puts >= outstandingPutsMax || this.#putChars >= waitingCharsMax) {
      const reason = `not applied: ${this.#puts} PUTs are waiting already`;
      return refuse(link, id, "OVERLOADED", reason);
    }
    if (leads) this.#host.prints.put(link.peer, key, value);
    else this.#host.prints.forwarding(key, value);
    this.#start(this.#put(link, request, leads));
  }

  fault({ id }: Fault): ErrorReply | FaultOk {
    return new ErrorReply("FORBIDDEN", `${this.#self} stands on etcd: it replicates nothing`, id);
  }

  receive(_link: Link, message: AnyMensagem): string {
    return message.type === "JOIN"
      ? `${this.#self} stands on etcd: no server joins another`
      : misdirected(message);
  }

  flush(): void {}
  closed(): void {}

  /** etcd keeps its own journal. */
  durable(): void {}

  /** Whatever waits for etcd has a time limit of its own. */
  tick(): void {}

  async close(): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.#member.close();
    await Promise.all(this.#tasks);
  }

  async #get(link: Link, request: Get): Promise<void> {
    const { id, key, timestamp: seen } = request;
    try {
      const entry = await this.#client.get(key, this.#tuning.silenceMs);
      const timestamp = entry?.revision ?? 0;
      this.#saw(timestamp);
      if (timestamp < seen) {
        answerGet(this.#host, link, request, { fresh: false, timestamp });
      } else if (entry !== undefined && entry.value === undefined) {
        refuse(link, id, "UNAVAILABLE", "what is stored under this key is no value of this store");
      } else {
        const value = entry?.value ?? null;
        answerGet(this.#host, link, request, { fresh: true, value, timestamp });
      }
    } catch (error) {
      const failure = this.#failure(error);
      refuse(link, id, codeOf(failure), explain(failure));
    }
  }

  async #put(link: Link, request: Put, leads: boolean): Promise<void> {
    const { id, key, value } = request;
    const cameAt = performance.now();
    const own: OwnWrite = { key, value };
    if (leads) this.#own.begin(own);
    const chars = key.length + value.length;
    this.#puts++;
    this.#putChars += chars;
    try {
      const withinMs = answerBy(0, this.#tuning.putTimeoutMs);
      const timestamp = await this.#client.put(key, value, withinMs);
      this.#saw(timestamp);
      if (leads) {
        const waitedMs = performance.now() - cameAt;
        this.#host.listener?.written(key, value, timestamp, waitedMs);
        this.#host.prints.putOk(link.peer, key, timestamp);
        this.#own.end(own, timestamp);
      }
      link.send(new PutOk(id, key, timestamp).encode());
    } catch (error) {
      this.#own.end(own);
      const failure = this.#failure(error);
      if (failure.notApplied) refuse(link, id, codeOf(failure), `not applied: ${explain(failure)}`);
      else refuse(link, id, "UNKNOWN_OUTCOME", `may or may not be applied: ${explain(failure)}`);
    } finally {
      this.#puts--;
      this.#putChars -= chars;
    }
  }

  /** The watch has shown a write, perhaps one of this server. */
  #written(event: EtcdEvent): void {
    if (event.deleted) this.#recent.delete(event.key);
    else this.#remember(event);
    this.#own.show(event);
  }

  /** enunciado 5.d: a write of somebody else. What was removed has no line. */
  #replicated({ key, value, revision, deleted }: EtcdEvent): void {
    if (deleted) return;
    if (value === undefined) {
      const value = "a value that is no text, or longer than values may be here";
      this.#host.report(`etcd shows ${value}, put by somebody else at revision ${revision}`);
    } else this.#host.prints.replication(key, value, revision);
  }

  #remember({ key, value = "", revision }: EtcdEvent): void {
    this.#recent.delete(key);
    // One character more than observers are shown, so that they see where it was cut.
    this.#recent.set(key, { value: value.slice(0, eventTextCharsMax + 1), timestamp: revision });
    if (this.#recent.size <= etcdRecentKeysMax) return;
    this.#recent.delete(this.#recent.keys().next().value!);
  }

  /** Every request is answered, whatever went wrong. */
  #failure(error: unknown): EtcdError {
    if (error instanceof EtcdError) return error;
    this.#host.report(`a request to etcd failed: ${(error as Error).stack}`);
    return new EtcdError("strange", "this server failed", { cause: error });
  }

  #saw(timestamp: number): void {
    if (timestamp > this.#timestamp) this.#timestamp = timestamp;
  }

  #start(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task));
  }
}

/** What an error that leaves a request undone is called on the wire. */
function codeOf({ trouble }: EtcdError): ErrorCode {
  if (trouble === "too many") return "OVERLOADED";
  return trouble === "too large" ? "TOO_LARGE" : "UNAVAILABLE";
}

function refuse(link: Link, id: number, code: ErrorCode, reason: string): void {
  link.send(new ErrorReply(code, reason, id).encode());
}
