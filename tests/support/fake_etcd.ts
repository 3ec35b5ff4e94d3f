/**
 * An etcd that is not one: it speaks so much of the JSON gateway as the engine uses, does what a test says, and
 * disposes of itself. Its members have one memory, so that all of them are always up to date.
 *
 * @module
 */

/** A write, or a removal. */
interface Version {
  readonly key: string;
  /** In base64. */
  readonly value: string;
  readonly revision: number;
  /** How often the key was written since it was made; 0 where this removes it. */
  readonly version: number;
  readonly created: number;
}

/** A request as it came. */
export interface EtcdRequest {
  /** What follows "/v3/". */
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly token: string | null;
  readonly headers: Headers;
}

/** Says something else than etcd would; `undefined` lets it say its own. */
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
/** Bytes as text in which each byte is one character, so that keys can be compared. */
const bytesOf = (base64: unknown) => atob(`${base64 ?? ""}`);

/** An error as the gateway answers it. */
export function etcdError(message: string, status = 503, code = 14): Response {
  return Response.json({ error: message, message, code }, { status });
}

/** What all members know. */
export class FakeEtcd implements AsyncDisposable {
  readonly members: FakeMember[] = [];
  /** Of etcd, in decimal. */
  cluster = "1234567890123456789";
  /** The index of the member that leads, or nobody does. */
  leader: number | undefined = 0;
  /** What the status complains of. */
  errors: string[] = [];
  /** Where a user and a password are needed. */
  login: { user: string; password: string } | undefined;
  /** Those that are valid. */
  readonly tokens = new Set<string>();
  tokensGiven = 0;
  /** Everything up to here is forgotten. */
  compacted = 0;
  revision = 1;
  #history: Version[] = [];

  /** An etcd with so many members, each on a free port. */
  constructor(members = 1) {
    for (let index = 0; index < members; index++) this.members.push(new FakeMember(this, index));
  }

  /** "http://127.0.0.1:port" of the first member. */
  get url(): string {
    return this.members[0]!.url;
  }

  /** The newest version of a key, `undefined` where it does not exist. */
  find(key: string): Version | undefined {
    const version = this.#history.findLast((one) => one.key === key);
    return version?.version === 0 ? undefined : version;
  }

  /** All keys in a range. */
  count(key: string, end: string): number {
    const keys = new Set(this.#history.map((one) => one.key));
    return [...keys].filter((one) => one >= key && one < end && this.find(one) !== undefined)
      .length;
  }

  /** The versions in a range from a revision on. */
  versions(from: number, key: string, end: string): Version[] {
    return this.#history.filter((one) => one.revision >= from && one.key >= key && one.key < end);
  }

  /** Writes as somebody else than this store does. */
  write(key: string, value: string, revision: number = ++this.revision): number {
    this.put(toBase64(key), toBase64(value), revision);
    return revision;
  }

  /** Writes bytes, given in base64. */
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

  /** Forgets what lies before a revision, but not the newest version of each key. */
  compact(revision: number = this.revision): void {
    this.compacted = revision;
  }

  /** Begins anew with other data under the same id, as an etcd that was set up again does. */
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

/** One member of it. */
export class FakeMember implements AsyncDisposable {
  /** What came, in order. */
  readonly requests: EtcdRequest[] = [];
  /** Comes before what the member would do itself. */
  interfere: Interfere = () => undefined;
  /** Watches get nothing while this is so; it comes later. */
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

  /** The watches that stand. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** How often something was asked for. */
  asked(path: string): number {
    return this.requests.filter((request) => request.path === path).length;
  }

  /** Shows watches what they have not seen. */
  tell(): void {
    if (this.holdsWatches) return;
    for (const watcher of this.#watchers) {
      const versions = this.#etcd.versions(watcher.next, watcher.key, watcher.end);
      if (versions.length === 0) continue;
      watcher.next = versions.at(-1)!.revision + 1;
      watcher.send({ result: { header: this.header, events: versions.map(eventOf) } });
    }
  }

  /** Sends watches a line of the test's own. */
  sendRaw(line: unknown): void {
    for (const { send } of this.#watchers) send(line);
  }

  /** Breaks off all watches. */
  breakWatches(): void {
    for (const watcher of [...this.#watchers]) watcher.close();
  }

  /** An answer that does not come while the member runs. */
  readonly hang = async (): Promise<Response> => {
    await this.#stopped.promise;
    return etcdError("too late");
  };

  /** Nobody listens any more. */
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
    return Deno.serve(options, async (http) => {
      const path = new URL(http.url).pathname.slice("/v3/".length);
      const token = http.headers.get("Authorization");
      const request = { path, body: await http.json(), token, headers: http.headers };
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

  /** The only transaction there is: writes a key that does not exist, or reads it. */
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

/** A version as the gateway shows it: what is 0 or empty is left out. */
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
