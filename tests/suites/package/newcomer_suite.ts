/**
 * A newcomer's first program: what docs/library.md and the package's README say, command by command and
 * line by line, in an empty folder on each runtime. Only the servers are others: those of this process.
 * `deno task test:runtimes`.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the times belong on the console

import { assert, assertEquals } from "@std/assert";
import { Cluster } from "../../support/cluster.ts";
import { Scratch } from "../../support/scratch.ts";
import { bun, hasBun, hasNpm, root, succeed } from "./programs.ts";

/** What a newcomer is ready to type. */
const linesMax = 10;

const page = await Deno.readTextFile(new URL("docs/library.md", root));
const install = page.slice(page.indexOf("## Install"), page.indexOf("| To do this"));
const readme = await Deno.readTextFile(new URL("README.md", root));
const packageReadme = await Deno.readTextFile(new URL("tools/npm/README.md", root));

/** The texts in a page between fences of this kind. */
function blocks(text: string, kind: string): string[] {
  return Array.from(
    text.matchAll(new RegExp(`\`\`\`${kind}\n(.*?)\`\`\``, "gs")),
    ([, code]) => code!,
  );
}

/** The text with this project's folder and the servers of a test in the places of those of the page. */
function here(text: string, { servers }: Cluster): string {
  const path = `${import.meta.dirname}/../../..`;
  return text.replaceAll("/path/to/this/project", path).replaceAll(`"./lib/`, `"${path}/lib/`)
    .replaceAll(/127\.0\.0\.1:1009([789])/g, (_, digit) => servers[Number(digit) - 7]!.name);
}

/** The commands of the page that begin with one of these programs, without comments. */
function commands(...programs: string[]): string[][] {
  return blocks(install, "sh").join("").split("\n")
    .map((line) => line.replace(/ +#.*/, "").split(" "))
    .filter(([program]) => programs.includes(program!));
}

/** How a program that the page names is started here. */
const started: Readonly<Record<string, readonly string[]>> = {
  deno: [Deno.execPath()],
  bun: ["npx", "-y", bun],
};

const byPath = [...blocks(install, "ts ignore"), ...blocks(readme, "ts")];
/** The README says which names Node.js has for the two modules. */
const readmeByPackage = blocks(readme, "ts").map((code) =>
  code.replace("./lib/client/kv_client.ts", "@kv/replicated")
    .replace("./lib/client/recipes.ts", "@kv/replicated/recipes")
);
const byPackage = [
  ...blocks(install, "js"),
  ...blocks(packageReadme, "js"),
  ...readmeByPackage,
];

for (
  const [name, available, programs, file, codes] of [
    ["Deno", true, ["deno"], "first.ts", byPath],
    ["Bun", hasBun, ["bun"], "first.ts", byPath],
    ["Node.js", hasNpm, ["npx", "npm", "node"], "first.mjs", byPackage],
  ] as const
) {
  Deno.test({
    name: `${name} alone, in an empty folder: the first program as it stands, in ${linesMax} lines`,
    ignore: !available,
    async fn() {
      await using cluster = await Cluster.start();
      using folder = new Scratch();
      const steps = commands(...programs);
      assert(steps.length > 0 && codes.length > 0, "the page has no commands, or no program");
      const from = performance.now();
      let said = "";
      for (const code of codes) {
        const lines = code.split("\n").filter((line) => line.trim() !== "");
        assert(lines.length <= linesMax, `${lines.length} lines:\n${code}`);
        await Deno.writeTextFile(`${folder.path}/${file}`, here(code, cluster));
        // The first program comes with the whole installation.
        for (const step of code === codes[0] ? steps : steps.slice(-1)) {
          const [program, ...args] = here(step.join(" "), cluster).split(" ");
          const [command, ...first] = started[program!] ?? [program!];
          const cwd = program === "npx" ? root : folder.path;
          said = await succeed(command!, [...first, ...args], cwd);
        }
        assertEquals(said, "azul\nazul\n", code);
      }
      console.log(`${name}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
    },
  });
}
