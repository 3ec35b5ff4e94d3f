/** The client library if a caller gives up: timeouts, signals, and silent connections. */

import { assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import {
  InvalidArgumentError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { abandonedMax, silentServerMs } from "../../lib/client/silence.ts";
import { rightAnswer } from "../support/fake_answers.ts";
import { FakeServer } from "../support/fake_server.ts";
import { deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually } from "../support/waiting.ts";

for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31]) {
  Deno.test(`${timeoutMs} is not accepted as timeoutMs`, async () => {
    assertThrows(
      () => new KvClient([deadAddress()], { timeoutMs }),
      InvalidArgumentError,
      `${timeoutMs}`,
    );
    await using client = new KvClient([deadAddress()]);
    await assertRejects(
      () => client.get("cor", { timeoutMs }),
      InvalidArgumentError,
      `${timeoutMs}`,
    );
  });
}

Deno.test("a thousand requests on one connection share a timer", async () => {
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

Deno.test("if the signal is aborted already, nothing is sent, and its reason is the error", async () => {
  let asked = 0;
  await using server = FakeServer.answering((request) => (asked++, rightAnswer(request)));
  await using client = new KvClient([server.address]);
  const signal = AbortSignal.abort(new Error("chega"));
  await assertRejects(() => client.get("cor", { signal }), Error, "chega");
  await assertRejects(() => client.put("cor", "azul", { signal }), Error, "chega");
  assertEquals(asked, 0);
});

Deno.test("aborting one request does no harm to the others on its connection", async () => {
  const go = Promise.withResolvers<void>();
  let got = 0;
  await using server = new FakeServer(async (wire) => {
    const requests = await wire.messages(3);
    got = requests.length;
    await go.promise;
    await wire.send(...requests.map(rightAnswer));
    await wire.send(rightAnswer(await wire.message()));
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
  assertEquals((await client.get("b")).seen, 0); // the session learned nothing from the dropped answers
  assertEquals(server.accepted, 1);
});

Deno.test("a PUT that is aborted before it is sent is never sent", async () => {
  const lines: string[] = [];
  const release = Promise.withResolvers<void>();
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      lines.push(line);
    }
  });
  // The test decides how long connecting takes.
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

Deno.test("a signal ends the pause between two rounds", async () => {
  await using client = new KvClient([deadAddress()], { timeoutMs: 60_000 });
  const signal = AbortSignal.timeout(150);
  const from = performance.now();
  await assertRejects(() => client.get("cor", { signal }), DOMException, "timeout");
  assertLess(performance.now() - from, 5_000);
});

Deno.test("a late answer is dropped, and its connection stays in use", async () => {
  const late = Promise.withResolvers<void>();
  await using server = new FakeServer(async (wire) => {
    const put = await wire.message();
    await late.promise;
    await wire.send(rightAnswer(put), rightAnswer(await wire.message()));
  });
  await using client = new KvClient([server.address]);
  await assertRejects(() => client.put("cor", "azul", { timeoutMs: 50 }), UnknownOutcomeError);
  late.resolve();
  assertEquals((await client.get("cor")).seen, 0);
  assertEquals(server.accepted, 1);
});

Deno.test("a silent connection takes no new requests, but its PUT still gets its answer", async () => {
  const go = Promise.withResolvers<void>();
  await using server = new FakeServer(async (wire, index) => {
    if (index === 0) {
      const put = await wire.message();
      await go.promise;
      await wire.send(rightAnswer(put));
      assertEquals(await wire.message(), { type: "GET", id: 2, key: "a", timestamp: 0 });
      assertEquals(await wire.line(), undefined, "it ends after its last request");
    } else {
      await wire.send(rightAnswer(await wire.message()));
    }
  });
  await using client = new KvClient([server.address], { once: true });
  const put = client.put("cor", "azul");
  const options = { timeoutMs: silentServerMs + 100 };
  await assertRejects(() => client.get("a", options), UnavailableError, "no answer within");
  assertEquals((await client.get("b")).value, "azul");
  assertEquals(server.accepted, 2);
  go.resolve();
  assertEquals((await put).timestamp, 5);
});

Deno.test("a connection with too many abandoned requests is replaced", async () => {
  await using server = new FakeServer(async (wire, index) => {
    if (index > 0) await wire.send(rightAnswer(await wire.message()));
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
