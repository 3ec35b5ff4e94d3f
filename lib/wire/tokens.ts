/**
 * The bound on what parsing one line costs.
 *
 * @module
 */

import { FrameError } from "./errors.ts";

/**
 * Strings, brackets, braces, commas and colons in one frame. The longest honest frame, a SNAPSHOT,
 * has half of it.
 */
export const frameTokensMax = 128 * 1024;

/**
 * The same for a frame of a client, which needs some 20. Short numbers in strings all can have one
 * hash in V8, so the time that JSON.parse takes for them grows with the square of their number.
 */
export const clientTokensMax = 256;

const quote = 34;
const comma = 44;
const colon = 58;
const backslash = 92;
/** Opening bracket or brace, once bit 5 is set. */
const opening = 123;
/** Closing bracket or brace, once bit 5 is set. */
const closing = 125;

/**
 * Checks that a line has no more tokens than a message can need. JSON.parse takes about 100 ns for a
 * token, so a line of 8 MiB of tokens would take more than a second. Text in strings takes a hundredth
 * of that.
 *
 * The line need not be JSON. This check takes at most 5 ns for a character, and almost nothing for a
 * line with fewer characters than that.
 *
 * @throws {FrameError} if there are more than `tokensMax`.
 */
export function checkTokens(line: string, tokensMax: number): void {
  if (line.length <= tokensMax) return;
  let left = tokensMax;
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    const bracket = code | 32;
    if (
      code !== quote && code !== comma && code !== colon && bracket !== opening &&
      bracket !== closing
    ) continue;
    if (--left < 0) {
      throw new FrameError(
        "TOO_LARGE",
        `the frame has more than ${tokensMax} strings, brackets, commas and colons`,
      );
    }
    if (code !== quote) continue;
    at = endOfString(line, at);
    if (at < 0) return; // the string does not end, so the line is not JSON
  }
}

/** The place of the quote that ends the string that begins at `start`; -1 if there is none. */
function endOfString(line: string, start: number): number {
  // In most strings no quote is escaped. `indexOf` is ten times as fast as the loop below.
  const first = line.indexOf('"', start + 1);
  if (line.charCodeAt(first - 1) !== backslash) return first;
  for (let at = start + 1; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === quote) return at;
    if (code === backslash) at++;
  }
  return -1;
}
