/**
 * What the permissions of the tasks allow a program that was taken over: each task's own flags, with
 * a program in the place of the role that tries everything.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { Scratch } from "../../support/scratch.ts";
import { makeLink } from "../../support/special_files.ts";
import { finish, taskCommands } from "../../support/tasks.ts";

const project = `${import.meta.dirname}/../../../`;
const both = (file: string) => [`read ${file}`, `write ${file}`];

/** What each task for users may do besides the network: all of it, and nothing else. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  start: [],
  server: [],
  // Deno follows a link that is there already. A program with these permissions cannot make one.
  "server:durable": [...both("data/file"), ...both("data/link")],
  "server:secret": ["read KV_SECRET", "read KV_PASSWORD"],
  "server:etcd": ["read KV_PASSWORD", "read KV_ETCD_USER", "read KV_ETCD_PASSWORD"],
  "server:tls": ["read tls/cert.pem", "read tls/key.pem", "read tls/ca.pem"],
  dashboard: [],
  client: [],
  // The program that runs while the lock is held is the user's own.
  "client:lock": ["run true", "run deno", "run true in a worker", "ask for more"],
  "client:secret": ["read KV_PASSWORD"],
  "client:tls": ["read tls/ca.pem"],
  "client:session": both(".session/file"),
  demo: [],
};

for (const [task, expected] of Object.entries(allowed)) {
  Deno.test(`a program with the permissions of "${task}" can do nothing but ${expected.join(", ") || "use the network"}`, async () => {
    using scratch = new Scratch();
    for (const folder of ["data", "tls", ".session"]) await Deno.mkdir(`${scratch.path}/${folder}`);
    for (
      const file of [
        ...["victim", "data/file", ".session/file"],
        ...["tls/cert.pem", "tls/key.pem", "tls/ca.pem"],
      ]
    ) {
      await Deno.writeTextFile(`${scratch.path}/${file}`, "text");
    }
    await makeLink("../victim", `${scratch.path}/data/link`);
    const { args, env } = (await taskCommands())[task]!;
    const [run, ...rest] = args;
    assertEquals(run, "run");
    const flags = rest.slice(0, rest.findIndex((arg) => arg.endsWith(".ts")));
    const probe = `${project}tests/suites/security/support/permission_probe.ts`;
    const process = Process.deno(
      ["run", `--config=${project}deno.json`, "--no-check", ...flags, probe, scratch.path],
      {
        cwd: scratch.path,
        keyboard: true,
        out: "keep",
        env: {
          ...env,
          ...{ KV_SECRET: "x", KV_PASSWORD: "x", KV_ETCD_USER: "x", KV_ETCD_PASSWORD: "x" },
        },
      },
    );
    const { code, out, err } = await finish(process);
    assertEquals(code, 0, err);
    assertEquals(JSON.parse(out).sort(), [...expected].sort());
    assertEquals(await Deno.readTextFile(`${scratch.path}/victim`), "text");
  });
}

Deno.test("every task for users is in this list", async () => {
  // Those for developers, and the grader: what it starts is bound by nothing, see SECURITY.md.
  const others = /^(?:test|bench|build|grade|simulate|mutants|check|doc|lock|setup)\b/;
  const tasks = await taskCommands();
  const known = Object.keys(allowed).sort();
  assertEquals(Object.keys(tasks).filter((name) => !others.test(name)).sort(), known);
});
