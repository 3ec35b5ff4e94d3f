/**
 * The limits of the servers: memory, many keys, large values, snapshots, start time, and a long run.
 *
 * @module
 */

import { numberFlag, parseFlags } from "../../lib/cli/flags.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import { runScript } from "../script.ts";
import { keysMax } from "../values.ts";
import { measureAtOnce } from "./at_once.ts";
import { measureBeside } from "./beside.ts";
import { measureCoordination } from "./coordination.ts";
import { type Finding, lineOf } from "./finding.ts";
import { measureLists } from "./lists.ts";
import {
  filled,
  measureLarge,
  measureMemory,
  measureRates,
  measureSnapshot,
  measureSoak,
  measureStart,
} from "./measures.ts";

const kinds = [
  "start",
  "at-once",
  "large",
  "beside",
  "coordination",
  "lists",
  "memory",
  "rates",
  "snapshot",
] as const;
const fewKeys = 1_000;

const usage = `The limits of the servers, each figure beside its target.

deno task bench:limits [FLAGS]

  --start         time from the command to a server that listens, without a secret and with one
  --at-once       100,000 GETs and 50,000 PUTs at once by one client
  --large         rate of GETs of values of 1 MiB
  --beside        p99 of 64 clients that use 100 bytes beside one that uses 1 MiB
  --coordination  rate of conditional writes, of PUTs beside watches, and while many keys expire
  --lists         time and memory of LIST, and what it costs GETs and PUTs beside it (Linux)
  --memory        memory for each key
  --rates         rates with many keys beside rates with 1,000
  --snapshot      catch-up of an empty follower by snapshot during PUTs
  --soak          memory during a long load on constant data, and nothing else
  --keys=N        the number of keys (1000000)
  --seconds=N     seconds of each load (3)
  --minutes=N     minutes of the soak (10)
  --interval=N    seconds between two measurements of memory (10)
  --json          JSON instead of text
  --help          this text

Without any of the first nine it measures all nine. It starts the servers; their console lines go to
the null device. Memory is the RSS that "ps" reports, that of the index of LIST what is in use in V8.
`;

/** Returns the exit code. A missed target is not a failure. */
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
  if (wanted.has("at-once")) show(await measureAtOnce(signal));
  if (wanted.has("large")) show(await measureLarge(limits));
  if (wanted.has("beside")) show(await measureBeside(limits));
  if (wanted.has("coordination")) show(await measureCoordination(limits));
  if (wanted.has("lists")) show(await measureLists(keys, limits));
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

await runScript(main);
