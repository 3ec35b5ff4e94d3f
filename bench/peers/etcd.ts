/**
 * etcd with three members, over its JSON gateway.
 *
 * @module
 */

import { freePorts } from "../free_ports.ts";
import { Process } from "../process.ts";
import { eventually } from "../waiting.ts";
import type { Exchange } from "./client.ts";
import { HttpReplies } from "./replies.ts";
import type { Shape } from "./shape.ts";
import { askOnce, foreignProcess, startMsMax, type System } from "./system.ts";

/** Starts three members of etcd. Returns their ports, the leader's first. */
export async function etcdPorts(stack: AsyncDisposableStack, folder: string): Promise<number[]> {
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
export async function startEtcd(
  stack: AsyncDisposableStack,
  folder: string,
  shape: Shape,
): Promise<System> {
  const [port] = await etcdPorts(stack, folder);
  const post = (path: string, body: Record<string, unknown>) => {
    const json = JSON.stringify(body);
    return `POST /v3/kv/${path} HTTP/1.1\r\nHost: etcd\r\nContent-Length: ${json.length}\r\n\r\n${json}`;
  };
  const put = (key: string) => post("put", { key: btoa(key), value: btoa(shape.value) });
  const exchange = (request: (key: string) => string): Exchange => ({
    port: port!,
    requests: shape.forEachKey(request),
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
