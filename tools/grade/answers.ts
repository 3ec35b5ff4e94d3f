/**
 * The wait for a client's answer to a request.
 *
 * @module
 */

import type { ProgramConsole } from "./console.ts";
import { type Profile, promptPattern } from "./profile.ts";
import { mentionsResult } from "./results.ts";
import type { Request } from "./run.ts";

/** A client without an answer that shows its menu again is given this long to print one. */
const lateAnswerMs = 3_000;

/**
 * Waits for the answer of a request. A menu without an answer is waited for after `rest` for a
 * short time only. Returns whether the answer came.
 */
export async function waitForAnswer(
  program: ProgramConsole,
  request: Request,
  { refusalWord, menu }: Profile,
  timeoutMs: number,
  rest: () => Promise<unknown>,
): Promise<boolean> {
  const answered = (fresh: string) => mentionsResult(fresh, request, refusalWord);
  const menuAgain = menu === null ? undefined : promptPattern(menu);
  const deadline = performance.now() + timeoutMs;
  await program.waitFor((fresh) => answered(fresh) || menuAgain?.test(fresh) === true, timeoutMs);
  if (answered(program.fresh)) return true;
  if (program.ended) return false;
  // the menu is back without an answer: another thread may still print one
  await rest();
  const leftMs = Math.max(0, Math.min(lateAnswerMs, deadline - performance.now()));
  return await program.waitFor(answered, leftMs);
}
