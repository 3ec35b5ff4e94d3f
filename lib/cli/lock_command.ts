/**
 * The client's command `lock`: holds a lock until a signal, or while a program runs.
 *
 * @module
 */

import { checkEntry } from "../client/arguments.ts";
import { KvError } from "../client/errors.ts";
import type { KvClient } from "../client/kv_client.ts";
import { type Lock, lock as acquire, type LockOptions } from "../client/recipes.ts";
import type { LockCommand } from "./command_line.ts";
import { exitCodes } from "./exit_codes.ts";
import { UsageError } from "./flags.ts";
import type { Interrupted } from "./keyboard.ts";
import type { CommandContext } from "./operator_commands.ts";
import { writeJson } from "./write_json.ts";

/** How long the lock may take before the wait is reported, in milliseconds. */
const reportMs = 200;

/** How long a program may go on after SIGTERM once its lock is lost, in milliseconds. */
const endMsMax = 2_000;

/** The variable in which the program gets the token. */
const tokenVariable = "KV_LOCK_TOKEN";

/** What the command needs of a lock. */
export type HeldLock = Pick<Lock, "timestamp" | "lost" | "release">;

/**
 * Takes a lock, shows its token and holds it until a signal ends the program, or while a program
 * runs, which gets the token in {@linkcode tokenVariable}.
 *
 * @returns The exit code of the program; "lockLost" if the lock is lost before; "conflict" if it is
 * not free within the time of `--wait`.
 * @throws {UsageError} if this process may not run the program.
 */
export async function holdLock(
  context: CommandContext,
  client: KvClient,
  { lock: name, command, ttlMs, waitMs }: LockCommand,
  take: (client: KvClient, name: string, options: LockOptions) => Promise<HeldLock> = acquire,
): Promise<number> {
  const { screen, json, texts, signal } = context;
  checkEntry(name);
  if (command.length > 0) checkMayRun(command[0]!);
  const lock = await inTime(
    context,
    name,
    waitMs,
    (signal) => take(client, name, { ttlMs, signal }),
  );
  if (lock === undefined) return lockBusy(context, name, waitMs!);
  let code: number;
  try {
    if (command.length > 0) code = await runWhile(context, lock, command);
    else {
      if (json) writeJson(screen, { lock: name, timestamp: lock.timestamp });
      else screen.out(`${lock.timestamp}\n`);
      screen.err(`${texts.lockHeld(name)}\n`);
      await eitherAborted(lock.lost, signal);
      code = exitCodes.ok;
    }
    if (lock.lost.aborted) {
      const { message } = lock.lost.reason as Error;
      if (json) writeJson(screen, { lock: name, error: "LOCK_LOST", message });
      screen.err(`${texts.lockLost(texts.reason(message, "LOCK_LOST"))}\n`);
      return exitCodes.lockLost;
    }
  } finally {
    await release(context, name, lock);
  }
  return code;
}

/** Releases a lock. If no server confirms it, it is free when its time to live is over. */
async function release({ screen, texts }: CommandContext, name: string, lock: HeldLock) {
  try {
    await lock.release();
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    const reason = texts.reason(error.message, error.code ?? "UNAVAILABLE");
    screen.err(`${texts.lockNotReleased(name, reason)}\n`);
  }
}

/** Takes the lock. Resolves with `undefined` if it is not free in time. */
async function inTime(
  { screen, texts, signal }: CommandContext,
  name: string,
  waitMs: number | undefined,
  take: (signal: AbortSignal) => Promise<HeldLock>,
): Promise<HeldLock | undefined> {
  const late = new AbortController();
  const lateTimer = waitMs === undefined ? undefined : setTimeout(() => late.abort(), waitMs);
  const reportTimer = setTimeout(() => screen.err(`${texts.lockWaiting(name)}\n`), reportMs);
  const signals = signal === undefined ? [late.signal] : [late.signal, signal];
  try {
    return await take(AbortSignal.any(signals));
  } catch (error) {
    if (late.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(lateTimer);
    clearTimeout(reportTimer);
  }
}

function lockBusy({ screen, json, texts }: CommandContext, name: string, waitMs: number): number {
  const seconds = waitMs / 1000;
  const message = `the lock could not be taken within ${seconds} s (--wait)`;
  if (json) writeJson(screen, { lock: name, error: "CONFLICT", message });
  screen.err(`${texts.lockBusy(name, seconds)}\n`);
  return exitCodes.conflict;
}

/**
 * Checks that this process may run a program, without a prompt.
 *
 * @throws {UsageError} if it may not.
 */
function checkMayRun(command: string): void {
  if (Deno.permissions.querySync({ name: "run", command }).state === "granted") return;
  const remedy = '"deno task client:lock NAME -- COMMAND" has it; else add --allow-run';
  throw new UsageError(`no permission to run ${JSON.stringify(command)}: ${remedy}`);
}

/** Runs a program and passes all signals on to it. Ends it if the lock is lost. Returns its exit code. */
async function runWhile(
  { screen, texts, signal, passTo }: CommandContext,
  lock: HeldLock,
  [program, ...args]: readonly string[],
): Promise<number> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program!, {
      args,
      env: { [tokenVariable]: `${lock.timestamp}` },
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    screen.err(`${texts.commandNotRun(program!, (error as Error).message)}\n`);
    return missing ? exitCodes.noProgram : exitCodes.notRun;
  }
  const end = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has just ended
    }
  };
  let killing: ReturnType<typeof setTimeout> | undefined;
  const lose = () => {
    end("SIGTERM");
    killing = setTimeout(() => end("SIGKILL"), endMsMax);
  };
  // Ctrl-C in a terminal reaches the program by itself too. A signal that comes during the release of the
  // lock is for a program that has ended.
  passTo?.(end);
  if (signal?.aborted) end((signal.reason as Interrupted).code === 130 ? "SIGINT" : "SIGTERM");
  if (lock.lost.aborted) lose();
  else lock.lost.addEventListener("abort", lose);
  try {
    return (await child.status).code;
  } finally {
    clearTimeout(killing);
    lock.lost.removeEventListener("abort", lose);
  }
}

/** Resolves once one of the signals is aborted. */
async function eitherAborted(one: AbortSignal, other: AbortSignal | undefined): Promise<void> {
  const both = AbortSignal.any(other === undefined ? [one] : [one, other]);
  if (both.aborted) return;
  await new Promise((resolve) => both.addEventListener("abort", resolve, { once: true }));
}
