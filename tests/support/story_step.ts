/**
 * A step of a story, as the feed has it.
 *
 * @module
 */

import type { DashboardItem, DemoStep } from "../../dashboard/server/item.ts";
import { storyDefault } from "../../dashboard/stories/stories.js";

/** The item of a step of the default story, at its place there. */
export function stepItem(
  name: string,
  more: Partial<DemoStep> = {},
): Extract<DashboardItem, { kind: "demo" }> {
  const { id: story, key, steps } = storyDefault;
  const index = steps.findIndex((step) => step.name === name);
  const server = (port: number) => `127.0.0.1:${port}`;
  const step: DemoStep = {
    ...{ story, name, index: index < 0 ? steps.length : index, key, run: 1 },
    servers: { leader: server(10097), near: server(10098), far: server(10099) },
    seen: { A: 0, B: 0, C: 0, D: 0 },
    writes: {},
    ...more,
  };
  return { kind: "demo", at: 1, step };
}
