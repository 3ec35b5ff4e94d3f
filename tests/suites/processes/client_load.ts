/** The client library with many requests at once, and with a caller that blocks the event loop. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { awaitedFirst, awaitedMax } from "../../../lib/client/connection_room.ts";
import {
  ClientClosedError,
  ForbiddenError,
  KvError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../../lib/client/errors.ts";
import { KvClient, type StatusResult } from "../../../lib/client/kv_client.ts";
import { silentServerMs } from "../../../lib/client/silence.ts";
import { errorReply, rightAnswer, tryOther } from "../../support/fake_answers.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { eventually } from "../../support/waiting.ts";
import type { Message } from "../../support/wire_client.ts";

/** Blocks the event loop. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

// A caller that blocks the event loop

Deno.test("calls of a caller that then blocks the loop for longer than their time succeed", async () => {
  await using server = FakeServer.answering(rightAnswer);
  await using client = new KvClient([server.address], { timeoutMs: 600 });
  const calls = [
    client.status().then(([status]) => assert(status!.reachable)), // connecting takes no longer either
    ...Array.from({ length: 20 }, (_, n) => client.get(`k${n}`)),
    ...Array.from({ length: 20 }, (_, n) => client.put(`k${n}`, "azul")),
  ];
  block(700);
  assertEquals((await Promise.all(calls)).length, calls.length);
  assertEquals(server.accepted, 1);
});

Deno.test("an answer that came before the deadline counts, even if the loop was blocked since", async () => {
  await using server = new FakeServer(async (wire) => {
    await wire.send(rightAnswer(await wire.message()));
    const put = await wire.message();
    await wire.send(rightAnswer(put));
    block(700);
  });
  await using client = new KvClient([server.address], { timeoutMs: 600 });
  await client.get("a");
  assertEquals((await client.put("cor", "azul")).timestamp, 5);
});

Deno.test("a call takes no longer than its time if the loop is not blocked", async () => {
  await using server = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await using client = new KvClient([server.address], { timeoutMs: 60 });
  const from = performance.now();
  const calls = Array.from({ length: 300 }, (_, n) => client.get(`k${n}`));
  for (const result of await Promise.allSettled(calls)) assertEquals(result.status, "rejected");
  assertLess(performance.now() - from, 60 + 1_000);
});

// Many requests at once

/** What a server has received. */
interface Received {
  readonly keys: string[];
  /** The most requests that had no answer at one time. */
  most: number;
}

/** A server that lets requests pile up for some milliseconds before it answers them. */
function slowServer(received: Received, answerAfterMs: number): FakeServer {
  return new FakeServer(async (wire) => {
    let unanswered: Message[] = [];
    const answer = () => {
      const all = unanswered;
      unanswered = [];
      wire.send(...all.map(rightAnswer)).catch(() => {});
    };
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const request = JSON.parse(line);
      if (unanswered.push(request) === 1) setTimeout(answer, answerAfterMs);
      received.most = Math.max(received.most, unanswered.length);
      received.keys.push(request.key);
    }
  });
}

Deno.test("a bounded number of requests is under way, and the others go in the order of the calls", async () => {
  const received: Received = { keys: [], most: 0 };
  await using server = slowServer(received, 2);
  await using client = new KvClient([server.address]);
  const calls = Array.from({ length: 1_500 }, (_, n) => client.get(`k${n}`));
  await eventually("the first are sent", () => received.keys.length >= awaitedFirst);
  assertLessOrEqual(received.most, awaitedFirst + 3);
  assertEquals((await Promise.all(calls)).length, calls.length);
  assertLessOrEqual(received.most, awaitedMax);
  assertEquals(received.keys, calls.map((_, n) => `k${n}`));
});

Deno.test("a PUT that waited in the client was not applied; only those that were sent may be", async () => {
  const puts = new Set<unknown>();
  let ended = false;
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      puts.add(JSON.parse(line).key);
    }
    ended = true;
  });
  const client = new KvClient([server.address], { timeoutMs: 200 });
  const calls = Array.from({ length: 500 }, (_, n) => client.put(`k${n}`, "azul"));
  const results = await Promise.allSettled(calls);
  await client.close();
  await eventually("all that was sent has come", () => ended);
  for (const [n, result] of results.entries()) {
    assert(result.status === "rejected");
    assertMatch(result.reason.message, /^(no answer|not sent) within [1-9]\d* ms/);
    if (puts.has(`k${n}`)) assert(result.reason instanceof UnknownOutcomeError, `k${n}`);
  }
  const unsent = results.filter((result) =>
    result.status === "rejected" && result.reason instanceof UnavailableError
  );
  assertGreaterOrEqual(unsent.length, calls.length - awaitedMax / 4);
});

Deno.test("with `once` too, a bounded number of requests is under way", async () => {
  const received: Received = { keys: [], most: 0 };
  await using server = slowServer(received, 2);
  await using client = new KvClient([server.address], { once: true });
  const calls = Array.from({ length: 1_500 }, (_, n) => client.put(`k${n}`, "azul"));
  assertEquals((await Promise.all(calls)).length, calls.length);
  assertLessOrEqual(received.most, awaitedMax);
});

Deno.test("closing the client fails the calls that wait in it: they were not sent", async () => {
  await using server = new FakeServer(() => {});
  const client = new KvClient([server.address]);
  const calls = Array.from({ length: 500 }, (_, n) => client.put(`k${n}`, "azul"));
  const results = Promise.allSettled(calls);
  await client.close();
  for (const result of await results) {
    assert(result.status === "rejected" && result.reason instanceof ClientClosedError);
  }
});

Deno.test("many calls share one listener of their signal, also those that wait", async () => {
  await using server = new FakeServer(async (wire) => {
    while (await wire.line() !== undefined);
  });
  await using client = new KvClient([server.address]);
  const controller = new AbortController();
  const { signal } = controller;
  let added = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (added++, add(...args));
  const calls = Array.from({ length: 500 }, (_, n) => client.get(`k${n}`, { signal }));
  const results = Promise.allSettled(calls);
  assertEquals(added, 1);
  controller.abort(new Error("chega"));
  for (const result of await results) {
    assert(result.status === "rejected");
    assertEquals(result.reason.message, "chega");
  }
});

// Silent servers

Deno.test("a connection that answered and then went silent takes no more requests", async () => {
  await using server = new FakeServer(async (wire, index) => {
    await wire.send(rightAnswer(await wire.message()));
    if (index > 0) await wire.send(rightAnswer(await wire.message()));
  });
  await using client = new KvClient([server.address], { once: true });
  const timeoutMs = silentServerMs + 50;
  const [answered, silent] = [client.get("a"), client.get("b", { timeoutMs })];
  await answered;
  await assertRejects(() => silent, UnavailableError, "no answer within");
  assertEquals((await client.get("c")).value, "azul");
  assertEquals(server.accepted, 2);
});

Deno.test("a connection that goes dead while it opens is replaced within the time of one call", async () => {
  await using server = new FakeServer(async (wire, index) => {
    if (index === 0) { while (await wire.line() !== undefined); }
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const request = JSON.parse(line);
      const answer = request.type === "STATUS" ? errorReply(request, "BAD_MESSAGE") : undefined;
      await wire.send(answer ?? rightAnswer(request));
    }
  }, { answersStatus: false });
  await using client = new KvClient([server.address], { timeoutMs: 3_000 });
  const calls = Array.from({ length: 200 }, (_, n) => client.get(`k${n}`));
  for (const { value } of await Promise.all(calls)) assertEquals(value, "azul");
  assertEquals(server.accepted, 2);
});

// Servers that are behind

Deno.test("servers that are all behind: many GETs end in time, and few STATUS are sent", async () => {
  let statuses = 0;
  let gets = 0;
  const behind = () =>
    new FakeServer(async (wire) => {
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        const request = JSON.parse(line);
        if (request.type === "STATUS") {
          statuses++;
          await wire.send(errorReply(request, "BAD_MESSAGE"));
        } else {
          gets++;
          await wire.send(tryOther(request, 0));
        }
      }
    }, { answersStatus: false });
  await using a = behind();
  await using b = behind();
  await using client = new KvClient([a.address, b.address], { timeoutMs: 1_000 });
  const from = performance.now();
  const calls = Array.from({ length: 2_000 }, (_, n) => client.get(`k${n}`));
  for (const result of await Promise.allSettled(calls)) {
    assert(result.status === "rejected");
    assertInstanceOf(result.reason, KvError);
  }
  assertLess(performance.now() - from, 2 * 1_000 + 500);
  assertLess(statuses, 20);
  assertGreater(gets, 1_000);
});

Deno.test("many calls of status share requests, and each keeps its own time", async () => {
  let statuses = 0;
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      statuses++;
      if (statuses === 1) await wire.send(errorReply(JSON.parse(line), "BAD_MESSAGE"));
    }
  }, { answersStatus: false });
  await using client = new KvClient([server.address], { timeoutMs: 400 });
  const calls = Array.from({ length: 500 }, (_, n) => client.status({ timeoutMs: 300 + n % 2 }));
  const last = client.status({ timeoutMs: 100 });
  assertMatch(reasonOf(await last), /no answer within 100 ms/);
  for (const [n, result] of (await Promise.all(calls)).entries()) {
    assertMatch(reasonOf(result), new RegExp(`no answer within ${300 + n % 2} ms`));
  }
  assertLess(statuses, 5);
});

function reasonOf([result]: StatusResult[]): string {
  return result!.reachable ? "reachable" : result!.reason;
}

// Servers that refuse

Deno.test("no PUT is sent to a server that wants a password, and all calls fail at once", async () => {
  const types = new Set<unknown>();
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const request = JSON.parse(line);
      types.add(request.type);
      await wire.send(errorReply(request, "FORBIDDEN"));
    }
  }, { answersStatus: false });
  await using client = new KvClient([server.address]);
  const calls = Array.from({ length: 1_000 }, (_, n) => client.put(`k${n}`, "segredo"));
  const from = performance.now();
  for (const result of await Promise.allSettled(calls)) {
    assert(result.status === "rejected" && result.reason instanceof ForbiddenError);
  }
  assertLess(performance.now() - from, 1_000);
  assertEquals([...types], ["STATUS"]);
  assertEquals(server.accepted, 1);
});
