/**
 * How the library decides to try again.
 *
 * A call asks one server at a time. What follows an attempt that failed ({@linkcode decide}):
 *
 * | The attempt ended with                  | GET               | PUT                                |
 * | --------------------------------------- | ----------------- | ---------------------------------- |
 * | no connection                           | another server    | another server: it was not sent    |
 * | `TRY_OTHER_SERVER_OR_LATER`             | another server    |                                    |
 * | `UNAVAILABLE`, `OVERLOADED`             | another server    | another server: it is not applied  |
 * | `BAD_MESSAGE`, `TOO_LARGE`, `FORBIDDEN` | others, once each | others, once each                  |
 * | sent, then no answer or no connection   | another server    | `UnknownOutcomeError`, no second try |
 * | another cluster                         | fails             | fails                              |
 * | the caller's signal                     | fails             | fails                              |
 *
 * After each round over all servers there is a pause, longer each time. A GET is tried until its
 * deadline. A PUT is sent in the first half of its time only.
 *
 * @module
 */

import type { ErrorCode } from "../mensagem.ts";
import type { Deadlines } from "./deadlines.ts";
import { delay } from "./delay.ts";
import { StaleError, UnavailableError } from "./errors.ts";
import { jittered, type PooledServer, type ServerPool } from "./server_pool.ts";

/**
 * How long one attempt may take in the first round. This time doubles with each round. It is at most
 * half of the time that is left.
 */
export const attemptMs = 1_000;

/** How long one attempt may take at least. */
const attemptMsMin = 20;

/** The pause after the first round in which all servers were asked. It doubles with each round. */
const roundPauseFirstMs = 20;

/** The longest pause between two rounds. */
const roundPauseMsMax = 500;

/** The codes of a refusal that the same server will repeat. */
const finalCodes: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  "BAD_MESSAGE",
  "TOO_LARGE",
  "FORBIDDEN",
]);

/**
 * What follows a failed attempt: "retry" asks another server, and this one again in the next round;
 * "exclude" asks another server, and never this one again; "fail" ends the call with this error.
 */
export type Decision = "retry" | "exclude" | "fail";

/** What follows an attempt that failed with this error. Only what is safe to repeat is repeated. */
export function decide(error: unknown): Decision {
  if (error instanceof StaleError) return "retry";
  if (error instanceof UnavailableError) return finalCodes.has(error.code) ? "exclude" : "retry";
  // UnknownOutcomeError, ClusterResetError, the signal's reason, or a fault of this program.
  return "fail";
}

/** One call of the library, which may take several attempts. Times are those of `performance.now()`. */
export interface Call {
  /** When it began. */
  readonly since: number;
  /** When it must be over. */
  readonly deadline: number;
  /** When the last attempt must have begun. */
  readonly retryBy: number;
  /** The caller's signal: gives the call up. */
  readonly signal: AbortSignal | undefined;
}

/** Asks one server. Fails with one of the errors that {@linkcode decide} knows. */
export type Attempt<T> = (server: PooledServer, deadlines: Deadlines) => Promise<T>;

/** The loop over the servers of a pool. */
export class RetryLoop {
  readonly #pool: ServerPool;
  readonly #closing: AbortSignal;
  readonly #random: () => number;

  /** `closing` ends all calls with its reason. `random` gives numbers from 0 to 1, 1 excluded. */
  constructor(pool: ServerPool, closing: AbortSignal, random: () => number) {
    this.#pool = pool;
    this.#closing = closing;
    this.#random = random;
  }

  /**
   * Asks one server after another until an attempt succeeds or no time is left for another one.
   *
   * @throws {StaleError} if no attempt succeeded, and at least one server was behind.
   * @throws {UnavailableError} if no attempt succeeded, and no server was behind.
   * @throws the error of an attempt for which {@linkcode decide} says "fail".
   */
  async run<T>(call: Call, attempt: Attempt<T>): Promise<T> {
    const { since, deadline, retryBy, signal } = call;
    /** The last error of each server, the newest at the end. */
    const failures = new Map<PooledServer, UnavailableError | StaleError>();
    const excluded = new Set<PooledServer>();
    for (let round = 0;; round++) {
      const asked = new Set(excluded);
      for (let server = this.#pool.draw(asked); server !== undefined;) {
        try {
          return await attempt(server, attemptDeadlines(call, round));
        } catch (error) {
          const decision = decide(error);
          if (decision === "fail" || this.#closing.aborted) throw error;
          if (decision === "exclude") excluded.add(server);
          asked.add(server);
          failures.delete(server); // so that it is added at the end
          failures.set(server, error as UnavailableError | StaleError);
        }
        server = performance.now() < retryBy ? this.#pool.draw(asked) : undefined;
      }
      const leftMs = retryBy - attemptMsMin - performance.now();
      if (leftMs <= 0 || excluded.size === this.#pool.servers.length) {
        const [first] = this.#pool.servers;
        throw finalError(first!.name, [...failures.values()], Math.round(deadline - since));
      }
      const pauseMs = Math.min(roundPauseFirstMs * 2 ** round, roundPauseMsMax);
      await this.#pause(Math.min(jittered(pauseMs, this.#random), leftMs), signal);
    }
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const closing = this.#closing;
    await delay(ms, signal === undefined ? closing : AbortSignal.any([closing, signal]));
  }
}

/** The deadlines of one attempt. They leave time for further attempts. */
function attemptDeadlines({ deadline, signal }: Call, round: number): Deadlines {
  const since = performance.now();
  const shareMs = Math.min(attemptMs * 2 ** round, (deadline - since) / 2);
  const by = Math.min(since + Math.max(shareMs, attemptMsMin), deadline);
  return { since, sendBy: by, answerBy: by, signal };
}

/** The error of a call that took `ms` milliseconds, made of the last error of each server. */
function finalError(
  server: string,
  failures: readonly (UnavailableError | StaleError)[],
  ms: number,
): UnavailableError | StaleError {
  const stale = failures.filter((error) => error instanceof StaleError);
  const newest = stale.at(-1);
  if (newest !== undefined) {
    return new StaleError(newest.key, newest.seen, stale.flatMap(({ answers }) => answers));
  }
  const unavailable = failures.filter((error) => error instanceof UnavailableError);
  const last = unavailable.at(-1);
  if (last === undefined) {
    return new UnavailableError(
      server,
      `no server was asked within ${ms} ms: all of them had failed just before`,
    );
  }
  if (unavailable.length === 1) return last;
  const reasons = unavailable.map(({ server, message }) => `${server}: ${message}`);
  const code = unavailable.every((error) => error.code === last.code) ? last.code : undefined;
  return new UnavailableError(last.server, reasons.join("; "), {
    cause: last,
    ...(code === undefined ? {} : { code }),
  });
}
