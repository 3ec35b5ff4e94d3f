/** The conformance suite on both engines. `deno task test:etcd` runs it on a real etcd too. */

import { EtcdEngine } from "../../lib/etcd/engine.ts";
import { conformance } from "../support/engine_conformance.ts";
import { FakeEtcd } from "../support/fake_etcd.ts";
import { Cluster } from "../support/cluster.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";

conformance({
  name: "embedded",
  start: () => Cluster.start(),
  expiresWithinMs: 1_500,
  leaderShows: ({ client, key, value, timestamp }) => [
    `Cliente ${client} PUT key:${key} value:${value}.`,
    `Enviando PUT_OK ao Cliente ${client} da key:${key} ts:${timestamp}.`,
  ],
});

conformance({
  name: "etcd, fake",
  start: async () => {
    const etcd = new FakeEtcd(3);
    const servers = etcd.members.map(({ url }) =>
      new TestServer(anyPort, undefined, {}, {}, { engine: EtcdEngine.at({ url, prefix: "kv/" }) })
    );
    await Promise.all(servers.map((server) => server.reported("answers, cluster")));
    return {
      servers,
      [Symbol.asyncDispose]: async () => {
        await Promise.all(servers.map((server) => server.close()));
        await etcd[Symbol.asyncDispose]();
      },
    };
  },
  leaderShows: (
    { key, value, timestamp },
  ) => [`REPLICATION key:${key} value:${value} ts:${timestamp}.`],
});
