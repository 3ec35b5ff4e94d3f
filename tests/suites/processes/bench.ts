/**
 * The programs that measure, as processes: they start their own servers, and leave none behind.
 *
 * @module
 */

import { assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually, within } from "../../support/helpers.ts";

const project = new URL("../../../", import.meta.url);
const processMs = 30_000;
const unix = Deno.build.os !== "windows";

/** `deno` with the arguments of a task, and some more. */
async function spawn(task: string, ...flags: string[]): Promise<Deno.ChildProcess> {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", project)));
  const [, ...args] = (tasks[task].command as string).split(" ");
  return new Deno.Command(Deno.execPath(), {
    args: [...args, ...flags],
    cwd: project,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Its exit code, and what it wrote. */
async function ended(
  child: Deno.ChildProcess,
): Promise<{ code: number; screen: string; errors: string }> {
  const { code, stdout, stderr } = await within("bench.ts ends", child.output(), processMs);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, screen: text(stdout), errors: text(stderr) };
}

async function pids(command: string, ...args: string[]): Promise<number[]> {
  const { stdout } = await new Deno.Command(command, { args }).output();
  return new TextDecoder().decode(stdout).split("\n").filter(Boolean).map(Number);
}

Deno.test("bench.ts puts a load on three servers of its own, and says that all answers were true", async () => {
  const flags = ["--duration=0.5", "--warm-up=0.1", "--connections=8", "--put-ratio=0.5"];
  const { code, screen, errors } = await ended(await spawn("bench", ...flags, "--keys=100"));
  assertEquals([code, errors], [0, ""]);
  for (const text of ["requests/s", "GET ", "PUT ", "p999", "every answer checked"]) {
    assertStringIncludes(screen, text);
  }
});

Deno.test({
  name: "bench.ts tells at SIGTERM what came of it until then, and stops its servers",
  ignore: !unix,
  fn: async () => {
    const child = await spawn("bench", "--duration=3600", "--warm-up=0", "--keys=100", "--json");
    const servers = await eventually("three servers run", async () => {
      const children = await pids("pgrep", "-P", `${child.pid}`);
      return children.length === 3 && children;
    }, processMs);
    // Asked before it measures anything, it would have nothing to tell.
    await eventually("the load has begun", async () => {
      const { stdout } = await new Deno.Command("ps", {
        args: ["-o", "cputimes=", "-p", `${servers[0]}`],
      }).output();
      return Number(new TextDecoder().decode(stdout)) >= 1;
    }, processMs);
    child.kill("SIGTERM");
    const { code, screen, errors } = await ended(child);
    assertEquals([code, errors], [0, ""]);
    assertGreater(JSON.parse(screen).get.count, 0);
    assertEquals(await pids("ps", "-o", "pid=", "-p", servers.join(",")), []);
  },
});

Deno.test("bench:limits prints each figure beside its target", async () => {
  const flags = ["--memory", "--large", "--keys=1000", "--seconds=0.2"];
  const { code, screen, errors } = await ended(await spawn("bench:limits", ...flags));
  assertEquals([code, errors], [0, ""]);
  assertMatch(screen, /^memory of the leader.* MB +target: at most .* MB, MISSED$/m); // so few keys
  assertMatch(screen, /^GET of values of 1 MiB.* MB\/s +target: at least 150 MB\/s/m);
});
