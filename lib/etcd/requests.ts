/**
 * The requests of clients that etcd has to carry out, and their answers.
 *
 * @module
 */

import {
  Conflict,
  type ErrorCode,
  ErrorReply,
  type GetLatest,
  GetOk,
  type Put,
  PutOk,
  textOfValue,
  WriteOk,
  type WriteRequest,
} from "../mensagem.ts";
import type { RequestCounts } from "../replication/engine.ts";
import type { Host, Link } from "../replication/environment.ts";
import type { Store } from "../replication/store.ts";
import { answerBy, type Tuning } from "../replication/tuning.ts";
import { AppliedWaits } from "./applied_waits.ts";
import type { EtcdClient, WriteOutcome } from "./client.ts";
import { EchoFilter } from "./echo_filter.ts";
import { EtcdError, explain } from "./errors.ts";
import { Leases } from "./leases.ts";
import type { EtcdMember } from "./member.ts";
import type { StoredEntry, WatchEvent } from "./protocol.ts";

/** Writes of the watch that may wait for the answer to the request that may have caused them. */
const heldMax = 10_000;

/** What requests need. */
export interface EtcdRequestsOptions {
  /** Prints and reports. */
  readonly host: Host;
  /** The operator's settings. */
  readonly tuning: Tuning;
  /** Sends them. */
  readonly client: EtcdClient;
  /** Says whether they can be sent. */
  readonly member: () => EtcdMember;
  /** The table of this server. */
  readonly store: Store;
  /** Called with a revision that a client has seen and the table may not have. */
  readonly seen: (revision: number) => void;
}

/**
 * PUT, WRITE and GET_LATEST.
 *
 * - A write is answered when it is in this server's own table: its client can read it here at once. If
 *   the watch is late, it is answered in its time all the same: etcd has it.
 * - Every request is answered once and in its time.
 */
export class EtcdRequests {
  readonly #options: EtcdRequestsOptions;
  readonly #echoes: EchoFilter;
  readonly #waits = new AppliedWaits();
  readonly #leases: Leases;
  /** Requests without an answer. `close` awaits them. */
  readonly #tasks = new Set<Promise<void>>();
  /** Their text, in UTF-16 units. */
  #chars = 0;
  #conflicts = 0;
  #latest = 0;

  /** No requests yet. */
  constructor(options: EtcdRequestsOptions) {
    this.#options = options;
    this.#leases = new Leases(options.client, options.tuning.silenceMs);
    this.#echoes = new EchoFilter((event) => this.#replicated(event), heldMax);
  }

  /** Requests without an answer. */
  get outstanding(): number {
    return this.#tasks.size;
  }

  /** What was decided since the start. Keys count as expired at the server that gave them their lease. */
  get counts(): RequestCounts {
    return { conflicts: this.#conflicts, latest: this.#latest, expired: this.#leases.expired };
  }

  /** Takes a PUT or WRITE. */
  write(link: Link, request: Put | WriteRequest): void {
    if (!this.#admits(link, request.id, "not applied: ")) return;
    const { leads } = this.#options.member();
    const { prints, listener } = this.#options.host;
    if (request.type === "WRITE") {
      if (leads) listener?.write(link.peer, request);
      else listener?.forwardingWrite(request);
    } else if (leads) prints.put(link.peer, request.key, request.value);
    else prints.forwarding(request.key, request.value);
    const value = request.value === null ? null : textOfValue(request.value);
    const chars = request.key.length + (value?.length ?? 0);
    this.#start(chars, this.#write(link, request, value, leads));
  }

  /** Takes a GET_LATEST. */
  getLatest(link: Link, request: GetLatest): void {
    if (!this.#admits(link, request.id, "")) return;
    this.#start(request.key.length, this.#getLatest(link, request));
  }

  /** Events of the watch are in the table. */
  applied(events: readonly WatchEvent[]): void {
    for (const event of events) {
      this.#waits.applied(event.revision);
      this.#leases.written(event.key, event.revision, event.deleted);
      this.#echoes.show(event);
    }
  }

  /** Everything up to a revision is in the table. */
  appliedUpTo(revision: number): void {
    this.#waits.upTo(revision);
  }

  /** Time has passed. */
  tick(): void {
    const now = performance.now();
    this.#waits.tick(now);
    this.#leases.tick(now);
  }

  /** Resolves when no request is left. The client must be disposed of. */
  async close(): Promise<void> {
    this.#waits.close();
    await Promise.all(this.#tasks);
    await this.#leases.close();
  }

  /** Whether a request can be sent to etcd. If not, it is refused; the reason follows `what`. */
  #admits(link: Link, id: number, what: string): boolean {
    const { member, tuning: { outstandingPutsMax, waitingCharsMax } } = this.#options;
    const { whyNot } = member();
    if (whyNot !== undefined) refuse(link, id, "UNAVAILABLE", `${what}${whyNot}`);
    else if (this.outstanding >= outstandingPutsMax || this.#chars >= waitingCharsMax) {
      const reason = `${what}${this.outstanding} requests wait for etcd already`;
      refuse(link, id, "OVERLOADED", reason);
    } else return true;
    return false;
  }

  async #write(
    link: Link,
    request: Put | WriteRequest,
    value: string | null,
    leads: boolean,
  ): Promise<void> {
    const { id, key } = request;
    const arrivedMs = performance.now();
    const write = { key, value };
    if (leads) this.#echoes.begin(write);
    try {
      const untilMs = arrivedMs + answerBy(0, this.#options.tuning.putTimeoutMs);
      const outcome = await this.#decide(request, value, untilMs);
      if (outcome.kind === "conflict") {
        this.#echoes.end(write);
        return this.#conflict(link, request, outcome.entry, outcome.revision, leads);
      }
      const { revision, wrote } = outcome;
      if (wrote && this.#newest(key) < revision) await this.#waits.wait(revision, untilMs);
      else this.#options.seen(revision);
      if (leads) this.#acknowledged(link, request, value, outcome, arrivedMs);
      this.#echoes.end(write, wrote ? revision : undefined);
      const ok = request.type === "PUT"
        ? new PutOk(id, key, revision)
        : new WriteOk(id, key, revision);
      link.send(ok.encode());
    } catch (error) {
      this.#echoes.end(write);
      const failure = this.#failure(error);
      if (failure.notApplied) refuse(link, id, codeOf(failure), `not applied: ${explain(failure)}`);
      else refuse(link, id, "UNKNOWN_OUTCOME", `may or may not be applied: ${explain(failure)}`);
    }
  }

  /** Lets etcd decide about a write. */
  async #decide(
    request: Put | WriteRequest,
    value: string | null,
    untilMs: number,
  ): Promise<WriteOutcome> {
    const { client } = this.#options;
    const { key } = request;
    const { expected, ttlMs } = request.type === "WRITE" ? request : {};
    if (ttlMs === undefined) {
      return await client.write({ key, value, expected }, untilMs - performance.now());
    }
    using lease = await this.#leases.take(ttlMs, untilMs - performance.now());
    const write = { key, value, expected, lease: lease.id };
    try {
      const outcome = await client.write(write, untilMs - performance.now());
      if (outcome.kind === "written") {
        await lease.keep(key, outcome.revision, untilMs - performance.now());
        this.#leases.written(key, this.#newest(key), this.#options.store.get(key) === undefined);
      }
      return outcome;
    } catch (error) {
      if (!(error instanceof EtcdError) || !error.notApplied) lease.leave();
      throw error;
    }
  }

  /** The newest revision of a key that the table has. */
  #newest(key: string): number {
    const { store } = this.#options;
    return store.get(key)?.timestamp ?? store.absentSince(key);
  }

  #acknowledged(
    { peer }: Link,
    { type, key }: Put | WriteRequest,
    value: string | null,
    { revision, wrote }: { readonly revision: number; readonly wrote: boolean },
    arrivedMs: number,
  ): void {
    const { listener, prints } = this.#options.host;
    if (wrote) listener?.written(key, value, revision, performance.now() - arrivedMs);
    if (type === "PUT") prints.putOk(peer, key, revision);
    else listener?.writeOk(peer, key, revision, wrote);
  }

  #conflict(
    link: Link,
    request: Put | WriteRequest,
    entry: StoredEntry | undefined,
    revision: number,
    leads: boolean,
  ): void {
    const { id, key } = request;
    const found = this.#found(entry, revision);
    if (found === undefined) return refuse(link, id, "UNAVAILABLE", `not applied: ${unreadable}`);
    this.#conflicts++;
    const { value, timestamp } = found;
    if (leads && request.type === "WRITE" && request.expected !== undefined) {
      const { listener } = this.#options.host;
      listener?.conflict(link.peer, key, request.expected, value, timestamp);
    }
    link.send(new Conflict(id, key, value, timestamp).encode());
  }

  async #getLatest(link: Link, { id, key }: GetLatest): Promise<void> {
    try {
      const withinMs = answerBy(0, this.#options.tuning.putTimeoutMs);
      const { entry, revision } = await this.#options.client.latest(key, withinMs);
      const found = this.#found(entry, revision);
      if (found === undefined) return refuse(link, id, "UNAVAILABLE", unreadable);
      this.#latest++;
      link.send(new GetOk(id, key, found.value, found.timestamp).encode());
    } catch (error) {
      const failure = this.#failure(error);
      refuse(link, id, codeOf(failure), explain(failure));
    }
  }

  /** What a read has found, for a client that then has seen it; `undefined` if no client can get it. */
  #found(entry: StoredEntry | undefined, revision: number) {
    if (entry !== undefined && entry.value === undefined) return undefined;
    // Of a key that does not exist only the revision of the read is known.
    const timestamp = entry?.revision ?? revision;
    this.#options.seen(timestamp);
    return { value: entry?.value ?? null, timestamp };
  }

  /** enunciado 5.d: a write of another server or program. */
  #replicated({ key, value, revision, deleted }: WatchEvent): void {
    if (!deleted && value === undefined) return; // the feed has reported it
    this.#options.host.prints.replication(
      key,
      value === undefined || deleted ? null : value,
      revision,
    );
  }

  /** The error to answer with. An error of this program is reported first. */
  #failure(error: unknown): EtcdError {
    if (error instanceof EtcdError) return error;
    const { stack } = error as Error;
    this.#options.host.report(`an error of this program in a request to etcd: ${stack}`);
    return new EtcdError("unexpected", "an error of this server", { cause: error });
  }

  #start(chars: number, task: Promise<void>): void {
    this.#tasks.add(task);
    this.#chars += chars;
    task.finally(() => {
      this.#tasks.delete(task);
      this.#chars -= chars;
    });
  }
}

/** Why a key cannot be read. */
export const unreadable = "the value of this key in etcd is not text or is too long";

/** The code of an ERROR for a request that was not carried out. */
function codeOf({ kind }: EtcdError): ErrorCode {
  if (kind === "overloaded") return "OVERLOADED";
  return kind === "too large" ? "TOO_LARGE" : "UNAVAILABLE";
}

/** Answers a request with an error. */
export function refuse(link: Link, id: number, code: ErrorCode, reason: string): void {
  link.send(new ErrorReply(code, reason, id).encode());
}
