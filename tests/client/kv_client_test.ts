/** The client library at servers that work: requests, status, sessions, closing. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  ClientClosedError,
  ClusterResetError,
  InvalidArgumentError,
  LostError,
  SessionError,
  StaleError,
} from "../../lib/client/errors.ts";
import { UnavailableError } from "../../lib/client/errors.ts";
import { type ExportedSession, KvClient } from "../../lib/client/kv_client.ts";
import { keyBytesMax, valueBytesMax } from "../../lib/limits.ts";
import { rightAnswer } from "../support/fake_answers.ts";
import { Cluster } from "../support/cluster.ts";
import { FakeServer } from "../support/fake_server.ts";
import { Names } from "../support/names.ts";
import { deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually, within } from "../support/waiting.ts";
import type { Message } from "../support/wire_client.ts";

// Requests

Deno.test("a client needs at least one server", () => {
  assertThrows(() => new KvClient([]), InvalidArgumentError, "empty");
});

Deno.test("a server may be given as text, and by a name, which is resolved at each dial", async () => {
  await using server = await TestServer.alone();
  const { port } = server.address;
  using names = new Names({ "kv-0": "127.0.0.3" });
  await using client = new KvClient([`KV-0.:${port}`]);
  await assertRejects(() => client.put("cor", "azul", { timeoutMs: 100 }), UnavailableError);
  names.ips["kv-0"] = "127.0.0.1"; // the server has moved
  assertEquals(await client.put("cor", "azul"), { server: `kv-0:${port}`, timestamp: 1 });
  assertEquals(new Set(names.dialled), new Set(["kv-0"]));
  for (const text of ["kv-0", "kv-0:0", "1.2.3:1", "a..b:1", ""]) {
    assertThrows(() => new KvClient([text]), InvalidArgumentError, "host:port");
  }
});

Deno.test("a name that the system knows is dialled at each of its addresses", async () => {
  await using server = await TestServer.alone(); // on 127.0.0.1 alone, and localhost may be ::1 too
  const { port } = server.address;
  await using client = new KvClient([{ hostname: "localhost", port }]);
  assertEquals((await client.put("cor", "azul")).server, `localhost:${port}`);
});

Deno.test("each request is sent once, in the exact text of the wire", async () => {
  const lines: string[] = [];
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      lines.push(line);
      await wire.send(rightAnswer(JSON.parse(line)));
    }
  });
  await using client = new KvClient([server.address]);
  assertEquals(await client.put("cor", 'o "azul" 🙂'), { server: server.name, timestamp: 5 });
  assertEquals(await client.get("cor"), {
    server: server.name,
    value: "azul",
    timestamp: 5,
    seen: 5,
  });
  assertEquals(lines, [
    '{"type":"PUT","id":1,"key":"cor","value":"o \\"azul\\" 🙂"}', // a STATUS was the first
    '{"type":"GET","id":2,"key":"cor","timestamp":5}',
  ]);
  assertEquals(server.accepted, 1); // one connection for both
});

Deno.test("PUT_OK and GET_OK set the timestamp of their key, and it never falls", async () => {
  const answers: Message[] = [
    { type: "GET_OK", value: "x", timestamp: 9 },
    { type: "PUT_OK", timestamp: 12 },
    { type: "PUT_OK", timestamp: 11 }, // an older PUT that was answered later
    { type: "TRY_OTHER_SERVER_OR_LATER", timestamp: 3 },
    { type: "GET_OK", value: "y", timestamp: 12 },
    { type: "GET_OK", value: null, timestamp: 0 },
  ];
  await using server = FakeServer.answering(({ id, key }) => ({ ...answers.shift()!, id, key }));
  await using client = new KvClient([server.address], { once: true });
  assertEquals((await client.get("a")).seen, 0);
  await client.put("a", "1");
  await client.put("a", "2");
  const refused = await assertRejects(() => client.get("a"), StaleError);
  assertEquals([refused.key, refused.seen], ["a", 12]);
  assertEquals(refused.answers, [{ server: server.name, timestamp: 3 }]);
  assertEquals((await client.get("a")).seen, 12);
  assertEquals(await client.get("b"), { server: server.name, value: null, timestamp: 0, seen: 0 });
});

Deno.test("__proto__ and constructor are ordinary keys", async () => {
  await using server = await TestServer.alone();
  await using client = new KvClient([server.address]);
  for (const key of ["__proto__", "constructor", "toString"]) {
    assertEquals(await client.get(key), {
      server: server.name,
      value: null,
      timestamp: 0,
      seen: 0,
    });
    const { timestamp } = await client.put(key, `o valor de ${key}`);
    assertEquals(await client.get(key), {
      server: server.name,
      value: `o valor de ${key}`,
      timestamp,
      seen: timestamp,
    });
  }
});

Deno.test("with `once` the random number decides the server of each request", async () => {
  await using cluster = await Cluster.start();
  let drawn = 0;
  await using client = new KvClient(cluster.addresses, { once: true, random: () => drawn });
  const servers = [];
  for (drawn of [0, 0.34, 0.67, 0.999]) servers.push((await client.put("k", "v")).server);
  const [a, b, c] = cluster.servers.map(({ name }) => name);
  assertEquals(servers, [a, b, c, c]);
});

Deno.test("by default requests go to all servers", async () => {
  await using cluster = await Cluster.start();
  await using client = new KvClient(cluster.addresses);
  const servers = new Set<string>();
  // The probability that 100 draws leave out one of the three servers is below 10^-17.
  for (let n = 0; n < 100; n++) servers.add((await client.get("k")).server);
  assertEquals([...servers].sort(), cluster.servers.map(({ name }) => name).sort());
});

Deno.test("answers in another order reach their requests", async () => {
  await using server = new FakeServer(async (wire) => {
    const requests = await wire.messages(3);
    const replies = requests.map(({ id, key }) => ({
      type: "GET_OK",
      id,
      key,
      value: `de ${key}`,
      timestamp: 1,
    }));
    await wire.send(...replies.toReversed());
  });
  await using client = new KvClient([server.address]);
  const results = await Promise.all(["a", "b", "c"].map((key) => client.get(key)));
  assertEquals(results.map(({ value }) => value), ["de a", "de b", "de c"]);
});

Deno.test("a key or a value over the limits is never sent", async () => {
  await using client = new KvClient([deadAddress()]);
  const invalid: (() => Promise<unknown>)[] = [
    () => client.put("", "v"),
    () => client.get(""),
    () => client.put("k".repeat(keyBytesMax + 1), "v"),
    () => client.put("é".repeat(keyBytesMax / 2) + "e", "v"),
    () => client.put("k", "v".repeat(valueBytesMax + 1)),
    () => client.put("k", "\ud800"),
  ];
  for (const request of invalid) await assertRejects(request, InvalidArgumentError);
});

Deno.test("keys and values that are no strings are refused", async () => {
  await using client = new KvClient([deadAddress()]);
  const text = 5 as unknown as string;
  await assertRejects(
    () => client.put(text, "v"),
    InvalidArgumentError,
    "must be strings, not number",
  );
  await assertRejects(
    () => client.put("k", null!),
    InvalidArgumentError,
    "must be strings, not null",
  );
  await assertRejects(() => client.get(text), InvalidArgumentError, "must be strings, not number");
  await assertRejects(
    () => client.get("k", { timeoutMs: Infinity }),
    InvalidArgumentError,
    "at most",
  );
});

// Status

Deno.test("status lists all servers in order, also those that do not answer", async () => {
  await using cluster = await Cluster.start();
  await cluster.kill(1);
  await using client = new KvClient(cluster.addresses, { timeoutMs: 2_000 });
  await client.put("cor", "azul");
  const [leader, dead, follower] = await client.status();
  assert(leader?.reachable && follower?.reachable && dead?.reachable === false);
  assertEquals([leader, dead, follower].map(({ server }) => server), [
    ...cluster.servers.map(({ name }) => name),
  ]);
  const { status } = leader;
  assertEquals([status.server, status.leader, status.keys], [leader.server, leader.server, 1]);
  assertEquals(status.timestamp, 1);
  assertEquals("type" in status || "id" in status, false, "fields of the wire");
  assertEquals(status.followers.map(({ server, inSync }) => [server, inSync]), [
    [follower.server, true],
  ]);
  assertGreater(dead.reason.length, 5);
});

// Sessions

Deno.test("a session in JSON gives another client the same timestamps", async () => {
  await using cluster = await Cluster.start();
  await using writer = new KvClient(cluster.addresses);
  await writer.put("__proto__", "azul");
  await writer.get("nada");
  const session = JSON.parse(JSON.stringify(writer.exportSession()));
  assertEquals(session.timestamps, [["__proto__", 1]]);
  await using reader = new KvClient(cluster.addresses, { session });
  assertEquals((await reader.get("__proto__")).seen, 1);
  assertEquals(reader.exportSession(), writer.exportSession());
});

Deno.test("a session of another cluster: ClusterResetError, and nothing is written", async () => {
  await using server = await TestServer.alone();
  const session: ExportedSession = { version: 1, cluster: "outro", timestamps: [["cor", 1]] };
  await using client = new KvClient([server.address], { session });
  await assertRejects(() => client.get("cor"), ClusterResetError);
  await assertRejects(() => client.put("cor", "azul"), ClusterResetError);
  assertEquals(server.holds("cor"), undefined);
});

const good = { version: 1, cluster: "c", timestamps: [["cor", 1]] };
for (
  const [session, complaint] of [
    [null, "an object is expected, not null"],
    ["{}", 'an object is expected, not "{}"'],
    [{}, '"version" must be 1, not undefined'],
    [{ ...good, version: 2 }, '"version" must be 1, not 2'],
    [{ ...good, cluster: 7 }, '"cluster" is no cluster id: 7'],
    [{ ...good, cluster: "a b" }, '"cluster" is no cluster id: "a b"'],
    [{ ...good, timestamps: { cor: 1 } }, '"timestamps" must be a list'],
    [{ ...good, timestamps: [["cor"]] }, '"timestamps" holds ["cor"], no pair'],
    [{ ...good, timestamps: [["cor", "1"]] }, '"timestamps" holds ["cor","1"], no pair'],
    [{ ...good, timestamps: [["cor", 1.5]] }, "no pair of key and timestamp"],
    [{ ...good, timestamps: [["cor", -1]] }, 'the timestamp of "cor" cannot be -1'],
    [{ ...good, timestamps: [["cor", 2 ** 53]] }, 'the timestamp of "cor" cannot be 9007199'],
    [{ ...good, timestamps: [["", 1]] }, '"key" is empty'],
  ] as const
) {
  Deno.test(`this is not accepted as a session: ${JSON.stringify(session)}`, () => {
    assertThrows(
      () => new KvClient([deadAddress()], { session: session as ExportedSession }),
      SessionError,
      complaint,
    );
  });
}

// Closing

Deno.test("a server that hangs does not delay requests to another", async () => {
  await using hanging = new FakeServer(() => {});
  await using server = await TestServer.alone();
  const draws = [0, 0.5];
  await using client = new KvClient([hanging.address, server.address], {
    random: () => draws.shift()!,
  });
  const stuck = client.put("a", "1");
  stuck.catch(() => {});
  assertEquals((await client.put("b", "2")).server, server.name);
  await client.close();
  await assertRejects(() => stuck, ClientClosedError, "the client was closed");
});

Deno.test("closing fails the requests under way and all later ones", async () => {
  await using server = new FakeServer(() => {});
  const client = new KvClient([server.address]);
  const requests = [client.put("a", "1"), client.get("b")];
  const results = Promise.allSettled(requests);
  await eventually("it has connected", () => server.accepted === 1);
  await within("it closes", Promise.all([client.close(), client.close()]).then(() => {}));
  for (const result of await results) {
    assert(result.status === "rejected");
    assertInstanceOf(result.reason, ClientClosedError); // the PUT was not sent yet
  }
  const late = await assertRejects(() => client.get("a"));
  assertInstanceOf(late, ClientClosedError);
  assertEquals(late.message, "the client was closed");
});

Deno.test("a client that is closed while it connects leaves no connection", async () => {
  await using server = new FakeServer(() => {});
  for (let round = 0; round < 50; round++) {
    const client = new KvClient([server.address]);
    const request = client.get("a");
    request.catch(() => {});
    for (let turn = 0; turn < round % 5; turn++) await Promise.resolve();
    await within("it closes", client.close());
    await assertRejects(() => request, ClientClosedError, "the client was closed");
  }
});

Deno.test("closing ends the pauses between rounds", async () => {
  const client = new KvClient([deadAddress()], { timeoutMs: 60_000 });
  const get = client.get("cor");
  get.catch(() => {});
  await client.get("cor", { timeoutMs: 100 }).catch(() => {}); // now it probably pauses between rounds
  await within("it closes", client.close());
  await assertRejects(() => get, ClientClosedError, "the client was closed");
});

Deno.test("`using` closes a client as `await using` does", async () => {
  let ended = false;
  await using server = new FakeServer(async (wire) => {
    await wire.send(rightAnswer(await wire.message()));
    ended = await wire.line() === undefined;
  });
  {
    using client = new KvClient([server.address]);
    await client.get("cor");
  }
  await eventually("the connection has ended", () => ended);
});

Deno.test("what an earlier leader has shown is confirmed before a GET, and told if it was lost", async () => {
  const later = 2 ** 32;
  const requests: unknown[] = [];
  const gone: { lost?: true } = {};
  await using server = FakeServer.answering(({ type, id, key, atLeast }) => {
    requests.push([type, atLeast]);
    if (type === "GET") return { type: "GET_OK", id, key, value: "x", timestamp: later };
    if (gone.lost) return { type: "TRY_OTHER_SERVER_OR_LATER", id, timestamp: later, ...gone };
    return { type: "LIST_OK", id, entries: [], more: false, timestamp: later };
  });
  const session: ExportedSession = { version: 1, cluster: "", timestamps: [], applied: [7, later] };
  await using client = new KvClient([server.address], { session });
  assertEquals((await client.get("cor")).value, "x");
  await client.get("cor");
  assertEquals(requests, [["LIST", 7], ["GET", later], ["GET", later]]);
  gone.lost = true;
  requests.length = 0;
  await using another = new KvClient([server.address], { session });
  await assertRejects(() => another.get("cor"), LostError);
  assertEquals(requests, [["LIST", 7]]);
});

Deno.test("an option that is undefined is one that is not given", async () => {
  await using server = FakeServer.answering(rightAnswer);
  await using client = new KvClient([server.address], {
    ...{ timeoutMs: undefined, once: undefined, session: undefined, password: undefined },
    ...{ tls: undefined, random: undefined },
  });
  assertEquals((await client.put("k", "v", { ifTimestamp: undefined })).timestamp, 5);
});
