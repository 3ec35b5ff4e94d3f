/** The decision after a failed attempt, and the pauses between rounds. */

import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "../../lib/client/delay.ts";
import {
  ClusterResetError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import { decide } from "../../lib/client/retry.ts";
import { errorCodes } from "../../lib/wire/errors.ts";

const pure = { permissions: "none" } as const;
const server = "127.0.0.1:10097";

Deno.test("only what is certainly not done is tried again", pure, () => {
  assertEquals(decide(new UnavailableError(server, "no connection")), "retry");
  assertEquals(decide(new StaleError("cor", 7, [])), "retry");
  assertEquals(decide(new UnknownOutcomeError(server, "no answer")), "fail");
  assertEquals(decide(new ClusterResetError(server)), "fail");
  assertEquals(decide(new DOMException("aborted", "AbortError")), "fail");
  assertEquals(decide(undefined), "fail");
});

Deno.test("a server that will refuse again is not asked again", pure, () => {
  const decisions = errorCodes.map((code) => [
    code,
    decide(new UnavailableError(server, code, { code })),
  ]);
  assertEquals(Object.fromEntries(decisions), {
    BAD_MESSAGE: "exclude",
    TOO_LARGE: "exclude",
    UNAVAILABLE: "retry",
    UNKNOWN_OUTCOME: "retry", // the answer to a GET, which writes nothing
    OVERLOADED: "retry",
    FORBIDDEN: "exclude",
  });
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
