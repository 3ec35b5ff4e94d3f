/**
 * Fills the git-ignored folder `vendor/` with the packages that deno.json names. Every task that
 * needs packages runs this first. If the folder is complete it does nothing.
 *
 * - If JSR can be reached, Deno itself fills `vendor/`, with the original sources.
 * - Otherwise the same modules come from an npm package, through Deno's npm support. They are stored
 *   in the layout of a JSR package. The npm package has no types; `tools/types/` has them.
 * - If neither can be reached, it prints one line on stderr and exits with 1.
 *
 * It may be interrupted, and it may run several times at once. A file lock lets one run work at a
 * time. The last step writes `vendor/setup.json`, which marks the folder as complete.
 *
 * @module
 */

/** The standard library, compiled from the releases that deno.json pins. Change both together. */
const npmPackage = "npm:deno-std@1.4.0";
/** The version of packages that deno.json does not name. No real release has it. */
const siblingVersion = "1.0.0-npm";
/** A module that others import for its types only. `deno check` loads it, `deno run` does not. */
const typesOnlyModule = "jsr:@std/internal@^1/types";

/** How long JSR may take before npm is tried. */
const jsrMsMax = 15_000;
/** How long everything may take. */
const setupMsMax = 60_000;
const renameAttemptsMax = 20;
const renamePauseMs = 100;
const jsrWorkerName = "jsr";
const usage = `Fills vendor/ with the packages of Deno's standard library that deno.json names.

  deno task setup

The other tasks run it first. If vendor/ is complete it does nothing. The packages come from JSR, or
from npm if JSR cannot be reached. To fetch them again, remove the folder vendor/.
`;
const requirement = `JSR or the npm registry (for ${npmPackage}) must be reachable`;

/** What `vendor/` must contain. */
interface Wanted {
  /** By package: its pinned version, such as `cli` → `1.0.32`. */
  versions: Map<string, string>;
  /** By module in use: its declarations. Names as in npm, such as `cli/parse_args`. */
  types: Map<string, string>;
  /** A hash of everything that the content of `vendor/` depends on. */
  fingerprint: string;
}

/** What deno.json, `tools/types/` and this file say about `vendor/`. */
async function readWanted(): Promise<Wanted> {
  const { imports } = JSON.parse(await Deno.readTextFile("deno.json"));
  const versions = new Map<string, string>();
  const types = new Map<string, string>();
  for (const specifier of Object.values<string>(imports)) {
    const [, name, version] = /^jsr:@std\/([\w-]+)@(\d[^/]*)$/.exec(specifier) ?? [];
    if (name === undefined || version === undefined) continue;
    versions.set(name, version);
    for await (const { name: file } of Deno.readDir(`tools/types/${name}`)) {
      const module = `${name}/${file.replace(/\.d\.ts$/, "")}`;
      types.set(module, await Deno.readTextFile(`tools/types/${name}/${file}`));
    }
  }
  const inputs = [imports, [...types].sort(), await Deno.readTextFile("tools/setup.ts")];
  return { versions, types, fingerprint: await sha256(JSON.stringify(inputs)) };
}

/** Where the packages in `vendor/` came from, and for which fingerprint. Empty if incomplete. */
async function readStamp(): Promise<{ source?: "jsr" | "npm"; fingerprint?: string }> {
  return await Deno.readTextFile("vendor/setup.json").then(JSON.parse).catch(() => ({}));
}

/** Marks `vendor/` as complete. */
async function writeStamp(folder: string, source: "jsr" | "npm", { fingerprint }: Wanted) {
  await Deno.writeTextFile(`${folder}/setup.json`, JSON.stringify({ source, fingerprint }));
}

/** Fills `vendor/` unless it is complete. Only one process at a time does so. */
async function setUp(): Promise<void> {
  const wanted = await readWanted();
  const isComplete = async () => (await readStamp()).fingerprint === wanted.fingerprint;
  if (await isComplete()) return;
  setTimeout(() => fail(`no packages after ${setupMsMax / 1000} s: ${requirement}`), setupMsMax);
  await Deno.mkdir(".setup", { recursive: true });
  const lock = await Deno.open(".setup/lock", { create: true, write: true });
  await lock.lock(true);
  if (await isComplete()) return; // another process filled it while this one waited
  report("getting the packages, only this time");
  // Modules from npm must not mix with modules that Deno fetches from JSR.
  if ((await readStamp()).source === "npm") await removeVendor();
  if (await fillFromJsr()) await writeStamp("vendor", "jsr", wanted);
  else await fillFromNpm(wanted);
}

/**
 * Lets Deno fill `vendor/` from JSR. Returns whether that succeeded in time. The imports run in a
 * worker, because only a worker's end stops an import that waits for the network.
 */
async function fillFromJsr(): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const worker = new Worker(import.meta.url, { type: "module", name: jsrWorkerName });
  worker.onmessage = ({ data }) => resolve(data);
  setTimeout(() => resolve(false), jsrMsMax);
  const isFilled = await promise;
  worker.terminate();
  return isFilled;
}

/** Imports every module in use, so that Deno fetches what `vendor/` lacks. Runs in the worker. */
async function importModules(): Promise<boolean> {
  try {
    for (const module of (await readWanted()).types.keys()) {
      await import(`@std/${toExport(module)}`);
    }
    await import(typesOnlyModule).catch(() => {}); // programs run without it
    return true;
  } catch {
    return false;
  }
}

/** Fills `vendor/` from the npm package. */
async function fillFromNpm(wanted: Wanted): Promise<void> {
  const texts = await readNpmPackage(wanted.types.keys()).catch((error) =>
    fail(`cannot get the packages: ${requirement} (${String(error).split("\n", 1)})`)
  );
  await Deno.remove(".setup/new", { recursive: true }).catch(ignoreNotFound);
  for (const [name, files] of toJsrPackages(texts, wanted)) {
    await writePackage(name, wanted.versions.get(name) ?? siblingVersion, files);
  }
  await writeStamp(".setup/new", "npm", wanted);
  await removeVendor();
  await rename(".setup/new", "vendor");
}

/** An import of another file of the package. It starts its line, so it is not in a comment. */
const importPattern = /^((?:import|export)\b[^"';]*from )"(\.[^"]+)"/gm;

/** By path in the npm package: the text of each module in use, and of all that these import. */
async function readNpmPackage(modules: Iterable<string>): Promise<Map<string, string>> {
  // Deno fetches the package for an ordinary import, but not for an import as text.
  await import(`${npmPackage}/assert/false.js`);
  const texts = new Map<string, string>();
  const paths = Array.from(modules, (module) => `${module}.js`);
  for (const path of paths) { // grows during the loop
    if (texts.has(path)) continue;
    const { default: text } = await import(`${npmPackage}/${path}`, { with: { type: "text" } });
    texts.set(path, text);
    for (const [, , target = ""] of text.matchAll(importPattern)) {
      paths.push(resolveImport(target, path));
    }
  }
  return texts;
}

/**
 * The path in the npm package that an import leads to. The package imports from `data-structures`,
 * but its folder is `data_structures`.
 */
function resolveImport(target: string, importer: string): string {
  return new URL(target, `file:///${importer}`).pathname.slice(1).replaceAll("-", "_");
}

/** The JSR export of a path: `cli/parse_args.js` → `cli/parse-args`, `assert/mod.js` → `assert`. */
function toExport(path: string): string {
  return path.replace(/\.js$/, "").replace(/\/mod$/, "").replaceAll("_", "-");
}

/** Turns each folder of the npm package into a JSR package: by name, and then by file: the text. */
function toJsrPackages(
  texts: Map<string, string>,
  { versions, types }: Wanted,
): Map<string, Map<string, string>> {
  const packages = new Map<string, Map<string, string>>();
  for (const [path, text] of texts) {
    const [folder = "", file = ""] = path.split("/");
    const name = toExport(folder);
    const files = packages.get(name) ?? new Map<string, string>();
    packages.set(name, files);
    let js = text.replace(importPattern, (unchanged, before: string, target: string) => {
      const [sibling = "", ...subpath] = toExport(resolveImport(target, path)).split("/");
      if (sibling === name) return unchanged;
      const version = versions.get(sibling) ?? siblingVersion;
      return `${before}"${[`jsr:@std/${sibling}@${version}`, ...subpath].join("/")}"`;
    });
    const declarations = types.get(path.replace(/\.js$/, ""));
    if (declarations !== undefined) {
      const typesFile = file.replace(/\.js$/, ".d.ts");
      files.set(typesFile, declarations);
      js = `/* @ts-self-types="./${typesFile}" */\n${js}`;
    }
    files.set(file, js);
  }
  return packages;
}

/** Writes a package in the layout of `vendor/`: metadata, and the files in a folder by version. */
async function writePackage(name: string, version: string, files: Map<string, string>) {
  const folder = `.setup/new/jsr.io/@std/${name}`;
  const manifest: Record<string, { size: number; checksum: string }> = {};
  const exports: Record<string, string> = {};
  await Deno.mkdir(`${folder}/${version}`, { recursive: true });
  for (const [file, text] of files) {
    await Deno.writeTextFile(`${folder}/${version}/${file}`, text);
    const size = new TextEncoder().encode(text).length;
    manifest[`/${file}`] = { size, checksum: `sha256-${await sha256(text)}` };
    if (file.endsWith(".js")) exports[toExport(`./${file}`)] = `./${file}`;
  }
  const meta = { scope: "std", name, latest: version, versions: { [version]: {} } };
  await Deno.writeTextFile(`${folder}/meta.json`, JSON.stringify(meta));
  const versionMeta = { manifest, exports };
  await Deno.writeTextFile(`${folder}/${version}_meta.json`, JSON.stringify(versionMeta));
}

/** Removes `vendor/`. It is renamed first, so that Deno never sees half of it. */
async function removeVendor(): Promise<void> {
  await Deno.remove(".setup/old", { recursive: true }).catch(ignoreNotFound);
  await rename("vendor", ".setup/old").catch(ignoreNotFound);
  await Deno.remove(".setup/old", { recursive: true }).catch(ignoreNotFound);
}

/** Renames a folder. On Windows a virus scanner may hold a new file, so it tries several times. */
async function rename(from: string, to: string): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await Deno.rename(from, to);
    } catch (error) {
      if (attempt === renameAttemptsMax || !(error instanceof Deno.errors.PermissionDenied)) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, renamePauseMs));
    }
  }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function sha256(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
    .toHex();
}

function report(message: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`setup: ${message}\n`));
}

function fail(message: string): never {
  report(message);
  Deno.exit(1);
}

if (self.name === jsrWorkerName) {
  (self as unknown as Worker).postMessage(await importModules());
} else if (Deno.args.includes("--help")) {
  Deno.stdout.writeSync(new TextEncoder().encode(usage));
} else {
  await setUp().catch((error) => fail(`cannot fill vendor/ (${error})`));
  Deno.exit(0); // does not wait for timers, nor for the worker
}
