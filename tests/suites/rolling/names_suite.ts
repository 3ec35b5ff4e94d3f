/**
 * A rolling restart of three servers behind names, each at another address than before: `deno task test:rolling`.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { assertEquals } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { Scratch } from "../../support/scratch.ts";

const inside = new URL("named_restart.ts", import.meta.url).href;
/**
 * Gives the program a table of names of its own, in a mount namespace that ends with it. The machine's own table stays
 * as it is.
 */
const ownNames: readonly [program: string, ...args: string[]] = [
  "unshare",
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  'mount --bind "$0" /etc/hosts && exec "$@"',
];
const ignore = Deno.build.os !== "linux" || !await mayHaveOwnNames();

for (const durable of [false, true]) {
  const where = durable ? "with data directories" : "in memory";
  Deno.test({
    name: `${where}: servers behind names come back at other addresses, and no request fails`,
    ignore,
    fn: async () => {
      using scratch = new Scratch();
      const hosts = `${scratch.path}/hosts`;
      await Deno.writeTextFile(hosts, "");
      const files = [`--allow-read=${scratch.path}`, `--allow-write=${scratch.path}`];
      const run = `--allow-run=${Deno.execPath()},pkill`;
      const args = ["run", "--no-prompt", "--allow-net", run, ...files, inside, hosts];
      const data = durable ? [scratch.path] : [];
      const [program, ...before] = ownNames;
      await using process = new Process(
        program,
        [...before, hosts, Deno.execPath(), ...args, ...data],
        { out: "keep" },
      );
      const code = await process.code;
      console.log(process.screen.trimEnd());
      assertEquals(code, 0, process.errors);
    },
  });
}

/** Whether this system lets the user make such a namespace. */
async function mayHaveOwnNames(): Promise<boolean> {
  try {
    const [program, ...before] = ownNames;
    const args = [...before, "/etc/hostname", "true"];
    return (await new Deno.Command(program, { args, stderr: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
