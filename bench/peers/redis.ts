/**
 * Redis with replicas.
 *
 * @module
 */

import { freePorts } from "../free_ports.ts";
import { Process } from "../process.ts";
import { eventually } from "../waiting.ts";
import { LineReplies } from "./replies.ts";
import type { Shape } from "./shape.ts";
import { askOnce, foreignProcess, startMsMax, type System } from "./system.ts";

/** Redis with replicas that confirm each write, without a disk. */
export async function startRedis(
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
): Promise<System> {
  const { value, servers } = shape;
  const replicas = servers - 1;
  const ports = freePorts(servers);
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
  await eventually(`Redis has ${replicas} replicas`, async () => {
    const reply = await askOnce(port, `*3\r\n$4\r\nWAIT\r\n$1\r\n${replicas}\r\n$3\r\n100\r\n`);
    return reply.startsWith(`:${replicas}`);
  }, startMsMax);
  const get = shape.forEachKey((key) => `*2\r\n$3\r\nGET\r\n$16\r\n${key}\r\n`);
  const set = shape.forEachKey((key) =>
    `*3\r\n$3\r\nSET\r\n$16\r\n${key}\r\n$${value.length}\r\n${value}\r\n` +
    `*3\r\n$4\r\nWAIT\r\n$1\r\n${replicas}\r\n$4\r\n4000\r\n`
  );
  const setWait = { port, requests: set, replies: () => new LineReplies(["+OK", `:${replicas}`]) };
  return {
    targets: [
      {
        name: "Redis GET",
        kind: "GET",
        exchange: {
          port,
          requests: get,
          replies: () => new LineReplies([`$${value.length}`, "x"], value.length),
        },
        pipelines: true,
      },
      { name: `Redis SET + WAIT ${replicas}`, kind: "PUT", exchange: setWait, pipelines: false },
    ],
    filling: setWait,
  };
}
