/**
 * Compares this project's client library with ioredis, in turns, in one run on one machine.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a part of the runtime
import { resolve } from "node:path";
// deno-lint-ignore no-external-import -- a part of the runtime
import { pathToFileURL } from "node:url";
import { escapeControls } from "../../lib/cli/escape.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import { startRedis } from "../peers/redis.ts";
import { Shape } from "../peers/shape.ts";
import { installed, Process } from "../process.ts";
import { contextOf, runScript, showProgress } from "../script.ts";
import { ServerCluster } from "../server_cluster.ts";
import { eventually } from "../waiting.ts";
import { type Arguments, argumentsOf, usage } from "./arguments.ts";
import type { Kind, Load, Outcome } from "./library.ts";
import { figuresOf, tables } from "./tables.ts";

/**
 * How long the last answers of a measurement may take. Redis handles one WAIT of a connection at a time,
 * so 50,000 of them take half a minute.
 */
const answersMsMax = 180_000;
const libraryFile = "lib/client/kv_client.ts";
const theseScript = new URL("these.ts", import.meta.url).href;
const ioredisScript = new URL("ioredis.ts", import.meta.url).href;

/** One library: its process, which measures one load at a time. */
interface Subject {
  readonly name: string;
  readonly process: Process;
}

/** Returns the exit code. */
async function main(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const wanted = argumentsOf(args);
  await terminal.keyboard.close();
  if (wanted.help) {
    terminal.out(usage);
    return 0;
  }
  if (!await installed("redis-server")) {
    terminal.err("bench:clients needs redis-server, which is not installed or not in PATH\n");
    return 1;
  }
  await using stack = new AsyncDisposableStack();
  const folder = Deno.makeTempDirSync({ prefix: "kv-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  showProgress(terminal, "starting the servers");
  const servers = stack.use(await ServerCluster.start());
  const redis = await startRedis(stack, folder, new Shape());
  signal.throwIfAborted();
  const ports = servers.addresses.map(({ port }) => `${port}`);
  const subjects = [start(stack, "this library", theseScript, [moduleIn("."), ...ports])];
  const { beside } = wanted;
  if (beside !== undefined) {
    subjects.push(start(stack, "beside it", theseScript, [moduleIn(beside), ...ports]));
  }
  const redisPort = `${redis.targets[0]!.exchange.port}`;
  subjects.push(start(stack, "ioredis", ioredisScript, [redisPort], ["--allow-env"]));
  for (const { name, process } of subjects) {
    showProgress(terminal, `starting ${name}`);
    try {
      await process.shows("\n");
    } catch (error) {
      if (!process.ended) throw error;
      const why = /^error: .*/m.exec(process.errors)?.[0] ?? "it says nothing";
      terminal.err(`The process of ${name} has ended: ${escapeControls(why)}\n`);
      if (name === "ioredis") terminal.err("bench:clients needs npm, to get the package ioredis\n");
      return 1;
    }
  }
  const outcomes = await measureAll(subjects, wanted, signal, terminal);
  showProgress(terminal, "");
  const figures = wanted.kinds.flatMap((kind) =>
    wanted.inFlight.flatMap((inFlight) =>
      subjects.map(({ name }) =>
        figuresOf(name, kind, inFlight, outcomes.get(keyOf(name, kind, inFlight))!)
      )
    )
  );
  const about = contextOf("bench:clients", args);
  if (wanted.json) {
    terminal.out(`${JSON.stringify({ ...about, figures })}\n`);
    return 0;
  }
  terminal.out(
    `${about.date}, ${about.machine}; \`${about.command}\`. Medians of ${wanted.rounds} rounds of ` +
      `${
        wanted.ms / 1000
      } s in turns, key 16 bytes, value 100 bytes, loopback, all on the same machine.\n\n`,
  );
  terminal.out(tables(figures));
  return 0;
}

/** Starts the process of a library. */
function start(
  stack: AsyncDisposableStack,
  name: string,
  script: string,
  args: readonly string[],
  permissions: readonly string[] = ["--allow-read"],
): Subject {
  const all = ["run", "--no-prompt", "--lock=.setup/npm.lock", "--allow-net", ...permissions];
  const options = { group: true, keyboard: true, out: "keep" } as const;
  return { name, process: stack.use(Process.deno([...all, script, ...args], options)) };
}

/**
 * Measures each figure once in each round, so that a disturbance of the machine affects all libraries.
 * In every other round their order is reversed.
 */
async function measureAll(
  subjects: readonly Subject[],
  { rounds, kinds, inFlight, ms }: Arguments,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<Map<string, Outcome[]>> {
  const outcomes = new Map<string, Outcome[]>();
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      for (const calls of inFlight) {
        for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
          signal.throwIfAborted();
          const { name } = subject;
          showProgress(terminal, `round ${round + 1} of ${rounds}: ${name}, ${kind}, ${calls}`);
          const key = keyOf(name, kind, calls);
          const of = outcomes.get(key) ?? [];
          outcomes.set(key, of);
          of.push(await measure(subject, { kind, inFlight: calls, ms }));
        }
      }
    }
  }
  return outcomes;
}

/** Sends a load to a library's process, and waits for the outcome. */
async function measure({ name, process }: Subject, load: Load): Promise<Outcome> {
  const from = process.screen.length;
  await process.type(`${JSON.stringify(load)}\n`);
  const what = `the answers to ${load.inFlight} calls in flight, ${name}, ${load.kind}`;
  await eventually(what, () => {
    if (process.ended) throw new Error(`${name} has ended: ${process.errors}`);
    return process.screen.includes("\n", from);
  }, load.ms + answersMsMax);
  return JSON.parse(process.screen.slice(from));
}

function keyOf(name: string, kind: Kind, inFlight: number): string {
  return `${name} ${kind} ${inFlight}`;
}

/** The URL of the library in a working copy. */
function moduleIn(folder: string): string {
  return pathToFileURL(resolve(folder, libraryFile)).href;
}

await runScript(main);
