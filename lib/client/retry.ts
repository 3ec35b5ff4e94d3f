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
 * | a mistake of the caller or operator     | others, once each | others, once each: it is not applied |
 * | sent, then no answer or no connection   | another server    | `UnknownOutcomeError`, no second try |
 * | another cluster                         | fails             | fails                              |
 * | the caller's signal                     | fails             | fails                              |
 *
 * Such a mistake is an `AccessError` or an `InvalidArgumentError`: a wrong password, a server with TLS,
 * no permission. If every server answers with one, the call fails at once.
 *
 * After each round over all servers there is a pause, longer each time. A GET is tried until its
 * deadline, a PUT until `RequestQueue.beginBy`.
 *
 * @module
 */

import { retried, type Tell } from "./client_events.ts";
import type { Deadlines } from "./deadlines.ts";
import { delay } from "./delay.ts";
import {
  AccessError,
  InvalidArgumentError,
  KvError,
  PermissionError,
  UnavailableError,
} from "./errors.ts";
import { loopClock } from "./loop_clock.ts";
import type { Call, RequestQueue } from "./request_queue.ts";
import { jittered, type PooledServer, type ServerPool } from "./server_pool.ts";
import { StaleAttempt } from "./stale_attempt.ts";

/**
 * How long one attempt may take in the first round. This time doubles with each round. It is at most
 * half of the time that is left.
 */
export const attemptMs = 1_000;

/** The share of its time that an attempt may lose, so that attempts do not end in step. */
const attemptSpread = 1 / 4;

/** Multiples of this spread evenly between whole numbers: the golden ratio. */
const spreadStep = (Math.sqrt(5) - 1) / 2;

/** How long one attempt may take at least. */
const attemptMsMin = 20;

/** The pause after the first round in which all servers were asked. It doubles with each round. */
const roundPauseFirstMs = 20;

/** The longest pause between two rounds. */
const roundPauseMsMax = 500;

/**
 * The number of calls that begin another round in one millisecond, on average. With more calls the pauses are longer, so
 * that trying again never takes all time of the program and of the servers.
 */
const roundsPerMs = 1;

/** Calls without another round end spread over this share of their time left, not all at once. */
const endSpread = 1 / 8;

/**
 * What follows a failed attempt: "retry" asks another server, and this one again in the next round;
 * "exclude" asks another server, and never this one again; "fail" ends the call with this error.
 */
export type Decision = "retry" | "exclude" | "fail";

/** What follows an attempt that failed with this error. Only what is safe to repeat is repeated. */
export function decide(error: unknown): Decision {
  if (error instanceof UnavailableError) return "retry";
  if (error instanceof AccessError || error instanceof InvalidArgumentError) return "exclude";
  // UnknownOutcomeError, ClusterResetError, the signal's reason, or a fault of this program.
  return "fail";
}

/**
 * Asks one server. A server that is behind is asked again in the next round. Fails with one of the
 * errors that {@linkcode decide} knows.
 */
export type Attempt<T> = (
  server: PooledServer,
  deadlines: Deadlines,
) => Promise<T | StaleAttempt>;

/** An attempt that has begun, or ended already. */
export interface Begun<T> {
  /** The server that it asks. */
  readonly server: PooledServer;
  /** How it ends. */
  readonly end: Promise<T | StaleAttempt>;
}

/** How an attempt at a server ended without success. */
type Failure = KvError | StaleAttempt;

const noServers: ReadonlySet<PooledServer> = new Set();

/** The loop over the servers of a pool. */
export class RetryLoop {
  readonly #pool: ServerPool;
  readonly #queue: RequestQueue;
  readonly #closing: AbortSignal;
  readonly #random: () => number;
  readonly #tell: Tell | undefined;
  /** From 0 to 1, 1 excluded, different for each attempt. */
  #spread = 0;
  /** The number of calls between two rounds. */
  #pausing = 0;

  /**
   * `closing` ends all calls with its reason. `random` gives numbers from 0 to 1, 1 excluded. `tell`
   * is told of each further attempt.
   */
  constructor(
    pool: ServerPool,
    queue: RequestQueue,
    closing: AbortSignal,
    random: () => number,
    tell?: Tell,
  ) {
    this.#pool = pool;
    this.#queue = queue;
    this.#closing = closing;
    this.#random = random;
    this.#tell = tell;
  }

  /**
   * Asks one server after another until an attempt succeeds or no time is left for another one.
   * `first` is the first attempt, if it has begun already.
   *
   * @throws {StaleError} if no attempt succeeded, and at least one server was behind.
   * @throws {AccessError|InvalidArgumentError} if no attempt succeeded, and all servers that answered
   * say that the caller or the operator has made this mistake.
   * @throws {UnavailableError} if no attempt succeeded for any other reason.
   * @throws the error of an attempt for which {@linkcode decide} says "fail".
   */
  async run<T>(call: Call, attempt: Attempt<T>, first?: Begun<T>): Promise<T> {
    const { servers } = this.#pool;
    /** The last failure of each server, the newest at the end. Most calls need none. */
    let failures: Map<PooledServer, Failure> | undefined;
    let excluded = noServers;
    let last: { readonly server: PooledServer; readonly end: Failure } | undefined;
    for (let round = 0;; round++) {
      // Only one call at a time tries a server that has failed. The others learn the result here.
      const refusals = first === undefined ? this.#pool.refusals() : undefined;
      if (refusals !== undefined) {
        failures = new Map([...(failures ?? []), ...refusals]);
        excluded = new Set([...excluded, ...refusals.keys()]);
        if (excluded.size === servers.length) throw finalError(servers, failures);
      }
      let asked = excluded;
      do {
        let drawn = first?.server;
        const start = (server: PooledServer) => {
          drawn = server;
          if (last !== undefined) {
            const request = call.write ? "write" : "read";
            this.#tell?.(retried(last.server.name, server.name, request, last.end));
          }
          return attempt(server, this.deadlines(call, round, loopClock.now()));
        };
        let failure: Failure;
        try {
          const begun = first?.end ?? this.#queue.begin(call, asked, last !== undefined, start);
          first = undefined;
          if (begun === undefined) break;
          const result = await begun;
          if (!(result instanceof StaleAttempt)) return result;
          failure = result;
        } catch (error) {
          const waited = drawn === undefined && error instanceof UnavailableError;
          if (waited && failures !== undefined && !this.#closing.aborted) {
            throw finalError(servers, failures);
          }
          const decision = decide(error);
          if (drawn === undefined || decision === "fail") throw error;
          this.#closing.throwIfAborted();
          if (decision === "exclude") excluded = new Set([...excluded, drawn]);
          failure = error as KvError;
        }
        asked = new Set([...asked, drawn!]);
        last = { server: drawn!, end: failure };
        failures ??= new Map();
        failures.delete(drawn!); // so that it is added at the end
        failures.set(drawn!, failure);
      } while (this.#leftMs(call) > 0);
      const leftMs = this.#leftMs(call) - attemptMsMin;
      if (leftMs <= 0 || excluded.size === servers.length) {
        throw finalError(servers, failures!); // without a failure the call waits in the queue
      }
      const pauseMs = Math.min(roundPauseFirstMs * 2 ** round, roundPauseMsMax);
      const crowdMs = this.#pausing / roundsPerMs;
      const noTurn = failures !== undefined && crowdMs > pauseMs && crowdMs > leftMs;
      const ms = noTurn
        ? leftMs * (1 - endSpread * this.#random())
        : Math.min(jittered(Math.max(pauseMs, crowdMs), this.#random), leftMs);
      await this.#pause(ms, call.signal);
      if (noTurn) throw finalError(servers, failures!);
    }
  }

  /** The time that is left to begin another attempt. */
  #leftMs(call: Call): number {
    const now = loopClock.now();
    return this.#queue.beginBy(call, now) - now;
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const closing = this.#closing;
    this.#pausing++;
    try {
      await (signal === undefined ? delay(ms, closing) : delay(ms, closing, signal));
    } finally {
      this.#pausing--;
    }
  }

  /** The deadlines of an attempt that begins at `since`. They leave time for further attempts. */
  deadlines({ deadline, write, signal }: Call, round: number, since: number): Deadlines {
    const shareMs = Math.min(attemptMs * 2 ** round, (deadline - since) / 2);
    const spreadMs = shareMs * (1 - attemptSpread * this.#spread);
    this.#spread = (this.#spread + spreadStep) % 1;
    const by = Math.min(since + Math.max(spreadMs, attemptMsMin), deadline);
    // Only the answer to a PUT tells its outcome, so that answer has until the deadline.
    return { since, sendBy: by, answerBy: write ? deadline : by, signal };
  }
}

/** The error of a call, made of the last failure of each server. */
function finalError(
  servers: readonly PooledServer[],
  failures: ReadonlyMap<PooledServer, Failure>,
): KvError {
  const ends = servers.flatMap((server) => failures.get(server) ?? []);
  const stale = ends.filter((end) => end instanceof StaleAttempt);
  if (stale.length > 0) return StaleAttempt.error(stale, stale.length === servers.length);
  const errors = ends.filter((end) => end instanceof KvError);
  const last = [...failures.values()].at(-1) as KvError;
  const mistake = mistakeOf(errors, servers.length);
  if (errors.length === 1 && (mistake === last || last instanceof UnavailableError)) return last;
  const reasons = Array.from(failures, ([{ name }, { message }]) => `${name}: ${message}`);
  const reason = reasons.join("; ");
  if (mistake instanceof AccessError) {
    const Mistake = mistake.constructor as new (...args: AccessArguments) => AccessError;
    return new Mistake(mistake.server, reason, { cause: mistake });
  }
  if (mistake !== undefined) return mistake;
  const same = last instanceof UnavailableError && errors.every(({ code }) => code === last.code);
  const { name } = [...failures.keys()].at(-1)!;
  return new UnavailableError(name, reason, { cause: last, code: same ? last.code : undefined });
}

type AccessArguments = [server: string, reason: string, options: ErrorOptions];

/**
 * The first mistake of the caller or the operator in the errors of the servers, `undefined` if there
 * may be an outage: a server said that it cannot do it now, or no server answered and some may be
 * down. `count` is the number of servers, those that were not asked included.
 */
function mistakeOf(errors: readonly KvError[], count: number): KvError | undefined {
  const mistakes = errors.filter((error) => !(error instanceof UnavailableError));
  const answered = errors.some((error) => error instanceof UnavailableError && error.code);
  if (answered) return undefined;
  if (mistakes.length === count) return mistakes[0];
  return mistakes.find((error) => !(error instanceof PermissionError));
}
