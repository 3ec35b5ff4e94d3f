/**
 * The error of a command that gave something else than its story says.
 *
 * @module
 */

import type { Answer } from "./stage.ts";

/** A command did not give what the story says. */
export class WrongStep extends Error {
  /** An error about what was expected, and what came instead. */
  constructor(readonly expected: string, readonly got: string) {
    super(`expected ${expected}, got ${got}`);
    this.name = "WrongStep";
  }
}

/** Checks an answer: type, value and timestamp. @throws {WrongStep} if it is another one. */
export function expect(expected: Answer, got: Answer): void {
  if (textOf(expected) !== textOf(got)) throw new WrongStep(textOf(expected), textOf(got));
}

/** An answer in words, such as "verde 2" or "PUT_OK 2". */
export function textOf({ type, value, timestamp }: Answer): string {
  const values = value === undefined ? [] : [value ?? "NULL"];
  return [...(type === "GET_OK" ? [] : [type]), ...values, timestamp].join(" ");
}
