/**
 * What the set-up does with the packages of a registry that lies: `deno task setup` against
 * registries on loopback.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Scratch } from "../../support/scratch.ts";
import { makeLink } from "../../support/special_files.ts";
import { finish, type Finished } from "../../support/tasks.ts";
import { Process } from "../../../bench/process.ts";

const project = new URL("../../../", import.meta.url);
const checksumsFile = "tools/checksums.txt";

/** The texts of the packages, by the path that `tools/checksums.txt` gives to a file. */
type Texts = ReadonlyMap<string, string>;

/** A module that leaves a file behind if it is run. */
const trap = `Deno.writeTextFileSync(".setup/ran", import.meta.url);\n`;

/** A line of `tools/checksums.txt`. */
const linePattern = /^[0-9a-f]{64} {2}(\S+)$/gm;

/** Harmless to read, not to run: a text for each file that the project's own list names. */
async function trapTexts(): Promise<Texts> {
  const list = await Deno.readTextFile(new URL(checksumsFile, project));
  return new Map(
    Array.from(list.matchAll(linePattern), ([, path]) => [path!, `${trap}// ${path}`]),
  );
}

async function hash(algorithm: "SHA-256" | "SHA-512", bytes: string | Uint8Array<ArrayBuffer>) {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return new Uint8Array(await crypto.subtle.digest(algorithm, data));
}

/** A copy of what the set-up needs, in a folder of its own, with checksums of these texts. */
class Checkout implements Disposable {
  readonly #scratch = new Scratch();
  readonly path = this.#scratch.path;

  static async make(texts: Texts): Promise<Checkout> {
    const checkout = new Checkout();
    for (const folder of ["assert", "async", "cli"]) {
      await Deno.mkdir(`${checkout.path}/tools/types/${folder}`, { recursive: true });
      for await (const { name } of Deno.readDir(new URL(`tools/types/${folder}`, project))) {
        await checkout.#copy(`tools/types/${folder}/${name}`);
      }
    }
    for (const folder of ["cli", "journal"]) {
      await Deno.mkdir(`${checkout.path}/lib/${folder}`, { recursive: true });
    }
    for (
      const file of [
        "deno.json",
        "tools/setup.ts",
        "tools/setup.json",
        "lib/cli/escape.ts",
        "lib/journal/lock_file.ts",
      ]
    ) await checkout.#copy(file);
    const lines = Array.from(
      texts,
      async ([path, text]) => `${(await hash("SHA-256", text)).toHex()}  ${path}\n`,
    );
    await Deno.writeTextFile(
      `${checkout.path}/${checksumsFile}`,
      (await Promise.all(lines)).join(""),
    );
    return checkout;
  }

  async #copy(file: string): Promise<void> {
    await Deno.copyFile(new URL(file, project), `${this.path}/${file}`);
  }

  /** Runs the task against these registries. */
  async setUp(jsr: Registry | undefined, npm: Registry | undefined): Promise<Finished> {
    const dead = "http://127.0.0.1:1/";
    const env = {
      DENO_DIR: `${this.path}/cache`,
      JSR_URL: jsr?.url ?? dead,
      NPM_CONFIG_REGISTRY: npm?.url ?? dead,
    };
    const options = { cwd: this.path, env, keyboard: true, out: "keep" } as const;
    return await finish(Process.deno(["task", "--quiet", "setup"], options));
  }

  /** Whether one of the packages was run. */
  get ran(): boolean {
    return exists(`${this.path}/.setup/ran`);
  }

  /** The texts in `vendor/`, by their names. */
  vendored(): Map<string, string> {
    const found = new Map<string, string>();
    const add = (folder: string): void => {
      if (!exists(folder)) return;
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        if (isDirectory) add(`${folder}/${name}`);
        else found.set(`${folder}/${name}`, Deno.readTextFileSync(`${folder}/${name}`));
      }
    };
    add(`${this.path}/vendor`);
    return found;
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A registry on loopback that serves what `answer` returns for a path. */
class Registry implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly url: string;
  /** The requests so far. */
  readonly paths: string[] = [];

  private constructor(answer: (path: string, url: string) => Promise<BodyInit | undefined>) {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        const { pathname } = new URL(request.url);
        this.paths.push(pathname);
        const body = await answer(pathname, this.url);
        return body === undefined ? new Response("", { status: 404 }) : new Response(body);
      },
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** JSR, with these texts, and with a newer version of each package, which has the same texts. */
  static jsr(texts: Texts): Registry {
    const pattern = /^jsr:(@std\/[\w-]+)@([^/]+)\/(.+)$/;
    return new Registry(async (path) => {
      const files = [...texts].flatMap(([name, text]) => {
        const [, owner = "", version = "", file = ""] = pattern.exec(name) ?? [];
        return path.startsWith(`/${owner}/`) ? [{ owner, version, file, text }] : [];
      });
      const [first] = files;
      if (first === undefined) return undefined;
      if (path.endsWith("/meta.json")) {
        return JSON.stringify({ latest: "9.9.9", versions: { [first.version]: {}, "9.9.9": {} } });
      }
      if (path.endsWith("_meta.json")) {
        const manifest: Record<string, unknown> = {};
        const exports: Record<string, string> = {};
        for (const { file, text } of files) {
          const checksum = `sha256-${(await hash("SHA-256", text)).toHex()}`;
          manifest[`/${file}`] = { size: text.length, checksum };
          const name = file.replace(/\.ts$/, "").replaceAll("_", "-");
          exports[name === "mod" ? "." : `./${name}`] = `./${file}`;
        }
        return JSON.stringify({ manifest, exports });
      }
      return files.find(({ owner, file }) =>
        path.startsWith(`/${owner}/`) && path.endsWith(`/${file}`)
      )
        ?.text;
    });
  }

  /** The npm registry, with one package of these texts. */
  static async npm(texts: Texts): Promise<Registry> {
    const [, version = ""] = [...texts.keys()].map((one) => /^npm:deno-std@([\d.]+)\//.exec(one))
      .find((match) => match !== null)!;
    const exports = { "./*": "./*" };
    const files = new Map([[
      "package.json",
      JSON.stringify({
        ...{ name: "deno-std", version, type: "module", exports },
      }),
    ]]);
    for (const [path, text] of texts) {
      if (path.startsWith("npm:")) files.set(path.slice(`npm:deno-std@${version}/`.length), text);
    }
    const archive = await archiveOf(files);
    const integrity = `sha512-${(await hash("SHA-512", archive)).toBase64()}`;
    return new Registry((path, url) => {
      if (path.endsWith(".tgz")) return Promise.resolve(archive);
      const dist = { tarball: `${url}deno-std.tgz`, integrity };
      const versions = { [version]: { name: "deno-std", version, dist } };
      return Promise.resolve(
        JSON.stringify({ name: "deno-std", "dist-tags": { latest: version }, versions }),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A gzip archive of files in the folder `package`, in the tar format. */
async function archiveOf(files: ReadonlyMap<string, string>): Promise<Uint8Array<ArrayBuffer>> {
  const blocks: BlobPart[] = [];
  for (const [name, text] of files) {
    const bytes = new TextEncoder().encode(text);
    const octal = (value: number, length: number) =>
      value.toString(8).padStart(length - 1, "0") + "\0";
    const head = `package/${name}`.padEnd(100, "\0") + octal(0o644, 8) + octal(0, 8) + octal(0, 8) +
      octal(bytes.length, 12) + octal(0, 12);
    const tail = `0${"\0".repeat(100)}ustar\0${"00"}`.padEnd(512 - 156, "\0");
    const sum = [...head + " ".repeat(8) + tail].reduce((all, one) => all + one.charCodeAt(0), 0);
    blocks.push(
      head + octal(sum, 7) + " " + tail,
      bytes,
      "\0".repeat((512 - bytes.length % 512) % 512),
    );
  }
  blocks.push("\0".repeat(1024));
  const packed = new Blob(blocks).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** The same texts, but one. */
function changed(texts: Texts, path: string): Texts {
  assert(texts.has(path), path);
  return new Map(texts).set(path, `${texts.get(path)}\n${trap}`);
}

const jsrFile = "jsr:@std/async@1.5.0/channel.ts";
const npmFile = "npm:deno-std@1.4.0/async/channel.js";

Deno.test("the set-up takes JSR's files if they match, of the pinned versions, and runs none", async () => {
  const texts = await trapTexts();
  using checkout = await Checkout.make(texts);
  await using jsr = Registry.jsr(texts);
  const { code, err } = await checkout.setUp(jsr, undefined);
  assertEquals([code, err], [0, "setup: getting the packages, only this time\n"]);
  const vendored = checkout.vendored();
  const sources = [...vendored].filter(([path]) => path.endsWith(".ts"));
  const expected = [...texts].filter(([path]) => path.startsWith("jsr:")).map(([, text]) => text);
  assertEquals(sources.map(([, text]) => text).sort(), expected.sort());
  assert(![...vendored].some(([path, text]) => path.includes("9.9.9") || text.includes("9.9.9")));
  assertEquals(checkout.ran, false);
  // The second run asks no registry.
  const before = jsr.paths.length;
  assertEquals(await checkout.setUp(jsr, undefined), { code: 0, out: "", err: "" });
  assertEquals(jsr.paths.length, before);
});

Deno.test("the set-up says that npm is used in place of JSR, with names and versions, and runs nothing", async () => {
  const texts = await trapTexts();
  using checkout = await Checkout.make(texts);
  await using npm = await Registry.npm(texts);
  const { code, err } = await checkout.setUp(undefined, npm);
  assertEquals(code, 0, err);
  assertMatch(
    err,
    /deno-std@1\.4\.0 from npm is used in place of @std\/assert@[\d.]+, @std\/async@[\d.]+, @std\/cli@[\d.]+, /,
  );
  assertEquals(checkout.vendored().size > 0, true);
  assertEquals(checkout.ran, false);
});

Deno.test("a changed file of JSR is named and not used", async () => {
  const texts = await trapTexts();
  using checkout = await Checkout.make(texts);
  await using jsr = Registry.jsr(changed(texts, jsrFile));
  await using npm = await Registry.npm(texts);
  const { code, err } = await checkout.setUp(jsr, npm);
  assertEquals(code, 0, err);
  assertStringIncludes(err, `JSR is not used, its files do not match ${checksumsFile}:\n`);
  assertStringIncludes(err, `${jsrFile}: expected `);
  assert([...checkout.vendored().keys()].every((path) => !path.endsWith("channel.ts")));
  assertEquals(checkout.ran, false);
});

for (
  const path of [
    npmFile,
    "npm:deno-std@1.4.0/assert/mod.js",
    "npm:deno-std@1.4.0/internal/styles.js",
  ]
) {
  Deno.test(`a changed npm package is refused: ${path}`, async () => {
    const texts = await trapTexts();
    using checkout = await Checkout.make(texts);
    const other = changed(texts, path);
    await using npm = await Registry.npm(other);
    const { code, err } = await checkout.setUp(undefined, npm);
    assertEquals(code, 1);
    const sums = [texts, other].map(async (one) => (await hash("SHA-256", one.get(path)!)).toHex());
    const [expected, found] = await Promise.all(sums);
    assertStringIncludes(err, `  ${path}: expected ${expected}, found ${found}\n`);
    assertStringIncludes(err, "nothing was installed");
    assertStringIncludes(err, 'Do not use that package. Remove it with "deno clean"');
    assertEquals([checkout.vendored().size, checkout.ran], [0, false]);
  });
}

Deno.test("a file of vendor/ that was changed is fetched again; without a registry nothing runs on", async () => {
  const texts = await trapTexts();
  using checkout = await Checkout.make(texts);
  await using npm = await Registry.npm(texts);
  assertEquals((await checkout.setUp(undefined, npm)).code, 0);
  const before = checkout.vendored();
  const [path] = [...before.keys()].filter((one) => one.endsWith("parse_args.js"));
  await Deno.writeTextFile(path!, trap);
  assertEquals((await checkout.setUp(undefined, undefined)).code, 1);
  const { code, err } = await checkout.setUp(undefined, npm);
  assertEquals(code, 0, err);
  assertMatch(
    err,
    /^setup: .* again: vendor\/\S*\/parse_args\.js was changed since it was written$/m,
  );
  assertEquals(err.match(/was changed/g)?.length, 1);
  assertEquals(checkout.vendored(), before);
  // A damaged mark is no mark.
  for (const mark of ["null", "{", ""]) {
    await Deno.writeTextFile(`${checkout.path}/vendor/setup.json`, mark);
    const again = await checkout.setUp(undefined, npm);
    assertEquals(again.code, 0, `${mark}: ${again.err}`);
    assertEquals(checkout.vendored(), before);
  }
});

Deno.test({
  name: "links where the set-up writes lead nowhere: what they name stays as it is",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const texts = await trapTexts();
    await using npm = await Registry.npm(texts);
    for (const path of ["vendor", "tools/vendor", ".setup/new", ".setup/old", ".setup/lock"]) {
      using checkout = await Checkout.make(texts);
      const outside = `${checkout.path}/outside`;
      await Deno.mkdir(`${checkout.path}/.setup`);
      await Deno.mkdir(outside);
      await Deno.writeTextFile(`${outside}/precious`, "precious");
      const target = path === ".setup/lock" ? `${outside}/made` : outside; // that one dangles
      await makeLink(target, `${checkout.path}/${path}`);
      const { code, err } = await checkout.setUp(undefined, npm);
      assertEquals(code, path === ".setup/lock" ? 1 : 0, `${path}: ${err}`);
      assertEquals(Array.from(Deno.readDirSync(outside), ({ name }) => name), ["precious"], path);
    }
  },
});

Deno.test("a new version in deno.json needs new checksums", async () => {
  using checkout = await Checkout.make(await trapTexts());
  const config = await Deno.readTextFile(`${checkout.path}/deno.json`);
  await Deno.writeTextFile(
    `${checkout.path}/deno.json`,
    config.replace(/jsr:@std\/async@[\d.]+/, "jsr:@std/async@9.0.0"),
  );
  const { code, err } = await checkout.setUp(undefined, undefined);
  assertEquals(code, 1);
  assertStringIncludes(err, `${checksumsFile} has no checksum of jsr:@std/async@9.0.0`);
});
