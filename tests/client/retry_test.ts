/** The decision after a failed attempt, and the pauses between rounds. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { delay } from "../../lib/client/delay.ts";
import {
  ClientClosedError,
  ClusterResetError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import { refusal } from "../../lib/client/classify.ts";
import { attemptMs, decide, RetryLoop } from "../../lib/client/retry.ts";
import type { Call, RequestQueue } from "../../lib/client/request_queue.ts";
import type { ServerPool } from "../../lib/client/server_pool.ts";
import { errorCodes } from "../../lib/wire/errors.ts";

const pure = { permissions: "none" } as const;
const server = "127.0.0.1:10097";

Deno.test("only what is certainly not done is tried again", pure, () => {
  assertEquals(decide(new UnavailableError(server, "no connection")), "retry");
  assertEquals(decide(new UnavailableError(server, "no", { code: "OVERLOADED" })), "retry");
  assertEquals(decide(new UnknownOutcomeError(server, "no answer")), "fail");
  assertEquals(decide(new ClusterResetError(server)), "fail");
  assertEquals(decide(new ClientClosedError()), "fail");
  assertEquals(decide(new DOMException("aborted", "AbortError")), "fail");
  assertEquals(decide(undefined), "fail");
});

Deno.test("a server that will refuse again is not asked again", pure, () => {
  const decisions = errorCodes.map((code) => [code, decide(refusal(server, code, "no"))]);
  assertEquals(Object.fromEntries(decisions), {
    BAD_MESSAGE: "exclude",
    TOO_LARGE: "exclude",
    UNAVAILABLE: "retry",
    UNKNOWN_OUTCOME: "retry", // the answer to a GET, which writes nothing
    OVERLOADED: "retry",
    FORBIDDEN: "exclude",
  });
});

Deno.test("attempts that begin together do not end together", pure, async () => {
  const queue = {
    begin: (
      _call: unknown,
      _asked: unknown,
      _again: unknown,
      start: (server: unknown) => unknown,
    ) => start({ name: server }),
  } as unknown as RequestQueue;
  const pool = { servers: [{}], refusals: () => undefined } as unknown as ServerPool;
  const loop = new RetryLoop(pool, queue, new AbortController().signal, () => 0);
  const call: Call = { since: 0, deadline: 1e9, write: false, chars: 3, signal: undefined };
  const times = await Promise.all(
    Array.from(
      { length: 40 },
      () => loop.run(call, (_server, { since, answerBy }) => Promise.resolve(answerBy - since)),
    ),
  );
  assertEquals(Math.round(times[0]!), attemptMs);
  const sorted = times.toSorted((a, b) => a - b);
  const gaps = sorted.slice(1).map((time, index) => time - sorted[index]!);
  assert(Math.min(...gaps) > 1 && Math.max(...gaps) < 20, sorted.join());
  assert(sorted[0]! >= 0.75 * attemptMs && sorted[0]! < 0.8 * attemptMs, sorted.join());
});

// The sanitizers of the test runner fail a test that leaves a timer.

Deno.test("a pause ends with its time, and leaves no listener", pure, async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (
    listeners--, remove(...args)
  );
  await delay(1, signal);
  assertEquals(listeners, 0);
});

Deno.test("a pause ends with its signal, and leaves no timer", pure, async () => {
  const controller = new AbortController();
  const pause = delay(60_000, controller.signal);
  controller.abort(new Error("chega"));
  await assertRejects(() => pause, Error, "chega");
  await assertRejects(() => delay(60_000, controller.signal), Error, "chega");
});
