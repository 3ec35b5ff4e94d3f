/**
 * How many requests one connection may carry at once.
 *
 * @module
 */

import type { PendingRequests } from "./pending_requests.ts";

/** The most requests that callers wait for on one connection. */
export const awaitedMax = 1_024;

/**
 * The most of them on a connection that has answered nothing yet. Each answer makes room for one
 * more. So a server that does not answer holds up few requests.
 */
export const awaitedFirst = 64;

/**
 * The longest text of all pending requests of a connection and of their answers, in UTF-16 units. One
 * request always has room. Answers count with their mean length.
 * JSON can make texts six times as long: still less than what cuts off a connection.
 */
export const pendingCharsMax = 4 * 1024 * 1024;

/** The share that the last answer has in the mean length of answers. */
const answerWeight = 1 / 16;

/** The room of one connection. It grows with the answers that come, and shrinks with their length. */
export class ConnectionRoom {
  readonly #pending: PendingRequests;
  /** The number of lines that were received. */
  #lines = 0;
  /** The mean length of the last lines, in UTF-16 units. */
  #lineChars = 0;

  /** The room of a connection with these pending requests, which has received nothing yet. */
  constructor(pending: PendingRequests) {
    this.#pending = pending;
  }

  /** The most requests that callers may wait for now, whatever their length. */
  get awaitedMax(): number {
    return Math.min(awaitedFirst + this.#lines, awaitedMax);
  }

  /** Notes the length of a line that was received. */
  received(chars: number): void {
    this.#lines++;
    this.#lineChars += (chars - this.#lineChars) * answerWeight;
  }

  /** Whether there is room for a request whose key and value have this length. */
  holds(chars: number): boolean {
    const { awaited, chars: pendingChars } = this.#pending;
    if (awaited >= this.awaitedMax) return false;
    if (pendingChars === 0) return true;
    return pendingChars + chars + (awaited + 1) * this.#lineChars <= pendingCharsMax;
  }
}
