/**
 * The benchmarks as processes. They start servers and stop all of them.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { commandOf } from "../../support/tasks.ts";
import { eventually } from "../../support/waiting.ts";

const processMsMax = 30_000;
const unix = Deno.build.os !== "windows";

/** Starts what a task runs, without a keyboard. */
async function start(task: string, ...flags: string[]): Promise<Process> {
  const { env, args } = await commandOf(task);
  return Process.deno([...args, ...flags], { env, out: "keep" });
}

async function pids(command: string, ...args: string[]): Promise<number[]> {
  const { stdout } = await new Deno.Command(command, { args }).output();
  return new TextDecoder().decode(stdout).split("\n").filter(Boolean).map(Number);
}

Deno.test("deno task bench: a load on three servers that it starts, with every answer checked", async () => {
  const flags = ["--duration=0.5", "--warm-up=0.1", "--connections=8", "--put-ratio=0.5"];
  await using load = await start("bench", ...flags, "--keys=100");
  assertEquals([await load.end(), load.errors], [0, ""]);
  for (const text of ["requests/s", "GET ", "PUT ", "p999", "every answer checked"]) {
    assertStringIncludes(load.screen, text);
  }
});

Deno.test({
  name: "deno task bench: SIGTERM ends the load with its figures so far, and stops the servers",
  ignore: !unix,
  fn: async () => {
    await using load = await start(
      "bench",
      ...["--duration=3600", "--warm-up=0", "--keys=100", "--json"],
    );
    const servers = await eventually("three servers run", async () => {
      const children = await pids("pgrep", "-P", `${load.pid}`);
      return children.length === 3 && children;
    }, processMsMax);
    // Before the load begins there are no figures. The CPU time of the leader shows the load.
    await eventually("the load has begun", async () => {
      const { stdout } = await new Deno.Command("ps", {
        args: ["-o", "cputimes=", "-p", `${servers[0]}`],
      }).output();
      return Number(new TextDecoder().decode(stdout)) >= 1;
    }, processMsMax);
    assertEquals([await load.stop(), load.errors], [0, ""]);
    assertGreater(JSON.parse(load.screen).get.count, 0);
    assertEquals(await pids("ps", "-o", "pid=", "-p", servers.join(",")), []);
  },
});

Deno.test("deno task bench:limits prints each figure beside its target", async () => {
  const flags = ["--memory", "--large", "--keys=1000", "--seconds=0.2"];
  await using limits = await start("bench:limits", ...flags);
  assertEquals([await limits.end(), limits.errors], [0, ""]);
  assertMatch(limits.screen, /^memory of the leader.* MB +target: at most .* MB, MISSED$/m); // with so few keys
  assertMatch(limits.screen, /^GET of values of 1 MiB.* MB\/s +target: at least 150 MB\/s/m);
});

Deno.test({
  name: "deno task bench:watches says which systems are not installed",
  ignore: !unix,
  fn: async () => {
    // The task's own command computes its permissions in a shell.
    const flags = ["run", "--quiet", "--no-prompt", "--allow-all", "bench/watches/main.ts"];
    await using bench = Process.deno([...flags, "--etcd", "--redis"], {
      env: { PATH: "/no/such/folder" },
      out: "keep",
    });
    assertEquals([await bench.end(), bench.screen], [1, ""]);
    for (const name of ["etcd", "redis"]) assertStringIncludes(bench.errors, `${name} is skipped`);
  },
});
