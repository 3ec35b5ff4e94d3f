/**
 * Runs a property many times; a failure says how to run it again.
 *
 * @module
 */

import fc from "fast-check";
import { givenSeed } from "../../support/random.ts";

/** All runs, and the shrinking of a failure, take no longer than this. */
const checkMsMax = 300_000;

/** Something to be shown with many inputs. */
export interface Proof {
  /** Has to hold for each of them. */
  // deno-lint-ignore no-explicit-any -- what it draws is its own affair
  readonly property: fc.IRawProperty<any>;
  /** What is to be seen to after the last one. */
  readonly finish?: () => void | Promise<void>;
  /** Gives back what is open, at the end. */
  readonly dispose?: () => Promise<void>;
}

/**
 * Makes a test of something to be shown with `runs` inputs. `command` is what comes after `deno` to run its file.
 *
 * A failure names seed, path and the smallest input found; `-- --seed=N --path=P` runs just that input again.
 */
export function fuzz(name: string, runs: number, command: string, prove: () => Proof): void {
  Deno.test(name, async () => {
    const { property, finish, dispose } = prove();
    try {
      await check(property, runs, `deno ${command} --filter "${name}"`);
      await finish?.();
    } finally {
      await dispose?.();
    }
  });
}

// deno-lint-ignore no-explicit-any -- as above
async function check(property: fc.IRawProperty<any>, runs: number, again: string): Promise<void> {
  const seed = givenSeed(Deno.args);
  const path = givenPath(Deno.args);
  const details = await fc.check(property, {
    numRuns: runs,
    interruptAfterTimeLimit: checkMsMax,
    markInterruptAsFailure: true,
    ...(seed === undefined ? {} : { seed: seed | 0 }), // fast-check's are signed
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return;
  const flags = [`--seed=${details.seed >>> 0}`];
  if (details.counterexamplePath !== null) flags.push(`--path=${details.counterexamplePath}`);
  throw new Error(
    `${fc.defaultReportMessage(details)}\n\nagain: ${again} -- ${flags.join(" ")}\n`,
    { cause: details.errorInstance },
  );
}

/** The place of an input among all that a seed draws: `--path=12:0:3`. */
function givenPath(args: readonly string[]): string | undefined {
  return args.map((arg) => /^--path=([\d:]+)$/.exec(arg)?.[1]).find((path) => path !== undefined);
}
