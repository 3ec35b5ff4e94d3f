/** Each promise of SECURITY.md names a test. These check that the tests are there. */

import { assert, assertEquals } from "@std/assert";

const folder = "tests/suites/security/";

/** Shorter texts are no names of tests. A template of expressions alone would fit every name. */
const nameCharsMin = 12;

/** A file and the names of its tests, as SECURITY.md writes them: `file.ts: "one", "two"`. */
const reference = /((?:[\w-]+\/)*\w+\.ts): ("[^"]+"(?:,\s+"[^"]+")*)/g;

/** The names of tests in SECURITY.md, by file. */
async function namedTests(): Promise<Map<string, string[]>> {
  const named = new Map<string, string[]>();
  const text = await Deno.readTextFile("SECURITY.md");
  for (const [, file = "", names = ""] of text.matchAll(reference)) {
    const path = file.includes("/") ? file : `${folder}${file}`;
    const found = [...names.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name);
    named.set(path, [...named.get(path) ?? [], ...found.map((name) => name.replace(/\s+/g, " "))]);
  }
  return named;
}

/** The texts of a program as patterns. An expression in a template stands for any text. */
function patternsIn(source: string): RegExp[] {
  const texts = source.matchAll(/"((?:[^"\\\n]|\\.)+)"|`((?:[^`\\]|\\.)+)`/g);
  return [...texts].flatMap(([, plain, template = ""]) => {
    const parts = plain === undefined ? template.split(/\$\{[^}]*\}/) : [plain];
    if (parts.join("").length < nameCharsMin) return [];
    const escaped = parts.map((part) => RegExp.escape(part.replace(/\\(.)/g, "$1")));
    return new RegExp(`^${escaped.join(".+")}$`);
  });
}

Deno.test("each test that SECURITY.md names is there", async () => {
  const missing: string[] = [];
  let count = 0;
  for (const [file, names] of await namedTests()) {
    const patterns = patternsIn(await Deno.readTextFile(file));
    for (const name of names) {
      count++;
      if (!patterns.some((pattern) => pattern.test(name))) missing.push(`${file}: "${name}"`);
    }
  }
  assert(count > 60, `SECURITY.md names ${count} tests`);
  assertEquals(missing, []);
});

Deno.test("each row of the threats in SECURITY.md names a test", async () => {
  const text = await Deno.readTextFile("SECURITY.md");
  const tables = text.split("deno-fmt-ignore-start")[1]!.split("deno-fmt-ignore-end")[0]!;
  const rows = tables.split("\n").filter((line) =>
    line.startsWith("| ") && !/^\| (?:Threat|-)/.test(line)
  );
  assert(rows.length > 40, `${rows.length} rows`);
  assertEquals(rows.filter((row) => !/\.ts: "[^|]+" \|$/.test(row)), []);
});
