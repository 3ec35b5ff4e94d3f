/** Finds a short plan that breaks a rule, from a long one that does. */

import type { Plan } from "./actions.ts";
import { simulate } from "./world.ts";

/**
 * Leaves out actions, many at a time and then one by one, as long as the same rule still breaks. Returns
 * the numbers of the actions that are needed.
 */
export function shrink(plan: Plan): number[] {
  const rule = brokenRule(plan);
  let needed = plan.actions.map((_, i) => i);
  for (let size = Math.ceil(needed.length / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let start = 0; start < needed.length;) {
      const fewer = needed.toSpliced(start, size);
      if (brokenRule(only(plan, fewer)) === rule) needed = fewer;
      else start += size;
    }
  }
  return needed;
}

/** The plan with only the actions of these numbers. */
export function only(plan: Plan, numbers: readonly number[]): Plan {
  return { ...plan, actions: plan.actions.filter((_, i) => numbers.includes(i)) };
}

function brokenRule(plan: Plan): string | undefined {
  return simulate(plan).violation?.split(":")[0];
}
