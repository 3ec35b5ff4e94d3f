/**
 * Watches beside those of etcd and the subscriptions of Redis (Linux).
 *
 * @module
 */

import { exitCode } from "../../lib/cli/exit_codes.ts";
import { numberFlag, parseFlags } from "../../lib/cli/flags.ts";
import { processTerminal, type Terminal } from "../../lib/cli/terminal.ts";
import { grouped } from "../drawing.ts";
import { installed } from "../process.ts";
import { type Figures, measure } from "./measure.ts";
import { type Start, startEtcd, startKv, startRedis } from "./watched.ts";

/** The systems, and the program that each of the others needs. */
const systems: Readonly<Record<string, { readonly start: Start; readonly program?: string }>> = {
  kv: { start: startKv },
  etcd: { start: startEtcd, program: "etcd" },
  redis: { start: startRedis, program: "redis-server" },
};

const usage = `Watches beside those of etcd and the subscriptions of Redis (Linux).

deno task bench:watches [FLAGS]

  --kv, --etcd, --redis   only these systems
  --seconds=N             seconds of each load (3)
  --rounds=N              how often each system is measured, in turns (3)
  --json                  JSON instead of text
  --help                  this text

A system that is not installed is skipped. Each system is one server. All values have 100 bytes, all
changes are of one key. The first figure is the time from a write until 1,000 watchers on 10
connections have the change.
`;

/** Returns the exit code. */
async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const names = Object.keys(systems);
  const { values, switches } = parseFlags(args, ["seconds", "rounds"], [...names, "json", "help"]);
  await terminal.keyboard.close();
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const seconds = numberFlag("seconds", values.seconds, 3, { min: 0.1, max: 3_600, whole: false });
  const rounds = numberFlag("rounds", values.rounds, 3, { min: 1, max: 100, whole: true });
  const chosen = names.filter((name) => switches[name]);
  const present: string[] = [];
  for (const name of chosen.length > 0 ? chosen : names) {
    const { program } = systems[name]!;
    if (program === undefined || await installed(program)) present.push(name);
    else terminal.err(`${name} is skipped: ${program} is not installed or not in PATH\n`);
  }
  if (present.length === 0) return 1;
  for (let round = 0; round < rounds; round++) {
    for (const name of present) {
      const folder = await Deno.makeTempDir();
      try {
        await using stack = new AsyncDisposableStack();
        const system = await systems[name]!.start(stack, folder);
        const figures = await measure(system, seconds);
        terminal.out(
          switches.json
            ? `${JSON.stringify({ name, ...figures })}\n`
            : lineOf(system.name, figures),
        );
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
  }
  return 0;
}

function lineOf(name: string, figures: Figures): string {
  const { soonMs: [median, worst], fanOutPerSecond, singlePerSecond, singleCpuUs } = figures;
  return `${name.padEnd(16)} 1,000 watchers have it after ${median.toFixed(1)} ms (p99 ${
    worst.toFixed(1)
  }), ` +
    `${grouped(fanOutPerSecond)} changes/s; one watcher ${grouped(singlePerSecond)} changes/s, ` +
    `${singleCpuUs.toFixed(1)} µs each\n`;
}

const terminal = processTerminal();
Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
