/**
 * The STATUS requests of a client.
 *
 * @module
 */

import type { StatusOk } from "../mensagem.ts";
import type { Deadlines } from "./deadlines.ts";
import { UnavailableError } from "./errors.ts";
import { loopClock, type Watcher } from "./loop_clock.ts";
import { onAbort } from "./on_abort.ts";
import type { PooledServer } from "./server_pool.ts";

/** A caller that waits for the status of a server. */
interface Waiting {
  readonly deadlines: Deadlines;
  readonly resolve: (status: StatusOk) => void;
  readonly reject: (reason: unknown) => void;
  stopListening: (() => void) | undefined;
}

/** The callers that wait for one server. */
interface Line {
  readonly server: PooledServer;
  /** The callers of the request under way, and those of the next one. */
  asked: Set<Waiting>;
  next: Set<Waiting>;
  /** Gives up the request under way. */
  giveUp: AbortController;
}

/**
 * Asks servers for their status, with one request at a time for each server.
 *
 * - Callers share a request. None gets the answer to a request that was sent before its call.
 * - Each caller keeps its own deadline and signal.
 */
export class StatusRequests implements Watcher {
  readonly #send: (server: PooledServer, deadlines: Deadlines) => Promise<StatusOk>;
  readonly #lines = new Map<PooledServer, Line>();

  /** `send` sends a STATUS. */
  constructor(send: (server: PooledServer, deadlines: Deadlines) => Promise<StatusOk>) {
    this.#send = send;
  }

  /**
   * The status of a server.
   *
   * @throws the error of the request, or {UnavailableError} at the deadline, or the signal's reason.
   */
  ask(server: PooledServer, deadlines: Deadlines): Promise<StatusOk> {
    return new Promise((resolve, reject) => {
      const { signal } = deadlines;
      signal?.throwIfAborted();
      const known = this.#lines.get(server);
      const line = known ??
        { server, asked: new Set(), next: new Set(), giveUp: new AbortController() };
      const waiting: Waiting = { deadlines, resolve, reject, stopListening: undefined };
      waiting.stopListening = signal &&
        onAbort(signal, () => this.#leave(line, waiting, signal.reason));
      line.next.add(waiting);
      if (known !== undefined) return loopClock.watch(this);
      this.#lines.set(server, line);
      void this.#run(line); // it never fails
    });
  }

  /** Gives up the calls whose deadline is over, but leaves the last one to the request itself. */
  tick(due: number): boolean {
    let waits = false;
    for (const line of this.#lines.values()) {
      const last = answerBy(line.asked);
      for (const callers of [line.asked, line.next]) {
        for (const waiting of callers) {
          const { since, answerBy: by } = waiting.deadlines;
          if (by > due || (callers === line.asked && by >= last)) continue;
          const reason = `no answer within ${Math.max(Math.round(by - since), 1)} ms`;
          this.#leave(line, waiting, new UnavailableError(line.server.name, reason));
        }
      }
      waits ||= line.asked.size + line.next.size > 1;
    }
    return waits;
  }

  /** Sends one request after another until no caller waits. */
  async #run(line: Line): Promise<void> {
    while (line.next.size > 0) {
      line.asked = line.next;
      line.next = new Set();
      line.giveUp = new AbortController();
      const by = answerBy(line.asked);
      const last = Array.from(line.asked).findLast(({ deadlines }) => deadlines.answerBy === by)!;
      const { since } = last.deadlines;
      const { signal } = line.giveUp;
      try {
        const status = await this.#send(line.server, { since, sendBy: by, answerBy: by, signal });
        for (const { resolve } of end(line.asked)) resolve(status);
      } catch (error) {
        for (const { reject } of end(line.asked)) reject(error);
      }
    }
    this.#lines.delete(line.server);
  }

  #leave(line: Line, waiting: Waiting, reason: unknown): void {
    waiting.stopListening?.();
    waiting.reject(reason);
    line.next.delete(waiting);
    if (line.asked.delete(waiting) && line.asked.size === 0) line.giveUp.abort(reason);
  }
}

/** The latest deadline. */
function answerBy(callers: ReadonlySet<Waiting>): number {
  let by = 0;
  for (const { deadlines } of callers) by = Math.max(by, deadlines.answerBy);
  return by;
}

/** Takes all callers out of the set. */
function end(callers: Set<Waiting>): Waiting[] {
  const all = [...callers];
  callers.clear();
  for (const { stopListening } of all) stopListening?.();
  return all;
}
