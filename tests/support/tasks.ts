/**
 * The tasks of `deno.json` as processes, so that a test runs what a user runs.
 *
 * @module
 */

import { Process, type ProcessOptions } from "../../bench/process.ts";

const config = new URL("../../deno.json", import.meta.url);
/** How a task says where Deno itself is. The shell of the tasks runs it. */
const ownPath = `"$(deno eval -p 'Deno.execPath()')"`;

/** The environment variables that a task sets, and its arguments for Deno. */
export interface TaskCommand {
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

/** The command of every task, by its name. */
export async function taskCommands(): Promise<Readonly<Record<string, TaskCommand>>> {
  const { tasks } = JSON.parse(await Deno.readTextFile(config));
  return Object.fromEntries(
    Object.entries<{ command: string }>(tasks).map(([name, { command }]) => {
      const words = command.replace(ownPath, Deno.execPath()).split(" ");
      const deno = words.indexOf("deno");
      const env = Object.fromEntries(words.slice(0, deno).map((word) => word.split("=")));
      return [name, { env, args: words.slice(deno + 1) }];
    }),
  );
}

/** The command of a task. */
export async function commandOf(task: string): Promise<TaskCommand> {
  return (await taskCommands())[task]!;
}

/** A process with a keyboard that keeps all of its output. */
const console: ProcessOptions = { keyboard: true, out: "keep" };

/** Starts `deno task NAME FLAGS`. End it with {@linkcode Process.stop}: SIGKILL leaves its child running. */
export function startTask(task: string, ...flags: string[]): Process {
  return Process.deno(["task", task, ...flags], console);
}

/** Starts what a task runs, without the task around it. */
export async function startCommand(task: string, ...flags: string[]): Promise<Process> {
  const { env, args } = await commandOf(task);
  return Process.deno([...args, ...flags], { ...console, env });
}

/** What a process has written, and its exit code. */
export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Gives a process with a keyboard all of its input, and waits for its end. */
export async function finish(process: Process, input = ""): Promise<Finished> {
  await using running = process;
  await running.type(input).catch(() => {}); // a process that reads no input may have ended
  await running.endInput();
  const code = await running.end();
  return { code, out: running.screen, err: running.errors };
}

/** Runs Deno to its end, with these environment variables besides its own. */
export async function runDeno(
  args: readonly string[],
  input = "",
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return await finish(Process.deno(args, { ...console, env }), input);
}

/** Runs `deno task NAME FLAGS` to its end. */
export async function runTask(
  task: string,
  flags: readonly string[],
  input = "",
): Promise<Finished> {
  return await finish(startTask(task, ...flags), input);
}
