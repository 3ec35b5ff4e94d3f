/**
 * The engine that keeps its data in etcd. The entry module of this folder.
 *
 * Each server asks one member of etcd. etcd orders the writes, and the revision of a write is its
 * timestamp. Wire, console lines and clients are the same as with the embedded engine.
 *
 * @module
 */

import {
  type AnyMensagem,
  type ErrorCode,
  ErrorReply,
  type Fault,
  type FaultOk,
  type FollowerStatus,
  type Get,
  type Put,
  PutOk,
  textOfValue,
} from "../mensagem.ts";
import {
  answerGet,
  type Engine,
  type EngineOptions,
  misdirected,
  type StartEngine,
} from "../replication/engine.ts";
import type { Host, Link, ReplicationListener } from "../replication/environment.ts";
import type { Store } from "../replication/store.ts";
import { answerBy, type Tuning } from "../replication/tuning.ts";
import { EtcdClient } from "./client.ts";
import { EchoFilter, type UnansweredPut } from "./echo_filter.ts";
import { EtcdError, explain } from "./errors.ts";
import { EtcdMember, type MemberOptions } from "./member.ts";
import { checkOptions, type EtcdOptions } from "./options.ts";
import type { WatchEvent } from "./protocol.ts";
import { RecentKeys } from "./recent_keys.ts";

/** Writes of the watch that may wait for the answer to the PUT that may have caused them. */
const heldMax = 10_000;

/** Keys that a server remembers for its observers. */
const recentKeysMax = 1_000;

/** The leader's address in STATUS_OK while it is unknown. No server can listen there. */
const unknownLeader = "0.0.0.0:1";

/** Shorter times, for tests. */
type Pace = Partial<Pick<MemberOptions, "pollMs" | "watchIdleMs">>;

/** An engine that keeps its data in etcd. */
export class EtcdEngine implements Engine {
  readonly #self: string;
  readonly #host: Host;
  readonly #tuning: Tuning;
  readonly #client: EtcdClient;
  readonly #member: EtcdMember;
  readonly #echoes: EchoFilter;
  readonly #recent = new RecentKeys(recentKeysMax);
  /** Unanswered PUTs, and their text in UTF-16 units. */
  #puts = 0;
  #putChars = 0;
  /** The highest revision in any answer to a PUT or GET. */
  #timestamp = 0;
  /** Requests at etcd. `close` awaits them. */
  readonly #tasks = new Set<Promise<void>>();

  /**
   * Returns a function that starts such an engine.
   *
   * ```ts
   * import { EtcdEngine } from "./engine.ts";
   * import { KvServer } from "../server/kv_server.ts";
   * import { ServerConsole } from "../cli/server_console.ts";
   *
   * await using server = KvServer.start({
   *   listen: { hostname: "127.0.0.1", port: 10097 },
   *   engine: EtcdEngine.at({ url: "http://127.0.0.1:2379", prefix: "kv/" }),
   *   prints: new ServerConsole((text) => Deno.stdout.writeSync(new TextEncoder().encode(text))),
   *   report: console.error,
   * });
   * ```
   *
   * @throws {TypeError} if an option is not valid, or this process may not connect to etcd.
   */
  static at(options: EtcdOptions, pace: Pace = {}): StartEngine {
    checkOptions(options);
    return (world) => new EtcdEngine(world, options, pace);
  }

  private constructor({ self, host, tuning }: EngineOptions, options: EtcdOptions, pace: Pace) {
    this.#self = self;
    this.#host = host;
    this.#tuning = tuning;
    this.#client = new EtcdClient(options);
    this.#echoes = new EchoFilter((event) => this.#replicated(event), heldMax);
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

  /** The entries are only those written last since this server's start. `size` counts all keys. */
  get table(): Pick<Store, "get" | "entries" | "size"> {
    const [recent, size] = [this.#recent, this.#member.keys];
    return { get: (key) => recent.get(key), entries: () => recent.entries(), size };
  }

  /** This server's address if its member leads etcd, else that of the leading member. */
  get leader(): string {
    return this.#member.leads ? this.#self : this.#member.leader || unknownLeader;
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

  /** The leader alone: only etcd knows which other members are in sync with it. */
  get inSync(): readonly string[] {
    return this.#member.leads ? [this.#self] : [];
  }

  /** Servers on etcd do not know each other. */
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
   * enunciado 5.c: if this server's member is not etcd's leader, the member forwards the PUT.
   */
  put(link: Link, request: Put): void {
    const { id, key, value } = request;
    const { whyNot, leads } = this.#member;
    if (whyNot !== undefined) return refuse(link, id, "UNAVAILABLE", `not applied: ${whyNot}`);
    const { outstandingPutsMax, waitingCharsMax } = this.#tuning;
    if (this.#puts >= outstandingPutsMax || this.#putChars >= waitingCharsMax) {
      const reason = `not applied: ${this.#puts} PUTs wait for etcd already`;
      return refuse(link, id, "OVERLOADED", reason);
    }
    if (leads) this.#host.prints.put(link.peer, key, value);
    else this.#host.prints.forwarding(key, value);
    this.#start(this.#put(link, request, leads));
  }

  fault({ id }: Fault): ErrorReply | FaultOk {
    const reason = `${this.#self} keeps its data in etcd and replicates nothing`;
    return new ErrorReply("FORBIDDEN", reason, id);
  }

  receive(_link: Link, message: AnyMensagem): string {
    return message.type === "JOIN"
      ? `${this.#self} keeps its data in etcd: no server joins another`
      : misdirected(message);
  }

  // Nothing to do: etcd replicates, has its own journal, and each request to it has a time limit.
  flush(): void {}
  closed(): void {}
  durable(): void {}
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
      this.#raise(timestamp);
      if (timestamp < seen) {
        answerGet(this.#host, link, request, { fresh: false, timestamp });
      } else if (entry !== undefined && entry.value === undefined) {
        refuse(
          link,
          id,
          "UNAVAILABLE",
          "the value of this key in etcd is not text or is too long",
        );
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
    const { id, key } = request;
    const value = textOfValue(request.value);
    const arrivedMs = performance.now();
    const put: UnansweredPut = { key, value };
    if (leads) this.#echoes.begin(put);
    const chars = key.length + value.length;
    this.#puts++;
    this.#putChars += chars;
    try {
      const withinMs = answerBy(0, this.#tuning.putTimeoutMs);
      const timestamp = await this.#client.put(key, value, withinMs);
      this.#raise(timestamp);
      if (leads) {
        const waitedMs = performance.now() - arrivedMs;
        this.#host.listener?.written(key, value, timestamp, waitedMs);
        this.#host.prints.putOk(link.peer, key, timestamp);
        this.#echoes.end(put, timestamp);
      }
      link.send(new PutOk(id, key, timestamp).encode());
    } catch (error) {
      this.#echoes.end(put);
      const failure = this.#failure(error);
      if (failure.notApplied) refuse(link, id, codeOf(failure), `not applied: ${explain(failure)}`);
      else refuse(link, id, "UNKNOWN_OUTCOME", `may or may not be applied: ${explain(failure)}`);
    } finally {
      this.#puts--;
      this.#putChars -= chars;
    }
  }

  /** The watch has shown a write, which may be an own one. */
  #written(event: WatchEvent): void {
    const { key, value = "", revision, deleted } = event;
    if (deleted) this.#recent.delete(key);
    else this.#recent.put(key, value, revision);
    this.#echoes.show(event);
  }

  /** enunciado 5.d: a write of another server. A removal has no console line. */
  #replicated({ key, value, revision, deleted }: WatchEvent): void {
    if (deleted) return;
    if (value !== undefined) return this.#host.prints.replication(key, value, revision);
    this.#host.report(
      `another program has put a value that is not text or is too long, at revision ${revision}`,
    );
  }

  /** The error to answer with. An error of this program is reported first. */
  #failure(error: unknown): EtcdError {
    if (error instanceof EtcdError) return error;
    this.#host.report(`an error of this program in a request to etcd: ${(error as Error).stack}`);
    return new EtcdError("unexpected", "an error of this server", { cause: error });
  }

  #raise(timestamp: number): void {
    if (timestamp > this.#timestamp) this.#timestamp = timestamp;
  }

  #start(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task));
  }
}

/** The code of an ERROR for a request that was not carried out. */
function codeOf({ kind }: EtcdError): ErrorCode {
  if (kind === "overloaded") return "OVERLOADED";
  return kind === "too large" ? "TOO_LARGE" : "UNAVAILABLE";
}

function refuse(link: Link, id: number, code: ErrorCode, reason: string): void {
  link.send(new ErrorReply(code, reason, id).encode());
}
