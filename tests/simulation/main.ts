/**
 * The command that simulates many seeds, or one seed with a trace of its events.
 *
 * @module
 */

import { escapeControls } from "../../lib/cli/escape.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { numberFlag, parseFlags } from "../../lib/cli/flags.ts";
import { processTerminal, type Terminal } from "../../lib/cli/terminal.ts";
import { describe, type Plan } from "./actions.ts";
import { simulateMany } from "./many.ts";
import { makeDurablePlan, makePlan } from "./plan.ts";
import { only, shrink } from "./shrink.ts";
import type { Slice } from "./worker.ts";
import { simulate } from "./world.ts";

const usage = `Simulates the cluster under faults, from seeds.

deno task simulate [FLAGS]

  --seeds=N      how many seeds (100000)
  --from=N       the first seed (1)
  --seed=N       only this seed, with its trace
  --durable      servers have disks, and may all crash at once
  --coordination each plan has conditional writes, deletions, lists or watches
  --only=A,B,C   with --seed: only these actions of its plan
  --help         this text
`;

const seedMax = 2 ** 32 - 1;
const progressEveryMs = 200;

/** Returns the exit code: 1 if a rule broke. */
async function main(terminal: Terminal): Promise<number> {
  const { values, switches } = parseFlags(Deno.args, ["seeds", "from", "seed", "only"], [
    "durable",
    "coordination",
    "help",
  ]);
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const makeAny = switches.durable ? makeDurablePlan : makePlan;
  const make = (seed: number) => makeAny(seed, switches.coordination ? 1 : undefined);
  const again = `${switches.durable ? " --durable" : ""}${
    switches.coordination ? " --coordination" : ""
  }`;
  const bounds = { min: 0, max: seedMax, whole: true };
  if (values.seed !== undefined) {
    const plan = make(numberFlag("seed", values.seed, 0, bounds));
    const numbers = values.only?.split(",").filter((text) => text !== "").map(Number);
    return await replay(terminal, numbers === undefined ? plan : only(plan, numbers));
  }
  const first = numberFlag("from", values.from, 1, bounds);
  const count = numberFlag("seeds", values.seeds, 100_000, bounds);
  const { durable, coordination } = switches;
  const broken = await runMany(terminal, { first, count, durable, coordination });
  if (broken === undefined) return 0;
  await explain(terminal, make(broken), again);
  return 1;
}

async function replay(terminal: Terminal, plan: Plan): Promise<number> {
  const { violation, trace } = simulate(plan, true);
  for (const line of trace) {
    terminal.out(`${escapeControls(line)}\n`);
    await terminal.flushed(); // so that nothing is dropped, however long it is
  }
  terminal.out(`${violation ?? "all rules held"}\n`);
  return violation === undefined ? 0 : 1;
}

/** Returns the lowest seed that breaks a rule. */
async function runMany(terminal: Terminal, seeds: Slice): Promise<number | undefined> {
  const { count } = seeds;
  const start = performance.now();
  const watched = Deno.stderr.isTerminal();
  let shownAt = start;
  const { done, broken } = await simulateMany(seeds, (i) => {
    const now = performance.now();
    if (!watched || now - shownAt < progressEveryMs) return;
    shownAt = now;
    terminal.err(`\r${bar(i / count)} ${i} of ${count} seeds, ${rate(i, now - start)} per second `);
  });
  if (watched) terminal.err("\r\x1b[K");
  if (broken !== undefined) return broken;
  const ms = performance.now() - start;
  terminal.out(
    `${count} seeds, ${done} requests done, no rule broken; ${rate(count, ms)} seeds per second\n`,
  );
  return undefined;
}

async function explain(terminal: Terminal, plan: Plan, again: string): Promise<void> {
  terminal.out(
    `\nseed ${plan.seed} breaks a rule: deno task simulate --seed=${plan.seed}${again}\n`,
  );
  await terminal.flushed(); // it may throw
  const { violation } = simulate(plan);
  terminal.out(`  ${violation}\n`);
  const numbers = shrink(plan);
  const short = only(plan, numbers);
  terminal.out(`${numbers.length} of its ${plan.actions.length} actions suffice:\n`);
  for (const action of short.actions) terminal.out(`  ${action.at} ms: ${describe(action)}\n`);
  terminal.out(`what happens:\n`);
  const replayed = simulate(short, true);
  for (const line of replayed.trace) {
    terminal.out(`  ${escapeControls(line)}\n`);
    await terminal.flushed();
  }
  terminal.out(
    `  ${replayed.violation}\nagain: deno task simulate --seed=${plan.seed}${again} --only=${numbers}\n`,
  );
}

function bar(share: number): string {
  const full = Math.round(share * 30);
  return `[${"#".repeat(full)}${"-".repeat(30 - full)}]`;
}

function rate(count: number, ms: number): string {
  return Math.round(count / (ms / 1000)).toString();
}

const terminal = processTerminal();
Deno.exit(await exitCode(terminal, () => main(terminal)));
