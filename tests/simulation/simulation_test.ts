import { assertEquals } from "@std/assert";
import { makeDurablePlan, makePlan } from "./plan.ts";
import { simulate } from "./world.ts";

for (
  const [seeds, what, make, flag] of [
    [80, "with faults", makePlan, ""],
    [40, "with disks, in which all servers may die at once", makeDurablePlan, " --durable"],
    [30, "with coordination in each", (seed: number) => makePlan(seed, 1), " --coordination"],
  ] as const
) {
  Deno.test({
    name: `no rule breaks in ${seeds} simulated runs ${what}`,
    permissions: "none",
    fn() {
      let done = 0;
      for (let seed = 1; seed <= seeds; seed++) {
        const outcome = simulate(make(seed));
        done += outcome.done;
        assertEquals(
          outcome.violation,
          undefined,
          `seed ${seed}; for all of its events: deno task simulate --from=${seed} --seeds=1${flag}`,
        );
      }
      assertEquals(done > seeds * 10, true, `only ${done} requests succeeded in ${seeds} runs`);
    },
  });
}

Deno.test({
  name: "a simulated run goes the same way again",
  permissions: "none",
  fn() {
    const plan = makePlan(7);
    assertEquals(simulate(plan, true), simulate(plan, true));
  },
});
