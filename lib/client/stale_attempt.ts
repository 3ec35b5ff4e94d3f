/**
 * The outcome of an attempt at a server that is behind the client.
 *
 * @module
 */

import { type StaleAnswer, StaleError } from "./errors.ts";

/** A value and no error, because there may be tens of thousands: only a call makes the error. */
export class StaleAttempt {
  /** The server has `answer` for `key`, or a list, of which this client has seen timestamp `seen`. */
  constructor(
    readonly key: string | undefined,
    readonly seen: number,
    readonly answer: StaleAnswer,
  ) {}

  /** The error of a call whose attempts ended with these. */
  static error(attempts: readonly StaleAttempt[], allAnswered: boolean): StaleError {
    const { key, seen } = attempts.at(-1)!;
    return new StaleError(key, seen, attempts.map(({ answer }) => answer), allAnswered);
  }

  /** For the list of reasons in an error. */
  get message(): string {
    return `the server is behind: it has timestamp ${this.answer.timestamp}`;
  }
}
