/**
 * Fills the git-ignored folder `vendor/` with the packages that deno.json names; every task that
 * needs them runs this first, and where the folder is complete it does nothing.
 *
 * - Where JSR answers, Deno itself fills `vendor/`, with the real sources.
 * - Else the same modules come from an npm package, by Deno's own npm support. They are stored as
 *   Deno stores packages of JSR, with the declarations of `tools/types/`, since the package has none.
 * - Where neither answers: one sentence on stderr, exit code 1.
 *
 * Interrupted and simultaneous runs do no harm: a file lock lets one of them work at a time, and
 * `vendor/setup.json`, the proof that the folder is complete, comes with the last step.
 *
 * @module
 */

/** The standard library, compiled from the very releases that deno.json pins: change both. */
const NPM_PACKAGE = "npm:deno-std@1.4.0";
/** For packages that deno.json does not name; never the version of a real release. */
const SIBLING_VERSION = "1.0.0-npm";
/** Imported by other modules for its types only: a check loads it, running a program does not. */
const TYPES_ONLY_MODULE = "jsr:@std/internal@^1/types";

const JSR_MS_MAX = 15_000;
const SETUP_MS_MAX = 60_000;
const RENAME_ATTEMPTS_MAX = 20;
const RENAME_PAUSE_MS = 100;
const JSR_WORKER = "jsr";
const USAGE = `Fills vendor/ with the packages of Deno's standard library that deno.json names.

  deno task setup

The other tasks run it by themselves, and where vendor/ is complete it does nothing. The packages come
from JSR, or, where that cannot be reached, from npm. To fetch them anew, remove the folder vendor/.
`;
const HINT = `JSR or the npm registry (for ${NPM_PACKAGE}) must be within reach`;

/** What `vendor/` must hold. */
interface Wanted {
  /** Pinned versions by package: `cli` → `1.0.32`. */
  versions: Map<string, string>;
  /** Declarations by module in use, as the npm package spells it: `cli/parse_args` → text. */
  types: Map<string, string>;
  /** Changes with anything that a filled `vendor/` depends on. */
  fingerprint: string;
}

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

/** Who completed `vendor/` and for what; empty where nobody did. */
async function readStamp(): Promise<{ source?: "jsr" | "npm"; fingerprint?: string }> {
  return await Deno.readTextFile("vendor/setup.json").then(JSON.parse).catch(() => ({}));
}

async function writeStamp(folder: string, source: "jsr" | "npm", { fingerprint }: Wanted) {
  await Deno.writeTextFile(`${folder}/setup.json`, JSON.stringify({ source, fingerprint }));
}

async function setUp(): Promise<void> {
  const wanted = await readWanted();
  const isComplete = async () => (await readStamp()).fingerprint === wanted.fingerprint;
  if (await isComplete()) return;
  setTimeout(() => fail(`no packages after ${SETUP_MS_MAX / 1000} s; ${HINT}`), SETUP_MS_MAX);
  await Deno.mkdir(".setup", { recursive: true });
  const lock = await Deno.open(".setup/lock", { create: true, write: true });
  await lock.lock(true);
  if (await isComplete()) return; // another console did it while this one waited
  report("getting the packages, this once");
  // Modules from npm must not mix with those that Deno fetches from JSR.
  if ((await readStamp()).source === "npm") await removeVendor();
  if (await fillFromJsr()) await writeStamp("vendor", "jsr", wanted);
  else await fillFromNpm(wanted);
}

/** In a worker, because nothing else ends an import that waits for a silent network. */
async function fillFromJsr(): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const worker = new Worker(import.meta.url, { type: "module", name: JSR_WORKER });
  worker.onmessage = ({ data }) => resolve(data);
  setTimeout(() => resolve(false), JSR_MS_MAX);
  const isFilled = await promise;
  worker.terminate();
  return isFilled;
}

/** Loads every module in use: Deno fetches what `vendor/` lacks, each file in one step. */
async function loadModules(): Promise<boolean> {
  try {
    for (const module of (await readWanted()).types.keys()) {
      await import(`@std/${toExport(module)}`);
    }
    await import(TYPES_ONLY_MODULE).catch(() => {}); // not worth a fall back to npm
    return true;
  } catch {
    return false;
  }
}

async function fillFromNpm(wanted: Wanted): Promise<void> {
  const texts = await readNpmPackage(wanted.types.keys()).catch((error) =>
    fail(`cannot get the packages: ${HINT} (${String(error).split("\n", 1)})`)
  );
  await Deno.remove(".setup/new", { recursive: true }).catch(ignoreNotFound);
  for (const [name, files] of toPackages(texts, wanted)) {
    await writePackage(name, wanted.versions.get(name) ?? SIBLING_VERSION, files);
  }
  await writeStamp(".setup/new", "npm", wanted);
  await removeVendor();
  await rename(".setup/new", "vendor");
}

/** An import from another file of the package; at the start of a line, so not in a comment. */
const IMPORT = /^((?:import|export)\b[^"';]*from )"(\.[^"]+)"/gm;

/** The modules in use and all that they import: path in the npm package → text. */
async function readNpmPackage(modules: Iterable<string>): Promise<Map<string, string>> {
  // Only an ordinary import makes Deno fetch the package; an import as text does not.
  await import(`${NPM_PACKAGE}/assert/false.js`);
  const texts = new Map<string, string>();
  const paths = Array.from(modules, (module) => `${module}.js`);
  for (const path of paths) { // which grows meanwhile
    if (texts.has(path)) continue;
    const { default: text } = await import(`${NPM_PACKAGE}/${path}`, { with: { type: "text" } });
    texts.set(path, text);
    for (const [, , target = ""] of text.matchAll(IMPORT)) paths.push(resolve(target, path));
  }
  return texts;
}

/** The package imports from `data-structures`, but the folder is `data_structures`. */
function resolve(target: string, importer: string): string {
  return new URL(target, `file:///${importer}`).pathname.slice(1).replaceAll("-", "_");
}

/** `cli/parse_args.js` → `cli/parse-args`, `assert/mod.js` → `assert`. */
function toExport(path: string): string {
  return path.replace(/\.js$/, "").replace(/\/mod$/, "").replaceAll("_", "-");
}

/** Makes a package of JSR from each folder of the npm package: name → file → text. */
function toPackages(
  texts: Map<string, string>,
  { versions, types }: Wanted,
): Map<string, Map<string, string>> {
  const packages = new Map<string, Map<string, string>>();
  for (const [path, text] of texts) {
    const [folder = "", file = ""] = path.split("/");
    const name = toExport(folder);
    const files = packages.get(name) ?? new Map<string, string>();
    packages.set(name, files);
    let js = text.replace(IMPORT, (unchanged, before: string, target: string) => {
      const [sibling = "", ...subpath] = toExport(resolve(target, path)).split("/");
      if (sibling === name) return unchanged;
      const version = versions.get(sibling) ?? SIBLING_VERSION;
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

/** Writes one package as Deno's `vendor/` keeps it: metadata beside the files of a version. */
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

/** Out of the way in one step, so that no half of it stays where Deno looks. */
async function removeVendor(): Promise<void> {
  await Deno.remove(".setup/old", { recursive: true }).catch(ignoreNotFound);
  await rename("vendor", ".setup/old").catch(ignoreNotFound);
  await Deno.remove(".setup/old", { recursive: true }).catch(ignoreNotFound);
}

/** On Windows a virus scanner may hold a new file for a moment, and a rename fails meanwhile. */
async function rename(from: string, to: string): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await Deno.rename(from, to);
    } catch (error) {
      if (attempt === RENAME_ATTEMPTS_MAX || !(error instanceof Deno.errors.PermissionDenied)) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, RENAME_PAUSE_MS));
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

if (self.name === JSR_WORKER) {
  (self as unknown as Worker).postMessage(await loadModules());
} else if (Deno.args.includes("--help")) {
  Deno.stdout.writeSync(new TextEncoder().encode(USAGE));
} else {
  await setUp().catch((error) => fail(`cannot fill vendor/ (${error})`));
  Deno.exit(0); // whatever the worker left behind, a timer included
}
