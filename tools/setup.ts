/**
 * Fills the git-ignored folder `vendor/` with the packages that deno.json names. Every task that
 * needs packages runs this first. If the folder is complete it does nothing.
 *
 * - The sources come from JSR. If JSR cannot be reached, the same modules come from an npm package,
 *   which has no types: `tools/types/` has them.
 * - `tools/checksums.txt` has the SHA-256 of each file of either. `vendor/` is written from files
 *   that match and from nothing else. What was fetched is read as text and never run.
 * - If there are no files that match, it says which ones differ and exits with 1.
 *
 * It may be interrupted, and it may run several times at once. A file lock lets one run work at a
 * time. The last step writes `vendor/setup.json`, which marks the folder as complete and has the
 * checksums of its files. A folder whose files were changed since is filled again.
 *
 * @module
 */

import { escapeControls } from "../lib/cli/escape.ts";
import { openLockFile } from "../lib/journal/lock_file.ts";

const checksumsFile = "tools/checksums.txt";
/** Where Deno puts what it fetches from JSR: the `vendor/` beside the configuration of this task. */
const fetchedFolder = "tools/vendor";

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
from npm if JSR cannot be reached. They must match ${checksumsFile}. To fetch them again, remove
the folder vendor/.
`;

/** A file of a package, as `tools/checksums.txt` names it. */
interface PinnedFile {
  readonly source: "jsr" | "npm";
  /** The package, without its scope: `assert`. */
  readonly name: string;
  readonly version: string;
  /** The name of the file in its package: `equals.ts`. */
  readonly file: string;
  /** What to import: `jsr:@std/assert@1.0.19/equals`, `npm:deno-std@1.4.0/assert/equals.js`. */
  readonly specifier: string;
  /** SHA-256, in hexadecimal digits. */
  readonly checksum: string;
}

/** What `vendor/` must contain. */
interface Wanted {
  readonly files: readonly PinnedFile[];
  /** For a module of the npm package, such as `cli/parse_args.js`: its declarations. */
  readonly types: ReadonlyMap<string, string>;
  /** A hash of everything that the content of `vendor/` depends on. */
  readonly fingerprint: string;
}

/** The mark of a complete `vendor/`. */
interface Stamp {
  readonly fingerprint: string;
  /** By path: the checksum of each file. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * What deno.json, `tools/checksums.txt`, `tools/types/` and this file say about `vendor/`.
 *
 * @throws {Error} if the checksums cannot be read, or are of other versions than deno.json names.
 */
async function readWanted(): Promise<Wanted> {
  const { imports } = JSON.parse(await Deno.readTextFile("deno.json"));
  const list = await Deno.readTextFile(checksumsFile);
  const { files, versions } = parseChecksums(list);
  const types = new Map<string, string>();
  for (const specifier of Object.values<string>(imports)) {
    const [, name, version] = /^jsr:@std\/([\w-]+)@(\d[^/]*)$/.exec(specifier) ?? [];
    if (name === undefined || version === undefined) continue;
    if (versions.get(name) !== version) {
      throw new Error(`${checksumsFile} has no checksum of jsr:@std/${name}@${version}: add them`);
    }
    for await (const { name: file } of Deno.readDir(`tools/types/${name}`)) {
      const module = `${name}/${file.replace(/\.d\.ts$/, ".js")}`;
      types.set(module, await Deno.readTextFile(`tools/types/${name}/${file}`));
    }
  }
  const inputs = [imports, list, [...types].sort(), await Deno.readTextFile("tools/setup.ts")];
  return { files, types, fingerprint: await sha256(JSON.stringify(inputs)) };
}

/**
 * Reads lines of a checksum and a specifier. Returns the files, and by package the version of JSR's
 * files. A file of the npm package stands in for that version.
 */
function parseChecksums(list: string) {
  const files: PinnedFile[] = [];
  const versions = new Map<string, string>();
  for (const line of list.split(/\r?\n/)) {
    if (line === "" || line.startsWith("#")) continue;
    const [, checksum, path] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
    const jsr = /^jsr:@std\/([\w-]+)@([^/]+)\/(\w+\.ts)$/.exec(path ?? "");
    const npm = /^npm:deno-std@[\d.]+\/(\w+)\/(\w+\.js)$/.exec(path ?? "");
    const name = jsr?.[1] ?? npm?.[1]?.replaceAll("_", "-");
    const version = jsr?.[2] ?? versions.get(name ?? "");
    const file = jsr?.[3] ?? npm?.[2];
    if (!checksum || !path || !name || !version || !file) {
      throw new Error(`${checksumsFile}: cannot read the line "${line}"`);
    }
    if (jsr === null) files.push({ source: "npm", name, version, file, specifier: path, checksum });
    else {
      versions.set(name, version);
      const specifier = `jsr:@std/${[`${name}@${version}`, ...toSubpath(file)].join("/")}`;
      files.push({ source: "jsr", name, version, file, specifier, checksum });
    }
  }
  return { files, versions };
}

/** Why `vendor/` has to be filled; `undefined` if it is complete and its files are as written. */
async function reasonToFill({ fingerprint }: Wanted): Promise<string | undefined> {
  const stamp: Partial<Stamp> | null = await Deno.readTextFile("vendor/setup.json")
    .then(JSON.parse).catch(() => null);
  if (stamp?.fingerprint !== fingerprint || stamp.files === undefined) {
    return "getting the packages, only this time";
  }
  const changed = await Promise.all(
    Object.entries(stamp.files).map(async ([path, checksum]) => {
      const text = await Deno.readTextFile(`vendor/${path}`).catch(() => "");
      return await sha256(text) === checksum ? [] : [`vendor/${path}`];
    }),
  );
  const [path, ...more] = changed.flat();
  if (path === undefined) return undefined;
  const others = more.length > 0 ? ` (and ${more.length} more)` : "";
  return `getting the packages again: ${path}${others} was changed since it was written`;
}

/** Fills `vendor/` unless it is complete. Only one process at a time does so. */
async function setUp(): Promise<void> {
  const wanted = await readWanted();
  if (await reasonToFill(wanted) === undefined) return;
  setTimeout(() => fail(`no packages after ${setupMsMax / 1000} s: ${advice}`), setupMsMax);
  await Deno.mkdir(".setup", { recursive: true });
  const lock = await openLockFile(".setup/lock");
  await lock.lock(true);
  const reason = await reasonToFill(wanted);
  if (reason === undefined) return; // another process filled it while this one waited
  report(reason);
  await removeFolder(".setup/new");
  const host = await fillFromJsr(wanted) ?? await fillFromNpm(wanted);
  await writeStamp(host, wanted);
  await removeVendor();
  await rename(".setup/new", "vendor");
}

const advice = "JSR or the npm registry must be reachable";

/**
 * Fills `.setup/new` from JSR. Returns the folder of the host that served the files, `undefined` if
 * it could not be reached in time or served other files.
 */
async function fillFromJsr({ files }: Wanted): Promise<string | undefined> {
  const pinned = files.filter(({ source }) => source === "jsr");
  await removeFolder(fetchedFolder);
  try {
    if (!await fetchInTime()) return undefined;
    for await (const { name: host } of Deno.readDir(fetchedFolder)) {
      const texts = new Map<PinnedFile, string>();
      for (const one of pinned) {
        const path = `${fetchedFolder}/${host}/@std/${one.name}/${one.version}/${one.file}`;
        texts.set(one, await Deno.readTextFile(path).catch(() => ""));
      }
      const wrong = await differences(texts);
      if (wrong.length === 0) return await writePackages(host, texts);
      report(`JSR is not used, its files do not match ${checksumsFile}:`, ...wrong);
    }
    return undefined;
  } finally {
    await removeFolder(fetchedFolder);
  }
}

/**
 * Lets Deno fetch the files from JSR. Returns whether that succeeded in time. It is done in a
 * worker, because only a worker's end stops an import that waits for the network.
 */
async function fetchInTime(): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const worker = new Worker(import.meta.url, { type: "module", name: jsrWorkerName });
  worker.onmessage = ({ data }) => resolve(data);
  setTimeout(() => resolve(false), jsrMsMax);
  const isFetched = await promise;
  worker.terminate();
  return isFetched;
}

/** Fills `.setup/new` from the npm package. Returns the folder of the host in whose place it is. */
async function fillFromNpm({ files, types }: Wanted): Promise<string> {
  const pinned = files.filter(({ source }) => source === "npm");
  const texts = new Map<PinnedFile, string>();
  try {
    // Deno fetches the package for an ordinary import, but not for an import as text.
    await fetchWithoutRunning(pinned.slice(0, 1).map(({ specifier }) => specifier));
    for (const one of pinned) {
      const { default: text } = await import(one.specifier, { with: { type: "text" } });
      texts.set(one, text);
    }
  } catch (error) {
    fail(`cannot get the packages: ${advice} (${String(error).split("\n", 1)})`);
  }
  const wrong = await differences(texts);
  if (wrong.length > 0) {
    fail(
      `the files of the npm package do not match ${checksumsFile}, so nothing was installed:`,
      ...wrong,
      'Do not use that package. Remove it with "deno clean", and try another network or registry.',
    );
  }
  const [, npmPackage] = /^npm:([^/]+)/.exec(pinned[0]?.specifier ?? "") ?? [];
  const packages = pinned.map(({ name, version }) => `@std/${name}@${version}`);
  report(
    `JSR could not be used: ${npmPackage} from npm is used in place of ` +
      [...new Set(packages)].join(", "),
  );
  return await writePackages("jsr.io", texts, types);
}

/**
 * Lets Deno fetch modules, with all that they import, and runs none of them: a module's imports run
 * in their order, and the first one throws.
 */
async function fetchWithoutRunning(specifiers: readonly string[]): Promise<void> {
  const stop = "stopped before the imports";
  const imports = [`data:text/javascript,throw "${stop}"`, ...specifiers]
    .map((specifier) => `import ${JSON.stringify(specifier)};`);
  await import(`data:text/javascript,${encodeURIComponent(imports.join(""))}`).catch((error) => {
    if (error !== stop) throw error;
  });
}

/** One line for each text that does not have its checksum. */
async function differences(texts: ReadonlyMap<PinnedFile, string>): Promise<string[]> {
  const lines: string[] = [];
  for (const [{ source, name, version, file, specifier, checksum }, text] of texts) {
    const found = await sha256(text);
    const path = source === "jsr" ? `jsr:@std/${name}@${version}/${file}` : specifier;
    if (found !== checksum) lines.push(`  ${path}: expected ${checksum}, found ${found}`);
  }
  return lines;
}

/** An import of another file of the npm package. It starts its line, so it is not in a comment. */
const importPattern = /^((?:import|export)\b[^"';]*from )"\.\.\/([\w-]+)\/(\w+\.js)"/gm;

/**
 * Writes packages in the layout of `vendor/`: metadata, and the files in a folder by version.
 * Returns the host.
 */
async function writePackages(
  host: string,
  texts: ReadonlyMap<PinnedFile, string>,
  types: ReadonlyMap<string, string> = new Map(),
): Promise<string> {
  const versions = new Map(Array.from(texts.keys(), ({ name, version }) => [name, version]));
  for (const [name, version] of versions) {
    const files = new Map<string, string>();
    for (const [{ source, name: owner, file }, text] of texts) {
      if (owner !== name) continue;
      if (source === "jsr") files.set(file, text);
      else for (const [path, part] of toJsrFiles(name, file, text)) files.set(path, part);
    }
    await writePackage(`.setup/new/${host}/@std/${name}`, name, version, files);
  }
  return host;

  /** A file of the npm package as JSR would have it: imports by package, and declarations. */
  function toJsrFiles(name: string, file: string, text: string): [string, string][] {
    const js = text.replace(importPattern, (_, before: string, folder: string, target: string) => {
      const sibling = folder.replaceAll("_", "-");
      const subpath = [`@std/${sibling}@${versions.get(sibling)}`, ...toSubpath(target)].join("/");
      return `${before}"jsr:${subpath}"`;
    });
    const declarations = types.get(`${name}/${file}`);
    if (declarations === undefined) return [[file, js]];
    const typesFile = file.replace(/\.js$/, ".d.ts");
    return [[typesFile, declarations], [file, `/* @ts-self-types="./${typesFile}" */\n${js}`]];
  }
}

/** Writes one package. Its metadata names this version alone, so that no other is ever resolved. */
async function writePackage(
  folder: string,
  name: string,
  version: string,
  files: ReadonlyMap<string, string>,
) {
  const manifest: Record<string, { size: number; checksum: string }> = {};
  const exports: Record<string, string> = {};
  await Deno.mkdir(`${folder}/${version}`, { recursive: true });
  for (const [file, text] of files) {
    await Deno.writeTextFile(`${folder}/${version}/${file}`, text);
    const size = new TextEncoder().encode(text).length;
    manifest[`/${file}`] = { size, checksum: `sha256-${await sha256(text)}` };
    if (!file.endsWith(".d.ts")) exports[[".", ...toSubpath(file)].join("/")] = `./${file}`;
  }
  const meta = { scope: "std", name, latest: version, versions: { [version]: {} } };
  await Deno.writeTextFile(`${folder}/meta.json`, JSON.stringify(meta));
  const versionMeta = { manifest, exports };
  await Deno.writeTextFile(`${folder}/${version}_meta.json`, JSON.stringify(versionMeta));
}

/** The part of a specifier that stands for a file: `parse_args.ts` → `parse-args`, `mod.ts` → none. */
function toSubpath(file: string): string[] {
  const name = file.replace(/\.\w+$/, "").replaceAll("_", "-");
  return name === "mod" ? [] : [name];
}

/** Marks `.setup/new` as complete. */
async function writeStamp(host: string, { fingerprint }: Wanted): Promise<void> {
  const files: Record<string, string> = {};
  const addFiles = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(`.setup/new/${folder}`)) {
      const path = `${folder}/${name}`;
      if (isDirectory) await addFiles(path);
      else files[path] = await sha256(await Deno.readTextFile(`.setup/new/${path}`));
    }
  };
  await addFiles(host);
  const stamp: Stamp = { fingerprint, files };
  await Deno.writeTextFile(".setup/new/setup.json", JSON.stringify(stamp));
}

/** Removes `vendor/`. It is renamed first, so that Deno never sees half of it. */
async function removeVendor(): Promise<void> {
  await removeFolder(".setup/old");
  await rename("vendor", ".setup/old").catch(ignoreNotFound);
  await removeFolder(".setup/old");
}

async function removeFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ignoreNotFound);
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

/** Prints lines. What a registry or a file has put into them begins no other line. */
function report(...lines: string[]): void {
  const text = lines.map(escapeControls).join("\n");
  Deno.stderr.writeSync(new TextEncoder().encode(`setup: ${text}\n`));
}

function fail(...lines: string[]): never {
  report(...lines);
  Deno.exit(1);
}

if (self.name === jsrWorkerName) {
  const { files } = await readWanted();
  const specifiers = files.filter(({ source }) => source === "jsr").map((one) => one.specifier);
  const isFetched = await fetchWithoutRunning(specifiers).then(() => true, () => false);
  (self as unknown as Worker).postMessage(isFetched);
} else if (Deno.args.includes("--help")) {
  Deno.stdout.writeSync(new TextEncoder().encode(usage));
} else {
  await setUp().catch((error) => fail(`cannot fill vendor/ (${error})`));
  Deno.exit(0); // does not wait for timers, nor for the worker
}
