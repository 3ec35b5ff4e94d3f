/**
 * The client library with tens of thousands of requests at once, at healthy, dead and silent servers.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { ServerCluster } from "../../../bench/server_cluster.ts";
import { KvClient, UnavailableError, UnknownOutcomeError } from "../../../lib/client/kv_client.ts";
import { requestTimeoutMs } from "../../../lib/limits.ts";
import { rightAnswer } from "../../support/fake_answers.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { deadAddress } from "../../support/ports.ts";

const unix = Deno.build.os !== "windows";
/** What a call may take longer than its time and the stalls: ticks, and a busy machine. */
const slackMs = 1_000;

/** What became of many calls. */
interface Outcome {
  readonly done: number;
  /** The errors by the number of the call. */
  readonly errors: ReadonlyMap<number, Error>;
  /** The longest that a call took, in milliseconds. */
  readonly longestMs: number;
  /** How long the event loop was blocked, in milliseconds. */
  readonly stalledMs: number;
}

/** Makes calls all at once, then blocks the event loop for `blockMs`. Waits until all have ended. */
async function atOnce(
  count: number,
  call: (n: number) => Promise<unknown>,
  blockMs = 0,
): Promise<Outcome> {
  const errors = new Map<number, Error>();
  let longestMs = 0;
  let stalledMs = 0;
  let ticked = performance.now();
  const one = async (n: number) => {
    const from = performance.now();
    await call(n).catch((error) => errors.set(n, error));
    longestMs = Math.max(longestMs, performance.now() - from);
  };
  const tick = setInterval(() => {
    const now = performance.now();
    stalledMs += Math.max(now - ticked - 10, 0);
    ticked = now;
  }, 5);
  const calls = Array.from({ length: count }, (_, n) => one(n));
  for (const until = performance.now() + blockMs; performance.now() < until;);
  await Promise.all(calls);
  clearInterval(tick);
  stalledMs += performance.now() - ticked; // many calls may have failed in this turn
  return { done: count - errors.size, errors, longestMs, stalledMs };
}

/** Asserts that what failed has failed in time, with an error that is true as far as it can be seen. */
function assertFailedWell({ errors, longestMs, stalledMs }: Outcome, timeoutMs: number): void {
  assertLess(longestMs, timeoutMs + stalledMs + slackMs);
  for (const error of errors.values()) {
    assert(
      error instanceof UnavailableError || error instanceof UnknownOutcomeError,
      error.stack ?? "",
    );
    for (const [, ms] of error.message.matchAll(/within (\S+) ms/g)) assertMatch(ms!, /^[1-9]\d*$/);
  }
}

/** Asserts that all calls have succeeded in time. */
function assertAllDone(outcome: Outcome, timeoutMs = requestTimeoutMs): void {
  const [first] = outcome.errors.values();
  assertEquals(outcome.errors.size, 0, first?.message);
  assertFailedWell(outcome, timeoutMs);
}

Deno.test("tens of thousands of requests at once succeed within one deadline", async () => {
  await using servers = await ServerCluster.start();
  {
    await using client = new KvClient(servers.addresses);
    assertAllDone(await atOnce(30_000, (n) => client.get(`k${n}`)));
  }
  await using client = new KvClient(servers.addresses);
  assertAllDone(await atOnce(20_000, (n) => client.put(`k${n % 1_000}`, `${n}`)));
  // At these loads a busy machine may be too slow. What fails is told at once and truly.
  const gets = await atOnce(100_000, (n) => client.get(`k${n}`));
  assertFailedWell(gets, requestTimeoutMs);
  const puts = await atOnce(50_000, (n) => client.put(`k${n % 1_000}`, `${n}`));
  assertFailedWell(puts, requestTimeoutMs);
  for (const { errors } of [gets, puts]) {
    for (const { message } of errors.values()) assertMatch(message, /^not sent within/);
  }
  assertAllDone(await atOnce(1, () => client.get("k1")));
});

Deno.test("a caller that blocks the loop for seconds loses no requests", async () => {
  await using servers = await ServerCluster.start();
  for (const timeoutMs of [requestTimeoutMs, 1_000]) {
    for (const kind of ["get", "put"] as const) {
      await using client = new KvClient(servers.addresses, { timeoutMs });
      const call = (n: number) =>
        kind === "get" ? client.get(`k${n}`) : client.put(`k${n}`, "azul");
      assertAllDone(await atOnce(2_000, call, 3_000), timeoutMs);
    }
  }
});

Deno.test("values of 1 MiB at once: no connection is cut off", async () => {
  await using servers = await ServerCluster.start({ size: 1 });
  const timeoutMs = 30_000;
  await using client = new KvClient(servers.addresses, { timeoutMs });
  const value = "x".repeat(1024 * 1024);
  assertAllDone(await atOnce(80, (n) => client.put(`k${n}`, value)), timeoutMs);
  assertAllDone(await atOnce(200, (n) => client.get(`k${n % 80}`)), timeoutMs);
});

Deno.test("no server listens: all calls fail in time, and were not applied", async () => {
  const servers = [deadAddress(), deadAddress(), deadAddress()];
  for (const kind of ["get", "put"] as const) {
    await using client = new KvClient(servers, { timeoutMs: 1_500 });
    const call = (n: number) => kind === "get" ? client.get(`k${n}`) : client.put(`k${n}`, "azul");
    const outcome = await atOnce(10_000, call);
    assertFailedWell(outcome, 1_500);
    for (const error of outcome.errors.values()) assert(error instanceof UnavailableError);
  }
});

Deno.test("in too short a time: what fails was not sent, or may be applied", async () => {
  await using servers = await ServerCluster.start();
  await using client = new KvClient(servers.addresses, { timeoutMs: 200 });
  const outcome = await atOnce(20_000, (n) => client.put(`k${n}`, "azul"));
  assertFailedWell(outcome, 200);
  await assertTrue(outcome, servers);
});

Deno.test({
  name: "one server is dead or silent: GETs succeed, and what is told about PUTs is true",
  ignore: !unix,
  fn: async () => {
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      await using servers = await ServerCluster.start();
      const process = servers.processes[2]!;
      process.signal(signal);
      try {
        await using client = new KvClient(servers.addresses);
        assertAllDone(await atOnce(20_000, (n) => client.get(`k${n}`)));
        const outcome = await atOnce(10_000, (n) => client.put(`k${n}`, "azul"));
        assertFailedWell(outcome, requestTimeoutMs);
        await assertTrue(outcome, servers);
      } finally {
        if (signal === "SIGSTOP") process.signal("SIGCONT");
      }
    }
  },
});

/** Asserts that each acknowledged PUT was applied, and that none is there which was told not to be. */
async function assertTrue({ errors }: Outcome, servers: ServerCluster): Promise<void> {
  await using client = new KvClient(servers.addresses.slice(0, 1), { timeoutMs: 20_000 });
  const values = await Promise.all(
    Array.from({ length: 10_000 }, (_, n) => client.get(`k${n}`)),
  );
  for (const [n, { value }] of values.entries()) {
    const error = errors.get(n);
    if (error === undefined) assertEquals(value, "azul", `k${n} was acknowledged`);
    else if (error instanceof UnavailableError) {
      assertEquals(value, null, `k${n}: ${error.message}`);
    }
  }
}

Deno.test("all connections go dead without a word: later requests succeed within one deadline", async () => {
  const dead = (): FakeServer =>
    new FakeServer(async (wire, index) => {
      if (index === 0) await wire.send(rightAnswer(await wire.message()));
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        if (index > 0) await wire.send(rightAnswer(JSON.parse(line)));
      }
    });
  await using a = dead();
  await using b = dead();
  await using c = dead();
  const servers = [a, b, c];
  await using client = new KvClient(servers.map(({ address }) => address));
  for (let n = 0; servers.some(({ accepted }) => accepted === 0) && n < 1_000; n++) {
    // Each server answers one GET; a second one on the same connection gets no answer.
    await client.get(`k${n}`, { timeoutMs: 50 }).catch(() => {});
  }
  assertAllDone(await atOnce(500, (n) => client.get(`k${n}`)));
});
