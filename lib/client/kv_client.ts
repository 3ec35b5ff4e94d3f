/**
 * The client library: reads and writes at a cluster of servers. Its reads are monotonic, and it reads
 * its own writes.
 *
 * ```ts
 * import { KvClient } from "./kv_client.ts";
 *
 * await using client = new KvClient([
 *   { hostname: "127.0.0.1", port: 10097 },
 *   { hostname: "127.0.0.1", port: 10098 },
 *   { hostname: "127.0.0.1", port: 10099 },
 * ]);
 * await client.put("cor", "azul");
 * console.log((await client.get("cor")).value); // azul
 * ```
 *
 * @module
 */

import { Secret } from "../auth/secret.ts";
import { requestTimeoutMs } from "../limits.ts";
import type { Address } from "../wire/address.ts";
import {
  checkAccess,
  checkEntry,
  checkFlag,
  checkFunction,
  checkListOptions,
  checkOptions,
  checkPrefix,
  checkServers,
  checkTimeout,
  checkWatch,
  checkWriteOptions,
} from "./arguments.ts";
import { tellTo } from "./client_events.ts";
import { ClientClosedError, KvError, type LostError } from "./errors.ts";
import { GetOperation, PutOperation } from "./operations.ts";
import type { KvClientOptions } from "./options.ts";
import { readConfirmed, readLatest, readPages } from "./reading.ts";
import { Requester } from "./requester.ts";
import type {
  CreateOptions,
  DeleteOptions,
  GetOptions,
  GetResult,
  ListedEntry,
  ListOptions,
  PutResult,
  RequestOptions,
  StatusResult,
  UpdateResult,
  WatchEvents,
  WatchOptions,
  WriteOptions,
} from "./results.ts";
import type { ExportedSession } from "./session.ts";
import { Watcher } from "./watcher.ts";
import { type Change, update, write } from "./writing.ts";

export type { ErrorCode, FollowerStatus, ServerStatus } from "../mensagem.ts";
export type { Tls } from "../net/dial.ts";
export { type Address, parseAddress } from "../wire/address.ts";
export { requestTimeoutMsMax } from "./arguments.ts";
export type {
  ClusterReset,
  KvEvent,
  RequestRetried,
  RetriedRequest,
  ServerConnected,
  ServerDisconnected,
  ServerUnreachable,
  StaleRetried,
} from "./client_events.ts";
export * from "./errors.ts";
export type { KvClientOptions } from "./options.ts";
export type * from "./results.ts";
export { type ExportedSession, sessionKeysMax } from "./session.ts";
export { unreadEventsMax } from "./watch_buffer.ts";
export type { Change } from "./writing.ts";

/**
 * A client of the cluster.
 *
 * - Monotonic reads: it never returns a value older than one that it has returned for that key.
 * - Read your writes: once a write is acknowledged, it never returns an older value of that key.
 * - A read is tried at other servers until its deadline, with growing pauses between the rounds.
 * - A write is tried again only if it is certain that it was not applied. A write whose outcome is
 *   unknown is never repeated.
 * - It keeps one connection to each server, made when first needed, for any number of requests and
 *   watches at once. For a short time it sends nothing to a server that has failed.
 *
 * Requests that are made without waiting for each other may be carried out in any order.
 *
 * Every request fails with one of these, besides what its method names:
 *
 * - {@linkcode InvalidArgumentError} if a key, value, prefix or option is wrong. Nothing was sent.
 * - {@linkcode UnavailableError} if it was not carried out. No write was applied, and none will be.
 * - {@linkcode AccessError} if no server can be used: a wrong password, or servers of an older version
 *   that do not know such a request. No write was applied.
 * - {@linkcode ClientClosedError} if the client was closed. No write was applied.
 * - {@linkcode ClusterResetError} if a server belongs to another cluster than before.
 * - The signal's reason if that is aborted before a write was sent.
 *
 * A read also fails with {@linkcode StaleError} if every server that answered is behind what this
 * client has seen, and with {@linkcode LostError} if that was lost. A write also fails with
 * {@linkcode UnknownOutcomeError} if it may or may not be applied, now or later.
 */
export class KvClient implements AsyncDisposable, Disposable {
  readonly #requester: Requester;

  /**
   * A client of these servers, each an address or its text "host:port", or all in one text with commas.
   * A name is resolved at each dial. It connects when it first asks, or by {@linkcode KvClient.connect}.
   *
   * Without servers, the environment variable `KV_SERVERS` has the text. On Deno the program needs
   * `--allow-env=KV_SERVERS` for that; it is never asked for.
   *
   * @throws {InvalidArgumentError} if `servers` is empty, an address cannot be dialled, or an option
   * is wrong. Also if there are no servers, and the environment has none or may not be read.
   * @throws {SessionError} if `session` is no exported session.
   */
  constructor(servers?: string | readonly (Address | string)[], options: KvClientOptions = {}) {
    const addresses = checkServers(servers);
    checkOptions(options);
    const { timeoutMs = requestTimeoutMs, once = false, session, tls, random = Math.random } =
      options;
    const { onEvent } = options;
    checkTimeout(timeoutMs);
    checkFlag("once", once);
    checkAccess(options.password, tls);
    checkFunction("random", random);
    if (onEvent !== undefined) checkFunction("onEvent", onEvent);
    const password = options.password === undefined ? undefined : Secret.from(options.password);
    const tell = tellTo(onEvent);
    this.#requester = new Requester(addresses, { timeoutMs, once, password, tls, random, tell });
    if (session !== undefined) this.#requester.session.takeOver(session);
  }

  /**
   * Connects to all servers, and resolves once one of them has answered. No other method needs it: it
   * is for programs that want to fail early.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient("127.0.0.1:10097,127.0.0.1:10098,127.0.0.1:10099");
   * await client.connect({ timeoutMs: 2_000 });
   * ```
   *
   * @throws {KvError} if no server can be used: the error of the first one in the list.
   * @throws the signal's reason if it is aborted.
   */
  async connect(options: RequestOptions = {}): Promise<void> {
    const call = this.#requester.call(options);
    const { servers } = this.#requester.pool;
    const asked = servers.map((server) => this.#requester.status(server, call));
    try {
      await Promise.any(asked);
    } catch (error) {
      throw (error as AggregateError).errors[0];
    }
  }

  /**
   * Writes a value. Resolves when every in-sync server holds the write.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
   * const { timestamp } = await client.put("cor", "azul", { timeoutMs: 2_000 });
   * console.log(timestamp); // 1
   * ```
   *
   * @throws {ConflictError} if the key does not stand at `ifTimestamp`.
   */
  put(key: string, value: string, options: WriteOptions = {}): Promise<PutResult> {
    return new Promise((resolve, reject) => {
      checkEntry(key, value);
      const call = this.#requester.call(options, key.length + value.length, true);
      if (options.ifTimestamp !== undefined || options.ttlMs !== undefined) {
        checkWriteOptions(options);
        return resolve(write(this.#requester, key, value, options, call));
      }
      const put = new PutOperation(call, this.#requester.session, key, value);
      this.#requester.begin(put, resolve, reject);
    });
  }

  /**
   * Writes a value if the key does not exist.
   *
   * @throws {ConflictError} if it exists. The error has its value and timestamp.
   */
  async create(key: string, value: string, options: CreateOptions = {}): Promise<PutResult> {
    return await this.put(key, value, { ...options, ifTimestamp: 0 });
  }

  /**
   * Deletes a key. Resolves with the timestamp of the deletion. Without `ifTimestamp`, a key that does
   * not exist is no error.
   *
   * @throws {ConflictError} if the key does not stand at `ifTimestamp`.
   */
  async delete(key: string, options: DeleteOptions = {}): Promise<PutResult> {
    checkEntry(key);
    const call = this.#requester.call(options, key.length, true);
    checkWriteOptions(options);
    const { ifTimestamp } = options;
    return await write(this.#requester, key, null, { ifTimestamp }, call);
  }

  /**
   * Changes a value: reads the latest one, calls `change` with it and its timestamp, and writes the
   * result if the key still stands at that timestamp. After a conflict it begins again with what is
   * there, so `change` may be called several times. It gets `null` for a key that does not exist. It
   * returns the new value, `null` to delete the key, or `undefined` to leave it as it is.
   *
   * @throws {ConflictError} if others have changed the key each time until the deadline.
   */
  async update(key: string, change: Change, options: CreateOptions = {}): Promise<UpdateResult> {
    checkEntry(key);
    const call = this.#requester.call(options, key.length);
    checkWriteOptions({ ttlMs: options.ttlMs });
    return await update(this.#requester, key, change, options, call);
  }

  /**
   * Reads a value, not older than any that this client has seen for the key. With `latest` the leader
   * answers: not older than any write that was acknowledged to any client before the call.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
   * console.log((await client.get("nada")).value); // null
   * ```
   */
  get(key: string, options: GetOptions = {}): Promise<GetResult> {
    return new Promise((resolve, reject) => {
      checkEntry(key);
      const requester = this.#requester;
      const call = requester.call(options, key.length);
      const { latest } = options;
      if (latest !== undefined && checkFlag("latest", latest)) {
        return resolve(readLatest(requester, key, call));
      }
      if (requester.session.doubtful(false) !== undefined) {
        return resolve(readConfirmed(requester, key, call));
      }
      requester.begin(new GetOperation(call, requester.session, key), resolve, reject);
    });
  }

  /**
   * All entries whose keys begin with `prefix`, in the order of their keys' bytes in UTF-8. The entries
   * come in pages, each a request of its own, at any server.
   *
   * A list is no snapshot: a later page shows a later state. What is certain while others write: a key
   * that exists all the time is listed once, with a value that it had meanwhile; no page is older than
   * the one before, nor than anything that this client has seen.
   */
  list(prefix = "", options: ListOptions = {}): AsyncIterableIterator<ListedEntry, undefined> {
    checkPrefix(prefix);
    checkListOptions(options);
    return readPages(this.#requester, prefix, options, () => this.#requester.call(options));
  }

  /** All keys that begin with `prefix`, as {@linkcode KvClient.list} gives them. */
  keys(prefix = "", options: ListOptions = {}): AsyncIterableIterator<string, undefined> {
    return keysOf(this.list(prefix, options));
  }

  /**
   * Watches a key, or with `{ prefix }` all keys that begin with it. First comes what exists now, then
   * `ready`, then every change, in the order of the timestamps.
   *
   * - It begins with the call, and goes on whether its events are read or not, until its loop is left,
   *   its signal is aborted, or the client is closed.
   * - If its server is lost, it goes on at another one, without a gap and without repeats. A key that
   *   changed several times meanwhile may be told once, with its last value.
   * - If more than {@linkcode unreadEventsMax} events are unread, only the last change of each key stays.
   * - After `reset`, what was told before no longer counts; the state follows, and then `ready`.
   *
   * Its loop ends without an error when the signal is aborted. `next` throws an {@linkcode AccessError},
   * {@linkcode ClusterResetError} or {@linkcode ClientClosedError}: with all other failures it goes on.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
   * await client.put("cor", "azul");
   * for await (const event of client.watch("cor")) {
   *   if (event.type === "put") console.log(event.value); // azul
   *   if (event.type === "ready") break;
   * }
   * ```
   */
  watch(
    target: string | { readonly prefix: string },
    options: WatchOptions = {},
  ): WatchEvents {
    this.#requester.closing.throwIfAborted();
    return new Watcher(this.#requester, checkWatch(target, options), options);
  }

  /**
   * The state of all servers, in the order in which they were given. A server that does not answer
   * is listed as unreachable; nothing is thrown for it.
   *
   * ```ts
   * import { KvClient } from "./kv_client.ts";
   *
   * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
   * for (const server of await client.status()) {
   *   if (server.reachable) console.log(server.status.keys); // 0
   *   else console.error(`${server.server} does not answer: ${server.reason}`);
   * }
   * ```
   *
   * @throws {InvalidArgumentError} if an option is wrong.
   * @throws {ClientClosedError} if the client was closed.
   * @throws the signal's reason if it is aborted.
   */
  async status(options: RequestOptions = {}): Promise<StatusResult[]> {
    const call = this.#requester.call(options);
    const { servers } = this.#requester.pool;
    return await Promise.all(servers.map(async (server): Promise<StatusResult> => {
      try {
        const reply = await this.#requester.status(server, call);
        const { type: _type, id: _id, ...status } = reply;
        return { server: server.name, reachable: true, status };
      } catch (error) {
        if (!(error instanceof KvError) || error instanceof ClientClosedError) throw error;
        const { message: reason, code } = error;
        return { server: server.name, reachable: false, reason, code };
      }
    }));
  }

  /**
   * What this client has seen, as plain data: `JSON.stringify` and `JSON.parse` keep all of it. A
   * client that gets it as its `session` reads nothing older.
   */
  exportSession(): ExportedSession {
    return this.#requester.session.exported();
  }

  /**
   * Lets this client forget what was lost: the timestamp of the key in the error, or all timestamps if
   * it was a list, and that of its lists and watches. It may then read older values than before.
   */
  forgetLost(error: LostError): void {
    this.#requester.session.forget(error.key);
  }

  /** Is aborted when the client is closed, with a {@linkcode ClientClosedError}. */
  get closed(): AbortSignal {
    return this.#requester.closing;
  }

  /**
   * Closes the client. Requests without an answer fail: with {@linkcode UnknownOutcomeError} if a
   * write was sent, everything else with {@linkcode ClientClosedError}, also watches. Resolves when all connections
   * are closed. A client that is left open does not keep the process alive; a request or a watch does.
   */
  async close(): Promise<void> {
    await this.#requester.close();
  }

  /** The same as {@linkcode KvClient.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The same as {@linkcode KvClient.close}, but does not wait until the connections are closed. */
  [Symbol.dispose](): void {
    void this.close(); // it never fails
  }
}

async function* keysOf(
  entries: AsyncIterable<ListedEntry, undefined>,
): AsyncGenerator<string, undefined> {
  for await (const { key } of entries) yield key;
}
