/**
 * Requests to one member of etcd.
 *
 * @module
 */

import { EtcdError, unexpected } from "./errors.ts";
import { type CallOptions, GrpcConnection } from "./grpc.ts";
import { type EtcdWrite, Keyspace } from "./keyspace.ts";
import type { EtcdOptions } from "./options.ts";
import { bytes, id, int, type Message, message } from "./protobuf.ts";
import {
  clientUrlsOf,
  headerOf,
  type MemberStatus,
  type Page,
  statusOf,
  type StoredEntry,
  textOf,
  type WatchLine,
} from "./protocol.ts";
import { type Login, TokenCache } from "./token_cache.ts";

/** The longest page that is read, in bytes. */
const pageBytesMax = 32 * 1024 * 1024;

/** A header that makes etcd refuse a request at once if it has no leader. */
const onlyWithLeader = { hasleader: "true" };

/** What became of a write that etcd has decided. */
export type WriteOutcome =
  /**
   * It is applied, at this revision. Without `wrote` there was nothing to remove, and the revision is
   * that of etcd.
   */
  | { readonly kind: "written"; readonly revision: number; readonly wrote: boolean }
  /** The key stood at this entry instead, at this revision of etcd. */
  | {
    readonly kind: "conflict";
    readonly entry: StoredEntry | undefined;
    readonly revision: number;
  };

/**
 * One member of etcd.
 *
 * - Every request ends within its time limit. After that its outcome at etcd is unknown.
 * - A write is sent once. It is sent again only if etcd has refused it because of its token.
 */
export class EtcdClient implements Disposable {
  readonly #keys: Keyspace;
  readonly #connection: GrpcConnection;
  readonly #tokens: TokenCache;
  /** The cluster that must answer; `undefined` until {@linkcode EtcdClient.pin}. */
  #cluster: string | undefined;

  /** Takes checked options. Connects only when a request is made. */
  constructor({ url, prefix, login, tls = {} }: EtcdOptions) {
    this.#keys = new Keyspace(prefix);
    this.#tokens = new TokenCache(login, (...args) => this.#fetchToken(...args));
    this.#connection = new GrpcConnection(new URL(url), tls);
  }

  /** Makes an answer of another cluster an error from now on. */
  pin(cluster: string): void {
    this.#cluster = cluster;
  }

  /** The member's status. It answers without the other members. */
  async status(withinMs: number): Promise<MemberStatus> {
    return statusOf(await this.#ask("Maintenance/Status", message(), withinMs));
  }

  /** The URLs at which a member takes requests. */
  async clientUrls(member: string, withinMs: number): Promise<string[]> {
    return clientUrlsOf(await this.#ask("Cluster/MemberList", message(), withinMs), member);
  }

  /** The name of the store. Stores `name` as its name if it has none yet. */
  async claim(name: string, withinMs: number): Promise<string> {
    const local = await this.#ask("KV/Range", this.#keys.range("", true), withinMs);
    const stored = this.#keys.entryOf(local, "");
    if (stored !== undefined) return stored.value ?? "";
    const answer = await this.#decide("KV/Txn", this.#keys.claim(name), withinMs);
    const refusal = this.#keys.refusal(answer);
    return refusal === undefined ? name : this.#keys.entryOf(refusal, "")?.value ?? "";
  }

  /** Writes the store's name once more, so that all watches show a new revision. */
  async beat(name: string, withinMs: number): Promise<void> {
    await this.#decide("KV/Txn", this.#keys.beat(name), withinMs);
  }

  /** etcd's newest revision: no write before this request has a higher one. */
  async newestRevision(withinMs: number): Promise<number> {
    const answer = await this.#ask("KV/Range", this.#keys.range("", false), withinMs);
    return headerOf(answer).revision;
  }

  /** Reads the keys after `last` as they were at a revision, 0 for now, from the member alone. */
  async page(
    last: Uint8Array | undefined,
    revision: number,
    keysMax: number,
    withinMs: number,
  ): Promise<Page> {
    const request = this.#keys.page(last, revision, keysMax);
    const answer = await this.#ask("KV/Range", request, withinMs, { bytesMax: pageBytesMax });
    return this.#keys.pageOf(answer);
  }

  /** Reads a key. The answer has every write that was acknowledged before. */
  async latest(
    key: string,
    withinMs: number,
  ): Promise<{ readonly entry: StoredEntry | undefined; readonly revision: number }> {
    const request = this.#keys.range(key, false);
    const answer = await this.#decide("KV/Range", request, withinMs);
    return { entry: this.#keys.entryOf(answer, key), revision: headerOf(answer).revision };
  }

  /** Writes or removes a key. */
  async write(write: EtcdWrite, withinMs: number): Promise<WriteOutcome> {
    const { key, value, expected } = write;
    const conditional = expected !== undefined;
    const [path, request] = conditional
      ? ["KV/Txn", this.#keys.conditional({ ...write, expected })]
      : value === null
      ? ["KV/DeleteRange", this.#keys.remove(key)]
      : ["KV/Put", this.#keys.put({ ...write, value })];
    const answer = await this.#decide(path, request, withinMs);
    const { revision } = headerOf(answer);
    if (revision === 0) throw unexpected("a write without a revision");
    const refusal = conditional ? this.#keys.refusal(answer) : undefined;
    if (refusal === undefined) {
      const wrote = value !== null || this.#keys.removed(answer, conditional);
      return { kind: "written", revision, wrote };
    }
    return { kind: "conflict", entry: this.#keys.entryOf(refusal, key), revision };
  }

  /** A new lease that ends after this time unless it is renewed. */
  async grant(seconds: number, withinMs: number): Promise<bigint> {
    const answer = await this.#decide("Lease/LeaseGrant", message(int(1, seconds)), withinMs);
    const lease = answer.id(2);
    if (lease === 0n) throw unexpected("a lease without an id");
    return lease;
  }

  /**
   * Begins the time of a lease once more.
   *
   * @throws {EtcdError} if it may have ended before.
   */
  async renewLease(lease: bigint, withinMs: number): Promise<void> {
    const answer = await this.#decide("Lease/LeaseKeepAlive", message(id(1, lease)), withinMs);
    if (answer.int(3) === 0) throw new EtcdError("no lease", "the lease has ended");
  }

  /** Ends a lease, with the keys that it has. */
  async revoke(lease: bigint, withinMs: number): Promise<void> {
    await this.#decide("Lease/LeaseRevoke", message(id(1, lease)), withinMs);
  }

  /**
   * Shows the writes from a revision on, until `signal` is aborted or etcd ends the watch. The watch
   * fails if it is not open within `withinMs`.
   *
   * @param from tells the revision: a watch whose token etcd refuses is opened once more.
   * @param took is called with each message of the watch. What it throws ends the watch.
   * @throws {EtcdError} if the watch breaks off.
   */
  async watch(
    from: () => number,
    withinMs: number,
    signal: AbortSignal,
    took: (line: WatchLine) => void,
  ): Promise<void> {
    const take = (line: Message) => {
      const parsed = this.#keys.watchLine(line);
      if (parsed.kind === "failed") throw parsed.error;
      took(parsed);
    };
    const path = "/etcdserverpb.Watch/Watch";
    await this.#authenticated(() => withinMs, async (token) => {
      const options = { withinMs, metadata: withToken(token) };
      try {
        await this.#connection.watch(path, this.#keys.watch(from()), take, signal, options);
      } catch (error) {
        // Before 3.4.22 and 3.5.6 etcd says so of a watch whose token has expired.
        if (error instanceof EtcdError && error.kind === "denied") this.#tokens.forget(token);
        throw error;
      }
    });
  }

  /** Requests from now on use a new connection: this one may be dead. */
  renew(): void {
    this.#connection.renew();
  }

  /** Aborts all requests. */
  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  /** Sends a request that fails at once if etcd has no leader. */
  #decide(path: string, request: Uint8Array, withinMs: number): Promise<Message> {
    return this.#ask(path, request, withinMs, { metadata: onlyWithLeader });
  }

  #ask(
    path: string,
    request: Uint8Array,
    withinMs: number,
    more: Omit<CallOptions, "withinMs"> = {},
  ): Promise<Message> {
    const untilMs = performance.now() + withinMs;
    const leftMs = () => untilMs - performance.now();
    return this.#authenticated(leftMs, (token) => {
      const metadata = withToken(token, more.metadata);
      return this.#askOnce(path, request, { ...more, metadata, withinMs: leftMs() });
    });
  }

  /** Sends a request with a token, and once more with a new one if etcd refuses it. */
  async #authenticated<T>(
    leftMs: () => number,
    send: (token: string | undefined) => Promise<T>,
  ): Promise<T> {
    for (let renewed = false;; renewed = true) {
      const token = await this.#tokens.get(leftMs());
      try {
        return await send(token);
      } catch (error) {
        const tokenRefused = error instanceof EtcdError && error.kind === "token";
        if (tokenRefused) this.#tokens.forget(token);
        if (!tokenRefused || renewed || !this.#tokens.needed) throw this.#withoutSecrets(error);
      }
    }
  }

  async #askOnce(path: string, request: Uint8Array, options: CallOptions): Promise<Message> {
    const answer = await this.#connection.ask(`/etcdserverpb.${path}`, request, options);
    const { cluster } = headerOf(answer);
    if (this.#cluster !== undefined && cluster !== this.#cluster) {
      const reason = `etcd is cluster ${cluster}, it was ${this.#cluster}`;
      throw new EtcdError("other data", reason);
    }
    return answer;
  }

  /** A server of another kind may echo the request. */
  #withoutSecrets(error: unknown): unknown {
    const echoes = error instanceof EtcdError && error.kind === "unexpected" &&
      this.#tokens.reveals(error.message);
    return echoes ? unexpected("it repeats the request") : error;
  }

  async #fetchToken({ user, password }: Login, withinMs: number): Promise<string> {
    const request = message(bytes(1, user), bytes(2, password));
    try {
      return textOf((await this.#askOnce("Auth/Authenticate", request, { withinMs })).bytes(2));
    } catch (error) {
      throw this.#withoutSecrets(error);
    }
  }
}

function withToken(
  token: string | undefined,
  metadata: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return token === undefined ? metadata : { ...metadata, token };
}
