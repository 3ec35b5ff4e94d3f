/**
 * Runs the examples of README.md, docs/library.md, docs/operations.md and of the library's doc
 * comments, each against a new cluster. The files are imported as text, so that no permission is
 * needed. `deno task doc` checks the types of the examples in Markdown.
 */

import { assert, assertEquals } from "@std/assert";
// deno-lint-ignore no-external-import -- a part of the runtime
import { stripTypeScriptTypes } from "node:module";
import * as library from "../../lib/client/kv_client.ts";
import * as recipes from "../../lib/client/recipes.ts";
import libraryText from "../../lib/client/kv_client.ts" with { type: "text" };
import electionText from "../../lib/client/recipes/election.ts" with { type: "text" };
import jsonText from "../../lib/client/recipes/json.ts" with { type: "text" };
import lockText from "../../lib/client/recipes/lock.ts" with { type: "text" };
import watchedText from "../../lib/client/recipes/watched.ts" with { type: "text" };
import recipesText from "../../lib/client/recipes.ts" with { type: "text" };
import readmeText from "../../README.md" with { type: "text" };
import libraryPageText from "../../docs/library.md" with { type: "text" };
import { Cluster } from "../support/cluster.ts";

const AsyncFunction = (async () => {}).constructor as new (
  ...parameters: string[]
) => (...args: unknown[]) => Promise<void>;

/** The examples in a text, without the asterisks of a doc comment. */
function examplesOf(text: string): string[] {
  const plain = text.replaceAll(/^ *\* ?/gm, "");
  return Array.from(plain.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code!);
}

/** Runs an example with the servers of this cluster on ports 10097 to 10099. Returns what it logs. */
async function run(code: string, { addresses }: Cluster): Promise<string[]> {
  const here = stripTypeScriptTypes(code)
    .replace(/^import (\{.*?\}) from "[^"]*\/(kv_client|recipes)\.ts";$/gm, "const $1 = $2;")
    .replaceAll(/\b1009([789])\b/g, (_, digit) => `${addresses[Number(digit) - 7]!.port}`);
  const logged: string[] = [];
  const recorder = {
    log: (...args: unknown[]) => logged.push(args.map(String).join(" ")),
    error: () => {},
  };
  await new AsyncFunction("kv_client", "recipes", "console", here)(library, recipes, recorder);
  return logged;
}

const recipeTexts = [recipesText, lockText, electionText, watchedText, jsonText];

for (
  const [where, text] of [
    ["README.md", readmeText],
    ["docs/library.md", libraryPageText],
    ["lib/client/kv_client.ts", libraryText],
    ["lib/client/recipes", recipeTexts.join("\n")],
  ] as const
) {
  Deno.test(`the examples of ${where} log what they say`, async () => {
    const examples = examplesOf(text);
    assert(examples.length > 0);
    for (const code of examples) {
      await using cluster = await Cluster.start();
      const expected = Array.from(code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm), ([, s]) => s!);
      assertEquals(await run(code, cluster), expected, code);
    }
  });
}
