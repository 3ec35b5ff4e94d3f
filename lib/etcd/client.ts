/**
 * Requests to one member of etcd, through its JSON gateway.
 *
 * @module
 */

import { errorOf, EtcdError } from "./errors.ts";
import { HttpRequest } from "./http.ts";
import {
  clientUrlOf,
  type EtcdEntry,
  type EtcdHeader,
  EtcdKeys,
  type EtcdStatus,
  type EtcdWatchLine,
  headerOf,
  parse,
  statusOf,
} from "./protocol.ts";
import { Turns } from "./turns.ts";

/** GETs at etcd at once; the others wait for their turn. Each takes a connection of its own. */
export const etcdGetsMax = 64;

/**
 * PUTs at etcd at once. More than that: those that were on their way to a leader that died hang
 * until their time runs out.
 */
export const etcdPutsMax = 256;

/** Requests to etcd that wait for their turn. */
export const etcdWaitingMax = 65_536;

/** The password and user of etcd must fit into this much text, in UTF-16 units. */
export const etcdTokenCharsMax = 4_096;

/** Which etcd, and as whom. */
export interface EtcdOptions {
  /** "http://host:port" or "https://host:port" of one member. */
  readonly url: string;
  /** What the keys of this store begin with in etcd. */
  readonly prefix: string;
  /** Who to be there. Left out where etcd asks nobody. */
  readonly login?: { readonly user: string; readonly password: string } | undefined;
  /** Certificates in PEM, for https. */
  readonly tls?: {
    /** The CA that has signed etcd's certificate. */
    readonly ca?: string | undefined;
    /** This server's certificate, where etcd wants one. */
    readonly cert?: string | undefined;
    /** Its private key. */
    readonly key?: string | undefined;
  } | undefined;
}

type Answer = ReturnType<typeof parse>;

/** A header of the gateway that makes etcd refuse at once what needs a leader where there is none. */
const onlyWithLeader = { "Grpc-Metadata-hasleader": "true" };

/**
 * One member of etcd.
 *
 * - Everything ends within the time that it is given. What then goes on in etcd is unknown.
 * - A request is sent once. The exception is one that etcd has refused because of its token.
 * - So many at once are at etcd, so many more wait, and the rest is refused.
 */
export class EtcdClient implements Disposable {
  readonly #url: string;
  readonly #keys: EtcdKeys;
  readonly #login: EtcdOptions["login"];
  readonly #http: Deno.HttpClient;
  readonly #closing = new AbortController();
  readonly #gets = new Turns(etcdGetsMax, etcdWaitingMax);
  readonly #puts = new Turns(etcdPutsMax, etcdWaitingMax);
  #token: string | undefined;
  /** The token that is on its way: who needs one waits for it. */
  #authenticating: Promise<string> | undefined;
  /** The cluster that answers must come from, once it is known. */
  #cluster: string | undefined;

  /**
   * Connects to nobody yet.
   *
   * @throws {TypeError} where certificates or key are none.
   */
  constructor({ url, prefix, login, tls = {} }: EtcdOptions) {
    this.#url = url;
    this.#keys = new EtcdKeys(prefix);
    this.#login = login;
    const { ca, cert, key } = tls;
    this.#http = Deno.createHttpClient({
      ...(ca === undefined ? {} : { caCerts: [ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      poolMaxIdlePerHost: etcdPutsMax,
    });
  }

  /** From here on an answer of another cluster is an error. */
  pin(cluster: string): void {
    this.#cluster = cluster;
  }

  /** How the member is; it answers without the others. */
  async status(withinMs: number): Promise<EtcdStatus> {
    return statusOf(await this.#ask("maintenance/status", "{}", withinMs));
  }

  /** Where the member with that id takes requests, as it says itself; `undefined` where it does not. */
  async clientUrl(member: string, withinMs: number): Promise<string | undefined> {
    return clientUrlOf(await this.#ask("cluster/member/list", "{}", withinMs), member);
  }

  /**
   * The name of the store: that which stands there, or else `name`, which stands there from now on.
   */
  async claim(name: string, withinMs: number): Promise<string> {
    const local = await this.#ask("kv/range", this.#keys.range(""), withinMs);
    const there = this.#keys.entryOf(local)?.value;
    if (there !== undefined) return there;
    const body = this.#keys.claim(name);
    return this.#keys.claimed(await this.#ask("kv/txn", body, withinMs, onlyWithLeader)) ?? name;
  }

  /** How many keys the member has, and at which revision. */
  async count(withinMs: number): Promise<EtcdHeader & { readonly count: number }> {
    const answer = await this.#ask("kv/range", this.#keys.count(), withinMs);
    // The name of the store is no key.
    return { ...headerOf(answer), count: Math.max(0, this.#keys.countOf(answer) - 1) };
  }

  /** What the member has for a key; `undefined` where it does not exist there. */
  async get(key: string, withinMs: number): Promise<EtcdEntry | undefined> {
    const by = performance.now() + withinMs;
    using _turn = await this.#turn(this.#gets, withinMs);
    const left = by - performance.now();
    return this.#keys.entryOf(await this.#ask("kv/range", this.#keys.range(key), left));
  }

  /** Writes, and returns the revision of the write. */
  async put(key: string, value: string, withinMs: number): Promise<number> {
    const by = performance.now() + withinMs;
    using _turn = await this.#turn(this.#puts, withinMs);
    const left = by - performance.now();
    const body = this.#keys.put(key, value);
    const { revision } = headerOf(await this.#ask("kv/put", body, left, onlyWithLeader));
    if (revision === 0) throw new EtcdError("strange", "etcd does not say at which revision");
    return revision;
  }

  /**
   * What is written from a revision on. It goes on until `signal` is aborted, or etcd ends it.
   *
   * @throws {EtcdError} where it breaks off.
   */
  async *watch(from: number, withinMs: number, signal: AbortSignal): AsyncGenerator<EtcdWatchLine> {
    const token = await this.#authenticated(withinMs);
    using request = this.#open("watch", this.#keys.watch(from), withinMs, token, {}, signal);
    const response = await request.response;
    if (!response.ok) throw this.#refused(response.status, await request.text(), token);
    request.withoutLimit();
    for await (const line of request.lines()) {
      const parsed = this.#keys.watchLine(line);
      if (parsed.kind === "failed" && parsed.error.trouble !== "no leader") this.#forget(token);
      yield parsed;
    }
  }

  /** Gives up whatever is under way, and takes nothing more. */
  [Symbol.dispose](): void {
    this.#closing.abort(new EtcdError("silent", "this server is closing"));
    this.#http.close();
  }

  async #turn(turns: Turns, withinMs: number): Promise<Disposable> {
    const turn = await turns.take(withinMs);
    if (turn === "full") {
      const reason = "too many requests wait for etcd already";
      throw new EtcdError("too many", reason, { notApplied: true });
    }
    if (turn === "late") {
      throw new EtcdError("silent", "etcd is too slow: it was not asked", { notApplied: true });
    }
    return turn;
  }

  /** One request and its answer, with a new token where etcd does not take the one before. */
  async #ask(
    path: string,
    body: string,
    withinMs: number,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const by = performance.now() + withinMs;
    for (let renewed = false;; renewed = true) {
      const token = await this.#authenticated(by - performance.now());
      try {
        return await this.#askOnce(path, body, by - performance.now(), token, headers);
      } catch (error) {
        const again = error instanceof EtcdError && error.trouble === "token" && !renewed;
        if (!again || this.#login === undefined) throw error;
      }
    }
  }

  async #askOnce(
    path: string,
    body: string,
    withinMs: number,
    token: string | undefined,
    headers: Record<string, string>,
  ): Promise<Answer> {
    using request = this.#open(path, body, withinMs, token, headers);
    const response = await request.response;
    const text = await request.text();
    if (!response.ok) throw this.#refused(response.status, text, token);
    const answer = parse(text);
    const { cluster } = headerOf(answer);
    if (this.#cluster !== undefined && cluster !== this.#cluster) {
      throw new EtcdError("another cluster", `etcd is cluster ${cluster}, it was ${this.#cluster}`);
    }
    return answer;
  }

  #refused(status: number, text: string, token: string | undefined): EtcdError {
    const error = errorOf(status, text);
    if (error.trouble === "token") this.#forget(token);
    return error;
  }

  #forget(token: string | undefined): void {
    if (this.#token === token) this.#token = undefined;
  }

  /** A token, `undefined` where there is nobody to be. Failing here nothing was written. */
  async #authenticated(withinMs: number): Promise<string | undefined> {
    if (this.#login === undefined || this.#token !== undefined) return this.#token;
    try {
      this.#authenticating ??= this.#authenticate(this.#login, withinMs)
        .finally(() => this.#authenticating = undefined);
      return await this.#authenticating;
    } catch (cause) {
      const { trouble, message } = cause as EtcdError;
      throw new EtcdError(trouble, `no token of etcd: ${message}`, { cause, notApplied: true });
    }
  }

  async #authenticate(
    { user: name, password }: NonNullable<EtcdOptions["login"]>,
    withinMs: number,
  ): Promise<string> {
    const body = JSON.stringify({ name, password });
    const { token } = await this.#askOnce("auth/authenticate", body, withinMs, undefined, {});
    if (typeof token !== "string" || token === "" || token.length > etcdTokenCharsMax) {
      throw new EtcdError("strange", "etcd has sent no token");
    }
    return this.#token = token;
  }

  #open(
    path: string,
    body: string,
    withinMs: number,
    token: string | undefined,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): HttpRequest {
    const authorization = token === undefined ? {} : { Authorization: token };
    return new HttpRequest(
      `${this.#url}/v3/${path}`,
      {
        method: "POST",
        headers: { "Content-Type": "application/json", ...authorization, ...headers },
        // Deno's fetch sends a text again by itself where it was sent on a connection that had been
        // used before, and that breaks. A blob it can send but once. Reads may come twice.
        body: path === "kv/range" ? body : new Blob([body]),
        redirect: "manual",
        client: this.#http,
      },
      withinMs,
      signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal],
    );
  }
}
