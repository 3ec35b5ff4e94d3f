/**
 * The servers of this project.
 *
 * @module
 */

import { freePorts } from "../free_ports.ts";
import { ServerCluster, statusOf } from "../server_cluster.ts";
import { ServerProcess } from "../server_process.ts";
import { eventually } from "../waiting.ts";
import { etcdPorts } from "./etcd.ts";
import type { Shape } from "./shape.ts";
import { Consoles, deno, kvExchange, startMsMax, type System } from "./system.ts";

const silentScript = new URL("silent_server.ts", import.meta.url).href;

/** Three servers of this project, whose console lines go to files. */
export async function startOurs(
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
): Promise<System> {
  const { system, follower } = ours(
    "these servers",
    stack.use(await ServerCluster.start({ consoleFolder: folder, size: shape.servers })),
    shape,
  );
  const exchange = kvExchange(follower, "PUT", shape);
  const target = { name: "these, via a follower", kind: "PUT", exchange, pipelines: true } as const;
  return { ...system, targets: [...system.targets, target] };
}

/** The same servers with data directories in the system's temporary folder. */
export async function startOursDurable(
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
): Promise<System> {
  const consoles = `${folder}/durable`;
  await Deno.mkdir(consoles);
  const data = await Deno.makeTempDir({ prefix: "kv-bench-" });
  stack.defer(() => Deno.remove(data, { recursive: true }));
  return ours(
    "durable",
    stack.use(await ServerCluster.start({ consoleFolder: consoles, dataFolder: data })),
    shape,
  ).system;
}

/** The same servers without console lines. */
export async function startOursSilent(
  stack: AsyncDisposableStack,
  _folder: string,
  shape: Shape,
): Promise<System> {
  const [leader, ...followers] = freePorts(shape.servers) as [number, ...number[]];
  for (const port of [leader, ...followers]) {
    await deno(stack, silentScript, port, [port, leader, shape.servers]);
  }
  await eventually("the silent servers take PUTs", async () => {
    return (await statusOf({ hostname: "127.0.0.1", port: leader })).inSync.length ===
      shape.servers;
  }, startMsMax);
  const name = "these without lines";
  const put = kvExchange(leader, "PUT", shape);
  return {
    targets: [
      { name, kind: "GET", exchange: kvExchange(leader, "GET", shape), pipelines: true },
      { name, kind: "PUT", exchange: put, pipelines: true },
    ],
    filling: put,
  };
}

function ours(
  name: string,
  servers: ServerCluster,
  shape: Shape,
): { system: System; follower: number } {
  const [leader, follower] = servers.addresses.map(({ port }) => port) as [number, number];
  const put = kvExchange(leader, "PUT", shape);
  const system: System = {
    targets: [
      { name, kind: "GET", exchange: kvExchange(leader, "GET", shape), pipelines: true },
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
  shape: Shape,
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
  const put = kvExchange(leader, "PUT", shape);
  return {
    targets: [
      { name: "on etcd", kind: "GET", exchange: kvExchange(leader, "GET", shape), pipelines: true },
      { name: "on etcd", kind: "PUT", exchange: put, pipelines: true },
      {
        name: "on etcd, via another",
        kind: "PUT",
        exchange: kvExchange(other, "PUT", shape),
        pipelines: true,
      },
    ],
    filling: put,
    afterwards: consoles.empty,
  };
}
