/**
 * Properties of servers, for any input from unknown clients.
 *
 * @module
 */

import fc from "fast-check";
import { type Input, inputs } from "./arbitraries.ts";
import type { Proof } from "./check.ts";
import { isForwarded, type Kind, Target, writesKnownKey } from "./target.ts";

/** The number of connections at once, each with an input of its own. */
export const inputsPerRun = 4;

/** Inputs that do not change the entries that must stay. */
const harmless: Readonly<Record<Kind, fc.Arbitrary<Input>>> = {
  alone: inputs.filter((input) => !writesKnownKey(input)),
  cluster: inputs.filter((input) => !isForwarded(input)),
  guarded: inputs,
};

/**
 * Servers answer every input and the good client as the contract says, and keep their tables.
 *
 * They get {@linkcode inputsPerRun} inputs at once. The same servers take all inputs, until an input fails.
 */
export function serving(kind: Kind, report: (figures: string) => void): Proof {
  let target: Target | undefined;
  const four = fc.tuple(...Array.from({ length: inputsPerRun }, () => harmless[kind]));
  const property = fc.asyncProperty(four, fc.nat(5), async (inputs, server) => {
    target ??= await Target.start(kind);
    try {
      await target.take(inputs, server);
    } catch (error) {
      await target[Symbol.asyncDispose]();
      target = undefined;
      throw error;
    }
  });
  const finish = async () => {
    if (target !== undefined) report(await target.finish());
  };
  return { property, finish, dispose: async () => await target?.[Symbol.asyncDispose]() };
}
