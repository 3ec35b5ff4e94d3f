/**
 * The bare programs: what a server in Deno can do at best.
 *
 * @module
 */

import { freePorts } from "../free_ports.ts";
import { LineReplies } from "./replies.ts";
import type { Shape } from "./shape.ts";
import { Consoles, deno, kvExchange, type System } from "./system.ts";

const echoScript = new URL("echo.ts", import.meta.url).href;
const replicationScript = new URL("replication.ts", import.meta.url).href;

/** The bare echo, and the JSON echo without and with the lines of GETs. */
export async function startEchoes(
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
): Promise<System> {
  const [bare, json, lines] = freePorts(3) as [number, number, number];
  const consoles = new Consoles(folder);
  const bytes = shape.value.length;
  await Promise.all([
    deno(stack, echoScript, bare, ["bare", bare]),
    deno(stack, echoScript, json, ["json", json, bytes]),
    deno(stack, echoScript, lines, ["lines", lines, bytes], consoles.file(lines)),
  ]);
  const requests = shape.forEachKey((key) => `PUT ${key} ${shape.value}\n`);
  const echo = { port: bare, requests, replies: () => new LineReplies(["PUT key:"], bytes) };
  return {
    targets: [
      { name: "bare echo", kind: "GET", exchange: echo, pipelines: true },
      { name: "JSON echo", kind: "GET", exchange: kvExchange(json, "GET", shape), pipelines: true },
      {
        name: "JSON echo with lines",
        kind: "GET",
        exchange: kvExchange(lines, "GET", shape),
        pipelines: true,
      },
    ],
    filling: undefined,
    afterwards: consoles.empty,
  };
}

/** The bare replication. */
export async function startReplication(
  stack: AsyncDisposableStack,
  _folder: string,
  shape: Shape,
): Promise<System> {
  return await replication(stack, "bare replication", shape);
}

/** The bare replication that prints the lines of the assignment. */
export async function startReplicationWithLines(
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
): Promise<System> {
  return await replication(stack, "bare replication with lines", shape, new Consoles(folder));
}

async function replication(
  stack: AsyncDisposableStack,
  name: string,
  shape: Shape,
  consoles?: Consoles,
): Promise<System> {
  const [leader, ...followers] = freePorts(shape.servers) as [number, ...number[]];
  const start = async (port: number, ...args: (string | number)[]) => {
    const lines = consoles === undefined ? [] : ["lines"];
    await deno(stack, replicationScript, port, [...args, ...lines], consoles?.file(port));
  };
  for (const port of followers) await start(port, "follower", port);
  await start(leader, "leader", leader, ...followers);
  const exchange = kvExchange(leader, "PUT", shape);
  return {
    targets: [{ name, kind: "PUT", exchange, pipelines: true }],
    filling: exchange,
    ...(consoles === undefined ? {} : { afterwards: consoles.empty }),
  };
}
