/**
 * Breaks the code on purpose, in one of the listed ways at a time, and checks that the simulation
 * notices.
 *
 * @module
 */

import { exitCode } from "../../lib/cli/exit_codes.ts";
import { parseFlags, UsageError } from "../../lib/cli/flags.ts";
import { processTerminal, type Terminal } from "../../lib/cli/terminal.ts";
import type { simulate } from "./world.ts";
import { basicMutants } from "./basic_mutants.ts";
import { coordinationMutants } from "./coordination_mutants.ts";
import { type Mutant, seedsMax } from "./mutant.ts";
import type { makeDurablePlan, makePlan } from "./plan.ts";

const usage = `Breaks the code in one way at a time, and tells at which seed the simulation notices.

deno task mutants [FLAGS]

  --only=TEXT    only mutants with this text in their name
  --help         this text
`;

const root = new URL("../../", import.meta.url);

/** Returns the exit code: 1 if a mutant survived. */
async function main({ out, flushed }: Terminal): Promise<number> {
  const { values: { only = "" }, switches } = parseFlags(Deno.args, ["only"], ["help"]);
  if (switches.help) {
    out(usage);
    return 0;
  }
  const all = [...basicMutants, ...coordinationMutants];
  const mutants = all.filter(({ name }) => name.includes(only));
  if (mutants.length === 0) throw new UsageError(`--only: no mutant has ${JSON.stringify(only)}`);
  /** Each mutant is a copy of the code in a folder of its own. */
  const scratch = await Deno.makeTempDir();
  let survivors = 0;
  try {
    const unchanged = {
      name: "",
      file: "replication/store.ts",
      find: "class Store",
      replace: "class Store",
    };
    if (await firstFailure(unchanged, `${scratch}/unchanged`) !== undefined) {
      throw new Error("the code as it is breaks a rule: see deno task simulate");
    }
    for (const [number, mutant] of mutants.entries()) {
      const seed = await firstFailure(mutant, `${scratch}/${number}`);
      if (seed === undefined) survivors++;
      const seeds = mutant.seeds ?? seedsMax;
      const fate = seed === undefined ? `SURVIVED ${seeds} seeds` : `caught at seed ${seed}`;
      out(`${fate.padEnd(24)} ${mutant.name}\n`);
      await flushed();
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  out(`${mutants.length - survivors} passed, ${survivors} failed\n`);
  return survivors === 0 ? 0 : 1;
}

/** The first seed that notices the mutant. */
async function firstFailure(mutant: Mutant, folder: string): Promise<number | undefined> {
  for (const part of ["lib", "tests/simulation", "tests/support"]) await copy(part, folder, mutant);
  const world: { simulate: typeof simulate } = await import(
    `file://${folder}/tests/simulation/world.ts`
  );
  const plans: { makePlan: typeof makePlan; makeDurablePlan: typeof makeDurablePlan } =
    await import(
      `file://${folder}/tests/simulation/plan.ts`
    );
  const make = mutant.durable === true ? plans.makeDurablePlan : plans.makePlan;
  const coordination = mutant.coordination === true ? 1 : undefined;
  for (let seed = 1; seed <= (mutant.seeds ?? seedsMax); seed++) {
    try {
      if (world.simulate(make(seed, coordination)).violation !== undefined) return seed;
    } catch {
      return seed;
    }
  }
  return undefined;
}

/** Copies the sources below a folder of the project, one of them mutated. */
async function copy(part: string, to: string, mutant: Mutant): Promise<void> {
  await Deno.mkdir(`${to}/${part}`, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(new URL(part, root))) {
    const path = `${part}/${name}`;
    if (isDirectory) await copy(path, to, mutant);
    else if (name.endsWith(".ts")) {
      const text = await Deno.readTextFile(new URL(path, root));
      await Deno.writeTextFile(
        `${to}/${path}`,
        path === `lib/${mutant.file}` ? mutate(text, mutant) : text,
      );
    }
  }
}

function mutate(text: string, { name, find, replace, also }: Mutant): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`mutant "${name}": the text to replace occurs ${parts.length - 1} times`);
  }
  const mutated = parts.join(replace);
  return also === undefined ? mutated : mutate(mutated, { name, file: "", ...also });
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(terminal)));
}
