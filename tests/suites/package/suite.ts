/**
 * The npm package of the library: built by `deno task build:npm`, checked by the tools of its users,
 * installed into an empty folder, and run on Node.js, Bun and Deno at servers of this process.
 * `deno task test:package`.
 *
 * @module
 */

import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { version } from "../../../lib/version.ts";
import { TlsAcceptor } from "../../../lib/net/tls.ts";
import { Cluster } from "../../support/cluster.ts";
import { passwordText, waitingLeader } from "../../support/guarded.ts";
import { anyPort } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { TestServer } from "../../support/test_server.ts";
import { ca, elsewhere, otherCa, server as certificates } from "../../support/tls_fixture.ts";

const root = new URL("../../../", import.meta.url);
const here = (name: string) => new URL(name, import.meta.url);
const packedBytesMax = 100_000;
/** The tools of npm come over the network, and may be slow. */
const toolMs = 180_000;

const bun = "bun@1.3.3";
const typescript = "typescript@5.9.3";
const nodeTypes = "@types/node@20.19.25";

interface Ran {
  readonly code: number;
  readonly out: string;
}

/** Runs a program until it ends. Returns its exit code and what it printed on both streams. */
async function run(program: string, args: readonly string[], cwd: string | URL): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1", npm_config_fund: "false", npm_config_audit: "false" },
    signal: AbortSignal.timeout(toolMs),
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs a program that must end well. */
async function succeed(
  program: string,
  args: readonly string[],
  cwd: string | URL,
): Promise<string> {
  const { code, out } = await run(program, args, cwd);
  assertEquals(code, 0, `${program} ${args.join(" ")}:\n${out}`);
  return out;
}

async function has(program: string, args: readonly string[]): Promise<boolean> {
  try {
    return (await run(program, args, root)).code === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const hasNpm = await has("npm", ["--version"]);
const hasBun = hasNpm && await has("npx", ["-y", bun, "--version"]);

const scratch = new Scratch();
Deno.test.afterAll(() => scratch[Symbol.dispose]());
const tarball = `${import.meta.dirname}/../../../.npm/kv-replicated-${version}.tgz`;

Deno.test({
  name: `the package is built, has no dependencies, and is smaller than ${packedBytesMax} bytes`,
  ignore: !hasNpm,
  async fn() {
    await succeed(Deno.execPath(), ["task", "build:npm"], root);
    assertLess((await Deno.stat(tarball)).size, packedBytesMax);
    await Deno.writeTextFile(
      `${scratch.path}/package.json`,
      JSON.stringify({ name: "consumer", private: true, type: "module" }),
    );
    await succeed("npm", ["install", "--offline", tarball], scratch.path);
    const folder = `${scratch.path}/node_modules/@kv/replicated`;
    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
    assertEquals(manifest.version, version);
    assertEquals(manifest.dependencies, undefined);
    const declarations = [...Deno.readDirSync(`${folder}/dist`)]
      .filter(({ name }) => name.endsWith(".d.mts"))
      .map(({ name }) => Deno.readTextFileSync(`${folder}/dist/${name}`)).join("\n");
    assert(!/\bDeno\./.test(declarations), "the declarations need the types of Deno");
    assertStringIncludes(declarations, "Writes a value. Resolves when every in-sync server holds");
  },
});

Deno.test({
  name: "publint finds nothing",
  ignore: !hasNpm,
  async fn() {
    await succeed("npx", ["-y", "publint@0.3.15", "--strict", ".npm"], root);
  },
});

Deno.test({
  name: "a consumer passes TypeScript's strict checks as a bundler's and as Node's module",
  ignore: !hasNpm,
  async fn() {
    await Deno.copyFile(here("consumer.ts"), `${scratch.path}/consumer.ts`);
    await succeed("npm", ["install", typescript, nodeTypes], scratch.path);
    for (const resolution of ["bundler", "nodenext"]) {
      const module = resolution === "bundler" ? "esnext" : "nodenext";
      const flags = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022"];
      const modules = ["--module", module, "--moduleResolution", resolution];
      await succeed("npx", ["tsc", ...flags, ...modules, "consumer.ts"], scratch.path);
    }
  },
});

const runtimes = [
  ["Node.js", hasNpm, "node", []],
  ["Bun", hasBun, "npx", ["-y", bun]],
  ["Deno", hasNpm, Deno.execPath(), [
    ...["run", "--no-config", "--no-prompt", "--allow-net=127.0.0.1"],
    `--allow-read=${scratch.path}`,
  ]],
] as const;

for (const [name, available, program, args] of runtimes) {
  Deno.test({
    name: `${name}: the installed package does everything that the library does`,
    ignore: !available,
    async fn() {
      await using cluster = await Cluster.start();
      const alone = { clusterSize: 1, minInSync: 1 };
      await using encrypted = new TestServer(anyPort, undefined, alone, {}, {
        tls: new TlsAcceptor(certificates),
      });
      await encrypted.ready();
      await using other = new TestServer(anyPort, undefined, alone, {}, {
        tls: new TlsAcceptor(elsewhere),
      });
      await other.ready();
      await using guarded = waitingLeader();
      const dist = `${scratch.path}/node_modules/@kv/replicated/dist`;
      await Deno.copyFile(here("program.mjs"), `${scratch.path}/program.mjs`);
      const servers = cluster.servers.map((one) => one.name).join(",");
      const said = await succeed(program, [
        ...args,
        "program.mjs",
        ...[`${dist}/index.mjs`, `${dist}/recipes.mjs`, servers],
        ...[encrypted.name, ca, otherCa, guarded.name, passwordText, other.name],
      ], scratch.path);
      const lines = said.trim().split("\n").filter((line) => /^(?:ok|failed) /.test(line));
      assertEquals(lines.filter((line) => line.startsWith("failed ")), [], said);
      assertEquals(lines.length, 11, said);
    },
  });
}

/** The programs in JavaScript of a page, with the servers of this test. Each prints "azul". */
function programsOf(page: string, servers: readonly string[]): string[] {
  const text = Deno.readTextFileSync(new URL(page, root));
  return Array.from(
    text.matchAll(/```js\n(.*?)```/gs),
    ([, code]) =>
      code!.replaceAll(/127\.0\.0\.1:1009([789])/g, (_, digit) => servers[Number(digit) - 7]!),
  );
}

// On Deno the documents import by path, see below.
for (const [name, available, program, args] of runtimes.slice(0, 2)) {
  Deno.test({
    name: `${name}: the programs of docs/library.md and of the package's README run as they stand`,
    ignore: !available,
    async fn() {
      await using cluster = await Cluster.start();
      const servers = cluster.servers.map((one) => one.name);
      const programs = ["docs/library.md", "tools/npm/README.md"]
        .flatMap((page) => programsOf(page, servers));
      assertEquals(programs.length, 2);
      for (const code of programs) {
        await Deno.writeTextFile(`${scratch.path}/first.mjs`, code);
        assertEquals(await succeed(program, [...args, "first.mjs"], scratch.path), "azul\n");
      }
    },
  });
}

Deno.test("an import by path works from any folder, without a configuration", async () => {
  await using cluster = await Cluster.start();
  const library = new URL("lib/client/kv_client.ts", root).href;
  const program = `import { KvClient } from "${library}";
const client = new KvClient("${cluster.servers.map((one) => one.name).join(",")}");
await client.put("cor", "azul");
console.log((await client.get("cor")).value);
await client.close();
`;
  await Deno.writeTextFile(`${scratch.path}/by_path.ts`, program);
  const flags = ["--no-config", "--no-prompt", "--check", "--no-remote", "--allow-net=127.0.0.1"];
  const said = await succeed(Deno.execPath(), ["run", ...flags, "by_path.ts"], scratch.path);
  assertStringIncludes(said, "azul");
});
