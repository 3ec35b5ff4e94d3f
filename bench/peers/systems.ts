/**
 * The systems that are compared, as processes.
 *
 * @module
 */

import { Get, Put } from "../../lib/mensagem.ts";
import { freePorts } from "../free_ports.ts";
import { Process, type ProcessOptions } from "../process.ts";
import { ServerCluster, statusOf } from "../server_cluster.ts";
import { ServerProcess } from "../server_process.ts";
import { eventually } from "../waiting.ts";
import type { Exchange } from "./client.ts";
import { HttpReplies, LineReplies } from "./replies.ts";

/** A measured operation of a system. */
export interface Target {
  /** The name in the table. */
  readonly name: string;
  /** The table that shows it: reads from one server, or writes that all three hold. */
  readonly kind: "GET" | "PUT";
  /** The requests and replies. */
  readonly exchange: Exchange;
  /** Whether a connection may have several requests in flight. */
  readonly pipelines: boolean;
}

/** A running system. */
export interface System {
  /** The measured operations. */
  readonly targets: readonly Target[];
  /** Requests that write each key once; `undefined` if there is no table. */
  readonly filling: Exchange | undefined;
  /** Cleans up after each measurement. */
  readonly afterwards?: () => Promise<void>;
}

/** Starts a system. Its processes end with `stack`; its files are in `folder`. */
export type Start = (stack: AsyncDisposableStack, folder: string) => Promise<System>;

/** The number of keys. */
export const keys = 10_000;
/** The value of each write. */
export const value = "x".repeat(100);
/** How long a system may take to start. */
export const startMsMax = 20_000;
/** The options of the programs of other projects: their output is discarded. */
export const foreignProcess: ProcessOptions = { group: true, err: "discard" };
const encoder = new TextEncoder();

const echoScript = new URL("echo.ts", import.meta.url).href;
const replicationScript = new URL("replication.ts", import.meta.url).href;
const silentScript = new URL("silent_server.ts", import.meta.url).href;

function keyOf(n: number): string {
  return `key:${`${n}`.padStart(12, "0")}`;
}

/** A request for each key, not in the order of the keys. */
export function forEachKey(
  request: (key: string, id: number) => string | Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer>[] {
  const stride = 7_919; // a prime, so it reaches all keys
  return Array.from({ length: keys }, (_, n) => {
    const index = n * stride % keys;
    const made = request(keyOf(index), index);
    return typeof made === "string" ? encoder.encode(made) : made;
  });
}

/** The requests that this project's clients send. The bare programs understand them too. */
function kvExchange(port: number, kind: "GET" | "PUT"): Exchange {
  const requests = forEachKey((key, id) =>
    (kind === "GET" ? new Get(id, key, 0) : new Put(id, key, value)).encode()
  );
  const start = `{"type":"${kind}_OK","id":`;
  return { port, requests, replies: () => new LineReplies([start]) };
}

async function deno(
  stack: AsyncDisposableStack,
  script: string,
  port: number,
  args: readonly (string | number)[],
  output?: string,
): Promise<void> {
  const all = ["run", "--no-prompt", "--allow-net", script, ...args.map(String)];
  const out = output === undefined ? "discard" : { file: output };
  await stack.use(Process.deno(all, { group: true, out })).listensOn(port);
}

/** The files of console lines, one for each port. They are emptied after each measurement. */
class Consoles {
  readonly #folder: string;
  readonly #files: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  file(port: number): string {
    const file = `${this.#folder}/console${port}.txt`;
    this.#files.push(file);
    return file;
  }

  readonly empty = async (): Promise<void> => {
    // The servers append, so they write to the start of an emptied file.
    for (const file of this.#files) await Deno.truncate(file);
  };
}

/** The bare echo, and the JSON echo without and with the lines of GETs. */
export async function startEchoes(stack: AsyncDisposableStack, folder: string): Promise<System> {
  const [bare, json, lines] = freePorts(3) as [number, number, number];
  const consoles = new Consoles(folder);
  await Promise.all([
    deno(stack, echoScript, bare, ["bare", bare]),
    deno(stack, echoScript, json, ["json", json]),
    deno(stack, echoScript, lines, ["lines", lines], consoles.file(lines)),
  ]);
  const requests = forEachKey((key) => `PUT ${key} ${value}\n`);
  const echo = { port: bare, requests, replies: () => new LineReplies(["PUT key:"]) };
  return {
    targets: [
      { name: "bare echo", kind: "GET", exchange: echo, pipelines: true },
      { name: "JSON echo", kind: "GET", exchange: kvExchange(json, "GET"), pipelines: true },
      {
        name: "JSON echo with lines",
        kind: "GET",
        exchange: kvExchange(lines, "GET"),
        pipelines: true,
      },
    ],
    filling: undefined,
    afterwards: consoles.empty,
  };
}

/** The bare replication. */
export async function startReplication(stack: AsyncDisposableStack): Promise<System> {
  return await replication(stack, "bare replication");
}

/** The bare replication that prints the lines of the assignment. */
export async function startReplicationWithLines(
  stack: AsyncDisposableStack,
  folder: string,
): Promise<System> {
  return await replication(stack, "bare replication with lines", new Consoles(folder));
}

async function replication(
  stack: AsyncDisposableStack,
  name: string,
  consoles?: Consoles,
): Promise<System> {
  const [leader, ...followers] = freePorts(3) as [number, number, number];
  const start = async (port: number, ...args: (string | number)[]) => {
    const lines = consoles === undefined ? [] : ["lines"];
    await deno(stack, replicationScript, port, [...args, ...lines], consoles?.file(port));
  };
  for (const port of followers) await start(port, "follower", port);
  await start(leader, "leader", leader, ...followers);
  const exchange = kvExchange(leader, "PUT");
  return {
    targets: [{ name, kind: "PUT", exchange, pipelines: true }],
    filling: exchange,
    ...(consoles === undefined ? {} : { afterwards: consoles.empty }),
  };
}

/** Redis with two replicas, without a disk. */
export async function startRedis(stack: AsyncDisposableStack, folder: string): Promise<System> {
  const ports = freePorts(3);
  for (const [index, port] of ports.entries()) {
    const replica = index === 0 ? [] : ["--replicaof", "127.0.0.1", `${ports[0]}`];
    const process = new Process("redis-server", [
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder],
      ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
      ...["--repl-diskless-sync-delay", "0", "--dbfilename", `redis${index}.rdb`],
      ...replica,
    ], foreignProcess);
    await stack.use(process).listensOn(port);
  }
  const [port] = ports as [number];
  await eventually("Redis has two replicas", async () => {
    const reply = await askOnce(port, "*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$3\r\n100\r\n");
    return reply.startsWith(":2");
  }, startMsMax);
  const get = forEachKey((key) => `*2\r\n$3\r\nGET\r\n$16\r\n${key}\r\n`);
  const set = forEachKey((key) =>
    `*3\r\n$3\r\nSET\r\n$16\r\n${key}\r\n$${value.length}\r\n${value}\r\n` +
    `*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$4\r\n1000\r\n`
  );
  const setWait = { port, requests: set, replies: () => new LineReplies(["+OK", ":2"]) };
  return {
    targets: [
      {
        name: "Redis GET",
        kind: "GET",
        exchange: { port, requests: get, replies: () => new LineReplies(["$100", "x"]) },
        pipelines: true,
      },
      { name: "Redis SET + WAIT 2", kind: "PUT", exchange: setWait, pipelines: false },
    ],
    filling: setWait,
  };
}

/** Starts three members of etcd. Returns their ports, the leader's first. */
async function etcdPorts(stack: AsyncDisposableStack, folder: string): Promise<number[]> {
  const ports = freePorts(6);
  const url = (index: number) => `http://127.0.0.1:${ports[index]}`;
  const cluster = [0, 1, 2].map((member) => `m${member}=${url(member + 3)}`).join(",");
  const members = [0, 1, 2].map((member) =>
    stack.use(
      new Process("etcd", [
        ...["--name", `m${member}`, "--data-dir", `${folder}/etcd${ports[member]}`],
        ...["--listen-client-urls", url(member), "--advertise-client-urls", url(member)],
        ...["--listen-peer-urls", url(member + 3)],
        ...["--initial-advertise-peer-urls", url(member + 3), "--initial-cluster", cluster],
        ...["--log-level", "error"],
      ], foreignProcess),
    )
  );
  for (const [member, process] of members.entries()) {
    await process.listensOn(ports[member]!);
  }
  // The leader answers fastest, so the measurement uses it.
  let leader: number | undefined;
  await eventually("etcd has a leader", async () => {
    for (const one of ports.slice(0, 3)) {
      const body = "{}";
      const status = await askOnce(
        one,
        `POST /v3/maintenance/status HTTP/1.1\r\nHost: etcd\r\nContent-Length: 2\r\n\r\n${body}`,
      );
      const [, member] = /"member_id":"(\d+)"/.exec(status) ?? [];
      if (member !== undefined && status.includes(`"leader":"${member}"`)) leader = one;
    }
    return leader !== undefined;
  }, startMsMax);
  return [leader!, ...ports.slice(0, 3).filter((port) => port !== leader)];
}

/** etcd with three members, over its JSON gateway. */
export async function startEtcd(stack: AsyncDisposableStack, folder: string): Promise<System> {
  const [port] = await etcdPorts(stack, folder);
  const post = (path: string, body: Record<string, unknown>) => {
    const json = JSON.stringify(body);
    return `POST /v3/kv/${path} HTTP/1.1\r\nHost: etcd\r\nContent-Length: ${json.length}\r\n\r\n${json}`;
  };
  const put = (key: string) => post("put", { key: btoa(key), value: btoa(value) });
  const exchange = (request: (key: string) => string): Exchange => ({
    port: port!,
    requests: forEachKey(request),
    replies: () => new HttpReplies(),
  });
  const range = (key: string) => post("range", { key: btoa(key), serializable: true });
  return {
    targets: [
      {
        name: "etcd serializable GET",
        kind: "GET",
        exchange: exchange(range),
        pipelines: false,
      },
      { name: "etcd PUT", kind: "PUT", exchange: exchange(put), pipelines: false },
    ],
    filling: exchange(put),
  };
}

/** Three servers of this project, whose console lines go to files. */
export async function startOurs(stack: AsyncDisposableStack, folder: string): Promise<System> {
  const { system, follower } = ours(
    "these servers",
    stack.use(await ServerCluster.start({ consoleFolder: folder })),
  );
  const exchange = kvExchange(follower, "PUT");
  const target = { name: "these, via a follower", kind: "PUT", exchange, pipelines: true } as const;
  return { ...system, targets: [...system.targets, target] };
}

/** The same servers with data directories in the system's temporary folder. */
export async function startOursDurable(
  stack: AsyncDisposableStack,
  folder: string,
): Promise<System> {
  const consoles = `${folder}/durable`;
  await Deno.mkdir(consoles);
  const data = await Deno.makeTempDir({ prefix: "kv-bench-" });
  stack.defer(() => Deno.remove(data, { recursive: true }));
  return ours(
    "durable",
    stack.use(await ServerCluster.start({ consoleFolder: consoles, dataFolder: data })),
  ).system;
}

/** The same servers without console lines. */
export async function startOursSilent(stack: AsyncDisposableStack): Promise<System> {
  const [leader, ...followers] = freePorts(3) as [number, number, number];
  for (const port of [leader, ...followers]) {
    await deno(stack, silentScript, port, [port, leader]);
  }
  await eventually("the silent servers take PUTs", async () => {
    return (await statusOf({ hostname: "127.0.0.1", port: leader })).inSync.length === 3;
  }, startMsMax);
  const name = "these without lines";
  const put = kvExchange(leader, "PUT");
  return {
    targets: [
      { name, kind: "GET", exchange: kvExchange(leader, "GET"), pipelines: true },
      { name, kind: "PUT", exchange: put, pipelines: true },
    ],
    filling: put,
  };
}

function ours(name: string, servers: ServerCluster): { system: System; follower: number } {
  const [leader, follower] = servers.addresses.map(({ port }) => port) as [number, number];
  const put = kvExchange(leader, "PUT");
  const system: System = {
    targets: [
      { name, kind: "GET", exchange: kvExchange(leader, "GET"), pipelines: true },
      { name, kind: "PUT", exchange: put, pipelines: true },
    ],
    filling: put,
    // The servers append, so they write to the start of an emptied file.
    afterwards: async () => {
      for (const index of servers.addresses.keys()) {
        await Deno.truncate(servers.consoleFile(index)!);
      }
    },
  };
  return { system, follower };
}

/** The same servers on etcd. The first one is connected to etcd's leader. */
export async function startOursOnEtcd(
  stack: AsyncDisposableStack,
  folder: string,
): Promise<System> {
  const members = await etcdPorts(stack, folder);
  const ports = freePorts(members.length);
  const consoles = new Consoles(folder);
  for (const [index, port] of ports.entries()) {
    const process = new ServerProcess({
      group: true,
      out: { file: consoles.file(port) },
      port,
      leaderPort: null,
      flags: ["--engine=etcd", `--etcd=http://127.0.0.1:${members[index]}`, "--quiet"],
    });
    await stack.use(process).serving();
  }
  const [leader, other] = ports as [number, number];
  await eventually("the servers have found their etcd", async () => {
    const all = await Promise.all(ports.map((port) => statusOf({ hostname: "127.0.0.1", port })));
    return all.every(({ cluster }) => cluster !== "");
  }, startMsMax);
  const put = kvExchange(leader, "PUT");
  return {
    targets: [
      { name: "on etcd", kind: "GET", exchange: kvExchange(leader, "GET"), pipelines: true },
      { name: "on etcd", kind: "PUT", exchange: put, pipelines: true },
      {
        name: "on etcd, via another",
        kind: "PUT",
        exchange: kvExchange(other, "PUT"),
        pipelines: true,
      },
    ],
    filling: put,
    afterwards: consoles.empty,
  };
}

/** Sends a text on a new connection. Returns the first chunk of the reply. */
export async function askOnce(port: number, text: string): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    await conn.write(encoder.encode(text));
    const bytes = new Uint8Array(16 * 1024);
    return new TextDecoder().decode(bytes.subarray(0, await conn.read(bytes) ?? 0));
  } finally {
    conn.close();
  }
}
