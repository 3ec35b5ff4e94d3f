/**
 * The steps of a dialogue with a program, and the addresses that they type.
 *
 * @module
 */

import type { Step } from "./profile.ts";
import type { Server } from "./run.ts";

/** Steps whose first one waits for the menu, unless it has a prompt of its own. */
export function withMenu(steps: readonly Step[], menu: string | null): readonly Step[] {
  const [first, ...rest] = steps;
  if (first === undefined || first[0] !== null || menu === null) return steps;
  return [[menu, first[1]], ...rest];
}

/** The steps of a request: before the one that completes it, that one, and those after its answer. */
export function splitSteps(
  steps: readonly Step[],
): { before: readonly Step[]; last: Step; after: readonly Step[] } {
  const at = steps.findLastIndex(([, typed]) => /\{(?:key|value)\}/.test(typed));
  return { before: steps.slice(0, at), last: steps[at]!, after: steps.slice(at + 1) };
}

/** The values of the names in braces: of the leader and the others, and of one's own address. */
export function addressesOf(servers: readonly Server[], own: Server): Record<string, string> {
  const leader = servers[0]!;
  const values: Record<string, string> = {
    ...{ ip: own.ip, port: `${own.port}` },
    ...{ leaderIp: leader.ip, leaderPort: `${leader.port}` },
  };
  for (const [i, { ip, port }] of servers.entries()) {
    values[`ip${i + 1}`] = ip;
    values[`port${i + 1}`] = `${port}`;
  }
  return values;
}
