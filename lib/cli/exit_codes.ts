/**
 * The exit codes of all programs of this project.
 *
 * @module
 */

import { escapeControls } from "./escape.ts";
import { UsageError } from "./flags.ts";
import { EndOfInput, Interrupted } from "./keyboard.ts";
import type { Terminal } from "./terminal.ts";

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
  /** The servers cannot be used like this: password, TLS, permission, or not this store. */
  access: 7,
  /** The key is not as the command wants it, or another client holds the lock. Nothing was done. */
  conflict: 8,
  /** `lock`: the lock may be held by another client by now. */
  lockLost: 9,
  /** `lock`: the program cannot be run, as in a shell. */
  notRun: 126,
  /** `lock`: there is no such program, as in a shell. */
  noProgram: 127,
} as const;

/** The codes of programs that a signal has ended are above this: its number is added. */
const signalCodesFrom = 128;

/** The wait of a stopping program for the reader of each output, in milliseconds. */
export const lastWordsMs = 500;

/**
 * Runs a program to its exit code, and waits until its output is written.
 *
 * A {@linkcode UsageError} or an {@linkcode EndOfInput} gives one line on standard error and code 2.
 * An {@linkcode Interrupted} gives the code of its signal. If standard output could not be written,
 * code 0 becomes 6.
 *
 * @param flushMsMax Longest wait for the reader of each output, in milliseconds. A program that a
 * signal ends waits at most {@linkcode lastWordsMs}.
 */
export async function exitCode(
  terminal: Terminal,
  role: () => Promise<number>,
  flushMsMax = Infinity,
): Promise<number> {
  let code: number | undefined;
  try {
    code = await endOf(terminal, role);
  } finally {
    const interrupted = code !== undefined && code > signalCodesFrom;
    await terminal.flushed(interrupted ? Math.min(flushMsMax, lastWordsMs) : flushMsMax);
  }
  const failed = code === exitCodes.ok && terminal.outFailure !== undefined;
  return failed ? exitCodes.notRecorded : code;
}

async function endOf(terminal: Terminal, role: () => Promise<number>): Promise<number> {
  try {
    return await role();
  } catch (error) {
    if (error instanceof Interrupted) return error.code;
    if (!(error instanceof UsageError) && !(error instanceof EndOfInput)) throw error;
    terminal.err(`${escapeControls(error.message)}\n`);
    return exitCodes.usage;
  }
}
