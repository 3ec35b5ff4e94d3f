/**
 * Waiting for events in benchmarks and tests, which do not sleep for a fixed time.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Address } from "../lib/wire/address.ts";

/** How long to wait for an event: far longer than it takes on a busy machine. */
export const waitMsMax = 10_000;
const pollMs = 2;

/**
 * Polls until the condition returns something other than `false`, `undefined` or `null`, and returns that.
 *
 * @throws {Error} if that takes longer than `withinMs`.
 */
export async function eventually<T>(
  what: string,
  condition: () => T | false | null | undefined | Promise<T | false | null | undefined>,
  withinMs: number = waitMsMax,
): Promise<T> {
  const untilMs = performance.now() + withinMs;
  while (true) {
    const result = await condition();
    if (result !== false && result !== null && result !== undefined) return result;
    if (performance.now() > untilMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(pollMs);
  }
}

/**
 * The result of a promise.
 *
 * @throws {Error} if that takes longer than `withinMs`.
 */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  withinMs: number = waitMsMax,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`not within ${withinMs} ms: ${what}`)),
    withinMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a program listens on an address. */
export async function listens({ hostname, port }: Address): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch {
    return false;
  }
}
