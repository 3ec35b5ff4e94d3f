/**
 * Programs that the tests of the package run: the runtimes, and the tools of npm.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

/** The folder of this project. */
export const root: URL = new URL("../../../", import.meta.url);

/** Bun, as npm names it. */
export const bun = "bun@1.3.3";

/** The tools of npm come over the network, and may be slow. */
const toolMs = 180_000;

interface Ran {
  readonly code: number;
  readonly out: string;
}

/** Variables of the environment of a program. */
export type Variables = Readonly<Record<string, string>>;

/** Runs a program until it ends. Returns its exit code and what it printed on both streams. */
async function run(
  program: string,
  args: readonly string[],
  cwd: string | URL,
  env: Variables = {},
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1", npm_config_fund: "false", npm_config_audit: "false", ...env },
    signal: AbortSignal.timeout(toolMs),
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs a program that must end well. Returns what it printed on both streams. */
export async function succeed(
  program: string,
  args: readonly string[],
  cwd: string | URL,
  env: Variables = {},
): Promise<string> {
  const { code, out } = await run(program, args, cwd, env);
  assertEquals(code, 0, `${program} ${args.join(" ")}:\n${out}`);
  return out;
}

/** Whether a program is installed, and ends well with these arguments. */
export async function has(program: string, args: readonly string[]): Promise<boolean> {
  try {
    return (await run(program, args, root)).code === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether npm is installed. */
export const hasNpm: boolean = await has("npm", ["--version"]);
/** Whether Bun can be had from npm. */
export const hasBun: boolean = hasNpm && await has("npx", ["-y", bun, "--version"]);
