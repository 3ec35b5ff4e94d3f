/**
 * Checks a property with many random inputs. A failure says how to repeat it.
 *
 * @module
 */

import fc from "fast-check";
import { givenSeed } from "../../support/random.ts";

/** The time limit for all runs and for shrinking a failure. */
const checkMsMax = 300_000;

/** A property that must hold for many inputs. */
export interface Proof {
  /** Must hold for each input. */
  // deno-lint-ignore no-explicit-any -- each property has inputs of its own type
  readonly property: fc.IRawProperty<any>;
  /** Is called after the last input. */
  readonly finish?: () => void | Promise<void>;
  /** Closes everything, also after a failure. */
  readonly dispose?: () => Promise<void>;
}

/**
 * Defines a test of a property with `runs` inputs. `command` holds the arguments of `deno` that run its file.
 *
 * A failure shows seed, path and the smallest failing input. `-- --seed=N --path=P` repeats only that input.
 * `-- --share=0.2` tries a fifth of the inputs.
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
    numRuns: Math.ceil(runs * givenShare(Deno.args)),
    interruptAfterTimeLimit: checkMsMax,
    markInterruptAsFailure: true,
    ...(seed === undefined ? {} : { seed: seed | 0 }), // fast-check's are signed
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return;
  const flags = [`--seed=${details.seed >>> 0}`];
  if (details.counterexamplePath !== null) flags.push(`--path=${details.counterexamplePath}`);
  throw new Error(
    `${fc.defaultReportMessage(details)}\n\nrepeat it: ${again} -- ${flags.join(" ")}\n`,
    { cause: details.errorInstance },
  );
}

/** The path of an input among all inputs of a seed, as in `--path=12:0:3`; `undefined` without that flag. */
function givenPath(args: readonly string[]): string | undefined {
  return args.map((arg) => /^--path=([\d:]+)$/.exec(arg)?.[1]).find((path) => path !== undefined);
}

/** The part of the inputs that are tried, as in `--share=0.2`; all without that flag. */
function givenShare(args: readonly string[]): number {
  const share = args.map((arg) => /^--share=(0?\.\d+)$/.exec(arg)?.[1]).find((one) =>
    one !== undefined
  );
  return Number(share ?? 1);
}
