/**
 * A fake etcd that answers the requests of the engine, unless a test answers in its place.
 *
 * Its members share one memory, so all of them are always up to date. It speaks gRPC with the numbers
 * of `rpc.proto`.
 *
 * @module
 */

// deno-lint-ignore-file no-external-import -- part of the runtime

import { createServer, type Http2Server, type Http2Session } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { framed } from "../../lib/etcd/grpc_frames.ts";
import { bytes, id, int, Message, message } from "../../lib/etcd/protobuf.ts";
import { freePorts } from "./ports.ts";

/** A write or a removal. */
interface Version {
  /** One character for each byte, so that keys can be compared. */
  readonly key: string;
  /** `undefined` for a removal. */
  readonly value: Uint8Array | undefined;
  readonly revision: number;
  readonly lease: bigint;
}

/** A received request. */
export interface EtcdRequest {
  /** The service and the method, such as "KV/Put". */
  readonly path: string;
  readonly body: Message;
  readonly token: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** What a test answers in etcd's place. */
export type EtcdAnswer =
  /** A message. */
  | { readonly message: Uint8Array }
  /** An error of gRPC. */
  | { readonly error: string; readonly code: number }
  /** What comes before the trailers, and its status of HTTP. */
  | { readonly raw: Uint8Array; readonly http?: number };

/** Answers a request in etcd's place; `undefined` lets the fake answer. */
export type Interfere = (
  request: EtcdRequest,
) => EtcdAnswer | undefined | Promise<EtcdAnswer | undefined>;

interface Watcher {
  next: number;
  readonly start: string;
  readonly end: string;
  readonly send: (line: Uint8Array) => void;
  readonly close: () => void;
}

const encoder = new TextEncoder();
/** Bytes as text with one character per byte. */
export const latin1 = (all: Uint8Array): string =>
  Array.from(all, (one) => String.fromCharCode(one)).join("");
const fromLatin1 = (text: string) => Uint8Array.from(text, (one) => one.charCodeAt(0));
const utf8 = (text: string) => latin1(encoder.encode(text));
const decoder = new TextDecoder();

/** An error of etcd, by default with the code of what is not available. */
export function etcdError(error: string, code = 14): EtcdAnswer {
  return { error, code };
}

/** A fake etcd: the data that its members share. */
export class FakeEtcd implements AsyncDisposable {
  readonly members: FakeMember[] = [];
  /** The cluster id. */
  cluster = 1234567890123456789n;
  /** The index of the leading member; `undefined` if there is no leader. */
  leader: number | undefined = 0;
  /** The errors in the status. */
  errors: string[] = [];
  /** The user that must log in; `undefined` if authentication is off. */
  login: { user: string; password: string } | undefined;
  /** The valid tokens. */
  readonly tokens = new Set<string>();
  tokensGiven = 0;
  /** The history up to this revision is compacted. */
  compacted = 0;
  revision = 1;
  /** Leases that were granted and not revoked, with their seconds. */
  readonly leases = new Map<bigint, number>();
  leasesGranted = 0;
  #history: Version[] = [];

  /** An etcd with this number of members, each on a free port. */
  constructor(members = 1) {
    for (let index = 0; index < members; index++) this.members.push(new FakeMember(this, index));
  }

  /** "http://127.0.0.1:port" of the first member. */
  get url(): string {
    return this.members[0]!.url;
  }

  /** The newest version of a key; `undefined` if it does not exist. */
  find(key: string, at = Infinity): Version | undefined {
    const version = this.#history.findLast((one) => one.key === utf8(key) && one.revision <= at);
    return version?.value === undefined ? undefined : version;
  }

  /** The entries of a range, in the order of their keys, as they were at a revision. */
  range(start: string, end: string, at = Infinity): Version[] {
    const newest = new Map<string, Version>();
    for (const one of this.#history) {
      if (one.revision <= at && one.key >= start && one.key < end) newest.set(one.key, one);
    }
    return [...newest.values()].filter(({ value }) => value !== undefined)
      .sort((a, b) => a.key < b.key ? -1 : 1);
  }

  /** The versions of keys in a range, from a revision on. */
  versions(from: number, start: string, end: string): Version[] {
    return this.#history.filter((one) => one.revision >= from && one.key >= start && one.key < end);
  }

  /** Writes a key as another program would. */
  write(key: string, value: string, revision: number = ++this.revision): number {
    return this.put(encoder.encode(key), encoder.encode(value), revision);
  }

  /** Writes a key and value given in bytes. */
  put(key: Uint8Array, value: Uint8Array, revision: number = ++this.revision, lease = 0n): number {
    this.#add({ key: latin1(key), value, revision, lease });
    return revision;
  }

  /** Removes a key. */
  remove(key: string, revision: number = ++this.revision): number {
    this.#add({ key: utf8(key), value: undefined, revision, lease: 0n });
    return revision;
  }

  /** Ends a lease, with its keys. */
  endLease(lease: bigint): void {
    this.leases.delete(lease);
    for (const { key, lease: own } of this.range("", "\xff")) {
      if (own === lease) this.remove(decoder.decode(fromLatin1(key)));
    }
  }

  /** Compacts the history before a revision. */
  compact(revision: number = this.revision): void {
    this.compacted = revision;
  }

  /** Deletes all data but keeps the cluster id, as an etcd that was set up again does. */
  wipe(): void {
    this.#history = [];
    this.revision = 1;
  }

  /** Sets the data back to a revision, as a restored backup does. */
  restore(revision: number): void {
    this.#history = this.#history.filter((one) => one.revision <= revision);
    this.revision = revision;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
  }

  #add(version: Version): void {
    this.#history.push(version);
    for (const member of this.members) member.tell();
  }
}

/** One member of a fake etcd. */
export class FakeMember implements AsyncDisposable {
  /** The requests received so far. */
  readonly requests: EtcdRequest[] = [];
  /** Called for each request before the member answers it. */
  interfere: Interfere = () => undefined;
  /** Whether events are held back. Once it is `false`, `tell` sends them. */
  holdsWatches = false;
  /** The most events in one message of a watch. Those of one revision then come in parts. */
  eventsMax = Infinity;
  readonly #etcd: FakeEtcd;
  readonly #index: number;
  readonly #watchers = new Set<Watcher>();
  readonly #sessions = new Set<Http2Session>();
  readonly #started: Promise<void>;
  #stopped = Promise.withResolvers<void>();
  #server: Http2Server;
  readonly #port: number;

  constructor(etcd: FakeEtcd, index: number) {
    this.#etcd = etcd;
    this.#index = index;
    // A server of `node:http2` does not know its port at once.
    [this.#port] = freePorts(1) as [number];
    [this.#server, this.#started] = this.#serve(this.#port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get id(): bigint {
    return 1_000n + BigInt(this.#index);
  }

  /** The number of open watches. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** The number of open connections. */
  get connected(): number {
    return this.#sessions.size;
  }

  /** The number of requests with this path. */
  asked(path: string): number {
    return this.requests.filter((request) => request.path === path).length;
  }

  /** Sends each watch the events that it has not seen. */
  tell(): void {
    if (this.holdsWatches) return;
    for (const watcher of this.#watchers) {
      const versions = this.#etcd.versions(watcher.next, watcher.start, watcher.end);
      if (versions.length === 0) continue;
      watcher.next = versions.at(-1)!.revision + 1;
      const events = versions.map((one) => bytes(11, eventOf(one)));
      while (events.length > 0) {
        const next = events.splice(0, this.eventsMax);
        watcher.send(message(this.header(), int(7, events.length > 0), ...next));
      }
    }
  }

  /** Sends all watches a message of the test's choice. */
  sendRaw(line: Uint8Array): void {
    for (const { send } of this.#watchers) send(line);
  }

  /** Breaks off all watches. */
  breakWatches(): void {
    for (const watcher of [...this.#watchers]) watcher.close();
  }

  /** An answer that comes only when the member stops. */
  readonly hang = async (): Promise<EtcdAnswer> => {
    await this.#stopped.promise;
    return etcdError("too late");
  };

  /** Stops listening, and breaks off all connections. */
  async stop(): Promise<void> {
    await this.#started;
    this.#stopped.resolve();
    this.#watchers.clear();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const session of this.#sessions) session.destroy();
    await promise;
  }

  /** Listens again. */
  start(): void {
    this.#stopped = Promise.withResolvers();
    [this.#server] = this.#serve(this.#port);
  }

  /** The field with the header of an answer. */
  header(revision: number = this.#etcd.revision): Uint8Array {
    const { cluster } = this.#etcd;
    return bytes(1, message(id(1, cluster), id(2, this.id), int(3, revision), int(4, 2)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #serve(port: number): [Http2Server, Promise<void>] {
    const server = createServer();
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("error", () => {});
      session.once("close", () => this.#sessions.delete(session));
    });
    server.on("stream", (stream, headers) => this.#take(stream, headers));
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(port, "127.0.0.1", () => resolve());
    return [server, promise];
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const chunks: Uint8Array[] = [];
    let [received, wanted] = [0, 5];
    stream.on("error", () => {}); // the other end has gone
    stream.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < wanted) return;
      const all = message(...chunks);
      wanted = 5 + new DataView(all.buffer).getUint32(1);
      if (received < wanted) return;
      wanted = Infinity; // a watch may send more
      const path = `${headers[":path"]}`.replace("/etcdserverpb.", "");
      const { token } = headers;
      const body = new Message(all.slice(5));
      const request = { path, body, token: token === undefined ? token : `${token}`, headers };
      this.requests.push(request);
      void this.#reply(stream, request);
    });
  }

  async #reply(stream: ServerHttp2Stream, request: EtcdRequest): Promise<void> {
    const answer = await this.interfere(request) ?? this.#answer(stream, request);
    if (answer === undefined || stream.destroyed) return;
    if ("error" in answer) return end(stream, answer);
    const raw = "raw" in answer ? answer.raw : framed(answer.message);
    const http = "raw" in answer ? answer.http ?? 200 : 200;
    stream.respond({ ":status": http, "content-type": "application/grpc" }, {
      waitForTrailers: true,
    });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(raw);
  }

  /** `undefined` for a watch, which answers by itself. */
  #answer(stream: ServerHttp2Stream, { path, body, token }: EtcdRequest): EtcdAnswer | undefined {
    const etcd = this.#etcd;
    const { login, tokens, leader, errors } = etcd;
    const reply = (...fields: Uint8Array[]) => ({ message: message(this.header(), ...fields) });
    if (path === "Maintenance/Status") {
      const led = leader === undefined ? [] : [id(4, etcd.members[leader]!.id)];
      return reply(...led, ...errors.map((one) => bytes(8, one)));
    }
    if (path === "Cluster/MemberList") {
      return reply(...etcd.members.map((one) => memberOf(one.id, one.url)));
    }
    if (path === "Auth/Authenticate") {
      const [name, password] = [1, 2].map((field) => decoder.decode(body.bytes(field)));
      if (name !== login?.user || password !== login?.password) {
        return etcdError("etcdserver: authentication failed, invalid user ID or password", 3);
      }
      const given = `token.${++etcd.tokensGiven}`;
      tokens.add(given);
      return reply(bytes(2, given));
    }
    if (login !== undefined && !tokens.has(token ?? "")) {
      return etcdError("etcdserver: invalid auth token", 16);
    }
    switch (path) {
      case "Watch/Watch":
        return this.#watch(stream, body.message(1));
      case "KV/Txn":
        return this.#transaction(body);
      case "Lease/LeaseGrant": {
        const lease = BigInt(++etcd.leasesGranted);
        etcd.leases.set(lease, body.int(1));
        return reply(id(2, lease), int(3, body.int(1)));
      }
      case "Lease/LeaseRevoke":
        etcd.endLease(body.id(1));
        return reply();
      case "Lease/LeaseKeepAlive":
        return reply(id(2, body.id(1)), int(3, 1));
    }
    const done = path === "KV/Put"
      ? this.#put(body)
      : path === "KV/DeleteRange"
      ? this.#remove(body)
      : path === "KV/Range"
      ? this.#range(body)
      : etcdError("unknown service", 12);
    return done instanceof Uint8Array ? { message: done } : done;
  }

  #put(request: Message): Uint8Array | EtcdAnswer {
    const lease = request.id(3);
    if (lease !== 0n && !this.#etcd.leases.has(lease)) {
      return etcdError("etcdserver: requested lease not found", 5);
    }
    const next = ++this.#etcd.revision;
    return message(
      this.header(this.#etcd.put(request.bytes(1).slice(), request.bytes(2).slice(), next, lease)),
    );
  }

  #remove(request: Message): Uint8Array {
    const key = decoder.decode(request.bytes(1));
    const found = this.#etcd.find(key) !== undefined;
    const revision = found ? this.#etcd.remove(key) : this.#etcd.revision;
    return message(this.header(revision), int(2, found));
  }

  #range(request: Message): Uint8Array | EtcdAnswer {
    const [start, end] = [latin1(request.bytes(1)), latin1(request.bytes(2))];
    const revision = request.int(4) || this.#etcd.revision;
    if (revision < this.#etcd.compacted) {
      return etcdError("etcdserver: mvcc: required revision has been compacted", 11);
    }
    const all = this.#etcd.range(start, end || `${start}\0`, revision);
    const most = request.int(3) || Infinity;
    const kvs = all.slice(0, most).map((one) => bytes(2, kvOf(one)));
    return message(this.header(), ...kvs, int(3, all.length > most), int(4, all.length));
  }

  /** A transaction with one comparison and one operation in each branch. */
  #transaction(body: Message): EtcdAnswer {
    const compare = body.message(1);
    const version = this.#etcd.find(decoder.decode(compare.bytes(3)));
    const holds = compare.int(2) === 3
      ? version !== undefined && latin1(version.value!) === latin1(compare.bytes(7))
      : (version?.revision ?? 0) === compare.int(compare.int(2) === 1 ? 5 : 6);
    const operation = body.message(holds ? 2 : 3);
    const [field, done] = operation.has(2)
      ? [2, this.#put(operation.message(2))]
      : operation.has(3)
      ? [3, this.#remove(operation.message(3))]
      : operation.has(1)
      ? [1, this.#range(operation.message(1))]
      : [0, message()];
    if (!(done instanceof Uint8Array)) return done;
    const response = field === 0 ? [] : [bytes(3, message(bytes(field, done)))];
    return { message: message(this.header(), int(2, holds), ...response) };
  }

  #watch(stream: ServerHttp2Stream, create: Message): undefined {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, {
      waitForTrailers: true,
    });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const send = (line: Uint8Array) => void (stream.destroyed || stream.write(framed(line)));
    send(message(this.header(), int(3, true)));
    const from = create.int(3);
    if (from < this.#etcd.compacted) {
      send(message(this.header(), int(4, true), int(5, this.#etcd.compacted)));
      stream.end();
      return;
    }
    const watcher: Watcher = {
      next: from,
      start: latin1(create.bytes(1)),
      end: latin1(create.bytes(2)),
      send,
      close: () => {
        this.#watchers.delete(watcher);
        stream.end();
      },
    };
    stream.once("close", () => this.#watchers.delete(watcher));
    this.#watchers.add(watcher);
    this.tell();
  }
}

/** Ends a stream with an error and nothing else. */
function end(stream: ServerHttp2Stream, answer: { error: string; code: number }): void {
  stream.respond({
    ":status": 200,
    "content-type": "application/grpc",
    "grpc-status": `${answer.code}`,
    "grpc-message": encodeURIComponent(answer.error),
  }, { endStream: true });
}

/** A member in a list of members. */
export function memberOf(member: bigint, ...urls: string[]): Uint8Array {
  return bytes(2, message(id(1, member), ...urls.map((url) => bytes(4, url))));
}

/** A version as a `KeyValue`. */
export function kvOf(version: Pick<Version, "key" | "revision"> & Partial<Version>): Uint8Array {
  const { key, value, revision, lease = 0n } = version;
  const fields = [bytes(1, fromLatin1(key)), int(3, revision)];
  if (value !== undefined) fields.push(bytes(5, value));
  return lease === 0n ? message(...fields) : message(...fields, id(6, lease));
}

/** A version as an `Event`. */
export function eventOf(version: Pick<Version, "key" | "revision"> & Partial<Version>): Uint8Array {
  return message(int(1, version.value === undefined), bytes(2, kvOf(version)));
}
