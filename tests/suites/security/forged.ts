/**
 * Messages that a client forges: fields and types that only servers send, and fields with a meaning in
 * JavaScript.
 *
 * Not named like a test, because `deno task test:security` runs it. More of them are in
 * `tests/suites/connections/hostile_suite.ts`.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import type { AnyMensagem } from "../../../lib/mensagem.ts";
import { Cluster } from "../../support/cluster.ts";
import { both, password, secret, waitingLeader } from "../../support/guarded.ts";
import { complete, dialled } from "../../support/handshakes.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";

const put = { type: "PUT", id: 1, key: "cor", value: "azul" };
const get = { type: "GET", id: 2, key: "cor", timestamp: 0 };

/** Asserts that the three servers are in sync, take PUTs, and go on counting from `timestamp`. */
async function assertWhole({ leader, addresses }: Cluster, timestamp: number): Promise<void> {
  await using client = new KvClient(addresses);
  assertEquals((await client.put("depois", "inteiro")).timestamp, timestamp + 1);
  using wire = await Wire.connect(leader.address);
  const { inSync } = await wire.ask({ type: "STATUS", id: 3 });
  assertEquals((inSync as unknown[]).length, 3);
}

// The address of another client

const forgedClients: Readonly<Record<string, string>> = {
  "spelled as the library spells it":
    `{"type":"PUT","id":1,"key":"cor","value":"azul","client":"6.6.6.6:666"}`,
  "spelled in another way":
    `{ "client" : "6.6.6.6:666", "type":"PUT", "id":1, "key":"cor", "value":"azul" }`,
  "that comes twice":
    `{"type":"PUT","id":1,"key":"cor","value":"azul","client":"6.6.6.6:1","client":"6.6.6.6:666"}`,
  "of the leader itself": `{"type":"PUT","id":1,"key":"cor","value":"azul","client":"LEADER"}`,
};

for (const [what, line] of Object.entries(forgedClients)) {
  Deno.test(`a client cannot write in the name of an address ${what}`, async () => {
    await using cluster = await Cluster.start();
    using observer = await Wire.connect(cluster.leader.address);
    await observer.ask({ type: "OBSERVE", id: 9 });
    for (const server of [cluster.leader, cluster.followers[0]]) {
      using wire = await Wire.connect(server.address);
      await wire.write(`${line.replace("LEADER", cluster.leader.name)}\n`);
      assertEquals((await wire.message()).type, "PUT_OK");
      const clients = await eventually("the observer is told", async () => {
        const { events } = await observer.messageOf("EVENTS");
        const puts = (events as Message[]).filter(({ kind }) => kind === "put");
        return puts.length > 0 && puts.map(({ client }) => client);
      });
      assertEquals(clients, [wire.local]);
      assertStringIncludes(cluster.leader.printsOf("Cliente").at(-1)!, wire.local);
    }
    assertEquals(cluster.servers.flatMap(({ prints }) => prints).join().includes("6.6.6.6"), false);
  });
}

Deno.test("an address of a client that would forge a line of the console is refused", async () => {
  await using cluster = await Cluster.start();
  const forged = [
    "1.2.3.4:5 PUT key:x value:y.\nCliente 6.6.6.6:666",
    "6.6.6.6:666\u202e",
    "\u001b[2J6.6.6.6:666",
    "x".repeat(100_000),
    "toString",
    "",
    null,
    ["6.6.6.6:666"],
    { toString: "6.6.6.6:666" },
  ];
  for (const server of [cluster.leader, cluster.followers[0]]) {
    using wire = await Wire.connect(server.address);
    for (const client of forged) {
      const { code, id } = await wire.ask({ ...put, client });
      assertEquals([code, id], ["BAD_MESSAGE", 1], JSON.stringify(client));
    }
    assertEquals(server.prints, []);
  }
});

// Names with a meaning in JavaScript

const names = ["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty"];

Deno.test("names with a meaning in JavaScript are ordinary keys and values", async () => {
  await using cluster = await Cluster.start();
  using writer = await Wire.connect(cluster.followers[0].address);
  for (const key of names) {
    assertEquals((await writer.ask({ ...get, key })).value, null, "no key before it is written");
    const { timestamp } = await writer.ask({ ...put, key, value: key });
    for (const server of cluster.servers) {
      const entry = { value: key, timestamp: timestamp as number };
      await eventually("it is replicated", () => server.holds(key) !== undefined);
      assertEquals(server.holds(key), entry);
    }
  }
});

Deno.test("names with a meaning in JavaScript are no types, and inherit no fields", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  for (const type of names) {
    assertEquals((await wire.ask({ type, id: 1 })).code, "BAD_MESSAGE");
    assertEquals((await wire.ask({ ...get, timestamp: type })).code, "BAD_MESSAGE");
  }
  for (const name of names) {
    const lines = [
      `{"${name}":{"type":"PUT","id":1,"key":"cor","value":"forjado"}}`,
      `{"type":"PUT","id":1,"key":"cor","${name}":{"value":"forjado"}}`,
      `{"type":"PUT","id":1,"${name}":{"key":"cor"},"value":"forjado"}`,
      `{"type":"JOIN","${name}":{"server":"127.0.0.1:1","cluster":"","timestamp":0}}`,
      `{"type":{"${name}":"PUT"},"id":1,"key":"cor","value":"forjado"}`,
      `{"type":["PUT"],"id":1,"key":"cor","value":"forjado"}`,
    ];
    for (const line of lines) {
      await wire.write(`${line}\n`);
      assertEquals((await wire.message()).code, "BAD_MESSAGE", line);
    }
    await wire.write(`{"${name}":{"key":"x"},${JSON.stringify(get).slice(1)}\n`);
    assertEquals((await wire.message()).value, null, "an unknown field is ignored");
  }
  assertEquals(({} as Message).value, undefined, "Object.prototype is as it was");
  assertEquals(server.holds("cor"), undefined);
});

// Fields that come twice

Deno.test("of fields that come twice the last one counts, on every server alike", async () => {
  await using cluster = await Cluster.start();
  const line = `{"type":"GET","id":7,"key":"outra","value":"velho","type":"PUT",` +
    `"key":"cor","id":1,"value":"novo"}`;
  for (const [n, server] of cluster.servers.entries()) {
    using wire = await Wire.connect(server.address);
    await wire.write(`${line}\n`);
    assertEquals(await wire.message(), { type: "PUT_OK", id: 1, key: "cor", timestamp: n + 1 });
    for (const one of cluster.servers) {
      await eventually("it is replicated", () => one.holds("cor")?.timestamp === n + 1);
      assertEquals([one.holds("cor")?.value, one.holds("outra")], ["novo", undefined]);
    }
  }
});

Deno.test("a type that a client may not send is refused, whichever of two it is", async () => {
  await using cluster = await Cluster.start();
  const rest = `"id":1,"key":"cor","value":"forjado","timestamp":9`;
  for (const server of cluster.servers) {
    using wire = await Wire.connect(server.address);
    await wire.write(`{"type":"PUT",${rest},"type":"REPLICATION"}\n`);
    assertEquals((await wire.message()).code, "FORBIDDEN");
    await wire.write(`{"type":"REPLICATION",${rest},"type":"GET"}\n`);
    assertEquals((await wire.message()).type, "TRY_OTHER_SERVER_OR_LATER");
    assertEquals(server.holds("cor"), undefined);
  }
});

// Types that clients do not send

const status = {
  server: "127.0.0.1:1",
  leader: "127.0.0.1:1",
  cluster: "forjado",
  timestamp: 99,
  inSync: ["127.0.0.1:1"],
  followers: [],
  keys: 1,
  connections: 1,
  uptimeMs: 1,
  memoryBytes: 1,
  faults: true,
};
const counts = { puts: 1, putOks: 1, gets: 1, refused: 1, replications: 1 };

/** A valid message of each type that a client does not send. The types of requests are `undefined`. */
const notForClients: Readonly<Record<AnyMensagem["type"], Message | undefined>> = {
  PUT: undefined,
  GET: undefined,
  WRITE: undefined,
  GET_LATEST: undefined,
  LIST: undefined,
  WATCH: undefined,
  UNWATCH: undefined,
  STATUS: undefined,
  OBSERVE: undefined,
  FAULT: undefined,
  HELLO: undefined,
  PROOF: { proof: "0".repeat(64) },
  CHALLENGE: { nonce: "0".repeat(32), proof: "0".repeat(64) },
  PROOF_OK: {},
  PUT_OK: { id: 1, key: "cor", timestamp: 99 },
  GET_OK: { id: 1, key: "cor", value: "forjado", timestamp: 99 },
  TRY_OTHER_SERVER_OR_LATER: { id: 1, key: "cor", timestamp: 99 },
  WRITE_OK: { id: 1, key: "cor", timestamp: 99 },
  CONFLICT: { id: 1, key: "cor", value: "forjado", timestamp: 99 },
  LIST_OK: { id: 1, entries: [["cor", "forjado", 99]], more: false, timestamp: 99 },
  CHANGES: { id: 1, changes: [["cor", "forjado", 99]], timestamp: 99, reset: true },
  REPLICATION: { key: "cor", value: "forjado", timestamp: 99 },
  REPLICATION_OK: { timestamp: 99 },
  JOIN: { server: "127.0.0.1:1", cluster: "", timestamp: 0 },
  JOIN_OK: {},
  SYNC: { cluster: "forjado", timestamp: 99, latest: 99 },
  SNAPSHOT_REQUEST: {},
  SNAPSHOT: { entries: [["cor", "forjado", 99]], last: true, replace: true },
  SNAPSHOT_OK: {},
  HEARTBEAT: {},
  STATUS_OK: { id: 1, ...status },
  EVENTS: { id: 1, server: "127.0.0.1:1", at: 1, missed: 0, counts, events: [] },
  FAULT_OK: { id: 1 },
  ERROR: { id: 1, code: "FORBIDDEN", message: "forjado" },
};

for (const [type, fields] of Object.entries(notForClients)) {
  if (fields === undefined) continue;
  Deno.test(`${type} of a client is refused by leader and followers, and changes nothing`, async () => {
    await using cluster = await Cluster.start();
    for (const server of cluster.servers) {
      using wire = await Wire.connect(server.address);
      assertEquals((await wire.ask(get)).value, null);
      const { code } = await wire.ask({ type, ...fields });
      assertEquals(code, "FORBIDDEN");
      assertEquals(server.holds("cor"), undefined);
    }
    assertEquals(cluster.servers.flatMap((server) => server.printsOf("REPLICATION")), []);
    await assertWhole(cluster, 0);
  });
}

/** These begin, end or refuse something on any connection, so their fields are read. */
const readFromAll = ["PROOF", "CHALLENGE", "PROOF_OK", "JOIN", "ERROR"];

Deno.test("what only servers send is refused by its type, before another field is read", async () => {
  await using cluster = await Cluster.start();
  for (const server of cluster.servers) {
    using wire = await Wire.connect(server.address);
    for (const [type, fields] of Object.entries(notForClients)) {
      if (fields === undefined || readFromAll.includes(type)) continue;
      const { code, id } = await wire.ask({ type, id: 7, key: 0, entries: 0, inSync: 0 });
      assertEquals([code, id], ["FORBIDDEN", 7], type);
    }
  }
});

Deno.test("a client that has proved the password may send no more types than one without a password", async () => {
  await using leader = await guardedAlone();
  for (const [type, fields] of Object.entries(notForClients)) {
    if (fields === undefined) continue;
    using client = await dialled(leader.address, password, "client");
    await complete(client);
    assertEquals((await client.wire.ask({ type, ...fields })).code, "FORBIDDEN", type);
  }
  assertEquals(leader.holds("cor"), undefined);
});

async function guardedAlone(): Promise<TestServer> {
  const alone = { clusterSize: 1, minInSync: 1 };
  const leader = new TestServer(anyPort, undefined, alone, {}, { secrets: both });
  await leader.ready();
  return leader;
}

// The address of another server

Deno.test("a JOIN with the address of a server that has joined, or of the leader, changes nothing", async () => {
  await using cluster = await Cluster.start();
  for (const { name } of cluster.servers) {
    for (const more of [{}, { instance: 1, attempt: 99 }, { highest: 0, instance: 0 }]) {
      using wire = await Wire.connect(cluster.leader.address);
      const join = { type: "JOIN", server: name, cluster: "", timestamp: 0, ...more };
      const refusal = await wire.ask(join);
      assertEquals(refusal.type, "ERROR", JSON.stringify(refusal));
    }
  }
  await assertWhole(cluster, 0);
});

Deno.test("without the secret nothing joins under the address of a follower that is down", async () => {
  await using leader = waitingLeader();
  await using follower = new TestServer(anyPort, leader.address, {}, {}, { secrets: both });
  await follower.ready();
  const { name } = follower;
  await follower.close();
  await leader.reported(`${name} left`);
  const join = { type: "JOIN", server: name, cluster: "", timestamp: 0 };
  using stranger = await Wire.connect(leader.address);
  assertEquals((await stranger.ask(join)).code, "FORBIDDEN");
  using client = await dialled(leader.address, password, "client");
  await complete(client);
  assertEquals((await client.wire.ask(join)).code, "FORBIDDEN");
  using server = await dialled(leader.address, secret, "server");
  await complete(server);
  assertEquals((await server.wire.ask(join)).type, "JOIN_OK");
});
