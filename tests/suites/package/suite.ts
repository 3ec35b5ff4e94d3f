/**
 * The npm package of the library: built by `deno task build:npm`, checked by the tools of its users,
 * installed into an empty folder, and run on Node.js, Bun and Deno at servers of this process.
 * `deno task test:runtimes`.
 *
 * @module
 */

import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { version } from "../../../lib/version.ts";
import { TlsAcceptor } from "../../../lib/net/tls.ts";
import { Cluster } from "../../support/cluster.ts";
import { passwordText, waitingLeader } from "../../support/guarded.ts";
import { anyPort } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { TestServer } from "../../support/test_server.ts";
import { ca, elsewhere, otherCa, server as certificates } from "../../support/tls_fixture.ts";
import { bun, has, hasBun, hasNpm, root, succeed } from "./programs.ts";

const here = (name: string) => new URL(name, import.meta.url);
const packedBytesMax = 100_000;
/** With fflate 0.8.3 it unpacks the last part of a package alone, and fails ("reading 'filename'"). */
const typesChecker = ["@arethetypeswrong/cli@0.18.2", "fflate@0.8.2"];
const typescript = "typescript@5.9.3";
const nodeTypes = "@types/node@20.19.25";

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
  name: "attw finds no wrong types, for ES modules and bundlers",
  ignore: !hasNpm,
  async fn() {
    const packages = typesChecker.flatMap((one) => ["-p", one]);
    const args = ["-y", ...packages, "attw", "--profile", "esm-only", "--no-color", tarball];
    const said = await succeed("npx", args, root);
    assertStringIncludes(said, `@kv/replicated v${version}`);
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

const alone = { clusterSize: 1, minInSync: 1 };
/** Newer versions of Node.js, as npm has them. Where it has not, their tests are ignored. */
const newer = ["node@22.23.3", "node@24.21.0"];
const newerNodes = [];
for (const node of newer) {
  const available = hasNpm && await has("npx", ["-y", node, "--version"]);
  newerNodes.push([node, available, "npx", ["-y", node]] as const);
}
/** The first version of Node.js that knows a permission for the network. */
const permittingNode = "node@25.9.0";
const hasPermittingNode = hasNpm && await has("npx", ["-y", permittingNode, "--version"]);

const runtimes = [
  ["Node.js", hasNpm, "node", []],
  ["Bun", hasBun, "npx", ["-y", bun]],
  ["Deno", hasNpm, Deno.execPath(), [
    ...["run", "--no-config", "--no-prompt", "--allow-net=127.0.0.1"],
    ...[`--allow-read=${scratch.path}`, "--allow-env=KV_SERVERS"],
  ]],
  ...newerNodes,
] as const;

for (const [name, available, program, args] of runtimes) {
  Deno.test({
    name: `${name}: the installed package does everything that the library does`,
    ignore: !available,
    async fn() {
      await using cluster = await Cluster.start();
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
      const said = await succeed(
        program,
        [
          ...args,
          "program.mjs",
          ...[`${dist}/index.mjs`, `${dist}/recipes.mjs`, servers],
          ...[encrypted.name, ca, otherCa, guarded.name, passwordText, other.name],
        ],
        scratch.path,
        { KV_SERVERS: servers },
      );
      const lines = said.trim().split("\n").filter((line) => /^(?:ok|failed) /.test(line));
      assertEquals(lines.filter((line) => line.startsWith("failed ")), [], said);
      assertEquals(lines.length, 12, said);
    },
  });
}

for (const [name, available, program, args] of runtimes) {
  Deno.test({
    name: `${name}: clients that are left open let the program end, a watch does not`,
    ignore: !available,
    async fn() {
      await using cluster = await Cluster.start();
      await using encrypted = new TestServer(anyPort, undefined, alone, {}, {
        tls: new TlsAcceptor(certificates),
      });
      await encrypted.ready();
      const index = `${scratch.path}/node_modules/@kv/replicated/dist/index.mjs`;
      await Deno.copyFile(here("idle.mjs"), `${scratch.path}/idle.mjs`);
      const servers = cluster.servers.map((one) => one.name).join(",");
      await using client = new KvClient(servers);
      const stop = new AbortController();
      const programArgs = [...args, "idle.mjs", index, servers, encrypted.name, ca];
      const ended = succeed(program, programArgs, scratch.path).finally(() => stop.abort());
      for await (const { type } of client.watch("pronto", stop)) if (type === "put") break;
      await client.put("sinal", "verde");
      assertEquals(await ended, "azul\nazul\nverde\n");
    },
  });
}

Deno.test({
  name:
    "Node.js 25 with --permission and without --allow-net: an error that says so, and no outage",
  ignore: !hasPermittingNode,
  async fn() {
    const index = `${scratch.path}/node_modules/@kv/replicated/dist/index.mjs`;
    const program = `import { KvClient } from ${JSON.stringify(index)};
const client = new KvClient("127.0.0.1:1,kv-0:1");
await client.get("cor").catch((error) => console.log(error.name, error.code, error.message));
`;
    await Deno.writeTextFile(`${scratch.path}/permission.mjs`, program);
    const flags = ["--permission", `--allow-fs-read=${scratch.path}`];
    const args = ["-y", permittingNode, ...flags, "permission.mjs"];
    const said = await succeed("npx", args, scratch.path);
    assertStringIncludes(said, "PermissionError PERMISSION");
    assertStringIncludes(said, "start the program with --allow-net");
  },
});

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
