/**
 * A fake etcd that answers the requests of the engine, unless a test answers in its place.
 *
 * Its members share one memory, so all of them are always up to date.
 *
 * @module
 */

/** A write or a removal. */
interface Version {
  readonly key: string;
  /** In base64. */
  readonly value: string;
  readonly revision: number;
  /** The number of writes since the key was created; 0 for a removal. */
  readonly version: number;
  readonly created: number;
}

/** A received request. */
export interface EtcdRequest {
  /** What follows "/v3/". */
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly token: string | null;
  readonly headers: Headers;
  /** The port of the other end: the same for all requests on one connection. */
  readonly port: number;
}

/** Answers a request in etcd's place; `undefined` lets the fake answer. */
export type Interfere = (
  request: EtcdRequest,
) => Response | undefined | Promise<Response | undefined>;

interface Watcher {
  next: number;
  readonly key: string;
  readonly end: string;
  readonly send: (line: unknown) => void;
  readonly close: () => void;
}

const toBase64 = (text: string) => new TextEncoder().encode(text).toBase64();
/** Bytes as text with one character per byte, so that keys can be compared. */
const bytesOf = (base64: unknown) => atob(`${base64 ?? ""}`);

/** An error answer of the gateway. */
export function etcdError(message: string, status = 503, code = 14): Response {
  return Response.json({ error: message, message, code }, { status });
}

/** A fake etcd: the data that its members share. */
export class FakeEtcd implements AsyncDisposable {
  readonly members: FakeMember[] = [];
  /** The cluster id, in decimal. */
  cluster = "1234567890123456789";
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
  find(key: string): Version | undefined {
    const version = this.#history.findLast((one) => one.key === key);
    return version?.version === 0 ? undefined : version;
  }

  /** The number of keys in a range. */
  count(key: string, end: string): number {
    const keys = new Set(this.#history.map((one) => one.key));
    return [...keys].filter((one) => one >= key && one < end && this.find(one) !== undefined)
      .length;
  }

  /** The versions of keys in a range, from a revision on. */
  versions(from: number, key: string, end: string): Version[] {
    return this.#history.filter((one) => one.revision >= from && one.key >= key && one.key < end);
  }

  /** Writes a key as another program would. */
  write(key: string, value: string, revision: number = ++this.revision): number {
    this.put(toBase64(key), toBase64(value), revision);
    return revision;
  }

  /** Writes a key and value given in base64. */
  put(key: string, value: string, revision: number = ++this.revision): number {
    const before = this.find(bytesOf(key));
    this.#add({
      key: bytesOf(key),
      value,
      revision,
      version: (before?.version ?? 0) + 1,
      created: before?.created ?? revision,
    });
    return revision;
  }

  /** Removes a key. */
  remove(key: string): void {
    this.#add({
      key: bytesOf(toBase64(key)),
      value: "",
      revision: ++this.revision,
      version: 0,
      created: 0,
    });
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
  readonly #etcd: FakeEtcd;
  readonly #index: number;
  readonly #watchers = new Set<Watcher>();
  #stopped = Promise.withResolvers<void>();
  #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #port: number;

  constructor(etcd: FakeEtcd, index: number) {
    this.#etcd = etcd;
    this.#index = index;
    this.#server = this.#serve(0);
    this.#port = this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get id(): string {
    return `${1_000 + this.#index}`;
  }

  /** The number of open watches. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** The number of requests with this path. */
  asked(path: string): number {
    return this.requests.filter((request) => request.path === path).length;
  }

  /** Sends each watch the events that it has not seen. */
  tell(): void {
    if (this.holdsWatches) return;
    for (const watcher of this.#watchers) {
      const versions = this.#etcd.versions(watcher.next, watcher.key, watcher.end);
      if (versions.length === 0) continue;
      watcher.next = versions.at(-1)!.revision + 1;
      watcher.send({ result: { header: this.header, events: versions.map(eventOf) } });
    }
  }

  /** Sends all watches a line of the test's choice. */
  sendRaw(line: unknown): void {
    for (const { send } of this.#watchers) send(line);
  }

  /** Breaks off all watches. */
  breakWatches(): void {
    for (const watcher of [...this.#watchers]) watcher.close();
  }

  /** An answer that comes only when the member stops. */
  readonly hang = async (): Promise<Response> => {
    await this.#stopped.promise;
    return etcdError("too late");
  };

  /** Stops listening. */
  async stop(): Promise<void> {
    this.#stopped.resolve();
    this.breakWatches();
    await this.#server.shutdown();
  }

  /** Listens again. */
  start(): void {
    this.#stopped = Promise.withResolvers();
    this.#server = this.#serve(this.#port);
  }

  get header(): Record<string, string> {
    const { cluster, revision } = this.#etcd;
    return { cluster_id: cluster, member_id: this.id, revision: `${revision}`, raft_term: "2" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #serve(port: number): Deno.HttpServer<Deno.NetAddr> {
    const options = { hostname: "127.0.0.1", port, onListen: () => {} };
    return Deno.serve(options, async (http, { remoteAddr: { port: from } }) => {
      const path = new URL(http.url).pathname.slice("/v3/".length);
      const token = http.headers.get("Authorization");
      const body = await http.json();
      const request = { path, body, token, headers: http.headers, port: from };
      this.requests.push(request);
      return await this.interfere(request) ?? this.#answer(request);
    });
  }

  #answer({ path, body, token }: EtcdRequest): Response {
    const { login, tokens, leader, errors } = this.#etcd;
    const reply = (rest: Record<string, unknown>) =>
      Response.json({ header: this.header, ...rest });
    if (path === "maintenance/status") {
      const led = leader === undefined ? {} : { leader: this.#etcd.members[leader]!.id };
      return reply({ ...led, ...(errors.length === 0 ? {} : { errors }) });
    }
    if (path === "cluster/member/list") {
      const members = this.#etcd.members.map(({ id, url }) => ({ ID: id, clientURLs: [url] }));
      return reply({ members });
    }
    if (path === "auth/authenticate") {
      if (body.name !== login?.user || body.password !== login?.password) {
        const why = "etcdserver: authentication failed, invalid user ID or password";
        return etcdError(why, 400, 3);
      }
      const given = `token.${++this.#etcd.tokensGiven}`;
      tokens.add(given);
      return reply({ token: given });
    }
    if (login !== undefined && !tokens.has(token ?? "")) {
      return etcdError("etcdserver: invalid auth token", 401, 16);
    }
    switch (path) {
      case "kv/put": {
        const revision = this.#etcd.put(`${body.key}`, `${body.value ?? ""}`);
        return Response.json({ header: { ...this.header, revision: `${revision}` } });
      }
      case "kv/range": {
        if (body.count_only === true) {
          const count = this.#etcd.count(bytesOf(body.key), bytesOf(body.range_end));
          return reply(count === 0 ? {} : { count: `${count}` });
        }
        const version = this.#etcd.find(bytesOf(body.key));
        return reply(version === undefined ? {} : { kvs: [kvOf(version)], count: "1" });
      }
      case "kv/txn":
        return this.#claim(body);
      case "watch":
        return this.#watch(body.create_request as Record<string, unknown>);
      default:
        return new Response("Not Found", { status: 404 });
    }
  }

  /** The engine's only transaction: writes a key that does not exist, or reads it. */
  #claim(body: Record<string, unknown>): Response {
    const [{ request_put: put }] = body.success as [{ request_put: Record<string, string> }];
    const version = this.#etcd.find(bytesOf(put.key));
    if (version !== undefined) {
      const range = { kvs: [kvOf(version)] };
      return Response.json({ header: this.header, responses: [{ response_range: range }] });
    }
    this.#etcd.put(put.key!, put.value!);
    return Response.json({ header: this.header, succeeded: true, responses: [] });
  }

  #watch(create: Record<string, unknown>): Response {
    const encoder = new TextEncoder();
    const from = Number(create.start_revision);
    let watcher: Watcher | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const send = (line: unknown) => {
          controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
        };
        send({ result: { header: this.header, created: true } });
        if (from < this.#etcd.compacted) {
          const compact_revision = `${this.#etcd.compacted}`;
          send({ result: { header: this.header, canceled: true, compact_revision } });
          return controller.close();
        }
        const [key, end] = [bytesOf(create.key), bytesOf(create.range_end)];
        const close = () => {
          this.#watchers.delete(watcher!);
          controller.close();
        };
        watcher = { next: from, key, end, send, close };
        this.#watchers.add(watcher);
        this.tell();
      },
      cancel: () => {
        this.#watchers.delete(watcher!);
      },
    });
    return new Response(body, { headers: { "Content-Type": "application/json" } });
  }
}

/** A version as the gateway sends it: fields that are 0 or empty are left out. */
export function kvOf({ key, value, revision, version, created }: Version): Record<string, string> {
  return {
    key: btoa(key),
    mod_revision: `${revision}`,
    ...(created === 0 ? {} : { create_revision: `${created}` }),
    ...(version === 0 ? {} : { version: `${version}` }),
    ...(value === "" ? {} : { value }),
  };
}

function eventOf(version: Version): Record<string, unknown> {
  return { ...(version.version === 0 ? { type: "DELETE" } : {}), kv: kvOf(version) };
}
