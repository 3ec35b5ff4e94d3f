/**
 * Requests to one member of etcd, through its JSON gateway.
 *
 * @module
 */

import { errorOf, EtcdError } from "./errors.ts";
import { HttpConnections, HttpRequest } from "./http.ts";
import type { JsonRecord } from "./json.ts";
import { Keyspace } from "./keyspace.ts";
import type { EtcdOptions } from "./options.ts";
import {
  type AnswerHeader,
  clientUrlsOf,
  headerOf,
  type MemberStatus,
  parse,
  statusOf,
  type StoredEntry,
  type WatchLine,
} from "./protocol.ts";
import { Semaphore } from "./semaphore.ts";
import { type Login, TokenCache } from "./token_cache.ts";

/** GETs that run at etcd at once. Each takes a connection of its own. */
const getsMax = 64;

/**
 * PUTs that run at etcd at once. With a higher limit, the PUTs that were sent to a leader that died
 * wait until their time limit.
 */
const putsMax = 256;

/** PUTs that may wait to be sent. GETs have the same limit. */
const waitingMax = 65_536;

/** A header that makes etcd refuse a request at once if it has no leader. */
const onlyWithLeader = { "Grpc-Metadata-hasleader": "true" };

/**
 * One member of etcd.
 *
 * - Every request ends within its time limit. After that its outcome at etcd is unknown.
 * - A write is sent once. It is sent again only if etcd has refused it because of its token.
 * - The PUTs and GETs at etcd are bounded, and so are those that wait to be sent.
 */
export class EtcdClient implements Disposable {
  readonly #keys: Keyspace;
  readonly #http: HttpConnections;
  readonly #tokens: TokenCache;
  readonly #gets = new Semaphore(getsMax, waitingMax);
  readonly #puts = new Semaphore(putsMax, waitingMax);
  readonly #closing = new AbortController();
  /** The cluster that must answer; `undefined` until {@linkcode EtcdClient.pin}. */
  #cluster: string | undefined;

  /** Takes checked options. Connects only when a request is made. */
  constructor({ url, prefix, login, tls = {} }: EtcdOptions) {
    this.#keys = new Keyspace(prefix);
    this.#tokens = new TokenCache(login, (...args) => this.#fetchToken(...args));
    this.#http = new HttpConnections(new URL(url), tls, putsMax);
  }

  /** Makes an answer of another cluster an error from now on. */
  pin(cluster: string): void {
    this.#cluster = cluster;
  }

  /** The member's status. It answers without the other members. */
  async status(withinMs: number): Promise<MemberStatus> {
    return statusOf(await this.#ask("maintenance/status", "{}", withinMs));
  }

  /** The URLs at which a member takes requests. */
  async clientUrls(member: string, withinMs: number): Promise<string[]> {
    return clientUrlsOf(await this.#ask("cluster/member/list", "{}", withinMs), member);
  }

  /** The name of the store. Stores `name` as its name if it has none yet. */
  async claim(name: string, withinMs: number): Promise<string> {
    const local = await this.#ask("kv/range", this.#keys.range(""), withinMs);
    const stored = this.#keys.entryOf(local, "")?.value;
    if (stored !== undefined) return stored;
    const body = this.#keys.claim(name);
    return this.#keys.claimed(await this.#ask("kv/txn", body, withinMs, onlyWithLeader)) ?? name;
  }

  /** The number of keys at the member, and its revision. */
  async count(withinMs: number): Promise<AnswerHeader & { readonly count: number }> {
    const answer = await this.#ask("kv/range", this.#keys.count(), withinMs);
    // The name of the store is not a key.
    return { ...headerOf(answer), count: Math.max(0, this.#keys.countOf(answer) - 1) };
  }

  /** The member's entry for a key; `undefined` if it has none. */
  async get(key: string, withinMs: number): Promise<StoredEntry | undefined> {
    const deadline = performance.now() + withinMs;
    using _permit = await acquire(this.#gets, withinMs);
    const leftMs = deadline - performance.now();
    return this.#keys.entryOf(await this.#ask("kv/range", this.#keys.range(key), leftMs), key);
  }

  /** Writes a key, and returns the revision of the write. */
  async put(key: string, value: string, withinMs: number): Promise<number> {
    const deadline = performance.now() + withinMs;
    using _permit = await acquire(this.#puts, withinMs);
    const leftMs = deadline - performance.now();
    const body = this.#keys.put(key, value);
    const { revision } = headerOf(await this.#ask("kv/put", body, leftMs, onlyWithLeader));
    if (revision === 0) throw new EtcdError("unexpected", "etcd's answer has no revision");
    return revision;
  }

  /**
   * The writes from a revision on, until `signal` is aborted or etcd ends the watch. The watch
   * fails if it is not open within `withinMs`.
   *
   * @throws {EtcdError} if the watch breaks off.
   */
  async *watch(from: number, withinMs: number, signal: AbortSignal): AsyncGenerator<WatchLine> {
    const token = await this.#tokens.get(withinMs);
    using request = this.#open("watch", this.#keys.watch(from), withinMs, token, {}, signal);
    const { ok, status } = await request.head();
    if (!ok) throw this.#httpError(status, await request.text(), token);
    request.withoutLimit();
    for await (const line of request.lines()) {
      const parsed = this.#keys.watchLine(line);
      if (parsed.kind !== "failed") yield parsed;
      else yield { kind: "failed", error: this.#watchError(parsed.error, token) };
    }
  }

  /** Aborts all requests. */
  [Symbol.dispose](): void {
    this.#closing.abort(new EtcdError("no answer", "this server is closing"));
    this.#http[Symbol.dispose]();
  }

  /** Sends a request, and once more with a new token if etcd refuses its token. */
  async #ask(
    path: string,
    body: string,
    withinMs: number,
    headers: Record<string, string> = {},
  ): Promise<JsonRecord> {
    const deadline = performance.now() + withinMs;
    for (let renewed = false;; renewed = true) {
      const token = await this.#tokens.get(deadline - performance.now());
      try {
        return await this.#askOnce(path, body, deadline - performance.now(), token, headers);
      } catch (error) {
        const tokenRefused = error instanceof EtcdError && error.kind === "token";
        if (!tokenRefused || renewed || !this.#tokens.needed) throw error;
      }
    }
  }

  async #askOnce(
    path: string,
    body: string,
    withinMs: number,
    token: string | undefined,
    headers: Record<string, string>,
  ): Promise<JsonRecord> {
    using request = this.#open(path, body, withinMs, token, headers);
    const { ok, status } = await request.head();
    const text = await request.text();
    if (!ok) throw this.#httpError(status, text, token);
    const answer = parse(text);
    const { cluster } = headerOf(answer);
    if (this.#cluster !== undefined && cluster !== this.#cluster) {
      const reason = `etcd is cluster ${cluster}, it was ${this.#cluster}`;
      throw new EtcdError("other data", reason);
    }
    return answer;
  }

  #httpError(status: number, text: string, token: string | undefined): EtcdError {
    const error = errorOf(status, text);
    if (error.kind === "token") this.#tokens.forget(token);
    // A server of another kind may echo the request.
    const echo = error.kind === "unexpected" && this.#tokens.reveals(text);
    return echo ? errorOf(status, "") : error;
  }

  #watchError(error: EtcdError, token: string | undefined): EtcdError {
    const echo = error.kind === "unexpected" && this.#tokens.reveals(error.message);
    if (error.kind !== "no leader") this.#tokens.forget(token);
    return echo ? errorOf(200, "") : error;
  }

  async #fetchToken({ user: name, password }: Login, withinMs: number): Promise<unknown> {
    const body = JSON.stringify({ name, password });
    return (await this.#askOnce("auth/authenticate", body, withinMs, undefined, {})).token;
  }

  #open(
    path: string,
    body: string,
    withinMs: number,
    token: string | undefined,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): HttpRequest {
    return new HttpRequest(
      this.#http,
      `/v3/${path}`,
      token === undefined ? headers : { ...headers, Authorization: token },
      body,
      withinMs,
      signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal],
    );
  }
}

async function acquire(semaphore: Semaphore, withinMs: number): Promise<Disposable> {
  const permit = await semaphore.acquire(withinMs);
  if (permit === "full") {
    const reason = `${waitingMax} requests wait for etcd already`;
    throw new EtcdError("overloaded", reason, { notApplied: true });
  }
  if (permit === "late") {
    const reason = "etcd is too slow, so the request was not sent";
    throw new EtcdError("no answer", reason, { notApplied: true });
  }
  return permit;
}
