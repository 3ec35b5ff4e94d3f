/**
 * The calls of a client that wait for a server with room.
 *
 * @module
 */

import { UnavailableError } from "./errors.ts";
import { loopClock, type Watcher } from "./loop_clock.ts";
import { onAbort } from "./on_abort.ts";
import type { PooledServer, ServerPool } from "./server_pool.ts";
import { type Links, WaitingList } from "./waiting_list.ts";

/**
 * A PUT begins only if the time left is at least this multiple of the time that PUTs take now. Begun
 * later, it could still be on its way at its deadline: its outcome would be unknown.
 */
const putReserveFactor = 3;

/** A PUT begins only if at least this share of its time is left. */
const putReserveMin = 1 / 16;

/**
 * A PUT may begin if this share of its time is left, however long PUTs take now. So in an outage a
 * PUT begins only in the first half of its time.
 */
const putReserveMax = 1 / 2;

/** The time between two checks of a waiting PUT in the second half of its time. */
const lookEveryMs = 50;

/**
 * The most waiting calls of one queue that are passed over at a time, because their servers are full
 * or their time is over. So the work for one answer is bounded.
 */
const passedMax = 16;

/** One call of the library, which may take several attempts. Times are those of `loopClock`. */
export interface Call {
  /** When it began. */
  readonly since: number;
  /** When it must be over. */
  readonly deadline: number;
  /** Whether it is a PUT. */
  readonly write: boolean;
  /** The length of its key and value, in UTF-16 units. */
  readonly chars: number;
  /** The caller's signal, which gives the call up. */
  readonly signal: AbortSignal | undefined;
}

/** A call that waits, and the servers that it has asked already. One of its methods is called, once. */
export interface Waiting extends Links<Waiting> {
  /** The call. */
  readonly call: Call;
  /** The servers that it has asked. */
  readonly asked: ReadonlySet<PooledServer>;
  /** Asks a server at the time `now`. */
  start(server: PooledServer, now: number): void;
  /** Ends the wait without a server. */
  fail(reason: unknown): void;
}

/**
 * Begins each attempt of a call once a server has room for it.
 *
 * - Calls that have waited longer go first. A later call never overtakes one that any server can take.
 * - Calls that try again go before those that have not been sent yet, because they are older.
 * - A call that was not begun by its time is given up: it was never sent.
 * - If all servers are avoided after failures, calls wait until one is tried again.
 */
export class RequestQueue implements Watcher {
  readonly #pool: ServerPool;
  /** Calls that try again. */
  readonly #again = new WaitingList<Waiting>();
  /** Calls that have not been sent. */
  readonly #fresh = new WaitingList<Waiting>();
  /** The time of the next check. No call has to be given up before. */
  #lookAt = Infinity;
  /** How long the last answered PUT took. */
  #putMs = Infinity;
  /** When a PUT was answered last. */
  #putAnsweredAt = -Infinity;

  /** A queue before the servers of a pool. */
  constructor(pool: ServerPool) {
    this.#pool = pool;
  }

  /**
   * When the next attempt of a call must have begun. For a PUT this depends on how quickly PUTs are
   * answered now.
   */
  beginBy({ since, deadline, write }: Call, now: number): number {
    if (!write) return deadline;
    const putMs = Math.max(this.#putMs, now - this.#putAnsweredAt);
    const ms = deadline - since;
    const reserveMs = Math.max(putReserveFactor * putMs, putReserveMin * ms);
    return deadline - Math.min(reserveMs, putReserveMax * ms);
  }

  /** Notes the answer to a PUT that was begun at `since`. */
  putAnswered(since: number): void {
    this.#putAnsweredAt = loopClock.now();
    this.#putMs = this.#putAnsweredAt - since;
  }

  /**
   * Calls `start` with a server that is not in `asked`, and returns its result. Waits until a server
   * has room for the call. Returns `undefined` if no server is left. `again` says that the call was
   * sent before.
   *
   * @throws {UnavailableError} if it was not begun in time.
   * @throws the signal's reason if it is aborted before it is begun.
   */
  begin<T>(
    call: Call,
    asked: ReadonlySet<PooledServer>,
    again: boolean,
    start: (server: PooledServer) => Promise<T>,
  ): Promise<T> | undefined {
    if (again || this.#fresh.size === 0) {
      const drawn = this.#pool.draw(asked, call.chars);
      if (typeof drawn === "object") return start(drawn);
      if (drawn === "avoided" && asked.size > 0) return undefined;
    }
    return new Promise((resolve, reject) =>
      this.#wait({
        previous: undefined,
        next: undefined,
        call,
        asked,
        start: (drawn) => resolve(start(drawn)),
        fail: reject,
      }, again)
    );
  }

  /**
   * The same for a call that was just made, without a promise. It is begun now or later.
   *
   * @throws the signal's reason if it is aborted, and the call would have to wait.
   */
  enter(waiting: Waiting): void {
    const { asked, call } = waiting;
    const drawn = this.#fresh.size === 0 ? this.#pool.draw(asked, call.chars) : "full";
    if (typeof drawn === "object") waiting.start(drawn, call.since);
    else this.#wait(waiting, false);
  }

  /** Begins waiting calls as long as servers have room. */
  dispatch(): void {
    if (this.#again.size + this.#fresh.size === 0) return;
    this.#failIfRefused();
    const now = loopClock.now();
    for (const queue of [this.#again, this.#fresh]) {
      let passed = 0;
      for (const waiting of queue) {
        if (!this.#pool.hasRoom) return;
        if (passed++ === passedMax) break;
        if (this.beginBy(waiting.call, now) <= now) continue; // a tick gives it up
        let drawn: ReturnType<ServerPool["draw"]>;
        try {
          drawn = this.#pool.draw(waiting.asked, waiting.call.chars);
        } catch (error) {
          queue.delete(waiting); // the caller's random numbers are wrong
          waiting.fail(error);
          continue;
        }
        if (typeof drawn === "object") {
          passed--;
          queue.delete(waiting);
          waiting.start(drawn, now);
        } else if (waiting.asked.size === 0) return; // those behind it wait too
      }
    }
  }

  /** Begins calls, and gives up those whose time is over. */
  tick(due: number): boolean {
    this.#pool.retireSilent(due);
    this.dispatch();
    if (this.#lookAt <= due) this.#look(due);
    return this.#again.size + this.#fresh.size > 0;
  }

  /** Ends all waits with this reason. */
  close(reason: unknown): void {
    loopClock.unwatch(this);
    for (const queue of [this.#again, this.#fresh]) {
      for (const waiting of queue.clear()) waiting.fail(reason);
    }
  }

  /** Ends all waits at once if this client can use no server. */
  #failIfRefused(): void {
    const refusals = this.#pool.refusals();
    if (refusals?.size !== this.#pool.servers.length) return;
    const [refusal] = refusals.values();
    for (const queue of [this.#again, this.#fresh]) {
      for (const waiting of queue.clear()) waiting.fail(refusal);
    }
  }

  #wait(waiting: Waiting, again: boolean): void {
    const { signal, since, deadline, write } = waiting.call;
    signal?.throwIfAborted();
    loopClock.watch(this);
    const queue = again ? this.#again : this.#fresh;
    queue.add(signal === undefined ? waiting : this.#listening(waiting, signal, queue));
    const firstBy = write ? deadline - putReserveMax * (deadline - since) : deadline;
    this.#lookAt = Math.min(this.#lookAt, firstBy);
  }

  /** The same call, which leaves the queue if the signal is aborted. */
  #listening(waiting: Waiting, signal: AbortSignal, queue: WaitingList<Waiting>): Waiting {
    const { call, asked } = waiting;
    const stopListening = onAbort(signal, () => {
      queue.delete(listening);
      waiting.fail(signal.reason);
    });
    const listening: Waiting = {
      previous: undefined,
      next: undefined,
      call,
      asked,
      start(server, now) {
        stopListening();
        waiting.start(server, now);
      },
      fail(reason) {
        stopListening();
        waiting.fail(reason);
      },
    };
    return listening;
  }

  /** Gives up the calls whose time is over, and sets the next check. */
  #look(due: number): void {
    this.#lookAt = Infinity;
    for (const queue of [this.#again, this.#fresh]) {
      for (const waiting of queue) {
        const by = this.beginBy(waiting.call, due);
        if (by <= due) this.#giveUp(queue, waiting);
        else {
          // The time of a PUT changes with the answers to others.
          const lookAt = waiting.call.write ? Math.min(by, due + lookEveryMs) : by;
          this.#lookAt = Math.min(this.#lookAt, lookAt);
        }
      }
    }
  }

  #giveUp(queue: WaitingList<Waiting>, waiting: Waiting): void {
    queue.delete(waiting);
    const { call: { since, deadline } } = waiting;
    const { servers, failure } = this.#pool;
    const notSent = `not sent within ${Math.round(deadline - since)} ms`;
    if (failure !== undefined) {
      const reason = `${notSent}: all servers have failed, the last one with: ${failure}`;
      return waiting.fail(new UnavailableError(servers[0]!.name, reason));
    }
    const refused = this.#pool.refused();
    const before = `${notSent}: other requests of this client were before it`;
    if (refused.size === 0) {
      const reason = `${before}. Make fewer at once, or allow more time`;
      return waiting.fail(new UnavailableError(servers[0]!.name, reason));
    }
    const reasons = Array.from(refused, ([{ name }, { reason }]) => `${name}: ${reason}`);
    const reason = `${before}, and servers refused such requests: ${reasons.join("; ")}`;
    const codes = new Set(Array.from(refused.values(), ({ code }) => code));
    const code = refused.size === servers.length && codes.size === 1 ? [...codes][0] : undefined;
    const [{ name }] = [...refused.keys()] as [PooledServer];
    waiting.fail(new UnavailableError(name, reason, { code }));
  }
}
