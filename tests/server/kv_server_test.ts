import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { Secret } from "../../lib/auth/secret.ts";
import { requestTimeoutMs } from "../../lib/limits.ts";
import type { Connection } from "../../lib/net/connection.ts";
import { serverLimitsDefault, shutdownMs } from "../../lib/server/server_limits.ts";
import { LeaderDialler } from "../../lib/server/leader_dialler.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import { Cluster } from "../support/cluster.ts";
import { FakeServer } from "../support/fake_server.ts";
import { Names } from "../support/names.ts";
import { anyPort, deadAddress, freePorts } from "../support/ports.ts";
import { joinAsFollower, openWithTwo } from "../support/scripted_follower.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually, waitMsMax as patienceMs, within } from "../support/waiting.ts";
import { EndOfWire, Wire } from "../support/wire_client.ts";

const put = { type: "PUT", id: 7, key: "cor", value: "azul" };
/** The last message of a server that is stopped. */
const stopping = { type: "ERROR", code: "UNAVAILABLE", message: "this server is stopping" };
const putOk = { type: "PUT_OK", id: 7, key: "cor", timestamp: 1 };
const get = { type: "GET", id: 8, key: "cor", timestamp: 0 };

/** A leader that accepts a follower and then runs the script. */
function fakeLeader(script: (wire: Wire, index: number) => Promise<void>): FakeServer {
  return new FakeServer(async (wire, index) => {
    await wire.messageOf("JOIN");
    await wire.send({ type: "JOIN_OK" }, { type: "SYNC", cluster: "c1", timestamp: 0, latest: 0 });
    await script(wire, index);
  });
}

// Listening and stopping

Deno.test("port 0 takes a free port, which is in the address", async () => {
  await using server = await TestServer.alone();
  assert(server.address.port > 0);
  using wire = await Wire.connect(server.address);
  assertEquals((await wire.ask(put)).type, "PUT_OK");
});

Deno.test("a port in use, and an address of another machine, are thrown", async () => {
  await using server = await TestServer.alone();
  const start = (hostname: string, port: number) => () =>
    new TestServer({ hostname, port }, undefined, {});
  assertThrows(start("127.0.0.1", server.address.port), Deno.errors.AddrInUse);
  assertThrows(start("192.0.2.1", 0), Deno.errors.AddrNotAvailable);
});

Deno.test("a server that has closed can be started on the same port at once", async () => {
  const first = await TestServer.alone();
  using wire = await Wire.connect(first.address);
  await wire.ask(put);
  const closed = first.close();
  assertEquals(await wire.message(), stopping);
  assertEquals(await wire.line(), undefined); // the server closes first, so the system keeps the port for a while
  wire.close();
  await closed;
  await using _second = new TestServer(first.address, undefined, { clusterSize: 1 });
});

Deno.test("closing refuses new connections and ends the open ones", async () => {
  const server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  await wire.ask(get);
  const closed = server.close();
  assertEquals(await wire.message(), stopping);
  assertEquals(await wire.line(), undefined);
  wire.close();
  await closed;
  await using _again = new TestServer(server.address, undefined, {}); // so the port is free
});

Deno.test("a second close waits for the first", async () => {
  await using server = await TestServer.alone();
  await Promise.all([server.close(), server.close()]);
});

Deno.test("a graceful close sends the answers still due, and then says that it was all", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  using client = await Wire.connect(leader.address);
  await client.send(put);
  for (const follower of [one, other]) await follower.messageOf("REPLICATION");
  const closed = leader.close();
  for (const follower of [one, other]) {
    await follower.send({ type: "REPLICATION_OK", timestamp: 1 });
  }
  assertEquals(await client.message(), putOk);
  assertEquals(await client.message(), stopping);
  assertEquals(await client.line(), undefined);
  client.close();
  for (const follower of [one, other]) {
    assertEquals(await follower.messageOf("ERROR"), stopping);
    follower.close();
  }
  await closed;
});

Deno.test("a leader that is stopped applies no PUT that a follower forwards then", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  using client = await Wire.connect(leader.address);
  await client.send(put);
  for (const follower of [one, other]) await follower.messageOf("REPLICATION");
  const closed = leader.close();
  await one.send({ type: "PUT", id: 3, key: "cor", value: "verde", client: "10.0.0.9:1" });
  const message = "not applied: this server is stopping";
  assertEquals(await one.messageOf("ERROR"), {
    type: "ERROR",
    code: "UNAVAILABLE",
    message,
    id: 3,
  });
  for (const follower of [one, other]) {
    await follower.send({ type: "REPLICATION_OK", timestamp: 1 });
  }
  assertEquals(await one.messageOf("ERROR"), stopping);
  for (const wire of [client, one, other]) wire.close();
  await closed;
});

Deno.test("closing takes a bounded time even if an answer never comes and peers stay connected", async () => {
  const limits = { shutdownMs: 100, lingerMs: 100 };
  const leader = new TestServer(anyPort, undefined, {}, limits);
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  using client = await Wire.connect(leader.address);
  await client.send(put);
  await one.messageOf("REPLICATION");
  const from = performance.now();
  await leader.close();
  const tookMs = performance.now() - from;
  assertEquals(await client.line(), undefined, "it does not say that all is answered");
  await assertRejects(() => one.messageOf("ERROR"), EndOfWire);
  assertGreaterOrEqual(tookMs, limits.shutdownMs + limits.lingerMs);
  assertLess(tookMs, limits.shutdownMs + limits.lingerMs + 1_000);
});

// Requests and answers

Deno.test("each request is answered on the wire and printed, character by character", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  await wire.write('{"type":"GET","id":1,"key":"cor","timestamp":0}\n');
  assertEquals(
    await wire.line(),
    '{"type":"GET_OK","id":1,"key":"cor","value":null,"timestamp":0}',
  );
  await wire.write('{"type":"PUT","id":2,"key":"cor","value":"azul"}\r\n');
  assertEquals(await wire.line(), '{"type":"PUT_OK","id":2,"key":"cor","timestamp":1}');
  await wire.write('{"extra":[],"timestamp":1,"key":"cor","id":0,"type":"GET"}\n');
  assertEquals(
    await wire.line(),
    '{"type":"GET_OK","id":0,"key":"cor","value":"azul","timestamp":1}',
  );
  await wire.write('{"type":"GET","id":4,"key":"cor","timestamp":2}\n');
  assertEquals(
    await wire.line(),
    '{"type":"TRY_OTHER_SERVER_OR_LATER","id":4,"key":"cor","timestamp":1}',
  );
  assertEquals(server.prints, [
    `Cliente ${wire.local} GET key:cor ts:0. Meu ts é 0, portanto devolvendo NULL`,
    `Cliente ${wire.local} PUT key:cor value:azul.`,
    `Enviando PUT_OK ao Cliente ${wire.local} da key:cor ts:1.`,
    `Cliente ${wire.local} GET key:cor ts:1. Meu ts é 1, portanto devolvendo azul`,
    `Cliente ${wire.local} GET key:cor ts:2. Meu ts é 1, portanto devolvendo TRY_OTHER_SERVER_OR_LATER`,
  ]);
});

Deno.test("an absent key is NULL for a client that never saw it, and TRY_OTHER for a client that has", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  const seen = await wire.ask({ ...get, timestamp: 3 });
  assertEquals(seen, { type: "TRY_OTHER_SERVER_OR_LATER", id: 8, key: "cor", timestamp: 0 });
  const unseen = await wire.ask(get);
  assertEquals(unseen, { type: "GET_OK", id: 8, key: "cor", value: null, timestamp: 0 });
});

Deno.test("control characters cannot forge a line on a server's console", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  await wire.ask({ ...put, key: "a\nb", value: "\u001b[2J\r\t\u2028" });
  assertEquals(server.prints, [
    `Cliente ${wire.local} PUT key:a\\nb value:\\u001b[2J\\r\\t\\u2028.`,
    `Enviando PUT_OK ao Cliente ${wire.local} da key:a\\nb ts:1.`,
  ]);
});

Deno.test("each answer has the id of its request, with many in flight", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  const ids = Array.from({ length: 50 }, (_, id) => id);
  await wire.send(...ids.map((id) => ({ ...put, id, value: `v${id}` })));
  const replies = await wire.messages(ids.length);
  assertEquals(replies, ids.map((id) => ({ ...putOk, id, timestamp: id + 1 })));
});

Deno.test("a wrong field is answered with ERROR and the id, and the connection stays open", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  const wrong = await wire.ask({ ...put, value: 5 });
  assertEquals(wrong, {
    type: "ERROR",
    id: 7,
    code: "BAD_MESSAGE",
    message: '"value" must be a string, not 5',
  });
  assertEquals((await wire.ask({ type: "DELETE", id: 9, key: "cor" })).code, "BAD_MESSAGE");
  assertEquals((await wire.ask({ ...put, key: "k".repeat(1025) })).code, "TOO_LARGE");
  assertEquals(server.prints, []);
  assertEquals(await wire.ask(put), putOk);
});

Deno.test("the same report is not repeated", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  const join = { type: "JOIN", server: leader.name, cluster: "", timestamp: 0 };
  for (let n = 0; n < 3; n++) {
    using wire = await Wire.connect(leader.address);
    assertEquals((await wire.ask(join)).code, "FORBIDDEN");
    assertEquals(await wire.line(), undefined);
  }
  assertEquals(leader.reports, [`refused ${leader.name}: ${leader.name} is the leader itself`]);
});

// The leader, with scripted followers

Deno.test("PUT_OK waits for REPLICATION_OK of every server in sync", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  using client = await Wire.connect(leader.address);
  await client.send(put);
  for (const follower of [one, other]) {
    const replication = await follower.messageOf("REPLICATION");
    assertEquals(replication, { type: "REPLICATION", key: "cor", value: "azul", timestamp: 1 });
  }
  await one.send({ type: "REPLICATION_OK", timestamp: 1 }, get);
  await one.messageOf("GET_OK"); // so the leader has taken the REPLICATION_OK
  assertEquals((await client.ask(get)).type, "GET_OK"); // and no PUT_OK before this
  await other.send({ type: "REPLICATION_OK", timestamp: 1 });
  assertEquals(await client.message(), putOk);
  assertEquals(leader.prints.at(-1), `Enviando PUT_OK ao Cliente ${client.local} da key:cor ts:1.`);
});

Deno.test("several writes are in flight at once: a write does not wait for the one before", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  using client = await Wire.connect(leader.address);
  await client.send(put, { ...put, id: 9, value: "verde" });
  for (const follower of [one, other]) {
    assertEquals((await follower.messageOf("REPLICATION")).timestamp, 1);
    assertEquals((await follower.messageOf("REPLICATION")).timestamp, 2);
    await follower.send({ type: "REPLICATION_OK", timestamp: 2 }); // one for both
  }
  assertEquals(await client.messages(2), [putOk, { ...putOk, id: 9, timestamp: 2 }]);
});

Deno.test("a follower that hangs leaves after the silence limit, and the PUT is acknowledged", async () => {
  const tuning = { heartbeatMs: 50, silenceMs: 400 };
  await using leader = new TestServer(anyPort, undefined, tuning);
  await using follower = new TestServer(anyPort, leader.address, tuning);
  using hanging = await joinAsFollower(leader.address);
  await hanging.messageOf("SYNC");
  await hanging.send({ type: "REPLICATION_OK", timestamp: 0 });
  await leader.ready();
  using client = await Wire.connect(leader.address);
  assertEquals(await client.ask(put), putOk);
  assertEquals(follower.holds("cor"), { value: "azul", timestamp: 1 });
  assertEquals(
    await leader.reported("left"),
    `${hanging.local} left: it was silent for over 400 ms (2 of 3 in sync)`,
  );
});

Deno.test("a PUT that no follower acknowledges is answered once, with UNKNOWN_OUTCOME, within the limit", async () => {
  await using leader = new TestServer(anyPort, undefined, { putTimeoutMs: 300 });
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  using client = await Wire.connect(leader.address);
  const from = performance.now();
  const answer = await client.ask(put);
  assertLess(performance.now() - from, 1_500);
  assertEquals(answer, {
    type: "ERROR",
    id: 7,
    code: "UNKNOWN_OUTCOME",
    message: "may be applied later: not every server in sync has acknowledged the writes in time",
  });
  for (const follower of [one, other]) {
    await follower.send({ type: "REPLICATION_OK", timestamp: 1 });
  }
  await client.send({ ...put, id: 9 });
  for (const follower of [one, other]) {
    await follower.messageOf("REPLICATION");
    await follower.messageOf("REPLICATION");
    await follower.send({ type: "REPLICATION_OK", timestamp: 2 });
  }
  assertEquals(await client.message(), { ...putOk, id: 9, timestamp: 2 });
  assertEquals(leader.printsOf("Enviando").length, 1);
});

Deno.test("until all servers have joined, the leader takes no PUT and answers no GET", async () => {
  await using leader = new TestServer(anyPort, undefined, { putTimeoutMs: 100 });
  using _follower = await joinAsFollower(leader.address);
  using client = await Wire.connect(leader.address);
  assertEquals((await client.ask(get)).type, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals(await client.ask(put), {
    type: "ERROR",
    id: 7,
    code: "UNAVAILABLE",
    message: "not applied: the leader waits for all 3 servers, 2 have joined",
  });
  assertEquals(leader.holds("cor"), undefined);
});

Deno.test("a PUT that waits for the cluster to form is applied once it has", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  using client = await Wire.connect(leader.address);
  await client.send(put);
  await eventually("the PUT is there", () => leader.prints.length === 1);
  const [one, other] = await openWithTwo(leader);
  using _one = one;
  using _other = other;
  for (const follower of [one, other]) {
    await follower.messageOf("REPLICATION");
    await follower.send({ type: "REPLICATION_OK", timestamp: 1 });
  }
  assertEquals(await client.message(), putOk);
});

Deno.test("a JOIN of a fourth server, of a joined address or of another cluster is refused", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  using first = await joinAsFollower(leader.address);
  const refusal = async (join: Record<string, unknown>) => {
    using wire = await Wire.connect(leader.address);
    const answer = await wire.ask({ type: "JOIN", ...join });
    assertEquals(await wire.line(), undefined);
    return [answer.code, answer.message];
  };
  const server = "127.0.0.1:9";
  assertEquals(await refusal({ server: first.local, cluster: "", timestamp: 0 }), [
    "FORBIDDEN",
    `${first.local} has joined already`,
  ]);
  assertEquals(await refusal({ server, cluster: "", timestamp: 5 }), [
    "FORBIDDEN",
    `${server} holds data of no cluster`,
  ]);
  using _second = await joinAsFollower(leader.address);
  assertEquals(await refusal({ server, cluster: "", timestamp: 0 }), [
    "FORBIDDEN",
    "the cluster has its 3 servers already, see --cluster-size",
  ]);
});

Deno.test("a follower of another cluster is refused with the reason, and keeps its data", async () => {
  const pair = { clusterSize: 2 };
  const old = new TestServer(anyPort, undefined, pair);
  // It dials again only when the new cluster is there.
  const late = { ...pair, redialFirstMs: 1_000, redialLongestMs: 1_000 };
  await using follower = new TestServer(anyPort, old.address, late);
  await old.ready();
  using client = await Wire.connect(old.address);
  assertEquals(await client.ask(put), putOk);
  client.close();
  await old.close();
  await using leader = new TestServer(old.address, undefined, pair);
  const other = new TestServer(anyPort, leader.address, pair);
  await leader.ready();
  await other.close(); // so that there is room
  const reason = /holds data of cluster [\w-]+, and this is cluster [\w-]+: restart/;
  assertMatch(await leader.reported("holds data"), reason);
  assertMatch(await follower.reported("holds data"), reason);
  assertEquals(follower.holds("cor"), { value: "azul", timestamp: 1 });
  using reader = await Wire.connect(follower.address);
  assertEquals((await reader.ask(get)).type, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals(leader.holds("cor"), undefined);
});

Deno.test("a server that follows, or asks for a secret, at the leader's address stops no GETs", async () => {
  const quick = { redialFirstMs: 10, redialLongestMs: 20, clusterSize: 2 };
  const leader = new TestServer(anyPort, undefined, quick);
  await using follower = new TestServer(anyPort, leader.address, quick);
  await leader.ready();
  using client = await Wire.connect(leader.address);
  assertEquals(await client.ask(put), putOk);
  client.close();
  const { address } = leader;
  await leader.close();
  using reader = await Wire.connect(follower.address);
  const secrets = { server: await Secret.from("segredo") };
  const strangers: [string, () => TestServer][] = [
    ["is not the leader", () => new TestServer(address, deadAddress(), quick)],
    [
      "joins only with the secret",
      () => new TestServer(address, undefined, quick, {}, { secrets }),
    ],
  ];
  for (const [reason, start] of strangers) {
    const stranger = start();
    await follower.reported(reason);
    assertEquals((await reader.ask(get)).value, "azul");
    await stranger.close();
    assertEquals((await reader.ask(get)).value, "azul", "that server is gone");
  }
  assertEquals(follower.reports.filter((line) => line.startsWith("GETs are refused")), []);
});

// The follower, with a scripted leader

Deno.test("a follower without its leader refuses PUTs and answers no GET", async () => {
  const leader = deadAddress();
  await using follower = new TestServer(anyPort, leader, {});
  using client = await Wire.connect(follower.address);
  assertEquals((await client.ask(get)).type, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals(await client.ask(put), {
    type: "ERROR",
    id: 7,
    code: "UNAVAILABLE",
    message: `not applied: no connection to the leader 127.0.0.1:${leader.port}`,
  });
  assertEquals(follower.prints, [
    `Cliente ${client.local} GET key:cor ts:0. Meu ts é 0, portanto devolvendo TRY_OTHER_SERVER_OR_LATER`,
  ]);
});

Deno.test("a follower joins with its own address, and applies, prints and acknowledges each REPLICATION", async () => {
  const join = Promise.withResolvers<Record<string, unknown>>();
  const confirmed = Promise.withResolvers<void>();
  await using leader = new FakeServer(async (wire) => {
    join.resolve(await wire.message());
    await wire.send(
      { type: "JOIN_OK" },
      { type: "SYNC", cluster: "c1", timestamp: 3, latest: 4 },
      { type: "REPLICATION", key: "cor", value: "azul", timestamp: 4 },
    );
    for (let timestamp = 0; timestamp !== 4;) {
      timestamp = (await wire.messageOf("REPLICATION_OK")).timestamp as number;
    }
    confirmed.resolve();
  });
  await using follower = new TestServer(anyPort, leader.address, {});
  const { instance, ...rest } = await within("JOIN", join.promise);
  assertEquals(rest, {
    type: "JOIN",
    server: follower.name,
    cluster: "",
    timestamp: 0,
    attempt: 1,
    protocol: 2,
  });
  assert(Number.isSafeInteger(instance));
  await within("REPLICATION_OK", confirmed.promise);
  assertEquals(follower.prints, ["REPLICATION key:cor value:azul ts:4."]);
  assertEquals(follower.holds("cor"), { value: "azul", timestamp: 4 });
});

Deno.test("a follower never applies an older write over a newer one", async () => {
  await using leader = fakeLeader(async (wire) => {
    await wire.send(
      { type: "REPLICATION", key: "cor", value: "verde", timestamp: 9 },
      { type: "REPLICATION", key: "cor", value: "azul", timestamp: 8 },
    );
  });
  await using follower = new TestServer(anyPort, leader.address, {});
  await eventually("both are there", () => follower.prints.length === 2);
  assertEquals(follower.holds("cor"), { value: "verde", timestamp: 9 });
});

Deno.test("a follower forwards a PUT with the client's address, and the answer with the client's id", async () => {
  await using leader = fakeLeader(async (wire) => {
    const { id, ...forwarded } = await wire.messageOf("PUT");
    await wire.send({
      type: "ERROR",
      id,
      code: "OVERLOADED",
      message: JSON.stringify(forwarded),
    });
    const again = await wire.messageOf("PUT");
    await wire.send({ type: "PUT_OK", id: again.id, key: "cor", timestamp: 12 });
  });
  await using follower = new TestServer(anyPort, leader.address, {});
  await follower.ready();
  using client = await Wire.connect(follower.address);
  const { id: _, ...rest } = put;
  assertEquals(await client.ask({ ...put, client: "1.2.3.4:5" }), {
    type: "ERROR",
    id: 7,
    code: "OVERLOADED",
    message: JSON.stringify({ ...rest, client: client.local }),
  });
  assertEquals(await client.ask(put), { ...putOk, timestamp: 12 });
  assertEquals(follower.prints, [
    "Encaminhando PUT key:cor value:azul",
    "Encaminhando PUT key:cor value:azul",
  ]);
});

Deno.test("a forwarded PUT ends in UNKNOWN_OUTCOME if the leader hangs up, and the follower dials again", async () => {
  await using leader = fakeLeader(async (wire, index) => {
    await wire.messageOf("PUT");
    if (index === 0) return wire.close();
    await wire.send({ type: "PUT_OK", id: 2, key: "cor", timestamp: 1 });
  });
  await using follower = new TestServer(anyPort, leader.address, {});
  await follower.ready();
  using client = await Wire.connect(follower.address);
  assertEquals(await client.ask(put), {
    type: "ERROR",
    id: 7,
    code: "UNKNOWN_OUTCOME",
    message: "may or may not be applied: the connection to the leader was lost",
  });
  await eventually("it has dialled again", () => leader.accepted === 2);
  const answer = await eventually("it has joined again", async () => {
    const reply = await client.ask(put);
    return reply.code !== "UNAVAILABLE" && reply;
  });
  assertEquals(answer, putOk);
});

Deno.test("a follower gives up a silent leader, with UNKNOWN_OUTCOME for the PUT under way", async () => {
  await using leader = fakeLeader(async (wire) => {
    await wire.messageOf("PUT");
  });
  await using follower = new TestServer(anyPort, leader.address, {
    heartbeatMs: 50,
    silenceMs: 300,
  });
  await follower.ready();
  using client = await Wire.connect(follower.address);
  assertEquals((await client.ask(put)).code, "UNKNOWN_OUTCOME");
  await follower.reported("lost the leader");
  await eventually("it has dialled again", () => leader.accepted >= 2);
});

Deno.test("a leader that sends heartbeats but no answer leaves a PUT in UNKNOWN_OUTCOME", async () => {
  const done = new AbortController();
  await using leader = fakeLeader(async (wire) => {
    while (!done.signal.aborted) {
      await wire.send({ type: "HEARTBEAT" });
      await wire.messageOf("HEARTBEAT");
    }
  });
  await using follower = new TestServer(anyPort, leader.address, {
    heartbeatMs: 50,
    silenceMs: 300,
    putTimeoutMs: 100,
  });
  await follower.ready();
  using client = await Wire.connect(follower.address);
  const answer = await client.ask(put);
  done.abort();
  assertEquals(answer.code, "UNKNOWN_OUTCOME");
  assertEquals(answer.message, "may or may not be applied: the leader did not answer in time");
});

Deno.test("a follower that is refused reports the reason and tries again", async () => {
  await using leader = new FakeServer(async (wire) => {
    await wire.messageOf("JOIN");
    await wire.send({ type: "ERROR", code: "FORBIDDEN", message: "not you" });
  });
  await using follower = new TestServer(anyPort, leader.address, {});
  await follower.reported("FORBIDDEN: not you");
  await eventually("it dials again", () => leader.accepted >= 2);
  assert(!follower.readable);
});

Deno.test("servers that know each other by names: JOIN, STATUS and reports show them", async () => {
  const [leaderPort, port] = freePorts(2) as [number, number];
  const [leaderName, name] = [`kv-0:${leaderPort}`, `kv-1.kv:${port}`];
  using names = new Names({});
  const leaderAddress = { hostname: "kv-0", port: leaderPort };
  const start = (hostname: string, at: number, leader?: typeof leaderAddress) =>
    new TestServer({ hostname: "127.0.0.1", port: at }, leader, { clusterSize: 2 }, {}, {
      advertise: { hostname, port: at },
    });
  await using follower = start("kv-1.kv", port, leaderAddress);
  await follower.reported(`cannot reach the leader ${leaderName}`); // there is no such name yet
  names.ips["kv-0"] = "127.0.0.1";
  const first = start("kv-0", leaderPort);
  await follower.reported(`joined the leader ${leaderName}`);
  await first.reported(`${name} is in sync`);
  using wire = await Wire.connect(follower.address);
  assertEquals((await wire.ask(put)).type, "PUT_OK");
  const status = await wire.ask({ type: "STATUS", id: 1 });
  assertEquals([status.server, status.leader], [name, leaderName]);
  // The leader prints the client's IP address, and knows the follower by its name.
  assertEquals(first.printsOf("Cliente"), [`Cliente ${wire.local} PUT key:cor value:azul.`]);
  using leaderWire = await Wire.connect(first.address);
  const { server, inSync, followers } = await leaderWire.ask({ type: "STATUS", id: 1 });
  assertEquals([server, inSync], [leaderName, [leaderName, name]]);
  assertEquals(followers, [{ server: name, timestamp: 1, inSync: true }]);
  leaderWire.close();

  // The name is resolved at each dial: the follower finds a leader that has moved.
  await first.close();
  names.ips["kv-0"] = "127.0.0.3"; // nothing is there
  const before = names.dialled.length;
  await eventually("it dials the old name", () => names.dialled.length > before);
  names.ips["kv-0"] = "127.0.0.1";
  await using second = start("kv-0", leaderPort);
  await second.reported(`${name} is in sync`);
  assert(names.dialled.every((host) => host === "kv-0" || host === "127.0.0.1"));
});

Deno.test("a name that leads back to a follower for a while does not end it once it has found the leader", async () => {
  const port = freePorts(1)[0]!;
  using names = new Names({ "kv-0": "127.0.0.1" });
  await using leader = new FakeServer(async (wire) => {
    await wire.messageOf("JOIN");
    wire.close();
  });
  const leaderAddress = { hostname: "kv-0", port: leader.address.port };
  await using follower = new TestServer({ hostname: "127.0.0.1", port }, leaderAddress, {});
  await follower.reported("lost the leader");
  // From now on the name leads to the follower itself.
  names.ports[leader.address.port] = port;
  await follower.reported(`leads to this server itself, 127.0.0.1:${port}: trying again`);
  const accepted = leader.accepted;
  delete names.ports[leader.address.port];
  await eventually("it finds the leader again", () => leader.accepted > accepted);
});

Deno.test("a server that has dialled itself notices it also if it accepts after the dial", async () => {
  await using leader = new FakeServer(() => {});
  const failures: string[] = [];
  const dialler = new LeaderDialler({
    self: "kv-0:1",
    leader: leader.name,
    secret: undefined,
    tls: undefined,
    limits: serverLimitsDefault,
    report: () => {},
    serve: () => undefined!, // without a secret no handler is needed
    connections: () => [],
    failed: ({ message }) => failures.push(message),
  });
  const dialled = Promise.withResolvers<Connection>();
  await dialler.dial({
    dialled: (link) => dialled.resolve(link as Connection),
    dialFailed: (reason) => dialled.reject(new Error(reason)),
  });
  const { peer, local } = await dialled.promise;
  dialler.compare({ peer: "127.0.0.1:1", local: peer } as Connection); // a client's
  assertEquals(failures, []);
  dialler.compare({ peer: local, local: peer } as Connection);
  assertMatch(failures.join(), /leads to this server itself, kv-0:1/);
  (await dialled.promise).abort();
});

/** Whether a socket on :: takes IPv4 connections too. It does not on Windows, or without IPv6. */
function takesBoth(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return Deno.build.os === "linux";
  } catch {
    return false;
  }
}

const ipv4Client = "an IPv4 client of a server on :: is shown and counted as IPv4";
Deno.test(ipv4Client, { ignore: !takesBoth() }, async () => {
  const anywhere = { hostname: "::", port: 0 };
  await using server = new TestServer(anywhere, undefined, { clusterSize: 1, minInSync: 1 });
  await server.ready();
  using wire = await Wire.connect({ hostname: "127.0.0.1", port: server.address.port });
  await wire.ask(put);
  assertEquals(server.printsOf("Cliente"), [`Cliente ${wire.local} PUT key:cor value:azul.`]);
});

Deno.test("a follower gives up a dial that takes too long, and reports it", async () => {
  await using leader = new FakeServer(() => {}); // never answers HELLO
  const secrets = { server: await Secret.from("segredo") };
  const limits = { dialTimeoutMs: 50 };
  await using follower = new TestServer(anyPort, leader.address, {}, limits, { secrets });
  await follower.reported("no answer within 50 ms");
  await eventually("it dials again", () => leader.accepted >= 2);
});

Deno.test("a follower ends the connection if the leader sends a line that is not a message", async () => {
  await using leader = new FakeServer(async (wire, index) => {
    if (index > 0) return;
    await wire.messageOf("JOIN");
    await wire.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    assertEquals((await wire.rest()).map(({ type }) => type), ["ERROR"]);
    wire.close();
  });
  await using follower = new TestServer(anyPort, leader.address, {});
  assertMatch(await follower.reported("lost the leader"), /connection ended/);
  await eventually("it dials again", () => leader.accepted >= 2);
});

Deno.test("with default settings, a server answers before a client gives up", () => {
  // A server decides a PUT after 0.9 of its timeout. The rest is for the tick and the way back.
  assertLess(tuningDefault.putTimeoutMs * 0.9, requestTimeoutMs);
  assertLess(requestTimeoutMs, patienceMs);
});

Deno.test("a cluster that shuts down all at once closes fast", async () => {
  const cluster = await Cluster.start();
  using client = await Wire.connect(cluster.leader.address);
  await client.ask(put);
  client.close();
  const from = performance.now();
  await cluster[Symbol.asyncDispose]();
  assertLess(performance.now() - from, shutdownMs);
});
