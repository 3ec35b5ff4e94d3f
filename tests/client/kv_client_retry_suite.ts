/** The client library if servers fail: the server that is asked next, and PUTs not repeated. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertRejects,
} from "@std/assert";
import { delay } from "@std/async/delay";
import {
  ForbiddenError,
  InvalidArgumentError,
  KvError,
  ProtocolError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import {
  type ExportedSession,
  KvClient,
  type KvClientOptions,
} from "../../lib/client/kv_client.ts";
import { attemptMs } from "../../lib/client/retry.ts";
import { errorReply, getOk, rightAnswer, tryOther } from "../support/fake_answers.ts";
import { FakeServer } from "../support/fake_server.ts";
import { deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually } from "../support/waiting.ts";
import type { Message } from "../support/wire_client.ts";

/** Draws the first server that is left: a test lists the servers in the order to ask. */
const inOrder: KvClientOptions = { random: () => 0 };

/** A timeout that is far shorter than the longest wait of a test. */
const shortMs = 300;

// Which server is asked next

Deno.test("no connection: GET and PUT go to another server", async () => {
  await using good = FakeServer.answering(rightAnswer);
  await using client = new KvClient([deadAddress(), good.address], inOrder);
  assertEquals((await client.get("cor")).server, good.name);
  await using other = new KvClient([deadAddress(), good.address], inOrder);
  assertEquals((await other.put("cor", "azul")).server, good.name);
});

Deno.test("a server that hangs before the PUT is sent: the PUT goes to another server", async () => {
  await using hanging = new FakeServer(() => {});
  await using good = FakeServer.answering(rightAnswer);
  await using client = new KvClient([hanging.address, good.address], inOrder);
  assertEquals((await client.put("cor", "azul")).server, good.name);
});

Deno.test("a server that hangs on a GET: the GET goes to another server, and so does the next one", async () => {
  await using hanging = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await using good = FakeServer.answering(rightAnswer);
  await using client = new KvClient([hanging.address, good.address], inOrder);
  const from = performance.now();
  assertEquals((await client.get("cor")).server, good.name);
  assertGreaterOrEqual(performance.now() - from, attemptMs - 5);
  const then = performance.now();
  assertEquals((await client.get("cor")).server, good.name);
  assertLess(performance.now() - then, attemptMs / 2);
});

Deno.test("the first server gets half of the time, so that a short deadline is enough for two servers", async () => {
  await using hanging = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await using good = FakeServer.answering(rightAnswer);
  await using client = new KvClient([hanging.address, good.address], inOrder);
  assertEquals((await client.get("cor", { timeoutMs: shortMs })).server, good.name);
});

Deno.test("TRY_OTHER_SERVER_OR_LATER: the GET goes to another server", async () => {
  await using late = FakeServer.answering((request) => tryOther(request, 3));
  await using good = FakeServer.answering((request) => getOk(request, 7));
  const session: ExportedSession = { version: 1, cluster: "", timestamps: [["cor", 7]] };
  await using client = new KvClient([late.address, good.address], { ...inOrder, session });
  assertEquals(await client.get("cor"), {
    ...{ server: good.name, value: "azul", timestamp: 7, seen: 7 },
  });
});

Deno.test("TRY_OTHER_SERVER_OR_LATER: the only server is asked again until it has caught up", async () => {
  let asked = 0;
  await using server = FakeServer.answering((request) =>
    ++asked < 4 ? tryOther(request, 3) : getOk(request, 7)
  );
  const session: ExportedSession = { version: 1, cluster: "", timestamps: [["cor", 7]] };
  await using client = new KvClient([server.address], { session });
  assertEquals((await client.get("cor")).timestamp, 7);
  assertEquals(asked, 4);
});

Deno.test("an absent key is an answer: no other server is asked", async () => {
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
  await client.get("cor", { timeoutMs: 100 }).catch(() => {}); // so that some attempts fail
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
    ["UNKNOWN_OUTCOME", (request: Message) => errorReply(request, "UNKNOWN_OUTCOME")],
    ["the end of the connection", () => undefined],
    ["garbage", () => "<html>\n"],
  ] as const
) {
  Deno.test(`a PUT that was answered with ${what} is not repeated`, async () => {
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
  Deno.test(`a PUT that was answered ${code} is not applied: it goes to another server`, async () => {
    await using busy = FakeServer.answering((request) => errorReply(request, code));
    await using good = FakeServer.answering(rightAnswer);
    await using client = new KvClient([busy.address, good.address], inOrder);
    assertEquals((await client.put("cor", "azul")).server, good.name);
  });
}

Deno.test("a PUT that is answered UNAVAILABLE late is not sent again, so that its outcome is known", async () => {
  let puts = 0;
  await using late = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      puts++;
      await delay(0.7 * shortMs); // as a leader that waits for followers
      await wire.write(`${JSON.stringify(errorReply(JSON.parse(line), "UNAVAILABLE"))}\n`);
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

for (
  const [code, refused] of [
    ["BAD_MESSAGE", ProtocolError],
    ["TOO_LARGE", InvalidArgumentError],
    ["FORBIDDEN", ForbiddenError],
  ] as const
) {
  Deno.test(`all servers answer ${code}: each is asked once, and the call fails at once`, async () => {
    const asked: string[] = [];
    const refuse =
      (name: string) => (request: Message) => (asked.push(name), errorReply(request, code));
    await using a = FakeServer.answering(refuse("a"));
    await using b = FakeServer.answering(refuse("b"));
    await using client = new KvClient([a.address, b.address]);
    const from = performance.now();
    const error = await assertRejects(() => client.put("cor", "azul"), KvError, "hoje não");
    assertInstanceOf(error, refused);
    assertLess(performance.now() - from, 2_000);
    assertEquals(asked.sort(), ["a", "b"]);
  });
}

// How a call ends

Deno.test("all servers are behind until the deadline: StaleError with the timestamp of each", async () => {
  await using a = FakeServer.answering((request) => tryOther(request, 3));
  await using b = FakeServer.answering((request) => tryOther(request, 4));
  const dead = deadAddress();
  const session: ExportedSession = { version: 1, cluster: "", timestamps: [["cor", 7]] };
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

Deno.test("no server answers: UnavailableError with the reason for each", async () => {
  await using garbage = FakeServer.answering(() => "<html>\n");
  const dead = deadAddress();
  await using client = new KvClient([dead, garbage.address], { timeoutMs: shortMs });
  const failure = await assertRejects(() => client.get("cor"), UnavailableError);
  assert(failure.message.includes(`127.0.0.1:${dead.port}: `), failure.message);
  assert(failure.message.includes(`${garbage.name}: the server broke`), failure.message);
});

Deno.test("a server that has failed is avoided: not every request connects to it", async () => {
  let calls = 0;
  await using bad = new FakeServer((wire) => {
    calls++;
    wire.close();
  });
  await using good = FakeServer.answering(rightAnswer);
  await using client = new KvClient([bad.address, good.address], inOrder);
  const from = performance.now();
  for (let n = 0; n < 300; n++) assertEquals((await client.get("cor")).server, good.name);
  // It is avoided for at least 50 ms at first, and longer each time.
  assertLess(calls, 3 + (performance.now() - from) / 50);
});

Deno.test("a late answer to a GET is not returned if the client has seen a newer value meanwhile", async () => {
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
  await eventually("it is sent", () => asked === 1);
  assertEquals((await client.get("cor")).timestamp, 9);
  newer.resolve();
  const { value, timestamp } = await late;
  assertEquals([value, timestamp], ["novo", 9]);
});

Deno.test("the error has a code only if all servers answered with it", async () => {
  await using a = FakeServer.answering((request) => errorReply(request, "OVERLOADED"));
  await using b = FakeServer.answering((request) => errorReply(request, "OVERLOADED"));
  await using c = FakeServer.answering((request) => errorReply(request, "UNAVAILABLE"));
  const codeOf = async (...servers: FakeServer[]) => {
    await using client = new KvClient(servers.map(({ address }) => address), {
      timeoutMs: shortMs,
    });
    return (await assertRejects(() => client.put("cor", "azul"), UnavailableError)).code;
  };
  assertEquals(await codeOf(a, b), "OVERLOADED");
  assertEquals(await codeOf(a, c), undefined);
});
