/** The client library where servers fail: who is asked next, what is never repeated, and what ends in time. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { delay } from "@std/async/delay";
import {
  ClusterResetError,
  KvClient,
  type KvClientOptions,
  SessionError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/kv_client.ts";
import { abandonedMax, silentServerMs } from "../../lib/client/server_connection.ts";
import { attemptMs } from "../../lib/client/kv_client.ts";
import {
  Cluster,
  deadAddress,
  eventually,
  FakeServer,
  type Message,
  TestServer,
  within,
} from "../support/helpers.ts";

/** Draws the first server that is left, then the next: tests say who is asked first. */
const inOrder: KvClientOptions = { random: () => 0 };

function getOk({ id, key }: Message, timestamp = 5, value: string | null = "azul"): Message {
  return { type: "GET_OK", id, key, value, timestamp };
}

function putOk({ id, key }: Message): Message {
  return { type: "PUT_OK", id, key, timestamp: 5 };
}

function answer(request: Message): Message {
  return request.type === "PUT" ? putOk(request) : getOk(request);
}

function tryOther({ id, key }: Message, timestamp: number): Message {
  return { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp };
}

function error({ id }: Message, code: string): Message {
  return { type: "ERROR", id, code, message: "hoje não" };
}

/** Runs out well before a test does. */
const shortMs = 300;

// Who is asked next

Deno.test("a dead server: another one is asked, for GET and for PUT", async () => {
  await using good = FakeServer.answering(answer);
  await using client = new KvClient([deadAddress(), good.address], inOrder);
  assertEquals((await client.get("cor")).server, good.name);
  await using other = new KvClient([deadAddress(), good.address], inOrder);
  assertEquals((await other.put("cor", "azul")).server, good.name);
});

Deno.test("a server that hangs before anything is sent: a PUT goes to another one", async () => {
  await using hanging = new FakeServer(() => {});
  await using good = FakeServer.answering(answer);
  await using client = new KvClient([hanging.address, good.address], inOrder);
  assertEquals((await client.put("cor", "azul")).server, good.name);
});

Deno.test("a server that takes a GET and hangs: another one is asked in time, and then first", async () => {
  await using hanging = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await using good = FakeServer.answering(answer);
  await using client = new KvClient([hanging.address, good.address], inOrder);
  const from = performance.now();
  assertEquals((await client.get("cor")).server, good.name);
  assertGreaterOrEqual(performance.now() - from, attemptMs - 5);
  const then = performance.now();
  assertEquals((await client.get("cor")).server, good.name);
  assertLess(performance.now() - then, attemptMs / 2);
});

Deno.test("half of the time goes to the first server, so that a short deadline is enough for two", async () => {
  await using hanging = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await using good = FakeServer.answering(answer);
  await using client = new KvClient([hanging.address, good.address], inOrder);
  assertEquals((await client.get("cor", { timeoutMs: shortMs })).server, good.name);
});

Deno.test("TRY_OTHER_SERVER_OR_LATER: the other servers are asked, then the value is there", async () => {
  await using late = FakeServer.answering((request) => tryOther(request, 3));
  await using good = FakeServer.answering((request) => getOk(request, 7));
  const session = { version: 1, cluster: "", timestamps: [["cor", 7]] };
  await using client = new KvClient([late.address, good.address], { ...inOrder, session });
  assertEquals(await client.get("cor"), {
    ...{ server: good.name, value: "azul", timestamp: 7, seen: 7 },
  });
});

Deno.test("or later: one server that is behind is asked again until it has caught up", async () => {
  let asked = 0;
  await using server = FakeServer.answering((request) =>
    ++asked < 4 ? tryOther(request, 3) : getOk(request, 7)
  );
  const session = { version: 1, cluster: "", timestamps: [["cor", 7]] };
  await using client = new KvClient([server.address], { session });
  assertEquals((await client.get("cor")).timestamp, 7);
  assertEquals(asked, 4);
});

Deno.test("an absent key is a value like others: nobody else is asked", async () => {
  let asked = 0;
  const absent = (request: Message) => (asked++, getOk(request, 0, null));
  await using a = FakeServer.answering(absent);
  await using b = FakeServer.answering(absent);
  await using client = new KvClient([a.address, b.address]);
  assertEquals((await client.get("nada")).value, null);
  assertEquals(asked, 1);
});

Deno.test("a server that comes back within the deadline is found", async () => {
  const address = deadAddress();
  await using client = new KvClient([address], { timeoutMs: 10_000 });
  const value = client.get("cor");
  await client.get("cor", { timeoutMs: 100 }).catch(() => {}); // some attempts are in vain
  await using server = await eventually("the port is free", () => {
    try {
      return new TestServer(address, undefined, { clusterSize: 1, minInSync: 1 });
    } catch {
      return undefined;
    }
  });
  assertEquals(await value, { server: server.name, value: null, timestamp: 0, seen: 0 });
});

// What is never repeated

for (
  const [what, reply] of [
    ["UNKNOWN_OUTCOME", (request: Message) => error(request, "UNKNOWN_OUTCOME")],
    ["a hang-up", () => undefined],
    ["garbage", () => "<html>\n"],
  ] as const
) {
  Deno.test(`a PUT that was sent and got ${what} for an answer is not repeated`, async () => {
    let puts = 0;
    const count = (request: Message) => (puts++, reply(request));
    await using a = FakeServer.answering(count);
    await using b = FakeServer.answering(count);
    await using client = new KvClient([a.address, b.address]);
    await assertRejects(() => client.put("cor", "azul"), UnknownOutcomeError);
    assertEquals(puts, 1);
  });
}

Deno.test("a PUT that gets no answer within its time is not repeated", async () => {
  let puts = 0;
  const swallow = async (wire: { line(): Promise<string | undefined> }) => {
    while (await wire.line() !== undefined) puts++;
  };
  await using a = new FakeServer(swallow);
  await using b = new FakeServer(swallow);
  await using client = new KvClient([a.address, b.address], { timeoutMs: shortMs });
  const failure = await assertRejects(() => client.put("cor", "azul"), UnknownOutcomeError);
  assertEquals(failure.message, `no answer within ${shortMs} ms`);
  assertEquals(puts, 1);
});

for (const code of ["UNAVAILABLE", "OVERLOADED"]) {
  Deno.test(`a PUT that was answered ${code} is certainly not written: another server is asked`, async () => {
    await using busy = FakeServer.answering((request) => error(request, code));
    await using good = FakeServer.answering(answer);
    await using client = new KvClient([busy.address, good.address], inOrder);
    assertEquals((await client.put("cor", "azul")).server, good.name);
  });
}

Deno.test("a PUT that is answered UNAVAILABLE late is not sent again: it stays certain", async () => {
  let puts = 0;
  await using late = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      puts++;
      await delay(0.7 * shortMs); // this is what a server does that waits for others
      await wire.write(`${JSON.stringify(error(JSON.parse(line), "UNAVAILABLE"))}\n`);
    }
  });
  await using silent = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined) puts++;
  });
  await using client = new KvClient([late.address, silent.address], {
    ...inOrder,
    timeoutMs: shortMs,
  });
  await assertRejects(() => client.put("cor", "azul"), UnavailableError, "hoje não");
  assertEquals(puts, 1);
});

for (const code of ["BAD_MESSAGE", "TOO_LARGE", "FORBIDDEN"]) {
  Deno.test(`all servers answer ${code}: each was asked once, and the caller is told at once`, async () => {
    const asked: string[] = [];
    const refuse = (name: string) => (request: Message) => (asked.push(name), error(request, code));
    await using a = FakeServer.answering(refuse("a"));
    await using b = FakeServer.answering(refuse("b"));
    await using client = new KvClient([a.address, b.address]);
    const from = performance.now();
    await assertRejects(() => client.put("cor", "azul"), UnavailableError, `${code}: hoje não`);
    assertLess(performance.now() - from, 2_000);
    assertEquals(asked.sort(), ["a", "b"]);
  });
}

// What ends in time, and how

Deno.test("stale everywhere: StaleError with what each server has, when the time is over", async () => {
  await using a = FakeServer.answering((request) => tryOther(request, 3));
  await using b = FakeServer.answering((request) => tryOther(request, 4));
  const dead = deadAddress();
  const session = { version: 1, cluster: "", timestamps: [["cor", 7]] };
  const options = { ...inOrder, session, timeoutMs: shortMs };
  await using client = new KvClient([a.address, dead, b.address], options);
  const from = performance.now();
  const stale = await assertRejects(() => client.get("cor"), StaleError);
  assertGreater(performance.now() - from, shortMs / 2);
  assertLess(performance.now() - from, 2 * shortMs);
  assertEquals([stale.name, stale.key, stale.seen], ["StaleError", "cor", 7]);
  const answers = [...stale.answers].sort((x, y) => x.timestamp - y.timestamp);
  assertEquals(answers, [{ server: a.name, timestamp: 3 }, { server: b.name, timestamp: 4 }]);
});

Deno.test("nobody answers: UnavailableError with what is wrong with each server", async () => {
  await using garbage = FakeServer.answering(() => "<html>\n");
  const dead = deadAddress();
  await using client = new KvClient([dead, garbage.address], { timeoutMs: shortMs });
  const failure = await assertRejects(() => client.get("cor"), UnavailableError);
  assert(failure.message.includes(`127.0.0.1:${dead.port}: `), failure.message);
  assert(failure.message.includes(`${garbage.name}: the server broke`), failure.message);
});

Deno.test("a dead server does not cost each request a connection", async () => {
  let calls = 0;
  await using bad = new FakeServer((wire) => {
    calls++;
    wire.close();
  });
  await using good = FakeServer.answering(answer);
  await using client = new KvClient([bad.address, good.address], inOrder);
  const from = performance.now();
  for (let n = 0; n < 300; n++) assertEquals((await client.get("cor")).server, good.name);
  // The first pause is at least 50 ms, and each one after it longer.
  assertLess(calls, 3 + (performance.now() - from) / 50);
});

Deno.test("a GET that was answered late gives way to something newer that came meanwhile", async () => {
  const newer = Promise.withResolvers<void>();
  let asked = 0;
  await using slow = new FakeServer(async (wire) => {
    const first = await wire.message();
    asked++;
    await newer.promise;
    await wire.send(getOk(first, 4, "antigo"));
    await wire.send(getOk(await wire.message(), 9, "novo"));
    asked++;
  });
  await using quick = FakeServer.answering((request) => getOk(request, 9, "novo"));
  const draws = [0, 0.9];
  const random = () => draws.shift() ?? 0;
  await using client = new KvClient([slow.address, quick.address], { random });
  const late = client.get("cor");
  await eventually("it is on its way", () => asked === 1);
  assertEquals((await client.get("cor")).timestamp, 9);
  newer.resolve();
  const { value, timestamp } = await late;
  assertEquals([value, timestamp], ["novo", 9]);
});

for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31]) {
  Deno.test(`${timeoutMs} is no deadline`, async () => {
    assertThrows(() => new KvClient([deadAddress()], { timeoutMs }), RangeError, `${timeoutMs}`);
    await using client = new KvClient([deadAddress()]);
    await assertRejects(() => client.get("cor", { timeoutMs }), RangeError, `${timeoutMs}`);
  });
}

Deno.test("a thousand requests cost no more timers than one", async () => {
  await using server = await TestServer.alone();
  await using client = new KvClient([server.address]);
  await client.get("cor");
  const real = globalThis.setTimeout;
  let timers = 0;
  globalThis.setTimeout = ((...args: Parameters<typeof real>) => {
    timers++;
    return real(...args);
  }) as typeof real;
  try {
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => client.get(`k${n}`)));
  } finally {
    globalThis.setTimeout = real;
  }
  assertLess(timers, 10);
});

// Giving up

Deno.test("an aborted signal: nothing is sent, and its reason is the error", async () => {
  let asked = 0;
  await using server = FakeServer.answering((request) => (asked++, answer(request)));
  await using client = new KvClient([server.address]);
  const signal = AbortSignal.abort(new Error("chega"));
  await assertRejects(() => client.get("cor", { signal }), Error, "chega");
  await assertRejects(() => client.put("cor", "azul", { signal }), Error, "chega");
  assertEquals(asked, 0);
});

Deno.test("one request is aborted, its answer comes, and the others on the connection go on", async () => {
  const go = Promise.withResolvers<void>();
  let got = 0;
  await using server = new FakeServer(async (wire) => {
    const requests = await wire.messages(3);
    got = requests.length;
    await go.promise;
    await wire.send(...requests.map(answer));
    await wire.send(answer(await wire.message()));
  });
  await using client = new KvClient([server.address]);
  const get = new AbortController();
  const put = new AbortController();
  const aborted = client.get("a", { signal: get.signal });
  const unknown = client.put("b", "1", { signal: put.signal });
  const other = client.get("c");
  await eventually("all are sent", () => got === 3);
  get.abort(new Error("chega"));
  put.abort(new Error("basta"));
  await assertRejects(() => aborted, Error, "chega");
  const failure = await assertRejects(() => unknown, UnknownOutcomeError, "basta");
  assertEquals(failure.cause, put.signal.reason);
  go.resolve();
  assertEquals((await other).timestamp, 5);
  assertEquals((await client.get("b")).seen, 0); // nothing was learnt from the dropped answers
  assertEquals(server.accepted, 1);
});

Deno.test("a PUT that is aborted before it is sent is certainly not written", async () => {
  const lines: string[] = [];
  const release = Promise.withResolvers<void>();
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      lines.push(line);
    }
  });
  // Connecting takes as long as the test wants.
  const real = Deno.connect;
  Deno.connect = (async (options: Deno.ConnectOptions) => {
    const conn = await real({ hostname: options.hostname!, port: options.port });
    await release.promise;
    return conn;
  }) as typeof Deno.connect;
  try {
    await using client = new KvClient([server.address]);
    const abort = new AbortController();
    const put = client.put("cor", "azul", { signal: abort.signal });
    await eventually("connected", () => server.accepted === 1);
    abort.abort(new Error("chega"));
    await assertRejects(() => put, Error, "chega");
    release.resolve();
    await client.get("cor", { timeoutMs: 100 }).catch(() => {});
    assertEquals(lines.filter((line) => line.includes("PUT")), []);
  } finally {
    Deno.connect = real;
  }
});

Deno.test("a pause between two rounds ends with the signal", async () => {
  await using client = new KvClient([deadAddress()], { timeoutMs: 60_000 });
  const signal = AbortSignal.timeout(150);
  const from = performance.now();
  await assertRejects(() => client.get("cor", { signal }), DOMException, "timeout");
  assertLess(performance.now() - from, 5_000);
});

Deno.test("closing ends the pauses too", async () => {
  const client = new KvClient([deadAddress()], { timeoutMs: 60_000 });
  const get = client.get("cor");
  get.catch(() => {});
  await client.get("cor", { timeoutMs: 100 }).catch(() => {}); // it is in a pause, most likely
  await within("it closes", client.close());
  await assertRejects(() => get, UnavailableError, "the client was closed");
});

Deno.test("`using` closes a client as `await using` does", async () => {
  let ended = false;
  await using server = new FakeServer(async (wire) => {
    await wire.send(answer(await wire.message()));
    ended = await wire.line() === undefined;
  });
  {
    using client = new KvClient([server.address]);
    await client.get("cor");
  }
  await eventually("the connection has ended", () => ended);
});

Deno.test("a connection that stays silent takes no new requests, but a PUT on it still gets its answer", async () => {
  const go = Promise.withResolvers<void>();
  await using server = new FakeServer(async (wire, index) => {
    if (index === 0) {
      const put = await wire.message();
      await go.promise;
      await wire.send(answer(put));
      assertEquals(await wire.message(), { type: "GET", id: 2, key: "a", timestamp: 0 });
      assertEquals(await wire.line(), undefined, "it ends with its last request");
    } else {
      await wire.send(answer(await wire.message()));
    }
  });
  await using client = new KvClient([server.address], { once: true });
  const put = client.put("cor", "azul");
  const patience = { timeoutMs: silentServerMs + 100 };
  await assertRejects(() => client.get("a", patience), UnavailableError, "no answer within");
  assertEquals((await client.get("b")).value, "azul");
  assertEquals(server.accepted, 2);
  go.resolve();
  assertEquals((await put).timestamp, 5);
});

Deno.test("answers that nobody waits for are bounded: then a new connection is made", async () => {
  await using server = new FakeServer(async (wire, index) => {
    if (index > 0) await wire.send(answer(await wire.message()));
    else while (await wire.line() !== undefined);
  });
  await using client = new KvClient([server.address], { once: true });
  const abort = new AbortController();
  const { signal } = abort;
  const requests = Array.from({ length: abandonedMax }, () => client.get("a", { signal }));
  const settled = Promise.allSettled(requests);
  // The answer to a STATUS shows that the connection is made.
  assertEquals((await client.status())[0]!.reachable, true);
  abort.abort();
  await settled;
  assertEquals((await client.get("b")).value, "azul");
  assertEquals(server.accepted, 2);
});

Deno.test("what all servers say is the code of the error, what only some say is not", async () => {
  await using a = FakeServer.answering((request) => error(request, "FORBIDDEN"));
  await using b = FakeServer.answering((request) => error(request, "FORBIDDEN"));
  await using c = FakeServer.answering((request) => error(request, "BAD_MESSAGE"));
  const codeOf = async (...servers: FakeServer[]) => {
    await using client = new KvClient(servers.map(({ address }) => address));
    return (await assertRejects(() => client.put("cor", "azul"), UnavailableError)).code;
  };
  assertEquals(await codeOf(a, b), "FORBIDDEN");
  assertEquals(await codeOf(a, c), undefined);
});

Deno.test("keys and values that are no strings are refused by name", async () => {
  await using client = new KvClient([deadAddress()]);
  const text = 5 as unknown as string;
  await assertRejects(() => client.put(text, "v"), TypeError, "must be strings, not number");
  await assertRejects(() => client.put("k", null!), TypeError, "must be strings, not null");
  await assertRejects(() => client.get(text), TypeError, "must be strings, not number");
  await assertRejects(() => client.get("k", { timeoutMs: Infinity }), RangeError, "at most");
});

// Status

Deno.test("status lists all servers in order, those that do not answer too", async () => {
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

Deno.test("a session goes through JSON into another client, which then reads nothing older", async () => {
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
  const session = { version: 1, cluster: "outro", timestamps: [["cor", 1]] };
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
  Deno.test(`not a session: ${JSON.stringify(session)}`, () => {
    assertThrows(
      () => new KvClient([deadAddress()], { session }),
      SessionError,
      complaint,
    );
  });
}
