/**
 * Three servers on three members of a real etcd, and requests to them.
 *
 * @module
 */

import { EtcdEngine } from "../../../lib/etcd/engine.ts";
import type { EtcdOptions } from "../../../lib/etcd/options.ts";
import type { EngineCluster } from "../../support/engine_conformance.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { type Message, Wire } from "../../support/wire_client.ts";
import { type EtcdSetup, RealEtcd } from "./real_etcd.ts";

/** Three servers, each connected to its own member of etcd. */
export interface Scene extends EngineCluster {
  readonly etcd: RealEtcd;
}

/** Starts etcd and three servers; `prepare` sets etcd up before the servers start. */
export async function start(
  setup: EtcdSetup = {},
  options: Partial<EtcdOptions> = {},
  prepare: (etcd: RealEtcd) => Promise<void> = async () => {},
  pace: Parameters<typeof EtcdEngine.at>[1] = {},
): Promise<Scene> {
  const etcd = await RealEtcd.start(setup);
  await prepare(etcd);
  const servers = etcd.members.map(({ url }) => serverAt(url, options, pace));
  await Promise.all(servers.map((server) => server.ready()));
  return {
    etcd,
    servers,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((server) => server.close()));
      await etcd[Symbol.asyncDispose]();
    },
  };
}

/** Starts a server at a member; `pace` makes it quicker. */
export function serverAt(
  url: string,
  options: Partial<EtcdOptions> = {},
  pace: Parameters<typeof EtcdEngine.at>[1] = {},
): TestServer {
  const engine = EtcdEngine.at({ url, prefix: "kv/", ...options }, pace);
  return new TestServer(anyPort, undefined, {}, {}, { engine });
}

/** Sends a request on a connection of its own. Returns the answer. */
export async function ask(server: TestServer, message: Message): Promise<Message> {
  using wire = await Wire.connect(server.address);
  return await wire.ask({ id: 1, ...message });
}

/** Writes a key. */
export const put = (server: TestServer, key: string, value: string): Promise<Message> =>
  ask(server, { type: "PUT", key, value });
/** Reads a key. */
export const get = (server: TestServer, key: string, timestamp = 0): Promise<Message> =>
  ask(server, { type: "GET", key, timestamp });
