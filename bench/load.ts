/**
 * A load on a cluster: many connections for a given time, and the result.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../lib/wire/address.ts";
import { Histogram } from "./histogram.ts";
import { type Asked, type History, Violation } from "./history.ts";
import { type Counter, LoadConnection } from "./load_connection.ts";
import {
  closedLoop,
  eachKeyOnce,
  mixed,
  OpenLoop,
  type Pace,
  randomFrom,
  type Work,
} from "./workload.ts";

/** A connection is closed if a request has no answer after this time. */
const answerMsMax = 10_000;
/** How long to wait for the last answers at the end. */
const drainMsMax = 10_000;
/** The pause before a lost connection is made again. */
const redialMs = 100;
/** How often missing answers are looked for. */
const sweepMs = 200;
/** How often an open loop looks for requests that are due. */
const openLoopTickMs = 1;
const fillConnections = 8;
const fillInFlight = 64;

/** The load and its duration. */
export interface LoadOptions {
  /** The server of each connection. */
  readonly connections: readonly Address[];
  /** Requests without an answer on each connection. */
  readonly inFlight: number;
  /** The share of PUTs, 0 to 1; the others are GETs. */
  readonly putRatio: number;
  /** The seed of keys and kinds of requests. */
  readonly seed: number;
  /** The time before the measurement, in milliseconds. */
  readonly warmUpMs: number;
  /** The time of the measurement, in milliseconds. */
  readonly durationMs: number;
  /** Requests per second of all connections (open loop). Without it answers set the pace (closed loop). */
  readonly rate?: number;
  /** Whether the first failure ends the load. */
  readonly strict?: boolean;
  /** Ends the load early, with the figures so far. */
  readonly signal?: AbortSignal;
  /** Is called regularly with the progress. */
  readonly progress?: (progress: Progress) => void;
  /** A clock in milliseconds. */
  readonly now?: () => number;
}

/** The progress of a load. */
export interface Progress {
  /** Answers so far. */
  readonly answers: number;
  /** The time since the warm-up, in milliseconds; negative during it. */
  readonly elapsedMs: number;
  /** The time of the measurement, in milliseconds. */
  readonly durationMs: number;
}

/** The result of a load. */
export interface LoadResult {
  /** The time of the measurement, in milliseconds. */
  readonly elapsedMs: number;
  /** Latencies of answered GETs. */
  readonly gets: Histogram;
  /** Latencies of acknowledged PUTs. */
  readonly puts: Histogram;
  /** GETs that were answered with TRY_OTHER_SERVER_OR_LATER; they count in `gets` too. */
  readonly tryOther: number;
  /** Failed requests and connections, by error. */
  readonly errors: ReadonlyMap<string, number>;
  /** With a rate: requests that were due but never sent, because earlier ones had no answer. */
  readonly unsent: number;
  /** The wrong answer that ended the load. */
  readonly violation?: string;
}

/** Answers per second. */
export function ratePerSecond({ gets, puts, elapsedMs }: LoadResult): number {
  return elapsedMs === 0 ? 0 : (gets.count + puts.count) / (elapsedMs / 1000);
}

/**
 * Writes each key once, so that every later GET finds a value of this run.
 *
 * @throws {Error} if a PUT fails: the value of its key would be unknown.
 * @throws {Violation} if an answer is wrong.
 */
export async function fill(
  server: Address,
  history: History,
  signal?: AbortSignal,
): Promise<LoadResult> {
  const run = new Run(history, {
    connections: Array.from({ length: fillConnections }, () => server),
    inFlight: fillInFlight,
    putRatio: 1,
    seed: 0,
    warmUpMs: 0,
    durationMs: Infinity,
    strict: true,
    ...(signal === undefined ? {} : { signal }),
  }, eachKeyOnce(history.values.keys));
  const result = await run.result();
  if (result.violation !== undefined) throw new Violation(result.violation);
  if (result.errors.size > 0) {
    throw new Error(`cannot fill the table: ${describeErrors(result.errors)}`);
  }
  return result;
}

/**
 * Puts a load on servers.
 *
 * @throws {Error} if one of them cannot be reached at the start.
 */
export async function load(history: History, options: LoadOptions): Promise<LoadResult> {
  const work = mixed(history.values.keys, options.putRatio, randomFrom(options.seed));
  return await new Run(history, options, work).result();
}

/** The errors as text. */
export function describeErrors(errors: ReadonlyMap<string, number>): string {
  return Array.from(errors, ([what, count]) => `${what} ${count}`).join(", ");
}

/** A load, from the first connection to the last answer. */
class Run implements Counter {
  readonly #history: History;
  readonly #options: LoadOptions;
  readonly #work: Work;
  readonly #now: () => number;
  /** Requests that are due from here to #endMs are measured. */
  #fromMs = 0;
  #endMs = Infinity;
  readonly #connections = new Set<LoadConnection>();
  readonly #gets = new Histogram();
  readonly #puts = new Histogram();
  #tryOther = 0;
  readonly #errors = new Map<string, number>();
  #violation: Violation | undefined;
  readonly #over = new AbortController();

  constructor(history: History, options: LoadOptions, work: Work) {
    this.#history = history;
    this.#options = options;
    this.#work = work;
    this.#now = options.now ?? (() => performance.now());
  }

  answered({ request, dueMs }: Asked, served: boolean, nowMs: number): void {
    if (dueMs < this.#fromMs || dueMs >= this.#endMs) return;
    (request.type === "GET" ? this.#gets : this.#puts).record((nowMs - dueMs) * 1000);
    if (!served) this.#tryOther++;
  }

  failed(_asked: Asked | undefined, what: string): void {
    this.#errors.set(what, (this.#errors.get(what) ?? 0) + 1);
    if (this.#options.strict) this.#stop();
  }

  async result(): Promise<LoadResult> {
    const { warmUpMs, durationMs, signal, rate } = this.#options;
    const stop = () => this.#stop();
    const startMs = this.#now();
    this.#fromMs = startMs + warmUpMs;
    const paces = this.#options.connections.map((_, index, { length }) =>
      rate === undefined
        ? closedLoop
        : new OpenLoop(startMs + index * 1000 / rate, length * 1000 / rate)
    );
    const connected = await this.#connect(paces);
    const timers = [setInterval(() => this.#sweep(), sweepMs)];
    if (Number.isFinite(durationMs)) timers.push(setTimeout(stop, warmUpMs + durationMs));
    if (rate !== undefined) timers.push(setInterval(() => this.#askAll(), openLoopTickMs));
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    try {
      await Promise.all(connected.map((run) => run()));
    } finally {
      stop();
      for (const timer of timers) clearInterval(timer);
      signal?.removeEventListener("abort", stop);
    }
    return {
      elapsedMs: Math.max(0, this.#endMs - this.#fromMs),
      gets: this.#gets,
      puts: this.#puts,
      tryOther: this.#tryOther,
      errors: this.#errors,
      unsent: paces.reduce((sum, pace) => sum + pace.late(this.#endMs), 0),
      ...(this.#violation === undefined ? {} : { violation: this.#violation.message }),
    };
  }

  /** Makes all connections. Returns a function for each, which runs the load on it. */
  async #connect(paces: readonly Pace[]): Promise<(() => Promise<void>)[]> {
    const { connections, inFlight } = this.#options;
    const dials = connections.map((address, index) => {
      const asking = { work: this.#work, pace: paces[index]!, inFlight, now: this.#now };
      return () => LoadConnection.dial(address, this.#history, asking, this);
    });
    const made = await Promise.allSettled(dials.map((dial) => dial()));
    for (const [index, one] of made.entries()) {
      if (one.status === "fulfilled") this.#connections.add(one.value);
      else {
        for (const connection of this.#connections) connection.close();
        const server = formatAddress(connections[index]!);
        throw new Error(`cannot reach ${server}`, { cause: one.reason });
      }
    }
    return Array.from(
      this.#connections,
      (connection, index) => () => this.#keepRunning(connection, dials[index]!),
    );
  }

  /** Runs the load on one connection, and on new ones after it is lost, until the time is up. */
  async #keepRunning(first: LoadConnection, dial: () => Promise<LoadConnection>): Promise<void> {
    let connection: LoadConnection | undefined = first;
    while (true) {
      if (connection !== undefined) await this.#runOnce(connection);
      if (this.#stopped || connection?.finished) return;
      await delay(redialMs, { signal: this.#over.signal }).catch(() => {});
      if (this.#stopped) return;
      connection = await dial().catch(() => undefined);
      if (connection === undefined) this.failed(undefined, "cannot connect");
      else if (this.#stopped) return connection.close();
    }
  }

  async #runOnce(connection: LoadConnection): Promise<void> {
    this.#connections.add(connection);
    try {
      await connection.run();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violation ??= error;
      this.#stop();
    } finally {
      this.#connections.delete(connection);
    }
  }

  get #stopped(): boolean {
    return this.#over.signal.aborted;
  }

  /** Sends no more requests. Connections end after their last answers, or at once after a violation. */
  #stop(): void {
    if (this.#stopped) return;
    this.#over.abort();
    this.#endMs = this.#now();
    for (const connection of this.#connections) {
      if (this.#violation !== undefined) connection.close();
      else {
        connection.ask(); // requests that became due since the last check
        connection.finish();
      }
    }
  }

  #askAll(): void {
    for (const connection of this.#connections) connection.ask();
  }

  #sweep(): void {
    const nowMs = this.#now();
    const drained = nowMs > this.#endMs + drainMsMax;
    for (const connection of this.#connections) {
      if (drained || connection.waitedMs(nowMs) > answerMsMax) connection.close();
    }
    this.#options.progress?.({
      answers: this.#gets.count + this.#puts.count,
      elapsedMs: Math.min(nowMs, this.#endMs) - this.#fromMs,
      durationMs: this.#options.durationMs,
    });
  }
}
