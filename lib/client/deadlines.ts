/**
 * When a request must be sent and answered.
 *
 * @module
 */

import { loopClock } from "./loop_clock.ts";

/** The deadlines of one attempt at one server. All times are those of `loopClock`. */
export interface Deadlines {
  /** When the attempt began. */
  readonly since: number;
  /** When the request must have been sent. If it is given up before, the server never sees it. */
  readonly sendBy: number;
  /** When the answer must be there. */
  readonly answerBy: number;
  /** Gives the request up. */
  readonly signal?: AbortSignal | undefined;
}

/** The deadlines of a request that may take `ms` milliseconds from now, everything included. */
export function within(ms: number): Deadlines {
  const since = loopClock.now();
  return { since, sendBy: since + ms, answerBy: since + ms };
}
