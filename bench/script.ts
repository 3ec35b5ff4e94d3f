/**
 * What the entry scripts of the benchmarks share: signals, progress, and where a run was measured.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a part of the runtime
import { cpus } from "node:os";
import { escapeControls } from "../lib/cli/escape.ts";
import { exitCode } from "../lib/cli/exit_codes.ts";
import { processTerminal, type Terminal } from "../lib/cli/terminal.ts";

/** Runs a benchmark and ends the process with its exit code; with 1 after SIGINT or SIGTERM. */
export async function runScript(
  main: (args: string[], terminal: Terminal, signal: AbortSignal) => Promise<number>,
): Promise<never> {
  const terminal = processTerminal();
  const stop = new AbortController();
  // Windows has no SIGTERM to listen for.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  try {
    Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal, stop.signal)));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    terminal.err(`\n${escapeControls((error as Error).message)}\n`);
    await terminal.flushed();
    Deno.exit(1);
  }
}

/** Shows what is being done, in one line of a terminal. */
export function showProgress(terminal: Terminal, line: string): void {
  if (Deno.stderr.isTerminal()) terminal.err(`\r\x1b[K${line}`);
}

/** When, where and by which command a run was measured. */
export interface Context {
  /** The day, as in 2026-11-27. */
  readonly date: string;
  /** Processors and Deno's version. */
  readonly machine: string;
  /** The command. */
  readonly command: string;
}

/** The context of this run. `task` is its task in `deno.json`. */
export function contextOf(task: string, args: readonly string[]): Context {
  const processors = cpus();
  const model = (processors[0]?.model ?? "unknown processor").replace(/\s+/g, " ");
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${processors.length} cores of ${model}, Deno ${Deno.version.deno}`,
    command: [`deno task ${task}`, ...args].join(" "),
  };
}
