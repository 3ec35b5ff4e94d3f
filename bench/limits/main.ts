/**
 * How far the servers go: memory, many keys, large values, catching up, starting, and a long run.
 *
 * @module
 */

import {
  exitCode,
  numberFlag,
  parseFlags,
  processTerminal,
  type Terminal,
} from "../../lib/cli/terminal.ts";
import { keysMax } from "../values.ts";
import { type Finding, lineOf } from "./finding.ts";
import {
  filled,
  measureLarge,
  measureMemory,
  measureRates,
  measureSnapshot,
  measureSoak,
  measureStart,
} from "./measures.ts";

const kinds = ["start", "large", "memory", "rates", "snapshot"] as const;
const fewKeys = 1_000;

const usage = `How far the servers go, each figure beside its target.

deno task bench:limits [FLAGS]

  --start         from command to serving
  --large         GET of values of 1 MiB
  --memory        memory for each key
  --rates         rate with many keys against the rate with 1,000
  --snapshot      a new follower gets all keys while PUTs go on
  --soak          only this: memory under a load on constant data
  --keys=N        what "many" and "all" are (1000000)
  --seconds=N     seconds for each load (3)
  --minutes=N     how long the soak takes (10)
  --interval=N    seconds between two looks at the memory (10)
  --json          one object in JSON instead of text
  --help          this text

Without any of the first five it measures all five. The servers are its own; their console lines are
written to the null device. Memory is what "ps" calls RSS.
`;

/** Returns the exit code; a missed target is no failure. */
async function main(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { values, switches } = parseFlags(
    args,
    ["keys", "seconds", "minutes", "interval"],
    [...kinds, "soak", "json", "help"],
  );
  await terminal.keyboard.close();
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const keys = numberFlag("keys", values.keys, 1_000_000, { min: 1, max: keysMax, whole: true });
  const bounds = (max: number) => ({ min: 0.1, max, whole: false });
  const seconds = numberFlag("seconds", values.seconds, 3, bounds(3_600));
  const minutes = numberFlag("minutes", values.minutes, 10, bounds(10_000));
  const interval = numberFlag("interval", values.interval, 10, bounds(3_600));
  const chosen = kinds.filter((kind) => switches[kind]);
  const wanted = new Set<string>(switches.soak ? ["soak"] : chosen.length > 0 ? chosen : kinds);

  const all: Finding[] = [];
  const show = (findings: readonly Finding[]) => {
    all.push(...findings);
    if (!switches.json) { for (const finding of findings) terminal.out(lineOf(finding)); }
  };
  const report = (line: string) => {
    if (!switches.json) terminal.out(line);
  };
  await using stack = new AsyncDisposableStack();
  const limits = { signal, seconds };
  if (wanted.has("soak")) show(await measureSoak(minutes, interval, limits, report));
  if (wanted.has("start")) show(await measureStart(limits));
  if (wanted.has("large")) show(await measureLarge(limits));
  if (["memory", "rates", "snapshot"].some((kind) => wanted.has(kind))) {
    const many = await filled(stack, keys, limits);
    if (wanted.has("memory")) show(await measureMemory(many, limits));
    if (wanted.has("rates")) {
      await using others = new AsyncDisposableStack();
      show(await measureRates(many, await filled(others, fewKeys, limits), limits));
    }
    if (wanted.has("snapshot")) show(await measureSnapshot(many, limits));
  }
  if (switches.json) terminal.out(`${JSON.stringify({ keys, findings: all })}\n`);
  return 0;
}

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
  terminal.err(`${(error as Error).message}\n`);
  Deno.exit(1);
}
