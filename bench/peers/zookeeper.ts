/**
 * ZooKeeper with three servers, over its own protocol.
 *
 * A packet is a length and fields. Numbers are big-endian; the length precedes a string or a buffer, the
 * count precedes a list. The first packet of a connection opens a session.
 *
 * @module
 */

import { freePorts } from "../free_ports.ts";
import { Process } from "../process.ts";
import { eventually } from "../waiting.ts";
import type { Exchange } from "./client.ts";
import { PacketReplies } from "./replies.ts";
import type { Shape } from "./shape.ts";
import { askOnce, foreignProcess, startMsMax, type System } from "./system.ts";

/** The classes of ZooKeeper in Debian's package. */
export const zooKeeperClasses = "/usr/share/java/zookeeper.jar";
const sessionMs = 30_000;
/** The types of requests. */
const [create, getData, setData] = [1, 4, 5] as const;
/** All permissions for a node, which every client gets. */
const permissions = 31;
const anyVersion = -1;
/** The error of a create if the node exists. */
const nodeExists = -110;

const encoder = new TextEncoder();

/** A field: a number in four bytes, a text with its length, or a boolean in one byte. */
type Field = number | string | boolean;

function packet(...fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const parts = fields.map((field) => {
    if (typeof field === "boolean") return [Number(field)];
    if (typeof field === "number") return int32(field);
    const bytes = encoder.encode(field);
    return [...int32(bytes.length), ...bytes];
  }).flat();
  return new Uint8Array([...int32(parts.length), ...parts]);
}

function int32(number: number): number[] {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, number);
  return [...bytes];
}

/** Protocol 0, no transaction seen (8 bytes), a timeout, no session yet (8 bytes), no password. */
const hello = packet(0, 0, 0, sessionMs, 0, 0, "\0".repeat(16));

/** Three servers with a log that is not synced. */
export async function startZooKeeper(
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
): Promise<System> {
  const ports = freePorts(9);
  const clientPorts = ports.slice(0, 3);
  const members = clientPorts.map((_, index) =>
    `server.${index + 1}=127.0.0.1:${ports[3 + index]}:${ports[6 + index]}`
  );
  for (const [index, port] of clientPorts.entries()) {
    const dir = `${folder}/zookeeper${index}`;
    await Deno.mkdir(dir);
    await Deno.writeTextFile(`${dir}/myid`, `${index + 1}\n`);
    const config = [
      `dataDir=${dir}`,
      `clientPort=${port}`,
      "clientPortAddress=127.0.0.1",
      ...["tickTime=2000", "initLimit=10", "syncLimit=5", "maxClientCnxns=0"],
      ...["admin.enableServer=false", "4lw.commands.whitelist=srvr", "forceSync=no"],
      ...members,
    ];
    await Deno.writeTextFile(`${dir}/zoo.cfg`, `${config.join("\n")}\n`);
    const process = new Process("java", [
      ...["-Dlog4j.rootLogger=OFF", "-cp", zooKeeperClasses],
      ...["org.apache.zookeeper.server.quorum.QuorumPeerMain", `${dir}/zoo.cfg`],
    ], foreignProcess);
    await stack.use(process).listensOn(port);
  }
  let leader: number | undefined;
  await eventually("ZooKeeper has a leader", async () => {
    for (const port of clientPorts) {
      if ((await askOnce(port, "srvr")).includes("Mode: leader")) leader = port;
    }
    return leader !== undefined;
  }, startMsMax);
  const exchange = (request: (key: string, id: number) => Uint8Array<ArrayBuffer>): Exchange => ({
    port: leader!,
    hello,
    requests: shape.forEachKey(request),
    replies: () => new PacketReplies([0, nodeExists]),
  });
  const get = exchange((key, id) => packet(id, getData, `/${key}`, false));
  const set = exchange((key, id) => packet(id, setData, `/${key}`, shape.value, anyVersion));
  const fill = exchange((key, id) =>
    packet(id, create, `/${key}`, shape.value, 1, permissions, "world", "anyone", 0)
  );
  return {
    targets: [
      { name: "ZooKeeper getData", kind: "GET", exchange: get, pipelines: true },
      { name: "ZooKeeper setData", kind: "PUT", exchange: set, pipelines: true },
    ],
    filling: fill,
  };
}
