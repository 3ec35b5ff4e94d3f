/**
 * The exit codes of all programs of this project.
 *
 * @module
 */

import { UsageError } from "./flags.ts";
import { EndOfInput, type Terminal } from "./terminal.ts";

/** The exit codes of the client's commands. Other programs end with 0, 1 (it failed), 2 or 6. */
export const exitCodes = {
  /** Done. `status`: all servers answer. */
  ok: 0,
  /** `get`: the key does not exist. */
  notFound: 1,
  /** Wrong usage, the input ended too early, or the session is of another cluster. */
  usage: 2,
  /** `get`: every server that answered is behind the session. */
  stale: 3,
  /** Not done; trying again is safe. */
  unavailable: 4,
  /** `put`: it may or may not be written. */
  unknownOutcome: 5,
  /** Done, but the output could not be written or the session not stored. */
  notRecorded: 6,
} as const;

/**
 * Runs a program to its exit code.
 *
 * A {@linkcode UsageError} or an {@linkcode EndOfInput} gives one line on standard error and code 2.
 * If standard output could not be written, code 0 becomes 6.
 */
export async function exitCode(terminal: Terminal, role: () => Promise<number>): Promise<number> {
  try {
    const code = await role();
    const failed = code === exitCodes.ok && terminal.outFailure !== undefined;
    return failed ? exitCodes.notRecorded : code;
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof EndOfInput)) throw error;
    terminal.err(`${error.message}\n`);
    return exitCodes.usage;
  }
}
