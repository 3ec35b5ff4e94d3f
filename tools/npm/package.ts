/**
 * Completes the npm package in the folder .npm after tsdown: package.json, README, licence, and
 * source maps without the sources.
 *
 * @module
 */

const folder = new URL("../../.npm/", import.meta.url);
const dist = new URL("dist/", folder);

const project = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));

const manifest = {
  name: project.name,
  version: project.version,
  description: "Client of a small replicated key-value store whose reads never go back: " +
    "compare-and-set, lists, watches, locks, elections",
  license: project.license,
  type: "module",
  engines: { node: ">=20.3" },
  sideEffects: false,
  files: ["dist"],
  exports: {
    ".": { types: "./dist/index.d.mts", default: "./dist/index.mjs" },
    "./recipes": { types: "./dist/recipes.d.mts", default: "./dist/recipes.mjs" },
    "./package.json": "./package.json",
  },
};
Deno.writeTextFileSync(new URL("package.json", folder), `${JSON.stringify(manifest, null, 2)}\n`);

for (const [from, to] of [["README.md", "README.md"], ["../../LICENSE", "LICENSE"]] as const) {
  Deno.writeTextFileSync(
    new URL(to, folder),
    Deno.readTextFileSync(new URL(from, import.meta.url)),
  );
}

for (const { name } of Deno.readDirSync(dist)) {
  const file = new URL(name, dist);
  const text = Deno.readTextFileSync(file);
  if (name.endsWith(".map")) {
    const { sourcesContent: _, ...map } = JSON.parse(text);
    Deno.writeTextFileSync(file, JSON.stringify(map));
  } else if (name.endsWith(".d.mts")) {
    // AsyncDisposable, which TypeScript does not have for all targets.
    Deno.writeTextFileSync(file, `/// <reference lib="esnext.disposable" />\n${text}`);
  }
}
